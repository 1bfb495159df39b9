// The browse page shows what its address names. Clicks and searches change the address.
import { edit, href, place, suggestionHref } from "./address.js";
import { turns } from "./api.js";
import { describe } from "./chips.js";
import { $, el } from "./draw.js";
import { panel } from "./filters.js";
import * as list from "./list.js";
import { follow } from "./live.js";
import { heading, movie, person } from "./pages.js";
import { combobox } from "./search.js";

const refreshAfter = 1000; // milliseconds in which changes are collected
const turn = turns();

let renders = 0; // an earlier render that ends late is dropped
let settled = false; // shown at its scroll position
let query;
let lastList = "./"; // address of the latest list, for the way back
let opener = null; // the link in the list that was followed
let stale = false; // something has changed while the list was hidden
let concerns = () => true; // tells whether a change concerns the page that is shown
let loading = 0; // the next refresh waits for these
let kept = null; // state of the latest list in the history

const wait = (work) => {
	loading++;
	return work.finally(() => loading--);
};

async function render(moved) {
	const mine = ++renders, now = place(), { y = 0, rows = 0 } = history.state ?? {};
	settled = false;
	query = location.search;
	const ready = now.view === "list" ? showList(now.params, rows) : wait(showPage(now));
	// Wait for a page, unless it is the first view. A list shows that it is loading.
	if (y > 0 || (mine > 1 && now.view !== "list")) await ready;
	if (mine !== renders) return;
	reveal(now.view, moved);
	if (moved || y > 0) scrollTo(0, y);
	settled = true;
	await ready;
	// What had the focus may be gone.
	const { activeElement: e, body } = document;
	if (moved && mine === renders && (e === body || !e.checkVisibility())) $("main").focus({ preventScroll: true });
}

function showList(params, rows) {
	turn();
	lastList = href(params);
	document.title = `${describe(params) || "All"} – Movies`;
	if (document.activeElement !== $("q")) $("q").value = params.get("q") ?? "";
	const ready = list.show(params, rows);
	reload(params, stale);
	return ready;
}

async function showPage({ view, value }, again = false) {
	const signal = turn();
	concerns = () => true; // while it loads
	const page = await (view === "movie" ? movie : person)(value, signal).catch((error) => {
		if (!signal.aborted && !error.final) throw error;
		return { title: "That cannot be shown", has: () => false, parts: [heading("That cannot be shown"), el("p.error", `${error.message}.`)] };
	});
	if (signal.aborted) return;
	const focused = again && $("page").contains(document.activeElement);
	concerns = page.has;
	document.title = `${page.title} – Movies`;
	$("page").replaceChildren(el("a.back", { href: lastList }, "← Back to the list"), ...page.parts);
	if (focused) focusPage();
}

const focusPage = () => $("page").querySelector("h2")?.focus({ preventScroll: true });

function reveal(view, moved) {
	const isList = view === "list", wasList = document.body.dataset.view === "list";
	document.body.dataset.view = view;
	$("results").hidden = !isList;
	$("page").hidden = isList;
	if (!isList) $("sheet").close();
	const typing = document.activeElement === $("q");
	if (!isList && !typing) $("q").value = "";
	if (moved && !isList && !typing) focusPage();
	else if (!wasList && opener?.isConnected) opener.focus({ preventScroll: true });
}

function remember() {
	if (!settled) return;
	const isList = place().view === "list", state = { y: scrollY, rows: isList ? list.rows() : 0 };
	history.replaceState(state, "");
	if (isList) kept = state;
}

function go(url, { replace = false } = {}) {
	if (new URL(url, location).href === location.href) return;
	const isList = document.body.dataset.view === "list";
	if (isList) opener = document.activeElement;
	remember();
	history[replace ? "replaceState" : "pushState"](!isList && url === lastList ? kept : null, "", url);
	render(true);
}

const present = (change = () => {}) => edit(place().view === "list" ? place().params : {}, (p) => {
	p.delete("q");
	change(p);
});

const closeOptions = combobox({
	input: $("q"), list: $("options"),
	choose: (suggestion) => {
		$("q").value = "";
		$("q").blur();
		go(suggestionHref(suggestion, present()));
	},
	search: (text) => {
		if (matchMedia("(pointer: coarse)").matches) $("q").blur(); // hides the screen's keyboard
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
$("sort").addEventListener("change", () => go(list.sorted($("sort").value)));
$("more").addEventListener("click", list.more);
addEventListener("popstate", () => {
	if (location.search !== query) {
		closeOptions();
		$("q").value = place().params.get("q") ?? "";
	}
	render(true);
});
for (const event of ["scrollend", "pagehide"]) addEventListener(event, remember);
history.scrollRestoration = "manual";

function show(look) {
	try { localStorage["jpmovies-look"] = look; } catch { /* not allowed */ }
	$(`look-${look}`).checked = true;
	$("results").classList.toggle("dense", look === "table");
}

for (const input of document.querySelectorAll("[name=look]")) input.addEventListener("change", () => show(input.value));
let look;
try { look = localStorage["jpmovies-look"]; } catch { /* not allowed */ }
show(look === "table" ? look : "cards");

const narrow = matchMedia("(max-width: 56rem)");

function placePanel() {
	$("sheet").close();
	document.querySelector(narrow.matches ? "#sheet-body" : "aside").append($("panel"));
}

narrow.addEventListener("change", placePanel);
placePanel();
$("filter").addEventListener("click", () => $("sheet").showModal());

let planned = null; // the timer of the next refresh

function changed(change) {
	list.changed(change);
	stale = true;
	if (place().view === "list" || concerns(change)) plan();
}

const plan = () => { planned ??= setTimeout(refresh, refreshAfter); };

function refresh() {
	const now = place(), isList = now.view === "list";
	planned = null;
	if (!settled || loading > 0 || (isList && list.isBusy())) return plan();
	if (isList) reload(now.params, true);
	else wait(showPage(now, true));
}

function reload(params, again) {
	stale = false;
	wait(Promise.all([again && list.refresh(), counts(params, again)]));
}

function lost() {
	list.forget();
	stale = true;
	plan();
}

render(false);
follow({ badge: $("badge"), text: $("fresh"), changed, lost });
