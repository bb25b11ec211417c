// The dot that says whether what is shown is of now.
import type { ComponentChildren } from "preact";
import { clockTime } from "../format";
import { useContact } from "../contact";

export function Pulse(): ComponentChildren {
  const { lostAt } = useContact();
  const lost = lostAt !== null;
  const told = lost ? `no answer since ${clockTime(lostAt)}; trying` : "live";
  return (
    <span class={`pulse ${lost ? "lost" : "live"}`} role="status">
      <i aria-hidden="true" />
      {told}
    </span>
  );
}
