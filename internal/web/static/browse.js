// The browse page. The address holds all of its state: filters, and the movie
// that is open. Everything shown comes from the public API.
import { el, histogram } from "./draw.js";
import { follow } from "./live.js";

const $ = (id) => document.getElementById(id);
const repeated = ["cast", "genre"];
const known = ["q", "year_from", "year_to", "title", "year", ...repeated];
const fewGenres = 12;

let shown = new Map(); // id -> card, of the present list
let next = null; // next_url
let turn = 0; // grows with each new list, so that late answers are dropped
let refused = null; // why the API did not answer the question
let years = [];
let genres = [];
let total = null;
let revision = null; // that the first answer showed
let opener = null; // what had the focus before a movie was opened
const atEnd = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && loadMore(), { rootMargin: "600px" });

// --- state in the address

function filters() {
  const all = new URLSearchParams(location.search);
  const kept = new URLSearchParams();
  for (const [name, value] of all) if (known.includes(name) && value.trim() !== "") kept.append(name, value);
  return kept;
}

function address(change) {
  const params = filters();
  change(params);
  const text = params.toString();
  return text === "" ? "./" : `./?${text}`;
}

const withValue = (name, value) => address((p) => (value ? p.set(name, value) : p.delete(name)));
const withName = (name, value) => address((p) => p.getAll(name).includes(value) || p.append(name, value));
const without = (name, value) =>
  address((p) => {
    const rest = p.getAll(name).filter((v) => v !== value);
    p.delete(name);
    for (const v of rest) p.append(name, v);
  });

function go(url, { replace = false } = {}) {
  if (new URL(url, location).href === location.href) return;
  history[replace ? "replaceState" : "pushState"](null, "", url);
  render();
}

// --- answers

// All addresses are relative: a proxy may serve the page below a path of its own, also
// one that the API was not told of.
const nextOf = (page) => page.next_url && `movies${new URL(page.next_url, location).search}`;

async function ask(url) {
  const response = await fetch(url);
  if (response.ok) {
    online(true);
    revision ??= Number(response.headers.get("Catalogue-Revision")) || null;
    return response.json();
  }
  const problem = await response.json().catch(() => ({}));
  const error = new Error(problem.detail ?? `the API answers ${response.status}`);
  error.status = response.status;
  throw error;
}

function online(yes, words = "") {
  $("away").hidden = yes;
  if (!yes && $("away").textContent !== words) $("away").textContent = words;
}

// --- the list

async function load(url, mine, { first }) {
  $("list").setAttribute("aria-busy", "true");
  $("more").disabled = true;
  try {
    const page = await ask(url);
    if (mine !== turn) return;
    if (first) $("list").replaceChildren();
    for (const movie of page.movies) add(movie, "append");
    next = nextOf(page);
    settle();
  } catch (error) {
    if (mine !== turn) return;
    if (error.status >= 400 && error.status < 500) {
      if (first) $("list").replaceChildren();
      refused = error.message;
      settle();
      return;
    }
    online(false, "The API is away. What is shown may be old; trying again.");
    setTimeout(() => mine === turn && load(url, mine, { first }), 2000);
  } finally {
    if (mine === turn) {
      $("list").setAttribute("aria-busy", "false");
      $("more").disabled = false;
      // The button may have stayed in view, of which nobody is told again.
      atEnd.unobserve($("more"));
      atEnd.observe($("more"));
    }
  }
}

function settle() {
  $("none").hidden = shown.size > 0 || refused !== null;
  if (refused !== null) {
    $("count").textContent = `That cannot be shown: ${refused}`;
    return;
  }
  $("more").hidden = next === null;
  const all = matching();
  const of = all !== null && all >= shown.size ? ` of ${all.toLocaleString()}` : next === null ? "" : ", more to come";
  $("count").textContent = shown.size === 0 ? "No movies" : `${shown.size.toLocaleString()} ${shown.size === 1 ? "movie" : "movies"}${of}`;
}

/** How many movies match, if that is known without asking. */
function matching() {
  const params = filters();
  if (next === null) return shown.size;
  if ([...params].length === 0) return total;
  if ([...params].length === 1 && params.has("genre")) return genres.find((g) => g.genre === params.get("genre"))?.movies ?? null;
  if ([...params.keys()].every((k) => k === "year_from" || k === "year_to")) {
    const inside = years.filter((y) => y.year >= (params.get("year_from") ?? 0) && y.year <= (params.get("year_to") ?? 9999));
    return inside.reduce((sum, y) => sum + y.movies, 0);
  }
  return null;
}

function add(movie, how) {
  if (shown.has(movie.id)) return;
  const item = card(movie);
  shown.set(movie.id, item);
  $("list")[how](item);
}

function card(movie) {
  const link = el("a", { href: movieURL(movie.id), "data-go": true }, movie.title);
  return el(
    "li",
    { class: "card", "data-id": movie.id },
    el("h3", {}, link, " ", el("span", { class: "year" }, String(movie.year))),
    movie.genres.length > 0 ? names("genre", movie.genres) : null,
    movie.cast.length > 0 ? names("cast", movie.cast.slice(0, 6), movie.cast.length - 6) : null,
  );
}

function names(filter, values, rest = 0) {
  const buttons = values.map((v) => el("button", { type: "button", class: "name", "data-filter": filter, "data-value": v, title: `Only ${filter} ${v}` }, v));
  return el("p", { class: "names" }, ...buttons, rest > 0 ? el("span", {}, `and ${rest} more`) : null);
}

function movieURL(id) {
  return address((p) => p.set("movie", id));
}

function waiting() {
  $("list").replaceChildren(...Array.from({ length: 6 }, () => el("li", { class: "card empty", "aria-hidden": "true" })));
  $("count").textContent = "Loading movies";
  $("none").hidden = true;
  $("more").hidden = true;
}

// --- filters beside the list

async function loadCounts() {
  try {
    const [g, y, s] = await Promise.all([ask("genres"), ask("years"), ask("status")]);
    genres = g.genres;
    years = y.years;
    total = s.movies;
    renderFilters();
    settleSoon();
  } catch {
    // the list says that the API is away
  }
}

const settleSoon = () => $("list").getAttribute("aria-busy") === "false" && settle();

function renderFilters() {
  const params = filters();
  const from = Number(params.get("year_from") ?? 0), to = Number(params.get("year_to") ?? 9999);
  if (years.length > 0) {
    const href = (year) => address((p) => { p.set("year_from", year); p.set("year_to", year); });
    $("years").replaceChildren(...histogram(years, href, (year) => year >= from && year <= to && (from > 0 || to < 9999)));
  }
  const open = $("more-genres").getAttribute("aria-expanded") === "true";
  const chosen = params.getAll("genre");
  const some = open ? genres : genres.filter((g, i) => i < fewGenres || chosen.includes(g.genre));
  const most = genres[0]?.movies ?? 1;
  $("genres").replaceChildren(...some.map((g) => genreBar(g, most, chosen.includes(g.genre))));
  $("more-genres").hidden = genres.length <= fewGenres;
  $("more-genres").textContent = open ? "Fewer genres" : `All ${genres.length} genres`;
}

function genreBar({ genre, movies }, most, chosen) {
  const bar = el("span", { class: "bar" });
  bar.style.width = `${(movies / most) * 100}%`;
  const href = chosen ? without("genre", genre) : withName("genre", genre);
  return el("li", {}, el("a", { href, "data-go": true, "aria-current": chosen ? "true" : null }, bar, el("span", {}, genre), el("span", { class: "n" }, movies.toLocaleString())));
}

function renderChips() {
  const params = filters();
  const chips = [];
  for (const [name, value] of params) {
    if (name === "q") continue;
    const label = { cast: "with ", genre: "", year_from: "from ", year_to: "to ", year: "in ", title: "titled " }[name];
    chips.push(el("button", { type: "button", class: "name", "data-remove": name, "data-value": value, "aria-label": `Remove ${label}${value}` }, label + value));
  }
  $("chips").replaceChildren(...chips);
}

// --- one movie

async function renderMovie() {
  const id = new URLSearchParams(location.search).get("movie");
  const dialog = $("movie");
  if (id === null) {
    if (dialog.open) dialog.close();
    return;
  }
  try {
    const movie = await ask(`movies/${encodeURIComponent(id)}`);
    $("movie-body").replaceChildren(
      el("h2", { id: "movie-title" }, movie.title),
      el("p", {}, String(movie.year)),
      ...(movie.genres.length > 0 ? [el("h3", {}, "Genres"), names("genre", movie.genres)] : []),
      ...(movie.cast.length > 0 ? [el("h3", {}, "Cast"), names("cast", movie.cast)] : []),
      el("p", {}, el("a", { href: `movies/${movie.id}` }, `JSON of movie ${movie.id}`)),
    );
  } catch (error) {
    const words = error.status === 404 ? "There is no such movie (any more)." : `It cannot be shown: ${error.message}`;
    $("movie-body").replaceChildren(el("h2", { id: "movie-title" }, "No movie"), el("p", {}, words));
  }
  if (!dialog.open) {
    opener = document.activeElement;
    dialog.showModal();
  }
}

// --- all of it

let before = null; // the filters that the list shows

function render() {
  const params = filters();
  renderMovie();
  const now = params.toString();
  if (now === before) return;
  before = now;
  if (document.activeElement !== $("q")) $("q").value = params.get("q") ?? "";
  $("from").value = params.get("year_from") ?? "";
  $("to").value = params.get("year_to") ?? "";
  document.title = params.get("q") ? `${params.get("q")} – Movies` : "Movies";
  renderChips();
  renderFilters();
  turn++;
  shown = new Map();
  next = null;
  refused = null;
  waiting();
  load(now === "" ? "movies" : `movies?${now}`, turn, { first: true });
}

function loadMore() {
  if (next === null || $("more").disabled) return;
  load(next, turn, { first: false });
}

// New and changed movies: what is shown changes in place; what is new comes from
// the same question asked again, and goes on top. The browser keeps what is in
// view where it is.
let fresh = null;

function changed({ id, movie }) {
  const old = shown.get(id);
  if (old && movie === null) old.classList.add("gone");
  if (old && movie !== null) {
    const item = card(movie);
    old.replaceWith(item);
    shown.set(id, item);
    flash(item);
  }
  fresh ??= setTimeout(refresh, 300);
}

// lost: what has changed is not known any more, so all is asked for again.
function lost() {
  before = null;
  render();
  loadCounts();
}

async function refresh() {
  fresh = null;
  const mine = turn;
  loadCounts();
  if ($("list").getAttribute("aria-busy") === "true") return;
  try {
    const page = await ask(before === "" ? "movies" : `movies?${before}`);
    if (mine !== turn) return;
    const newest = Math.max(0, ...shown.keys());
    for (const movie of page.movies.filter((m) => m.id > newest).reverse()) {
      add(movie, "prepend");
      flash(shown.get(movie.id));
    }
    if (next === null && shown.size < page.movies.length) next = nextOf(page);
    settle();
  } catch {
    // the badge says that the API is away
  }
}

function flash(item) {
  item.classList.add("changed");
  setTimeout(() => item.classList.remove("changed"), 4000);
}

// --- what people do

let typing;
$("q").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const value = $("q").value.trim();
    // A search that goes on is one step back, not one for each letter.
    go(withValue("q", value), { replace: filters().has("q") && value !== "" });
  }, 150);
});
for (const [id, name] of [["from", "year_from"], ["to", "year_to"]]) {
  $(id).addEventListener("change", () => $(id).checkValidity() && go(withValue(name, $(id).value)));
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-go], a[data-home], .years a");
  if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
    event.preventDefault();
    go(link.getAttribute("href"));
    return;
  }
  const button = event.target.closest("button");
  if (button?.dataset.filter) go(withName(button.dataset.filter, button.dataset.value));
  else if (button?.dataset.remove) go(without(button.dataset.remove, button.dataset.value));
});
$("clear").addEventListener("click", () => go("./"));
$("more").addEventListener("click", loadMore);
$("more-genres").addEventListener("click", () => {
  const open = $("more-genres").getAttribute("aria-expanded") === "true";
  $("more-genres").setAttribute("aria-expanded", String(!open));
  renderFilters();
});
$("movie").addEventListener("close", () => {
  opener?.focus?.();
  if (new URLSearchParams(location.search).has("movie")) go(address(() => {}));
});
$("movie").addEventListener("click", (event) => event.target === $("movie") && $("movie").close());
addEventListener("popstate", render);
render();
loadCounts();
follow({ badge: $("badge"), text: $("fresh"), changed, lost, from: () => revision });
