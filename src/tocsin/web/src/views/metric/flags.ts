// What is marked on the chart: events, notes, and what other settings would have told.
import uPlot from "uplot";
import type { Colours } from "../../theme";

export interface Flag {
  kind: "event" | "muted" | "added" | "removed" | "note";
  /** Seconds since 1970. */
  from: number;
  to: number;
  peak: number;
  /** Pointed at, in a list beside the chart. */
  hot?: boolean;
}

/** Room above the plot, in CSS pixels. */
export const FLAG_ROOM = 16;

/** The stretches, behind the lines. */
export function drawStretches(plot: uPlot, flags: readonly Flag[], colours: Colours): void {
  const { ctx: pen, bbox } = plot;
  const density = uPlot.pxRatio;
  clipped(plot, 0, () => {
    for (const { kind, from, to, hot } of flags) {
      const left = plot.valToPos(from, "x", true);
      const right = Math.max(plot.valToPos(to, "x", true), left + 2 * density);
      if (right < bbox.left || left > bbox.left + bbox.width) continue;
      pen.fillStyle = kind === "event" || kind === "added" ? colours["mark-soft"] : colours.rule;
      pen.globalAlpha = kind === "event" || kind === "added" ? 1 : 0.55;
      pen.fillRect(left, bbox.top, right - left, bbox.height);
      if (hot) pen.fillRect(left, bbox.top, right - left, bbox.height);
      pen.globalAlpha = 1;
    }
  });
}

/** A sign above each: its shape says what it is, as its colour does. */
export function drawSigns(plot: uPlot, flags: readonly Flag[], colours: Colours): void {
  const { ctx: pen, bbox } = plot;
  const density = uPlot.pxRatio;
  clipped(plot, FLAG_ROOM * density, () => {
    for (const { kind, peak, hot } of flags) {
      const x = plot.valToPos(peak, "x", true);
      if (x < bbox.left - 9 || x > bbox.left + bbox.width + 9) continue;
      pen.strokeStyle = pen.fillStyle = kind === "event" || kind === "added" ? colours.mark : colours.muted;
      pen.lineWidth = 1.6 * density;
      sign(pen, kind, x, bbox.top - 8 * density, (hot ? 6 : 4.5) * density);
      if (kind === "note" || hot) dashed(pen, x, bbox.top, bbox.top + bbox.height, density);
    }
  });
}

function clipped(plot: uPlot, above: number, draw: () => void): void {
  const { ctx: pen, bbox } = plot;
  pen.save();
  pen.beginPath();
  pen.rect(bbox.left, bbox.top - above, bbox.width, bbox.height + above);
  pen.clip();
  draw();
  pen.restore();
}

function sign(pen: CanvasRenderingContext2D, kind: Flag["kind"], x: number, y: number, size: number): void {
  pen.beginPath();
  if (kind === "added") {
    pen.moveTo(x - size, y);
    pen.lineTo(x + size, y);
    pen.moveTo(x, y - size);
    pen.lineTo(x, y + size);
    pen.stroke();
  } else if (kind === "removed") {
    pen.moveTo(x - size * 0.8, y - size * 0.8);
    pen.lineTo(x + size * 0.8, y + size * 0.8);
    pen.moveTo(x - size * 0.8, y + size * 0.8);
    pen.lineTo(x + size * 0.8, y - size * 0.8);
    pen.stroke();
  } else if (kind === "note") {
    pen.rect(x - size * 0.7, y - size * 0.7, size * 1.4, size * 1.4);
    pen.fill();
  } else {
    pen.moveTo(x - size, y - size * 0.8);
    pen.lineTo(x + size, y - size * 0.8);
    pen.lineTo(x, y + size);
    pen.closePath();
    if (kind === "event") pen.fill();
    else pen.stroke();
  }
}

function dashed(pen: CanvasRenderingContext2D, x: number, top: number, bottom: number, density: number): void {
  pen.lineWidth = density;
  pen.setLineDash([3 * density, 3 * density]);
  pen.beginPath();
  pen.moveTo(x, top);
  pen.lineTo(x, bottom);
  pen.stroke();
  pen.setLineDash([]);
}
