// Small charts of what is most unusual; their samples come live.
import type { ComponentChildren } from "preact";
import { useCallback, useRef, useState } from "preact/hooks";
import { ms, rarityOfScore, value } from "../../format";
import { type LiveSample, useLive } from "../../live";
import { Empty } from "../../parts/empty";
import { Name, titleOf } from "../../parts/name";
import { Spark } from "../../parts/spark";
import { link } from "../../router";
import type { Spark as Series, Unusual } from "./types";

/** Points of a small chart. */
const POINTS = 240;

export function Wall({ unusual, empty }: { unusual: readonly Unusual[]; empty: boolean }): ComponentChildren {
  const [held, setHeld] = useState<readonly string[] | null>(null);
  const shown = held ? ordered(unusual, held) : unusual;
  const live = useLiveSamples(unusual);
  if (unusual.length === 0) {
    return empty ? null : <Empty title="Nothing to rank yet">Metrics show up here with their first scores.</Empty>;
  }
  const hold = (): void => setHeld((before) => before ?? shown.map(({ metric }) => metric.uid));
  const release = (): void => setHeld(null);
  // why held: what somebody points at must not move away under the pointer.
  return (
    <ul class="wall" onPointerEnter={hold} onPointerLeave={release} onFocusCapture={hold} onBlurCapture={release}>
      {shown.map((one) => (
        <Tile key={one.metric.uid} unusual={one} live={live.get(one.metric.uid) ?? []} />
      ))}
    </ul>
  );
}

function ordered(unusual: readonly Unusual[], order: readonly string[]): Unusual[] {
  const place = new Map(order.map((uid, i) => [uid, i]));
  const at = (one: Unusual): number => place.get(one.metric.uid) ?? order.length;
  return [...unusual].sort((a, b) => at(a) - at(b));
}

/** Samples that came since the answer, by uid. */
function useLiveSamples(unusual: readonly Unusual[]): Map<string, LiveSample[]> {
  const kept = useRef(new Map<string, LiveSample[]>());
  const [, setRound] = useState(0);
  const samples = useCallback((came: LiveSample[]) => {
    for (const sample of came) {
      const before = kept.current.get(sample.metric) ?? [];
      kept.current.set(sample.metric, [...before, sample].slice(-POINTS));
    }
    setRound((round) => round + 1);
  }, []);
  const uids = unusual.map(({ metric }) => metric.uid);
  for (const uid of kept.current.keys()) if (!uids.includes(uid)) kept.current.delete(uid);
  useLive(uids, { samples });
  return kept.current;
}

function Tile({ unusual, live }: { unusual: Unusual; live: readonly LiveSample[] }): ComponentChildren {
  const { metric, event } = unusual;
  const series = joined(unusual.spark, live);
  const last = live.at(-1);
  const seen = last ? (last.rate ?? last.value) : unusual.value;
  const usual = last ? last.expected : unusual.expected;
  const score = last?.anomaly_score ?? unusual.score;
  return (
    <li class={`tile card ${event?.open ? "open" : ""}`}>
      <a href={link(["metrics", metric.uid])} data-item>
        <span class="tile-name">
          <Name metric={metric} />
        </span>
        <Spark {...series} label={`The last samples of ${titleOf(metric)}`} />
        <span class="tile-facts">
          <b>{value(seen)}</b>
          {usual !== null && <span class="muted">expected {value(usual)}</span>}
          <span class="space" />
          <Score score={score} />
        </span>
      </a>
    </li>
  );
}

function Score({ score }: { score: number }): ComponentChildren {
  const told = score < 0.05 ? "usual" : rarityOfScore(score);
  return <span class={`score ${score >= 0.4 ? "hot" : ""}`}>{told}</span>;
}

/** The answer's points and those that came since. */
function joined(spark: Series, live: readonly LiveSample[]): Series {
  const end = spark.t.at(-1) ?? 0;
  const fresh = live.filter(({ timestamp }) => ms(timestamp) / 1_000 > end);
  if (fresh.length === 0) return spark;
  const joint: Series = {
    t: [...spark.t, ...fresh.map(({ timestamp }) => ms(timestamp) / 1_000)].slice(-POINTS),
    v: [...spark.v, ...fresh.map(({ rate, value: plain }) => rate ?? plain)].slice(-POINTS),
  };
  if (spark.lower) joint.lower = [...spark.lower, ...fresh.map(({ lower }) => lower)].slice(-POINTS);
  if (spark.upper) joint.upper = [...spark.upper, ...fresh.map(({ upper }) => upper)].slice(-POINTS);
  return joint;
}
