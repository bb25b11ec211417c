// Search over all metrics, by parts of their names and labels.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get } from "../../api";
import { useAsked, useKept } from "../../asked";
import { count, counted } from "../../format";
import { useKeys } from "../../keys";
import { Empty, Loading, Trouble } from "../../parts/empty";
import { Icon } from "../../parts/icon";
import { change, here, usePlace } from "../../router";
import { useTitle } from "../../title";
import { Results } from "./results";
import type { Found, SearchAnswer } from "./types";
import "./search.css";

const STATUSES = [
  ["", "All"],
  ["active", "Watched"],
  ["warming_up", "Warming up"],
  ["error", "In error"],
  ["paused", "Paused"],
  ["unmonitored", "Not monitored"],
] as const;
const SORTS = [
  ["rank", "Most unusual now"],
  ["name", "Name"],
  ["changed", "Newest sample"],
] as const;
const PAGE = 50;
/** So long after the last letter it is asked. */
const TYPED_MS = 90;
const EVERY_MS = 10_000;
/** More than these are not counted. */
const COUNTED = 10_000;

export function SearchView(): ComponentChildren {
  const { query } = usePlace();
  const q = query.get("q") ?? "";
  const status = query.get("status") ?? "";
  const sort = query.get("sort") ?? "rank";
  const asked = { q: q || undefined, status: status || undefined, sort, limit: PAGE };
  const answer = useAsked<SearchAnswer>((signal) => get("search", asked, signal), [asked], EVERY_MS);
  // why kept: a list that goes away at every letter cannot be read.
  const shown = useKept(answer.data);
  const rest = useRest(asked, answer.data);
  const metrics = together(shown?.metrics ?? [], rest.metrics);
  useTitle(q ? `${q} · Search` : "Search");
  return (
    <div class="search">
      <h1 class="hidden-text">Search</h1>
      <Field q={q} waiting={answer.data === undefined && answer.error === undefined} />
      <div class="search-filters">
        <div class="bar" role="group" aria-label="Status">
          {STATUSES.map(([key, name]) => (
            <button key={key} type="button" aria-pressed={key === status} onClick={() => change({ status: key })}>
              {name}
            </button>
          ))}
        </div>
        <label class="sort">
          <span class="muted">Sort</span>
          <select value={sort} onChange={(event) => change({ sort: event.currentTarget.value })}>
            {SORTS.map(([key, name]) => (
              <option key={key} value={key}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p class="search-total small muted" role="status">
        {shown ? totalWords(shown) : ""}
      </p>
      {answer.error && <Trouble error={answer.error} again={answer.again} />}
      {!shown && !answer.error && <Loading rows={8} label="Searching" />}
      {shown && metrics.length === 0 && <Nothing q={q} status={status} />}
      {metrics.length > 0 && <Results metrics={metrics} words={q.split(/\s+/).filter(Boolean)} stale={answer.data === undefined} />}
      {rest.error && <Trouble error={rest.error} again={rest.more} />}
      {rest.next && (
        <p class="more">
          <button type="button" onClick={rest.more}>
            Show more
          </button>
        </p>
      )}
    </div>
  );
}

function totalWords({ total, metrics }: SearchAnswer): string {
  if (total === null) return `More than ${count(COUNTED)} metrics`;
  return total === 0 ? "" : total > metrics.length ? `${counted(total, "metric")}, the first ${count(metrics.length)} shown` : counted(total, "metric");
}

function together(first: readonly Found[], rest: readonly Found[]): Found[] {
  const known = new Set(first.map(({ uid }) => uid));
  return [...first, ...rest.filter(({ uid }) => !known.has(uid))];
}

/** What is typed is in the address a moment later; arrows lead into the list, Enter opens the first. */
function Field({ q, waiting }: { q: string; waiting: boolean }): ComponentChildren {
  const field = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(q);
  const said = useRef(q);
  const timer = useRef(0);
  useEffect(() => {
    // why not q: this may come so late that the field has said more since, which it keeps.
    const now = here().query.get("q") ?? "";
    if (now === said.current) return;
    // The address was changed by somebody else: the back button, or a link.
    said.current = now;
    setText(now);
  }, [q]);
  useEffect(() => {
    // why not on touch: the keyboard would cover what is found.
    if (matchMedia("(pointer: fine)").matches) field.current?.focus({ preventScroll: true });
    return () => window.clearTimeout(timer.current);
  }, []);
  function typed(value: string): void {
    setText(value);
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => {
      said.current = value.trim();
      change({ q: said.current });
    }, TYPED_MS);
  }
  useKeys([
    { key: "/", does: "To the search field", run: () => {
      field.current?.focus();
      field.current?.select();
    } },
    { key: "j", does: "Next", run: () => step(1, field.current) },
    { key: "k", does: "Previous", run: () => step(-1, field.current) },
    { key: "ArrowDown", does: "Next", run: () => step(1, field.current) },
    { key: "ArrowUp", does: "Previous", run: () => step(-1, field.current) },
  ]);
  function steer(event: KeyboardEvent): void {
    if (event.key === "ArrowDown") step(1, field.current);
    else if (event.key === "Enter") document.querySelector<HTMLElement>("main [data-item]")?.click();
    else if (event.key === "Escape" && text) typed("");
    else if (event.key === "Escape") field.current?.blur();
    else return;
    event.preventDefault();
  }
  return (
    <div class="search-field">
      <Icon name="search" />
      <input
        ref={field}
        type="search"
        aria-label="Search metrics"
        placeholder="Name or label: cpu host=web-1"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        maxLength={500}
        value={text}
        onInput={(event) => typed(event.currentTarget.value)}
        onKeyDown={steer}
      />
      <span class={`waiting ${waiting ? "on" : ""}`} aria-hidden="true" />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

/** Up and down through what was found; up from the first leads back to the field. */
function step(by: number, field: HTMLElement | null): void {
  const items = [...document.querySelectorAll<HTMLElement>("main [data-item]")];
  const at = items.indexOf(document.activeElement as HTMLElement);
  if (at + by < 0) field?.focus();
  else items[Math.min(at + by, items.length - 1)]?.focus();
}

function Nothing({ q, status }: { q: string; status: string }): ComponentChildren {
  if (!q && !status) {
    return (
      <Empty title="No metric yet">
        Metrics appear by themselves with their first sample. <a href="/add">Add data</a>
      </Empty>
    );
  }
  const name = STATUSES.find(([key]) => key === status)?.[1].toLowerCase();
  return (
    <Empty title={q ? `Nothing found for “${q}”${status ? `, ${name}` : ""}` : `No metric is ${name}`}>
      {q && <p>All words must occur in the name or the labels, in any order: fewer or shorter ones find more. Labels are found as key=value.</p>}
      <p class="bar nothing">
        {status && (
          <button type="button" onClick={() => change({ status: "" })}>
            Look in all statuses
          </button>
        )}
        {q && (
          <button type="button" onClick={() => change({ q: "", status: "" })}>
            Show all metrics
          </button>
        )}
      </p>
    </Empty>
  );
}

interface Rest {
  metrics: Found[];
  next: string | null;
  error: ApiError | undefined;
  more(): void;
}

/** The pages after the first. */
function useRest(asked: Record<string, string | number | undefined>, first: SearchAnswer | undefined): Rest {
  const [pages, setPages] = useState<SearchAnswer[]>([]);
  const [error, setError] = useState<ApiError>();
  const key = JSON.stringify(asked);
  const present = useRef(key);
  present.current = key;
  useEffect(() => setPages([]), [key]);
  const next = first ? (pages.at(-1) ?? first).next : null;
  async function more(): Promise<void> {
    try {
      const page = await get<SearchAnswer>("search", { ...asked, cursor: next });
      if (present.current === key) setPages((before) => [...before, page]);
      setError(undefined);
    } catch (failed) {
      if (failed instanceof ApiError) setError(failed);
    }
  }
  return { metrics: pages.flatMap(({ metrics }) => metrics), next, error, more: () => void more() };
}
