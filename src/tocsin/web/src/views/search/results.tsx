// What was found, a line a metric.
import type { ComponentChildren } from "preact";
import { useNow } from "../../clock";
import { count, rarityOfScore, value } from "../../format";
import { titleOf } from "../../parts/name";
import { Spark } from "../../parts/spark";
import { Time } from "../../parts/time";
import { link } from "../../router";
import type { Found } from "./types";

const RARE = 0.4;

interface Given {
  metrics: readonly Found[];
  /** What is looked for, to be marked in the names. */
  words: readonly string[];
  /** The answer to what is asked now is not there yet. */
  stale: boolean;
}

export function Results({ metrics, words, stale }: Given): ComponentChildren {
  const now = useNow();
  return (
    <ol class={`results card ${stale ? "stale" : ""}`} aria-label="Found metrics">
      {metrics.map((metric) => (
        <li key={metric.uid}>
          <Line metric={metric} words={words} now={now} />
        </li>
      ))}
    </ol>
  );
}

function Line({ metric, words, now }: { metric: Found; words: readonly string[]; now: number }): ComponentChildren {
  const { name, labels, score, spark, at } = metric;
  return (
    <a class={`result ${metric.open_event ? "open" : ""}`} href={link(["metrics", metric.uid])} data-item title={titleOf(metric)}>
      <span class="result-name">
        <b>
          <Marked text={name} words={words} />
        </b>
        <span class="labels">
          {Object.entries(labels).map(([key, told]) => (
            <span key={key}>
              {key}=
              <em>
                <Marked text={told} words={words.flatMap((word) => [word, afterEquals(word)])} />
              </em>
            </span>
          ))}
        </span>
      </span>
      <span class="result-spark">{spark.v.length > 1 && <Spark t={spark.t} v={spark.v} label="The last samples" />}</span>
      <span class="result-value">
        <b>{value(metric.value)}</b>
        {at && (
          <span class="muted">
            <Time at={at} now={now} />
          </span>
        )}
      </span>
      <Standing metric={metric} score={score} />
    </a>
  );
}

function Standing({ metric, score }: { metric: Found; score: number | null }): ComponentChildren {
  const { status, readiness, open_event: open } = metric;
  if (status === "warming_up") {
    return (
      <span class="result-standing muted">
        {count(readiness.seen)} of {count(readiness.needed)}
      </span>
    );
  }
  if (status === "error") return <span class="result-standing"><span class="tag hot">in error</span></span>;
  if (status !== "active") return <span class="result-standing"><span class="tag">{status === "paused" ? "paused" : "not monitored"}</span></span>;
  const told = score === null ? "no score" : score < 0.05 ? "usual" : rarityOfScore(score);
  return (
    <span class={`result-standing score ${score !== null && score >= RARE ? "hot" : ""}`}>
      {open && <span class="tag hot">event</span>}
      {told}
    </span>
  );
}

function afterEquals(word: string): string {
  return word.slice(word.indexOf("=") + 1);
}

/** The text with what was looked for marked in it; text it stays, whatever it holds. */
function Marked({ text, words }: { text: string; words: readonly string[] }): ComponentChildren {
  const low = text.toLowerCase();
  // why: few letters grow longer in lower case, and places would not fit any more.
  if (low.length !== text.length) return text;
  const hit = new Uint8Array(text.length);
  for (const word of words) {
    const wanted = word.toLowerCase();
    for (let at = wanted ? low.indexOf(wanted) : -1; at >= 0; at = low.indexOf(wanted, at + 1)) hit.fill(1, at, at + wanted.length);
  }
  const pieces: ComponentChildren[] = [];
  for (let at = 0; at < text.length; ) {
    let end = at;
    while (end < text.length && hit[end] === hit[at]) end++;
    const piece = text.slice(at, end);
    pieces.push(hit[at] ? <mark key={at}>{piece}</mark> : piece);
    at = end;
  }
  return <>{pieces}</>;
}
