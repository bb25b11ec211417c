// What can be done with a metric: pause it, have it learn anew, take it away.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { address, ApiError, ask } from "../../api";
import { counted, iso } from "../../format";
import { Dialog } from "../../parts/dialog";
import { Trouble } from "../../parts/empty";
import { titleOf } from "../../parts/name";
import { go } from "../../router";
import type { Metric } from "./types";

const HOUR_S = 3_600;
const PAUSES = [
  [String(HOUR_S), "for 1 hour"],
  [String(4 * HOUR_S), "for 4 hours"],
  [String(24 * HOUR_S), "for a day"],
  [String(7 * 24 * HOUR_S), "for a week"],
  ["", "until it is resumed"],
] as const;

type Sure = "reset" | "unmonitor" | "delete";

export function Actions({ metric, changed }: { metric: Metric; changed(): void }): ComponentChildren {
  const [failed, setFailed] = useState<ApiError>();
  const [sure, setSure] = useState<Sure>();
  const menu = useRef<HTMLDetailsElement>(null);
  useClosing(menu);
  const path = `metrics/${encodeURIComponent(metric.uid)}`;
  const monitored = metric.status !== "unmonitored";

  async function act(what: string, until?: number): Promise<void> {
    menu.current?.removeAttribute("open");
    try {
      const query = until ? { query: { until: iso(until) } } : {};
      await ask(what ? `${path}/${what}` : path, { method: what ? "POST" : "DELETE", ...query });
      setFailed(undefined);
      setSure(undefined);
      if (!what) return go("/search");
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
    changed();
  }
  const ready = metric.status === "paused" || metric.status === "error";
  return (
    <div class="metric-actions">
      <div class="bar">
        {ready && (
          <button class="main" type="button" onClick={() => void act("resume")}>
            {metric.status === "error" ? "Try again now" : "Resume"}
          </button>
        )}
        {!monitored && (
          <button class="main" type="button" onClick={() => void act("monitor")}>
            Monitor it
          </button>
        )}
        {monitored && metric.status !== "paused" && <Pause pause={(until) => void act("pause", until)} />}
        <details class="menu" ref={menu}>
          <summary class="button">More</summary>
          <div class="menu-list card">
            {monitored && (
              <button type="button" onClick={() => setSure("reset")}>
                Learn anew…
              </button>
            )}
            {monitored && (
              <button type="button" onClick={() => setSure("unmonitor")}>
                Stop monitoring…
              </button>
            )}
            <a class="button" href={address(`${path}/export`)} download>
              Export as a file
            </a>
            <button type="button" class="danger" onClick={() => setSure("delete")}>
              Delete…
            </button>
          </div>
        </details>
      </div>
      {failed && !sure && <Trouble error={failed} />}
      {sure && (
        <Confirm what={sure} metric={metric} failed={failed} run={() => void act(sure === "delete" ? "" : sure)} onClose={() => {
          setSure(undefined);
          setFailed(undefined);
        }} />
      )}
    </div>
  );
}

function Pause({ pause }: { pause(until: number | undefined): void }): ComponentChildren {
  function choose(select: HTMLSelectElement): void {
    const seconds = select.value;
    select.value = "-";
    pause(seconds ? Date.now() + Number(seconds) * 1_000 : undefined);
  }
  return (
    <select aria-label="Pause" value="-" onChange={(event) => choose(event.currentTarget)}>
      <option value="-" disabled>
        Pause…
      </option>
      {PAUSES.map(([length, name]) => (
        <option key={length} value={length}>
          {name}
        </option>
      ))}
    </select>
  );
}

/** A menu is closed by Escape and by whatever happens beside it. */
function useClosing(menu: { current: HTMLDetailsElement | null }): void {
  useEffect(() => {
    const beside = (event: Event): void => {
      if (!menu.current?.contains(event.target as Node)) menu.current?.removeAttribute("open");
    };
    const escape = (event: KeyboardEvent): void => {
      if (event.key === "Escape") menu.current?.removeAttribute("open");
    };
    document.addEventListener("pointerdown", beside);
    document.addEventListener("keydown", escape);
    return () => {
      document.removeEventListener("pointerdown", beside);
      document.removeEventListener("keydown", escape);
    };
  }, []);
}

interface ConfirmGiven {
  what: Sure;
  metric: Metric;
  failed: ApiError | undefined;
  run(): void;
  onClose(): void;
}

function Confirm({ what, metric, failed, run, onClose }: ConfirmGiven): ComponentChildren {
  const { title, text, button } = SURE[what];
  return (
    <Dialog title={title} onClose={onClose}>
      <p class="sure-name">{titleOf(metric)}</p>
      <p>{text(metric)}</p>
      {failed && <Trouble error={failed} />}
      <div class="bar">
        <button class="main" type="button" onClick={run}>
          {button}
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}

const SURE: Record<Sure, { title: string; text(metric: Metric): string; button: string }> = {
  reset: {
    title: "Learn anew?",
    text: ({ readiness }) =>
      `What was learnt is forgotten. There are no scores until ${counted(readiness.needed, "new sample")} were seen; samples, results and events stay.`,
    button: "Learn anew",
  },
  unmonitor: {
    title: "Stop monitoring?",
    text: () => "What was learnt is forgotten, and from now on samples are only stored. Results and events stay.",
    button: "Stop monitoring",
  },
  delete: {
    title: "Delete this metric?",
    text: ({ samples }) =>
      `Its ${counted(samples, "sample")}, events, notes and what was learnt are removed. This cannot be undone; should samples of it come again, it begins anew.`,
    button: "Delete it",
  },
};
