// Which events alarm, how severe they are, who is told: changed here, tried out, then saved.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, ask, get } from "../../../api";
import { useAsked } from "../../../asked";
import { Dialog } from "../../../parts/dialog";
import { Empty, Loading, Trouble } from "../../../parts/empty";
import { Time } from "../../../parts/time";
import { RuleForm } from "./form";
import { Preview } from "./preview";
import { type AlertRule, type RulesAnswer, USUAL } from "./types";
import { sentence } from "./words";

const STALE = 409;

export function Rules(): ComponentChildren {
  const answer = useAsked<RulesAnswer>((signal) => get("rules", undefined, signal), []);
  return (
    <>
      <h2>Rules</h2>
      <p class="muted">
        Which events alarm, how severe they are, and who is told. The first rule that matches a metric counts; without one,
        every event alarms, and all channels are told.
      </p>
      {!answer.data && !answer.error && <Loading rows={3} label="Loading rules" />}
      {answer.error && !answer.data && <Trouble error={answer.error} again={answer.again} />}
      {answer.data && <Editor stored={answer.data} again={answer.again} />}
    </>
  );
}

/** A rule and a number of its own, by which it is found when others move. */
interface Numbered {
  key: number;
  rule: AlertRule;
}

let lastKey = 0;

function numbered(rules: readonly AlertRule[]): Numbered[] {
  return rules.map((rule) => ({ key: ++lastKey, rule }));
}

function Editor({ stored, again }: { stored: RulesAnswer; again(): void }): ComponentChildren {
  const [base, setBase] = useState(stored);
  const [draft, setDraft] = useState(() => numbered(stored.rules));
  const [editing, setEditing] = useState<number | "new" | null>(null);
  const [tried, setTried] = useState<AlertRule[]>();
  const [failed, setFailed] = useState<ApiError>();
  const rules = draft.map(({ rule }) => rule);
  const dirty = JSON.stringify(rules) !== JSON.stringify(base.rules);

  function begin(from: RulesAnswer): void {
    setBase(from);
    setDraft(numbered(from.rules));
    settle();
  }
  function settle(): void {
    setEditing(null);
    setTried(undefined);
    setFailed(undefined);
  }
  function put(next: Numbered[]): void {
    setDraft(next);
    settle();
  }
  async function save(revision: number): Promise<void> {
    try {
      begin(await ask<RulesAnswer>("rules", { method: "PUT", body: { rules, revision } }));
      again();
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
  }
  return (
    <>
      <Source stored={base} reverted={begin} />
      {draft.length === 0 && editing !== "new" && <Empty title="No rules">Every event alarms, and all channels are told.</Empty>}
      {draft.length > 0 && (
        <ol class="rules card">
          {draft.map(({ key, rule }, at) => (
            <li key={key}>
              {editing === key ? (
                <RuleForm
                  rule={rule}
                  action="Done"
                  done={(changed) => put(draft.map((one) => (one.key === key ? { key, rule: changed } : one)))}
                  cancel={() => setEditing(null)}
                />
              ) : (
                <Row
                  rule={rule}
                  number={at + 1}
                  last={at === draft.length - 1}
                  edit={() => setEditing(key)}
                  remove={() => put(draft.filter((one) => one.key !== key))}
                  move={(by) => put(moved(draft, at, by))}
                />
              )}
            </li>
          ))}
        </ol>
      )}
      {editing === "new" ? (
        <div class="card panel">
          <RuleForm rule={USUAL} action="Add the rule" done={(rule) => put([...draft, ...numbered([rule])])} cancel={() => setEditing(null)} />
        </div>
      ) : (
        <div class="bar">
          <button type="button" onClick={() => setEditing("new")}>
            Add a rule
          </button>
          <span class="space" />
          {dirty && (
            <>
              <button type="button" onClick={() => begin(base)}>
                Discard the changes
              </button>
              <button type="button" onClick={() => setTried(rules)}>
                Try them out
              </button>
              <button class="main" type="button" onClick={() => void save(base.revision)}>
                Save
              </button>
            </>
          )}
        </div>
      )}
      {failed && failed.status !== STALE && <Trouble error={failed} />}
      {failed?.status === STALE && <Conflict theirs={begin} mine={save} />}
      {tried && <Preview rules={tried} />}
    </>
  );
}

function moved(draft: readonly Numbered[], at: number, by: number): Numbered[] {
  const next = [...draft];
  next.splice(at + by, 0, ...next.splice(at, 1));
  return next;
}

interface RowGiven {
  rule: AlertRule;
  number: number;
  last: boolean;
  edit(): void;
  remove(): void;
  move(by: number): void;
}

function Row({ rule, number, last, edit, remove, move }: RowGiven): ComponentChildren {
  const named = `rule ${number}`;
  return (
    <div class="rule">
      <div>
        <code>{rule.match}</code>
        <p class="muted">{sentence(rule)}</p>
      </div>
      <div class="bar">
        <button class="plain" type="button" disabled={number === 1} aria-label={`Move ${named} up`} onClick={() => move(-1)}>
          ↑
        </button>
        <button class="plain" type="button" disabled={last} aria-label={`Move ${named} down`} onClick={() => move(1)}>
          ↓
        </button>
        <button type="button" aria-label={`Edit ${named}`} onClick={edit}>
          Edit
        </button>
        <button type="button" aria-label={`Remove ${named}`} onClick={remove}>
          Remove
        </button>
      </div>
    </div>
  );
}

/** Where the rules come from, and the way back to those of the file. */
function Source({ stored, reverted }: { stored: RulesAnswer; reverted(rules: RulesAnswer): void }): ComponentChildren {
  const [asked, setAsked] = useState(false);
  const [failed, setFailed] = useState<ApiError>();
  async function back(): Promise<void> {
    try {
      reverted(await ask<RulesAnswer>("rules", { method: "DELETE", query: { revision: stored.revision } }));
      setAsked(false);
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
  }
  if (stored.source === "file") return <p class="small muted">As the configuration says. Rules that are saved here count instead.</p>;
  return (
    <p class="small muted">
      Saved here{stored.author && ` by ${stored.author}`}
      {stored.at && (
        <>
          , <Time at={stored.at} />
        </>
      )}
      ; those of the configuration do not count.{" "}
      <button type="button" class="link" onClick={() => setAsked(true)}>
        Back to the configuration's
      </button>
      {asked && (
        <Dialog title="Back to the rules of the configuration?" onClose={() => setAsked(false)}>
          <p>The rules that were saved here stop counting at once.</p>
          {failed && <Trouble error={failed} />}
          <div class="bar">
            <button class="main" type="button" onClick={() => void back()}>
              Go back to them
            </button>
            <button type="button" onClick={() => setAsked(false)}>
              Keep these
            </button>
          </div>
        </Dialog>
      )}
    </p>
  );
}

interface ConflictGiven {
  theirs(rules: RulesAnswer): void;
  mine(revision: number): Promise<void>;
}

/** Somebody else saved rules since these were loaded. */
function Conflict({ theirs, mine }: ConflictGiven): ComponentChildren {
  const answer = useAsked<RulesAnswer>((signal) => get("rules", undefined, signal), []);
  const { data } = answer;
  return (
    <div class="trouble" role="alert">
      <p>
        {data?.author || "Somebody"} saved other rules in the meantime
        {data?.at && (
          <>
            , <Time at={data.at} />
          </>
        )}
        . Nothing of yours is saved.
      </p>
      <button type="button" disabled={!data} onClick={() => data && theirs(data)}>
        Show those, drop mine
      </button>
      <button type="button" disabled={!data} onClick={() => data && void mine(data.revision)}>
        Save mine over them
      </button>
    </div>
  );
}
