// Rules, calendars, channels, tokens, and who changed what.
import type { ComponentChildren } from "preact";
import { ApiError, post } from "../../api";
import { Empty } from "../../parts/empty";
import { go, link } from "../../router";
import { useSession } from "../../session";
import { useTitle } from "../../title";
import { Calendars } from "./calendars";
import { Changes } from "./changes";
import { Channels } from "./channels";
import { Look } from "./look";
import { Rules } from "./rules";
import { Tokens } from "./tokens";
import "./settings.css";

interface Section {
  key: string;
  name: string;
  /** `entered`: somebody is now logged in as somebody else. */
  view(entered: () => void): ComponentChildren;
}

const SECTIONS: readonly Section[] = [
  { key: "rules", name: "Rules", view: () => <Rules /> },
  { key: "calendars", name: "Calendars", view: () => <Calendars /> },
  { key: "channels", name: "Channels", view: () => <Channels /> },
  { key: "tokens", name: "Tokens", view: (entered) => <Tokens entered={entered} /> },
  { key: "changes", name: "Changes", view: () => <Changes /> },
  { key: "look", name: "Look", view: () => <Look /> },
];

export function SettingsView({ section }: { section: string }): ComponentChildren {
  const shown = SECTIONS.find(({ key }) => key === (section || SECTIONS[0]?.key));
  const session = useSession();
  useTitle(shown ? `${shown.name} · Settings` : "Settings");
  return (
    <div class="settings">
      <div>
        <h1>Settings</h1>
        <nav class="sections" aria-label="Settings">
          {SECTIONS.map(({ key, name }) => (
            <a key={key} href={link(["settings", key])} aria-current={key === shown?.key ? "page" : undefined}>
              {name}
            </a>
          ))}
        </nav>
        {session.data?.needs_token && (
          <p class="who small muted">
            {session.data.name} ({session.data.scope}){" "}
            <button type="button" class="link" onClick={() => void leave()}>
              Log out
            </button>
          </p>
        )}
      </div>
      <section>{shown ? shown.view(session.again) : <Empty title="There are no such settings" />}</section>
    </div>
  );
}

async function leave(): Promise<void> {
  try {
    await post("logout", {});
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
  go("/login");
}
