// Lines, stacked areas and columns over time, by uPlot; bands, thresholds and marked moments are drawn under and over them.

import uPlot from "./uplot.js";
import { color, element, seriesColor } from "./elements.js";
import { clock, unitOf, value } from "./format.js";

const GAP = 2.5; // periods without a value after which a line is broken

export function lines(panel, host) {
  const shown = panel.series.map(() => true);
  const bandEnds = new Set(panel.bands.flatMap((band) => [band.low, band.high]));
  const plotBox = element("div", { class: "plot" });
  const legend = element("ul", { class: "legend" });
  const moment = element("span", { class: "moment" });
  host.append(plotBox, element("div", { class: "legends" }, moment, legend));
  let plot = null;
  const colors = colorsOf(panel, bandEnds);
  const entries = panel.series.map((series, index) => bandEnds.has(index) ? null : entry(series, index));

  function entry(series, index) {
    const number = element("b");
    const swatch = element("i");
    swatch.style.background = colors[index];
    const button = element("button", { type: "button", "aria-pressed": "true", title: series.label, onclick: toggle }, swatch, element("span", {}, series.label), number);
    function toggle() {
      shown[index] = !shown[index];
      button.setAttribute("aria-pressed", String(shown[index]));
      draw();
    }
    legend.append(element("li", {}, button));
    return number;
  }

  for (const band of panel.bands) {
    const swatch = element("i", { class: "band" });
    const ends = [band.low, band.high].map((index) => value(last(panel.series[index].values), unitOf(panel, panel.series[index])));
    legend.append(element("li", {}, swatch, element("span", {}, band.label), element("b", {}, ends.join(" – "))));
  }

  function values(at) {
    moment.textContent = at === null ? "" : clock(panel.times[at], true);
    panel.series.forEach((series, index) => {
      if (entries[index]) entries[index].textContent = value(at === null ? last(series.values) : series.values[at], unitOf(panel, series));
    });
  }

  function draw() {
    plot?.destroy();
    plot = new uPlot(options(panel, shown, colors, bandEnds, plotBox, values), data(panel, shown), plotBox);
    values(null);
  }

  new ResizeObserver(() => plot?.setSize(size(plotBox))).observe(plotBox);
  draw();
}

function size(box) {
  return { width: Math.max(160, box.clientWidth), height: Math.max(110, box.clientHeight) };
}

function colorsOf(panel, bandEnds) {
  let next = 0;
  return panel.series.map((series, index) => bandEnds.has(index) ? color("--band-line") : series.color || seriesColor(next++));
}

// Values for uPlot: undefined joins neighbours, null breaks the line; stacked series stand on those before them.
function data(panel, shown) {
  const rows = panel.series.map((series) => joined(panel.times, series));
  if (panel.stacked) {
    const total = panel.times.map(() => 0);
    const known = panel.times.map((_, at) => rows.some((row, index) => shown[index] && typeof row[at] === "number"));
    rows.forEach((row, index) => {
      if (!shown[index]) return;
      row.forEach((one, at) => {
        total[at] += one ?? 0;
        row[at] = known[at] ? total[at] : null;
      });
    });
  }
  return [panel.times, ...rows];
}

function joined(times, series) {
  const row = series.values.slice();
  let before = null;
  row.forEach((one, at) => {
    if (one === null) return;
    if (before !== null && at - before > 1 && times[at] - times[before] <= GAP * series.period) row.fill(undefined, before + 1, at);
    before = at;
  });
  return row;
}

function last(values) {
  for (let at = values.length - 1; at >= 0; at--) if (values[at] !== null) return values[at];
  return null;
}

function options(panel, shown, colors, bandEnds, box, onMove) {
  const soft = color("--soft"), grid = color("--line");
  const sides = [...new Set(panel.series.map((series) => series.axis))];
  const columns = panel.view === "column";
  const series = panel.series.map((one, index) => ({
    label: one.label,
    scale: one.axis,
    show: shown[index],
    stroke: bandEnds.has(index) ? color("--band-line") : colors[index],
    width: bandEnds.has(index) ? 1 : 1.75,
    fill: panel.stacked && below(shown, index) === null ? translucent(colors[index]) : undefined,
    paths: columns ? uPlot.paths.bars({ size: [0.8, 24] }) : panel.view === "scatter" ? () => null : undefined,
    points: panel.view === "scatter" ? { show: true, size: 5 } : undefined,
  }));
  const axes = sides.map((side, index) => {
    const first = panel.series.find((one) => one.axis === side);
    const unit = unitOf(panel, first);
    return {
      scale: side, side: side === "right" ? 1 : 3, stroke: soft, size: 58, grid: { show: index === 0, stroke: grid, width: 1 }, ticks: { show: false },
      values: (_, ticks) => ticks.map((tick) => value(tick, unit)), font: "11px system-ui",
    };
  });
  const time = { stroke: soft, grid: { show: false }, ticks: { stroke: grid, width: 1, size: 4 }, font: "11px system-ui", size: 30, values: (_, ticks) => ticks.map((tick) => tickTime(tick, panel)) };
  return {
    ...size(box),
    padding: [10, 18, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: true, range: [panel.start, panel.end] }, ...Object.fromEntries(sides.map((side) => [side, { range: (_, low, high) => range(panel, side, low, high) }])) },
    axes: [time, ...axes],
    series: [{}, ...series],
    bands: [...stack(panel, shown, colors), ...panel.bands.map((band) => ({ series: [band.high + 1, band.low + 1], fill: color("--band") }))],
    hooks: { setCursor: [(plot) => onMove(plot.cursor.idx ?? null)], drawClear: [(plot) => under(plot, panel)], draw: [(plot) => over(plot, panel)] },
  };
}

// Index of the shown series on which a stacked one stands; null for the lowest.
function below(shown, index) {
  const at = shown.lastIndexOf(true, index - 1);
  return index > 0 && at >= 0 ? at : null;
}

function stack(panel, shown, colors) {
  const standing = panel.stacked ? panel.series.map((_, index) => index).filter((index) => shown[index] && below(shown, index) !== null) : [];
  return standing.map((index) => ({ series: [index + 1, below(shown, index) + 1], fill: translucent(colors[index]) }));
}

function tickTime(tick, panel) {
  const long = panel.end - panel.start > 86400;
  return new Date(tick * 1000).toLocaleString(undefined, long ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

function translucent(text) {
  return text.replace(/^rgb\((.*)\)$/, "rgba($1, 0.35)");
}

// Thresholds are always in sight, and an axis without a limit of its own begins at zero.
function range(panel, side, low, high) {
  const axis = panel.axes?.[side] ?? {};
  const ends = panel.lines.filter((line) => line.axis === side).flatMap((line) => [line.low, line.high ?? line.low]);
  const least = Math.min(0, low ?? 0, ...ends), most = Math.max(high ?? 0, ...ends);
  const top = most > least ? most + (most - least) * 0.08 : least + 1;
  return [axis.min ?? least, axis.max ?? top];
}

function under(plot, panel) {
  for (const line of panel.lines) {
    const shades = line.high !== undefined || line.fill === "above" || line.fill === "below";
    if (!shades || !(line.axis in plot.scales)) continue;
    const { left, top, width, height } = plot.bbox;
    const low = line.fill === "below" ? top + height : plot.valToPos(line.low, line.axis, true);
    const high = line.high !== undefined ? plot.valToPos(line.high, line.axis, true) : line.fill === "above" ? top : plot.valToPos(line.low, line.axis, true);
    plot.ctx.fillStyle = line.high !== undefined ? color("--band") : color("--over");
    plot.ctx.fillRect(left, high, width, low - high);
  }
}

function over(plot, panel) {
  const { ctx, bbox } = plot;
  const pixels = devicePixelRatio || 1;
  ctx.save();
  ctx.font = `${11 * pixels}px system-ui`;
  ctx.setLineDash([5 * pixels, 4 * pixels]);
  ctx.lineWidth = pixels;
  for (const line of panel.lines) {
    if (!(line.axis in plot.scales)) continue;
    for (const [level, label] of [[line.low, line.label], [line.high, ""]]) {
      if (level === undefined) continue;
      const y = Math.round(plot.valToPos(level, line.axis, true));
      stroke(ctx, line.high === undefined ? color("--bad") : color("--band-line"), bbox.left, y, bbox.left + bbox.width, y);
      if (label) write(ctx, label, bbox.left + bbox.width - 4 * pixels, y - 4 * pixels, line.high === undefined ? color("--bad") : color("--soft"), "right");
    }
  }
  for (const mark of panel.marks) {
    const x = Math.round(plot.valToPos(mark.time, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    stroke(ctx, color("--soft"), x, bbox.top, x, bbox.top + bbox.height);
    write(ctx, mark.label, x + 4 * pixels, bbox.top + 12 * pixels, color("--soft"), "left");
  }
  ctx.restore();
}

function stroke(ctx, style, fromX, fromY, toX, toY) {
  ctx.strokeStyle = style;
  ctx.beginPath();
  ctx.moveTo(fromX, fromY);
  ctx.lineTo(toX, toY);
  ctx.stroke();
}

function write(ctx, text, x, y, style, align) {
  ctx.fillStyle = style;
  ctx.textAlign = align;
  ctx.fillText(text, x, y);
}
