// Hosts and services, the most anomalous first: at its best moment, this hour, today, this week.
import type { ComponentChildren } from "preact";
import { get } from "../../api";
import { useAsked } from "../../asked";
import { count } from "../../format";
import { Empty, Loading, Trouble } from "../../parts/empty";
import { change, link, usePlace } from "../../router";

const RANKS = [
  ["hour", "Hour"],
  ["day", "Day"],
  ["week", "Week"],
  ["best", "Best moment"],
] as const;
type Rank = (typeof RANKS)[number][0];

type Group = Record<Rank, number> & { group: string; metrics: number; open_incidents: number };

const LIMIT = 200;
const EVERY_MS = 15_000;

export function Groups(): ComponentChildren {
  const rank = usePlace().query.get("rank") ?? "hour";
  const answer = useAsked<{ groups: Group[] }>(
    (signal) => get("groups", { rank, limit: LIMIT }, signal),
    [rank],
    EVERY_MS,
  );
  const groups = answer.data?.groups;
  return (
    <>
      <div class="bar filters" role="group" aria-label="Ranked by">
        {RANKS.map(([key, name]) => (
          <button key={key} type="button" aria-pressed={key === rank} onClick={() => change({ rank: key })}>
            {name}
          </button>
        ))}
      </div>
      {answer.error && !groups && <Trouble error={answer.error} again={answer.again} />}
      {!groups && !answer.error && <Loading rows={5} label="Loading hosts and services" />}
      {groups?.length === 0 && (
        <Empty title="No host or service yet">
          They are read from labels such as host, instance or service, and rank here with their first anomalies.
        </Empty>
      )}
      {groups && groups.length > 0 && <Table groups={groups} rank={rank} />}
    </>
  );
}

function Table({ groups, rank }: { groups: Group[]; rank: string }): ComponentChildren {
  const most = Object.fromEntries(RANKS.map(([key]) => [key, Math.max(...groups.map((one) => one[key]), 1e-9)]));
  return (
    <div class="card table">
      <table class="groups">
        <thead>
          <tr>
            <th scope="col">Host or service</th>
            {RANKS.map(([key, name]) => (
              <th key={key} scope="col" class={key === rank ? "" : "other"} aria-sort={key === rank ? "descending" : undefined}>
                {name}
              </th>
            ))}
            <th scope="col" class="number">
              Metrics
            </th>
            <th scope="col" class="number">
              Open
            </th>
          </tr>
        </thead>
        <tbody>
          {groups.map((one) => (
            <tr key={one.group}>
              <th scope="row">
                <a href={link(["incidents"], { group: one.group, state: "all" })} data-item>
                  {one.group}
                </a>
              </th>
              {RANKS.map(([key]) => (
                <td key={key} class={key === rank ? "" : "other"}>
                  <Bar value={one[key]} most={most[key] ?? 1} />
                </td>
              ))}
              <td class="number">{count(one.metrics)}</td>
              <td class="number">{one.open_incidents > 0 ? <b>{count(one.open_incidents)}</b> : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Bar({ value, most }: { value: number; most: number }): ComponentChildren {
  return (
    <span class="measure">
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect width={(100 * value) / most} height="8" />
      </svg>
      {value.toFixed(value >= 10 ? 0 : 2)}
    </span>
  );
}
