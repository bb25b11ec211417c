// Who changed what: the audit log.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, get } from "../../api";
import { useAsked } from "../../asked";
import { Empty, Loading, Trouble } from "../../parts/empty";
import { Time } from "../../parts/time";

interface Change {
  id: number;
  at: string;
  who: string;
  address: string;
  what: string;
  target: string;
  details: Record<string, unknown>;
  status: number | null;
}

interface Page {
  changes: Change[];
  cursor: string | null;
}

const LIMIT = 100;

export function Changes(): ComponentChildren {
  const answer = useAsked<Page>((signal) => get("audit", { limit: LIMIT }, signal), []);
  const [older, setOlder] = useState<Page[]>([]);
  const [failed, setFailed] = useState<ApiError>();
  const next = (older.at(-1) ?? answer.data)?.cursor;
  const changes = [...(answer.data?.changes ?? []), ...older.flatMap((page) => page.changes)];
  async function more(): Promise<void> {
    try {
      const page = await get<Page>("audit", { limit: LIMIT, cursor: next });
      setOlder((before) => [...before, page]);
      setFailed(undefined);
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
  }
  return (
    <>
      <h2>Changes</h2>
      <p class="muted">Everything that was asked for beyond looking and sending samples.</p>
      {answer.error && !answer.data && <Trouble error={answer.error} again={answer.again} />}
      {!answer.data && !answer.error && <Loading rows={4} label="Loading changes" />}
      {answer.data && changes.length === 0 && <Empty title="Nothing was changed yet" />}
      {changes.length > 0 && <Table changes={changes} />}
      {failed && <Trouble error={failed} />}
      {next && (
        <p>
          <button type="button" onClick={() => void more()}>
            Older changes
          </button>
        </p>
      )}
    </>
  );
}

function Table({ changes }: { changes: Change[] }): ComponentChildren {
  return (
    <div class="card table">
      <table class="changes stack">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Who</th>
            <th scope="col">What</th>
            <th scope="col">Of</th>
            <th scope="col">Outcome</th>
          </tr>
        </thead>
        <tbody>
          {changes.map((change) => (
            <tr key={change.id}>
              <td>
                <Time at={change.at} />
              </td>
              <td>
                {change.who} <span class="muted">{change.address}</span>
              </td>
              <td>
                {worded(change.what)} <span class="muted">{details(change.details)}</span>
              </td>
              <td>{change.target}</td>
              <td>{outcome(change.status)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** An address as what it does: "POST /api/v1/incidents/{number}/notes" → "incidents: notes". */
function worded(what: string): string {
  const [method = "", path = ""] = what.split(" ");
  if (!path.startsWith("/api/v1/")) return what;
  const parts = path.split("/").slice(3).filter((part) => !part.startsWith("{"));
  const verb = method === "DELETE" ? ["remove"] : parts.length === 1 && method !== "POST" ? ["change"] : [];
  return [...parts, ...verb].join(": ").replaceAll("_", " ");
}

function details(given: Record<string, unknown>): string {
  return Object.entries(given)
    .map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}

function outcome(status: number | null): ComponentChildren {
  if (status === null) return <span class="bad">not finished</span>;
  return status < 400 ? "done" : <span class="bad">refused ({status})</span>;
}
