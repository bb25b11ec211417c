// What GET /api/v1/search answers.
import type { MetricRef } from "../../types";

export interface Found extends MetricRef {
  status: string;
  reason: string | null;
  readiness: { seen: number; needed: number };
  score: number | null;
  value: number | null;
  at: string | null;
  open_event: boolean;
  /** Times in seconds since 1970. */
  spark: { t: number[]; v: (number | null)[] };
}

export interface SearchAnswer {
  metrics: Found[];
  /** null: more than are counted. */
  total: number | null;
  next: string | null;
}
