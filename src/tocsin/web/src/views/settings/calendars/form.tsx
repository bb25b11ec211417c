// A new maintenance window.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, post } from "../../../api";
import { iso } from "../../../format";
import { Trouble } from "../../../parts/empty";
import { OWN_ZONE, ZONES, localIn, momentIn } from "../../../zones";
import type { Calendar, CalendarWish } from "./types";
import { DAYS } from "./words";

const HOUR_MS = 3_600_000;
/** Sunday, at night: what weekly windows mostly are. */
const SUNDAY = 6;

interface Draft {
  match: string;
  every: "once" | "week";
  /** As the fields have them: "2026-03-29T02:30", in the zone. */
  start: string;
  end: string;
  days: number[];
  from: string;
  to: string;
  zone: string;
  silent: boolean;
  unlearnt: boolean;
  text: string;
}

function fresh(): Draft {
  const now = Date.now();
  const local = (time: number): string => localIn(time, OWN_ZONE).replace(" ", "T");
  return {
    match: "", every: "once", start: local(now), end: local(now + 2 * HOUR_MS),
    days: [SUNDAY], from: "02:00", to: "04:00", zone: OWN_ZONE, silent: true, unlearnt: true, text: "",
  };
}

export function CalendarForm({ made }: { made(): void }): ComponentChildren {
  const [draft, setDraft] = useState(fresh);
  const [failed, setFailed] = useState<ApiError>();
  const set = (part: Partial<Draft>): void => setDraft((before) => ({ ...before, ...part }));
  const doubt = doubtOf(draft);
  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    try {
      await post<Calendar>("calendars", wishOf(draft));
      setDraft(fresh());
      setFailed(undefined);
      made();
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
  }
  return (
    <form class="card panel rule-form" onSubmit={(event) => void submit(event)}>
      <h3 class="wide-field">Add a window</h3>
      <label class="wide-field">
        Metrics
        <input
          required
          maxLength={200}
          value={draft.match}
          placeholder='*, web.*, or *{host="db-1"}'
          onInput={(event) => set({ match: event.currentTarget.value })}
        />
      </label>
      <div class="bar wide-field" role="group" aria-label="How often">
        <button type="button" aria-pressed={draft.every === "once"} onClick={() => set({ every: "once" })}>
          Once
        </button>
        <button type="button" aria-pressed={draft.every === "week"} onClick={() => set({ every: "week" })}>
          Every week
        </button>
      </div>
      {draft.every === "once" ? <Once draft={draft} set={set} /> : <Week draft={draft} set={set} />}
      <label>
        Time zone
        <input list="zones" required value={draft.zone} onInput={(event) => set({ zone: event.currentTarget.value })} />
        <datalist id="zones">
          {ZONES.map((zone) => (
            <option key={zone} value={zone} />
          ))}
        </datalist>
      </label>
      <fieldset class="wide-field">
        <legend>Meanwhile</legend>
        <label class="check">
          <input type="checkbox" checked={draft.silent} onChange={(event) => set({ silent: event.currentTarget.checked })} />
          do not alarm
        </label>
        <label class="check">
          <input type="checkbox" checked={draft.unlearnt} onChange={(event) => set({ unlearnt: event.currentTarget.checked })} />
          do not learn
        </label>
      </fieldset>
      <label class="wide-field">
        What for
        <input maxLength={200} value={draft.text} placeholder="update of the database" onInput={(event) => set({ text: event.currentTarget.value })} />
      </label>
      {doubt && <p class="wide-field muted">{doubt}</p>}
      {failed && <Trouble error={failed} />}
      <div class="bar wide-field">
        <button class="main" type="submit" disabled={doubt !== "" || draft.match.trim() === ""}>
          Add the window
        </button>
      </div>
    </form>
  );
}

interface Part {
  draft: Draft;
  set(part: Partial<Draft>): void;
}

function Once({ draft, set }: Part): ComponentChildren {
  return (
    <>
      <label>
        From
        <input type="datetime-local" required value={draft.start} onInput={(event) => set({ start: event.currentTarget.value })} />
      </label>
      <label>
        To
        <input type="datetime-local" required value={draft.end} onInput={(event) => set({ end: event.currentTarget.value })} />
      </label>
    </>
  );
}

function Week({ draft, set }: Part): ComponentChildren {
  const toggle = (day: number, on: boolean): void => {
    const others = draft.days.filter((one) => one !== day);
    set({ days: on ? [...others, day].sort((a, b) => a - b) : others });
  };
  return (
    <>
      <fieldset class="wide-field">
        <legend>On</legend>
        {DAYS.map((name, day) => (
          <label class="check" key={name}>
            <input type="checkbox" checked={draft.days.includes(day)} onChange={(event) => toggle(day, event.currentTarget.checked)} />
            {name}
          </label>
        ))}
      </fieldset>
      <label>
        From
        <input type="time" required value={draft.from} onInput={(event) => set({ from: event.currentTarget.value })} />
      </label>
      <label>
        To{draft.to <= draft.from && <span class="muted"> the next day</span>}
        <input type="time" required value={draft.to} onInput={(event) => set({ to: event.currentTarget.value })} />
      </label>
    </>
  );
}

/** What is wrong with it; "": nothing. */
function doubtOf(draft: Draft): string {
  if (!draft.silent && !draft.unlearnt) return "Say what is not done meanwhile: alarming, learning, or both.";
  if (draft.every === "week") return draft.days.length ? "" : "Say on which days.";
  try {
    return momentIn(draft.start, draft.zone) < momentIn(draft.end, draft.zone) ? "" : "The end must come after the begin.";
  } catch {
    return "There is no such time or zone.";
  }
}

function wishOf(draft: Draft): CalendarWish {
  const { match, every, zone, days, from, to } = draft;
  const once = every === "once";
  return {
    match: match.trim(),
    start: once ? iso(momentIn(draft.start, zone)) : null,
    end: once ? iso(momentIn(draft.end, zone)) : null,
    weekly: once ? null : { days, from, to },
    timezone: zone,
    alarm: !draft.silent,
    learn: !draft.unlearnt,
    text: draft.text.trim(),
  };
}
