// The state of the fleet in one line.
import type { ComponentChildren } from "preact";
import { count, counted, span, value } from "../../format";
import { link } from "../../router";
import type { Fleet } from "./types";

const BEHIND_S = 5;

export function FleetLine({ fleet }: { fleet: Fleet }): ComponentChildren {
  const refused = fleet.refused.reduce((sum, one) => sum + one.count, 0);
  return (
    <dl class="fleet">
      <Fact name="metrics" number={count(fleet.metrics)} href="/search" />
      <Fact name="samples/s" number={value(fleet.samples_per_s)} />
      {fleet.lag_s < BEHIND_S ? (
        <Fact name="scored" number="all" />
      ) : (
        <Fact name="behind" number={span(fleet.lag_s * 1_000)} tone="warn" />
      )}
      {fleet.warming_up > 0 && <Fact name="warming up" number={count(fleet.warming_up)} />}
      {fleet.errors.map(({ reason, count: many }) => (
        <Fact
          key={reason}
          name={reason === "" ? "in error" : `in error: ${worded(reason)}`}
          number={count(many)}
          tone="bad"
          href={link(["search"], { status: "error" })}
        />
      ))}
      {refused > 0 && (
        <Fact
          name="samples refused"
          number={count(refused)}
          title={fleet.refused.map((one) => `${one.protocol}: ${worded(one.reason)} ${counted(one.count, "time")}`).join("\n")}
          tone="warn"
          href="/add"
        />
      )}
    </dl>
  );
}

/** Codes as words: "model_failed" → "model failed". */
function worded(reason: string): string {
  return reason.replaceAll("_", " ");
}

interface Given {
  name: string;
  number: string;
  tone?: "warn" | "bad";
  title?: string;
  href?: string;
}

function Fact({ name, number, tone, title, href }: Given): ComponentChildren {
  return (
    <div class={tone} title={title}>
      <dt>{name}</dt>
      <dd>{href ? <a href={href}>{number}</a> : number}</dd>
    </div>
  );
}
