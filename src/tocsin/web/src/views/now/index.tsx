import type { ComponentChildren } from "preact";

export function NowView(): ComponentChildren {
  return <h1>NowView </h1>;
}
