// The columns of a chart from several answers: finely what is looked at, roughly all around it.
import { ms } from "../../format";
import type { LiveSample } from "../../live";
import type { Columns, Range } from "./types";

const NAMES = ["t", "min", "max", "expected", "lower", "upper", "score"] as const;

export const NOTHING: Columns = { t: [], min: [], max: [], expected: [], lower: [], upper: [], score: [] };

export interface Held extends Range {
  columns: Columns;
  /** It held every sample of its stretch. */
  exact: boolean;
  /** It reached to the present: what is newer came live. */
  open: boolean;
  points: number;
}

/** The fine columns where there are some, the rough ones elsewhere, and the newest samples. */
export function merged(rough: Columns, fine: Held | undefined, live: readonly LiveSample[]): Columns {
  const parts = fine
    ? [
        part(rough, 0, place(rough.t, fine.from)),
        fine.columns,
        part(rough, fine.open ? rough.t.length : place(rough.t, fine.to), rough.t.length),
      ]
    : [rough];
  const end = parts.findLast(({ t }) => t.length > 0)?.t.at(-1) ?? 0;
  const fresh = live.filter(({ timestamp }) => ms(timestamp) / 1_000 > end);
  return joined(fresh.length ? [...parts, columnsOf(fresh)] : parts);
}

function part(columns: Columns, from: number, to: number): Columns {
  return Object.fromEntries(NAMES.map((name) => [name, columns[name].slice(from, to)])) as unknown as Columns;
}

function joined(parts: readonly Columns[]): Columns {
  const filled = parts.filter(({ t }) => t.length > 0);
  const [only] = filled;
  if (filled.length <= 1) return only ?? NOTHING;
  return Object.fromEntries(
    NAMES.map((name) => [name, ([] as (number | null)[]).concat(...filled.map((one) => one[name] as (number | null)[]))]),
  ) as unknown as Columns;
}

function columnsOf(samples: readonly LiveSample[]): Columns {
  const seen = samples.map(({ rate, value }) => rate ?? value);
  return {
    t: samples.map(({ timestamp }) => ms(timestamp) / 1_000),
    min: seen,
    max: seen,
    expected: samples.map(({ expected }) => expected),
    lower: samples.map(({ lower }) => lower),
    upper: samples.map(({ upper }) => upper),
    score: samples.map(({ anomaly_score: score }) => score),
  };
}

/** How many of the rising times are before this one. */
export function place(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The lowest and highest of what is in sight, with the band as far as it is near. */
export function reach({ t, min, max, lower, upper }: Columns, { from, to }: Range): [number, number] | undefined {
  const first = Math.max(place(t, from) - 1, 0);
  const end = Math.min(place(t, to) + 1, t.length);
  let low = Infinity;
  let high = -Infinity;
  for (let at = first; at < end; at++) {
    low = Math.min(low, min[at] ?? Infinity);
    high = Math.max(high, max[at] ?? -Infinity);
  }
  if (low > high) return undefined;
  // why not the whole band: while it is still wide, the line would be flat.
  const near = (high - low || Math.abs(high) || 1) * 0.4;
  let [floor, roof] = [low, high];
  for (let at = first; at < end; at++) {
    floor = Math.min(floor, Math.max(lower[at] ?? floor, low - near));
    roof = Math.max(roof, Math.min(upper[at] ?? roof, high + near));
  }
  const air = (roof - floor || Math.abs(roof) || 1) * 0.06;
  return [floor - air, roof + air];
}
