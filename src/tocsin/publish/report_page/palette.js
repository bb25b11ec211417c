"use strict";
// The colours, as the style sheet says them: one place for canvas, chart and page.
var tocsin = globalThis.tocsin || {};

tocsin.palette = (() => {
  const NAMES = [
    "paper", "ink", "muted", "rule", "line", "band", "expected", "mark", "mark-soft", "score",
    "red", "yellow",
  ];

  /** The colours in force now: {paper, ink, …, markSoft}. */
  function colours() {
    const style = getComputedStyle(document.documentElement);
    const found = {};
    for (const name of NAMES) {
      const key = name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
      found[key] = style.getPropertyValue(`--${name}`).trim();
    }
    return found;
  }

  /** Call `redraw` when the reader's system turns from light to dark or back. */
  function onChange(redraw) {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  return { colours, onChange };
})();
