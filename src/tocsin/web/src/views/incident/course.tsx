// The time line: what happened to the incident, what was sent, what people wrote.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ms } from "../../format";
import { Time } from "../../parts/time";
import type { IncidentWhole } from "../../types";
import type { Act } from "./index";

interface Entry {
  at: string;
  kind: string;
  who: string;
  text: string;
  tone?: "bad" | "note";
}

export function Course({ incident, act }: { incident: IncidentWhole; act: Act }): ComponentChildren {
  const entries = entriesOf(incident);
  return (
    <aside class="course" aria-labelledby="course-head">
      <h2 id="course-head">Time line</h2>
      <ol>
        {entries.map((entry, i) => (
          <li key={i} class={entry.tone}>
            <Time at={entry.at} />
            <span>
              {entry.kind && <b>{entry.kind}</b>}
              {entry.who && <span class="muted"> {entry.who}</span>}
              {entry.text && <span class="course-text">{entry.text}</span>}
            </span>
          </li>
        ))}
      </ol>
      <NoteForm act={act} />
    </aside>
  );
}

/** Everything with a time, newest first. */
function entriesOf({ history, messages }: IncidentWhole): Entry[] {
  const told = history.map(({ at, kind, author, text }): Entry => ({
    at,
    kind: kind === "note" ? "" : kind.replaceAll("_", " "),
    who: author && (kind === "note" ? author : `by ${author}`),
    text,
    ...(kind === "note" && { tone: "note" as const }),
  }));
  const sent = messages.map(({ at, channel, change, status, error }): Entry => ({
    at,
    kind: status === "sent" ? `told ${channel}` : `message to ${channel} ${status}`,
    who: change,
    text: error ?? "",
    ...(status === "dead" && { tone: "bad" as const }),
  }));
  return [...told, ...sent].sort((a, b) => ms(b.at) - ms(a.at));
}

function NoteForm({ act }: { act: Act }): ComponentChildren {
  const [text, setText] = useState("");
  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    await act("notes", { text: text.trim() });
    setText("");
  }
  return (
    <form class="note" onSubmit={(event) => void submit(event)}>
      <label for="note">Note</label>
      <textarea id="note" rows={3} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      <button type="submit" disabled={text.trim() === ""}>
        Add the note
      </button>
    </form>
  );
}
