// What the interface says of one metric.
import type { ChartData } from "../../parts/chart";
import type { Event } from "../../types";

export type Status = "unmonitored" | "warming_up" | "active" | "paused" | "error";

export interface Metric {
  uid: string;
  name: string;
  labels: Record<string, string>;
  status: Status;
  reason: string | null;
  detail: string | null;
  deadline: string | null;
  model: string | null;
  kind: string | null;
  created: string;
  samples: number;
  lag: number;
  last_timestamp: string | null;
  last_value: number | null;
  anomaly_score: number | null;
  readiness: { seen: number; needed: number };
}

/** From and to, in seconds since 1970. */
export interface Range {
  from: number;
  to: number;
}

export interface Columns extends ChartData {
  score: readonly (number | null)[];
}

export interface SeriesAnswer {
  columns: Columns;
  events: Event[];
  first: string | null;
  last: string | null;
  samples: number;
}

export interface Annotation {
  id: number;
  start: string;
  end: string;
  kind: string;
  text: string;
  author: string;
  event: number | null;
  created: string;
  acts: boolean;
}

export interface Wanted {
  false_alarms_per_week: number;
  direction: "both" | "up" | "down";
  least_change: number;
  least_relative_change: number;
}

export interface SettingsAnswer {
  settings: Wanted & { timezone: string; model: string; kind: string };
  own: Partial<Record<string, unknown>>;
}

export interface WhatIfEvent {
  start: string;
  peak: string;
  end: string;
  value: number | null;
  expected: number | null;
  why: string;
  pattern: string;
  anomaly_score: number | null;
  change: "same" | "added" | "removed";
}

export interface WhatIf {
  days: number;
  /** null: there were no samples. */
  from: string | null;
  to: string | null;
  samples: number;
  now: { alarms: number };
  then: { alarms: number };
  events: WhatIfEvent[];
}
