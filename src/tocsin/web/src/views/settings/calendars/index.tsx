// Maintenance windows: when nobody is alarmed, or nothing is learnt.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, ask, get } from "../../../api";
import { useAsked } from "../../../asked";
import { Dialog } from "../../../parts/dialog";
import { Empty, Loading, Trouble } from "../../../parts/empty";
import { Time } from "../../../parts/time";
import { CalendarForm } from "./form";
import type { Calendar } from "./types";
import { whenWords } from "./words";

const EVERY_MS = 15_000;

export function Calendars(): ComponentChildren {
  const answer = useAsked<{ calendars: Calendar[] }>((signal) => get("calendars", undefined, signal), [], EVERY_MS);
  const [removing, setRemoving] = useState<Calendar>();
  const calendars = answer.data?.calendars;
  return (
    <>
      <h2>Calendars</h2>
      <p class="muted">Windows of time, once or every week, in which nobody is alarmed, or nothing is learnt.</p>
      {!calendars && !answer.error && <Loading rows={2} label="Loading calendars" />}
      {answer.error && !calendars && <Trouble error={answer.error} again={answer.again} />}
      {calendars?.length === 0 && <Empty title="No windows">Alarms and learning know no pause.</Empty>}
      {calendars && calendars.length > 0 && (
        <ul class="calendars card">
          {calendars.map((calendar) => (
            <Row key={calendar.id} calendar={calendar} remove={() => setRemoving(calendar)} />
          ))}
        </ul>
      )}
      {calendars && <CalendarForm made={answer.again} />}
      {removing && (
        <Remove
          calendar={removing}
          done={() => {
            setRemoving(undefined);
            answer.again();
          }}
        />
      )}
    </>
  );
}

function Row({ calendar, remove }: { calendar: Calendar; remove(): void }): ComponentChildren {
  const { match, timezone, alarm, learn, text, author, created, active } = calendar;
  return (
    <li class={active ? "active" : ""}>
      <div>
        <code>{match}</code> {active && <span class="tag hot">now</span>}
        {text && <p>{text}</p>}
        <p class="muted small">
          made{author && ` by ${author}`}, <Time at={created} />
        </p>
      </div>
      <div>
        <p>{whenWords(calendar)}</p>
        <p class="muted small">{timezone}</p>
      </div>
      <div class="bar">
        {!alarm && <span class="tag">no alarms</span>}
        {!learn && <span class="tag">no learning</span>}
      </div>
      <button type="button" aria-label={`Remove the window of ${match}`} onClick={remove}>
        Remove
      </button>
    </li>
  );
}

function Remove({ calendar, done }: { calendar: Calendar; done(): void }): ComponentChildren {
  const [failed, setFailed] = useState<ApiError>();
  async function remove(): Promise<void> {
    try {
      await ask(`calendars/${calendar.id}`, { method: "DELETE" });
      done();
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
  }
  return (
    <Dialog title="Remove this window?" onClose={done}>
      <p>
        <code>{calendar.match}</code>: {whenWords(calendar)}. From now on it is as if it had not been.
      </p>
      {failed && <Trouble error={failed} />}
      <div class="bar">
        <button class="main" type="button" onClick={() => void remove()}>
          Remove it
        </button>
        <button type="button" onClick={done}>
          Keep it
        </button>
      </div>
    </Dialog>
  );
}
