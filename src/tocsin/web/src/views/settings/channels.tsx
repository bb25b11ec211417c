// Where messages go, how each channel stands, trying one out, and messages that were given up.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, get, post } from "../../api";
import { useAsked } from "../../asked";
import { useNow } from "../../clock";
import { count } from "../../format";
import { Empty, Loading, Trouble } from "../../parts/empty";
import { Snippet } from "../../parts/snippet";
import { Time } from "../../parts/time";
import { link } from "../../router";

interface Channel {
  name: string;
  kind: string;
  place: string;
  pending: number;
  dead: number;
  last_sent: string | null;
  last_error: string | null;
}

interface Message {
  id: number;
  channel: string;
  incident: number;
  change: string;
  title: string;
  created: string;
  attempts: number;
  error: string | null;
}

const EVERY_MS = 5_000;
const DEAD_SHOWN = 100;
const EXAMPLE = `[[channel]]
name = "ops"
kind = "apprise"                # chat, mail, SMS, push: more than 100 services
url_env = "TOCSIN_OPS_URL"      # mailto://…, slack://…, tgram://…, ntfy://…

[[channel]]
name = "pager"
kind = "alertmanager"
url = "http://127.0.0.1:9093"`;

export function Channels(): ComponentChildren {
  const answer = useAsked<{ channels: Channel[] }>((signal) => get("channels", undefined, signal), [], EVERY_MS);
  const channels = answer.data?.channels;
  return (
    <>
      <h2>Channels</h2>
      {answer.error && !channels && <Trouble error={answer.error} again={answer.again} />}
      {!channels && !answer.error && <Loading rows={2} label="Loading channels" />}
      {channels?.length === 0 && (
        <>
          <Empty title="Nobody is told yet">
            Incidents show up on this page. For messages, put channels into tocsin.toml and start Tocsin again.
          </Empty>
          <Snippet title="tocsin.toml" text={EXAMPLE} />
        </>
      )}
      {channels && channels.length > 0 && (
        <ul class="channels card">
          {channels.map((channel) => (
            <ChannelRow key={channel.name} channel={channel} />
          ))}
        </ul>
      )}
      {channels?.some(({ dead }) => dead > 0) && <DeadLetters tried={answer.again} />}
    </>
  );
}

function ChannelRow({ channel }: { channel: Channel }): ComponentChildren {
  const now = useNow();
  const [told, setTold] = useState<{ ok: boolean; detail: string } | "asking">();
  async function test(): Promise<void> {
    setTold("asking");
    try {
      setTold(await post(`channels/${encodeURIComponent(channel.name)}/test`));
    } catch (error) {
      if (error instanceof ApiError) setTold({ ok: false, detail: error.message });
    }
  }
  return (
    <li>
      <div>
        <b>{channel.name}</b> <span class="tag">{channel.kind}</span>
        <p class="muted">{channel.place}</p>
      </div>
      <p class="channel-state">
        {channel.last_error ? <span class="bad">{channel.last_error}</span> : channel.last_sent ? "works" : "not used yet"}
        {channel.last_sent && (
          <span class="muted">
            {" "}
            last message <Time at={channel.last_sent} now={now} />
          </span>
        )}
        {channel.pending > 0 && <span class="muted"> {count(channel.pending)} waiting</span>}
        {channel.dead > 0 && <span class="bad"> {count(channel.dead)} given up</span>}
      </p>
      <button type="button" disabled={told === "asking"} onClick={() => void test()} aria-label={`Send a test message to ${channel.name}`}>
        Send a test
      </button>
      <p class={`told ${told && told !== "asking" && !told.ok ? "bad" : ""}`} role="status">
        {told === "asking" ? "Sending…" : told && `${told.ok ? "✓ " : ""}${told.detail}`}
      </p>
    </li>
  );
}

function DeadLetters({ tried }: { tried(): void }): ComponentChildren {
  const answer = useAsked<{ notifications: Message[] }>(
    (signal) => get("notifications", { status: "dead", limit: DEAD_SHOWN }, signal),
    [],
    EVERY_MS,
  );
  const [failed, setFailed] = useState<ApiError>();
  async function retry(id: number): Promise<void> {
    try {
      await post(`notifications/${id}/retry`);
      setFailed(undefined);
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
    }
    answer.again();
    tried();
  }
  return (
    <>
      <h3>Messages that were given up</h3>
      {(failed ?? answer.error) && <Trouble error={(failed ?? answer.error) as ApiError} />}
      <div class="card table">
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Channel</th>
              <th scope="col">Message</th>
              <th scope="col">Why</th>
              <th scope="col">
                <span class="hidden-text">Try again</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {answer.data?.notifications.map((message) => (
              <tr key={message.id}>
                <td>
                  <Time at={message.created} />
                </td>
                <td>{message.channel}</td>
                <td>
                  <a href={link(["incidents", message.incident])}>{message.title}</a> <span class="muted">{message.change}</span>
                </td>
                <td>
                  {message.error} <span class="muted">({count(message.attempts)} attempts)</span>
                </td>
                <td class="number">
                  <button type="button" onClick={() => void retry(message.id)}>
                    Try again
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
