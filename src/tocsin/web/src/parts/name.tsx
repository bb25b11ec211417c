// A metric's name with its labels; always text, whatever characters they are of.
import type { ComponentChildren } from "preact";
import type { MetricRef } from "../types";

type Named = Pick<MetricRef, "name" | "labels">;

/** name{key="value"} on one line. */
export function titleOf({ name, labels }: Named): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  return pairs.length ? `${name}{${pairs.join(", ")}}` : name;
}

export function Name({ metric, href }: { metric: Named; href?: string }): ComponentChildren {
  const pairs = Object.entries(metric.labels);
  const name = href ? <a href={href}>{metric.name}</a> : metric.name;
  return (
    <span class="metric-name" title={titleOf(metric)}>
      <b>{name}</b>
      {pairs.length > 0 && (
        <span class="labels">
          {pairs.map(([key, value]) => (
            <span key={key}>
              {key}=<em>{value}</em>
            </span>
          ))}
        </span>
      )}
    </span>
  );
}
