// Two plots with one time axis: the values with their band, and how unusual they were.
import uPlot from "uplot";
import { tick, value as told } from "../../format";
import type { Colours } from "../../theme";
import { place, reach } from "./columns";
import { drawSigns, drawStretches, type Flag, FLAG_ROOM } from "./flags";
import type { Columns, Range } from "./types";

export interface Drawn {
  columns: Columns;
  range: Range;
  flags: readonly Flag[];
}

export interface Places {
  values: HTMLElement;
  scores: HTMLElement;
}

/** From these scores on they are rare, and very rare: one in 10,000, one in 100,000. */
const RARE = 0.4;
const VERY_RARE = 0.5;
const AXIS = 50;
/** On the right, for half of a date. */
const EDGE = 14;
const SCORES_HEIGHT = 78;

export interface Plots {
  /** The part of the upper one that takes the pointer. */
  over: HTMLElement;
  overs: readonly HTMLElement[];
  show(drawn: Drawn): void;
  size(width: number, height: number): void;
  /** The stretch between two places in it (CSS pixels) is marked; null: none is. */
  select(from: number | null, to: number): void;
  timeAt(place: number): number;
  destroy(): void;
}

export function makePlots(
  places: Places,
  colours: Colours,
  height: number,
  onCursor: (at: number | null) => void,
): Plots {
  let drawn: Drawn | null = null;
  const width = places.values.clientWidth;
  const sync = { key: `metric-${Math.random()}`, scales: ["x", null] as [string, null] };
  const flags = (): readonly Flag[] => drawn?.flags ?? [];
  const common = { width, legend: { show: false }, cursor: cursor(sync) };
  const axis = { stroke: colours.muted, font: '11px "Inter Variable", sans-serif', ticks: { show: false } };
  const grid = { stroke: colours.rule, width: 1 };
  const values = new uPlot(
    {
      ...common,
      height,
      padding: [FLAG_ROOM, EDGE, 6, 0],
      scales: { x: { time: true }, y: { auto: false, range: (_plot, low, high) => [low, high] } },
      axes: [
        { ...axis, grid, size: 0, space: 70, values: () => [] },
        { ...axis, grid, size: AXIS, values: (_plot, splits) => splits.map((split) => told(split)) },
      ],
      series: valueSeries(colours),
      bands: [
        { series: [2, 1], fill: colours.band },
        { series: [5, 4], fill: colours.line },
      ],
      hooks: {
        drawClear: [(plot) => drawStretches(plot, flags(), colours)],
        draw: [(plot) => drawSigns(plot, flags(), colours)],
        setCursor: [(plot) => onCursor((plot.cursor.left ?? -1) < 0 ? null : (plot.cursor.idx ?? null))],
      },
    },
    [[], [], [], [], [], []],
    places.values,
  );
  const scores = new uPlot(
    {
      ...common,
      height: SCORES_HEIGHT,
      padding: [6, EDGE, 0, 0],
      scales: { x: { time: true }, y: { range: [0, 1] } },
      axes: [
        { ...axis, grid, size: 24, space: 74, values: (_plot, splits, _axis, _space, step) => splits.map((split) => tick(split, step)) },
        { ...axis, grid, size: AXIS, splits: () => [0, 0.5, 1], values: (_plot, splits) => splits.map(String) },
      ],
      series: [{}, { stroke: "transparent", points: { show: false } }],
      hooks: { draw: [(plot) => drawScores(plot, drawn, colours)] },
    },
    [[], []],
    places.scores,
  );
  let had: Columns | null = null;
  return {
    over: values.over,
    overs: [values.over, scores.over],
    show(next) {
      drawn = next;
      const { columns, range } = next;
      values.batch(() => {
        if (had !== columns) values.setData(valueColumns(columns), false);
        values.setScale("x", { min: range.from, max: range.to });
        const [low, high] = reach(columns, range) ?? [0, 1];
        values.setScale("y", { min: low, max: high });
      });
      scores.batch(() => {
        if (had !== columns) scores.setData([columns.t, columns.score] as unknown as uPlot.AlignedData, false);
        scores.setScale("x", { min: range.from, max: range.to });
      });
      had = columns;
    },
    size(wide, high) {
      values.setSize({ width: wide, height: high });
      scores.setSize({ width: wide, height: SCORES_HEIGHT });
    },
    select(from, to) {
      for (const plot of [values, scores]) {
        const left = from === null ? 0 : Math.min(from, to);
        const long = from === null ? 0 : Math.abs(to - from);
        plot.setSelect({ left, top: 0, width: long, height: plot.over.clientHeight }, false);
      }
    },
    timeAt: (left) => values.posToVal(left, "x"),
    destroy() {
      values.destroy();
      scores.destroy();
    },
  };
}

function cursor(sync: uPlot.Cursor.Sync): uPlot.Cursor {
  return {
    y: false,
    // why none of its own: here dragging moves the time axis.
    drag: { x: false, y: false, setScale: false },
    bind: { dblclick: () => null, mousedown: () => null, mouseup: () => null },
    points: { show: false },
    sync,
  };
}

function valueSeries(colours: Colours): uPlot.Series[] {
  const line = { stroke: colours.line, width: 1.4, points: { show: false }, spanGaps: false };
  const none = { stroke: "transparent", points: { show: false } };
  return [{}, none, none, { ...line, stroke: colours.expected, width: 1, dash: [3, 3] }, line, { ...line }];
}

function valueColumns({ t, lower, upper, expected, min, max }: Columns): uPlot.AlignedData {
  return [t, lower, upper, expected, min, max] as unknown as uPlot.AlignedData;
}

/** A bar for each point; the height says as much as the colour. */
function drawScores(plot: uPlot, drawn: Drawn | null, colours: Colours): void {
  if (!drawn) return;
  const { ctx: pen, bbox } = plot;
  const { columns: { t, score }, range } = drawn;
  const density = uPlot.pxRatio;
  const first = Math.max(place(t, range.from) - 1, 0);
  const end = Math.min(place(t, range.to) + 1, t.length);
  const wide = Math.max(Math.min((bbox.width / Math.max(end - first, 1)) * 0.8, 5 * density), 1.2 * density);
  const bottom = bbox.top + bbox.height;
  pen.save();
  pen.beginPath();
  pen.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  pen.clip();
  for (let at = first; at < end; at++) {
    const height = score[at] ?? 0;
    if (height < 0.01) continue;
    pen.fillStyle = height >= VERY_RARE ? colours.critical : height >= RARE ? colours.warning : colours.score;
    const x = plot.valToPos(t[at] ?? 0, "x", true);
    const y = plot.valToPos(Math.min(height, 1), "y", true);
    pen.fillRect(x - wide / 2, y, wide, bottom - y);
  }
  pen.restore();
}
