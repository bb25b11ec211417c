// An incident in a list: what, since when, how it stands; the whole line leads to it.
import type { ComponentChildren } from "preact";
import { useNow } from "../clock";
import { counted, ms, span } from "../format";
import { link } from "../router";
import type { Incident } from "../types";
import { Severity } from "./severity";
import { Time } from "./time";
import { Words } from "./words";

export function IncidentRow({ incident }: { incident: Incident }): ComponentChildren {
  const now = useNow();
  const { id, severity, state, title, why, group } = incident;
  const over = state === "resolved";
  return (
    <li>
      <a class={`incident ${state}`} href={link(["incidents", id])} data-item>
        <Severity level={severity} calm={over} />
        <span class="incident-title">{title}</span>
        <span class="incident-why">
          <Words text={why} />
        </span>
        <span class="incident-facts">
          <span>
            <Time at={incident.opened} />
          </span>
          <span>{over && incident.resolved ? `lasted ${span(ms(incident.resolved) - ms(incident.opened))}` : `for ${span(now - ms(incident.opened))}`}</span>
          <span>{counted(incident.metrics, "metric")}</span>
          {group && <span class="incident-group">{group}</span>}
          <Standing incident={incident} now={now} />
        </span>
      </a>
    </li>
  );
}

/** Acknowledged, snoozed, resolved, and whose it is; nothing while it is simply open. */
export function Standing({ incident, now }: { incident: Incident; now: number }): ComponentChildren {
  const snoozed = incident.snoozed_until !== null && ms(incident.snoozed_until) > now;
  return (
    <>
      {incident.state !== "open" && <span class="tag">{incident.state}</span>}
      {snoozed && incident.snoozed_until && (
        <span class="tag">
          snoozed until&nbsp;
          <Time at={incident.snoozed_until} />
        </span>
      )}
      {incident.assignee && <span class="tag">{incident.assignee}</span>}
    </>
  );
}
