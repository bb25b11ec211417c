// Times and numbers as people read them; times in the viewer's own zone, with the offset of then.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const seconds = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayOfYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
// why the offset: a zone's name does not tell summer from winter, nor what it was years ago.
const exact = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "short", year: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "shortOffset",
});

/** A time of the interface in ms since 1970. */
export function ms(time: string): number {
  return Date.parse(time);
}

/** A time as the interface takes it, from ms since 1970. */
export function iso(time: number): string {
  return new Date(time).toISOString();
}

/** "14:02", "3 Mar 14:02" when it is another day, with the year when it is another year. */
export function when(time: number, now = Date.now()): string {
  const then = new Date(time);
  const today = new Date(now);
  if (then.toDateString() === today.toDateString()) return clock.format(then);
  const date = then.getFullYear() === today.getFullYear() ? day : dayOfYear;
  return `${date.format(then)} ${clock.format(then)}`;
}

/** "Sat 1 Nov 2014, 13:30:00 GMT-4" */
export function moment(time: number): string {
  return exact.format(new Date(time));
}

export function clockTime(time: number): string {
  return seconds.format(new Date(time));
}

/** "8 s", "3 min", "2 h 5 min", "4 d": how long something takes. */
export function span(length: number): string {
  const whole = Math.max(0, length);
  if (whole < 1_000) return "< 1 s";
  if (whole < MINUTE) return `${Math.round(whole / 1_000)} s`;
  if (whole < HOUR) return `${Math.round(whole / MINUTE)} min`;
  if (whole < DAY) return two(whole, HOUR, "h", MINUTE, "min");
  return whole < 14 * DAY ? two(whole, DAY, "d", HOUR, "h") : `${Math.round(whole / DAY)} d`;
}

function two(length: number, large: number, name: string, small: number, rest: string): string {
  const more = Math.floor((length % large) / small);
  return `${Math.floor(length / large)} ${name}${more ? ` ${more} ${rest}` : ""}`;
}

/** "3 min ago" */
export function ago(time: number, now = Date.now()): string {
  return now - time < 1_000 ? "now" : `${span(now - time)} ago`;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
const small = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** A count: "1,204". */
export function count(number: number): string {
  return whole.format(number);
}

/** "1 metric", "2,000 metrics" */
export function counted(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
}

/** A value in four digits: "0.001234", "12.3", "6.5B"; null is not known: "–". */
export function value(number: number | null | undefined): string {
  if (number === null || number === undefined || Number.isNaN(number)) return "–";
  const size = Math.abs(number);
  if (size !== 0 && (size < 1e-4 || size >= 1e15)) return number.toExponential(2);
  return size >= 10_000 ? short.format(number) : small.format(number);
}

/** How rare a likelihood is, in two digits: "1 in 12,000", "1 in 160M". */
export function rarity(likelihood: number | null | undefined): string {
  if (likelihood === null || likelihood === undefined) return "";
  const odds = 1 / Math.max(1 - likelihood, 1e-12);
  if (odds < 2) return "usual";
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(odds)) - 1);
  const rounded = Math.round(odds / unit) * unit;
  return `1 in ${rounded < 1e6 ? count(rounded) : short.format(rounded)}`;
}

/** How rare an anomaly score is: 0.5 stands for one in 100,000, as HTM Engine's did. */
export function rarityOfScore(score: number): string {
  return rarity(1 - 10 ** (-10 * score));
}

const month = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric" });

/** What a time axis says at a place (seconds since 1970) when its places are `step` seconds apart. */
export function tick(time: number, step: number): string {
  const at = new Date(time * 1_000);
  if (step >= 28 * 86_400) return month.format(at);
  const midnight = at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0;
  if (step >= 86_400 || midnight) return day.format(at);
  return step < 60 ? seconds.format(at) : clock.format(at);
}
