"use strict";
// One metric in the large chart, kept up to date.
var tocsin = globalThis.tocsin || {};

tocsin.Detail = (() => {
  const { Chart, Series, api, events, words } = tocsin;
  const $ = (id) => document.getElementById(id);
  const RANGES = { "5m": 300_000, "1h": 3_600_000, "6h": 21_600_000, all: Infinity };
  // why: more would take the browser long to fetch; the page says when older ones are left out.
  const MOST = 200_000, PAGE = 10_000;
  let plotly = null;

  /** The chart library, fetched when the first chart is wanted. */
  function loadPlotly() {
    plotly ??= new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = "static/plotly.min.js";
      script.onload = done;
      script.onerror = () => {
        plotly = null;
        fail(new Error("the chart library cannot be loaded"));
      };
      document.head.append(script);
    });
    return plotly;
  }

  const iso = (ms) => new Date(ms).toISOString();

  /** An event as the charts take it: times in ms. */
  function timed(event) {
    return {
      ...event, start: Date.parse(event.start), peak: Date.parse(event.peak),
      end: Date.parse(event.end),
    };
  }

  return class Detail {
    #chart = null; #offset; #series = null; #ask = null; #ticket = 0; #whole = true;
    #complete = true; #changed = false; #toldEvents = null;

    /** `offset`: ms that the clock shown is ahead of UTC. */
    constructor(offset) {
      this.#offset = offset;
      $("zone").textContent = words.zone(offset);
      for (const button of $("ranges").children) {
        button.addEventListener("click", () => {
          const { range } = button.dataset;
          location.hash = `metric=${encodeURIComponent(this.#ask.uid)}&range=${range}`;
        });
      }
      const does = {
        earlier: (chart) => chart.shift(-0.5), later: (chart) => chart.shift(0.5),
        in: (chart) => chart.zoom(0.5), out: (chart) => chart.zoom(2),
        whole: (chart) => chart.reset(),
      };
      for (const [id, act] of Object.entries(does)) {
        $(id).addEventListener("click", () => this.#chart?.series && act(this.#chart));
      }
    }

    /** Show {uid, range} or {uid, from, to} (ms). `about` is what is known of the metric. */
    async open(ask, about) {
      this.#ask = ask;
      const ticket = ++this.#ticket;
      this.#series = null;
      $("chart").hidden = true;
      $("nothing").hidden = false;
      $("nothing").textContent = "Loading …";
      for (const button of $("ranges").children) {
        button.setAttribute("aria-pressed", String(button.dataset.range === ask.range));
      }
      this.tell(about);
      const [series] = await Promise.all([this.#load(ask, about), loadPlotly()]);
      if (ticket !== this.#ticket) return;
      this.#series = series;
      this.tell(about);
      this.#show();
    }

    /** No metric is shown any more. */
    close() { this.#ask = null; this.#series = null; this.#ticket += 1; }

    /** Newer facts about the metric. */
    tell(about) {
      $("name").textContent = about?.name ?? "…";
      const parts = about ? Object.entries(about.labels ?? {}).map(([k, v]) => `${k}=${v}`) : [];
      if (about) parts.push(words.many(about.samples, "sample"));
      if (about) parts.push(words.status(about));
      if (this.#series && !this.#complete) {
        parts.push(`the newest ${words.count(this.#series.times.length)} are shown`);
      }
      $("about").textContent = parts.join(" · ");
    }

    #path() { return `metrics/${encodeURIComponent(this.#ask.uid)}/samples`; }

    /** Time from which samples are shown. why not from now: an old import is worth seeing too. */
    #since(ask, about) {
      if (ask.from !== undefined) return ask.from;
      const newest = about?.last_timestamp ? Date.parse(about.last_timestamp) : Date.now();
      return newest - RANGES[ask.range];
    }

    async #load(ask, about) {
      const since = this.#since(ask, about);
      const start = Number.isFinite(since) ? iso(since) : undefined;
      const end = ask.to === undefined ? undefined : iso(ask.to);
      const [found, told] = await Promise.all([
        api.pages(this.#path(), "samples", { start, end, order: "desc", limit: PAGE }, MOST),
        api.get("events", { metric: ask.uid, start, end, limit: PAGE }),
      ]);
      this.#complete = found.whole;
      const series = new Series(about?.kind);
      series.add(found.rows.reverse());
      series.events = told.events.map(timed).reverse();
      return series;
    }

    #show() {
      const some = this.#series.times.length > 0;
      $("chart").hidden = !some;
      $("nothing").hidden = some;
      $("nothing").textContent = "No samples in this stretch of time.";
      this.#tellEvents();
      if (!some) return;
      this.#chart ??= new Chart($("chart"), {
        offset: this.#offset,
        onView: (_, whole) => { this.#whole = whole; $("whole").disabled = whole; },
      });
      this.#chart.show(this.#series);
    }

    #tellEvents() {
      const told = JSON.stringify(this.#series.events);
      if (told === this.#toldEvents) return;
      this.#toldEvents = told;
      $("events-head").textContent = words.many(this.#series.events.length, "event");
      events.table($("events"), this.#series.events, {
        offset: this.#offset,
        none: "No events in this stretch of time.",
        onPick: (event) => {
          this.#chart?.showEvent(event);
          $("chart").scrollIntoView({ block: "nearest", behavior: "smooth" });
        },
      });
    }

    /** Fetch what is missing; a fixed stretch of the past stays as it is. */
    async refresh(about) {
      if (!this.#live || !about) return;
      this.tell(about);
      const { times } = this.#series;
      if (!times.length) {
        if (about.samples) await this.open(this.#ask, about);
        return;
      }
      if (!(Date.parse(about.last_timestamp) > times[times.length - 1])) return;
      const ticket = this.#ticket, series = this.#series;
      const [found, told] = await Promise.all([
        api.pages(this.#path(), "samples", { start: iso(times.at(-1)), limit: PAGE }, MOST),
        api.get("events", { metric: this.#ask.uid, start: iso(times[0]), limit: PAGE }),
      ]);
      if (ticket !== this.#ticket) return;
      series.add(found.rows);
      series.events = told.events.map(timed).reverse();
      this.#changed = true;
      this.redraw(about);
    }

    /** Samples and events that were just committed; false if some are missing before them. */
    take(samples, newEvents) {
      if (!this.#live) return true;
      if (newEvents.length) {
        const ids = new Set(newEvents.map((event) => event.id));
        const others = this.#series.events.filter((event) => !ids.has(event.id));
        this.#series.events = [...others, ...newEvents.map(timed)]
          .sort((a, b) => a.start - b.start);
        this.#changed = true;
      }
      if (samples.length && !this.#series.continuedBy(samples)) return false;
      if (this.#series.add(samples)) this.#changed = true;
      return true;
    }

    /** Show what has come since the last drawing. */
    redraw(about) {
      if (!this.#changed || !this.#live || !this.#series.times.length) return;
      const series = this.#series;
      this.#changed = false;
      series.keepSince(this.#since(this.#ask, about));
      series.keep(MOST);
      series.events = series.events.filter((event) => event.end >= series.times[0]);
      this.tell(about);
      this.#tellEvents();
      this.#chart.update(series, !this.#whole);
    }

    /** Whether what is shown goes on growing. */
    get #live() { return this.#series !== null && this.#ask.to === undefined; }
  };
})();
