// The metrics of an incident on one time axis, the first mover first.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { get } from "../../api";
import { useAsked } from "../../asked";
import { clockTime, counted, iso, ms, rarity, span } from "../../format";
import { Chart, type ChartData } from "../../parts/chart";
import { Loading, Trouble } from "../../parts/empty";
import { Feedback } from "../../parts/feedback";
import { Name, titleOf } from "../../parts/name";
import { Time } from "../../parts/time";
import { change, link, usePlace } from "../../router";
import type { Event, IncidentMember, IncidentWhole } from "../../types";

/** Charts at first; the others on demand. */
const SHOWN = 6;
const POINTS = 1_200;

interface Range {
  from: number;
  to: number;
}

export function Members({ incident, changed }: { incident: IncidentWhole; changed(): void }): ComponentChildren {
  const { query } = usePlace();
  const [all, setAll] = useState(false);
  const members = inOrder(incident.members);
  const whole = rangeOf(incident);
  const given = { from: Number(query.get("from")), to: Number(query.get("to")) };
  const zoomed = given.to > given.from && given.from > 0;
  const range = zoomed ? given : whole;
  const onView = (from: number, to: number): void => change({ from: Math.floor(from), to: Math.ceil(to) });
  return (
    <section class="members" aria-labelledby="members-head">
      <div class="section-head">
        <h2 id="members-head">{counted(members.length, "metric")} on one time axis</h2>
        {zoomed && (
          <button type="button" class="link small" onClick={() => change({ from: "", to: "" })}>
            Whole incident
          </button>
        )}
      </div>
      {members.slice(0, all ? undefined : SHOWN).map((member) => (
        <Member key={member.metric.uid} member={member} range={range} sync={`incident-${incident.id}`} revision={incident.revision} onView={onView} changed={changed} start={ms(incident.opened)} />
      ))}
      {!all && members.length > SHOWN && (
        <button type="button" onClick={() => setAll(true)}>
          Show {counted(members.length - SHOWN, "more metric")}
        </button>
      )}
    </section>
  );
}

function inOrder(members: readonly IncidentMember[]): IncidentMember[] {
  return [...members].sort((a, b) => Number(b.first) - Number(a.first) || begin(a) - begin(b));
}

function begin({ events }: IncidentMember): number {
  return Math.min(...events.map(({ start }) => ms(start)));
}

/** All its events with as much before as they last, but at least ten minutes. */
function rangeOf({ members, opened }: IncidentWhole): Range {
  const events = members.flatMap((member) => member.events);
  const start = Math.min(...events.map((event) => ms(event.start)), ms(opened));
  const end = Math.max(...events.map((event) => ms(event.end)), ms(opened));
  const air = Math.max((end - start) * 0.5, 600_000);
  return { from: Math.floor((start - air) / 1_000), to: Math.ceil((end + air * 0.3) / 1_000) };
}

interface Series {
  columns: ChartData;
  events: Event[];
}

interface Given {
  member: IncidentMember;
  range: Range;
  sync: string;
  revision: number;
  start: number;
  onView(from: number, to: number): void;
  changed(): void;
}

function Member({ member, range, sync, revision, start, onView, changed }: Given): ComponentChildren {
  const { metric, events, first } = member;
  const asked = { from: iso(range.from * 1_000), to: iso(range.to * 1_000), points: POINTS };
  const series = useAsked<Series>(
    (signal) => get(`metrics/${metric.uid}/series`, asked, signal),
    [metric.uid, range.from, range.to, revision],
  );
  const marks = events.map((event) => ({ from: ms(event.start) / 1_000, to: ms(event.end) / 1_000, label: event.why }));
  return (
    <div class={`member card ${first ? "first" : ""}`}>
      <div class="member-head">
        <h3>
          <Name metric={metric} href={link(["metrics", metric.uid], { from: asked.from, to: asked.to })} />
        </h3>
        <span class="space" />
        <span class={first ? "tag hot" : "muted small"}>
          {first ? `moved first, ${clockTime(begin(member))}` : later(begin(member) - start)}
        </span>
      </div>
      {series.data ? (
        <Chart title={`${titleOf(metric)}, with its events`} data={series.data.columns} {...range} marks={marks} sync={sync} height={130} onView={onView} />
      ) : series.error ? (
        <Trouble error={series.error} again={series.again} />
      ) : (
        <Loading rows={2} />
      )}
      <ul class="member-events">
        {events.map((event) => (
          <li key={event.id}>
            <Time at={event.start} />
            <span>
              {event.why || `${event.samples} unusual samples`}
              {event.likelihood !== null && <span class="muted"> ({rarity(event.likelihood)})</span>}
              {event.muted && <span class="muted"> Not told: {event.muted}</span>}
            </span>
            <Feedback uid={metric.uid} event={event} changed={changed} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function later(length: number): string {
  return length < 1_000 ? "at the same time" : `${span(length)} later`;
}
