// What can be done with an incident.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Icon } from "../../parts/icon";
import type { IncidentWhole } from "../../types";
import type { Act } from "./index";

const HOUR_S = 3_600;
const SNOOZES = [
  [HOUR_S, "1 hour"],
  [4 * HOUR_S, "4 hours"],
  [24 * HOUR_S, "a day"],
  [7 * 24 * HOUR_S, "a week"],
] as const;

export function Actions({ incident, act }: { incident: IncidentWhole; act: Act }): ComponentChildren {
  const [assigning, setAssigning] = useState(false);
  const { state } = incident;
  return (
    <div class="bar actions">
      {state === "open" && (
        <button class="main" type="button" title="a" onClick={() => void act("acknowledge")}>
          <Icon name="check" />
          Acknowledge
        </button>
      )}
      {state !== "resolved" && (
        <>
          <button type="button" title="r" onClick={() => void act("resolve")}>
            Resolve
          </button>
          <select aria-label="Snooze" value="" onChange={(event) => snooze(event.currentTarget, act)}>
            <option value="" disabled>
              Snooze…
            </option>
            {SNOOZES.map(([length, name]) => (
              <option key={length} value={length}>
                for {name}
              </option>
            ))}
          </select>
        </>
      )}
      {state !== "open" && (
        <button type="button" title="a" onClick={() => void act("reopen")}>
          <Icon name="undo" />
          Reopen
        </button>
      )}
      {assigning ? (
        <Assign to={incident.assignee} act={act} done={() => setAssigning(false)} />
      ) : (
        <button type="button" onClick={() => setAssigning(true)}>
          <Icon name="person" />
          {incident.assignee ? `Assigned to ${incident.assignee}` : "Assign"}
        </button>
      )}
    </div>
  );
}

function snooze(select: HTMLSelectElement, act: Act): void {
  const seconds = Number(select.value);
  select.value = "";
  if (seconds > 0) void act("snooze", { seconds });
}

interface Given {
  to: string | null;
  act: Act;
  done(): void;
}

function Assign({ to, act, done }: Given): ComponentChildren {
  const [name, setName] = useState(to ?? "");
  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    await act("assign", { to: name.trim() });
    done();
  }
  return (
    <form class="bar" onSubmit={(event) => void submit(event)}>
      <input
        aria-label="Who looks after it"
        placeholder="Who looks after it"
        autofocus
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && done()}
      />
      <button type="submit">Assign</button>
    </form>
  );
}
