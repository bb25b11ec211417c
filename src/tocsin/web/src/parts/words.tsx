// What the service says of an event or incident, in its words; always text.
import type { ComponentChildren } from "preact";

/** "once in 10^11" with the power set as one. */
export function Words({ text }: { text: string }): ComponentChildren {
  return text.split(/10\^(\d+)/).map((part, at) =>
    at % 2 ? (
      <span key={at}>
        10<sup>{part}</sup>
      </span>
    ) : (
      part
    ),
  );
}
