// Pointer and wheel over the plots: dragging moves, the wheel zooms, two fingers do both.
import { moved, zoomed } from "./range";
import type { Range } from "./types";

export interface Hand {
  range(): Range;
  /** Dragging marks a stretch instead. */
  selecting(): boolean;
  timeAt(place: number): number;
  move(range: Range): void;
  /** Between two places (CSS pixels); null: not any more. */
  mark(from: number | null, to: number): void;
  selected(range: Range): void;
}

/** A scroll of the page that is under way is not taken over by a chart that comes under it. */
const SCROLLING_MS = 300;
const CLICK_PX = 4;

/** Let the pointer steer; returns what ends it. */
export function takePointer(over: HTMLElement, hand: Hand): () => void {
  const fingers = new Map<number, number>();
  let start: { at: number; range: Range; apart: number; marks: boolean } | null = null;
  let scrolled = 0;

  const placeOf = (event: { clientX: number }): number => event.clientX - over.getBoundingClientRect().left;
  const middle = (): number => [...fingers.values()].reduce((sum, x) => sum + x, 0) / fingers.size;
  const apart = (): number => Math.max(...fingers.values()) - Math.min(...fingers.values());

  function grasp(): void {
    const marks = start?.marks ?? hand.selecting();
    start = fingers.size ? { at: middle(), range: hand.range(), apart: apart(), marks } : null;
    over.classList.toggle("held", start !== null && !marks);
  }
  function down(event: PointerEvent): void {
    if (event.button !== 0) return;
    over.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, placeOf(event));
    start = null;
    grasp();
    if (start && event.shiftKey) (start as { marks: boolean }).marks = true;
  }
  function drag(event: PointerEvent): void {
    if (!start || !fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, placeOf(event));
    if (start.marks && fingers.size === 1) return hand.mark(start.at, middle());
    const { range, at } = start;
    const times = fingers.size > 1 && apart() > 0 ? start.apart / apart() : 1;
    const width = over.clientWidth || 1;
    const pivot = range.from + (at / width) * (range.to - range.from);
    const scaled = zoomed(range, times, pivot);
    hand.move(moved(scaled, (at - middle()) / width));
  }
  function up(event: PointerEvent): void {
    if (!fingers.delete(event.pointerId) || !start) return;
    const { marks, at } = start;
    const here = placeOf(event);
    if (marks && fingers.size === 0) {
      hand.mark(null, 0);
      if (Math.abs(here - at) > CLICK_PX) hand.selected(between(hand.timeAt(at), hand.timeAt(here)));
    }
    if (fingers.size === 0) start = null;
    grasp();
  }
  function wheel(event: WheelEvent): void {
    if (Date.now() - scrolled < SCROLLING_MS && !event.ctrlKey) {
      scrolled = Date.now();
      return;
    }
    event.preventDefault();
    const range = hand.range();
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = event.deltaX || event.deltaY;
      return hand.move(moved(range, (by * unit) / (over.clientWidth || 1)));
    }
    const times = Math.exp(Math.max(-1, Math.min(1, (event.deltaY * unit) / 300)));
    hand.move(zoomed(range, times, hand.timeAt(placeOf(event))));
  }
  const twice = (event: MouseEvent): void => hand.move(zoomed(hand.range(), event.shiftKey ? 3 : 1 / 3, hand.timeAt(placeOf(event))));
  const scroll = (): void => void (scrolled = Date.now());

  const listeners: [EventTarget, string, (event: never) => void, AddEventListenerOptions?][] = [
    [over, "pointerdown", down],
    [over, "pointermove", drag],
    [over, "pointerup", up],
    [over, "pointercancel", up],
    [over, "wheel", wheel, { passive: false }],
    [over, "dblclick", twice],
    [window, "scroll", scroll, { passive: true }],
  ];
  for (const [target, name, does, how] of listeners) target.addEventListener(name, does as EventListener, how);
  return () => {
    for (const [target, name, does] of listeners) target.removeEventListener(name, does as EventListener);
  };
}

function between(one: number, other: number): Range {
  return { from: Math.min(one, other), to: Math.max(one, other) };
}
