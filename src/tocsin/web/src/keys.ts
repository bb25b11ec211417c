// The keyboard: a view says which keys it knows, and `?` shows all that work now.
import { useEffect, useRef } from "preact/hooks";

export interface Key {
  /** As the browser calls it ("j", "Enter", "?"), or two after each other: "g n". */
  key: string;
  does: string;
  run(): void;
}

const known: Key[][] = [];
let first = "";
let firstAt = 0;
/** Two keys after each other are one within this time. */
const TOGETHER_MS = 1_200;

/** All keys that work now, the view's own before those of the page. */
export function keysNow(): Key[] {
  return [...known].reverse().flat();
}

function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

function pressed(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (typing(event.target) && event.key !== "Escape") return;
  if (document.querySelector("dialog[open]")) return;
  const both = Date.now() - firstAt < TOGETHER_MS ? `${first} ${event.key}` : "";
  const keys = keysNow();
  const found = keys.find(({ key }) => key === both) ?? keys.find(({ key }) => key === event.key);
  first = event.key;
  firstAt = Date.now();
  if (!found) return;
  first = "";
  event.preventDefault();
  found.run();
}

export function startKeys(): void {
  document.addEventListener("keydown", pressed);
}

/** These keys work while the component is shown; `everywhere`: unless a view means something else by them. */
export function useKeys(keys: readonly Key[], everywhere = false): void {
  const latest = useRef(keys);
  latest.current = keys;
  const names = keys.map(({ key }) => key).join(" , ");
  useEffect(() => {
    const mine = latest.current.map((key, i) => ({ ...key, run: () => latest.current[i]?.run() }));
    // why: a view that is shown first of all says its keys before the page around it does.
    if (everywhere) known.unshift(mine);
    else known.push(mine);
    return () => void known.splice(known.indexOf(mine), 1);
  }, [names]);
}

/** j and k move through what is marked `data-item`; Enter opens it, as links do. */
export function useListKeys(): void {
  useKeys([
    { key: "j", does: "Next", run: () => move(1) },
    { key: "k", does: "Previous", run: () => move(-1) },
  ]);
}

function move(by: number): void {
  const items = [...document.querySelectorAll<HTMLElement>("main [data-item]")];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (by > 0 ? 0 : items.length - 1) : at + by;
  items[Math.min(Math.max(next, 0), items.length - 1)]?.focus();
}
