// What people wrote about stretches of the metric's time.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, ask, post } from "../../api";
import { ms } from "../../format";
import { useKeys } from "../../keys";
import { Trouble } from "../../parts/empty";
import { Icon } from "../../parts/icon";
import { Time } from "../../parts/time";
import { around } from "./range";
import type { Annotation, Range } from "./types";

interface Given {
  uid: string;
  notes: readonly Annotation[];
  shown: Range | undefined;
  changed(): void;
  onLook(range: Range): void;
}

export function Notes({ uid, notes, shown, changed, onLook }: Given): ComponentChildren {
  const [writing, setWriting] = useState(false);
  const [failed, setFailed] = useState<ApiError>();
  useKeys([{ key: "n", does: "Write a note", run: () => setWriting(true) }]);
  async function remove(id: number): Promise<void> {
    try {
      await ask(`annotations/${id}`, { method: "DELETE" });
      setFailed(undefined);
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
    changed();
  }
  const newest = [...notes].sort((a, b) => ms(b.start) - ms(a.start));
  return (
    <section aria-labelledby="notes-head">
      <div class="section-head">
        <h2 id="notes-head">Notes</h2>
        {shown && !writing && (
          <button type="button" class="link small" onClick={() => setWriting(true)}>
            Write one
          </button>
        )}
      </div>
      <div class="card panel notes">
        {writing && shown && (
          <NoteForm uid={uid} range={shown} onCancel={() => setWriting(false)} done={() => {
            setWriting(false);
            changed();
          }} />
        )}
        {failed && <Trouble error={failed} />}
        {newest.length === 0 && !writing && <p class="muted">None yet. Select a stretch on the chart, or press n.</p>}
        {newest.length > 0 && (
          <ul>
            {newest.map((note) => (
              <Note key={note.id} note={note} onLook={onLook} remove={() => void remove(note.id)} />
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

const KINDS: Record<string, string> = {
  anomaly: "anomaly",
  not_anomaly: "not an anomaly",
  known_change: "known change",
};

function Note({ note, onLook, remove }: { note: Annotation; onLook(range: Range): void; remove(): void }): ComponentChildren {
  const kind = KINDS[note.kind];
  return (
    <li>
      <p class="note-head">
        <button type="button" class="link" onClick={() => onLook(around(ms(note.start) / 1_000, ms(note.end) / 1_000))}>
          <Time at={note.start} />
        </button>
        {kind && <span class="tag">{kind}</span>}
        {note.author && <span class="muted">{note.author}</span>}
        <span class="space" />
        <button type="button" class="plain" aria-label="Remove this note" title="Remove" onClick={remove}>
          <Icon name="close" />
        </button>
      </p>
      {note.text && <p class="note-text">{note.text}</p>}
    </li>
  );
}

interface FormGiven {
  uid: string;
  /** What it is about at first. */
  range: Range;
  done(): void;
  onCancel(): void;
}

export function NoteForm({ uid, range, done, onCancel }: FormGiven): ComponentChildren {
  const [from, setFrom] = useState(local(range.from));
  const [to, setTo] = useState(local(range.to));
  const [text, setText] = useState("");
  const [failed, setFailed] = useState<ApiError>();
  const words = useRef<HTMLTextAreaElement>(null);
  useEffect(() => words.current?.focus(), []);
  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    const note = { kind: "note", start: seconds(from), end: seconds(to), text: text.trim() };
    try {
      await post(`metrics/${encodeURIComponent(uid)}/annotations`, note);
      done();
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
  }
  function leave(event: KeyboardEvent): void {
    if (event.key !== "Escape") return;
    event.preventDefault();
    onCancel();
  }
  const wrong = !(seconds(to) >= seconds(from));
  return (
    <form class="note-form" onSubmit={(event) => void submit(event)} onKeyDown={leave}>
      <label>
        From
        <input type="datetime-local" step="1" required value={from} onInput={(event) => setFrom(event.currentTarget.value)} />
      </label>
      <label>
        To
        <input type="datetime-local" step="1" required value={to} onInput={(event) => setTo(event.currentTarget.value)} />
      </label>
      <label class="note-words">
        Note
        <textarea ref={words} rows={3} required value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      {wrong && <p class="bad small">It ends before it begins.</p>}
      {failed && <Trouble error={failed} />}
      <div class="bar">
        <button class="main" type="submit" disabled={wrong || text.trim() === ""}>
          Add the note
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}

/** As a field for local times takes it. */
function local(time: number): string {
  const at = new Date(time * 1_000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function seconds(text: string): number {
  return new Date(text).getTime() / 1_000;
}
