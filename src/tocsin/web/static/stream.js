"use strict";
// New results as they are committed: server-sent events, read with fetch because EventSource
// cannot send a token.
var tocsin = globalThis.tocsin || {};

tocsin.stream = (() => {
  const PATIENCE = 5000;

  /** The data of each message in a body of server-sent events. */
  async function* messages(body) {
    let rest = "";
    for await (const text of texts(body)) {
      const blocks = (rest + text).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const data = block.split("\n").filter((line) => line.startsWith("data:"));
        if (data.length) yield JSON.parse(data.map((line) => line.slice(5)).join("\n"));
      }
    }
  }

  async function* texts(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  }

  /**
   * Calls `onCommit({samples, events})` for every commit, for ever; `onState(true | false)` when
   * the line is up or down.
   */
  async function follow(onCommit, onState) {
    for (;;) {
      try {
        const response = await tocsin.api.request("stream");
        onState(true);
        for await (const message of messages(response.body)) onCommit(message);
      } catch (error) {
        console.info("the live stream broke off:", error.message);
      }
      onState(false);
      await new Promise((done) => setTimeout(done, PATIENCE));
    }
  }

  return { follow };
})();
