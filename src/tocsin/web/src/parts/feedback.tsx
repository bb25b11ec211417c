// "Not an anomaly", "a known change", "an anomaly": what it would change is shown first, and it can be taken back.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, ask, get, post } from "../api";
import { type Answer, useAsked } from "../asked";
import { counted } from "../format";
import { Dialog } from "./dialog";
import { Loading, Trouble } from "./empty";
import { Icon } from "./icon";
import { Time } from "./time";
import type { Event } from "../types";

export type Kind = "anomaly" | "not_anomaly" | "known_change";

const SAID: Record<Kind, string> = {
  not_anomaly: "not an anomaly",
  known_change: "a known change",
  anomaly: "told earlier from now on",
};
const TITLES: Record<Kind, string> = {
  not_anomaly: "This was not an anomaly",
  known_change: "This was a known change",
  anomaly: "Tell events like this one earlier",
};

/** What is marked: an event, or a stretch in seconds since 1970. */
type What = { event: number } | { start: number; end: number };

interface Mark {
  id: number;
  kind: Kind;
  event: number | null;
  rule: string;
}

interface Tried {
  rule: string;
  days: number;
  alarms: number;
  would_change: number;
  events: { start: string; peak: string; pattern: string; why: string }[];
  mark: Mark | null;
}

interface Given {
  uid: string;
  event: Event;
  changed(): void;
}

export function Feedback(given: Given): ComponentChildren {
  return <FeedbackOf {...given} marks={useMarks(given.uid)} />;
}

/** The marks of a metric that act. */
export function useMarks(uid: string): Answer<{ marks: Mark[] }> {
  return useAsked<{ marks: Mark[] }>((signal) => get(`metrics/${uid}/marks`, undefined, signal), [uid]);
}

/** The same where the marks are known: a list of events asks for them once. */
export function FeedbackOf({ uid, event, changed, marks }: Given & { marks: Answer<{ marks: Mark[] }> }): ComponentChildren {
  const [asked, setAsked] = useState<Kind | null>(null);
  const mine = marks.data?.marks.find((mark) => mark.event === event.id);
  function done(): void {
    setAsked(null);
    marks.again();
    changed();
  }
  if (mine) return <Said mark={mine} done={done} />;
  // A silence is no event of the model's: there is nothing that a mark could act on.
  if (event.id < 0) return null;
  return (
    <span class="feedback">
      <button type="button" class="link" onClick={() => setAsked("not_anomaly")}>
        Not an anomaly
      </button>
      <button type="button" class="link" onClick={() => setAsked("known_change")}>
        Known change
      </button>
      <button type="button" class="link" onClick={() => setAsked("anomaly")}>
        Tell me earlier
      </button>
      {asked && <Try uid={uid} what={{ event: event.id }} kind={asked} onClose={() => setAsked(null)} done={done} />}
    </span>
  );
}

/** What was said of it, and the way back. */
function Said({ mark, done }: { mark: Mark; done(): void }): ComponentChildren {
  const [failed, setFailed] = useState<ApiError>();
  async function undo(): Promise<void> {
    try {
      await ask(`marks/${mark.id}`, { method: "DELETE" });
      done();
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
  }
  return (
    <span class="feedback" title={mark.rule}>
      <span class="tag">{SAID[mark.kind] ?? mark.kind}</span>
      <button type="button" class="link" onClick={() => void undo()}>
        <Icon name="undo" />
        Undo
      </button>
      {failed && <Trouble error={failed} />}
    </span>
  );
}

interface TryGiven {
  uid: string;
  what: What;
  kind: Kind;
  onClose(): void;
  done(): void;
}

export function Try({ uid, what, kind, onClose, done }: TryGiven): ComponentChildren {
  const [sameHour, setSameHour] = useState(false);
  const [failed, setFailed] = useState<ApiError>();
  const said = { kind, ...what, same_hour: sameHour };
  const tried = useAsked<Tried>(() => post(`metrics/${uid}/marks`, said, { dry_run: true }), [uid, said]);
  async function apply(): Promise<void> {
    try {
      await post(`metrics/${uid}/marks`, said);
      done();
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
  }
  return (
    <Dialog title={TITLES[kind]} onClose={onClose}>
      {!tried.data && !tried.error && <Loading rows={2} label="Trying it on the stored history" />}
      {tried.error && !tried.data && <Trouble error={tried.error} again={tried.again} />}
      {tried.data && <Outcome tried={tried.data} kind={kind} />}
      <label class="check">
        <input type="checkbox" checked={sameHour} onChange={(change) => setSameHour(change.currentTarget.checked)} />
        Only near this time of day
      </label>
      {failed && <Trouble error={failed} />}
      <div class="bar">
        <button class="main" type="button" disabled={!tried.data} onClick={() => void apply()}>
          Apply from now on
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}

function Outcome({ tried, kind }: { tried: Tried; kind: Kind }): ComponentChildren {
  const { would_change: changes, alarms, days, events, rule } = tried;
  const more = kind === "anomaly" ? "more" : "fewer";
  return (
    <div class="outcome">
      <p>{rule}</p>
      <p>
        In the last {counted(days, "day")} there {alarms === 1 ? "was" : "were"} {counted(alarms, "alarm")}; it would have been{" "}
        <b>{changes === 0 ? "the same" : `${changes} ${more}`}</b>.
      </p>
      {events.length > 0 && (
        <ul>
          {events.slice(0, 5).map((one) => (
            <li key={one.start}>
              <Time at={one.start} /> <span class="muted">{one.why}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
