// Which stretch of time is shown: read from the address, written to it, moved and zoomed.
import { iso, ms } from "../../format";
import type { Query } from "../../router";
import type { Range } from "./types";

const HOUR = 3_600;
const DAY = 24 * HOUR;

/** The stretches with a button: what the address says, seconds, and words. */
export const SPANS = [
  ["10min", 600, "10 min"],
  ["1h", HOUR, "1 h"],
  ["6h", 6 * HOUR, "6 h"],
  ["1d", DAY, "1 d"],
  ["1w", 7 * DAY, "1 w"],
  ["1mo", 30 * DAY, "1 mo"],
  ["all", 0, "all"],
] as const;

const SHORTEST = 2;
/** Around an event that is looked at, as a share of its length, and at least (s). */
const AIR = 3;
const LEAST_AIR = 900;

/** Where there are samples, in seconds since 1970. */
export interface Extent {
  first: number;
  last: number;
}

export interface Shown extends Range {
  /** The name of a span that ends now, or with the last sample; "": a stretch of its own. */
  span: string;
}

/** What an address asks to be shown; without anything in it the last week, or all if that is less. */
export function shown(query: URLSearchParams, extent: Extent, now: number): Shown {
  const from = second(query.get("from"));
  const to = second(query.get("to"));
  if (from !== undefined && to !== undefined && to > from) return { from, to, span: "" };
  const whole = extent.last - extent.first;
  const asked = SPANS.find(([name]) => name === query.get("last"));
  const [name, length] = asked ?? (whole > 7 * DAY ? SPANS[4] : SPANS[6]);
  return { ...spanned(length, extent, now), span: name };
}

/** What is taken for known of a metric until it is told, from its last sample (s since 1970). */
export function likely(last: number): Extent {
  return { first: last - 7 * DAY - 1, last };
}

/** A stretch so long up to now; up to the last sample where none came for longer than that. */
function spanned(length: number, { first, last }: Extent, now: number): Range {
  if (length === 0) {
    const air = Math.max((last - first) * 0.004, 2);
    return { from: first - air, to: last + air };
  }
  const to = now - last < length ? Math.max(now, last) : last + length * 0.02;
  return { from: to - length, to };
}

/** A time of the address: ISO 8601, or seconds since 1970. */
function second(text: string | null): number | undefined {
  if (!text) return undefined;
  const time = /^\d+(\.\d+)?$/.test(text) ? Number(text) : ms(text) / 1_000;
  return Number.isFinite(time) ? time : undefined;
}

/** The part of an address that stands for a stretch. */
export function addressOf({ from, to }: Range): Query {
  const fine = to - from < 60;
  const told = (time: number, whole: number): string =>
    iso((fine ? time : whole) * 1_000).replace(/\.000Z$/, "Z");
  return { from: told(from, Math.floor(from)), to: told(to, Math.ceil(to)), last: "" };
}

/** Neither shorter than can be seen nor longer than there is, and always with some of it in sight. */
export function within({ from, to }: Range, { first, last }: Extent): Range {
  const longest = Math.max((last - first) * 1.5, 3_600);
  const length = Math.min(Math.max(to - from, SHORTEST), longest);
  const middle = Math.min(Math.max((from + to) / 2, first - length * 0.3), last + length * 0.3);
  return { from: middle - length / 2, to: middle + length / 2 };
}

/** By a share of its length. */
export function moved({ from, to }: Range, share: number): Range {
  const by = (to - from) * share;
  return { from: from + by, to: to + by };
}

/** So many times as long, with a point of time staying in its place. */
export function zoomed({ from, to }: Range, times: number, at = (from + to) / 2): Range {
  return { from: at - (at - from) * times, to: at + (to - at) * times };
}

/** An event with what was before and after it. */
export function around(start: number, end: number): Range {
  const air = Math.max((end - start) * AIR, LEAST_AIR);
  return { from: start - air, to: end + air };
}
