// Incidents as they stand now: asked for, and again whenever the stream tells of a change.
import { get } from "./api";
import { type Answer, useAsked } from "./asked";
import { useLive } from "./live";
import type { Query } from "./router";
import type { Incident } from "./types";

export interface IncidentsPage {
  incidents: Incident[];
  next: string | null;
}

/** Asked again this often even when nothing was told: evidence and numbers of samples grow quietly. */
const EVERY_MS = 15_000;

export function useIncidents(query: Query): Answer<IncidentsPage> {
  const answer = useAsked<IncidentsPage>(
    (signal) => get("incidents", query, signal),
    [query],
    EVERY_MS,
  );
  useLive([], { incident: answer.again, missed: answer.again });
  return answer;
}
