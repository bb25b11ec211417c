"use strict";
// The overview: recent events in words, and a wall of small live charts.
var tocsin = globalThis.tocsin || {};

tocsin.Wall = (() => {
  const { Series, api, palette, spark, words, events: { element } } = tocsin;
  const $ = (id) => document.getElementById(id);
  const KEPT = 150, STEP = 60, AT_ONCE = 6;
  const FEW_EVENTS = matchMedia("(max-width: 56rem)").matches ? 3 : 6;
  const NEWS_MS = 3_600_000;

  /** A metric's labels in words: "host=a, az=1". */
  function labelled(labels) {
    return Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`).join(", ");
  }

  class Card {
    visible = false;
    #value = element("span", "last"); #state = element("span", "state");
    #canvas = element("canvas");

    constructor(about) {
      this.about = about;
      this.series = new Series(about.kind);
      this.link = element("a", "card metric");
      this.link.href = `#metric=${encodeURIComponent(about.uid)}`;
      this.link.dataset.uid = about.uid;
      const labels = labelled(about.labels);
      this.link.title = `${about.name} ${labels}`.trim();
      this.key = this.link.title.toLowerCase();
      this.#canvas.ariaHidden = "true";
      const first = element("span", "row"), second = element("span", "row");
      first.append(element("span", "name", about.name), this.#value);
      second.append(element("span", "labels", labels), this.#state);
      this.link.append(first, second, this.#canvas);
    }

    /** Take over newer facts. */
    tell(about, open) {
      if (about.kind !== this.about.kind) this.series = new Series(about.kind);
      this.about = about;
      this.link.classList.toggle("open", open);
      this.#tellValue();
      this.#state.textContent = open ? "open event"
        : about.status === "active" ? words.odds(about.anomaly_score) : words.status(about);
    }

    #tellValue() {
      this.#value.textContent = this.about.kind === "counter"
        ? `${words.short(this.series.values.at(-1))}/s` : words.short(this.about.last_value);
    }

    /** Take over samples that were just committed; false if some are missing before them. */
    take(samples) {
      const last = samples[samples.length - 1];
      const { readiness } = this.about;
      this.tell({
        ...this.about, samples: last.seq, last_timestamp: last.timestamp, last_value: last.value,
        anomaly_score: last.anomaly_score,
        readiness: { ...readiness, seen: readiness.seen + samples.length },
      }, this.link.classList.contains("open"));
      if (!this.series.continuedBy(samples)) return !this.visible;
      this.#add(samples);
      return true;
    }

    /** Whether the interface has samples that this card has not. */
    get behind() {
      const { times } = this.series;
      const newest = Date.parse(this.about.last_timestamp);
      return this.visible && newest > (times.length ? times[times.length - 1] : -Infinity);
    }

    async fetch() {
      const path = `metrics/${encodeURIComponent(this.about.uid)}/samples`;
      const { times } = this.series;
      const start = times.length ? new Date(times[times.length - 1]).toISOString() : undefined;
      const { samples } = await api.get(path, { start, order: "desc", limit: KEPT });
      const newest = samples.reverse();
      // why anew: more has come than was asked for, and a line must not hide the hole.
      if (newest.length && newest[0].seq > this.series.lastSeq + 1) {
        this.series = new Series(this.about.kind);
      }
      this.#add(newest);
    }

    #add(samples) {
      if (!this.series.add(samples)) return;
      this.series.keep(KEPT);
      this.#tellValue();
      this.draw();
    }

    draw() {
      const { times } = this.series;
      if (!this.visible || !times.length) return;
      const to = times[times.length - 1];
      spark.live(this.#canvas, this.series, { from: Math.min(times[0], to - 1), to });
    }
  }

  return class Wall {
    #cards = new Map(); #events = []; #shown = STEP; #eventsShown = FEW_EVENTS; #offset;
    #watch = new IntersectionObserver((seen) => this.#seen(seen), { rootMargin: "200px" });

    /** `offset`: ms that the clock shown is ahead of UTC. */
    constructor(offset) {
      this.#offset = offset;
      $("search").addEventListener("input", () => { this.#shown = STEP; this.arrange(); });
      $("more").addEventListener("click", () => { this.#shown += 4 * STEP; this.arrange(); });
      $("more-events").addEventListener("click", () => {
        this.#eventsShown += 4 * FEW_EVENTS;
        this.#tellEvents();
      });
      palette.onChange(() => this.draw());
      addEventListener("resize", () => this.draw());
    }

    /** Take over all metrics. */
    tell(metrics) {
      const known = new Set();
      for (const about of metrics) {
        known.add(about.uid);
        const card = this.#cards.get(about.uid) ?? new Card(about);
        this.#cards.set(about.uid, card);
        card.tell(about, card.link.classList.contains("open"));
      }
      for (const uid of this.#cards.keys()) if (!known.has(uid)) this.#forget(uid);
    }

    /** Take over the newest events, newest first. */
    tellEvents(events) {
      this.#events = events;
      const open = new Set(events.filter((event) => event.open).map((event) => event.metric));
      for (const [uid, card] of this.#cards) card.tell(card.about, open.has(uid));
      this.#tellEvents();
      this.arrange();
    }

    /** Samples of one metric that were just committed; false if something must be fetched. */
    take(uid, samples) { return this.#cards.get(uid)?.take(samples) ?? false; }

    #forget(uid) {
      this.#watch.unobserve(this.#cards.get(uid).link);
      this.#cards.delete(uid);
    }

    /** What is known of a metric, or undefined. */
    about(uid) { return this.#cards.get(uid)?.about; }

    /** What is known of all metrics. */
    get abouts() { return [...this.#cards.values()].map((card) => card.about); }

    /** Bring the cards in view up to date. */
    async fetch() {
      const behind = [...this.#cards.values()].filter((card) => card.behind);
      const worker = async () => { while (behind.length) await behind.pop().fetch(); };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    }

    draw() { for (const card of this.#cards.values()) card.draw(); }

    /** Put the cards in order; nothing in the page changes unless the order did. */
    arrange() {
      const wanted = $("search").value.trim().toLowerCase();
      const found = this.#ordered().filter((card) => card.key.includes(wanted));
      const shown = found.slice(0, this.#shown).map((card) => card.link);
      const wall = $("wall");
      const same = shown.length === wall.children.length
        && shown.every((link, i) => wall.children[i] === link);
      if (!same) {
        wall.replaceChildren(...shown);
        shown.forEach((link) => this.#watch.observe(link));
      }
      $("more").hidden = found.length <= this.#shown;
      $("found").textContent = wanted ? words.many(found.length, "metric") : "";
      $("empty").hidden = this.#cards.size > 0;
    }

    /**
     * Metrics with an event in the last hour first, the most improbable first; then by name.
     * why not by the newest score: cards would jump about with every sample.
     */
    #ordered() {
      const news = new Map();
      const since = Date.now() - NEWS_MS;
      for (const { metric, end, open, anomaly_score: score } of this.#events) {
        const isNews = open || Date.parse(end) >= since;
        if (isNews) news.set(metric, Math.max(news.get(metric) ?? 0, score));
      }
      const rank = (card) => news.get(card.about.uid) ?? -1;
      return [...this.#cards.values()]
        .sort((a, b) => rank(b) - rank(a) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    }

    #tellEvents() {
      $("no-events").hidden = this.#events.length > 0;
      $("more-events").hidden = this.#events.length <= this.#eventsShown;
      const lines = this.#events.slice(0, this.#eventsShown).map((event) => this.#line(event));
      // why: text that is only written anew takes the reader's selection and focus away.
      const text = lines.map((line) => line.textContent).join("\n");
      if (text === this.#toldText) return;
      this.#toldText = text;
      $("recent").replaceChildren(...lines);
    }
    #toldText = null;

    #line(event) {
      const start = Date.parse(event.start), end = Date.parse(event.end);
      const around = Math.max((end - start) * 3, 300_000);
      const line = element("li", event.open ? "open" : "");
      const link = element("a", "", event.name);
      const view = `from=${start - around}&to=${end + around}`;
      link.href = `#metric=${encodeURIComponent(event.metric)}&${view}`;
      const labels = labelled(event.labels);
      if (labels) link.append(" ", element("span", "labels", labels));
      const today = words.day(start, this.#offset) === words.day(Date.now(), this.#offset);
      const when = today ? words.time(start, this.#offset) : words.moment(start, this.#offset);
      const brief = end > start ? `lasted ${words.duration(end - start)}` : "";
      const lasted = event.open ? "still open" : brief;
      line.append(element("span", "when", when), link,
        element("span", "surprise", event.why || words.surprise(event)),
        element("span", "odds", words.odds(event.anomaly_score)),
        element("span", "lasted", lasted));
      return line;
    }

    #seen(entries) {
      for (const { target, isIntersecting } of entries) {
        const card = this.#cards.get(target.dataset.uid);
        if (!card) continue;
        card.visible = isIntersecting;
        if (isIntersecting) card.draw();
      }
      this.onSeen?.();
    }
  };
})();
