// A dashboard: its selectors, and its widgets where the dashboard places them; only panels in sight ask for data.

import { read } from "./api.js";
import { element } from "./elements.js";
import { PanelView } from "./panel.js";

const AT_ONCE = 4; // requests

export class DashboardView {
  constructor(state) {
    this.state = state;
    this.panels = [];
    this.chosen = {};
  }

  async open(name, host) {
    const board = await read("dashboard", { name });
    this.name = name;
    if (board.start) this.state.suggest(board.start);
    this.panels = board.widgets.map((widget, number) => ({ number, view: new PanelView(widget, number), seen: false, widget }));
    const visible = board.variables.filter((one) => one.visible && one.values.length);
    const grid = element("div", { class: "grid" }, this.panels.map((panel) => placed(panel)));
    host.replaceChildren(element("h1", {}, name), visible.length ? element("form", { class: "selectors" }, visible.map((one) => this.selector(one))) : "", grid);
    if (!board.widgets.length) host.append(element("p", { class: "quiet" }, "This dashboard has no widgets."));
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const panel = this.panels.find((one) => one.view.node === entry.target);
        panel.visible = entry.isIntersecting;
      }
      this.fill(this.panels.filter((panel) => panel.visible && !panel.seen));
    }, { rootMargin: "300px" });
    this.panels.forEach((panel) => observer.observe(panel.view.node));
  }

  selector(variable) {
    const options = variable.values.map((one) => element("option", { value: one.value, selected: one.value === variable.default }, one.label));
    const select = element("select", { onchange: () => {
      this.chosen[`var-${variable.id}`] = select.value;
      this.refresh();
    } }, variable.default && !variable.values.some((one) => one.value === variable.default) ? element("option", { value: "" }, variable.default) : null, options);
    return element("label", {}, variable.label, select);
  }

  // Ask again for the panels in sight; the others ask when they come into sight.
  async refresh() {
    this.panels.forEach((panel) => { panel.seen = false; });
    await this.fill(this.panels.filter((panel) => panel.visible));
  }

  redraw() {
    for (const panel of this.panels) if (panel.view.panel) panel.view.show(panel.view.panel, panel.view.now);
  }

  async fill(panels) {
    const waiting = panels.slice();
    waiting.forEach((panel) => { panel.seen = true; });
    const work = async () => {
      for (let panel = waiting.shift(); panel; panel = waiting.shift()) await this.one(panel);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    this.state.updated();
  }

  async one(panel) {
    try {
      const body = await read("widget", { name: this.name, widget: panel.number, seconds: this.state.seconds(), ...this.chosen });
      panel.view.show(body, body.end);
    } catch (error) {
      panel.view.fail(error.message);
    }
  }
}

function placed({ view, widget }) {
  const { x, y, width, height } = widget;
  view.node.style.setProperty("--column", x === null || x === undefined ? `span ${width}` : `${x + 1} / span ${width}`);
  view.node.style.setProperty("--row", y === null || y === undefined ? `span ${height}` : `${y + 1} / span ${height}`);
  view.node.style.setProperty("--height", String(height));
  return view.node;
}
