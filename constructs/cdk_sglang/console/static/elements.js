// Elements of the page: text is always text, never HTML, except what the server rendered from Markdown.

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// A table with its own scrolling, so that the page does not scroll.
// On a phone, rows of long texts are drawn as cards: one line per cell, with the name of its column.
export function table(head, rows, caption, { cards = false, id } = {}) {
  const cells = (row, name) => row.map((cell, index) => {
    const inner = cell && typeof cell === "object" && !(cell instanceof Node) ? cell : { content: cell };
    const label = cards && name === "td" ? head[index] : undefined;
    return element(name, { class: inner.class, scope: name === "th" ? "col" : undefined, "data-label": label }, inner.content ?? "");
  });
  return element("div", { id, class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    element("table", { class: cards ? "cards" : undefined },
      element("caption", { class: "hidden" }, caption),
      element("thead", {}, element("tr", {}, cells(head, "th"))),
      element("tbody", {}, rows.map((row) => element("tr", {}, cells(row, "td"))))));
}

// Redraw a part of the page, and keep the reader's place in it: focus, open details and scrolled tables, all found by their ids.
export function redraw(host, children) {
  const focused = host.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...host.querySelectorAll("details[open]")].map((one) => one.id);
  const scrolled = [...host.querySelectorAll(".wide[id]")].map((one) => [one.id, one.scrollLeft]);
  host.replaceChildren(...children.flat().filter((child) => child));
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  for (const [id, left] of scrolled) if (left && document.getElementById(id)) document.getElementById(id).scrollLeft = left;
  if (focused) (document.getElementById(focused) ?? host).focus({ preventScroll: true });
}

// Colours as the theme has them now, for canvases, which cannot use variables.
export function color(variable) {
  const probe = document.getElementById("probe") ?? document.body.appendChild(element("i", { id: "probe", hidden: true }));
  probe.style.color = `var(${variable})`;
  return getComputedStyle(probe).color;
}

export const PALETTE = 8;

export function seriesColor(index) {
  return color(`--c${index % PALETTE}`);
}
