"use strict";
// The live page: fetches what is new, says how things stand, and shows the overview or one metric.
(() => {
  const { Detail, Wall, api, stream, words } = tocsin;
  const $ = (id) => document.getElementById(id);
  const LEAST_MS = 1000, POLL_MS = 1000, QUIET_MS = 9000;
  const PAGE = 1000, MOST_METRICS = 5000, NEWEST_EVENTS = 200;
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const RATE_OVER_MS = 12_000, OLD_MS = 60_000;

  const offset = -new Date().getTimezoneOffset() * 60_000;
  const wall = new Wall(offset);
  const detail = new Detail(offset);
  const totals = []; // [time, samples of all metrics], the last few seconds
  let events = []; // newest first
  let complete = true;
  let streaming = false;
  let answered = 0;
  let unsettled = false;
  let refreshing = null;
  let route = null;
  let tellNews = () => {};
  let news = new Promise((done) => { tellNews = done; });

  /** Samples per second over the last few seconds, or null before there are two counts. */
  function rate(metrics) {
    const now = Date.now();
    totals.push([now, metrics.reduce((sum, { samples }) => sum + samples, 0)]);
    while (totals.length > 2 && totals[1][0] < now - RATE_OVER_MS) totals.shift();
    const [since, before] = totals[0];
    const [, after] = totals[totals.length - 1];
    return now > since ? Math.max(0, after - before) / ((now - since) / 1000) : null;
  }

  function tellState() {
    const metrics = wall.abouts;
    const warming = metrics.filter(({ status }) => status === "warming_up").length;
    const speed = rate(metrics);
    const parts = [words.many(metrics.length, "metric") + (complete ? "" : " (the first ones)")];
    if (warming) parts.push(`${words.count(warming)} warming up`);
    if (speed !== null) parts.push(`${words.number(Number(speed.toPrecision(2)))} samples/s`);
    const newest = metrics
      .reduce((t, about) => Math.max(t, Date.parse(about.last_timestamp) || 0), 0);
    if (newest && newest < answered - OLD_MS) {
      parts.push(`newest sample ${words.moment(newest, offset)}`);
    }
    parts.push(`updated ${words.time(answered, offset)}`);
    $("state-text").textContent = parts.join(" · ");
    $("pulse").className = streaming ? "live" : "polling";
    $("pulse").title = streaming ? "live" : "asking every 2 s";
  }

  function tellTrouble(error) {
    console.info(error);
    const since = answered ? ` since ${words.time(answered, offset)}` : "";
    $("state-text").textContent = error instanceof TypeError
      ? `no answer from Tocsin${since}; trying again` : error.message;
    $("pulse").className = "broken";
  }

  async function refresh() {
    const [found, told] = await Promise.all([
      api.pages("metrics", "metrics", { limit: PAGE }, MOST_METRICS),
      api.get("events", { limit: NEWEST_EVENTS }),
    ]);
    complete = found.whole;
    answered = Date.now();
    events = told.events;
    wall.tell(found.rows);
    wall.tellEvents(events);
    tellState();
    if (route?.uid) await detail.refresh(wall.about(route.uid)); else await wall.fetch();
  }

  /** Take over what was just committed: {samples, events} of any metrics. */
  function take({ samples = [], events: newer = [] }) {
    const byMetric = new Map();
    for (const sample of samples) {
      if (!byMetric.has(sample.metric)) byMetric.set(sample.metric, []);
      byMetric.get(sample.metric).push(sample);
    }
    let missing = false;
    for (const [uid, some] of byMetric) if (!wall.take(uid, some)) missing = !route?.uid;
    if (route?.uid) {
      const mine = newer.filter((event) => event.metric === route.uid);
      missing = !detail.take(byMetric.get(route.uid) ?? [], mine);
    }
    if (newer.length) takeEvents(newer);
    answered = Date.now();
    unsettled = true;
    if (missing) tellNews();
  }

  function takeEvents(newer) {
    const ids = new Set(newer.map((event) => event.id));
    events = [...newer, ...events.filter((event) => !ids.has(event.id))]
      .sort((a, b) => Date.parse(b.start) - Date.parse(a.start)).slice(0, NEWEST_EVENTS);
    wall.tellEvents(events);
  }

  /** Once a second: say how things stand and draw the large chart, if anything came. */
  function settle() {
    if (!unsettled || document.hidden) return;
    unsettled = false;
    tellState();
    if (route?.uid) detail.redraw(wall.about(route.uid));
  }

  /** One refresh at a time; whoever asks meanwhile gets the one under way. */
  function refreshOnce() {
    refreshing ??= refresh().catch(tellTrouble).finally(() => { refreshing = null; });
    return refreshing;
  }

  /** Ask for everything now and then, and when the stream told too little. */
  async function keepUp() {
    for (;;) {
      const began = performance.now();
      // why: a tab that nobody sees need not keep the server busy.
      if (!document.hidden) await refreshOnce();
      const took = performance.now() - began;
      // why: a page of very many metrics must not ask without a pause.
      await sleep(Math.max(LEAST_MS, 4 * took));
      await Promise.race([news, sleep(streaming ? QUIET_MS : POLL_MS)]);
      news = new Promise((done) => { tellNews = done; });
    }
  }

  function followStream() {
    stream.follow(take, (up) => { streaming = up; tellNews(); });
    setInterval(settle, LEAST_MS);
  }

  function routeOf(hash) {
    const said = new URLSearchParams(hash.slice(1));
    const uid = said.get("metric");
    if (!uid) return {};
    const [from, to] = [Number(said.get("from")), Number(said.get("to"))];
    if (from && to > from) return { uid, from, to };
    const range = said.get("range");
    return { uid, range: ["5m", "1h", "6h", "all"].includes(range) ? range : "1h" };
  }

  async function go() {
    route = routeOf(location.hash);
    $("overview").hidden = Boolean(route.uid);
    $("detail").hidden = !route.uid;
    if (!route.uid) {
      document.title = "Tocsin";
      detail.close();
      wall.draw();
      return;
    }
    if (!wall.about(route.uid)) await refreshOnce();
    const about = wall.about(route.uid);
    document.title = about ? `${about.name} · Tocsin` : "Tocsin";
    await detail.open(route, about);
  }

  function showExample() {
    const timestamp = Math.floor(Date.now() / 1000);
    const sample = { metric: "web.latency", labels: { host: "a" }, timestamp, value: 21 };
    $("example").textContent = `curl ${new URL("api/v1/samples", document.baseURI)} \\\n`
      + `  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify({ samples: [sample] })}'`;
  }

  function start() {
    showExample();
    wall.onSeen = () => { if (!route?.uid) wall.fetch().catch(tellTrouble); };
    addEventListener("hashchange", () => { scrollTo(0, 0); go().catch(tellTrouble); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) refreshOnce(); });
    go().catch(tellTrouble);
    followStream();
    keepUp();
  }

  start();
})();
