// Actions: load, time, faults. The button that kills a copy is next to the copy.

import { act } from "./api.js";
import { element, redraw } from "./elements.js";
import { value } from "./format.js";

const SKIPS = [[60, "1 min"], [300, "5 min"], [900, "15 min"], [3600, "1 h"], [6 * 3600, "6 h"]];
const OPERATIONS = ["InvokeEndpoint", "InvokeEndpointWithResponseStream", "CreateEndpoint", "UpdateEndpoint", "CreateInferenceComponent", "cloudwatch:*"];

export class Actions {
  constructor(choices, say) {
    this.choices = choices;
    this.say = say;
    this.node = element("div", { class: "cards-of-tools" }, this.loadCard(), this.timeCard(), this.faultCard());
  }

  // Run an action from its button: its result is shown next to the button, which is disabled meanwhile.
  async run(output, button, what, body, done) {
    button.disabled = true;
    output.className = "";
    output.textContent = "…";
    try {
      const answer = await act(what, body);
      output.textContent = typeof done === "function" ? done(answer) : done;
    } catch (error) {
      output.className = "bad";
      output.textContent = error.message;
    }
    button.disabled = false;
    if (document.activeElement === document.body) button.focus({ preventScroll: true });
  }

  loadCard() {
    const { limits, shapes } = this.choices;
    this.loadOn = element("select", { id: "load-on" });
    const rate = element("input", { id: "load-rate", type: "number", min: "0.1", max: limits.per_s, step: "any", value: "1", required: true });
    const seconds = element("input", { id: "load-seconds", type: "number", min: "1", max: limits.seconds, value: "60", required: true });
    const shape = element("select", { id: "load-shape" }, Object.entries(shapes).map(([name, title]) => element("option", { value: name }, title)));
    const output = element("output", { id: "load-said" });
    const start = element("button", { id: "load-start" }, "Send");
    this.loadStop = element("button", { id: "load-stop", type: "button", disabled: true, onclick: () => this.run(output, this.loadStop, "end-load", {}, "stopped") }, "Stop");
    this.loadState = element("p", { class: "quiet", id: "load-state" });
    const submit = (event) => {
      event.preventDefault();
      const [endpoint, component] = JSON.parse(this.loadOn.value || "[]");
      this.run(output, start, "load", { endpoint, component, per_s: Number(rate.value), seconds: Number(seconds.value), shape: shape.value }, "begun");
    };
    return element("form", { class: "tool", "aria-labelledby": "tool-load", onsubmit: submit },
      element("h3", { id: "tool-load" }, "Load"),
      labelled("Component", this.loadOn), labelled("Requests per second", rate), labelled("Seconds", seconds), labelled("Shape", shape),
      element("p", { class: "buttons" }, start, this.loadStop, output), this.loadState);
  }

  timeCard() {
    const output = element("output", { id: "time-said" });
    const buttons = SKIPS.filter(([seconds]) => seconds <= this.choices.limits.advance_s).map(([seconds, label]) => {
      const button = element("button", { id: `skip-${seconds}`, type: "button", "aria-label": `Skip ${label}`, onclick: () => this.run(output, button, "advance", { seconds }, `skipped ${label}`) }, label);
      return button;
    });
    return element("section", { class: "tool", "aria-labelledby": "tool-time" }, element("h3", { id: "tool-time" }, "Skip time"),
      element("p", { class: "quiet" }, "Idle copies and instances are removed, cooldowns end, schedules run, jobs complete. A process still starts in its own time."),
      element("p", { class: "buttons" }, buttons, output));
  }

  faultCard() {
    const { faults, limits } = this.choices;
    const text = element("p", { id: "fault-text", class: "quiet" });
    const which = element("select", { id: "fault-name", "aria-describedby": "fault-text", onchange: () => describe() }, faults.map((fault) => element("option", { value: fault.name }, fault.name)));
    const target = element("input", { id: "fault-target", list: "fault-targets", autocomplete: "off", placeholder: "* matches all" });
    this.targets = element("datalist", { id: "fault-targets" });
    const times = element("input", { id: "fault-times", type: "number", min: "1", max: limits.times, placeholder: "until ended" });
    const what = element("span", {}, "Target");
    const output = element("output", { id: "fault-said" });
    const inject = element("button", { id: "fault-inject" }, "Inject");
    this.active = element("div", { id: "fault-active", tabindex: "-1" });
    this.endFault = (name, button) => this.run(output, button, "end-fault", name ? { fault: name } : {}, "ended");
    const describe = () => {
      const fault = faults.find((one) => one.name === which.value);
      text.textContent = `On AWS: ${fault.text}.`;
      what.textContent = `Target (${fault.target})`;
      this.fill();
    };
    this.which = which;
    const submit = (event) => {
      event.preventDefault();
      this.run(output, inject, "fault", { fault: which.value, target: target.value || "*", times: times.value ? Number(times.value) : null }, "injected");
    };
    const form = element("form", { class: "tool", "aria-labelledby": "tool-fault", onsubmit: submit },
      element("h3", { id: "tool-fault" }, "Faults"), labelled("Fault", which), text,
      element("label", {}, what, target), this.targets, labelled("Times", times), element("p", { class: "buttons" }, inject, output), this.active);
    describe();
    return form;
  }

  // Possible targets of the chosen fault.
  fill() {
    const endpoints = this.fleet?.endpoints ?? [];
    const kind = this.choices.faults.find((one) => one.name === this.which.value).target;
    const names = kind.startsWith("operation") ? OPERATIONS
      : kind.includes("component") ? endpoints.flatMap((one) => one.components.map((component) => component.name))
      : kind.includes("instance type") ? endpoints.flatMap((one) => one.instances.map((instance) => instance.type))
      : kind.includes("endpoint") ? endpoints.map((one) => one.name) : [];
    this.targets.replaceChildren(...[...new Set(names)].map((name) => element("option", { value: name })));
  }

  show(fleet) {
    this.fleet = fleet;
    offer(this.loadOn, fleet);
    this.fill();
    const load = fleet.load;
    this.loadStop.disabled = !load?.runs;
    this.loadState.textContent = load ? `${load.runs ? `${load.left_s} s left: ` : "last load: "}${load.sent} sent, ${load.answered} answered, ${load.failed} failed, ${load.in_flight} in flight`
      + `${load.held_back ? `, ${load.held_back} not sent, since ${this.choices.limits.in_flight} were in flight` : ""}${load.p50_s === null ? "" : `; p50 ${value(load.p50_s, "s")}, p90 ${value(load.p90_s, "s")}`}`
      + `${load.problem ? `; last error: ${load.problem}` : ""}` : "";
    const faults = JSON.stringify(fleet.faults);
    if (faults === this.drawnFaults) return;
    this.drawnFaults = faults;
    redraw(this.active, fleet.faults.length ? [element("ul", {}, fleet.faults.map((fault, index) => {
      const button = element("button", { id: `end-fault-${index}`, type: "button", class: "small", "aria-label": `End ${fault.name} on ${fault.target}`, onclick: () => this.endFault(fault.name, button) }, "End");
      return element("li", {}, `${fault.name} on ${fault.target}${fault.times ? `, ${fault.times} more times` : ""} `, button);
    }))] : [element("p", { class: "quiet" }, "No fault is in effect.")]);
  }
}

export function labelled(text, field) {
  return element("label", {}, element("span", {}, text), field);
}

// Components to choose from; the choice stays while the component exists.
export function offer(select, fleet, adapters = false) {
  const names = fleet.endpoints.flatMap((one) => one.components.flatMap((component) => [[one.name, component.name], ...(adapters ? component.adapters.map((adapter) => [one.name, adapter.name]) : [])]));
  const text = JSON.stringify(names);
  if (select.dataset.names === text) return;
  select.dataset.names = text;
  const chosen = select.value;
  select.replaceChildren(...names.map((pair) => element("option", { value: JSON.stringify(pair) }, pair.join(" / "))));
  if (names.some((pair) => JSON.stringify(pair) === chosen)) select.value = chosen;
}
