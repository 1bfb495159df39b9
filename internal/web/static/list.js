// The list of movies: pages that follow each other as they come into view.
import { edit, filters, href, nextOf, suggestionHref } from "./address.js";
import { ask, insist, turns } from "./api.js";
import { card, flash, links, meant } from "./cards.js";
import { chips } from "./chips.js";
import { $, el, movies, number } from "./draw.js";

const patience = 150; // milliseconds until grey cards are shown

let params = new URLSearchParams();
let asked = null; // what the list shows, as an address
let shown = new Map(); // id -> card
let next = null; // the page that follows
let total = null; // how many match
let all = null; // how many there are
const turn = turns();
let signal = turn();
const atEnd = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && more(), { rootMargin: "400px" });

export const rows = () => shown.size;

/** Shows what matches; at least so many rows, where someone returns to. */
export async function show(now, atLeast = 0) {
  if (now.toString() === asked) return;
  params = now;
  asked = now.toString();
  signal = turn();
  const mine = signal, first = new URLSearchParams(params);
  if (atLeast > 25 && !params.has("limit")) first.set("limit", 100);
  $("chips").replaceChildren(...chips(params));
  $("sort").value = params.get("sort") ?? "-id";
  $("match").hidden = $("match").disabled = !params.has("q");
  const late = setTimeout(wait, patience);
  await during(mine, async () => {
    const page = await insist(href(first, "movies"), mine);
    clearTimeout(late);
    clear();
    take(page);
    while (next !== null && shown.size < atLeast) take(await insist(next, mine));
  });
  clearTimeout(late);
}

export async function more() {
  const mine = signal;
  if (next !== null && !isBusy()) await during(mine, async () => take(await insist(next, mine)));
}

const isBusy = () => $("list").getAttribute("aria-busy") === "true";

/** Runs what brings movies, and shows how it ended. */
async function during(mine, bring) {
  busy(true);
  try {
    await bring();
    settle();
  } catch (error) {
    if (mine.aborted) return;
    clear();
    refused(error);
  }
  busy(false);
  // The button may have stayed in view, of which nobody is told again.
  atEnd.unobserve($("more"));
  atEnd.observe($("more"));
}

function busy(yes) {
  $("list").setAttribute("aria-busy", yes);
  $("more").disabled = yes;
}

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

function take(page) {
  for (const movie of page.body.movies) if (!shown.has(movie.id)) $("list").append(made(movie));
  next = nextOf(page.body);
  total = page.total ?? (next === null ? shown.size : null);
}

function made(movie) {
  const item = card(movie, params);
  shown.set(movie.id, item);
  return item;
}

function settle() {
  $("more").hidden = next === null;
  count();
  if (shown.size === 0) none();
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

/** Takes how many movies there are. */
export function setAll(n) {
  all = n;
  if (!isBusy() && total !== null) count();
}

/** Where an order leads. */
export const sorted = (order) => href(edit(params, (p) => (order === "-id" ? p.delete("sort") : p.set("sort", order))));

// --- nothing, or no answer

const way = (to, text) => el("p", el("a", { href: to }, text));
const everything = () => way("./", "Show all movies");

async function none() {
  const mine = signal, q = params.get("q");
  const help = [el("p", "No movie matches all of this."), everything()];
  $("note").replaceChildren(...help);
  const others = q ? await meant(q, mine) : [];
  if (mine.aborted || others.length === 0) return;
  const rest = edit(params, (p) => p.delete("q"));
  $("note").replaceChildren(el("h3", "Did you mean …?"), links(others, (s) => suggestionHref(s, rest)), ...help);
}

function refused({ message, parameter }) {
  $("count").textContent = "That cannot be shown";
  const like = params.has(parameter) && / did you mean (\w+)\?/.exec(message)?.[1];
  const instead = (p) => {
    p.append(like, p.get(parameter));
    p.delete(parameter);
  };
  const text = message.startsWith("unknown parameter") ? `The address has “${parameter}”, which is not a filter` : message;
  $("note").replaceChildren(el("p.error", `${text}.`), like ? way(href(edit(params, instead)), `Use “${like}” instead`) : "", everything());
}

// --- what happens meanwhile

/** A movie has changed: it is shown as it is now, where it is. */
export function changed({ id, movie }) {
  const old = shown.get(id);
  if (!old) return;
  if (movie === null) {
    old.classList.add("gone");
    return;
  }
  const focused = old.contains(document.activeElement);
  const item = made(movie);
  old.replaceWith(item);
  if (focused) item.querySelector("a").focus();
  flash(item);
}

/** Asks the same question again: what is new comes where it belongs. The browser keeps what is in view where it is. */
export async function refresh() {
  const mine = signal;
  const page = isBusy() ? null : await ask(href(params, "movies"), mine).catch(() => null); // the badge says that the API is away
  if (page === null || mine.aborted || isBusy()) return;
  $("note").replaceChildren();
  let before = null;
  for (const movie of page.body.movies) {
    let item = shown.get(movie.id);
    if (!item) {
      item = made(movie);
      if (before) before.after(item);
      else $("list").prepend(item);
      flash(item);
    }
    before = item;
  }
  if (shown.size === page.body.movies.length) next = nextOf(page.body);
  total = page.total;
  settle();
}

/** What has changed is not known: the list is asked for anew. */
export function forget() { asked = null; }
