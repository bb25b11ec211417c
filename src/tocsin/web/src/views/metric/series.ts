// The samples of a metric in sight: asked for anew as one zooms and pans, with live ones added.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, get } from "../../api";
import { useAsked } from "../../asked";
import { iso, ms } from "../../format";
import { type LiveSample, useLive } from "../../live";
import type { Event } from "../../types";
import { type Held, merged, NOTHING } from "./columns";
import type { Extent } from "./range";
import type { Columns, Range, SeriesAnswer } from "./types";

/** Points of the whole history. */
const ROUGH_POINTS = 700;
/** Pixels that are asked for before there is a chart to be measured. */
const LIKELY_WIDTH = 1_000;
/** Live samples kept beside the answers; more, and it is asked anew. */
const LIVE_MOST = 2_000;
/** Fewer points in sight than this share of the pixels, and finer ones are asked for. */
const FINE = 0.3;

export interface Series {
  /** The whole history, roughly; nothing while that is on its way. */
  rough: Columns;
  events: Event[];
  extent: Extent | undefined;
  /** Samples that came since the answers. */
  live: readonly LiveSample[];
  /** Counts what came live. */
  round: number;
  /** Counts how often all was asked anew. */
  generation: number;
  /** There was an answer. */
  known: boolean;
  error: ApiError | undefined;
  again(): void;
  /** An answer to another question told where samples are. */
  bound(answer: SeriesAnswer): void;
}

/** Everything roughly, and what comes live; `useFine` gives what is looked at. */
export function useSeries(uid: string, onEvents: (events: Event[]) => void): Series {
  const whole = useAsked<SeriesAnswer>(
    (signal) => get(`metrics/${encodeURIComponent(uid)}/series`, { points: ROUGH_POINTS }, signal),
    [uid],
  );
  const [told, bound] = useState<SeriesAnswer>();
  const live = useRef<LiveSample[]>([]);
  const [round, setRound] = useState(0);
  const [generation, setGeneration] = useState(0);
  function again(): void {
    setGeneration((value) => value + 1);
    whole.again();
  }
  useLive([uid], {
    samples: (came) => {
      const mine = came.filter(({ metric }) => metric === uid);
      if (mine.length === 0) return;
      live.current = [...live.current, ...mine].slice(-LIVE_MOST);
      if (live.current.length === LIVE_MOST) {
        live.current = live.current.slice(-LIVE_MOST / 2);
        again();
      }
      setRound((value) => value + 1);
    },
    events: (events) => onEvents(events.filter(({ metric }) => metric === uid)),
    missed: again,
  });
  const answer = whole.data;
  const last = live.current.at(-1);
  const extent = useMemo(() => extentOf(answer ?? told, last), [answer ?? told, last?.timestamp]);
  return {
    rough: answer?.columns ?? NOTHING,
    events: answer?.events ?? [],
    extent,
    live: live.current,
    round,
    generation,
    known: (answer ?? told) !== undefined,
    error: whole.error,
    again,
    bound,
  };
}

function extentOf(answer: SeriesAnswer | undefined, last: LiveSample | undefined): Extent | undefined {
  const newest = last ? ms(last.timestamp) / 1_000 : undefined;
  if (!answer?.first || !answer.last) return newest === undefined ? undefined : { first: newest, last: newest };
  return { first: ms(answer.first) / 1_000, last: Math.max(ms(answer.last) / 1_000, newest ?? 0) };
}

interface Fine {
  columns: Columns;
  events: Event[];
  /** Something finer is on its way. */
  asking: boolean;
  error: ApiError | undefined;
}

type Answered = Held & { answer: SeriesAnswer; generation: number };

/** What is looked at, as finely as it can be seen; the last answer is shown until the next is there. */
export function useFine(uid: string, range: Range | undefined, width: number, series: Series): Fine {
  const [held, setHeld] = useState<Answered>();
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState<ApiError>();
  const { generation } = series;
  const wanted = useRef({ range, width, held, generation });
  wanted.current = { range, width, held: wanted.current.held, generation };
  const busy = useRef<AbortController | null>(null);

  async function pump(): Promise<void> {
    const { range: now, width: pixels, held: before, generation: present } = wanted.current;
    if (busy.current || !now) return;
    if (before?.generation === present && enough(now, pixels, before)) return;
    const gone = new AbortController();
    busy.current = gone;
    setAsking(true);
    try {
      const next = { ...(await asked(uid, now, pixels, gone.signal)), generation: present };
      if (gone.signal.aborted) return;
      wanted.current.held = next;
      setHeld(next);
      series.bound(next.answer);
      setError(undefined);
      busy.current = null;
      setAsking(false);
      void pump();
    } catch (failed) {
      if (gone.signal.aborted) return;
      busy.current = null;
      setAsking(false);
      setError(failed instanceof ApiError ? failed : new ApiError(0, String(failed)));
    }
  }

  useEffect(() => void pump(), [range?.from, range?.to, width, generation]);
  useEffect(
    () => () => {
      busy.current?.abort();
      busy.current = null;
    },
    [],
  );
  const columns = useMemo(
    () => merged(series.rough, held, series.live),
    [series.rough, held, series.round],
  );
  const events = useMemo(() => united(series.events, held?.answer.events ?? []), [series.events, held]);
  return { columns, events, asking, error };
}

/** The stretch with as much again on both sides, so that panning has something to show at once. */
async function asked(uid: string, { from, to }: Range, width: number, signal: AbortSignal): Promise<Omit<Answered, "generation">> {
  const length = to - from;
  const wide = { from: from - length, to: to + length };
  const points = Math.ceil(Math.max(width || LIKELY_WIDTH, 300) * 2.4);
  const query = { from: iso(wide.from * 1_000), to: iso(wide.to * 1_000), points };
  const open = wide.to * 1_000 >= Date.now();
  const answer = await get<SeriesAnswer>(`metrics/${encodeURIComponent(uid)}/series`, query, signal);
  const { columns, samples } = answer;
  return { ...wide, columns, answer, points, open, exact: samples <= columns.t.length };
}

function enough({ from, to }: Range, width: number, held: Held): boolean {
  const covered = held.from <= from && (held.to >= to || held.open);
  const points = (held.points * (to - from)) / (held.to - held.from);
  return covered && (held.exact || points >= width * FINE);
}

function united(some: readonly Event[], others: readonly Event[]): Event[] {
  const all = new Map([...some, ...others].map((event) => [event.id, event]));
  return [...all.values()].sort((a, b) => ms(b.start) - ms(a.start));
}
