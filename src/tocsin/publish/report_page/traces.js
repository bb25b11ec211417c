"use strict";
// What of a series is drawn for one view: columns in, plotly traces out. No page, no state.
var tocsin = globalThis.tocsin || {};

tocsin.traces = (() => {
  const { thin } = tocsin;
  // why: beyond this the chart's own arithmetic overflows; the hover text still tells the truth.
  const LARGEST = 1e300;
  const DOT_PIXELS = 9;
  const RED = 0.5, YELLOW = 0.4;

  const drawable = (x) => Math.max(-LARGEST, Math.min(LARGEST, x));

  /** What is known of a series whatever the view: where it has holes, where it alerts. */
  function prepare(series) {
    const alerts = [];
    for (let i = 0; i < series.alert.length; i++) if (series.alert[i] > 0) alerts.push(i);
    return {
      ...series,
      gaps: thin.gaps(series.times),
      alertTimes: Float64Array.from(alerts, (i) => series.times[i]),
      alertScores: Float64Array.from(alerts, (i) => series.alert[i]),
      events: [...series.events].sort((a, b) => a.start - b.start),
    };
  }

  /** The samples to draw: the view and as much again on both sides, so that a drag shows data. */
  function windowOf(series, view, pixels) {
    const span = view.to - view.from;
    return {
      first: Math.max(0, thin.position(series.times, view.from - span) - 1),
      last: Math.min(series.times.length, thin.position(series.times, view.to + span) + 1),
      width: Math.max(span / Math.max(pixels, 1), 1e-6),
    };
  }

  /** Whether the line breaks between samples i < j: a hole that is also wide enough to be seen. */
  function breaks(series, width) {
    const wide = series.gaps.filter((g) => series.times[g] - series.times[g - 1] > 2 * width);
    let at = 0;
    return (i, j) => {
      while (at < wide.length && wide[at] <= i) at++;
      return at < wide.length && wide[at] <= j;
    };
  }

  /** A column as a line with holes: {x, y}. */
  function path(series, column, { first, last, width }, offset) {
    const broken = breaks(series, width);
    const x = [], y = [];
    let before = -1;
    for (const i of thin.line(series.times, column, first, last, width)) {
      if (before >= 0 && broken(before, i)) { x.push(null); y.push(null); }
      x.push(series.times[i] + offset);
      y.push(drawable(column[i]));
      before = i;
    }
    return { x, y };
  }

  /** Samples that need a dot: all if they lie far apart, else those alone between two holes. */
  function dots(series, { first, last, width }, offset) {
    const x = [], y = [];
    const add = (i) => { x.push(series.times[i] + offset); y.push(drawable(series.values[i])); };
    const sparse = thin.interval(series.times) > DOT_PIXELS * width;
    if (sparse || series.times.length === 1) {
      for (let i = first; i < last; i++) add(i);
      return { x, y };
    }
    const edges = [0, ...series.gaps, series.times.length];
    for (let k = 1; k < edges.length; k++) {
      const alone = edges[k - 1];
      if (edges[k] - alone === 1 && alone >= first && alone < last) add(alone);
    }
    return { x, y };
  }

  /** The band as polygons, one per unbroken stretch: there along the top, back along the bottom. */
  function polygons(series, { first, last, width }, offset) {
    const broken = breaks(series, width);
    const x = [], y = [];
    let stretch = [];
    const close = () => {
      const sides = [...stretch.map((b) => [b.time, b.upper]),
        ...stretch.reverse().map((b) => [b.time, b.lower])];
      for (const [time, value] of sides) { x.push(time + offset); y.push(drawable(value)); }
      if (sides.length) { x.push(null); y.push(null); }
      stretch = [];
    };
    let before = first;
    for (const b of thin.bands(series.times, series.lower, series.upper, first, last, width)) {
      if (broken(before, b.first)) close();
      if (Number.isNaN(b.lower)) close(); else stretch.push(b);
      before = b.first;
    }
    close();
    return { x, y };
  }

  /** The anomaly score as an area whose every pixel shows its highest sample. */
  function scores(series, { first, last, width }, offset) {
    const broken = breaks(series, width);
    const x = [], y = [];
    const add = (i, score) => { x.push(series.times[i] + offset); y.push(score); };
    let before = -1;
    for (const i of thin.peaks(series.times, series.score, first, last, width)) {
      // why down to zero: plotly fills an area across a mere hole.
      if (before >= 0 && broken(before, i)) { add(before, 0); add(i, 0); }
      add(i, series.score[i]);
      before = i;
    }
    return { x, y };
  }

  /** The alert score as stems from zero. */
  function stems(series, { first, last, width }, offset) {
    const { alertTimes, alertScores, times } = series;
    const x = [], y = [];
    if (first >= last) return { x, y };
    const from = thin.position(alertTimes, times[first]);
    const to = thin.position(alertTimes, times[last - 1] + 1e-3);
    for (const i of thin.peaks(alertTimes, alertScores, from, to, 2 * width)) {
      const at = alertTimes[i] + offset;
      x.push(at, at, null);
      y.push(0, alertScores[i], null);
    }
    return { x, y };
  }

  /** Events that touch the window. */
  function eventsIn(series, { first, last }) {
    if (first >= last) return [];
    const from = series.times[first], to = series.times[last - 1];
    return series.events.filter((event) => event.end >= from && event.start <= to);
  }

  /** Events as spans at least three pixels wide; spans closer than a pixel are drawn as one. */
  function spans(events, width) {
    const merged = [];
    for (const { start, end } of events) {
      const short = Math.max(0, 3 * width - (end - start)) / 2;
      const last = merged[merged.length - 1];
      if (last && start - short <= last.to + width) last.to = Math.max(last.to, end + short);
      else merged.push({ from: start - short, to: end + short });
    }
    return merged;
  }

  /** The most improbable event of every four pixels, for the marks at the peaks. */
  function marks(events, width) {
    const byPeak = [...events].sort((a, b) => a.peak - b.peak);
    const times = byPeak.map((event) => event.peak);
    const odds = byPeak.map((event) => event.anomaly_score ?? 0);
    return thin.peaks(times, odds, 0, times.length, 4 * width).map((i) => byPeak[i]);
  }

  /** Range of the value axis: all values in view, and as much band as leaves them readable. */
  function valueRange(series, view) {
    const first = Math.max(0, thin.position(series.times, view.from) - 1);
    const last = Math.min(series.times.length, thin.position(series.times, view.to) + 1);
    let [low, high] = thin.extent(series.values, first, last).map(drawable);
    if (!(low <= high)) return [0, 1];
    const room = (high / 2 - low / 2) || Math.abs(high) / 10;
    const [lower] = thin.extent(series.lower, first, last);
    const [, upper] = thin.extent(series.upper, first, last);
    if (lower < low) low = Math.max(lower, low - room);
    if (upper > high) high = Math.min(upper, high + room);
    const pad = (high / 2 - low / 2) * 0.12;
    // why: a constant series, or one that differs in its last bits only, still needs an axis.
    const least = Math.max(Math.abs(high) * 1e-9, 1e-290);
    if (pad > least) return [low - pad, high + pad];
    const around = Math.abs(high) > 1e-290 ? Math.abs(high) * 0.1 : 1;
    return [low - around, high + around];
  }

  return {
    RED, YELLOW, prepare, windowOf, path, dots, polygons, scores, stems, eventsIn, spans, marks,
    valueRange,
  };
})();
