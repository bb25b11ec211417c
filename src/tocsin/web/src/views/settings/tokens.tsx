// Who may use the service.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, ask, get, post } from "../../api";
import { useAsked } from "../../asked";
import { useNow } from "../../clock";
import { Dialog } from "../../parts/dialog";
import { Empty, Loading, Trouble } from "../../parts/empty";
import { Snippet } from "../../parts/snippet";
import { Time } from "../../parts/time";

type Scope = "ingest" | "read" | "admin";

interface Token {
  id: number;
  name: string;
  scope: Scope;
  created: string;
  creator: string;
  expires: string | null;
  used: string | null;
}

const SCOPES: readonly (readonly [Scope, string])[] = [
  ["ingest", "only send samples"],
  ["read", "only look"],
  ["admin", "do everything"],
];

/** `entered`: the first token was made, and whoever made it is logged in with it. */
export function Tokens({ entered }: { entered(): void }): ComponentChildren {
  const answer = useAsked<{ tokens: Token[]; configured: boolean }>((signal) => get("tokens", undefined, signal), []);
  const [made, setMade] = useState<{ token: Token; secret: string }>();
  const [revoking, setRevoking] = useState<Token>();
  const tokens = answer.data?.tokens;
  return (
    <>
      <h2>Tokens</h2>
      {answer.error && !tokens && <Trouble error={answer.error} again={answer.again} />}
      {!tokens && !answer.error && <Loading rows={2} label="Loading tokens" />}
      {tokens?.length === 0 && <NoTokens configured={answer.data?.configured ?? false} />}
      {tokens && tokens.length > 0 && <Table tokens={tokens} revoke={setRevoking} />}
      {made && (
        <div class="made" role="status">
          <p>
            <b>{made.token.name}</b> is told this once; nobody can look it up later.
          </p>
          <Snippet title={`Token of ${made.token.name}`} text={made.secret} />
        </div>
      )}
      {tokens && (
        <Make
          first={tokens.length === 0 && !answer.data?.configured}
          made={(token) => {
            setMade(token);
            answer.again();
            entered();
          }}
        />
      )}
      {revoking && (
        <Revoke
          token={revoking}
          done={() => {
            setRevoking(undefined);
            answer.again();
          }}
        />
      )}
    </>
  );
}

function NoTokens({ configured }: { configured: boolean }): ComponentChildren {
  return configured ? (
    <Empty title="Only the token of the configuration">It may do everything; make others for those who should not.</Empty>
  ) : (
    <Empty title="No token is needed">
      Whoever reaches this address may do everything. From the first token on, everybody needs one.
    </Empty>
  );
}

function Table({ tokens, revoke }: { tokens: Token[]; revoke(token: Token): void }): ComponentChildren {
  const now = useNow();
  return (
    <div class="card table">
      <table class="stack">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">May</th>
            <th scope="col">Made</th>
            <th scope="col">Last used</th>
            <th scope="col">Good until</th>
            <th scope="col">
              <span class="hidden-text">Revoke</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {tokens.map((token) => (
            <tr key={token.id}>
              <td>
                <b>{token.name}</b>
              </td>
              <td>{SCOPES.find(([scope]) => scope === token.scope)?.[1] ?? token.scope}</td>
              <td>
                <Time at={token.created} /> <span class="muted">by {token.creator}</span>
              </td>
              <td>{token.used ? <Time at={token.used} now={now} /> : <span class="muted">never</span>}</td>
              <td>{token.expires ? <Time at={token.expires} /> : <span class="muted">for ever</span>}</td>
              <td class="number">
                <button type="button" onClick={() => revoke(token)} aria-label={`Revoke ${token.name}`}>
                  Revoke
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface MakeGiven {
  /** There is none yet: it must be one for everything. */
  first: boolean;
  made(token: { token: Token; secret: string }): void;
}

function Make({ first, made }: MakeGiven): ComponentChildren {
  const [name, setName] = useState("");
  const [scope, setScope] = useState<Scope>("ingest");
  const [days, setDays] = useState("");
  const [failed, setFailed] = useState<ApiError>();
  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    try {
      const wished = { name: name.trim(), scope: first ? "admin" : scope, ...(days && { days: Number(days) }) };
      const token = await post<{ token: Token; secret: string }>("tokens", wished);
      // why: whoever makes the first one would be locked out by it.
      if (first) await post("login", { token: token.secret });
      made(token);
      setName("");
      setFailed(undefined);
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
  }
  return (
    <form class="card panel make" onSubmit={(event) => void submit(event)}>
      <h3>Make a token</h3>
      <label>
        For whom
        <input required maxLength={100} value={name} placeholder="grafana, host-7, Anna…" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <label>
        May
        <select value={first ? "admin" : scope} disabled={first} onChange={(event) => setScope(event.currentTarget.value as Scope)}>
          {SCOPES.map(([key, does]) => (
            <option key={key} value={key}>
              {does}
            </option>
          ))}
        </select>
      </label>
      <label>
        Good for days
        <input type="number" min="1" max="36500" value={days} placeholder="for ever" onInput={(event) => setDays(event.currentTarget.value)} />
      </label>
      <button class="main" type="submit" disabled={name.trim() === ""}>
        Make it
      </button>
      {first && <p class="muted small">The first one may do everything, so that somebody can manage the others.</p>}
      {failed && <Trouble error={failed} />}
    </form>
  );
}

function Revoke({ token, done }: { token: Token; done(): void }): ComponentChildren {
  const [failed, setFailed] = useState<ApiError>();
  async function revoke(): Promise<void> {
    try {
      await ask(`tokens/${token.id}`, { method: "DELETE" });
      done();
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
  }
  return (
    <Dialog title={`Revoke ${token.name}?`} onClose={done}>
      <p>Whoever shows it is not let in any longer; what it was used for stops at once.</p>
      {failed && <Trouble error={failed} />}
      <div class="bar">
        <button class="main" type="button" onClick={() => void revoke()}>
          Revoke
        </button>
        <button type="button" onClick={done}>
          Keep it
        </button>
      </div>
    </Dialog>
  );
}
