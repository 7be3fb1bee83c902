// What has happened, as tables: scaling decisions, alarms, the plan next to what is measured, and events.

import { element, table } from "./elements.js";
import { ago, clock, STATES, value } from "./format.js";
import { words } from "./words.js";

// A time that updates itself: `follow` rewrites it as the clock of the embedded AWS moves.
function since(moment, now) {
  return element("span", { class: "time", "data-since": moment }, ago(now - moment));
}

export function follow(host, now) {
  for (const one of host.querySelectorAll("[data-since]")) one.textContent = ago(now - Number(one.dataset.since));
}

export function decisionTable(decisions, now) {
  if (!decisions.length) return element("p", { class: "quiet" }, words.noDecision);
  const rows = decisions.map((one) => [
    since(one.time, now),
    one.component,
    one.before === one.after ? `stays at ${one.after ?? "?"}` : `${one.before ?? "?"} → ${one.after ?? "?"}`,
    element("div", {}, one.figures ? element("b", {}, one.figures) : "", element("div", { class: "quiet" }, one.cause)),
    element("div", { class: /Unfulfilled|Failed|Already/.test(one.status) ? "bad" : "" }, one.status, one.message && one.status !== "Successful" ? element("div", {}, one.message) : ""),
  ]);
  return table(["When", "Component", "Copies", "Reason", "State"], rows, "Scaling decisions", { cards: true, id: "table-decisions" });
}

export function alarmTable(alarms, now, id) {
  const rows = alarms.map((alarm) => [
    element("span", { class: "alarm", "data-state": alarm.state }, element("b", { class: "state" }, STATES[alarm.state] ?? alarm.state)),
    element("div", {}, element("b", {}, alarm.name), alarm.description && !alarm.scaling ? element("div", { class: "quiet" }, alarm.description) : ""),
    element("div", {}, alarm.reason, alarm.silent ? element("div", { class: "quiet" }, "its actions are off") : ""),
    since(alarm.since, now),
    alarm.runbook ? element("a", { href: alarm.runbook, target: "_blank", rel: "noopener noreferrer" }, "runbook") : "",
  ]);
  return table(["State", "Alarm", "Reason", "Since", "Runbook"], rows, "Alarms", { cards: true, id });
}

export function eventTable(events) {
  const rows = events.map((event) => [{ content: clock(event.time, true), class: "time" }, event.what, element("span", { class: /FAILED|ROLLBACK|ALARM|KILLED|INJECTED/.test(event.state) ? "bad" : "" }, event.state), event.reason]);
  return table(["Time", "What", "State", "Reason"], rows, "Last events", { cards: true, id: "table-events" });
}

export function planTable(figures) {
  if (!figures.length) return element("p", { class: "quiet" }, words.noPlan);
  const rows = figures.map((one) => [
    element("div", {}, one.title, element("div", { class: "quiet" }, one.dashboard && one.component ? `${one.component}, on ` : one.component, one.dashboard ? element("a", { href: `?dashboard=${encodeURIComponent(one.dashboard)}` }, one.dashboard) : "")),
    one.low === null ? "–" : element("div", {}, `${value(one.low, one.unit)} – ${value(one.high, one.unit)}`, one.basis === "plan" ? "" : element("div", { class: "quiet" }, one.basis)),
    one.measured.length
      ? element("div", {}, one.measured.map((entry) => element("div", {}, element("b", {}, value(entry.value, one.unit)), ` ${entry.label}`, entry.within === null ? "" : element("span", { class: entry.within ? "good" : "quiet" }, entry.within ? " ✔ as planned" : entry.value > one.high ? " above the plan" : " below the plan"))))
      : element("div", { class: "quiet" }, one.notes[0] ?? "nothing was measured in this range"),
  ]);
  return table(words.planHead, rows, "The plan next to what is measured", { cards: true, id: "table-plan" });
}
