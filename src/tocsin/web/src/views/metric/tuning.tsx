// What is told of this metric, and what would have been told with other settings.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, ask, get } from "../../api";
import { useAsked, useKept } from "../../asked";
import { counted, ms, value } from "../../format";
import { Loading, Trouble } from "../../parts/empty";
import { Time } from "../../parts/time";
import { around } from "./range";
import type { Range, SettingsAnswer, Wanted, WhatIf, WhatIfEvent } from "./types";

const DAYS = 30;
/** So long after the last change of the form it is tried. */
const TRIED_MS = 250;
const BUDGETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50];
const DIRECTIONS = [
  ["both", "Both ways"],
  ["up", "Only up"],
  ["down", "Only down"],
] as const;
const KEYS = ["false_alarms_per_week", "direction", "least_change", "least_relative_change"] as const;
const SHOWN = 8;

interface Given {
  uid: string;
  monitored: boolean;
  onWhatIf(outcome: WhatIf | undefined): void;
  onLook(range: Range): void;
  changed(): void;
}

export function Tuning({ uid, monitored, onWhatIf, onLook, changed }: Given): ComponentChildren {
  const path = `metrics/${encodeURIComponent(uid)}`;
  const answer = useAsked<SettingsAnswer>((signal) => get(`${path}/settings`, undefined, signal), [uid]);
  const [draft, setDraft] = useState<Wanted>();
  const [failed, setFailed] = useState<ApiError>();
  const [applied, setApplied] = useState(false);
  const settings = answer.data?.settings;
  const wished = settings && draft ? differing(settings, draft) : {};
  const dirty = Object.keys(wished).length > 0;
  const settled = useSettled(wished, TRIED_MS);
  const tried = useAsked<WhatIf | null>(
    (signal) => (Object.keys(settled).length === 0 ? Promise.resolve(null) : ask(`${path}/what-if`, { method: "POST", body: { settings: settled, days: DAYS }, signal })),
    [uid, settled],
  );
  const kept = useKept(tried.data);
  const outcome = dirty ? (kept ?? undefined) : undefined;
  const pending = dirty && (tried.data === undefined || JSON.stringify(settled) !== JSON.stringify(wished));
  useEffect(() => onWhatIf(outcome), [outcome]);

  async function apply(change: Record<string, unknown>): Promise<void> {
    try {
      await ask(`${path}/settings`, { method: "PATCH", body: change });
      setFailed(undefined);
      setDraft(undefined);
      setApplied(true);
      answer.again();
      changed();
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
  }
  function set(part: Partial<Wanted>): void {
    if (!settings) return;
    setApplied(false);
    setDraft({ ...pick(settings), ...draft, ...part });
  }
  const own = KEYS.filter((key) => answer.data?.own[key] !== undefined && answer.data.own[key] !== null);
  return (
    <section aria-labelledby="tuning-head">
      <div class="section-head">
        <h2 id="tuning-head">What is told</h2>
        {own.length > 0 && !dirty && (
          <button type="button" class="link small" onClick={() => void apply(Object.fromEntries(own.map((key) => [key, null])))}>
            Back to the configuration's
          </button>
        )}
      </div>
      <form class="card panel tuning" aria-label="Settings" onSubmit={(event) => {
        event.preventDefault();
        if (dirty) void apply(wished);
      }}>
        {answer.error && !settings && <Trouble error={answer.error} again={answer.again} />}
        {!settings && !answer.error && <Loading rows={3} label="Loading the settings" />}
        {settings && <Fields wanted={draft ?? settings} set={set} />}
        {dirty && monitored && <Outcome outcome={outcome} pending={pending} error={tried.error} onLook={onLook} />}
        {failed && <Trouble error={failed} />}
        {dirty && (
          <div class="bar">
            <button class="main" type="submit">
              Apply
            </button>
            <button type="button" onClick={() => {
              setDraft(undefined);
              setFailed(undefined);
            }}>
              Cancel
            </button>
            <span class="muted small">from the next sample on</span>
          </div>
        )}
        <p class="small applied" role="status">{applied && !dirty ? "Applied. What it has learnt is learnt anew from its samples." : ""}</p>
      </form>
    </section>
  );
}

function pick(settings: Wanted): Wanted {
  return Object.fromEntries(KEYS.map((key) => [key, settings[key]])) as unknown as Wanted;
}

function differing(settings: Wanted, draft: Wanted): Partial<Wanted> {
  return Object.fromEntries(KEYS.filter((key) => settings[key] !== draft[key]).map((key) => [key, draft[key]]));
}

/** The value as it was when it last stayed the same for so long. */
function useSettled<T>(value: T, after: number): T {
  const [settled, setSettled] = useState(value);
  const key = JSON.stringify(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setSettled(value), after);
    return () => window.clearTimeout(timer);
  }, [key]);
  return settled;
}

function Fields({ wanted, set }: { wanted: Wanted; set(part: Partial<Wanted>): void }): ComponentChildren {
  const budget = wanted.false_alarms_per_week;
  const stops = BUDGETS.includes(budget) ? BUDGETS : [...BUDGETS, budget].sort((a, b) => a - b);
  const told = promise(budget);
  return (
    <>
      <label class="budget">
        <span>False alarms accepted</span>
        <output>{told}</output>
        <input
          type="range"
          min="0"
          max={stops.length - 1}
          step="1"
          value={stops.indexOf(budget)}
          aria-valuetext={told}
          onInput={(event) => set({ false_alarms_per_week: stops[Number(event.currentTarget.value)] ?? budget })}
        />
        <span class="budget-ends small muted" aria-hidden="true">
          <span>fewer alarms</span>
          <span>more alarms</span>
        </span>
      </label>
      <fieldset class="directions">
        <legend>Told are deviations</legend>
        <div>
          {DIRECTIONS.map(([key, name]) => (
            <label key={key}>
              <input type="radio" name="direction" value={key} checked={wanted.direction === key} onChange={() => set({ direction: key })} />
              <span>{name}</span>
            </label>
          ))}
        </div>
      </fieldset>
      <div class="floors">
        <label>
          by at least
          <input type="number" min="0" step="any" value={wanted.least_change} onInput={(event) => setNumber(event.currentTarget, 1, (least_change) => set({ least_change }))} />
          <span>in its unit</span>
        </label>
        <label>
          and at least
          <input type="number" min="0" step="any" value={rounded(wanted.least_relative_change * 100)} onInput={(event) => setNumber(event.currentTarget, 100, (least_relative_change) => set({ least_relative_change }))} />
          <span>% of the expected</span>
        </label>
      </div>
    </>
  );
}

function rounded(number: number): number {
  return Math.round(number * 1e9) / 1e9;
}

function setNumber(input: HTMLInputElement, parts: number, set: (number: number) => void): void {
  const number = input.valueAsNumber;
  if (Number.isFinite(number) && number >= 0) set(rounded(number / parts));
}

/** A budget in words: "about one in 20 weeks". */
export function promise(perWeek: number): string {
  const weeks = 1 / perWeek;
  if (perWeek >= 7) return `about ${value(perWeek / 7)} a day`;
  if (perWeek >= 1) return perWeek === 1 ? "about one a week" : `about ${value(perWeek)} a week`;
  if (weeks < 9) return `about one in ${value(weeks)} weeks`;
  if (weeks < 52) return `about one in ${Math.round((weeks * 7) / 30.4)} months`;
  return `about one in ${value(Math.round((weeks / 52.2) * 10) / 10)} years`;
}

interface OutcomeGiven {
  outcome: WhatIf | undefined;
  pending: boolean;
  error: ApiError | undefined;
  onLook(range: Range): void;
}

function Outcome({ outcome, pending, error, onLook }: OutcomeGiven): ComponentChildren {
  if (error && !outcome) return <Trouble error={error} />;
  const changed = outcome?.events.filter(({ change }) => change !== "same").reverse() ?? [];
  return (
    <div class={`what-if ${pending ? "pending" : ""}`} role="status" aria-label="What if">
      {!outcome && <p>Trying it on the last {DAYS} days…</p>}
      {outcome && (
        <p>
          It would have been <b>{counted(outcome.then.alarms, "alarm")}</b> instead of <b>{outcome.now.alarms}</b> in the last{" "}
          {counted(outcome.days, "day")}
          {outcome.samples === 0 ? "; there are no samples of that time" : changed.length === 0 ? ", the same ones" : ""}.
        </p>
      )}
      {changed.length > 0 && (
        <ul>
          {changed.slice(0, SHOWN).map((event) => (
            <Changed key={event.start + event.change} event={event} onLook={onLook} />
          ))}
        </ul>
      )}
      {changed.length > SHOWN && <p class="small muted">and {counted(changed.length - SHOWN, "more change")}, on the chart</p>}
    </div>
  );
}

function Changed({ event, onLook }: { event: WhatIfEvent; onLook(range: Range): void }): ComponentChildren {
  const added = event.change === "added";
  return (
    <li class={event.change}>
      <b aria-label={added ? "more" : "no longer"}>{added ? "+" : "×"}</b>
      <span>
        <button type="button" class="link" onClick={() => onLook(around(ms(event.start) / 1_000, ms(event.end) / 1_000))}>
          <Time at={event.start} />
        </button>{" "}
        <span class="muted">{event.why || event.pattern}</span>
      </span>
    </li>
  );
}
