// One metric: its course, what was told of it, what it learnt, and how it is watched.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type ApiError, get } from "../../api";
import { type Answer, useAsked } from "../../asked";
import { useNow } from "../../clock";
import { ms } from "../../format";
import { useListKeys } from "../../keys";
import { Empty, Loading, Trouble } from "../../parts/empty";
import { titleOf } from "../../parts/name";
import { change, usePlace } from "../../router";
import { useTitle } from "../../title";
import type { Event } from "../../types";
import { Course } from "./course";
import { Events } from "./events";
import type { Flag } from "./flags";
import { Head } from "./head";
import { Notes } from "./notes";
import { Profile } from "./profile";
import { addressOf, type Extent, likely, type Shown, shown as shownBy, within } from "./range";
import { Selection } from "./selection";
import { type Series, useFine, useSeries } from "./series";
import { Statuses } from "./statuses";
import { Tuning } from "./tuning";
import type { Annotation, Metric, Range, WhatIf } from "./types";
import "./metric.css";

const EVERY_MS = 5_000;
/** So long after the last movement the address is changed. */
const SETTLED_MS = 200;

export function MetricView({ uid }: { uid: string }): ComponentChildren {
  const path = `metrics/${encodeURIComponent(uid)}`;
  const metric = useAsked<Metric>((signal) => get(path, undefined, signal), [uid], EVERY_MS);
  useTitle(metric.data ? titleOf(metric.data) : "Metric");
  if (metric.error?.status === 404) {
    return (
      <Empty title="There is no such metric (any more)">
        <a href="/search">Search all metrics</a>
      </Empty>
    );
  }
  if (!metric.data) {
    return metric.error ? <Trouble error={metric.error} again={metric.again} /> : <Loading rows={6} label="Loading the metric" />;
  }
  return <Whole uid={uid} answer={metric} metric={metric.data} />;
}

function Whole({ uid, metric, answer }: { uid: string; metric: Metric; answer: Answer<Metric> }): ComponentChildren {
  const path = `metrics/${encodeURIComponent(uid)}`;
  const [told, setTold] = useState<Event[]>([]);
  const series = useSeries(uid, (events) => setTold((before) => joined(before, events)));
  const notes = useAsked<{ annotations: Annotation[] }>((signal) => get(`${path}/annotations`, { limit: 1_000 }, signal), [uid]);
  const [width, setWidth] = useState(0);
  const guess = metric.last_timestamp ? likely(ms(metric.last_timestamp) / 1_000) : undefined;
  const { shown, move, span } = useShown(series.extent ?? (series.known ? undefined : guess));
  const fine = useFine(uid, shown, width, series);
  const [whatIf, setWhatIf] = useState<WhatIf>();
  const [hot, setHot] = useState<number | null>(null);
  const [selected, setSelected] = useState<Range>();
  useListKeys();

  const events = useMemo(() => joined(fine.events, told), [fine.events, told]);
  const annotations = notes.data?.annotations ?? [];
  const flags = useMemo(
    () => [...flagsOfEvents(events, hot, whatIf), ...(whatIf ? flagsOfWhatIf(whatIf) : []), ...flagsOfNotes(annotations)],
    [events, whatIf, hot, notes.data],
  );
  function changed(): void {
    answer.again();
    notes.again();
    series.again();
  }
  return (
    <article class="metric">
      <Head metric={metric} last={series.live.at(-1)} changed={changed} />
      {!series.extent && <Waiting series={series} error={series.error ?? fine.error} />}
      {series.extent && shown && (
        <Course
          title={`The course of ${titleOf(metric)}`}
          columns={fine.columns}
          rough={series.rough}
          extent={series.extent}
          shown={shown}
          flags={flags}
          asking={fine.asking}
          onMove={move}
          onSpan={span}
          onSelect={setSelected}
          onWidth={setWidth}
        />
      )}
      {series.extent && fine.error && <Trouble error={fine.error} again={series.again} />}
      {selected && <Selection uid={uid} range={selected} zoom={move} changed={changed} onClose={() => setSelected(undefined)} />}
      <div class="columns metric-columns">
        <div>
          <Events uid={uid} events={events} shown={shown} loading={!series.known} warming={metric.status === "warming_up"} changed={changed} onPoint={setHot} />
          <Profile uid={uid} />
        </div>
        <div>
          <Tuning uid={uid} monitored={metric.status !== "unmonitored"} onWhatIf={setWhatIf} onLook={move} changed={changed} />
          <Notes uid={uid} notes={annotations} shown={shown} changed={notes.again} onLook={move} />
          <Statuses uid={uid} status={metric.status} />
        </div>
      </div>
    </article>
  );
}

/** No chart yet, or none at all. */
function Waiting({ series, error }: { series: Series; error: ApiError | undefined }): ComponentChildren {
  if (series.known) return <Empty title="No samples yet">They are drawn here as they come.</Empty>;
  return error ? <Trouble error={error} again={series.again} /> : <Loading rows={6} label="Loading its samples" />;
}

interface Steering {
  shown: Shown | undefined;
  move(range: Range): void;
  span(name: string): void;
}

/** The stretch that the address names; while somebody moves it, where it is by now. */
function useShown(extent: Extent | undefined): Steering {
  const { query } = usePlace();
  const now = useNow(5_000) / 1_000;
  const [moving, setMoving] = useState<Range>();
  const timer = useRef(0);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  if (!extent) return { shown: undefined, move: () => undefined, span: () => undefined };
  const settled = shownBy(query, extent, now);
  return {
    shown: moving ? { ...moving, span: "" } : settled,
    move(wished) {
      const range = within(wished, extent);
      setMoving(range);
      window.clearTimeout(timer.current);
      timer.current = window.setTimeout(() => {
        change(addressOf(range));
        setMoving(undefined);
      }, SETTLED_MS);
    },
    span(name) {
      window.clearTimeout(timer.current);
      setMoving(undefined);
      change({ last: name, from: "", to: "" });
    },
  };
}

/** Both lists, newest first; of one event the later word counts. */
function joined(some: readonly Event[], later: readonly Event[]): Event[] {
  const all = new Map([...some, ...later].map((event) => [event.id, event]));
  return [...all.values()].sort((a, b) => ms(b.start) - ms(a.start));
}

/** Those that a trial is about are told by it. */
function flagsOfEvents(events: readonly Event[], hot: number | null, trial: WhatIf | undefined): Flag[] {
  const tried = trial?.from;
  const outside = tried ? events.filter(({ end }) => ms(end) < ms(tried)) : events;
  return outside.map((event) => ({
    kind: event.muted ? "muted" : "event",
    ...stretchOf(event),
    hot: event.id === hot,
  }));
}

function flagsOfWhatIf({ events }: WhatIf): Flag[] {
  return events.map((event) => ({
    kind: event.change === "same" ? "event" : event.change,
    ...stretchOf(event),
  }));
}

function flagsOfNotes(notes: readonly Annotation[]): Flag[] {
  return notes
    .filter(({ acts }) => !acts)
    .map(({ start, end }) => ({ kind: "note", ...stretchOf({ start, end, peak: start }) }));
}

function stretchOf({ start, end, peak }: { start: string; end: string; peak: string }): { from: number; to: number; peak: number } {
  return { from: ms(start) / 1_000, to: ms(end) / 1_000, peak: ms(peak) / 1_000 };
}

