// One incident: how it stands, what belongs to it on one time axis, what was done about it.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, get, post } from "../../api";
import { useAsked } from "../../asked";
import { useNow } from "../../clock";
import { counted, ms, span } from "../../format";
import { useKeys } from "../../keys";
import { useLive } from "../../live";
import { Empty, Loading, Trouble } from "../../parts/empty";
import { Standing } from "../../parts/incident-row";
import { Severity } from "../../parts/severity";
import { Time } from "../../parts/time";
import { Words } from "../../parts/words";
import { link } from "../../router";
import { useTitle } from "../../title";
import type { IncidentWhole } from "../../types";
import { Actions } from "./actions";
import { Course } from "./course";
import { Members } from "./members";
import "./incident.css";

const EVERY_MS = 15_000;

/** Does something with the incident: ("acknowledge"), ("snooze", {seconds}). */
export type Act = (what: string, body?: Record<string, unknown>) => Promise<void>;

export function IncidentView({ id }: { id: string }): ComponentChildren {
  const answer = useAsked<IncidentWhole>((signal) => get(`incidents/${encodeURIComponent(id)}`, undefined, signal), [id], EVERY_MS);
  const [failed, setFailed] = useState<ApiError>();
  const incident = answer.data;
  useTitle(incident?.title ?? "Incident");
  useLive([], {
    incident: (told) => String(told.id) === id && answer.again(),
    missed: answer.again,
  });

  async function act(what: string, body: Record<string, unknown> = {}): Promise<void> {
    try {
      await post(`incidents/${encodeURIComponent(id)}/${what}`, body);
      setFailed(undefined);
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
    answer.again();
  }

  if (answer.error?.status === 404) {
    return (
      <Empty title="There is no such incident">
        <a href="/incidents">See all incidents</a>
      </Empty>
    );
  }
  if (!incident) {
    return answer.error ? <Trouble error={answer.error} again={answer.again} /> : <Loading rows={6} label="Loading the incident" />;
  }
  return (
    <article>
      <Header incident={incident} />
      {failed && <Trouble error={failed} />}
      <Actions incident={incident} act={act} />
      <IncidentKeys incident={incident} act={act} />
      <div class="columns">
        <Members incident={incident} changed={answer.again} />
        <Course incident={incident} act={act} />
      </div>
    </article>
  );
}

function Header({ incident }: { incident: IncidentWhole }): ComponentChildren {
  const now = useNow();
  const { opened, resolved, group, why } = incident;
  return (
    <header class="incident-head">
      <p class="small crumbs">
        <a href="/incidents">Incidents</a> <span aria-hidden="true">/</span> {incident.id}
      </p>
      <h1>
        <Severity level={incident.severity} calm={resolved !== null} />
        <span>{incident.title}</span>
      </h1>
      <p class="why">
        <Words text={why} />
      </p>
      <p class="facts">
        <span>
          since <Time at={opened} />
        </span>
        <span>
          {resolved ? `lasted ${span(ms(resolved) - ms(opened))}` : `for ${span(now - ms(opened))}`}
        </span>
        <span>
          {counted(incident.events, "event")} in {counted(incident.metrics, "metric")}
        </span>
        {group && (
          <a href={link(["incidents"], { group, state: "all" })}>{group}</a>
        )}
        <Standing incident={incident} now={now} />
      </p>
    </header>
  );
}

function IncidentKeys({ incident, act }: { incident: IncidentWhole; act: Act }): ComponentChildren {
  const open = incident.state === "open";
  useKeys([
    { key: "a", does: open ? "Acknowledge" : "Reopen", run: () => void act(open ? "acknowledge" : "reopen") },
    { key: "r", does: "Resolve", run: () => void act("resolve") },
    { key: "n", does: "Write a note", run: () => document.getElementById("note")?.focus() },
  ]);
  return null;
}
