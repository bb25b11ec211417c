"use strict";
// The table of one series' events, for the report and for the page of one metric.
var tocsin = globalThis.tocsin || {};

tocsin.events = (() => {
  const { words } = tocsin;
  // why: a browser lays out a few hundred rows at once; the rest is one press away.
  const SHOWN = 200;
  const HEADS = ["Start", "Lasted", "How improbable", "Why", "At its peak", "Samples"];

  /** An element with a class and text; text is never read as HTML. */
  function element(tag, className = "", text = "") {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  }

  function head() {
    const row = element("tr");
    row.append(...HEADS.map((text) => {
      const cell = element("th", "", text);
      cell.scope = "col";
      return cell;
    }));
    const thead = element("thead");
    thead.append(row);
    return thead;
  }

  /** What it is and why, in words; empty for an event from before this was kept. */
  function why({ pattern, why: told, muted, because }) {
    const cell = element("td", "why");
    if (pattern) cell.append(element("b", "", pattern.replaceAll("_", " ")), " ");
    cell.append(told ?? "");
    if (because) cell.append(element("span", "muted", ` (told: ${because})`));
    if (muted) cell.append(element("span", "muted", ` (muted: ${muted})`));
    return cell;
  }

  function line(event, offset, onPick) {
    const row = element("tr");
    const start = element("td");
    const pick = element("button", "link", words.moment(event.start, offset));
    pick.title = "Show this event in the chart";
    start.append(pick);
    const lasted = event.end > event.start ? words.duration(event.end - event.start) : "a moment";
    row.append(start,
      element("td", "", event.open ? `${lasted}, still open` : lasted),
      element("td", "odds", words.odds(event.anomaly_score)),
      why(event),
      element("td", "", words.surprise(event)),
      element("td", "number", words.count(event.samples)));
    row.addEventListener("click", () => onPick(event));
    return row;
  }

  /** Fills `host` with the events, newest last, or `none`; `onPick(event)` when one is chosen. */
  function table(host, events, { offset = 0, onPick, none }) {
    if (!events.length) {
      host.replaceChildren(element("p", "none", none));
      return;
    }
    const whole = element("table", "events");
    const body = element("tbody");
    whole.append(head(), body);
    const add = (some) => body.append(...some.map((event) => line(event, offset, onPick)));
    add(events.slice(0, SHOWN));
    host.replaceChildren(whole);
    if (events.length > SHOWN) host.append(rest(events.length, () => add(events.slice(SHOWN))));
  }

  function rest(total, show) {
    const button = element("button", "", `Show all ${words.count(total)} events`);
    button.addEventListener("click", () => { button.remove(); show(); });
    return button;
  }

  return { element, table };
})();
