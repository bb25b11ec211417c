import type { ComponentChildren } from "preact";
import { ago, moment, ms, when } from "../format";

interface Given {
  /** As the interface says it. */
  at: string;
  /** "3 min ago" seen from then (ms); left out: the time itself. */
  now?: number;
}

/** A time in the viewer's zone; the whole of it with its UTC offset on hovering. */
export function Time({ at, now }: Given): ComponentChildren {
  const time = ms(at);
  return (
    <time dateTime={at} title={moment(time)}>
      {now === undefined ? when(time) : ago(time, now)}
    </time>
  );
}
