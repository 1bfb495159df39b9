// The browse page: leads from its address to what is shown, and back. Everything shown
// comes from the public API.
import { edit, href, place, suggestionHref } from "./address.js";
import { turns } from "./api.js";
import { describe } from "./chips.js";
import { $, el } from "./draw.js";
import { panel } from "./filters.js";
import * as list from "./list.js";
import { follow } from "./live.js";
import { heading, movie, person } from "./pages.js";
import { combobox } from "./search.js";

const calm = 2000; // milliseconds between two refreshes
const turn = turns();

let way = 0; // grows with each place, so that a late one is not shown
let settled = false; // the place is shown, and scrolled to where it was left
let lastList = "./"; // where the way back leads
let opener = null; // the link of the list that was followed
let stale = false; // the list was out of sight when something changed
let concerns = null; // whether a change is one of what the page shows

// --- from the address to what is shown

async function render(moved) {
  const mine = ++way, now = place(), { y = 0, rows = 0 } = history.state ?? {};
  settled = false;
  const ready = now.view === "list" ? showList(now.params, rows) : showPage(now);
  // The first page has nothing before it that could stay, and a list shows that it loads.
  if (y > 0 || (mine > 1 && now.view !== "list")) await ready;
  if (mine !== way) return;
  reveal(now.view, moved);
  if (moved || y > 0) scrollTo(0, y);
  settled = true;
}

function showList(params, rows) {
  turn();
  lastList = href(params);
  document.title = `${describe(params) || "All"} – Movies`;
  if (document.activeElement !== $("q")) $("q").value = params.get("q") ?? "";
  const ready = list.show(params, rows);
  if (stale) refresh();
  else counts(params);
  return ready;
}

/** Shows the page of a movie or a person; again: it is there, and has changed. */
async function showPage({ view, value, params }, again = false) {
  const signal = turn();
  const page = await (view === "movie" ? movie : person)(value, signal).catch((error) => {
    if (!signal.aborted && !error.final) throw error;
    return { title: "That cannot be shown", parts: [heading("That cannot be shown"), el("p.error", `${error.message}.`)] };
  });
  if (signal.aborted) return;
  const focused = again && $("page").contains(document.activeElement);
  concerns = page.has;
  document.title = `${page.title} – Movies`;
  $("page").replaceChildren(el("a.back", { href: lastList }, "← Back to the list"), surplus(view, params), ...page.parts);
  if (focused) focusPage();
}

/** Names what is in the address and has no meaning for this page. */
function surplus(view, params) {
  params.delete(view);
  return params.size === 0 ? "" : el("p.error", `The address also has “${[...params.keys()].join("”, “")}”, which the page of a ${view} does not use.`);
}

const focusPage = () => $("page").querySelector("h2")?.focus({ preventScroll: true });

function reveal(view, moved) {
  const isList = view === "list", wasList = document.body.dataset.view === "list";
  document.body.dataset.view = view;
  $("results").hidden = !isList;
  $("page").hidden = isList;
  if (!isList) $("q").value = "";
  if (moved && !isList) focusPage();
  else if (!wasList && opener?.isConnected) opener.focus({ preventScroll: true });
}

// --- from what people do to the address

function remember() {
  if (settled) history.replaceState({ y: scrollY, rows: place().view === "list" ? list.rows() : 0 }, "");
}

function go(url, { replace = false } = {}) {
  if (new URL(url, location).href === location.href) return;
  if (document.body.dataset.view === "list") opener = document.activeElement;
  remember();
  history[replace ? "replaceState" : "pushState"](null, "", url);
  render(true);
}

/** The filters of the list in view, without its words; from elsewhere a search begins anew. */
const present = (change = () => {}) => edit(place().view === "list" ? place().params : {}, (p) => {
  p.delete("q");
  change(p);
});

combobox({
  input: $("q"), list: $("options"),
  choose: (suggestion) => {
    $("q").value = "";
    $("q").blur();
    go(suggestionHref(suggestion, present()));
  },
  search: (text) => {
    if (matchMedia("(pointer: coarse)").matches) $("q").blur(); // takes the keyboard away
    go(href(present((p) => {
      p.delete("sort");
      if (text === "") return;
      p.append("q", text);
      p.append("sort", "match");
    })));
  },
});

const counts = panel({ go, all: list.setAll });

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.hash !== "" || link.href.split("?")[0] !== new URL("./", location).href) return;
  event.preventDefault();
  go(`./${link.search}`);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, dialog")) return;
  event.preventDefault();
  $("q").select();
});
$("sort").addEventListener("change", () => go(list.sorted($("sort").value)));
$("more").addEventListener("click", list.more);
addEventListener("popstate", () => render(true));
let scrolling;
addEventListener("scroll", () => {
  clearTimeout(scrolling);
  scrolling = setTimeout(remember, 100);
}, { passive: true });
addEventListener("pagehide", remember);
history.scrollRestoration = "manual";

// --- cards or a table

let kept = {}; // where the look is remembered, if the browser lets us
try { kept = localStorage; } catch { /* it does not */ }

function show(look) {
  kept["jpmovies-look"] = look;
  $(`look-${look}`).checked = true;
  $("results").classList.toggle("dense", look === "table");
}

for (const input of document.querySelectorAll("[name=look]")) input.addEventListener("change", () => show(input.value));
show(kept["jpmovies-look"] ?? "cards");

// --- the filters: beside the list, or in a sheet where there is no room

const narrow = matchMedia("(max-width: 56rem)");

function placePanel() {
  $("sheet").close();
  document.querySelector(narrow.matches ? "#sheet-body" : "aside").append($("panel"));
}

narrow.addEventListener("change", placePanel);
placePanel();
$("filter").addEventListener("click", () => $("sheet").showModal());

// --- what happens meanwhile

let soon = null, last = 0;

function changed(change) {
  list.changed(change);
  const now = place();
  stale = true;
  if (now.view === "list") soon ??= setTimeout(refresh, Math.max(300, last + calm - Date.now()));
  else if (concerns?.(change)) showPage(now, true);
}

/** Asks for the list and the counts again, when they are in sight. */
function refresh() {
  soon = null;
  if (place().view !== "list") return;
  stale = false;
  last = Date.now();
  list.refresh();
  counts(place().params, true);
}

// lost: what has changed is not known any more, so all is asked for again.
function lost() {
  list.forget();
  stale = true;
  render(false);
}

render(false);
follow({ badge: $("badge"), text: $("fresh"), changed, lost });
