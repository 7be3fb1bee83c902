// Panels without an axis of time: numbers, gauges, bars, pies and tables of the latest values.

import { element, seriesColor, svg, table } from "./elements.js";
import { summary, unitOf, value } from "./format.js";

export function numbers(panel, host) {
  host.append(element("dl", { class: "numbers" }, panel.series.map((series, index) => element("div", {},
    element("dd", { class: crossed(panel, summary(series.values).last) ? "bad" : "" }, value(summary(series.values).last, unitOf(panel, series))),
    element("dt", {}, series.label),
    sparkline(series.values, index)))));
}

function sparkline(values, index) {
  const known = values.map((one, at) => [at, one]).filter(([, one]) => one !== null);
  if (known.length < 2) return null;
  const { min, max } = summary(values);
  const points = known.map(([at, one]) => `${((at / (values.length - 1)) * 100).toFixed(1)},${(max > min ? 22 - ((one - min) / (max - min)) * 20 : 12).toFixed(1)}`);
  const line = svg("polyline", { points: points.join(" "), fill: "none", stroke: seriesColor(index), "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" });
  return svg("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" }, line);
}

function crossed(panel, number) {
  return number !== null && panel.lines.some((line) => line.high === undefined && number > line.low && line.fill !== "below");
}

export function gauges(panel, host) {
  const low = panel.gauge?.min ?? panel.axes?.left?.min ?? 0;
  const greatest = Math.max(...panel.series.map((series) => summary(series.values).max ?? 0));
  const high = panel.gauge?.max ?? panel.axes?.left?.max ?? (greatest <= 1 ? 1 : greatest <= 100 ? 100 : greatest * 1.2);
  host.append(element("div", { class: "gauges" }, panel.series.map((series, index) => gauge(panel, series, index, low, high))));
}

function gauge(panel, series, index, low, high) {
  const now = summary(series.values).last;
  const share = now === null ? 0 : Math.max(0, Math.min(1, (now - low) / (high - low)));
  const unit = unitOf(panel, series);
  const ticks = panel.lines.flatMap((line) => [line.low, line.high]).filter((level) => level !== undefined && level >= low && level <= high).map((level) => {
    const angle = Math.PI * (1 - (level - low) / (high - low));
    const at = (radius) => [50 + radius * Math.cos(angle), 50 - radius * Math.sin(angle)];
    const [x1, y1] = at(33), [x2, y2] = at(47);
    return svg("line", { x1, y1, x2, y2, class: "tick" });
  });
  return element("figure", {},
    svg("svg", { viewBox: "0 0 100 60", "aria-hidden": "true" },
      svg("path", { d: arc(1), class: "track" }),
      share > 0 ? svg("path", { d: arc(share), fill: "none", "stroke-width": 9, stroke: crossed(panel, now) ? "var(--bad)" : seriesColor(index) }) : null,
      ticks,
      svg("text", { x: 50, y: 49, class: "now" }, value(now, unit)),
      svg("text", { x: 10, y: 59 }, value(low, unit)), svg("text", { x: 90, y: 59 }, value(high, unit))),
    element("figcaption", {}, series.label));
}

function arc(share) {
  const angle = Math.PI * (1 - share);
  return `M 10 50 A 40 40 0 0 1 ${50 + 40 * Math.cos(angle)} ${50 - 40 * Math.sin(angle)}`;
}

export function bars(panel, host) {
  const rows = panel.series.map((series) => ({ series, now: summary(series.values).last ?? 0 }));
  const most = Math.max(...rows.map((row) => Math.abs(row.now)), 1e-12);
  host.append(element("ul", { class: "bars" }, rows.map(({ series, now }, index) => {
    const bar = element("i");
    bar.style.width = `${(Math.abs(now) / most) * 100}%`;
    bar.style.background = series.color || seriesColor(index);
    return element("li", {}, element("span", { title: series.label }, series.label), element("b", {}, value(now, unitOf(panel, series))), element("div", {}, bar));
  })));
}

export function pie(panel, host) {
  const rows = panel.series.map((series) => ({ series, now: Math.max(0, summary(series.values).last ?? 0) }));
  const total = rows.reduce((sum, row) => sum + row.now, 0);
  let before = 0;
  const slices = rows.map(({ series, now }, index) => {
    const share = total > 0 ? now / total : 0;
    const slice = svg("circle", { cx: 50, cy: 50, r: 32, fill: "none", "stroke-width": 22, pathLength: 100, "stroke-dasharray": `${share * 100} 100`, "stroke-dashoffset": -before * 100, transform: "rotate(-90 50 50)", stroke: series.color || seriesColor(index) });
    before += share;
    return slice;
  });
  const legend = element("ul", { class: "legend" }, rows.map(({ series, now }, index) => {
    const swatch = element("i");
    swatch.style.background = series.color || seriesColor(index);
    return element("li", {}, swatch, element("span", {}, series.label), element("b", {}, value(now, unitOf(panel, series)), total > 0 ? ` (${Math.round((now / total) * 100)} %)` : ""));
  }));
  host.append(element("div", { class: "pie" }, svg("svg", { viewBox: "0 0 100 100", "aria-hidden": "true" }, slices), legend));
}

export function valueTable(panel, host) {
  const rows = panel.series.map((series) => {
    const all = summary(series.values), unit = unitOf(panel, series);
    return [series.label, ...[all.last, all.min, all.mean, all.max].map((one) => ({ content: value(one, unit), class: "number" }))];
  });
  const lines = panel.lines.map((line) => [line.label || "line", { content: [line.low, line.high].filter((one) => one !== undefined).map((one) => value(one, unitOf(panel, panel.series[0]))).join(" – "), class: "number" }, "", "", ""]);
  const head = ["Series", ...["Latest", "Least", "Mean", "Greatest"].map((content) => ({ content, class: "number" }))];
  host.append(table(head, [...rows, ...lines], `${panel.title || "Panel"}, values`));
}
