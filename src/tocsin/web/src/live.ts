// What happens now: the service's stream of results, taken up again where it broke off.
import { useEffect, useRef } from "preact/hooks";
import { address, get } from "./api";
import { contact } from "./contact";

/** A sample with its result, as the stream tells it. */
export interface LiveSample {
  metric: string;
  name: string;
  labels: Record<string, string>;
  seq: number;
  timestamp: string;
  value: number;
  rate: number | null;
  likelihood: number | null;
  anomaly_score: number | null;
  expected: number | null;
  lower: number | null;
  upper: number | null;
  event: string | null;
}

export interface LiveIncident {
  id: number;
  state: string;
  severity: string;
  revision: number;
  title: string;
}

export interface Listener {
  samples?(samples: LiveSample[]): void;
  /** Events as they stand after a commit; a later one with its id replaces it. */
  events?(events: import("./types").Event[]): void;
  incident?(incident: LiveIncident): void;
  /** Something may have been missed: ask again for everything. */
  missed?(): void;
}

/** Longer than this without the stream, and it is quicker to ask again than to be told it all. */
const RESUME_MS = 60_000;
const AGAIN_MS = [500, 1_000, 2_000, 5_000];
/** Metrics in one address; those beyond are not followed. */
const MOST = 60;

/** Follow the stream, samples only of these metrics; returns what ends it. */
export function follow(metrics: readonly string[], listener: Listener): () => void {
  let source: EventSource | null = null;
  let timer = 0;
  let failures = 0;
  let last = "";
  let heard = Date.now();

  function open(): void {
    const query = new URLSearchParams();
    // why a name that no metric has: no metric at all would mean all of them.
    for (const uid of metrics.length ? metrics.slice(0, MOST) : ["none"]) query.append("metric", uid);
    const resumes = last !== "" && Date.now() - heard < RESUME_MS;
    if (resumes) query.set("after", last);
    else if (failures) listener.missed?.();
    source = new EventSource(address("stream", query));
    source.onopen = () => {
      failures = 0;
      contact.heard();
    };
    source.onmessage = (message) => results(message);
    source.addEventListener("incident", (message) => {
      keep(message);
      listener.incident?.(JSON.parse(message.data) as LiveIncident);
    });
    for (const name of ["gap", "dropped"]) {
      source.addEventListener(name, (message) => {
        keep(message);
        listener.missed?.();
      });
    }
    source.onerror = broken;
  }

  function results(message: MessageEvent<string>): void {
    keep(message);
    const told = JSON.parse(message.data) as {
      samples: LiveSample[];
      events: import("./types").Event[];
    };
    if (told.samples.length) listener.samples?.(told.samples);
    if (told.events.length) listener.events?.(told.events);
  }

  function keep(message: MessageEvent<string>): void {
    heard = Date.now();
    if (message.lastEventId) last = message.lastEventId;
  }

  // why by hand: a browser's own attempts say nothing of a session that has ended, and go on for
  // ever after whatever was said last.
  function broken(): void {
    source?.close();
    const pause = AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)];
    failures += 1;
    timer = window.setTimeout(() => void again(), pause);
  }

  async function again(): Promise<void> {
    try {
      // One small question tells of a service that is gone and of a session that has ended.
      await get("metrics", { limit: 1 });
    } catch {
      broken();
      return;
    }
    open();
  }

  open();
  return () => {
    window.clearTimeout(timer);
    source?.close();
  };
}

/** Follow the stream while a component is shown; `metrics` may change. */
export function useLive(metrics: readonly string[], listener: Listener): void {
  const latest = useRef(listener);
  latest.current = listener;
  const key = [...metrics].sort().join(" ");
  useEffect(
    () =>
      follow(key ? key.split(" ") : [], {
        samples: (samples) => latest.current.samples?.(samples),
        events: (events) => latest.current.events?.(events),
        incident: (incident) => latest.current.incident?.(incident),
        missed: () => latest.current.missed?.(),
      }),
    [key],
  );
}
