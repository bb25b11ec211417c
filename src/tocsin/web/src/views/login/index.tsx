// Shows a token to the service, which answers with a session.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, post } from "../../api";
import { go, usePlace } from "../../router";
import { useTitle } from "../../title";
import "./login.css";

export function LoginView(): ComponentChildren {
  const next = usePlace().query.get("next") ?? "/";
  const [token, setToken] = useState("");
  const [told, setTold] = useState("");
  const [busy, setBusy] = useState(false);
  useTitle("Log in");

  async function enter(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    try {
      await post("login", { token: token.trim() });
      go(next.startsWith("/") && !next.startsWith("//") ? next : "/", { replace: true });
    } catch (error) {
      setTold(wording(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form class="login card" onSubmit={(event) => void enter(event as SubmitEvent)}>
      <img src="/icon.svg" alt="" width="36" height="36" />
      <h1>Tocsin</h1>
      <label for="token">Token</label>
      <input
        id="token"
        type="password"
        autoComplete="current-password"
        autofocus
        required
        value={token}
        aria-describedby="login-told"
        onInput={(event) => setToken(event.currentTarget.value)}
      />
      <button class="main" type="submit" disabled={busy || token.trim() === ""}>
        {busy ? "Asking…" : "Enter"}
      </button>
      <p id="login-told" role="alert">
        {told}
      </p>
      <p class="muted small">
        Made on the machine of the service: <code>tocsin token create</code>, or <code>token</code> in its
        configuration.
      </p>
    </form>
  );
}

function wording(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 401) return "This token is not known here.";
  if (error.status === 429) return "Too many attempts; try again in a minute.";
  return error.message;
}
