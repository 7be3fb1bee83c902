// The page: which view is open, the time range, the pauses between refreshes, and the theme.

import { read, Refused, saveKey, takeKey } from "./api.js";
import { element } from "./elements.js";
import { clock } from "./format.js";
import { OverviewView } from "./overview.js";
import { words } from "./words.js";

const main = document.getElementById("main"), nav = document.getElementById("nav"), updated = document.getElementById("updated");
const range = document.getElementById("range"), pause = document.getElementById("refresh"), theme = document.getElementById("theme");
const PAUSE_S = 10; // between two refreshes, where the page offers no choice
let view = null, timer = null, rangeChosen = false, navText = "";

const state = {
  seconds: () => Number(range?.value ?? 0),
  // The range that a dashboard opens with, unless the reader has chosen one.
  suggest: (seconds) => {
    const fits = [...range.options].find((option) => Number(option.value) >= seconds);
    if (!rangeChosen && fits) range.value = fits.value;
  },
  updated: () => { updated.textContent = `updated ${clock(Date.now() / 1000)}`; },
  note: (text) => { updated.textContent = text; },
  failed: (error) => failed(error),
};

function wanted() {
  return new URLSearchParams(location.search).get("dashboard");
}

async function open() {
  const name = nav ? wanted() : null;
  view?.close?.();
  view = null;
  try {
    await list();
    main.replaceChildren(element("p", { class: "quiet" }, "Loading …"));
    view = name === null ? new OverviewView(state) : new (await import("./dashboard.js")).DashboardView(state);
    document.title = `${name ?? "Fleet"} · ${words.title}`;
    await (name === null ? view.open(main) : view.open(name, main));
  } catch (error) {
    failed(error);
  }
  again();
}

async function list() {
  if (!nav) return;
  const boards = await read("dashboards");
  const text = JSON.stringify([boards, wanted()]);
  if (text === navText) return;
  navText = text;
  const link = (name, address) => element("li", {}, element("a", { href: address, "aria-current": name === wanted() ? "page" : undefined, onclick: follow }, name ?? "Fleet"));
  nav.replaceChildren(link(null, location.pathname), ...boards.map((board) => link(board.name, `?dashboard=${encodeURIComponent(board.name)}`)));
  if (!boards.length) nav.append(element("li", { class: "quiet" }, "No dashboard is deployed."));
}

function follow(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.pushState(null, "", event.currentTarget.getAttribute("href"));
  open().then(() => main.focus({ preventScroll: true }));
}

function failed(error) {
  view?.close?.();
  view = null;
  if (!(error instanceof Refused)) {
    main.replaceChildren(element("h1", {}, "No answer"), element("p", {}, error.message));
    return;
  }
  const field = element("input", { id: "key", type: "password", autocomplete: "off" });
  main.replaceChildren(element("h1", {}, "The console needs the key of this start"),
    element("p", {}, words.key[0], element("code", {}, words.key[1]), words.key[2]),
    element("form", { class: "selectors", onsubmit: (event) => { event.preventDefault(); saveKey(field.value); open(); } },
      element("label", {}, "Address or key", field), element("button", {}, "Open")));
}

async function refresh() {
  if (document.hidden || view === null) return;
  try {
    await list();
    await view.refresh();
  } catch (error) {
    if (error instanceof Refused) failed(error);
    else updated.textContent = error.message;
  }
}

// One refresh at a time; the next begins a pause after the end of the last.
function again() {
  clearTimeout(timer);
  const seconds = Number(pause?.value ?? PAUSE_S);
  if (seconds) timer = setTimeout(() => refresh().finally(again), seconds * 1000);
}

function dress() {
  document.documentElement.dataset.theme = theme.value;
  localStorage.setItem("localcloud-console-theme", theme.value);
  view?.redraw();
}

range?.addEventListener("change", () => { rangeChosen = true; refresh(); });
pause?.addEventListener("change", again);
theme.addEventListener("change", dress);
document.getElementById("now")?.addEventListener("click", refresh);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => view?.redraw());
addEventListener("popstate", open);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
addEventListener("hashchange", () => { if (location.hash.includes("key=")) { takeKey(); open(); } });

theme.value = localStorage.getItem("localcloud-console-theme") ?? "";
document.documentElement.dataset.theme = theme.value;
takeKey();
open();
