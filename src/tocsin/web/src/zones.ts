// Civil times in a zone that need not be the viewer's.

/** The zones that this browser knows. */
export const ZONES: readonly string[] = Intl.supportedValuesOf("timeZone");

/** The viewer's own. */
export const OWN_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/**
 * The moment (ms since 1970) when clocks in `zone` show `local` ("2026-03-29T02:30").
 *
 * A time that a zone skips in spring is read as an hour later; of one that comes twice in autumn,
 * one of both is meant. Errors: `RangeError` for a zone or time that there is not.
 */
export function momentIn(local: string, zone: string): number {
  const wanted = Date.parse(`${local}Z`);
  if (Number.isNaN(wanted)) throw new RangeError(`no time: ${local}`);
  // why twice: the offset of the first guess is that of another moment, maybe across a change.
  const guess = wanted - offset(wanted, zone);
  return wanted - offset(guess, zone);
}

/** What clocks in `zone` show at a moment (ms since 1970): "2026-03-29 02:30". */
export function localIn(time: number, zone: string): string {
  return new Date(time + offset(time, zone)).toISOString().slice(0, 16).replace("T", " ");
}

/** How far clocks in a zone are ahead of UTC at a moment (ms). */
function offset(time: number, zone: string): number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23",
    year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  });
  const part = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(time / 1_000) * 1_000;
}
