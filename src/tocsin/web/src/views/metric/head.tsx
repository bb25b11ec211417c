// Which metric it is, how it stands, and what it does now.
import type { ComponentChildren } from "preact";
import { useNow } from "../../clock";
import { count, counted, ms, rarityOfScore, value } from "../../format";
import type { LiveSample } from "../../live";
import { Name } from "../../parts/name";
import { Time } from "../../parts/time";
import { Actions } from "./actions";
import type { Metric } from "./types";

const RARE = 0.4;

export function Head({ metric, last, changed }: { metric: Metric; last: LiveSample | undefined; changed(): void }): ComponentChildren {
  return (
    <header class="metric-head">
      <div class="metric-title">
        <h1>
          <Name metric={metric} />
        </h1>
        <Facts metric={metric} last={last} />
      </div>
      <Actions metric={metric} changed={changed} />
      <Standing metric={metric} />
    </header>
  );
}

function Facts({ metric, last }: { metric: Metric; last: LiveSample | undefined }): ComponentChildren {
  const now = useNow(1_000);
  const at = newer(last?.timestamp, metric.last_timestamp);
  const seen = last ? (last.rate ?? last.value) : metric.last_value;
  const score = last ? last.anomaly_score : metric.anomaly_score;
  const expected = last?.expected ?? null;
  return (
    <p class="metric-facts">
      <b class="metric-value">{value(seen)}</b>
      {expected !== null && <span class="muted">expected {value(expected)}</span>}
      {score !== null && <span class={`score ${score >= RARE ? "hot" : ""}`}>{score < 0.05 ? "usual" : rarityOfScore(score)}</span>}
      {at && (
        <span class="muted">
          last sample <Time at={at} now={now} />
        </span>
      )}
      <span class="muted">{counted(metric.samples, "sample")}</span>
      {metric.kind === "counter" && <span class="muted">watched as rate per second</span>}
      {metric.lag > 0 && <span class="tag hot">{count(metric.lag)} wait to be scored</span>}
    </p>
  );
}

function newer(one: string | undefined, other: string | null): string | null {
  if (!one) return other;
  return other && ms(other) > ms(one) ? other : one;
}

/** Said only where it is not simply watched. */
function Standing({ metric }: { metric: Metric }): ComponentChildren {
  const { status, reason, detail, deadline, readiness } = metric;
  if (status === "active") return null;
  if (status === "warming_up") {
    return (
      <p class="standing">
        <b>
          Warming up: {count(readiness.seen)} of {count(readiness.needed)}
        </b>
        <progress value={readiness.seen} max={readiness.needed} aria-label="Samples learnt of those needed" />
        <span class="muted">First scores come after {counted(readiness.needed, "sample")}.</span>
      </p>
    );
  }
  if (status === "paused") {
    return (
      <p class="standing">
        <b>Paused{deadline ? "" : " until it is resumed"}</b>
        {deadline && (
          <span>
            until <Time at={deadline} />
          </span>
        )}
        <span class="muted">Samples are stored, and neither scored nor learnt.</span>
      </p>
    );
  }
  if (status === "error") {
    return (
      <p class="standing bad" role="alert">
        <b>In error: {words(reason ?? "unknown")}</b>
        {detail && <span>{detail}</span>}
        {deadline && (
          <span class="muted">
            tried again at <Time at={deadline} />
          </span>
        )}
      </p>
    );
  }
  return (
    <p class="standing">
      <b>Not monitored</b>
      <span class="muted">{reasonOfNone(reason)} Samples are stored only.</span>
    </p>
  );
}

const NONE: Record<string, string> = {
  asked: "Somebody asked for it.",
  rule: "A rule of the configuration says so.",
  rule_full: "Its rule of the configuration has as many metrics as it may have.",
};

function reasonOfNone(reason: string | null): string {
  return NONE[reason ?? ""] ?? "";
}

/** Codes as words: "model_failed" → "model failed". */
export function words(code: string): string {
  return code.replaceAll("_", " ");
}
