// Values and times as people read them.

const PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
const SECONDS = { Microseconds: 1e-6, Milliseconds: 1e-3, Seconds: 1, seconds: 1, s: 1, ms: 1e-3, milliseconds: 1e-3, microseconds: 1e-6 };
export const STATES = { ALARM: "✖ in alarm", OK: "✔ ok", INSUFFICIENT_DATA: "… no data" };
const BYTES = { Bytes: 1, bytes: 1, Kilobytes: 1e3, Megabytes: 1e6, Gigabytes: 1e9 };

export function isDuration(unit) {
  return unit in SECONDS;
}

export function value(number, unit = "") {
  if (number === null || number === undefined) return "–";
  if (unit in SECONDS) return duration(number * SECONDS[unit]);
  if (unit in BYTES) return `${plain(number * BYTES[unit])}B`.replace(/(\d)B$/, "$1 B").replace(/([TGMk])B$/, " $1B");
  if (unit === "Percent" || unit === "%" || unit === "percent") return `${plain(number)} %`;
  return plain(number);
}

export function plain(number) {
  const size = Math.abs(number);
  for (const [step, prefix] of PREFIXES) if (size >= step * 10 || (size >= step && step > 1e3)) return `${digits(number / step)}${prefix}`;
  if (size >= 1000) return String(Math.round(number));
  return size !== 0 && size < 0.001 ? number.toExponential(1) : digits(number);
}

function digits(number) {
  const size = Math.abs(number);
  return String(Number(number.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)));
}

function duration(seconds) {
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 1e-3) return `${digits(seconds * 1e6)} µs`;
  if (size < 1) return `${digits(seconds * 1e3)} ms`;
  if (size < 120) return `${digits(seconds)} s`;
  return size < 7200 ? `${digits(seconds / 60)} min` : `${digits(seconds / 3600)} h`;
}

export function clock(seconds, withDay = false) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  return new Date(seconds * 1000).toLocaleString(undefined, withDay ? { ...options, month: "short", day: "numeric" } : options);
}

export function ago(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} days ago`;
}

// Last, least, mean and greatest of the values that exist.
export function summary(values) {
  const known = values.filter((one) => one !== null && one !== undefined);
  if (!known.length) return { last: null, min: null, mean: null, max: null };
  return {
    last: known[known.length - 1],
    min: known.reduce((a, b) => Math.min(a, b)),
    mean: known.reduce((a, b) => a + b) / known.length,
    max: known.reduce((a, b) => Math.max(a, b)),
  };
}

export function unitOf(panel, series) {
  return series.unit || panel.axes?.[series.axis]?.label || "";
}
