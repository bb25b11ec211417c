// The whole history in one strip, with a window that can be drawn along it.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Spark } from "../../parts/spark";
import type { Extent } from "./range";
import type { Columns, Range } from "./types";

interface Given {
  columns: Columns;
  extent: Extent;
  range: Range;
  onMove(range: Range): void;
}

export function Overview({ columns, extent, range, onMove }: Given): ComponentChildren {
  const box = useRef<HTMLDivElement>(null);
  const grip = useRef<{ at: number; range: Range } | null>(null);
  const curve = useMemo(() => ({ t: columns.t.flatMap((at) => [at, at]), v: columns.min.flatMap((low, i) => [low, columns.max[i] ?? null]) }), [columns]);
  const length = extent.last - extent.first || 1;
  const share = (time: number): number => Math.min(Math.max((time - extent.first) / length, 0), 1);
  const [left, right] = [share(range.from), share(range.to)];

  const timeAt = (event: PointerEvent): number => {
    const { left: edge, width } = (box.current as HTMLElement).getBoundingClientRect();
    return extent.first + ((event.clientX - edge) / (width || 1)) * length;
  };
  function down(event: PointerEvent): void {
    box.current?.setPointerCapture(event.pointerId);
    const at = timeAt(event);
    // why: a click beside the window brings it there.
    const inside = at >= range.from && at <= range.to;
    const half = (range.to - range.from) / 2;
    const start = inside ? range : { from: at - half, to: at + half };
    grip.current = { at, range: start };
    if (!inside) onMove(start);
  }
  function drag(event: PointerEvent): void {
    if (!grip.current) return;
    const by = timeAt(event) - grip.current.at;
    onMove({ from: grip.current.range.from + by, to: grip.current.range.to + by });
  }
  const release = (): void => void (grip.current = null);
  useEffect(() => release, []);

  return (
    <div class="overview" ref={box} onPointerDown={down} onPointerMove={drag} onPointerUp={release} onPointerCancel={release}>
      <Curve curve={curve} />
      <div class="window" style={{ left: `${left * 100}%`, width: `${Math.max(right - left, 0.002) * 100}%` }} />
    </div>
  );
}

/** Drawn anew only when the history is. */
function Curve({ curve }: { curve: { t: readonly number[]; v: readonly (number | null)[] } }): ComponentChildren {
  return useMemo(() => <Spark t={curve.t} v={curve.v} label="The whole history" />, [curve]);
}
