"use strict";
// Small charts on a canvas: drawn in a fraction of a millisecond, so that a page can hold hundreds.
var tocsin = globalThis.tocsin || {};

tocsin.spark = (() => {
  const { thin, palette } = tocsin;

  /** A canvas' drawing context in CSS pixels, cleared, with its size; null while it is hidden. */
  function clean(canvas) {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return null;
    const scale = globalThis.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.lineJoin = "round";
    return { pen, width, height };
  }

  /** Turns numbers of a range into pixels; halves first, because 1e308 - -1e308 overflows. */
  function scaler(low, high, from, to) {
    const size = high / 2 - low / 2;
    if (!(size > 0)) return () => (from + to) / 2;
    return (x) => from + ((x / 2 - low / 2) / size) * (to - from);
  }

  /** A whole series in outline: {at, low, high} in 0…100 per stretch, events as [from, to]. */
  function outline(canvas, { at, low, high }, events) {
    const sheet = clean(canvas);
    if (!sheet) return;
    const { pen, width, height } = sheet;
    const colours = palette.colours();
    const x = scaler(0, 100, 1, width - 1), y = scaler(0, 100, height - 3, 3);
    pen.fillStyle = colours.mark;
    for (const [from, to] of events) {
      pen.fillRect(x(from) - 1, 0, Math.max(2, x(to) - x(from)), height);
    }
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1;
    pen.beginPath();
    at.forEach((place, i) => {
      const jump = i === 0 || place - at[i - 1] > 4;
      if (jump) pen.moveTo(x(place), y(low[i])); else pen.lineTo(x(place), y(low[i]));
      pen.lineTo(x(place), y(high[i]) - 0.5);
    });
    pen.stroke();
  }

  /** Newest samples: line, band, and a red mark where a sample is news. */
  function live(canvas, columns, view) {
    const sheet = clean(canvas);
    if (!sheet) return;
    const { pen, width, height } = sheet;
    const colours = palette.colours();
    const first = Math.max(0, thin.position(columns.times, view.from) - 1);
    const last = columns.times.length;
    const [low, high] = range(columns, first, last);
    const x = scaler(view.from, view.to, 0, width - 3), y = scaler(low, high, height - 4, 6);
    paintBand(pen, columns, first, last, x, y, colours.band);
    paintLine(pen, columns, first, last, x, y, colours.line);
    paintMarks(pen, columns, first, last, x, y, { colour: colours.mark, height });
  }

  function range(columns, first, last) {
    let [low, high] = thin.extent(columns.values, first, last);
    const room = (high / 2 - low / 2) || Math.abs(high) / 10 || 1;
    const [lower] = thin.extent(columns.lower, first, last);
    const [, upper] = thin.extent(columns.upper, first, last);
    if (lower < low) low = Math.max(lower, low - room);
    if (upper > high) high = Math.min(upper, high + room);
    return [low, high];
  }

  function paintBand(pen, { times, lower, upper }, first, last, x, y, colour) {
    pen.fillStyle = colour;
    let stretch = [];
    const close = () => {
      pen.beginPath();
      stretch.forEach((i) => pen.lineTo(x(times[i]), y(upper[i])));
      stretch.reverse().forEach((i) => pen.lineTo(x(times[i]), y(lower[i])));
      pen.fill();
      stretch = [];
    };
    for (let i = first; i < last; i++) {
      if (Number.isFinite(lower[i]) && Number.isFinite(upper[i])) stretch.push(i); else close();
    }
    close();
  }

  function paintLine(pen, { times, values }, first, last, x, y, colour) {
    const holes = new Set(thin.gaps(times));
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (let i = first; i < last; i++) {
      if (i === first || holes.has(i)) pen.moveTo(x(times[i]), y(values[i]));
      else pen.lineTo(x(times[i]), y(values[i]));
    }
    pen.stroke();
    if (last > first) dot(pen, x(times[last - 1]), y(values[last - 1]), 2, colour);
  }

  function paintMarks(pen, { times, values, start }, first, last, x, y, { colour, height }) {
    for (let i = first; i < last; i++) {
      if (!start[i]) continue;
      pen.fillStyle = colour;
      pen.globalAlpha = 0.35;
      pen.fillRect(x(times[i]) - 1, 0, 2, height);
      pen.globalAlpha = 1;
      dot(pen, x(times[i]), y(values[i]), 3.5, colour);
    }
  }

  function dot(pen, x, y, radius, colour) {
    pen.fillStyle = colour;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fill();
  }

  return { outline, live };
})();
