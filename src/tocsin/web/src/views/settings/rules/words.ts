// A rule in words.
import { rarityOfScore, span } from "../../../format";
import type { AlertRule } from "./types";

/** "Alarms when it lasts 5 min; severity by score; tells ops." */
export function sentence(rule: AlertRule): string {
  if (!rule.alarm) return "Alarms nobody.";
  return `${[when(rule), severity(rule), told(rule)].join("; ")}.`;
}

function when({ minimum_s: length, least_score: score }: AlertRule): string {
  const terms = [
    ...(length > 0 ? [`lasts ${span(length * 1_000)}`] : []),
    ...(score > 0 ? [`is as rare as ${rarityOfScore(score)}`] : []),
  ];
  return terms.length ? `Alarms when an event ${terms.join(" and ")}` : "Alarms at every event";
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
