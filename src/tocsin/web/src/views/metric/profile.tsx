// What was learnt of days and weeks: a cell for each hour of the week.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { get } from "../../api";
import { useAsked } from "../../asked";
import { useNow } from "../../clock";
import { counted, value } from "../../format";
import { Loading, Trouble } from "../../parts/empty";

interface Hour {
  weekday: number;
  hour: number;
  low: number;
  median: number;
  high: number;
  samples: number;
}

interface ProfileAnswer {
  timezone: string;
  weeks: number;
  samples: number;
  hours: Hour[];
}

const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] as const;
const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const WEEKS = 8;

export function Profile({ uid }: { uid: string }): ComponentChildren {
  const answer = useAsked<ProfileAnswer>(
    (signal) => get(`metrics/${encodeURIComponent(uid)}/profile`, { weeks: WEEKS }, signal),
    [uid],
  );
  const [numbers, setNumbers] = useState(false);
  const profile = answer.data;
  const filled = profile && profile.hours.length > 0;
  return (
    <section class="section" aria-labelledby="profile-head">
      <div class="section-head">
        <h2 id="profile-head">Its usual week</h2>
        {filled && (
          <span class="muted small">
            medians of {counted(profile.samples, "sample")} in {counted(profile.weeks, "week")}, {profile.timezone}
          </span>
        )}
        <span class="space" />
        {filled && (
          <button type="button" class="link small" onClick={() => setNumbers(!numbers)}>
            {numbers ? "As a picture" : "As numbers"}
          </button>
        )}
      </div>
      {answer.error && !profile && <Trouble error={answer.error} again={answer.again} />}
      {!profile && !answer.error && <Loading rows={3} label="Loading its usual week" />}
      {profile && !filled && <p class="none card muted">There are no samples to say it from.</p>}
      {filled && (numbers ? <Numbers profile={profile} /> : <Picture profile={profile} />)}
    </section>
  );
}

function keyed(hours: readonly Hour[]): Map<number, Hour> {
  return new Map(hours.map((hour) => [hour.weekday * 24 + hour.hour, hour]));
}

/** Darker is more; for those who do not see it, it is a table with the numbers in it. */
function Picture({ profile }: { profile: ProfileAnswer }): ComponentChildren {
  const cells = keyed(profile.hours);
  const medians = profile.hours.map(({ median }) => median);
  const [low, high] = [Math.min(...medians), Math.max(...medians)];
  const present = hourOfWeek(useNow(60_000), profile.timezone);
  return (
    <div class="card panel heat">
      <table>
        <caption class="hidden-text">Usual values by weekday and hour ({profile.timezone})</caption>
        <thead>
          <tr>
            <td />
            {HOURS.map((hour) => (
              <th key={hour} scope="col">
                <span class={hour % 3 ? "hidden-text" : ""}>{hour}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {DAYS.map((day, weekday) => (
            <tr key={day}>
              <th scope="row">
                <abbr title={day}>{day.slice(0, 2)}</abbr>
              </th>
              {HOURS.map((hour) => {
                const cell = cells.get(weekday * 24 + hour);
                return <Cell key={hour} cell={cell} day={day} hour={hour} share={cell ? shareOf(cell.median, low, high) : 0} present={present === weekday * 24 + hour} />;
              })}
            </tr>
          ))}
        </tbody>
      </table>
      <p class="heat-scale small muted" aria-hidden="true">
        {value(low)} <i /> {value(high)}
        <span class="space" />
        <b class="now-cell" /> now
      </p>
    </div>
  );
}

function shareOf(median: number, low: number, high: number): number {
  return high > low ? (median - low) / (high - low) : 0.5;
}

interface CellGiven {
  cell: Hour | undefined;
  day: string;
  hour: number;
  share: number;
  present: boolean;
}

function Cell({ cell, day, hour, share, present }: CellGiven): ComponentChildren {
  const when = `${day} ${String(hour).padStart(2, "0")}:00`;
  const told = cell ? `${when}: ${value(cell.median)}, mostly ${value(cell.low)} to ${value(cell.high)}` : `${when}: not known`;
  return (
    <td class={`${cell ? "known" : "unknown"} ${present ? "present" : ""}`} style={cell ? { "--share": `${Math.round(share * 100)}%` } : {}} title={told}>
      <span class="hidden-text">{cell ? value(cell.median) : "not known"}</span>
    </td>
  );
}

/** Which hour of the week it is there, from Monday 0:00. */
function hourOfWeek(now: number, timezone: string): number {
  try {
    const parts = new Intl.DateTimeFormat("en-GB", { timeZone: timezone, weekday: "long", hour: "2-digit", hourCycle: "h23" }).formatToParts(now);
    const part = (type: string): string => parts.find((one) => one.type === type)?.value ?? "";
    return (DAYS as readonly string[]).indexOf(part("weekday")) * 24 + Number(part("hour"));
  } catch {
    return -1;
  }
}

function Numbers({ profile }: { profile: ProfileAnswer }): ComponentChildren {
  const cells = keyed(profile.hours);
  return (
    <div class="card table profile-numbers">
      <table>
        <caption class="hidden-text">Usual values by hour and weekday ({profile.timezone})</caption>
        <thead>
          <tr>
            <th scope="col">Hour</th>
            {DAYS.map((day) => (
              <th key={day} scope="col" class="number">
                <abbr title={day}>{day.slice(0, 2)}</abbr>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {HOURS.map((hour) => (
            <tr key={hour}>
              <th scope="row">{hour}</th>
              {DAYS.map((day, weekday) => {
                const cell = cells.get(weekday * 24 + hour);
                return (
                  <td key={day} class="number" title={cell ? `mostly ${value(cell.low)} to ${value(cell.high)}` : ""}>
                    {value(cell?.median)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
