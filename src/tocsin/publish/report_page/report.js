"use strict";
// The report's page: the list of series, the chosen one, its events.
(() => {
  const { Chart, decode, events, palette, spark, words } = tocsin;
  const { element } = events;
  const $ = (id) => document.getElementById(id);

  const { series: all } = JSON.parse($("index").textContent);
  const entries = all.map(makeEntry);
  let shown = entries;
  let chosen = -1;
  let asked = 0;
  const chart = new Chart($("chart"), { onView: (_, whole) => { $("whole").disabled = whole; } });

  function makeEntry(about, i) {
    const item = element("div", "series");
    item.id = `series-${i}`;
    item.role = "option";
    item.title = about.metric;
    const told = about.events.length ? words.many(about.events.length, "event") : "quiet";
    const odds = about.highest === null ? "" : ` · ${words.odds(about.highest)}`;
    const canvas = element("canvas");
    canvas.ariaHidden = "true";
    canvas.dataset.i = i;
    item.append(element("div", "name", about.metric),
      element("div", about.events.length ? "count some" : "count", told + odds), canvas);
    item.addEventListener("click", () => choose(entry));
    const entry = { about, item, canvas, i, key: about.metric.toLowerCase() };
    return entry;
  }

  function drawOutline({ about, canvas }) {
    const { first, last } = about;
    const place = (ms) => (last > first ? ((ms - first) / (last - first)) * 100 : 50);
    spark.outline(canvas, about.outline, about.events.map((e) => [place(e.start), place(e.end)]));
  }

  // why: with thousands of series only those that are seen are drawn.
  const onScreen = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) {
      if (isIntersecting) drawOutline(entries[Number(target.dataset.i)]);
    }
  });

  function span({ first, last }) {
    return first === null ? "no samples" : `${words.moment(first)} to ${words.moment(last)} UTC`;
  }

  function summarise() {
    const sum = (pick) => all.reduce((total, about) => total + pick(about), 0);
    const timed = all.filter(({ first }) => first !== null);
    const parts = [
      words.many(all.length, "series", "series"),
      words.many(sum((about) => about.samples), "sample"),
      words.many(sum((about) => about.events.length), "event"),
    ];
    if (timed.length) {
      const from = timed.reduce((low, { first }) => Math.min(low, first), Infinity);
      const to = timed.reduce((high, { last }) => Math.max(high, last), -Infinity);
      parts.push(span({ first: from, last: to }));
    }
    $("summary").textContent = parts.join(" · ");
  }

  function describe({ about }) {
    $("name").textContent = about.metric;
    $("about").textContent = `${words.many(about.samples, "sample")} · ${span(about)}`;
    $("events-head").textContent = words.many(about.events.length, "event");
    events.table($("events"), about.events, {
      none: "No events: this series kept to its ways.",
      onPick: (event) => {
        chart.showEvent(event);
        $("chart").scrollIntoView({ block: "nearest", behavior: "smooth" });
      },
    });
    $("notes").hidden = !about.notes.length;
    $("notes").replaceChildren(...about.notes.map((note) => element("li", "", note)));
  }

  async function choose(entry) {
    if (chosen === entry.i) return;
    chosen = entry.i;
    const ticket = ++asked;
    for (const { item, i } of entries) item.setAttribute("aria-selected", String(i === chosen));
    $("list").setAttribute("aria-activedescendant", entry.item.id);
    entry.item.scrollIntoView({ block: "nearest" });
    describe(entry);
    history.replaceState(null, "", address(entry.about));
    const columns = await decode.columns(entry.about, $(`data-${entry.i}`).textContent);
    if (ticket !== asked) return; // another was chosen meanwhile
    chart.show(columns);
    document.documentElement.dataset.shown = entry.i;
  }

  const address = ({ metric }) => `#${encodeURIComponent(metric)}`;

  function search() {
    const wanted = $("search").value.trim().toLowerCase();
    shown = entries.filter(({ key }) => key.includes(wanted));
    const found = new Set(shown);
    for (const entry of entries) entry.item.hidden = !found.has(entry);
    $("found").textContent = wanted
      ? `${words.count(shown.length)} of ${words.many(all.length, "series", "series")}`
      : "Most anomalous first · ↑ ↓ to walk";
  }

  function walk(by) {
    const at = shown.findIndex(({ i }) => i === chosen);
    const next = shown[Math.max(0, Math.min(shown.length - 1, at + by))];
    if (next) choose(next).catch(tell);
  }

  function onKey(key) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[key.key];
    if (!by || key.altKey || key.ctrlKey || key.metaKey || all.length < 2) return;
    key.preventDefault();
    walk(by);
  }

  function tell(error) {
    $("trouble").hidden = false;
    $("trouble").textContent = typeof DecompressionStream === "undefined"
      ? "This browser is too old: Chrome 80, Firefox 113, Safari 16.4 or newer will do."
      : `The report cannot be shown: ${error.message}`;
  }

  function wire() {
    $("search").addEventListener("input", search);
    addEventListener("keydown", onKey);
    addEventListener("unhandledrejection", ({ reason }) => tell(reason));
    const does = {
      earlier: () => chart.shift(-0.5), later: () => chart.shift(0.5), in: () => chart.zoom(0.5),
      out: () => chart.zoom(2), whole: () => chart.reset(),
    };
    for (const [id, act] of Object.entries(does)) {
      $(id).addEventListener("click", () => chart.series && act());
    }
    palette.onChange(() => entries.forEach(drawOutline));
  }

  function start() {
    $("main").classList.toggle("single", all.length < 2);
    $("list").append(...entries.map(({ item }) => item));
    entries.forEach(({ canvas }) => onScreen.observe(canvas));
    summarise();
    search();
    wire();
    const first = entries.find(({ about }) => address(about) === location.hash) ?? entries[0];
    if (first) choose(first).catch(tell);
  }

  start();
})();
