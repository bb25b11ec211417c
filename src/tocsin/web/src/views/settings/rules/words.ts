// A rule in words.
import { rarityOfScore, span, value } from "../../../format";
import type { AlertRule } from "./types";

/** "Alarms when it lasts 5 min; severity by score; tells ops." */
export function sentence(rule: AlertRule): string {
  if (!rule.alarm) return "Alarms nobody.";
  return `${[when(rule), severity(rule), told(rule)].join("; ")}.`;
}

function when(rule: AlertRule): string {
  const { minimum_s: length, least_score: score, direction } = rule;
  const terms = [
    ...(length > 0 ? [`lasts ${span(length * 1_000)}`] : []),
    ...(score > 0 ? [`is as rare as ${rarityOfScore(score)}`] : []),
    ...(direction === "both" ? [] : [`goes ${direction}`]),
    ...away(rule),
  ];
  const first = terms.length ? `Alarms when an event ${terms.join(" and ")}` : "Alarms at every event";
  return [first, ...budget(rule)].join("; ");
}

function away({ least_change: change, least_relative_change: share }: AlertRule): string[] {
  const floors = [...(change > 0 ? [value(change)] : []), ...(share > 0 ? [`${value(share * 100)} %`] : [])];
  return floors.length ? [`is ${floors.join(" and ")} away from what was expected`] : [];
}

function budget({ false_alarms_per_week: each, fleet_false_alarms_per_week: all }: AlertRule): string[] {
  return [
    ...(each === null ? [] : [`about ${value(each)} a week of each metric by chance`]),
    ...(all === null ? [] : [`about ${value(all)} a week of all together by chance`]),
  ];
}

function severity(rule: AlertRule): string {
  if (rule.severity) return `always ${rule.severity}`;
  const { warning_score: warning, critical_score: critical, worse_after_s: after } = rule;
  const later = after > 0 ? `, one worse after ${span(after * 1_000)}` : "";
  return `warning from ${warning}, critical from ${critical}${later}`;
}

function told({ routes }: AlertRule): string {
  if (routes === null) return "tells all channels";
  return routes.length ? `tells ${routes.join(", ")}` : "tells no channel";
}
