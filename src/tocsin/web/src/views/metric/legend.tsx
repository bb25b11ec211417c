// What the lines and signs of the chart are; of the signs only those that are on it.
import type { ComponentChildren } from "preact";
import type { Flag } from "./flags";

const SIGNS: readonly { kind: Flag["kind"]; name: string; path: string; filled: boolean; hot: boolean }[] = [
  { kind: "event", name: "told", path: "M2 3h8L6 10z", filled: true, hot: true },
  { kind: "muted", name: "not told, as somebody marked", path: "M2 3h8L6 10z", filled: false, hot: false },
  { kind: "added", name: "would be told too", path: "M6 1v10M1 6h10", filled: false, hot: true },
  { kind: "removed", name: "would not be told", path: "M2 2l8 8M10 2l-8 8", filled: false, hot: false },
  { kind: "note", name: "note", path: "M3 3h6v6H3z", filled: true, hot: false },
];

export function Legend({ kinds }: { kinds: ReadonlySet<Flag["kind"]> }): ComponentChildren {
  return (
    <ul class="legend small muted" aria-label="Legend">
      <li>
        <svg viewBox="0 0 18 12" aria-hidden="true">
          <path class="line" d="M0 6h18" />
        </svg>
        value
      </li>
      <li>
        <svg viewBox="0 0 18 12" aria-hidden="true">
          <path class="expected" d="M0 6h18" />
        </svg>
        expected
      </li>
      <li>
        <svg viewBox="0 0 18 12" aria-hidden="true">
          <path class="band" d="M0 1h18v10H0z" />
        </svg>
        usual
      </li>
      {SIGNS.filter(({ kind }) => kinds.has(kind)).map(({ kind, name, path, filled, hot }) => (
        <li key={kind}>
          <svg class="sign" viewBox="0 0 12 12" aria-hidden="true">
            <path class={`${filled ? "filled" : ""} ${hot ? "hot" : ""}`} d={path} />
          </svg>
          {name}
        </li>
      ))}
    </ul>
  );
}
