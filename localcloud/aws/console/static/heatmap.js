// A heat map: one row per series, one column per moment, darker where the value is greater.

import { color, element } from "./elements.js";
import { clock, plain, summary, unitOf, value } from "./format.js";

const STEPS = 6;

export function heatmap(panel, host) {
  const rows = panel.series.slice().sort(byLabel);
  const all = summary(rows.flatMap((series) => series.values));
  const axis = panel.axes?.left ?? {};
  const low = axis.min ?? Math.min(0, all.min), high = axis.max ?? (all.max <= 1 ? 1 : all.max <= 100 ? 100 : all.max); // of a share, of a percentage
  const canvas = element("canvas");
  const labels = element("ol", { class: "rows" }, rows.map((series) => element("li", { title: series.label }, series.label)));
  const readout = element("p", { class: "readout" }, "");
  const unit = unitOf(panel, rows[0]);
  const scale = element("p", { class: "scale" }, value(low, unit), ...ramp().map(swatch), value(high, unit));
  host.append(element("div", { class: "heat" }, labels, element("div", { class: "cells" }, canvas)), element("div", { class: "under" }, element("span", {}, clock(panel.start), " to ", clock(panel.end)), scale, readout));

  function draw() {
    const box = canvas.parentElement.getBoundingClientRect(), pixels = devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(box.width * pixels));
    canvas.height = Math.max(1, Math.round(box.height * pixels));
    const ctx = canvas.getContext("2d"), colors = ramp();
    const across = (time) => Math.round(((time - panel.start) / (panel.end - panel.start)) * canvas.width);
    const down = (row) => Math.round((row * canvas.height) / rows.length);
    rows.forEach((series, row) => series.values.forEach((one, at) => {
      if (one === null) return;
      ctx.fillStyle = colors[Math.max(0, Math.min(STEPS - 1, Math.floor(((one - low) / (high - low)) * STEPS)))];
      const left = across(panel.times[at]), top = down(row);
      ctx.fillRect(left, top, Math.max(1, across(panel.times[at] + series.period) - left), Math.max(1, down(row + 1) - top - 1));
    }));
  }

  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const series = rows[Math.min(rows.length - 1, Math.floor(((event.clientY - box.top) / box.height) * rows.length))];
    const time = panel.start + ((event.clientX - box.left) / box.width) * (panel.end - panel.start);
    const at = panel.times.findLastIndex((one) => one <= time);
    readout.textContent = at < 0 || series.values[at] === null ? "" : `${series.label}: ${value(series.values[at], unit)} at ${clock(panel.times[at])}`;
  });
  new ResizeObserver(draw).observe(canvas.parentElement);
  draw();
}

function ramp() {
  return Array.from({ length: STEPS }, (_, step) => color(`--h${step}`));
}

function swatch(text) {
  const box = element("i");
  box.style.background = text;
  return box;
}

// Buckets of a histogram by their bound, everything else by its label with numbers in order.
function byLabel(one, other) {
  if ("le" in one.labels && "le" in other.labels) return Number(other.labels.le.replace("+Inf", "Infinity")) - Number(one.labels.le.replace("+Inf", "Infinity"));
  return one.label.localeCompare(other.label, undefined, { numeric: true });
}

export function rowsText(panel) {
  return panel.series.map((series) => `${series.label} ${plain(summary(series.values).last ?? 0)}`).join(", ");
}
