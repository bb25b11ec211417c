// "We hear you": who sends, how much, and when they were last heard.
import type { ComponentChildren } from "preact";
import { get } from "../../api";
import { useAsked } from "../../asked";
import { useNow } from "../../clock";
import { ago, count, ms } from "../../format";
import { Trouble } from "../../parts/empty";

interface Sender {
  protocol: string;
  source: string;
  last: string;
  samples: number;
}

const EVERY_MS = 1_500;
/** Somebody who was heard so lately is there. */
const FRESH_MS = 90_000;

export function Heard(): ComponentChildren {
  const answer = useAsked<{ senders: Sender[] }>((signal) => get("heard", undefined, signal), [], EVERY_MS);
  const now = useNow(1_000);
  const senders = answer.data?.senders ?? [];
  const fresh = senders.filter(({ last }) => now - ms(last) < FRESH_MS);
  const told = fresh.length ? "We hear you" : senders.length ? "Silent for a while" : "Listening…";
  return (
    <section class="heard card panel" aria-labelledby="heard-head">
      <h2 id="heard-head">
        <i class={fresh.length ? "on" : ""} aria-hidden="true" />
        <span role="status">{told}</span>
      </h2>
      {answer.error && !answer.data && <Trouble error={answer.error} again={answer.again} />}
      {answer.data && senders.length === 0 && (
        <p class="muted">Send something with one of the snippets: it shows up here within two seconds.</p>
      )}
      <ul>
        {senders.map((sender) => (
          <li key={`${sender.protocol} ${sender.source}`}>
            <b>{sender.protocol}</b>
            <span class="muted">{sender.source}</span>
            <span class="number">{count(sender.samples)}</span>
            <span class="muted">{ago(ms(sender.last), now)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
