// How data comes in: snippets for every protocol, who is heard, and a place to drop a file.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, get, post } from "../../api";
import { useAsked } from "../../asked";
import { Trouble } from "../../parts/empty";
import { Snippet } from "../../parts/snippet";
import { change, usePlace } from "../../router";
import { useSession } from "../../session";
import { useTitle } from "../../title";
import { Heard } from "./heard";
import { FileReport } from "./report";
import { type Listener, type Setting, WAYS } from "./ways";
import "./add.css";

export function AddView(): ComponentChildren {
  const key = usePlace().query.get("way");
  const way = WAYS.find((one) => one.key === key) ?? WAYS[0];
  const listeners = useAsked<{ listeners: Listener[] }>((signal) => get("listeners", undefined, signal), []);
  const session = useSession();
  const [token, setToken] = useState("");
  useTitle("Add data");
  const needed = session.data?.needs_token ?? false;
  const setting: Setting = {
    origin: location.origin,
    host: location.hostname,
    token: needed ? token || "TOKEN" : null,
    listeners: listeners.data?.listeners ?? [],
  };
  return (
    <>
      <div class="view-head">
        <h1>Add data</h1>
      </div>
      <div class="add">
        <div>
          <div class="ways-in" role="tablist" aria-label="Ways in" onKeyDown={steer}>
            {WAYS.map((one) => (
              <button
                key={one.key}
                id={`way-${one.key}`}
                type="button"
                role="tab"
                aria-selected={one === way}
                aria-controls="way"
                tabIndex={one === way ? 0 : -1}
                onClick={() => change({ way: one.key })}
              >
                {one.name}
              </button>
            ))}
          </div>
          {way && (
            <section id="way" class="way" role="tabpanel" aria-labelledby={`way-${way.key}`}>
              <p class="muted">{way.about}</p>
              {needed && <TokenLine token={token} onToken={setToken} admin={session.data?.scope === "admin"} />}
              {way.snippets(setting).map((snippet) => (
                <Snippet key={snippet.title} {...snippet} />
              ))}
            </section>
          )}
        </div>
        <Heard />
      </div>
      <FileReport />
    </>
  );
}

/** Arrows move between tabs, as their role promises. */
function steer(event: KeyboardEvent): void {
  const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (by === 0 || !(event.currentTarget instanceof HTMLElement)) return;
  const tabs = [...event.currentTarget.querySelectorAll<HTMLElement>('[role="tab"]')];
  const at = tabs.indexOf(document.activeElement as HTMLElement);
  const next = tabs[(at + by + tabs.length) % tabs.length];
  next?.focus();
  next?.click();
}

interface TokenGiven {
  token: string;
  onToken(token: string): void;
  admin: boolean;
}

/** The token in the snippets: an existing one, or a new one that may do nothing but send. */
function TokenLine({ token, onToken, admin }: TokenGiven): ComponentChildren {
  const [failed, setFailed] = useState<ApiError>();
  async function make(): Promise<void> {
    try {
      const name = `sender of ${new Date().toISOString().slice(0, 16).replace("T", " ")}`;
      const made = await post<{ secret: string }>("tokens", { name, scope: "ingest" });
      onToken(made.secret);
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
  }
  return (
    <div class="bar">
      <label for="sender-token">Token</label>
      <input
        id="sender-token"
        class="grow"
        placeholder="shown in the snippets below, kept nowhere"
        autoComplete="off"
        value={token}
        onInput={(event) => onToken(event.currentTarget.value.trim())}
      />
      {admin && (
        <button type="button" onClick={() => void make()}>
          Make one for sending
        </button>
      )}
      {failed && <Trouble error={failed} />}
    </div>
  );
}
