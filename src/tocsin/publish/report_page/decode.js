"use strict";
// Turns a series' data block (base64 of deflated columns) into typed arrays.
var tocsin = globalThis.tocsin || {};

tocsin.decode = (() => {
  const READERS = {
    u1: [1, Uint8Array], u2: [2, Uint16Array], u4: [4, Uint32Array],
    f4: [4, Float32Array], f8: [8, Float64Array],
  };
  const UNKNOWN_SCORE = 65535, SCORE_STEPS = 65534;

  async function bytesOf(text) {
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(plain).arrayBuffer();
  }

  /** Bytes were sorted by their place in the number, because that packs better: sort them back. */
  function unshuffle(bytes, size) {
    const count = bytes.length / size;
    const plain = new Uint8Array(bytes.length);
    for (let place = 0; place < size; place++) {
      for (let i = 0; i < count; i++) plain[i * size + place] = bytes[place * count + i];
    }
    return plain.buffer;
  }

  function timesOf({ start, step, samples }, deltas) {
    const times = new Float64Array(samples);
    let steps = 0;
    // why a sum of whole steps: sums of fractions would drift.
    for (let i = 0; i < samples; i++) times[i] = start + ((steps += deltas[i]) * step) / 1e6;
    return times;
  }

  function scoresOf(codes) {
    return Float32Array.from(codes, (c) => (c === UNKNOWN_SCORE ? NaN : c / SCORE_STEPS));
  }

  /** The columns of one series: {times, values, expected, lower, upper, score, alert, events}. */
  async function columns(about, text) {
    const buffer = await bytesOf(text);
    const found = {};
    let at = 0;
    for (const [name, kind] of about.columns) {
      const [size, Reader] = READERS[kind];
      const length = size * about.samples;
      found[name] = new Reader(unshuffle(new Uint8Array(buffer, at, length), size));
      at += length;
    }
    return {
      times: timesOf(about, found.delta), values: found.value, expected: found.expected,
      lower: found.lower, upper: found.upper, score: scoresOf(found.score),
      alert: scoresOf(found.alert), events: about.events,
    };
  }

  return { columns };
})();
