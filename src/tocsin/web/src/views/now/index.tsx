// What is happening: open incidents, the state of the fleet, and what is most unusual.
import type { ComponentChildren } from "preact";
import { get } from "../../api";
import { useAsked } from "../../asked";
import { counted } from "../../format";
import { useListKeys } from "../../keys";
import { Empty, Loading, Trouble } from "../../parts/empty";
import { IncidentRow } from "../../parts/incident-row";
import { useIncidents } from "../../incidents";
import { useTitle } from "../../title";
import { FleetLine } from "./fleet";
import { Soon } from "./soon";
import type { Fleet, NowAnswer } from "./types";
import { Wall } from "./wall";
import "./now.css";

/** How often the ranking is asked for; samples of what is shown come by themselves. */
const EVERY_MS = 3_000;
const SHOWN = 8;

export function NowView(): ComponentChildren {
  const now = useAsked<NowAnswer>((signal) => get("now", undefined, signal), [], EVERY_MS);
  const incidents = useIncidents({ state: "unresolved", limit: SHOWN + 1 });
  useListKeys();
  const open = incidents.data?.incidents ?? [];
  useTitle(open.length ? `(${open.length}${open.length > SHOWN ? "+" : ""}) Now` : "Now");
  const fleet = now.data?.fleet;
  return (
    <>
      <h1 class="hidden-text">Now</h1>
      {fleet && <FleetLine fleet={fleet} />}
      {now.error && !now.data && <Trouble error={now.error} again={now.again} />}
      <section aria-labelledby="open-head">
        <div class="section-head">
          <h2 id="open-head">{open.length > SHOWN ? "Open incidents" : counted(open.length, "open incident")}</h2>
          <a class="small" href="/incidents?state=all">
            All incidents
          </a>
        </div>
        {incidents.error && !incidents.data && <Trouble error={incidents.error} again={incidents.again} />}
        {!incidents.data && !incidents.error && <Loading rows={2} label="Loading incidents" />}
        {incidents.data && open.length === 0 && <Quiet fleet={fleet} />}
        {open.length > 0 && (
          <ul class="incidents card">
            {open.slice(0, SHOWN).map((incident) => (
              <IncidentRow key={incident.id} incident={incident} />
            ))}
          </ul>
        )}
        {open.length > SHOWN && (
          <p class="more small">
            <a href="/incidents">More open incidents</a>
          </p>
        )}
      </section>
      <section class="section" aria-labelledby="wall-head">
        <div class="section-head">
          <h2 id="wall-head">Most unusual now</h2>
          <span class="muted small">the band is what was expected</span>
        </div>
        {now.data ? <Wall unusual={now.data.unusual} empty={now.data.fleet.metrics === 0} /> : <Loading rows={4} />}
      </section>
    </>
  );
}

/** No incident: whether that means anything yet. */
function Quiet({ fleet }: { fleet: Fleet | undefined }): ComponentChildren {
  if (fleet?.metrics === 0) {
    return (
      <Empty title="Nothing is watched yet">
        Send samples to this address and metrics appear by themselves. <a href="/add">Add data</a>
      </Empty>
    );
  }
  return (
    <Empty title="No incident">
      {fleet && fleet.warming_up > 0 ? <Soon warming={fleet.warming_up} all={fleet.metrics} /> : "All metrics behave like themselves."}
    </Empty>
  );
}
