// When metrics that warm up will have their first scores.
import type { ComponentChildren } from "preact";
import { get } from "../../api";
import { useAsked } from "../../asked";
import { counted, ms, span } from "../../format";

interface Warming {
  status: string;
  created: string;
  readiness: { seen: number; needed: number };
}

/** So many are looked at: the first of them will do. */
const LOOKED_AT = 50;

export function Soon({ warming, all }: { warming: number; all: number }): ComponentChildren {
  const metrics = useAsked<{ metrics: Warming[] }>(
    (signal) => get("metrics", { limit: LOOKED_AT }, signal),
    [],
    10_000,
  );
  const told = `${counted(warming, "metric")} warming up`;
  const left = first(metrics.data?.metrics ?? [], Date.now());
  return (
    <>
      {warming === all ? told : `${told}, the others behave like themselves`}
      {left !== undefined && `: first scores in about ${span(Math.max(left, 1_000))}`}
    </>
  );
}

/** ms until the first of them is ready, at the pace so far; undefined: nobody knows. */
export function first(metrics: readonly Warming[], now: number): number | undefined {
  const left = metrics
    .filter(({ status, readiness }) => status === "warming_up" && readiness.seen >= 2)
    .map(({ created, readiness: { seen, needed } }) => ((now - ms(created)) / seen) * (needed - seen))
    .filter((time) => Number.isFinite(time) && time >= 0);
  return left.length ? Math.min(...left) : undefined;
}
