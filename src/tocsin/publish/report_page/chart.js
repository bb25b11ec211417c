"use strict";
// The large chart of one series: value, expectation, band, events, and the score strip below.
// Needs plotly (global `Plotly`); everything that touches plotly is in this file.
var tocsin = globalThis.tocsin || {};

tocsin.Chart = (() => {
  const { thin, traces, words, palette } = tocsin;
  const NARROW = 560;
  const CONFIG = {
    displayModeBar: false, scrollZoom: false, doubleClick: false, responsive: false,
    showTips: false,
  };

  class Chart {
    #host; #plot; #tip; #offset; #series = null; #view = null; #held = false; #late = false;
    #onView;

    /**
     * Draws into `host`. `offset`: ms that the clock shown is ahead of UTC. `onView(view, whole)`
     * is told every new view.
     */
    constructor(host, { offset = 0, onView = () => {} } = {}) {
      this.#host = host;
      this.#offset = offset;
      this.#onView = onView;
      this.#plot = host.appendChild(document.createElement("div"));
      this.#plot.className = "plot";
      this.#tip = host.appendChild(document.createElement("div"));
      this.#tip.className = "tip";
      this.#tip.hidden = true;
      this.#follow();
    }

    /** The columns that are drawn now, or null. */
    get series() { return this.#series; }

    /** What is in view: {from, to} in ms. */
    get view() { return this.#view; }

    /** The view that shows everything. */
    get whole() {
      const { times } = this.#series;
      if (!times.length) return { from: 0, to: 1000 };
      const from = times[0], to = times[times.length - 1];
      const pad = (to - from) * 0.01 || 1000;
      return { from: from - pad, to: to + pad };
    }

    /** Show a series: {times, values, expected, lower, upper, score, alert, events}. */
    show(series, view = null) {
      this.#series = traces.prepare(series);
      this.#tip.hidden = true;
      this.setView(view ?? this.whole);
    }

    /** Show newer columns of the same series; the view stays, or goes on showing everything. */
    update(series, keep) {
      this.#series = traces.prepare(series);
      this.setView(keep ? this.#view : this.whole);
    }

    /** Show this stretch of time, kept within what there is. */
    setView({ from, to }) {
      const whole = this.whole;
      const least = Math.max(thin.interval(this.#series.times) * 4, 1e-3);
      const span = Math.min(Math.max(to - from, least), whole.to - whole.from);
      const start = Math.min(Math.max((from + to - span) / 2, whole.from), whole.to - span);
      this.#view = { from: start, to: start + span };
      this.#draw();
      this.#onView(this.#view, span >= (whole.to - whole.from) * 0.999);
    }

    /** Back to everything. */
    reset() { this.setView(this.whole); }

    /** Zoom about the middle: factor 0.5 shows half as much. */
    zoom(factor) {
      const { from, to } = this.#view;
      const middle = (from + to) / 2, half = ((to - from) / 2) * factor;
      this.setView({ from: middle - half, to: middle + half });
    }

    /** Move by a part of what is in view: 0.5 is half a window later. */
    shift(part) {
      const { from, to } = this.#view;
      const by = (to - from) * part;
      this.setView({ from: from + by, to: to + by });
    }

    /** Show one event with its surroundings. */
    showEvent(event) {
      const near = thin.interval(this.#series.times) * 60;
      const around = Math.max((event.end - event.start) * 2, near, 1);
      this.setView({ from: event.start - around, to: event.end + around });
    }

    #follow() {
      let width = 0;
      new ResizeObserver(([entry]) => {
        if (entry.contentRect.width === width) return;
        width = entry.contentRect.width;
        if (this.#series) this.#draw();
      }).observe(this.#host);
      palette.onChange(() => this.#series && this.#draw());
      // why: drawing anew under a finger that drags would tear the drag off.
      this.#plot.addEventListener("pointerdown", () => { this.#held = true; });
      addEventListener("pointerup", () => this.#release());
      addEventListener("pointercancel", () => this.#release());
      // why not plotly's own wheel: it needs some forty turns from five years to a day.
      this.#plot.addEventListener("wheel", (turn) => this.#wheel(turn), { passive: false });
      this.#plot.addEventListener("mouseleave", () => { this.#tip.hidden = true; });
    }

    #wheel(turn) {
      if (!this.#series) return;
      turn.preventDefault();
      const first = !this.#turned;
      this.#turned ??= { x: 0, y: 0, clientX: 0 };
      const unit = turn.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      this.#turned.x += turn.deltaX * unit;
      this.#turned.y += turn.deltaY * unit;
      this.#turned.clientX = turn.clientX;
      // why once a frame: a touch pad turns more often than a chart can be drawn.
      if (first) requestAnimationFrame(() => this.#turn());
    }
    #turned = null;

    #turn() {
      const { x, y, clientX } = this.#turned;
      this.#turned = null;
      const { left, width } = this.#host.getBoundingClientRect();
      const { l, r } = margins(width < NARROW);
      const { from, to } = this.#view;
      const part = Math.min(1, Math.max(0, (clientX - left - l) / (width - l - r)));
      const span = (to - from) * Math.exp(Math.max(-1, Math.min(1, y / 400)));
      const start = from + part * (to - from - span) + (x / width) * span;
      this.setView({ from: start, to: start + span });
    }

    #release() {
      this.#held = false;
      if (this.#late) this.#draw();
    }

    #draw() {
      this.#late = this.#held;
      if (this.#late) return;
      const first = !this.#plot.classList.contains("js-plotly-plot");
      const { data, layout } = this.#figure();
      Plotly.react(this.#plot, data, layout, CONFIG);
      if (first) this.#listen();
    }

    #listen() {
      this.#plot.on("plotly_relayout", (change) => this.#moved(change));
      this.#plot.on("plotly_doubleclick", () => this.reset());
      this.#plot.on("plotly_hover", (hit) => this.#hover(hit));
      this.#plot.on("plotly_unhover", () => { this.#tip.hidden = true; });
    }

    #moved(change) {
      const range = change["xaxis.range"] ?? [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (range[0] === undefined) return;
      this.#held = false;
      const [from, to] = range.map((edge) => toMs(edge) - this.#offset);
      this.setView({ from, to });
    }

    #figure() {
      const colours = palette.colours();
      const width = this.#host.clientWidth;
      const narrow = width < NARROW;
      const window = traces.windowOf(this.#series, this.#view, width);
      const events = traces.eventsIn(this.#series, window);
      return {
        data: this.#data(colours, window, events),
        layout: this.#layout(colours, window, events, { width, narrow }),
      };
    }

    #data(colours, window, events) {
      const series = this.#series, offset = this.#offset;
      const quiet = { type: "scatter", hoverinfo: "skip" };
      const marks = traces.marks(events, window.width);
      return [
        { ...quiet, name: "band", ...traces.polygons(series, window, offset), mode: "lines",
          fill: "toself", fillcolor: colours.band, line: { width: 0 } },
        { ...quiet, name: "expected", ...traces.path(series, series.expected, window, offset),
          mode: "lines", line: { color: colours.expected, width: 1.25, dash: "dot" } },
        { type: "scatter", name: "value", ...traces.path(series, series.values, window, offset),
          mode: "lines", hoverinfo: "none", line: { color: colours.line, width: 1.6 } },
        { type: "scatter", name: "samples", ...traces.dots(series, window, offset),
          mode: "markers", hoverinfo: "none", marker: { color: colours.line, size: 5 } },
        { type: "scatter", name: "events", x: marks.map((event) => event.peak + offset),
          y: marks.map((event) => event.value), mode: "markers", hoverinfo: "none",
          cliponaxis: false,
          marker: { color: colours.mark, size: 10, symbol: "diamond",
            line: { color: colours.paper, width: 1.5 } } },
        { ...quiet, name: "anomaly score", ...traces.scores(series, window, offset), yaxis: "y2",
          mode: "lines", fill: "tozeroy", fillcolor: colours.score,
          line: { color: colours.score, width: 1 } },
        { ...quiet, name: "alert score", ...traces.stems(series, window, offset), yaxis: "y2",
          mode: "lines", line: { color: colours.mark, width: 3 } },
      ];
    }

    #layout(colours, window, events, { width, narrow }) {
      const { from, to } = this.#view, offset = this.#offset;
      const axis = {
        gridcolor: colours.rule, linecolor: colours.rule, zeroline: false,
        tickfont: { color: colours.muted, size: narrow ? 10 : 12 }, automargin: false,
      };
      return {
        width, height: this.#host.clientHeight, showlegend: false, hovermode: "x",
        hoverdistance: 40, dragmode: "pan",
        // why not transparent: the line under the pointer is outlined in this colour.
        paper_bgcolor: colours.paper, plot_bgcolor: "transparent",
        font: { family: getComputedStyle(document.body).fontFamily, color: colours.ink },
        margin: margins(narrow),
        xaxis: {
          ...axis, type: "date", range: [from + offset, to + offset], anchor: "y2",
          showspikes: true, spikemode: "across", spikesnap: "hovered data", spikethickness: 1,
          spikecolor: colours.muted, spikedash: "solid",
          tickformatstops: TICKS, nticks: narrow ? 4 : 10, ticks: "outside", ticklen: 5,
          tickcolor: colours.rule, fixedrange: false,
        },
        yaxis: {
          ...axis, domain: [0.28, 1], range: traces.valueRange(this.#series, this.#view),
          fixedrange: true, nticks: 7,
          ...tickText(traces.valueRange(this.#series, this.#view)),
        },
        yaxis2: {
          ...axis, domain: [0, 0.2], range: [0, 1.04], fixedrange: true, showgrid: false,
          tickvals: [0, 0.5, 1],
          ticktext: narrow ? ["0", "0.5", "1"] : ["0", "0.5 red", "1"],
        },
        shapes: [
          ...traces.spans(events, window.width).map((span) => ({
            type: "rect", layer: "below", xref: "x", yref: "paper", y0: 0, y1: 1,
            x0: span.from + offset, x1: span.to + offset,
            fillcolor: colours.markSoft, line: { width: 0 }, name: "event",
          })),
          level(traces.RED, colours.red), level(traces.YELLOW, colours.yellow),
        ],
      };
    }

    #hover(hit) {
      const at = toMs(hit.points[0].x) - this.#offset;
      const i = thin.nearest(this.#series.times, at);
      if (i < 0) return;
      this.#tip.replaceChildren(...this.#told(i).map(([kind, text]) => {
        const row = document.createElement("div");
        row.className = kind;
        row.textContent = text;
        return row;
      }));
      this.#tip.hidden = false;
      this.#place(hit.event);
    }

    #place(pointer) {
      const box = this.#host.getBoundingClientRect();
      const x = pointer.clientX - box.left;
      const right = x > box.width / 2;
      this.#tip.style.left = right ? "auto" : `${x + 16}px`;
      this.#tip.style.right = right ? `${box.width - x + 16}px` : "auto";
    }

    /** What to say about sample `i`: [class, text] rows. */
    #told(i) {
      const series = this.#series, offset = this.#offset;
      const rows = [
        ["when", `${words.moment(series.times[i], offset)} ${words.zone(offset)}`],
        [series.kind === "counter" ? "per second" : "value", words.number(series.values[i])],
      ];
      if (Number.isFinite(series.expected[i])) {
        const size = series.upper[i] - series.lower[i];
        const [usual, lower, upper] = [series.expected, series.lower, series.upper]
          .map((column) => words.roughly(column[i], size));
        rows.push(["usual", `expected ${usual}, band ${lower} to ${upper}`]);
      }
      rows.push(["odds", Number.isNaN(series.score[i])
        ? "still learning: no score yet" : `how improbable: ${words.odds(series.score[i])}`]);
      const time = series.times[i];
      const event = series.events.find((e) => e.start <= time && time <= e.end);
      if (event) rows.push(...this.#toldEvent(event));
      return rows;
    }

    #toldEvent(event) {
      const at = (ms) => words.moment(ms, this.#offset);
      const end = event.open ? "still open" : `end ${at(event.end)}`;
      return [
        ["event", `Event: ${words.odds(event.anomaly_score)}`],
        ["event-row", `start ${at(event.start)}`],
        ["event-row", `peak ${at(event.peak)}`],
        ["event-row", end],
        ["event-row", words.surprise(event)],
      ];
    }
  }

  const margins = (narrow) => ({ l: narrow ? 44 : 64, r: narrow ? 8 : 16, t: 12, b: 36 });

  const TICKS = [
    { dtickrange: [null, 1000], value: "%H:%M:%S.%L\n%d %b %Y" },
    { dtickrange: [1000, 60_000], value: "%H:%M:%S\n%d %b %Y" },
    { dtickrange: [60_000, 86_400_000], value: "%H:%M\n%d %b %Y" },
    { dtickrange: [86_400_000, "M1"], value: "%d %b\n%Y" },
    { dtickrange: ["M1", "M12"], value: "%b\n%Y" },
    { dtickrange: ["M12", null], value: "%Y" },
  ];

  /** SI prefixes read badly far from everyday numbers: plain powers of ten there. */
  function tickText([low, high]) {
    const size = Math.max(Math.abs(low), Math.abs(high));
    return size >= 1e15 || size < 1e-5
      ? { tickformat: ".3~e" } : size >= 1e5 ? { tickformat: "~s" } : { tickformat: ",~r" };
  }

  function level(score, colour) {
    return {
      type: "line", xref: "paper", x0: 0, x1: 1, yref: "y2", y0: score, y1: score, name: "level",
      line: { color: colour, width: 1, dash: "dash" },
    };
  }

  /** A time as plotly says it (number, or text without a zone, meant as UTC) in ms. */
  function toMs(said) {
    if (typeof said === "number") return said;
    const [date, clock = "00:00"] = said.split(" ");
    return Date.parse(`${date}T${clock.length === 2 ? clock + ":00" : clock}Z`);
  }

  return Chart;
})();
