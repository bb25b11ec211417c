import type { ComponentChildren } from "preact";
import type { Severity as Level } from "../types";

const SHAPES: Record<Level, string> = {
  critical: "M7 1 13 12H1z",
  warning: "M7 1 13 7 7 13 1 7z",
  info: "M7 2a5 5 0 1 0 0 10A5 5 0 0 0 7 2z",
};

/** A mark whose shape tells the severity as its colour does. */
export function Severity({ level, calm = false }: { level: Level; calm?: boolean }): ComponentChildren {
  return (
    <svg
      class={`severity ${level}${calm ? " calm" : ""}`}
      viewBox="0 0 14 14"
      width="14"
      height="14"
      role="img"
      aria-label={level}
    >
      <title>{level}</title>
      <path d={SHAPES[level] ?? SHAPES.info} />
    </svg>
  );
}
