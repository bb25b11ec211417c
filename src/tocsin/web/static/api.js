"use strict";
// Asks Tocsin's HTTP interface; asks the reader for a token when it wants one.
var tocsin = globalThis.tocsin || {};

tocsin.api = (() => {
  const ROOT = "api/v1/";
  const KEY = "tocsin-token";
  let asking = null;

  const token = () => sessionStorage.getItem(KEY);

  function headers() {
    return token() ? { Authorization: `Bearer ${token()}` } : {};
  }

  /** Ask for a token once, however many requests wait for it. */
  function askToken(refused) {
    // why: another request may have brought a new token while this one was under way.
    if (token() && token() !== refused) return Promise.resolve();
    asking ??= new Promise((done) => {
      const dialog = document.getElementById("login");
      dialog.addEventListener("close", () => {
        sessionStorage.setItem(KEY, document.getElementById("token").value.trim());
        document.getElementById("token").value = "";
        asking = null;
        done();
      }, { once: true });
      dialog.addEventListener("cancel", (event) => event.preventDefault());
      dialog.showModal();
    });
    return asking;
  }

  /** A response, after the token if need be. Throws an Error that says what was wrong. */
  async function request(path, options = {}) {
    const sent = token();
    const response = await fetch(ROOT + path, { ...options, headers: headers() });
    if (response.status === 401) {
      await askToken(sent);
      return request(path, options);
    }
    if (!response.ok) {
      const error = new Error(`Tocsin answered ${response.status} to ${path}`);
      error.status = response.status;
      throw error;
    }
    return response;
  }

  function address(path, options) {
    const given = Object.entries(options).filter(([, value]) => (value ?? null) !== null);
    const query = new URLSearchParams(given).toString();
    return query ? `${path}?${query}` : path;
  }

  /** JSON from a path with options. */
  async function get(path, options = {}) {
    return (await request(address(path, options))).json();
  }

  /** All rows named `rows` of a paged answer, up to `most`: {rows, whole}. */
  async function pages(path, rows, options, most) {
    const found = [];
    let cursor;
    do {
      const page = await get(path, { ...options, cursor });
      found.push(...page[rows]);
      cursor = page.cursor;
    } while (cursor && found.length < most);
    return { rows: found, whole: !cursor };
  }

  return { request, get, pages };
})();
