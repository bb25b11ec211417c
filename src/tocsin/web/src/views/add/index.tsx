import type { ComponentChildren } from "preact";

export function AddView(): ComponentChildren {
  return <h1>AddView </h1>;
}
