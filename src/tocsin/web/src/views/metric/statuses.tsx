// How the metric stood, the newest first.
import type { ComponentChildren } from "preact";
import { get } from "../../api";
import { useAsked } from "../../asked";
import { Trouble } from "../../parts/empty";
import { Time } from "../../parts/time";
import { words } from "./head";

interface Past {
  at: string;
  status: string;
  reason: string | null;
  detail: string | null;
}

const SHOWN = 20;
const NAMES: Record<string, string> = {
  unmonitored: "Not monitored",
  warming_up: "Warming up",
  active: "Watched",
  paused: "Paused",
  error: "In error",
};

/** `status`: asked anew whenever it changes. */
export function Statuses({ uid, status }: { uid: string; status: string }): ComponentChildren {
  const answer = useAsked<{ statuses: Past[] }>(
    (signal) => get(`metrics/${encodeURIComponent(uid)}/statuses`, { limit: SHOWN }, signal),
    [uid, status],
  );
  const statuses = answer.data?.statuses ?? [];
  return (
    <section aria-labelledby="statuses-head">
      <div class="section-head">
        <h2 id="statuses-head">How it stood</h2>
      </div>
      <div class="card panel">
        {answer.error && !answer.data && <Trouble error={answer.error} again={answer.again} />}
        {answer.data && statuses.length === 0 && <p class="muted">It never changed.</p>}
        <ol class="statuses">
          {statuses.map(({ at, status: then, reason, detail }) => (
            <li key={at + then} class={then}>
              <b>{NAMES[then] ?? words(then)}</b>
              <Time at={at} />
              {(reason || detail) && <span class="muted">{detail || words(reason ?? "")}</span>}
            </li>
          ))}
        </ol>
      </div>
    </section>
  );
}
