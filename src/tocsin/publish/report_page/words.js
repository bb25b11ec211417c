"use strict";
// Numbers, times and improbabilities in words. Shared by the report and the live page.
// why a classic script: the report carries it inline, and modules do not load from file://.
var tocsin = globalThis.tocsin || {};

tocsin.words = (() => {
  const PLAIN = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });
  const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const LARGE = [[1e9, "billion"], [1e6, "million"]];
  const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

  /** A measured number, short enough to read: 21.304, 1,250,300, 3.1e-7. */
  function number(x) {
    if (x === null || x === undefined || Number.isNaN(x)) return "–";
    if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
    const size = Math.abs(x);
    if (size !== 0 && (size < 1e-4 || size >= 1e12)) return String(Number(x.toPrecision(4)));
    return PLAIN.format(x).replace("-", "−");
  }

  const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });

  /** A number where there is little room: 95.21, 23.91B. */
  function short(x) {
    const size = Math.abs(x);
    return size >= 1e5 && size < 1e15 ? COMPACT.format(x).replace("-", "−") : number(x);
  }

  const count = (n) => WHOLE.format(n);

  /** "1 event", "2 events", "1,200 series". */
  function many(n, one, more = one + "s") {
    return `${count(n)} ${n === 1 ? one : more}`;
  }

  function twoDigits(n) {
    return Number(n.toPrecision(2));
  }

  /** "1 in 250,000" from the N of 1/N. */
  function oneIn(n) {
    if (!(n >= 1)) return "–";
    if (n < 2) return "usual";
    const round = twoDigits(n);
    for (const [size, name] of LARGE) {
      if (round >= size) return `1 in ${PLAIN.format(round / size)} ${name}`;
    }
    return `1 in ${WHOLE.format(round)}`;
  }

  /** How improbable a sample or event with this anomaly score (log scale, 0 to 1) is. */
  function odds(score) {
    return score === null || score === undefined || Number.isNaN(score)
      ? "–" : oneIn(10 ** (10 * score));
  }

  const pad = (n, width = 2) => String(n).padStart(width, "0");
  const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

  function clock(date) {
    const text = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}`;
    const ms = date.getUTCMilliseconds();
    if (ms) return `${text}:${pad(date.getUTCSeconds())}.${pad(ms, 3)}`;
    return date.getUTCSeconds() ? `${text}:${pad(date.getUTCSeconds())}` : text;
  }

  /** "Sun 2014-11-02 01:00"; `offset` is what the place's clock is ahead of UTC, in ms. */
  function moment(ms, offset = 0) {
    const date = new Date(ms + offset);
    if (Number.isNaN(date.getTime())) return "–";
    return `${WEEKDAYS[date.getUTCDay()]} ${day(ms, offset)} ${clock(date)}`;
  }

  function day(ms, offset = 0) {
    const date = new Date(ms + offset);
    const month = pad(date.getUTCMonth() + 1);
    return `${pad(date.getUTCFullYear(), 4)}-${month}-${pad(date.getUTCDate())}`;
  }

  /** The time of day with seconds. */
  function time(ms, offset = 0) {
    const date = new Date(ms + offset);
    return `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}`;
  }

  /** "45 s", "12 min", "3.5 h", "2 days". */
  function duration(ms) {
    if (ms < 1000) return `${Math.round(ms)} ms`;
    if (ms < 2 * MINUTE) return `${Number((ms / 1000).toFixed(ms < 10_000 ? 1 : 0))} s`;
    if (ms < 2 * HOUR) return `${Math.round(ms / MINUTE)} min`;
    if (ms < 2 * DAY) return `${Number((ms / HOUR).toFixed(1))} h`;
    return `${Number((ms / DAY).toFixed(1))} days`;
  }

  /** The name of a zone that is this many ms ahead of UTC: "UTC", "UTC+2", "UTC−3:30". */
  function zone(offset) {
    if (!offset) return "UTC";
    const minutes = Math.abs(offset) / MINUTE;
    const rest = minutes % 60 ? `:${pad(minutes % 60)}` : "";
    return `UTC${offset > 0 ? "+" : "−"}${Math.floor(minutes / 60)}${rest}`;
  }

  /** A metric's status: "active", "paused", "warming up 37 of 150". */
  function status({ status: said, readiness }) {
    if (said !== "warming_up") return said.replaceAll("_", " ");
    return `warming up ${Math.min(readiness.seen, readiness.needed)} of ${readiness.needed}`;
  }

  /** A number with no more decimals than make sense beside others `size` apart. */
  function roughly(x, size) {
    const decimals = Math.max(0, 2 - Math.floor(Math.log10(size)));
    return number(decimals <= 8 ? Number(x.toFixed(decimals)) : x);
  }

  /** What happened at an event's peak: "812 where about 340 was expected (250 to 430)". */
  function surprise({ value, expected, lower, upper }) {
    if (!Number.isFinite(expected ?? NaN)) return number(value);
    const banded = Number.isFinite(lower ?? NaN) && Number.isFinite(upper ?? NaN);
    const size = (banded && upper - lower) || Math.abs(value - expected) || Math.abs(expected);
    const text = `${number(value)} where about ${roughly(expected, size)} was expected`;
    return banded ? `${text} (${roughly(lower, size)} to ${roughly(upper, size)})` : text;
  }

  return {
    number, short, count, many, oneIn, odds, moment, day, time, duration, zone,
    roughly, status, surprise,
  };
})();
