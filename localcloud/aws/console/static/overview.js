// The fleet as it is now: drawn live, with what one can do to it, and below it what has happened.

import { act, read } from "./api.js";
import { Actions } from "./actions.js";
import { Chat } from "./chat.js";
import { element, redraw } from "./elements.js";
import { changes, endpoint } from "./fleet.js";
import { clock } from "./format.js";
import { alarmTable, decisionTable, eventTable, follow, planTable } from "./happened.js";
import { Live } from "./live.js";

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
    this.actions = choices.acts ? new Actions(choices, (text) => this.say(text)) : null;
    this.chat = choices.acts ? new Chat(choices, (text) => this.say(text)) : null;
    const titled = (title, part) => [element("h2", {}, title), part];
    host.replaceChildren(element("h1", {}, "Fleet"), this.line, this.said, this.parts.fleet,
      ...(choices.acts ? [element("h2", {}, "Make something happen"), element("div", { class: "tools" }, this.actions.node, this.chat.node)] : [element("p", { class: "quiet" }, "This key reads the console. The address that the embedded AWS prints for actions has buttons too.")]),
      ...titled("Scaling decisions", this.parts.decisions), ...titled("The plan beside what is measured", this.parts.plan),
      ...titled("Alarms", this.parts.alarms), ...titled("Last events", this.parts.events));
    this.host = host;
    this.show(fleet);
    this.live = new Live({
      seen: (name, data) => (name === "fleet" ? this.show(data) : this.tick(data.now)),
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

  // What the header's button and pause ask for: all of it if the stream does not bring it, the plan in any case.
  async refresh() {
    if (!this.on) this.show(await read("overview"));
    await this.plan();
    this.page.updated();
  }

  async plan() {
    this.part("plan", [await read("plan", { seconds: this.page.seconds() })], (figures) => [planTable(figures)]);
  }

  show(fleet) {
    if (fleet.now) this.now = fleet.now;
    if (this.fleet) this.say(changes(this.fleet, fleet).slice(0, 4).join("; "));
    this.fleet = fleet;
    this.page.updated();
    const kill = this.acts ? (copy) => act("kill", { copy }).then(() => this.say(`copy ${copy} was killed`), (error) => this.say(error.message, true)) : null;
    const alarms = fleet.alarms.filter((alarm) => !alarm.scaling), scaling = fleet.alarms.filter((alarm) => alarm.scaling);
    this.part("fleet", [fleet.endpoints, fleet.traffic], (endpoints, traffic) => endpoints.length ? endpoints.map((one) => endpoint(one, traffic, kill)) : [element("p", { class: "quiet" }, "There is no endpoint. `make local` deploys one.")]);
    this.part("decisions", [fleet.decisions], (decisions) => [decisionTable(decisions, this.now)]);
    this.part("alarms", [alarms, scaling], () => [
      alarms.length ? alarmTable(alarms, this.now, "table-alarms") : element("p", { class: "quiet" }, "No alarm is deployed."),
      scaling.length ? element("details", { id: "scaling-alarms" }, element("summary", { id: "scaling-summary" }, `${scaling.length} alarms of scaling policies, ${scaling.filter((one) => one.state === "ALARM").length} of them in alarm (they change the number of copies, and page nobody)`), alarmTable(scaling, this.now, "table-scaling")) : null]);
    this.part("events", [fleet.events], (events) => [events.length ? eventTable(events) : element("p", { class: "quiet" }, "Nothing has happened yet.")]);
    this.actions?.show(fleet);
    this.chat?.show(fleet);
    this.tick(this.now);
  }

  // Draw a part only if its data has changed: a reader may be in the middle of it.
  part(name, data, draw) {
    const text = JSON.stringify(data);
    if (this.drawn.get(name) === text) return;
    this.drawn.set(name, text);
    redraw(this.parts[name], draw(...data));
    follow(this.host ?? this.parts[name], this.now);
  }

  tick(now) {
    this.now = now;
    if (!this.fleet) return;
    const costs = this.fleet.endpoints.reduce((sum, one) => sum + one.cost.usd, 0);
    const faults = this.fleet.faults.map((fault) => `${fault.name} on ${fault.target}`);
    const words = [element("span", { class: `pill ${this.on ? "" : "bad"}`, "data-state": this.on ? "healthy" : "" }, this.text ?? "connecting"),
      element("span", {}, `clock ${now ? clock(now, true) : "–"}`), element("span", {}, `${costs.toFixed(2)} USD an hour if this were AWS`)];
    if (faults.length) words.push(element("b", { class: "bad" }, `injected: ${faults.join(", ")}`));
    this.line.replaceChildren(...words);
    follow(this.host, now);
  }

  say(text, aloud = false) {
    if (!text) return;
    this.said.textContent = text;
    if (aloud) this.page.note(text);
  }
}
