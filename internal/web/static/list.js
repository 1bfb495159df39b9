// The list of movies. The next page loads when its end comes into view.
import { edit, filters, href, nextOf, suggestionHref } from "./address.js";
import { ask, insist, turns } from "./api.js";
import { about, card, flash, row } from "./cards.js";
import { chips } from "./chips.js";
import { $, el, movies, number } from "./draw.js";

const patience = 150; // ms until the skeleton is shown
const maxAtTop = 200;

let params;
let asked = null; // params of the list shown or loading, as text
let shown = new Map(); // id -> card
let next = null; // address of the next page
let total = null; // movies that match
let all = null; // movies in the catalogue
let gaps = false; // rows may be missing between the others
let refreshing = false;
let pending = []; // changes that came meanwhile, or while the list was loading
const turn = turns();
let signal;
const atEnd = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && more(), { rootMargin: "400px" });

export const rows = () => shown.size;

export async function show(now, atLeast = 0) {
	if (now.toString() === asked) return;
	params = now;
	asked = now.toString();
	signal = turn();
	const mine = signal;
	$("chips").replaceChildren(...chips(params));
	$("sort").value = params.get("sort") ?? "-id";
	$("match").hidden = $("match").disabled = !params.has("q");
	const late = setTimeout(wait, patience);
	await load(mine, () => fill(mine, atLeast, late));
	clearTimeout(late);
}

async function fill(mine, atLeast, late) {
	const first = new URLSearchParams(params), pages = [];
	gaps = false;
	if (atLeast > 25 && !params.has("limit")) first.set("limit", 100);
	for (let url = href(first, "movies"), rows = 0; url && rows < (atLeast || 1);) {
		const page = await insist(url, mine);
		pages.push(page);
		rows += page.body.movies.length;
		url = nextOf(page.body);
	}
	clearTimeout(late);
	clear();
	pages.forEach(append);
}

export async function more() {
	const mine = signal;
	if (next !== null && !isBusy()) await load(mine, async () => append(await insist(next, mine)));
}

export const isBusy = () => $("list").getAttribute("aria-busy") === "true";

async function load(mine, fetchPages) {
	const last = $("list").lastElementChild;
	busy(true);
	try {
		await fetchPages();
		busy(false);
		const used = document.activeElement === $("more");
		settle();
		if (used && $("more").hidden) last?.nextElementSibling?.querySelector("a").focus();
	} catch (error) {
		if (mine.aborted) return;
		busy(false);
		clear();
		refused(error);
	}
	// The observer only reports changes, and the button may still be in view.
	atEnd.unobserve($("more"));
	atEnd.observe($("more"));
}

const busy = (yes) => $("list").setAttribute("aria-busy", yes);

function clear() {
	shown = new Map();
	next = total = null;
	$("list").replaceChildren();
	$("note").replaceChildren();
	$("more").hidden = true;
}

function wait() {
	clear();
	$("list").append(...Array.from({ length: 9 }, () => el("li.card.empty", { "aria-hidden": "true" })));
	$("count").textContent = "Loading movies";
}

function append(page) {
	for (const movie of page.body.movies) if (!shown.has(movie.id)) $("list").append(newCard(movie));
	next = nextOf(page.body);
	setTotal(page);
}

const setTotal = (page) => { total = page.total ?? (next === null ? shown.size : null); };

function newCard(movie) {
	const item = card(movie, params);
	shown.set(movie.id, item);
	return item;
}

function settle() {
	$("more").hidden = next === null;
	count();
	if (shown.size === 0) none();
	pending.splice(0).forEach(apply);
}

function counted() {
	if (total === null) return `More than ${movies(shown.size)}`;
	if (total === 0) return "No movies";
	return all > total && filters(params).size > 0 ? `${number(total)} of ${movies(all)}` : movies(total);
}

function count() {
	if ($("count").textContent !== counted()) $("count").textContent = counted();
	$("show").textContent = total > 0 ? `Show ${movies(total)}` : "Close";
}

export function setAll(n) {
	all = n;
	if (!isBusy() && total !== null) count();
}

export const sorted = (order) => href(edit(params, (p) => (order === "-id" ? p.delete("sort") : p.set("sort", order))));

const everything = () => el("p", el("a", { href: "./" }, "Show all movies"));

async function none() {
	const mine = signal, q = params.get("q");
	const help = [el("p", "No movie matches all filters."), everything()];
	$("note").replaceChildren(...help);
	const others = q ? await ask(href({ q }, "suggest"), mine).then((a) => a.body.suggestions, () => []) : [];
	if (mine.aborted || others.length === 0 || shown.size > 0) return;
	const rest = edit(params, (p) => p.delete("q"));
	const links = others.map((s) => row({ name: s.text, note: about(s), to: suggestionHref(s, rest) }));
	$("note").replaceChildren(el("h3", "Did you mean …?"), el("ul.rows.meant", ...links), ...help);
}

function refused({ message }) {
	$("count").textContent = "That cannot be shown";
	$("note").replaceChildren(el("p.error", `${message}.`), everything());
}

export function changed(change) {
	if (!params) return; // no list yet
	if (refreshing || isBusy()) pending.push(change);
	else apply(change);
}

function apply({ id, movie }) {
	const old = shown.get(id);
	if (!old) gaps ||= movie !== null && (params.has("sort") || (id < Math.max(...shown.keys()) && (next === null || id > Math.min(...shown.keys()))));
	else if (movie === null) {
		old.classList.add("gone");
		old.querySelector("h3").append(el("span.hidden", " was deleted"));
	} else replace(old, movie);
}

function replace(old, movie) {
	const focused = old.contains(document.activeElement);
	const item = newCard(movie);
	old.replaceWith(item);
	if (focused) item.querySelector("a").focus();
	flash(item);
}

/** Inserts new movies of the first page. */
export async function refresh() {
	const mine = signal;
	if (isBusy()) return;
	refreshing = true;
	const page = await insist(href(params, "movies"), mine).catch(() => null);
	refreshing = false;
	if (isBusy()) return;
	if (page === null || shown.size + page.body.movies.length === 0) {
		pending.splice(0).forEach(apply);
		return;
	}
	const fresh = page.body.movies;
	if (scrollY === 0 && shown.size > maxAtTop && !$("list").contains(document.activeElement)) { // a page may stay open for weeks
		clear();
		append(page);
		return settle();
	}
	if (gaps || (nextOf(page.body) !== null && !shown.has(fresh.at(-1)?.id))) {
		const id = document.activeElement.closest(".card")?.dataset.id;
		await load(mine, () => fill(mine, shown.size));
		if (id && document.activeElement === document.body) (shown.get(Number(id))?.querySelector("a") ?? $("main")).focus({ preventScroll: true });
		return;
	}
	$("note").replaceChildren();
	let before = null;
	for (const movie of fresh) {
		let item = shown.get(movie.id);
		if (!item) {
			item = newCard(movie);
			if (before) before.after(item);
			else $("list").prepend(item);
			flash(item);
		}
		before = item;
	}
	if (shown.size === fresh.length) next = nextOf(page.body);
	setTotal(page);
	settle();
}

export function forget() { gaps = true; }
