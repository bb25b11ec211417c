import type { ComponentChildren } from "preact";

export function SettingsView({ section }: { section: string }): ComponentChildren {
  return <h1>Settings {section}</h1>;
}
