// What rules would have alarmed of, on the events that are stored.
import type { ComponentChildren } from "preact";
import { post } from "../../../api";
import { useAsked } from "../../../asked";
import { count, counted } from "../../../format";
import { Loading, Trouble } from "../../../parts/empty";
import { Severity as Mark } from "../../../parts/severity";
import { Time } from "../../../parts/time";
import { Words } from "../../../parts/words";
import { link } from "../../../router";
import type { Severity } from "../../../types";
import type { AlertRule, RulesChange, RulesPreview, Verdict } from "./types";

const DAYS = 30;
const LEVELS: readonly Severity[] = ["critical", "warning", "info"];

export function Preview({ rules }: { rules: readonly AlertRule[] }): ComponentChildren {
  const answer = useAsked<RulesPreview>(() => post("rules/preview", { rules, days: DAYS }), [rules]);
  if (!answer.data) {
    return answer.error ? (
      <Trouble error={answer.error} again={answer.again} />
    ) : (
      <Loading rows={1} label="Trying the rules on the stored events" />
    );
  }
  const { data } = answer;
  return (
    <section class="card panel rules-preview" aria-label="What these rules would have done">
      <p role="status">
        In the last {counted(data.days, "day")} there would have been <b>{counted(data.alarms_then, "alarm")}</b> instead of{" "}
        <b>{count(data.alarms_now)}</b>, of {counted(data.events, "event")}.
      </p>
      <ul class="levels">
        {LEVELS.map((level) => (
          <li key={level}>
            <Mark level={level} /> {level}{" "}
            <span class="muted">
              {count(data.by_severity_now[level] ?? 0)} → {count(data.by_severity_then[level] ?? 0)}
            </span>
          </li>
        ))}
      </ul>
      {data.changed.length > 0 && <Changed changes={data.changed} />}
    </section>
  );
}

function Changed({ changes }: { changes: readonly RulesChange[] }): ComponentChildren {
  return (
    <details>
      <summary>What would have changed</summary>
      <ul class="changed">
        {changes.map((change) => (
          <li key={change.event}>
            <Time at={change.start} />
            <span>
              <a href={link(["metrics", change.metric])}>{change.title}</a>{" "}
              {change.why && (
                <span class="muted">
                  <Words text={change.why} />
                </span>
              )}
            </span>
            <span>
              {verdict(change.now)} → {verdict(change.then)}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function verdict({ alarms, severity, routes }: Verdict): string {
  if (!alarms || severity === null) return "no alarm";
  return routes === null ? severity : `${severity} to ${routes.join(", ") || "nobody"}`;
}
