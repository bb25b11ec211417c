// Light or dark, as the system says or as chosen here; and the colours in force, for canvases.
import { useSyncExternalStore } from "preact/compat";

export type Theme = "system" | "light" | "dark";

const KEY = "tocsin-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const followers = new Set<() => void>();

let chosen = stored();
let colours: Colours | null = null;

function stored(): Theme {
  try {
    const found = localStorage.getItem(KEY);
    return found === "light" || found === "dark" ? found : "system";
  } catch {
    return "system";
  }
}

function apply(): void {
  document.documentElement.dataset["theme"] =
    chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
  colours = null;
  for (const follower of followers) follower();
}

export function startTheme(): void {
  dark.addEventListener("change", apply);
  apply();
}

export function chooseTheme(theme: Theme): void {
  chosen = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Kept for as long as the page is open, then.
  }
  apply();
}

/** The other one of light and dark. */
export function switchTheme(): void {
  chooseTheme(document.documentElement.dataset["theme"] === "dark" ? "light" : "dark");
}

function follow(follower: () => void): () => void {
  followers.add(follower);
  return () => followers.delete(follower);
}

export function useTheme(): Theme {
  return useSyncExternalStore(follow, () => chosen);
}

const NAMES = [
  "paper", "desk", "ink", "muted", "rule", "line", "band", "expected", "mark", "mark-soft", "score",
  "critical", "warning", "info",
] as const;

export type Colours = Record<(typeof NAMES)[number], string>;

function present(): Colours {
  if (colours === null) {
    const style = getComputedStyle(document.documentElement);
    const found = NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]);
    colours = Object.fromEntries(found) as Colours;
  }
  return colours;
}

/** The colours in force; who uses them is drawn anew when they change. */
export function useColours(): Colours {
  return useSyncExternalStore(follow, present);
}
