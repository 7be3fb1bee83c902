// The fleet drawn: instances with their GPUs, components with their copies, and the requests that flow.

import { element, PALETTE, svg, table } from "./elements.js";
import { value } from "./format.js";
import { inAws, words } from "./words.js";

const BAD = new Set(["failed", "Failed", "unhealthy", "ALARM", "copies missing", "not deployed"]);

export function state(text) {
  return element("span", { class: `pill ${BAD.has(text) ? "bad" : ""}`, "data-state": text }, text);
}

export function endpoint(one, traffic, kill, scaling) {
  const names = one.components.map((component) => component.name);
  return element("section", { class: "endpoint", "aria-label": `Endpoint ${one.name}` },
    element("header", {}, element("h2", {}, one.name), one.status ? state(one.status) : null, one.cost ? element("span", { class: "cost", title: one.cost.note }, dollars(one)) : null),
    one.problem ? element("p", { class: "bad" }, one.problem) : null,
    one.failure ? element("p", { class: "bad" }, one.failure) : null,
    one.next ? element("p", { class: "quiet" }, one.next) : null,
    ...(one.cost ? drawn(one, traffic, kill, scaling, names) : []));
}

// Show nothing of an endpoint that was not read yet, or is not deployed.
function drawn(one, traffic, kill, scaling, names) {
  return [
    one.instances.length ? element("ul", { class: "instances" }, one.instances.map((instance) => machine(instance, names, one.components))) : element("p", { class: "quiet" }, words.noInstance),
    one.gpus?.length ? element("ul", { class: "instances", "aria-label": "Use of each GPU" }, one.gpus.map((instance) => used(instance, names))) : null,
    one.components.length ? componentTable(one, traffic, kill, scaling) : element("p", { class: "quiet" }, "No component."),
  ];
}

function dollars(one) {
  const unknown = one.cost.unknown.length ? `, without ${one.cost.unknown.join(", ")}` : "";
  return `${one.cost.usd.toFixed(2)} ${words.ofEndpoint}${unknown}`;
}

function machine(instance, names, components) {
  const copies = components.flatMap((component) => component.copies ?? []);
  const seen = new Set();
  const gpus = instance.gpus.map((gpu, index) => {
    const copy = gpu && copies.find((one) => one.id === gpu.copy);
    const busy = copy ? copy.requests : 0;
    const reserved = gpu && !gpu.copy ? `a GPU that ${gpu.component} reserves` : `GPU ${index}: ${gpu?.component}, copy ${gpu?.copy} ${gpu?.state}, ${busy} requests in flight`;
    const text = gpu ? reserved : instance.count === undefined ? `GPU ${index}: free` : instance.placed ? "a GPU that no copy reserves" : "a GPU for which AWS does not report whether it is reserved";
    const first = gpu?.copy && !seen.has(gpu.copy);
    if (gpu) seen.add(gpu.copy);
    const box = element("li", { title: text, class: gpu ? `gpu ${gpu.state}` : "gpu free" }, element("span", { class: "hidden" }, text),
      first && busy ? element("b", { "aria-hidden": "true" }, busy) : null);
    if (gpu) box.style.setProperty("--own", `var(--c${Math.max(0, names.indexOf(gpu.component)) % PALETTE})`);
    return box;
  });
  const used = instance.gpus.filter((gpu) => gpu).length;
  return element("li", { class: "machine" },
    element("p", {}, element("b", {}, instance.count === undefined ? instance.type : `${instance.count} × ${instance.type}`), " ", instance.status ? state(instance.status) : null),
    element("ul", { class: "gpus", "aria-label": "GPUs" }, gpus),
    element("small", {}, [instance.id, instance.placed === false ? "reserved GPUs are not reported by type" : `${used} of ${instance.gpus.length} GPUs reserved`].filter((part) => part).join(" · ")));
}

// An instance as CloudWatch describes it: the use of each of its GPUs, and the component that has it where the metric says so.
function used(instance, names) {
  const gpus = instance.gpus.map((one) => {
    const text = `GPU ${one.gpu}: ${one.component ? `${one.component}, ` : ""}${Math.round(one.percent)} % of the time in use`;
    const box = element("li", { title: text, class: "gpu use" }, element("span", { class: "hidden" }, text), element("b", { "aria-hidden": "true" }, Math.round(one.percent)));
    box.style.setProperty("--fill", `${one.percent}%`);
    if (names.includes(one.component)) box.style.setProperty("--own", `var(--c${names.indexOf(one.component) % PALETTE})`);
    return box;
  });
  return element("li", { class: "machine" },
    element("p", {}, element("b", {}, instance.id), " ", element("span", { class: "quiet" }, instance.type)),
    element("ul", { class: "gpus", "aria-label": "GPUs" }, gpus), element("small", {}, "% of the time in use, by CloudWatch"));
}

function componentTable(one, traffic, kill, scaling) {
  const rows = one.components.map((component, index) => {
    const swatch = element("i", { class: "swatch" });
    swatch.style.background = `var(--c${index % PALETTE})`;
    const running = component.running ?? component.copies.filter((copy) => copy.state === "healthy").length;
    const adapters = component.adapters.map((adapter) => element("div", {}, `${adapter.name} `, state(adapter.status), adapter.failure ? element("div", { class: "bad" }, adapter.failure) : null));
    return [
      element("div", {}, swatch, component.name),
      element("div", {}, state(component.status), component.failure ? element("div", { class: "bad" }, component.failure) : ""),
      { content: `${running} of ${component.wanted}`, class: running < component.wanted ? "bad" : "" },
      inAws ? policies(component, scaling?.[component.name]) : component.copies.length ? element("ul", { class: "copies" }, component.copies.map((copy) => copyItem(copy, component, kill))) : "none",
      flow(traffic?.[component.name], component),
      adapters.length ? element("div", {}, adapters) : "none",
    ];
  });
  const shown = Object.values(traffic ?? {})[0];
  return table(["Component", "Status", "Copies running", inAws ? "Scaling" : "Copies", `Requests, ${shown ? minutes(shown) : 5} minutes`, "Adapters"], rows, `Components of ${one.name}`, { cards: true, id: `components-${one.name}` });
}

// Bounds and policies as Application Auto Scaling has them now; the environment's own bounds where it was not read or has none.
function policies(component, one) {
  const words = (least, most) => (least === most ? `always ${most}` : `${least} to ${most}`);
  const bounds = one ? words(one.least, one.most) : component.most === null ? "" : `${words(component.least, component.most)}, by the environment's file`;
  return element("div", {}, bounds, (one?.policies ?? []).map((policy) => element("div", { class: "quiet" }, policy)),
    one?.suspended ? element("div", { class: "bad" }, `suspended: ${one.suspended}`) : null);
}

function minutes(one) {
  return Math.round((one.requests.length * one.period_s) / 60);
}

function copyItem(copy, component, kill) {
  const runs = copy.state === "healthy" || copy.state === "unhealthy";
  const sessions = copy.sessions ? `, ${copy.sessions} ${copy.sessions === 1 ? "session" : "sessions"}` : "";
  return element("li", {}, `${copy.id} `, state(copy.state), ` ${copy.requests} in flight${sessions}${copy.outdated ? ", being replaced" : ""}${copy.failure ? `: ${copy.failure}` : ""} `,
    kill && runs ? element("button", { id: `kill-${copy.id}`, type: "button", class: "small", "aria-label": `Kill copy ${copy.id} of ${component.name}`, onclick: () => kill(copy.id) }, "Kill") : null);
}

// Requests per second as bars, a bar for each ten seconds, and the newest figures in words.
function flow(one, component) {
  const rates = (one?.requests ?? []).map((count) => (count === null ? null : count / one.period_s));
  const last = (values) => [...(values ?? [])].reverse().find((entry) => entry !== null) ?? null;
  const sum = (values) => (values ?? []).reduce((all, entry) => all + (entry ?? 0), 0);
  const flight = inAws ? null : `${component.copies.reduce((all, copy) => all + copy.requests, 0)} in flight`;
  const most = Math.max(...rates.map((rate) => rate ?? 0), 0);
  const errors = sum(one?.client_errors) + sum(one?.server_errors), refused = sum(one?.refused);
  const rate = last(rates);
  const said = [`${rate === null ? "–" : value(rate)} requests/s`];
  if (flight) said.push(flight);
  if (inAws && last(one?.concurrent) !== null) said.push(`at most ${value(last(one.concurrent))} in flight on a copy`);
  if (last(one?.p50_us) !== null) said.push(`p50 ${value(last(one.p50_us), "Microseconds")}`, `p90 ${value(last(one.p90_us), "Microseconds")}`);
  return element("div", { class: "flow" }, most ? sparkline(rates, most, one) : null, element("div", {}, said.join(" · ")),
    errors ? element("div", { class: "bad" }, `${errors} errors`) : null, refused ? element("div", { class: "bad" }, `${refused} refused: no copy`) : null);
}

function sparkline(rates, most, one) {
  const width = 4, height = 28;
  const bars = rates.map((rate, index) => {
    const failed = (one.client_errors[index] ?? 0) + (one.server_errors[index] ?? 0) + (one.refused[index] ?? 0);
    const high = rate ? Math.max(1, (rate / most) * height) : 0;
    return svg("rect", { x: index * width, y: height - high, width: width - 1, height: high, class: failed ? "failed" : "" });
  });
  return svg("svg", { class: "rate", viewBox: `0 0 ${rates.length * width} ${height}`, role: "img", "aria-label": `Requests per second over ${minutes(one)} minutes, at most ${value(most)}` }, ...bars);
}

// What has changed from one snapshot to the next, for a reader who does not see the drawing.
export function changes(before, after) {
  const said = [];
  const copies = (fleet) => new Map(fleet.endpoints.flatMap((one) => one.components).flatMap((component) => (component.copies ?? []).map((copy) => [copy.id, [component.name, copy.state]])));
  const old = copies(before), now = copies(after);
  for (const [id, [name, text]] of now) if (old.get(id)?.[1] !== text) said.push(`copy ${id.slice(0, 4)} of ${name} is ${text}`);
  for (const [id, [name]] of old) if (!now.has(id)) said.push(`copy ${id.slice(0, 4)} of ${name} is gone`);
  const statuses = (fleet) => new Map(fleet.endpoints.flatMap((one) => [[`endpoint ${one.name}`, one.status], ...one.components.map((component) => [`component ${component.name}`, component.status])]));
  const were = statuses(before);
  for (const [name, text] of statuses(after)) if (were.get(name) !== text) said.push(`${name} is ${text}`);
  const alarms = new Map((before.alarms ?? []).map((alarm) => [alarm.name, alarm.state]));
  for (const alarm of after.alarms ?? []) if (!alarm.scaling && alarm.state === "ALARM" && alarms.get(alarm.name) !== "ALARM") said.push(`alarm ${alarm.name} is in alarm`);
  return said;
}
