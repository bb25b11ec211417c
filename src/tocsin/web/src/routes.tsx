// Which view is shown at which address; a view is a folder under views/.
import type { ComponentChildren } from "preact";
import type { Place } from "./router";
import { AddView } from "./views/add";
import { IncidentView } from "./views/incident";
import { IncidentsView } from "./views/incident/list";
import { LoginView } from "./views/login";
import { MetricView } from "./views/metric";
import { NowView } from "./views/now";
import { SearchView } from "./views/search";
import { SettingsView } from "./views/settings";

interface Route {
  /** What the first part of the path is; null: there is none. */
  first: string | null;
  /** How many parts there are, at least and at most. */
  parts: [number, number];
  view(place: Place): ComponentChildren;
}

const ROUTES: readonly Route[] = [
  { first: null, parts: [0, 0], view: () => <NowView /> },
  { first: "incidents", parts: [1, 1], view: () => <IncidentsView /> },
  { first: "incidents", parts: [2, 2], view: ({ path }) => <IncidentView id={path[1] ?? ""} key={path[1]} /> },
  { first: "metrics", parts: [2, 2], view: ({ path }) => <MetricView uid={path[1] ?? ""} key={path[1]} /> },
  { first: "search", parts: [1, 1], view: () => <SearchView /> },
  { first: "add", parts: [1, 1], view: () => <AddView /> },
  { first: "settings", parts: [1, 2], view: ({ path }) => <SettingsView section={path[1] ?? ""} /> },
  { first: "login", parts: [1, 1], view: () => <LoginView /> },
];

/** The view of a place; undefined: there is none. */
export function viewOf(place: Place): ComponentChildren | undefined {
  const first = place.path[0] ?? null;
  const found = ROUTES.find(
    ({ first: name, parts: [least, most] }) =>
      name === first && place.path.length >= least && place.path.length <= most,
  );
  return found?.view(place);
}
