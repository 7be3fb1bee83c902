// The fleet as it is now: endpoints with instances and GPUs, components with copies, alarms, and the last events.

import { read } from "./api.js";
import { element, PALETTE, table } from "./elements.js";
import { ago, clock } from "./format.js";
import { STATES } from "./panel.js";

const BAD = new Set(["failed", "Failed", "unhealthy", "ALARM"]);

export class OverviewView {
  constructor(state) {
    this.state = state;
  }

  async open(host) {
    this.host = host;
    await this.refresh();
  }

  redraw() {}

  async refresh() {
    const fleet = await read("overview");
    const open = new Set([...this.host.querySelectorAll("details[open]")].map((one) => one.id));
    const alarms = fleet.alarms.filter((alarm) => !alarm.scaling), scaling = fleet.alarms.filter((alarm) => alarm.scaling);
    this.host.replaceChildren(
      element("h1", {}, "Fleet"),
      ...(fleet.endpoints.length ? fleet.endpoints.map(endpoint) : [element("p", { class: "quiet" }, "There is no endpoint. `make local` deploys one.")]),
      element("h2", {}, "Alarms"),
      alarms.length ? alarmTable(alarms, fleet.now) : element("p", { class: "quiet" }, "No alarm is deployed."),
      ...(scaling.length ? [details("scaling-alarms", `${scaling.length} alarms of scaling policies, ${scaling.filter((one) => one.state === "ALARM").length} of them in alarm (they change the number of copies, and page nobody)`, alarmTable(scaling, fleet.now), open)] : []),
      element("h2", {}, "Last events"),
      fleet.events.length ? eventTable(fleet.events) : element("p", { class: "quiet" }, "Nothing has happened yet."),
    );
    this.state.updated();
    return fleet;
  }
}

function details(id, text, inner, open) {
  return element("details", { id, open: open.has(id) }, element("summary", {}, text), inner);
}

function state(text) {
  return element("span", { class: `pill ${BAD.has(text) ? "bad" : ""}`, "data-state": text }, text);
}

function endpoint(one) {
  const names = one.components.map((component) => component.name);
  return element("section", { class: "endpoint" },
    element("header", {}, element("h2", {}, one.name), state(one.status)),
    one.failure ? element("p", { class: "bad" }, one.failure) : null,
    one.instances.length ? element("ul", { class: "instances" }, one.instances.map((instance) => machine(instance, names))) : element("p", { class: "quiet" }, "No instance: nothing is paid for, and the next request waits for one."),
    one.components.length ? componentTable(one.components) : element("p", { class: "quiet" }, "No component."));
}

function machine(instance, names) {
  const gpus = instance.gpus.map((gpu, index) => {
    const text = gpu ? `GPU ${index}: ${gpu.component}, copy ${gpu.copy} ${gpu.state}` : `GPU ${index}: free`;
    const box = element("li", { title: text, class: gpu ? `gpu ${gpu.state}` : "gpu free" }, element("span", { class: "hidden" }, text));
    if (gpu) box.style.setProperty("--own", `var(--c${Math.max(0, names.indexOf(gpu.component)) % PALETTE})`);
    return box;
  });
  const used = instance.gpus.filter((gpu) => gpu).length;
  return element("li", { class: "machine" },
    element("p", {}, element("b", {}, instance.type), " ", state(instance.status)),
    element("ul", { class: "gpus" }, gpus),
    element("small", {}, `${instance.id} · ${used} of ${instance.gpus.length} GPUs reserved`));
}

function componentTable(components) {
  const rows = components.map((one, index) => {
    const swatch = element("i", { class: "swatch" });
    swatch.style.background = `var(--c${index % PALETTE})`;
    const running = one.copies.filter((copy) => copy.state === "healthy").length;
    const copies = element("ul", { class: "copies" }, one.copies.map((copy) => element("li", {}, `${copy.id} `, state(copy.state),
      ` ${copy.requests} in flight${copy.outdated ? ", being replaced" : ""}${copy.failure ? `: ${copy.failure}` : ""}`)));
    const adapters = one.adapters.map((adapter) => element("div", {}, `${adapter.name} `, state(adapter.status)));
    return [
      element("div", {}, swatch, one.name),
      element("div", {}, state(one.status), one.failure ? element("div", { class: "bad" }, one.failure) : ""),
      { content: `${running} of ${one.wanted}`, class: running < one.wanted ? "bad" : "" },
      one.copies.length ? copies : "none",
      adapters.length ? element("div", {}, adapters) : "none",
    ];
  });
  return table(["Component", "Status", "Copies running", "Copies", "Adapters"], rows, "Components", { cards: true });
}

function alarmTable(alarms, now) {
  const rows = alarms.map((alarm) => [
    element("span", { class: "alarm", "data-state": alarm.state }, element("b", { class: "state" }, STATES[alarm.state] ?? alarm.state)),
    element("div", {}, element("b", {}, alarm.name), alarm.description && !alarm.scaling ? element("div", { class: "quiet" }, alarm.description) : ""),
    element("div", {}, alarm.reason, alarm.silent ? element("div", { class: "quiet" }, "its actions are off") : ""),
    { content: ago(now - alarm.since), class: "time" },
    alarm.runbook ? element("a", { href: alarm.runbook, target: "_blank", rel: "noopener noreferrer" }, "runbook") : "",
  ]);
  return table(["State", "Alarm", "Reason", "Since", "Runbook"], rows, "Alarms", { cards: true });
}

function eventTable(events) {
  const rows = events.map((event) => [{ content: clock(event.time, true), class: "time" }, event.what, element("span", { class: /FAILED|ROLLBACK|ALARM/.test(event.state) ? "bad" : "" }, event.state), event.reason]);
  return table(["Time", "What", "State", "Reason"], rows, "Last events", { cards: true });
}
