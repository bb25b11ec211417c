// Where the page is: the path and the query of its address, which every view can be found again by.
import { useSyncExternalStore } from "preact/compat";

export interface Place {
  /** The path in parts: /metrics/abc is ["metrics", "abc"]; the first view is []. */
  path: readonly string[];
  query: URLSearchParams;
  /** Path and query as one text. */
  href: string;
}

const followers = new Set<() => void>();
let place = read();

function read(): Place {
  const { pathname, search } = window.location;
  const path = pathname.split("/").filter(Boolean).map(decoded);
  return { path, query: new URLSearchParams(search), href: pathname + search };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function tell(): void {
  place = read();
  for (const follower of followers) follower();
}

function follow(follower: () => void): () => void {
  followers.add(follower);
  return () => followers.delete(follower);
}

/** The place that is shown now, also outside of components. */
export function here(): Place {
  return place;
}

export function usePlace(): Place {
  return useSyncExternalStore(follow, here);
}

/** Go to an address of this page; `replace`: the back button does not come back to the last one. */
export function go(href: string, { replace = false } = {}): void {
  if (href === place.href) return;
  if (replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  tell();
  if (!replace) window.scrollTo(0, 0);
}

/** An address of this page: parts are encoded, empty values of the query are left out. */
export function link(path: readonly (string | number)[], query: Query = {}): string {
  const given = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") given.set(key, String(value));
  }
  const asked = given.size ? `?${given}` : "";
  return `/${path.map((part) => encodeURIComponent(part)).join("/")}${asked}`;
}

export type Query = Record<string, string | number | boolean | null | undefined>;

/** Change parts of the present query; the rest of the address stays. */
export function change(query: Query, { replace = true } = {}): void {
  const all: Query = Object.fromEntries(place.query);
  go(link(place.path, { ...all, ...query }), { replace });
}

/** Follow clicks on plain links to places of this page without loading it anew. */
export function startRouter(): void {
  window.addEventListener("popstate", tell);
  document.addEventListener("click", (event) => {
    const anchor = event.target instanceof Element ? event.target.closest("a") : null;
    if (!anchor || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (anchor.origin !== location.origin || anchor.target || anchor.hasAttribute("download")) return;
    if (anchor.pathname.startsWith("/api/") || anchor.pathname === "/schema") return;
    event.preventDefault();
    go(anchor.pathname + anchor.search);
  });
}
