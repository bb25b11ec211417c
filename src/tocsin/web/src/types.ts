// What the service answers, as far as several views use it. Times are ISO 8601 in UTC.

export interface MetricRef {
  uid: string;
  name: string;
  labels: Record<string, string>;
  title?: string;
}

/** A run of anomalous samples of one metric; value, expectation and band are the peak's. */
export interface Event {
  id: number;
  /** The metric's uid. */
  metric: string;
  name: string;
  labels: Record<string, string>;
  start: string;
  peak: string;
  end: string;
  open: boolean;
  value: number;
  expected: number | null;
  lower: number | null;
  upper: number | null;
  likelihood: number | null;
  anomaly_score: number | null;
  samples: number;
  pattern: string;
  why: string;
  views: Record<string, number>;
  muted: string;
  because: string;
}

export type State = "open" | "acknowledged" | "resolved";
export type Severity = "info" | "warning" | "critical";

export interface Incident {
  id: number;
  state: State;
  severity: Severity;
  title: string;
  group: string;
  opened: string;
  updated: string;
  resolved: string | null;
  snoozed_until: string | null;
  assignee: string | null;
  evidence: number;
  why: string;
  first_metric: string | null;
  metrics: number;
  events: number;
  revision: number;
}

export interface IncidentMember {
  metric: MetricRef;
  events: Event[];
  first: boolean;
}

export interface HistoryEntry {
  at: string;
  kind: string;
  author: string;
  text: string;
}

export interface SentMessage {
  channel: string;
  change: string;
  status: string;
  at: string;
  error: string | null;
}

export interface IncidentWhole extends Incident {
  members: IncidentMember[];
  history: HistoryEntry[];
  messages: SentMessage[];
}
