// The metric's course: the chart, what steers it, and the whole history below it.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { moment, rarityOfScore, span as lasting, value, when } from "../../format";
import { useKeys } from "../../keys";
import { Icon } from "../../parts/icon";
import { useColours } from "../../theme";
import type { Flag } from "./flags";
import { takePointer } from "./hand";
import { Legend } from "./legend";
import { Overview } from "./overview";
import { makePlots, type Plots } from "./plots";
import { type Extent, moved, type Shown, SPANS, zoomed } from "./range";
import type { Columns, Range } from "./types";

interface Given {
  title: string;
  columns: Columns;
  rough: Columns;
  extent: Extent;
  shown: Shown;
  flags: readonly Flag[];
  asking: boolean;
  /** Somebody zooms or pans. */
  onMove(range: Range): void;
  onSpan(name: string): void;
  onSelect(range: Range): void;
  onWidth(width: number): void;
}

const STEP = 0.25;

export function Course(given: Given): ComponentChildren {
  const { shown, extent, onMove, onSpan } = given;
  const [selecting, setSelecting] = useState(false);
  const readout = useRef<HTMLSpanElement>(null);
  useKeys([
    { key: "ArrowLeft", does: "Earlier", run: () => onMove(moved(shown, -STEP)) },
    { key: "ArrowRight", does: "Later", run: () => onMove(moved(shown, STEP)) },
    { key: "+", does: "Zoom in", run: () => onMove(zoomed(shown, 0.5)) },
    { key: "-", does: "Zoom out", run: () => onMove(zoomed(shown, 2)) },
    { key: "0", does: "All of it", run: () => onSpan("all") },
    { key: "End", does: "The newest", run: () => onMove(newest(shown, extent)) },
    { key: "Home", does: "The oldest", run: () => onMove(oldest(shown, extent)) },
    { key: "s", does: "Drag to select, or to move", run: () => setSelecting((before) => !before) },
  ]);
  return (
    <section class="course-card card" aria-label="Course">
      <div class="steer">
        <div class="spans" role="group" aria-label="Shown stretch">
          {SPANS.map(([name, , words]) => (
            <button key={name} type="button" aria-pressed={shown.span === name} onClick={() => onSpan(name)}>
              {words}
            </button>
          ))}
        </div>
        <div class="steps" role="group" aria-label="Zoom and move">
          <Step name="left" label="Earlier" keys="←" run={() => onMove(moved(shown, -STEP * 2))} />
          <Step name="right" label="Later" keys="→" run={() => onMove(moved(shown, STEP * 2))} />
          <Step name="less" label="Zoom out" keys="-" run={() => onMove(zoomed(shown, 2))} />
          <Step name="add" label="Zoom in" keys="+" run={() => onMove(zoomed(shown, 0.5))} />
          <button type="button" aria-pressed={selecting} title="Drag to select a stretch (s, or Shift and drag)" onClick={() => setSelecting(!selecting)}>
            <Icon name="select" />
            Select
          </button>
        </div>
        <p class="shown-range">
          <span>{rangeWords(shown)}</span>
          <span class="course-readout" ref={readout} aria-hidden="true" />
        </p>
      </div>
      <Canvas {...given} readout={readout} selecting={selecting} selected={(range) => {
        setSelecting(false);
        given.onSelect(range);
      }} />
      <Overview columns={given.rough} extent={extent} range={shown} onMove={onMove} />
      <Legend kinds={new Set(given.flags.map(({ kind }) => kind))} />
    </section>
  );
}

function newest({ from, to }: Range, { last }: Extent): Range {
  return { from: last - (to - from) * 0.95, to: last + (to - from) * 0.05 };
}

function oldest({ from, to }: Range, { first }: Extent): Range {
  return { from: first - (to - from) * 0.05, to: first + (to - from) * 0.95 };
}

/** "24 Nov 10:00 to today 09:00 · 4 d" */
export function rangeWords({ from, to }: Range): string {
  const today = new Date().toDateString();
  const ofToday = (time: number): boolean => new Date(time * 1_000).toDateString() === today;
  const end = ofToday(to) && !ofToday(from) ? "today " : "";
  return `${when(from * 1_000)} to ${end}${when(to * 1_000)} · ${lasting((to - from) * 1_000)}`;
}

function Step({ name, label, keys, run }: { name: "left" | "right" | "less" | "add"; label: string; keys: string; run(): void }): ComponentChildren {
  return (
    <button type="button" class="step" aria-label={label} title={`${label} (${keys})`} onClick={run}>
      <Icon name={name} />
    </button>
  );
}

interface CanvasGiven extends Given {
  readout: { current: HTMLElement | null };
  selecting: boolean;
  selected(range: Range): void;
}

function Canvas(given: CanvasGiven): ComponentChildren {
  const { title, columns, shown, flags, selecting, asking, readout } = given;
  const values = useRef<HTMLDivElement>(null);
  const scores = useRef<HTMLDivElement>(null);
  const plots = useRef<Plots | null>(null);
  const latest = useRef(given);
  latest.current = given;
  const colours = useColours();

  useEffect(() => {
    const [upper, lower] = [values.current, scores.current];
    if (!upper || !lower) return;
    const made = makePlots({ values: upper, scores: lower }, colours, heightFor(upper.clientWidth), (at) =>
      read(readout.current, at, latest.current.columns),
    );
    plots.current = made;
    made.show(drawnOf(latest.current));
    latest.current.onWidth(upper.clientWidth);
    const ends = made.overs.map((over) =>
      takePointer(over, {
        range: () => latest.current.shown,
        selecting: () => latest.current.selecting,
        timeAt: made.timeAt,
        move: (range) => latest.current.onMove(range),
        mark: made.select,
        selected: (range) => latest.current.selected(range),
      }),
    );
    const watching = new ResizeObserver(() => {
      made.size(upper.clientWidth, heightFor(upper.clientWidth));
      latest.current.onWidth(upper.clientWidth);
    });
    watching.observe(upper);
    return () => {
      watching.disconnect();
      for (const end of ends) end();
      made.destroy();
      plots.current = null;
    };
  }, [colours]);

  // why before painting: what is dragged must not lag behind the pointer.
  useLayoutEffect(() => plots.current?.show(drawnOf(latest.current)), [columns, shown.from, shown.to, flags]);

  return (
    <div class={`canvas ${selecting ? "selecting" : ""}`} role="group" aria-label={title}>
      <div ref={values} class="plot" role="img" aria-label="Values, what was expected, and events" />
      <p class="strip-name">
        How unusual <span class="muted">0.5 is one in 100,000</span>
        <span class={`asking ${asking ? "on" : ""}`}>loading</span>
      </p>
      <div ref={scores} class="plot" role="img" aria-label="Anomaly scores" />
    </div>
  );
}

function drawnOf({ columns, shown, flags }: CanvasGiven): { columns: Columns; range: Range; flags: readonly Flag[] } {
  return { columns, range: shown, flags };
}

function heightFor(width: number): number {
  return width < 500 ? 220 : 300;
}

/** Say in words what is under the cursor. */
function read(line: HTMLElement | null, at: number | null, { t, min, max, expected, lower, upper, score }: Columns): void {
  if (!line) return;
  const [low, high] = at === null ? [null, null] : [min[at] ?? null, max[at] ?? null];
  if (at === null || low === null) {
    line.textContent = "";
    return;
  }
  const seen = low === high ? value(low) : `${value(low)} to ${value(high)}`;
  const usual = expected[at] ?? null;
  const rare = score[at] ?? null;
  const parts = [
    moment((t[at] ?? 0) * 1_000),
    seen,
    usual === null ? "" : `expected ${value(usual)} (${value(lower[at])} to ${value(upper[at])})`,
    rare === null ? "no score yet" : rarityOfScore(rare),
  ];
  line.textContent = parts.filter(Boolean).join(" · ");
}
