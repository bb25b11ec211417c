import type { ComponentChildren } from "preact";

export function IncidentView({ id }: { id: string }): ComponentChildren {
  return <h1>IncidentView {id}</h1>;
}
