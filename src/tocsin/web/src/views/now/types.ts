// What GET /api/v1/now answers.
import type { Event, MetricRef } from "../../types";

export interface Fleet {
  metrics: number;
  by_status: Record<string, number>;
  samples_per_s: number;
  /** Age of what waits to be scored. */
  lag_s: number;
  warming_up: number;
  errors: { reason: string; count: number }[];
  refused: { protocol: string; reason: string; count: number }[];
}

export interface Unusual {
  metric: MetricRef;
  score: number;
  at: string;
  value: number | null;
  expected: number | null;
  lower: number | null;
  upper: number | null;
  event: Event | null;
  /** Times in seconds since 1970. */
  spark: Spark;
}

export interface Spark {
  t: number[];
  v: (number | null)[];
  lower?: (number | null)[];
  upper?: (number | null)[];
}

export interface NowAnswer {
  fleet: Fleet;
  unusual: Unusual[];
}
