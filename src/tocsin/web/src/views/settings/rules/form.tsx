// One rule, to be filled in.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { get } from "../../../api";
import { useAsked } from "../../../asked";
import { rarityOfScore, span } from "../../../format";
import type { Severity } from "../../../types";
import type { AlertRule } from "./types";

interface Given {
  rule: AlertRule;
  /** Says what it will do: "Add the rule". */
  action: string;
  done(rule: AlertRule): void;
  cancel(): void;
}

export function RuleForm({ rule, action, done, cancel }: Given): ComponentChildren {
  const [draft, setDraft] = useState(rule);
  const set = (part: Partial<AlertRule>): void => setDraft((before) => ({ ...before, ...part }));
  function submit(event: Event): void {
    event.preventDefault();
    done({ ...draft, match: draft.match.trim() });
  }
  return (
    <form class="rule-form" onSubmit={submit}>
      <label class="wide-field">
        Metrics
        <input
          required
          autofocus
          maxLength={200}
          value={draft.match}
          placeholder='web.*, or *{host="db-1"}'
          onInput={(event) => set({ match: event.currentTarget.value })}
        />
      </label>
      <label class="check">
        <input type="checkbox" checked={draft.alarm} onChange={(event) => set({ alarm: event.currentTarget.checked })} />
        Alarm somebody
      </label>
      {draft.alarm && <Terms rule={draft} set={set} />}
      {draft.alarm && <Routes routes={draft.routes} set={(routes) => set({ routes })} />}
      <div class="bar">
        <button class="main" type="submit" disabled={draft.match.trim() === ""}>
          {action}
        </button>
        <button type="button" onClick={cancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}

interface Parts {
  rule: AlertRule;
  set(part: Partial<AlertRule>): void;
}

function Terms({ rule, set }: Parts): ComponentChildren {
  const { minimum_s: minimum, worse_after_s: worse } = rule;
  return (
    <>
      <Field name="Lasting at least (min)" value={minimum / 60} most={527_040} set={(value) => set({ minimum_s: value * 60 })} />
      <Score name="Anomaly score at least" value={rule.least_score} set={(least_score) => set({ least_score })} />
      <label>
        Direction
        <select value={rule.direction} onChange={(event) => set({ direction: event.currentTarget.value as AlertRule["direction"] })}>
          <option value="both">up or down</option>
          <option value="up">only up</option>
          <option value="down">only down</option>
        </select>
      </label>
      <Field name="Away from expected at least" value={rule.least_change} most={1e300} set={(least_change) => set({ least_change })} />
      <Field
        name="… in % of expected"
        value={round(rule.least_relative_change * 100)}
        most={1e300}
        set={(percent) => set({ least_relative_change: percent / 100 })}
      />
      <Budget name="False alarms a week, each metric" value={rule.false_alarms_per_week} set={(value) => set({ false_alarms_per_week: value })} />
      <Budget
        name="False alarms a week, all together"
        value={rule.fleet_false_alarms_per_week}
        set={(value) => set({ fleet_false_alarms_per_week: value })}
      />
      <label>
        Severity
        <select
          value={rule.severity ?? ""}
          onChange={(event) => set({ severity: (event.currentTarget.value || null) as Severity | null })}
        >
          <option value="">by score and length</option>
          <option value="info">always info</option>
          <option value="warning">always warning</option>
          <option value="critical">always critical</option>
        </select>
      </label>
      {rule.severity === null && (
        <>
          <Score name="Warning from" value={rule.warning_score} set={(warning_score) => set({ warning_score })} />
          <Score name="Critical from" value={rule.critical_score} set={(critical_score) => set({ critical_score })} />
          <Field name="One worse after (min)" value={worse / 60} most={527_040} set={(value) => set({ worse_after_s: value * 60 })}>
            <span class="muted small">{worse > 0 ? span(worse * 1_000) : "never"}</span>
          </Field>
        </>
      )}
    </>
  );
}

interface FieldGiven {
  name: string;
  value: number;
  most: number;
  set(value: number): void;
  step?: string;
  children?: ComponentChildren;
}

function Field({ name, value, most, set, step = "any", children }: FieldGiven): ComponentChildren {
  return (
    <label>
      {name}
      <input
        type="number"
        required
        min="0"
        max={most}
        step={step}
        value={value}
        onInput={(event) => event.currentTarget.value !== "" && set(event.currentTarget.valueAsNumber)}
      />
      {children}
    </label>
  );
}

/** 0.07 * 100 as people write it. */
function round(number: number): number {
  return Number(number.toPrecision(12));
}

/** A number that may be left open. */
function Budget({ name, value, set }: { name: string; value: number | null; set(value: number | null): void }): ComponentChildren {
  return (
    <label>
      {name}
      <input
        type="number"
        min="0.000001"
        max="1000000000"
        step="any"
        value={value ?? ""}
        placeholder="as detection has it"
        onInput={(event) => set(event.currentTarget.value === "" ? null : event.currentTarget.valueAsNumber)}
      />
    </label>
  );
}

/** A score with how rare that is. */
function Score({ name, value, set }: Pick<FieldGiven, "name" | "value" | "set">): ComponentChildren {
  return (
    <Field name={name} value={value} most={1} set={set}>
      <span class="muted small">{value > 0 ? rarityOfScore(value) : "any"}</span>
    </Field>
  );
}

interface RoutesGiven {
  routes: string[] | null;
  set(routes: string[] | null): void;
}

/** Who is told: all channels, or some; also those that there are no more. */
function Routes({ routes, set }: RoutesGiven): ComponentChildren {
  const answer = useAsked<{ channels: { name: string }[] }>((signal) => get("channels", undefined, signal), []);
  const known = answer.data?.channels.map(({ name }) => name) ?? [];
  const names = [...new Set([...known, ...(routes ?? [])])];
  const toggle = (name: string, on: boolean): void => {
    const others = (routes ?? []).filter((one) => one !== name);
    set(on ? [...others, name] : others);
  };
  return (
    <fieldset class="wide-field">
      <legend>Tells</legend>
      <label class="check">
        <input type="checkbox" checked={routes === null} onChange={(event) => set(event.currentTarget.checked ? null : [...known])} />
        all channels
      </label>
      {routes !== null &&
        names.map((name) => (
          <label class="check" key={name}>
            <input type="checkbox" checked={routes.includes(name)} onChange={(event) => toggle(name, event.currentTarget.checked)} />
            {name}
          </label>
        ))}
      {routes !== null && names.length === 0 && <span class="muted">There are no channels yet.</span>}
    </fieldset>
  );
}
