// When a maintenance window is, in words.
import { ms } from "../../../format";
import { localIn } from "../../../zones";
import type { Calendar, Weekly } from "./types";

export const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const;

/** "Mon to Fri 22:00 to 06:00 the next day" */
export function weeklyWords({ days, from, to }: Weekly): string {
  const next = to <= from ? " the next day" : "";
  return `${daysWords(days)} ${from} to ${to}${next}`;
}

function daysWords(given: readonly number[]): string {
  const days = [...given].sort((a, b) => a - b);
  const [first = 0, last = 0] = [days[0], days.at(-1)];
  if (days.length === 7) return "every day";
  if (days.length > 2 && last - first === days.length - 1) return `${DAYS[first]} to ${DAYS[last]}`;
  return days.map((day) => DAYS[day]).join(", ");
}

/** When it is, as clocks in its zone show it. */
export function whenWords({ weekly, start, end, timezone }: Calendar): string {
  const from = start && localIn(ms(start), timezone);
  const to = end && localIn(ms(end), timezone);
  if (weekly) {
    const within = [from && `from ${from}`, to && `until ${to}`].filter(Boolean);
    return [weeklyWords(weekly), ...within].join(", ");
  }
  if (from && to) return `${from} to ${to}`;
  if (from) return `from ${from} on`;
  return to ? `until ${to}` : "always";
}
