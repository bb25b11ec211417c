// A metric's course: values, the expected band, what was expected, and stretches that are marked.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { moment, tick, value as told } from "../format";
import { type Colours, useColours } from "../theme";
import "./chart.css";

type Column = readonly (number | null)[];

export interface ChartData {
  /** Seconds since 1970, rising. */
  t: readonly number[];
  /** Lowest and highest value of each point; the same where a point is one sample. */
  min: Column;
  max: Column;
  expected: Column;
  lower: Column;
  upper: Column;
}

export interface ChartMark {
  /** Seconds since 1970. */
  from: number;
  to: number;
  label: string;
}

export interface ChartGiven {
  title: string;
  data: ChartData;
  /** What is shown, in seconds since 1970. */
  from: number;
  to: number;
  /** Somebody zooms or pans to there. */
  onView?(from: number, to: number): void;
  marks?: readonly ChartMark[];
  height?: number;
  /** Cursors of charts with one key move together. */
  sync?: string;
}

export function Chart(given: ChartGiven): ComponentChildren {
  const { title, data, from, to, height = 180, sync } = given;
  const box = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLParagraphElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(given);
  latest.current = given;
  const colours = useColours();

  useEffect(() => {
    const place = box.current;
    if (!place) return;
    const options = chartOptions(latest, readout, colours, place.clientWidth, height, sync);
    const made = new uPlot(options, columns(latest.current.data), place);
    plot.current = made;
    show(made, latest.current);
    const watching = new ResizeObserver(() => made.setSize({ width: place.clientWidth, height }));
    watching.observe(place);
    return () => {
      watching.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [colours, height, sync]);

  useEffect(() => {
    plot.current?.setData(columns(data), false);
    if (plot.current) show(plot.current, latest.current);
  }, [data, from, to, given.marks]);

  return (
    <div class="chart">
      <p class="readout" ref={readout} aria-hidden="true" />
      <div
        ref={box}
        class="plot"
        role="img"
        aria-label={title}
        tabIndex={given.onView ? 0 : undefined}
        onKeyDown={(event) => steer(event, latest.current)}
      />
    </div>
  );
}

function columns({ t, lower, upper, expected, min, max }: ChartData): uPlot.AlignedData {
  return [t, lower, upper, expected, min, max] as unknown as uPlot.AlignedData;
}

function show(plot: uPlot, { from, to }: ChartGiven): void {
  plot.setScale("x", { min: from, max: to });
}

/** Arrows pan, + and - zoom. */
function steer(event: KeyboardEvent, { from, to, onView }: ChartGiven): void {
  const length = to - from;
  const moves: Record<string, [number, number]> = {
    ArrowLeft: [from - length / 4, to - length / 4],
    ArrowRight: [from + length / 4, to + length / 4],
    "+": [from + length / 4, to - length / 4],
    "-": [from - length / 2, to + length / 2],
  };
  const move = moves[event.key];
  if (!move || !onView || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  onView(...move);
}

function chartOptions(
  given: { current: ChartGiven },
  readout: { current: HTMLElement | null },
  colours: Colours,
  width: number,
  height: number,
  sync: string | undefined,
): uPlot.Options {
  const axis = { stroke: colours.muted, font: '11px "Inter Variable", sans-serif', ticks: { show: false } };
  const grid = { stroke: colours.rule, width: 1 };
  const line = { stroke: colours.line, width: 1.4, points: { show: false }, spanGaps: false };
  const none = { stroke: "transparent", points: { show: false } };
  return {
    width,
    height,
    legend: { show: false },
    // Room for the half of a time that stands under the end.
    padding: [8, 18, 0, 0],
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false },
      points: { show: false },
      ...(sync && { sync: { key: sync, scales: ["x", null] as [string, null] } }),
    },
    scales: { x: { time: true }, y: { range: (_plot, low, high) => padded(low, high) } },
    axes: [
      { ...axis, grid, size: 26, space: 70, values: (_plot, splits, _axis, _space, step) => splits.map((split) => tick(split, step)) },
      { ...axis, grid, size: 54, values: (_plot, splits) => splits.map((split) => told(split)) },
    ],
    series: [
      {},
      none,
      none,
      { ...line, stroke: colours.expected, width: 1, dash: [3, 3] },
      line,
      line,
    ],
    bands: [
      { series: [2, 1], fill: colours.band },
      { series: [5, 4], fill: colours.line },
    ],
    hooks: {
      drawClear: [(plot) => shade(plot, given.current.marks ?? [], colours)],
      setCursor: [(plot) => read(plot, readout.current, given.current.data)],
      setSelect: [(plot) => choose(plot, given.current)],
    },
  };
}

/** A little air above and below, also when all values are the same. */
function padded(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const air = (high - low || Math.abs(high) || 1) * 0.08;
  return [low - air, high + air];
}

function shade(plot: uPlot, marks: readonly ChartMark[], colours: Colours): void {
  const { ctx: pen, bbox } = plot;
  const density = uPlot.pxRatio;
  pen.save();
  pen.beginPath();
  pen.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  pen.clip();
  for (const { from, to } of marks) {
    const left = plot.valToPos(from, "x", true);
    const right = Math.max(plot.valToPos(to, "x", true), left + 3 * density);
    pen.fillStyle = colours["mark-soft"];
    pen.fillRect(left, bbox.top, right - left, bbox.height);
    pen.fillStyle = colours.mark;
    pen.fillRect(left, bbox.top, 2 * density, bbox.height);
  }
  pen.restore();
}

/** Say in words what is under the cursor. */
function read(plot: uPlot, place: HTMLElement | null, data: ChartData): void {
  if (!place) return;
  const at = plot.cursor.idx;
  if (at === null || at === undefined || (plot.cursor.left ?? -1) < 0) {
    place.textContent = "";
    return;
  }
  const [low, high] = [data.min[at] ?? null, data.max[at] ?? null];
  const seen = low === high ? told(low) : `${told(low)} to ${told(high)}`;
  const expected = data.expected[at] ?? null;
  const usual =
    expected === null
      ? ""
      : ` · expected ${told(expected)} (${told(data.lower[at])} to ${told(data.upper[at])})`;
  place.textContent = `${moment((data.t[at] ?? 0) * 1_000)} · ${seen}${usual}`;
}

function choose(plot: uPlot, { onView }: ChartGiven): void {
  const { left, width } = plot.select;
  if (width > 4 && onView) {
    onView(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
  }
  if (width > 0) plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}
