// One panel of a dashboard: its heading with the advice, its drawing, its values as a table, and why there is no data.

import { element } from "./elements.js";
import { bars, gauges, numbers, pie, valueTable } from "./figures.js";
import { ago, STATES, summary, unitOf, value } from "./format.js";
import { heatmap } from "./heatmap.js";
import { lines } from "./lines.js";

const VIEWS = { number: numbers, gauge: gauges, bar: bars, pie, table: valueTable, heatmap };

export class PanelView {
  constructor(head, number) {
    this.asTable = false;
    this.body = element("div", { class: "body", "aria-busy": "true" });
    this.notes = element("div", { class: "notes" });
    this.button = element("button", { type: "button", class: "small", "aria-pressed": "false", hidden: true, onclick: () => this.toggle() }, "Table");
    this.alone = head.type === "text";
    const heading = element("header", {}, element("h2", { id: `panel-${number}` }, head.title || ""), this.button);
    const advice = head.advice ? element("p", { class: "advice" }, head.advice) : null;
    this.node = element("section", { class: `panel ${head.type}`, "aria-labelledby": head.title ? `panel-${number}` : undefined }, this.alone ? null : [heading, advice], this.body, this.notes);
    this.title = heading.firstChild;
  }

  toggle() {
    this.asTable = !this.asTable;
    this.button.setAttribute("aria-pressed", String(this.asTable));
    this.show(this.panel, this.now);
  }

  show(panel, now) {
    this.panel = panel;
    this.now = now;
    this.body.removeAttribute("aria-busy");
    this.body.replaceChildren();
    this.node.dataset.view = panel.view;
    if (!this.title.textContent && panel.title) this.title.textContent = panel.title;
    const empty = this.draw(panel, now);
    this.node.classList.toggle("empty", empty);
    const text = panel.notes.length ? panel.notes : empty ? ["nothing was answered for this range"] : [];
    const shown = text.slice(0, 4).map((note) => element("p", {}, note));
    if (text.length > 4) shown.push(element("p", {}, `and ${text.length - 4} more`));
    this.notes.replaceChildren(...(empty ? [element("p", { class: "nothing" }, "No data"), ...shown] : shown));
  }

  // Draw the panel, and return whether nothing could be drawn.
  draw(panel, now) {
    if (panel.kind === "text") {
      this.body.innerHTML = panel.html; // rendered by the server, which lets no HTML of the dashboard through
      this.body.querySelectorAll("a").forEach(lead);
      return false;
    }
    if (panel.kind === "alarms" || panel.alarms) this.body.append(element("ul", { class: "alarms" }, (panel.alarms ?? []).map((alarm) => alarmItem(alarm, now))));
    if (panel.query) this.body.append(element("pre", {}, panel.query));
    if (panel.kind === "alarms") return !panel.alarms.length;
    this.button.hidden = !panel.series.length || panel.view === "table";
    if (!panel.series.length) return !panel.alarms?.length;
    const host = element("div", { class: "drawing" });
    this.body.append(host);
    if (this.asTable) {
      valueTable(panel, host);
      return false;
    }
    if (panel.view !== "table") Object.entries({ role: "group", "aria-label": spoken(panel) }).forEach(([name, text]) => host.setAttribute(name, text));
    (VIEWS[panel.view] ?? lines)(panel, host);
    return false;
  }

  fail(message) {
    this.body.removeAttribute("aria-busy");
    this.body.replaceChildren();
    this.node.classList.add("empty");
    this.notes.replaceChildren(element("p", { class: "nothing" }, "No answer"), element("p", {}, message));
  }
}

// Links to pages of AWS's console: dashboards are here too, other pages are not.
function lead(link) {
  const address = link.getAttribute("href") ?? "", board = address.match(/#dashboards(?::name=|\/dashboard\/)([^&;/]+)/);
  if (board) link.setAttribute("href", `?dashboard=${board[1]}`);
  else if (address.startsWith("#")) link.replaceWith(element("span", { class: "quiet", title: "a page of AWS's console, which the embedded AWS does not have" }, ...link.childNodes));
  else Object.assign(link, { target: "_blank", rel: "noopener noreferrer" });
}

export function alarmItem(alarm, now) {
  return element("li", { class: "alarm", "data-state": alarm.state },
    element("b", { class: "state" }, STATES[alarm.state] ?? alarm.state), element("span", { title: alarm.reason }, alarm.name),
    alarm.since ? element("small", {}, ago(now - alarm.since)) : null);
}

function spoken(panel) {
  const parts = panel.series.slice(0, 6).map((series) => {
    const all = summary(series.values), unit = unitOf(panel, series);
    return `${series.label} now ${value(all.last, unit)}, between ${value(all.min, unit)} and ${value(all.max, unit)}`;
  });
  return `${panel.title}. ${parts.join("; ")}`;
}
