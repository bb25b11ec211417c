// How the page looks on this device.
import type { ComponentChildren } from "preact";
import { chooseTheme, type Theme, useTheme } from "../../theme";

const THEMES: readonly (readonly [Theme, string])[] = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

export function Look(): ComponentChildren {
  const theme = useTheme();
  return (
    <>
      <h2>Look</h2>
      <div class="bar" role="group" aria-label="Light or dark">
        {THEMES.map(([key, name]) => (
          <button key={key} type="button" aria-pressed={key === theme} onClick={() => chooseTheme(key)}>
            {name}
          </button>
        ))}
      </div>
      <p class="muted">
        Times are those of this device: {Intl.DateTimeFormat().resolvedOptions().timeZone}. Colours and shapes
        stay apart for every kind of colour vision.
      </p>
    </>
  );
}
