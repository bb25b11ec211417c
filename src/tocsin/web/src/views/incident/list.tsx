// All incidents with filters, and the ranking of hosts and services.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, get } from "../../api";
import { type IncidentsPage, useIncidents } from "../../incidents";
import { useListKeys } from "../../keys";
import { Empty, Loading, Trouble } from "../../parts/empty";
import { IncidentRow } from "../../parts/incident-row";
import { change, link, usePlace } from "../../router";
import { useTitle } from "../../title";
import type { Incident } from "../../types";
import { Groups } from "./groups";
import "./incident.css";

const STATES = [
  ["unresolved", "Unresolved"],
  ["open", "Open"],
  ["acknowledged", "Acknowledged"],
  ["resolved", "Resolved"],
  ["all", "All"],
] as const;
const PAGE = 50;

export function IncidentsView(): ComponentChildren {
  const { query } = usePlace();
  const grouped = query.get("view") === "groups";
  useTitle(grouped ? "Hosts and services" : "Incidents");
  useListKeys();
  return (
    <>
      <div class="view-head">
        <h1>{grouped ? "Hosts and services" : "Incidents"}</h1>
        <span class="space" />
        <nav class="tabs" aria-label="How incidents are shown">
          <a href="/incidents" aria-current={grouped ? undefined : "true"}>
            One by one
          </a>
          <a href={link(["incidents"], { view: "groups" })} aria-current={grouped ? "true" : undefined}>
            By host and service
          </a>
        </nav>
      </div>
      {grouped ? <Groups /> : <List />}
    </>
  );
}

function List(): ComponentChildren {
  const { query } = usePlace();
  const state = query.get("state") ?? "unresolved";
  const group = query.get("group") ?? "";
  const asked = { state: state === "all" ? undefined : state, group: group || undefined, limit: PAGE };
  const answer = useIncidents(asked);
  const older = useOlder(asked, answer.data);
  const incidents = [...(answer.data?.incidents ?? []), ...older.incidents];
  return (
    <>
      <div class="bar filters" role="group" aria-label="Filters">
        {STATES.map(([key, name]) => (
          <button key={key} type="button" aria-pressed={key === state} onClick={() => change({ state: key })}>
            {name}
          </button>
        ))}
        {group && (
          <button type="button" onClick={() => change({ group: "" })} aria-label={`Only ${group}: show all`}>
            {group} ×
          </button>
        )}
      </div>
      {answer.error && !answer.data && <Trouble error={answer.error} again={answer.again} />}
      {!answer.data && !answer.error && <Loading rows={5} label="Loading incidents" />}
      {answer.data && incidents.length === 0 && <None state={state} group={group} />}
      {incidents.length > 0 && (
        <ul class="incidents card">
          {incidents.map((incident) => (
            <IncidentRow key={incident.id} incident={incident} />
          ))}
        </ul>
      )}
      {older.error && <Trouble error={older.error} again={older.more} />}
      {older.next && (
        <p class="more">
          <button type="button" onClick={older.more}>
            Show more
          </button>
        </p>
      )}
    </>
  );
}

function None({ state, group }: { state: string; group: string }): ComponentChildren {
  const which = state === "all" ? "" : `${state} `;
  return (
    <Empty title={`No ${which}incident${group ? ` of ${group}` : ""}`}>
      {state !== "all" && (
        <button type="button" class="link" onClick={() => change({ state: "all", group: "" })}>
          See all incidents
        </button>
      )}
    </Empty>
  );
}

interface Older {
  incidents: Incident[];
  next: string | null;
  error: ApiError | undefined;
  more(): void;
}

/** The pages after the first, as they were when they were asked for. */
function useOlder(asked: Record<string, string | number | undefined>, first: IncidentsPage | undefined): Older {
  const [pages, setPages] = useState<IncidentsPage[]>([]);
  const [error, setError] = useState<ApiError>();
  useEffect(() => setPages([]), [JSON.stringify(asked)]);
  const next = (pages.at(-1) ?? first)?.next ?? null;
  const known = new Set(first?.incidents.map(({ id }) => id));
  async function more(): Promise<void> {
    try {
      const page = await get<IncidentsPage>("incidents", { ...asked, cursor: next });
      setPages((before) => [...before, page]);
      setError(undefined);
    } catch (failed) {
      if (failed instanceof ApiError) setError(failed);
    }
  }
  const incidents = pages.flatMap((page) => page.incidents).filter(({ id }) => !known.has(id));
  return { incidents, next, error, more: () => void more() };
}
