// What can be done with a stretch that was selected on the chart.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useKeys } from "../../keys";
import { type Kind, Try } from "../../parts/feedback";
import { Icon } from "../../parts/icon";
import { rangeWords } from "./course";
import { NoteForm } from "./notes";
import { zoomed } from "./range";
import type { Range } from "./types";

interface Given {
  uid: string;
  range: Range;
  zoom(range: Range): void;
  changed(): void;
  onClose(): void;
}

export function Selection({ uid, range, zoom, changed, onClose }: Given): ComponentChildren {
  const [noting, setNoting] = useState(false);
  const [marking, setMarking] = useState<Kind>();
  useKeys([{ key: "Escape", does: "Forget the selection", run: onClose }]);
  function done(): void {
    changed();
    onClose();
  }
  const stretch = { start: range.from, end: range.to };
  return (
    <div class="selection card" role="region" aria-label="Selected stretch">
      <p>
        <b>Selected</b> {rangeWords(range)}
      </p>
      <div class="bar">
        <button class="main" type="button" onClick={() => {
          zoom(zoomed(range, 1.05));
          onClose();
        }}>
          Zoom in
        </button>
        <button type="button" onClick={() => setNoting(true)}>
          Write a note
        </button>
        <button type="button" onClick={() => setMarking("anomaly")}>
          An anomaly
        </button>
        <button type="button" onClick={() => setMarking("known_change")}>
          A known change
        </button>
        <button type="button" class="plain" aria-label="Forget the selection" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {noting && <NoteForm uid={uid} range={range} done={done} onCancel={() => setNoting(false)} />}
      {marking && <Try uid={uid} what={stretch} kind={marking} onClose={() => setMarking(undefined)} done={done} />}
    </div>
  );
}
