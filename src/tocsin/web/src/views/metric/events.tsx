// What was told in the stretch that is shown, in words, each with the way to say what it really was.
import type { ComponentChildren } from "preact";
import { counted, ms, rarity, span } from "../../format";
import { FeedbackOf, useMarks } from "../../parts/feedback";
import { Time } from "../../parts/time";
import { change, link, usePlace } from "../../router";
import type { Event } from "../../types";
import { addressOf, around, type Shown } from "./range";

const MOST = 50;

interface Given {
  uid: string;
  events: readonly Event[];
  shown: Shown | undefined;
  loading: boolean;
  /** It has no scores yet. */
  warming: boolean;
  changed(): void;
  /** Somebody points at one. */
  onPoint(id: number | null): void;
}

export function Events({ uid, events, shown, loading, warming, changed, onPoint }: Given): ComponentChildren {
  const marks = useMarks(uid);
  const inSight = shown ? events.filter((event) => ms(event.start) <= shown.to * 1_000 && ms(event.end) >= shown.from * 1_000) : [];
  return (
    <section aria-labelledby="events-head">
      <div class="section-head">
        <h2 id="events-head">{inSight.length === 0 ? "No event" : counted(inSight.length, "event")} in sight</h2>
        {events.length > inSight.length && (
          <button type="button" class="link small" onClick={() => change({ last: "all", from: "", to: "" })}>
            See all
          </button>
        )}
      </div>
      {inSight.length === 0 && !loading && <None events={events} shown={shown} warming={warming} />}
      {inSight.length > 0 && (
        <ul class="card metric-events">
          {inSight.slice(0, MOST).map((event) => (
            <Row key={event.id} uid={uid} event={event} marks={marks} changed={changed} onPoint={onPoint} />
          ))}
        </ul>
      )}
      {inSight.length > MOST && <p class="small muted more">The newest {MOST} are listed; zoom in to see the others.</p>}
    </section>
  );
}

function None({ events, shown, warming }: Pick<Given, "events" | "shown" | "warming">): ComponentChildren {
  const nearest = shown && events.find((event) => ms(event.end) < shown.from * 1_000);
  return (
    <p class="none card muted">
      {warming ? "Events are told when it has warmed up." : "Nothing unusual here."}{" "}
      {nearest && (
        <button type="button" class="link" onClick={() => change(addressOf(around(ms(nearest.start) / 1_000, ms(nearest.end) / 1_000)))}>
          The event before
        </button>
      )}
    </p>
  );
}

interface RowGiven {
  uid: string;
  event: Event;
  marks: ReturnType<typeof useMarks>;
  changed(): void;
  onPoint(id: number | null): void;
}

function Row({ uid, event, marks, changed, onPoint }: RowGiven): ComponentChildren {
  const { path } = usePlace();
  const range = addressOf(around(ms(event.start) / 1_000, ms(event.end) / 1_000));
  const length = ms(event.end) - ms(event.start);
  const point = (): void => onPoint(event.id);
  const leave = (): void => onPoint(null);
  return (
    <li class={event.muted ? "muted-event" : ""} onPointerEnter={point} onPointerLeave={leave} onFocusCapture={point} onBlurCapture={leave}>
      <span class="event-when">
        <a href={link(path, range)} data-item>
          <Time at={event.start} />
        </a>
        <span class="muted">{event.open ? "goes on" : length > 0 ? span(length) : "one sample"}</span>
      </span>
      <span class="event-why">
        {event.why || `${event.samples} unusual samples`}
        {event.likelihood !== null && <span class="muted"> ({rarity(event.likelihood)})</span>}
        {event.because && <span class="muted"> Told {event.because}.</span>}
        {event.muted && <span class="muted"> Not told: {event.muted}.</span>}
      </span>
      <FeedbackOf uid={uid} event={event} marks={marks} changed={changed} />
    </li>
  );
}
