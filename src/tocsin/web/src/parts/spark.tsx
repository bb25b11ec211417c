// A small chart without axes: the values, the expected band behind them, one point marked.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import "./chart.css";
import { type Colours, useColours } from "../theme";

export type Numbers = readonly (number | null)[];

export interface SparkGiven {
  /** Seconds since 1970. */
  t: readonly number[];
  v: Numbers;
  lower?: Numbers;
  upper?: Numbers;
  /** Place of the anomalous point. */
  mark?: number;
  /** What it shows, for those who do not see it. */
  label: string;
}

/** Room for the line's own width and the mark. */
const EDGE = 4;

export function Spark(given: SparkGiven): ComponentChildren {
  const canvas = useRef<HTMLCanvasElement>(null);
  const colours = useColours();
  const latest = useRef({ given, colours });
  latest.current = { given, colours };
  function paint(): void {
    if (canvas.current) draw(canvas.current, latest.current.given, latest.current.colours);
  }
  useEffect(paint);
  useEffect(() => {
    const watching = new ResizeObserver(paint);
    if (canvas.current) watching.observe(canvas.current);
    return () => watching.disconnect();
  }, []);
  return <canvas ref={canvas} class="spark" role="img" aria-label={given.label} />;
}

interface Frame {
  x(at: number): number;
  y(value: number): number;
}

function draw(canvas: HTMLCanvasElement, given: SparkGiven, colours: Colours): void {
  const { clientWidth: width, clientHeight: height } = canvas;
  const pen = canvas.getContext("2d");
  if (!pen || width === 0) return;
  const density = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  pen.scale(density, density);
  const frame = framed(given, width, height);
  if (!frame) return;
  if (given.lower && given.upper) fillBand(pen, frame, given.lower, given.upper, colours.band);
  strokeLine(pen, frame, given.v, colours.line);
  const { mark } = given;
  const marked = mark === undefined ? null : given.v[mark];
  if (mark !== undefined && marked !== null && marked !== undefined) {
    pen.fillStyle = colours.mark;
    pen.beginPath();
    pen.arc(frame.x(mark), frame.y(marked), 3, 0, 2 * Math.PI);
    pen.fill();
  }
}

/** Points by their time; values from the lowest to the highest with the band as far as it is near. */
function framed({ t, v, lower, upper }: SparkGiven, width: number, height: number): Frame | null {
  const values = v.filter((value): value is number => value !== null);
  if (values.length === 0) return null;
  let low = Math.min(...values);
  let high = Math.max(...values);
  // why not the whole band: while it is still wide, the line would be flat.
  const near = (high - low || Math.abs(high) || 1) * 0.5;
  for (const value of lower ?? []) if (value !== null) low = Math.min(low, Math.max(value, low - near));
  for (const value of upper ?? []) if (value !== null) high = Math.max(high, Math.min(value, high + near));
  if (low === high) [low, high] = [low - 1, high + 1];
  const start = t[0] ?? 0;
  const length = (t.at(-1) ?? start) - start || 1;
  return {
    x: (at) => EDGE + (((t[at] ?? start) - start) / length) * (width - 2 * EDGE),
    y: (value) => height - EDGE - ((value - low) / (high - low)) * (height - 2 * EDGE),
  };
}

function strokeLine(pen: CanvasRenderingContext2D, frame: Frame, v: Numbers, colour: string): void {
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.lineJoin = "round";
  pen.beginPath();
  let drawing = false;
  v.forEach((value, at) => {
    if (value === null) drawing = false;
    else if (drawing) pen.lineTo(frame.x(at), frame.y(value));
    else {
      pen.moveTo(frame.x(at), frame.y(value));
      drawing = true;
    }
  });
  pen.stroke();
}

function fillBand(
  pen: CanvasRenderingContext2D,
  frame: Frame,
  lower: Numbers,
  upper: Numbers,
  colour: string,
): void {
  pen.fillStyle = colour;
  for (const [from, to] of stretches(lower, upper)) {
    pen.beginPath();
    for (let at = from; at < to; at++) pen.lineTo(frame.x(at), frame.y(upper[at] ?? 0));
    for (let at = to - 1; at >= from; at--) pen.lineTo(frame.x(at), frame.y(lower[at] ?? 0));
    pen.fill();
  }
}

/** From where to where both are known. */
function stretches(lower: Numbers, upper: Numbers): [number, number][] {
  const found: [number, number][] = [];
  let from = -1;
  for (let at = 0; at <= lower.length; at++) {
    const known = at < lower.length && lower[at] !== null && upper[at] !== null && upper[at] !== undefined;
    if (known && from < 0) from = at;
    if (!known && from >= 0) {
      found.push([from, at]);
      from = -1;
    }
  }
  return found;
}
