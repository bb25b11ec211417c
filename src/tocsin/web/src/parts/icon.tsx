// Small pictures, drawn in the colour of the text beside them.
import type { ComponentChildren } from "preact";

const PATHS = {
  now: "M2 9h3l2-5 3 9 2-4h4",
  incident: "M9 2.5 16 15H2zM9 7v3.5M9 12.6v.4",
  search: "M8 13A5 5 0 1 0 8 3a5 5 0 0 0 0 10zM11.8 11.8 15.5 15.5",
  add: "M9 3v12M3 9h12",
  settings: "M3 5h6M13 5h2M11 3v4M3 9h1M8 9h7M6 7v4M3 13h7M14 13h1M12 11v4",
  theme: "M9 2.5a6.5 6.5 0 1 0 0 13zM9 2.5a6.5 6.5 0 0 1 0 13",
  keys: "M2 5h14v8H2zM5 8h.01M8 8h.01M11 8h.01M13.5 8h.01M6 10.8h6",
  right: "M7 4l5 5-5 5",
  left: "M11 4 6 9l5 5",
  less: "M3 9h12",
  select: "M3 3v12M15 3v12M6 9h6M8 7 6 9l2 2M10 7l2 2-2 2",
  check: "M3.5 9.5 7 13l7.5-8",
  bell: "M9 2.5c-2.6 0-4 2-4 4.6V10l-1.5 2.5h11L13 10V7.1c0-2.6-1.4-4.6-4-4.6zM7.5 14.5h3",
  clock: "M9 15.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM9 5.5V9l2.5 1.5",
  person: "M9 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM3.5 15.5c.5-3 2.7-4.5 5.5-4.5s5 1.5 5.5 4.5",
  copy: "M6 6h8v9H6zM4 12V3h8",
  close: "M4.5 4.5l9 9M13.5 4.5l-9 9",
  file: "M5 2.5h5l3.5 3.5v9.5H5zM10 2.5V6h3.5",
  undo: "M6.5 4 3 7.5 6.5 11M3.5 7.5H11a3.5 3.5 0 0 1 0 7H8",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): ComponentChildren {
  return (
    <svg class="icon" viewBox="0 0 18 18" width="18" height="18" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
