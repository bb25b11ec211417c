// A file that was dropped: what was odd in it. Nothing of it is stored.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ask } from "../../api";
import { useAsked } from "../../asked";
import { takeFile, useDropped } from "../../dropped";
import { count, counted, ms, rarityOfScore, span } from "../../format";
import { Chart, type ChartData } from "../../parts/chart";
import { Empty, Loading, Trouble } from "../../parts/empty";
import { Icon } from "../../parts/icon";
import { Name } from "../../parts/name";
import { Time } from "../../parts/time";

interface FoundEvent {
  start: string;
  peak: string;
  end: string;
  anomaly_score: number;
  why: string;
  pattern: string;
  samples: number;
}

interface FoundSeries {
  title: string;
  name: string;
  labels: Record<string, string>;
  samples: number;
  readiness: { seen: number; needed: number };
  events_total: number;
  events: FoundEvent[];
  columns: ChartData;
}

interface Report {
  rows: number;
  samples: number;
  series_total: number;
  events_total: number;
  guess: string;
  notices: string[];
  refused: Record<string, number>;
  series: FoundSeries[];
}

const EVENTS_SHOWN = 8;

export function FileReport(): ComponentChildren {
  const { over, file } = useDropped();
  return (
    <section class="section" aria-labelledby="file-head">
      <div class="section-head">
        <h2 id="file-head">What was odd in a file?</h2>
        <span class="muted small">it is scanned here, and nothing of it is stored</span>
      </div>
      <div class={`drop ${over ? "over" : ""}`}>
        <Icon name="file" />
        <span>
          Drop a CSV, NDJSON or Parquet file anywhere on this page, or{" "}
          <label class="choose">
            choose one
            <input
              type="file"
              class="hidden-text"
              accept=".csv,.gz,.parquet,.ndjson,.jsonl,.json"
              onChange={(event) => takeFile(event.currentTarget.files?.[0])}
            />
          </label>
        </span>
      </div>
      {file && <Scanned file={file} key={`${file.name} ${file.size} ${file.lastModified}`} />}
    </section>
  );
}

function Scanned({ file }: { file: File }): ComponentChildren {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const answer = useAsked<Report>(
    (signal) =>
      ask("scan", {
        method: "POST",
        query: { name: file.name, timezone: zone },
        body: file,
        headers: { "Content-Type": "application/octet-stream" },
        signal,
      }),
    [file.name, file.size, file.lastModified],
  );
  if (answer.error) return <Trouble error={answer.error} again={answer.again} />;
  if (!answer.data) return <Loading rows={3} label={`Scanning ${file.name}`} />;
  const { data } = answer;
  return (
    <article class="file-report" aria-label={`Report of ${file.name}`}>
      <h3>{file.name}</h3>
      <p>
        <b>{counted(data.events_total, "event")}</b> in {counted(data.samples, "sample")} of{" "}
        {data.series_total === 1 ? "one series" : `${count(data.series_total)} series`}. <span class="muted">{data.guess}</span>
      </p>
      <Notices report={data} />
      {data.series.length === 0 && <Empty title="No series in this file" />}
      {data.series.map((series) => (
        <Series key={series.title} series={series} />
      ))}
      {data.series.length < data.series_total && (
        <p class="muted">The {count(data.series.length)} most unusual series are shown; tocsin scan shows all.</p>
      )}
    </article>
  );
}

function Notices({ report }: { report: Report }): ComponentChildren {
  const refused = Object.entries(report.refused).map(
    ([reason, many]) => `${counted(many, "row")} not taken: ${reason.replaceAll("_", " ")}`,
  );
  const told = [...report.notices, ...refused];
  if (told.length === 0) return null;
  return (
    <ul class="notices">
      {told.map((notice) => (
        <li key={notice}>{notice}</li>
      ))}
    </ul>
  );
}

function Series({ series }: { series: FoundSeries }): ComponentChildren {
  const { t } = series.columns;
  const whole = { from: t[0] ?? 0, to: t.at(-1) ?? 1 };
  const [view, setView] = useState(whole);
  const [all, setAll] = useState(false);
  const { seen, needed } = series.readiness;
  const marks = series.events.map((event) => ({ from: ms(event.start) / 1_000, to: ms(event.end) / 1_000, label: event.why }));
  const around = (event: FoundEvent): void => {
    const [start, end] = [ms(event.start) / 1_000, ms(event.end) / 1_000];
    const air = Math.max((end - start) * 2, (whole.to - whole.from) / 40);
    setView({ from: start - air, to: end + air });
  };
  return (
    <section class="member card">
      <div class="member-head">
        <h4>
          <Name metric={series} />
        </h4>
        <span class="space" />
        <span class="muted small">
          {counted(series.samples, "sample")} over {span((whole.to - whole.from) * 1_000)}
        </span>
        {(view.from !== whole.from || view.to !== whole.to) && (
          <button type="button" class="link small" onClick={() => setView(whole)}>
            All of it
          </button>
        )}
      </div>
      <Chart title={`${series.title}, with its events`} data={series.columns} {...view} marks={marks} height={150} onView={(from, to) => setView({ from, to })} />
      {seen < needed && <p class="muted">Too short to be judged: {count(seen)} of the {count(needed)} samples that it takes.</p>}
      <ul class="member-events">
        {series.events.slice(0, all ? undefined : EVENTS_SHOWN).map((event) => (
          <li key={event.start}>
            <Time at={event.start} />
            <span>
              {event.why || event.pattern} <span class="muted">({rarityOfScore(event.anomaly_score)})</span>
            </span>
            <button type="button" class="link" onClick={() => around(event)}>
              Look
            </button>
          </li>
        ))}
      </ul>
      {!all && series.events.length > EVENTS_SHOWN && (
        <button type="button" class="link" onClick={() => setAll(true)}>
          Show {counted(series.events.length - EVENTS_SHOWN, "more event")}
        </button>
      )}
    </section>
  );
}
