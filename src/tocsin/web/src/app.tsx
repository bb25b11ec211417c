// The shell: head, navigation, the view of the address, and what the keyboard does everywhere.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useKeys } from "./keys";
import { Empty } from "./parts/empty";
import { Help } from "./parts/help";
import { Icon, type IconName } from "./parts/icon";
import { Pulse } from "./parts/pulse";
import { go, usePlace } from "./router";
import { viewOf } from "./routes";
import { switchTheme } from "./theme";

const NAVIGATION: readonly { first: string; href: string; name: string; icon: IconName; keys: string }[] = [
  { first: "", href: "/", name: "Now", icon: "now", keys: "g n" },
  { first: "incidents", href: "/incidents", name: "Incidents", icon: "incident", keys: "g i" },
  { first: "search", href: "/search", name: "Search", icon: "search", keys: "g m" },
  { first: "add", href: "/add", name: "Add data", icon: "add", keys: "g a" },
  { first: "settings", href: "/settings", name: "Settings", icon: "settings", keys: "g s" },
];

export function App(): ComponentChildren {
  const place = usePlace();
  const [helped, setHelped] = useState(false);
  useKeys(
    [
      { key: "/", does: "Search metrics", run: () => go("/search") },
      ...NAVIGATION.map(({ href, name, keys }) => ({ key: keys, does: name, run: () => go(href) })),
      { key: "t", does: "Light or dark", run: switchTheme },
      { key: "?", does: "Show these keys", run: () => setHelped(true) },
    ],
    true,
  );
  const first = place.path[0] ?? "";
  if (first === "login") return <Main path={first}>{viewOf(place)}</Main>;
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <Head first={first} onHelp={() => setHelped(true)} />
      <Main path={place.path.join("/")}>{viewOf(place) ?? <Nowhere />}</Main>
      {helped && <Help onClose={() => setHelped(false)} />}
    </>
  );
}

function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Head({ first, onHelp }: { first: string; onHelp(): void }): ComponentChildren {
  return (
    <header class="head">
      <a class="brand" href="/" aria-label="Tocsin: now">
        <img src="/icon.svg" alt="" width="22" height="22" />
        <span>Tocsin</span>
      </a>
      <nav class="nav" aria-label="Views">
        {NAVIGATION.map(({ first: mine, href, name, icon }) => (
          <a key={mine} href={href} aria-current={mine === first ? "page" : undefined}>
            <Icon name={icon} />
            <span>{name}</span>
          </a>
        ))}
      </nav>
      <span class="space" />
      <Pulse />
      <button class="plain" type="button" title="Light or dark (t)" aria-label="Light or dark" onClick={switchTheme}>
        <Icon name="theme" />
      </button>
      <button class="plain wide" type="button" title="Keys (?)" aria-label="Keys" onClick={onHelp}>
        <Icon name="keys" />
      </button>
    </header>
  );
}

/** The view; whoever comes to another one by keyboard or reader is put at its beginning. */
function Main({ path, children }: { path: string; children: ComponentChildren }): ComponentChildren {
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  useEffect(() => {
    if (before.current !== path && !main.current?.contains(document.activeElement)) {
      main.current?.focus({ preventScroll: true });
    }
    before.current = path;
  }, [path]);
  return (
    <main id="main" ref={main} tabIndex={-1}>
      {children}
    </main>
  );
}

function Nowhere(): ComponentChildren {
  return (
    <Empty title="There is nothing at this address">
      <a href="/">See what is happening now</a>
    </Empty>
  );
}
