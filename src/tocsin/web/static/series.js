"use strict";
// A metric's newest samples as columns, in the shape that the charts take.
var tocsin = globalThis.tocsin || {};

tocsin.Series = (() => {
  const COLUMNS = ["times", "values", "expected", "lower", "upper", "score", "alert", "start"];
  const number = (x) => (x === null || x === undefined ? NaN : x);

  return class Series {
    times = []; values = []; expected = []; lower = []; upper = []; score = []; alert = [];
    start = [];
    events = [];
    lastSeq = 0;

    /** `kind`: "counter": the rate is shown, which is what is watched; else the value. */
    constructor(kind) { this.kind = kind; }

    /** Add samples as the interface gives them, oldest first; those already here are skipped. */
    add(samples) {
      let added = 0;
      for (const sample of samples) {
        if (sample.seq <= this.lastSeq) continue;
        this.lastSeq = sample.seq;
        this.times.push(Date.parse(sample.timestamp));
        this.values.push(number(this.kind === "counter" ? sample.rate : sample.value));
        this.expected.push(number(sample.expected));
        this.lower.push(number(sample.lower));
        this.upper.push(number(sample.upper));
        this.score.push(number(sample.anomaly_score));
        this.alert.push(number(sample.alert_score));
        this.start.push(sample.event === "start");
        added += 1;
      }
      return added;
    }

    /** Whether these samples follow on what is here, so that adding them leaves no hole. */
    continuedBy(samples) {
      return this.lastSeq > 0 && samples.length > 0 && samples[0].seq <= this.lastSeq + 1;
    }

    /** Forget all but the newest `count` samples. */
    keep(count) {
      const surplus = this.times.length - count;
      if (surplus > 0) for (const column of COLUMNS) this[column].splice(0, surplus);
    }

    /** Forget samples before `time` (ms). */
    keepSince(time) {
      this.keep(this.times.length - tocsin.thin.position(this.times, time));
    }
  };
})();
