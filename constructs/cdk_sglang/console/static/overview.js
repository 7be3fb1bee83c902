// The fleet as it is now: shown live, with the actions on it, and below it what has happened.

import { act, read } from "./api.js";
import { element, redraw } from "./elements.js";
import { changes, endpoint } from "./fleet.js";
import { clock } from "./format.js";
import { alarmTable, decisionTable, eventTable, follow, planTable } from "./happened.js";
import { Live } from "./live.js";
import { inAws, words } from "./words.js";

export class OverviewView {
  constructor(page) {
    this.page = page;
    this.drawn = new Map();
    this.now = 0;
  }

  async open(host) {
    const [choices, fleet] = await Promise.all([read("choices"), read("overview")]);
    if (this.closed) return;
    this.acts = choices.acts;
    this.said = element("p", { class: "hidden", role: "status", "aria-live": "polite" });
    this.line = element("p", { class: "status" });
    this.parts = Object.fromEntries(["fleet", "decisions", "alarms", "plan", "events"].map((name) => [name, element("div", { id: `part-${name}`, tabindex: "-1" })]));
    if (choices.acts) {
      const [{ Actions }, { Chat }] = await Promise.all([import("./actions.js"), import("./chat.js")]);
      if (this.closed) return;
      this.actions = new Actions(choices, (text) => this.say(text));
      this.chat = new Chat(choices, (text) => this.say(text));
    }
    const titled = (title, part) => [element("h2", {}, title), part];
    if (choices.title) document.title = `${choices.title} · ${words.title}`;
    host.replaceChildren(element("h1", {}, choices.title ?? "Fleet"), this.line, this.said, this.parts.fleet,
      ...(choices.acts ? [element("h2", {}, "Make something happen"), element("div", { class: "tools" }, this.actions.node, this.chat.node)] : words.reads ? [element("p", { class: "quiet" }, words.reads)] : []),
      ...titled("Scaling decisions", this.parts.decisions), ...titled("The plan next to what is measured", this.parts.plan),
      ...titled("Alarms", this.parts.alarms), ...titled(inAws ? "Events of the last deployment" : "Last events", this.parts.events),
      ...(words.untold.length ? titled("What AWS does not tell", element("ul", { class: "quiet" }, words.untold.map((text) => element("li", {}, text)))) : []));
    this.host = host;
    this.show(fleet);
    this.live = new Live({
      seen: (name, data) => (name === "fleet" ? this.show(data) : this.tick(data.now, data.calls)),
      state: (on, text) => { this.on = on; this.text = text; this.tick(this.now); },
      refused: (error) => this.page.failed(error),
    });
    await this.plan();
  }

  close() {
    this.closed = true;
    this.live?.close();
    this.chat?.close();
  }

  redraw() {}

  // What the header's button and pause request: all of it if the stream does not bring it, the plan in any case.
  async refresh() {
    if (!this.on) this.show(await read("overview"));
    await this.plan();
    this.page.updated();
  }

  async plan() {
    if (inAws) return; // which comes with the rest
    this.part("plan", [await read("plan", { seconds: this.page.seconds() })], (figures) => [planTable(figures)]);
  }

  show(fleet) {
    if (fleet.now) this.now = fleet.now;
    if (this.fleet) this.say(changes(this.fleet, fleet).slice(0, 4).join("; "));
    this.fleet = fleet;
    this.page.updated();
    const kill = this.acts ? (copy) => act("kill", { copy }).then(() => this.say(`copy ${copy} was killed`), (error) => this.say(error.message, true)) : null;
    const known = fleet.alarms ?? [], alarms = known.filter((alarm) => !alarm.scaling), scaling = known.filter((alarm) => alarm.scaling);
    this.part("fleet", [fleet.endpoints, fleet.traffic, fleet.scaling], (endpoints, traffic, bounds) => endpoints.length ? endpoints.map((one) => endpoint(one, traffic, kill, bounds)) : [element("p", { class: "quiet" }, words.noEndpoint)]);
    this.part("decisions", [fleet.decisions], (decisions) => [decisionTable(decisions, this.now)]);
    if (inAws) this.part("plan", [fleet.plan], (figures) => [planTable(figures)]);
    this.part("alarms", [fleet.alarms], () => [
      alarms.length ? alarmTable(alarms, this.now, "table-alarms") : element("p", { class: "quiet" }, "No alarm is deployed."),
      scaling.length ? element("details", { id: "scaling-alarms" }, element("summary", { id: "scaling-summary" }, `${scaling.length} alarms of scaling policies, ${scaling.filter((one) => one.state === "ALARM").length} of them in alarm (they change the number of copies, and page nobody)`), alarmTable(scaling, this.now, "table-scaling")) : null]);
    this.part("events", [fleet.events], (events) => [events.length ? eventTable(events) : element("p", { class: "quiet" }, "Nothing has happened yet.")]);
    this.actions?.show(fleet);
    this.chat?.show(fleet);
    this.tick(this.now);
  }

  // Draw a part only if its data has changed: a reader may be in the middle of it.
  // Without data there is the reason, if AWS has refused it, or it is on its way.
  part(name, data, draw) {
    const problems = this.fleet?.problems?.[name] ?? [];
    const text = JSON.stringify([data, problems]);
    if (this.drawn.get(name) === text) return;
    this.drawn.set(name, text);
    const reading = problems.length ? null : element("p", { class: "quiet" }, "Reading …");
    redraw(this.parts[name], [...problems.map((problem) => element("p", { class: "bad", role: "note" }, problem)), ...(data[0] === null ? [reading] : draw(...data))]);
    follow(this.host ?? this.parts[name], this.now);
  }

  tick(now, calls) {
    this.now = now;
    this.calls = calls ?? this.calls;
    if (!this.fleet) return;
    const costs = this.fleet.endpoints.reduce((sum, one) => sum + (one.cost?.usd ?? 0), 0);
    const faults = (this.fleet.faults ?? []).map((fault) => `${fault.name} on ${fault.target}`);
    const said = [element("span", { class: `pill ${this.on ? "" : "bad"}`, "data-state": this.on ? "healthy" : "" }, this.text ?? "connecting"),
      element("span", {}, `clock ${now ? clock(now, true) : "–"}`), element("span", {}, `${costs.toFixed(2)} ${words.dollars}`)];
    if (this.calls !== undefined) said.push(element("span", {}, `${this.calls} calls to AWS in the last minute, for all tabs`));
    if (this.fleet.credentials) said.push(element("b", { class: "bad" }, this.fleet.credentials));
    if (faults.length) said.push(element("b", { class: "bad" }, `injected: ${faults.join(", ")}`));
    this.line.replaceChildren(...said);
    follow(this.host, now);
  }

  say(text, aloud = false) {
    if (!text) return;
    this.said.textContent = text;
    if (aloud) this.page.note(text);
  }
}
