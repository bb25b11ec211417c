import type { ComponentChildren } from "preact";

export function IncidentsView(): ComponentChildren {
  return <h1>IncidentsView </h1>;
}
