// Alert rules as the service has them.
import type { Severity } from "../../../types";

export interface AlertRule {
  /** A pattern of the name, or of name{key="value"} if it has a {. */
  match: string;
  alarm: boolean;
  /** How long an event must have lasted (seconds), and its least anomaly score. */
  minimum_s: number;
  least_score: number;
  /** Which side of what was expected it lies on, and how far from it: in units, and as a share. */
  direction: "both" | "up" | "down";
  least_change: number;
  least_relative_change: number;
  /** At most about so many false alarms: of each metric, and of all together; null: no matter. */
  false_alarms_per_week: number | null;
  fleet_false_alarms_per_week: number | null;
  /** One severity for all; null: by score and length, as follows. */
  severity: Severity | null;
  warning_score: number;
  critical_score: number;
  /** One severity more after so long (seconds); 0: never. */
  worse_after_s: number;
  /** Channels that are told; null: all. */
  routes: string[] | null;
  /** What else a rule may say is kept as it is. */
  [more: string]: unknown;
}

/** What a rule says that says nothing. */
export const USUAL: AlertRule = {
  match: "",
  alarm: true,
  minimum_s: 0,
  least_score: 0,
  direction: "both",
  least_change: 0,
  least_relative_change: 0,
  false_alarms_per_week: null,
  fleet_false_alarms_per_week: null,
  severity: null,
  warning_score: 0.5,
  critical_score: 0.8,
  worse_after_s: 3_600,
  routes: null,
};

export interface RulesAnswer {
  rules: AlertRule[];
  source: "file" | "interface";
  revision: number;
  at: string | null;
  author: string | null;
}

export interface RulesPreview {
  days: number;
  events: number;
  alarms_now: number;
  alarms_then: number;
  by_severity_now: Partial<Record<Severity, number>>;
  by_severity_then: Partial<Record<Severity, number>>;
  changed: RulesChange[];
}

/** An event of which these rules say something else. */
export interface RulesChange {
  event: number;
  /** The metric's uid. */
  metric: string;
  title: string;
  start: string;
  why: string;
  now: Verdict;
  then: Verdict;
}

export interface Verdict {
  alarms: boolean;
  severity: Severity | null;
  /** Who is told; null: everybody. */
  routes: string[] | null;
}
