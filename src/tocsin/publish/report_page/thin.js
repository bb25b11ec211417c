"use strict";
// Down-sampling for what a screen can show: extremes are kept, everything else may go.
var tocsin = globalThis.tocsin || {};

tocsin.thin = (() => {
  // why 5: a few late samples are jitter; a hole of five intervals is worth seeing.
  const GAP_INTERVALS = 5;
  const INTERVALS_LOOKED_AT = 5000;

  /** Position of the first of rising `times` that is not before `t`. O(log n). */
  function position(times, t) {
    let low = 0, high = times.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (times[middle] < t) low = middle + 1; else high = middle;
    }
    return low;
  }

  /** The sample nearest in time to `t`, or -1 if there is none. */
  function nearest(times, t) {
    const after = position(times, t);
    if (after === 0) return times.length ? 0 : -1;
    if (after === times.length) return after - 1;
    return times[after] - t < t - times[after - 1] ? after : after - 1;
  }

  /** The usual interval between samples (median of evenly taken ones), 0 if there is none. */
  function interval(times) {
    const stride = Math.max(1, Math.floor(times.length / INTERVALS_LOOKED_AT));
    const found = [];
    for (let i = stride; i < times.length; i += stride) found.push(times[i] - times[i - 1]);
    found.sort((a, b) => a - b);
    return found.length ? found[found.length >> 1] : 0;
  }

  /** Positions of the samples before which time was lost. */
  function gaps(times) {
    const limit = GAP_INTERVALS * interval(times);
    const found = [];
    if (!limit) return found;
    for (let i = 1; i < times.length; i++) if (times[i] - times[i - 1] > limit) found.push(i);
    return found;
  }

  /**
   * Calls `each(first, last)` for every run of samples that share a pixel of `width` ms: samples
   * `first` up to, not including, `last`.
   * why pixels count from 1970: the same samples share a pixel wherever the view is, so that
   * nothing flickers while it moves.
   */
  function runs(times, first, last, width, each) {
    let start = first;
    while (start < last) {
      let end = start + 1;
      const edge = (Math.floor(times[start] / width) + 1) * width;
      while (end < last && times[end] < edge) end++;
      each(start, end);
      start = end;
    }
  }

  /** Positions to draw of a line: per run its first, lowest, highest and last sample, in order. */
  function line(times, column, first, last, width) {
    const kept = [];
    const add = (i) => { if (kept[kept.length - 1] !== i) kept.push(i); };
    runs(times, first, last, width, (start, end) => {
      let low = start, high = start;
      for (let i = start + 1; i < end; i++) {
        // why negated: a run may begin with not-a-number, which any number must replace.
        if (!(column[i] >= column[low])) low = Number.isNaN(column[i]) ? low : i;
        if (!(column[i] <= column[high])) high = Number.isNaN(column[i]) ? high : i;
      }
      add(start);
      add(Math.min(low, high));
      add(Math.max(low, high));
      add(end - 1);
    });
    return kept;
  }

  /** Positions of the highest of `column` per run; runs without a number are left out. */
  function peaks(times, column, first, last, width) {
    const kept = [];
    runs(times, first, last, width, (start, end) => {
      let high = -1;
      for (let i = start; i < end; i++) {
        if (column[i] >= (high < 0 ? -Infinity : column[high])) high = i;
      }
      if (high >= 0) kept.push(high);
    });
    return kept;
  }

  /** The band per run, as {first, time, lower, upper}; without a finite band lower is NaN. */
  function bands(times, lower, upper, first, last, width) {
    const found = [];
    runs(times, first, last, width, (start, end) => {
      let low = Infinity, high = -Infinity;
      for (let i = start; i < end; i++) {
        if (!Number.isFinite(lower[i]) || !Number.isFinite(upper[i])) continue;
        if (lower[i] < low) low = lower[i];
        if (upper[i] > high) high = upper[i];
      }
      const time = (times[start] + times[end - 1]) / 2;
      found.push({ first: start, time, lower: low <= high ? low : NaN, upper: high });
    });
    return found;
  }

  /** Lowest and highest finite number of a stretch, [Infinity, -Infinity] if there is none. */
  function extent(column, first, last) {
    let low = Infinity, high = -Infinity;
    for (let i = first; i < last; i++) {
      const x = column[i];
      if (!Number.isFinite(x)) continue;
      if (x < low) low = x;
      if (x > high) high = x;
    }
    return [low, high];
  }

  return { position, nearest, interval, gaps, runs, line, peaks, bands, extent };
})();
