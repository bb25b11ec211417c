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
/** Live samples kept beside the answers; more, and it is asked anew. */
const LIVE_MOST = 2_000;
/** Fewer points in sight than this share of the pixels, and finer ones are asked for. */
const FINE = 0.3;

export interface Series {
  columns: Columns;
  /** The whole history, roughly. */
  rough: Columns;
  events: Event[];
  extent: Extent | undefined;
  /** The newest result. */
  last: LiveSample | undefined;
  loading: boolean;
  error: ApiError | undefined;
  again(): void;
}

/** Everything roughly, at once; `useFine` gives what is looked at. */
export function useSeries(uid: string, onEvents: (events: Event[]) => void): Series & { live: readonly LiveSample[]; round: number } {
  const whole = useAsked<SeriesAnswer>(
    (signal) => get(`metrics/${encodeURIComponent(uid)}/series`, { points: ROUGH_POINTS }, signal),
    [uid],
  );
  const live = useRef<LiveSample[]>([]);
  const [round, setRound] = useState(0);
  useLive([uid], {
    samples: (came) => {
      const mine = came.filter(({ metric }) => metric === uid);
      live.current = [...live.current, ...mine].slice(-2 * LIVE_MOST);
      if (live.current.length > LIVE_MOST) whole.again();
      setRound((value) => value + 1);
    },
    events: (events) => onEvents(events.filter(({ metric }) => metric === uid)),
    missed: whole.again,
  });
  const answer = whole.data;
  useEffect(() => {
    const end = answer?.last ? ms(answer.last) : 0;
    live.current = live.current.filter(({ timestamp }) => ms(timestamp) > end);
  }, [answer]);
  const last = live.current.at(-1);
  const extent = useMemo(() => extentOf(answer, last), [answer, last?.timestamp]);
  const rough = answer?.columns ?? NOTHING;
  return {
    columns: rough,
    rough,
    events: answer?.events ?? [],
    extent,
    last,
    loading: answer === undefined,
    error: whole.error,
    again: whole.again,
    live: live.current,
    round,
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

/** What is looked at, as finely as it can be seen; the last answer is shown until the next is there. */
export function useFine(uid: string, range: Range | undefined, width: number, series: ReturnType<typeof useSeries>): Fine {
  const [held, setHeld] = useState<Held & { events: Event[]; of: unknown }>();
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState<ApiError>();
  const wanted = useRef({ range, width, held, of: series.rough });
  wanted.current = { range, width, held, of: series.rough };
  const busy = useRef<AbortController | null>(null);

  async function pump(): Promise<void> {
    const { range: now, width: pixels, held: before, of } = wanted.current;
    if (busy.current || !now || pixels === 0 || (before?.of === of && enough(now, pixels, before))) return;
    const gone = new AbortController();
    busy.current = gone;
    setAsking(true);
    try {
      const next = await asked(uid, now, pixels, gone.signal);
      if (gone.signal.aborted) return;
      wanted.current.held = { ...next, of };
      setHeld({ ...next, of });
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

  useEffect(() => void pump(), [range?.from, range?.to, width, series.rough]);
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
  const events = useMemo(() => united(series.events, held?.events ?? []), [series.events, held]);
  return { columns, events, asking, error };
}

/** The stretch with as much again on both sides, so that panning has something to show at once. */
async function asked(uid: string, { from, to }: Range, width: number, signal: AbortSignal): Promise<Held & { events: Event[] }> {
  const length = to - from;
  const wide = { from: from - length, to: to + length };
  const points = Math.ceil(Math.max(width, 300) * 1.5);
  const query = { from: iso(wide.from * 1_000), to: iso(wide.to * 1_000), points };
  const open = wide.to * 1_000 >= Date.now();
  const answer = await get<SeriesAnswer>(`metrics/${encodeURIComponent(uid)}/series`, query, signal);
  const { columns, events, samples } = answer;
  return { ...wide, columns, events, points, open, exact: samples <= columns.t.length };
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
