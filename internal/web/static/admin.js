// The operators' page, of a worker and of an API process alike. It shows the sections
// that /overview has, and asks about objects, movies and rejections. It changes nothing.
import { ago, el } from "./draw.js";
import { chart, command, duration, number, table, took } from "./parts.js";

const $ = (id) => document.getElementById(id);
const every = 3000, reasonsEvery = 15000, kept = 200;

async function ask(url) {
  const response = await fetch(url, { cache: "no-store" });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `the answer is ${response.status}`);
  return body;
}

/** Changes an element only when its text does, so that it can be selected and read out. */
function set(e, ...children) {
  const next = el("div", {}, ...children);
  if (e.innerHTML !== next.innerHTML) e.replaceChildren(...next.childNodes);
}

// --- overview

let now = Date.now(); // by the server's clock, as soon as it has answered
let answered = null; // when the last overview came, by this machine's
const samples = []; // of an API process: what each overview said

const since = (time) => (time ? `${ago(now - Date.parse(time))} ago` : "never");
const many = (n, one, more = `${one}s`) => `${number(n)} ${n === 1 ? one : more}`;

async function overview() {
  const ready = $("ready");
  let o;
  try {
    o = await ask("overview");
  } catch {
    ready.dataset.state = "failing";
    ready.lastElementChild.textContent = answered === null ? "no answer" : `no answer; what is shown is ${ago(Date.now() - answered)} old`;
    return;
  }
  answered = Date.now();
  now = Date.parse(o.time);
  const worst = ["failing", "degraded", "ok"].find((s) => o.parts.some((p) => p.state === s)) ?? "ok";
  ready.dataset.state = worst;
  set(ready.lastElementChild, { ok: "ready", degraded: "ready, but degraded", failing: "not ready" }[worst]);
  set($("process"), `${o.process.name} ${o.process.version}, up for ${duration((now - Date.parse(o.process.started)) / 1000)}`);
  const catalogue = o.catalogue.error ? null : o.catalogue;
  if (catalogue || o.worker) sample(catalogue, o.worker);
  showHealth(o, catalogue);
  showTiles(o, catalogue);
  showCharts(o.worker);
  showTables(o, catalogue);
  for (const time of document.querySelectorAll("time")) set(time, since(time.dateTime));
}

const sections = { database: "MoviesDatabaseAway", pass: "MoviesPassesFail", index: "the-index" };
const slow = 900, silent = 300, behind = 60; // seconds, as in the alerts

function showHealth(o, catalogue) {
  const parts = o.parts.map((p) => ({ ...p, link: sections[p.name] ?? "h-do" }));
  const add = (name, bad, detail, link) => parts.push({ name, state: bad ? "degraded" : "ok", detail, link });
  if (catalogue) {
    const { workers, objects_waiting: waiting, oldest_waiting_seconds: oldest } = catalogue;
    const quiet = (now - Math.max(...workers.map((w) => Date.parse(w.last_pass ?? 0)))) / 1000;
    if (workers.length === 0) add("workers", true, "no worker has ended a pass so far", "MoviesWorkerSilent");
    else {
      add("workers", quiet > silent, `last pass ${duration(quiet)} ago`, "MoviesWorkerSilent");
      add("backlog", oldest > slow, waiting === 0 ? "nothing waits" : `${many(waiting, "object")} ${waiting === 1 ? "waits" : "wait"}, the oldest for ${duration(oldest ?? 0)}`,
        waiting > 100 ? "MoviesBacklogLate" : "MoviesObjectsStuck");
    }
  }
  const lag = o.api?.replica_lag_seconds;
  if (lag != null) add("replica", lag > behind, `${duration(lag)} behind the primary`, "MoviesReplicaBehind");
  set($("health"), ...parts.map((p) => el("li", { "data-state": p.state },
    el("span", { class: "dot", "aria-hidden": "true" }), el("b", {}, p.name),
    el("span", { class: "detail" }, p.state === "ok" || p.detail.startsWith(p.state) ? p.detail : `${p.state === "failing" ? "not ready" : p.state}: ${p.detail}`),
    el("a", { href: `#${p.link}` }, `Runbook: ${$(p.link).textContent}`))));
}

function showTiles(o, catalogue) {
  const tiles = [];
  const tile = (name, figure, ...below) => tiles.push(el("div", {}, el("dt", {}, name), el("dd", { class: "figure" }, figure), ...below.map((b) => el("dd", { class: "soft" }, b))));
  if (catalogue) {
    const reported = catalogue.workers.length > 0;
    tile("Objects waiting", reported ? number(catalogue.objects_waiting) : "–", reported ? (catalogue.objects_waiting === 0 ? "nothing waits" : `oldest for ${duration(catalogue.oldest_waiting_seconds ?? 0)}`) : "not reported so far");
    tile("Last commit", reported ? since(catalogue.last_commit) : "–", `revision ${number(catalogue.revision)}`);
    tile("Movies", number(catalogue.movies), "in the database");
  } else {
    tile("Database", "no answer", "see Health");
  }
  if (o.worker) tile("Updates now", `${number(rates().at(-1)?.[1] ?? 0)}/s`, `${number(o.worker.updates)} since start,`, `of ${many(o.worker.objects, "object")}`);
  if (o.api) {
    const { index, confirmed_seconds: confirmed } = o.api;
    if (index === null) tile("Index", "off", "answers by SQL");
    else if (index.loading) tile("Index", `${Math.floor((100 * index.loaded) / Math.max(1, index.expected, index.loaded))} %`, el("progress", { max: Math.max(1, index.expected), value: index.loaded, "aria-label": "Load of the index" }), `${number(index.loaded)} of about ${number(index.expected)} loaded`);
    else tile("Movies in the index", number(index.movies), `loaded in ${took(index.load_seconds)}`);
    if (o.api.revision !== null) tile("Answers confirmed", `${duration(confirmed)} ago`, `by the database, revision ${number(o.api.revision)}`);
    if (o.api.replica_lag_seconds !== null) tile("Replica behind", duration(o.api.replica_lag_seconds), "its primary");
  }
  tile("Memory", `${number(o.process.memory_bytes / 2 ** 20)} MiB`, "of this process");
  set($("tiles"), ...tiles);
}

function sample(catalogue, worker) {
  samples.push({
    time: now, waiting: worker?.waiting_in_pass ?? catalogue.objects_waiting, oldest: catalogue?.oldest_waiting_seconds ?? 0, done: worker?.updates ?? catalogue.revision,
  });
  if (samples.length > kept) samples.shift();
}

/** What was done per second, between each sample and the one before it. */
const rates = () => samples.slice(1).map((s, i) => [s.time, Math.max(0, s.done - samples[i].done) / Math.max(0.1, (s.time - samples[i].time) / 1000)]);

/** Passes go back further than this page. In the first one there are only its samples. */
function showCharts(worker) {
  const age = "Age of the oldest object that waits";
  if (worker?.passes.length > 1) {
    const at = (value) => worker.passes.map((p) => [Date.parse(p.time), value(p)]);
    chart($("waiting"), "Objects waiting after each pass", "", at((p) => p.waiting));
    chart($("rate"), "Updates in each pass", "/s", at((p) => p.updates / Math.max(p.took_seconds, 0.001)));
    chart($("lag"), age, "", at((p) => (p.oldest_waiting ? Math.max(0, Date.parse(p.time) - Date.parse(p.oldest_waiting)) / 1000 : 0)), true);
    return;
  }
  chart($("waiting"), worker ? "Objects waiting in this pass" : "Objects waiting, as workers report", "", samples.map((s) => [s.time, s.waiting]));
  chart($("rate"), worker ? "Updates committed" : "Changes of the catalogue", "/s", rates());
  chart($("lag"), age, "", samples.map((s) => [s.time, s.oldest]), true);
}

function showTables(o, catalogue) {
  $("s-workers").hidden = !catalogue?.workers.length;
  if (catalogue?.workers.length) {
    set($("workers"), table(["shard", "last pass#", "last commit#", "objects waiting#", "oldest since#"], catalogue.workers.map((w) => [
      w.shard || "whole bucket", since(w.last_pass), since(w.last_commit), number(w.objects_waiting), w.oldest_waiting ? since(w.oldest_waiting) : "–",
    ])));
  }
  $("s-passes").hidden = !o.worker;
  if (o.worker) {
    set($("passes"), o.worker.passes.length === 0 ? el("p", {}, `None has ended; ${many(o.worker.updates, "update")} committed so far.`)
      : table(["ended", "took#", "objects#", "updates#", "changes#", "rejected#", "failed#", "waiting#"], o.worker.passes.slice(-8).reverse().map((p) => [
        since(p.time), took(p.took_seconds), ...[p.objects, p.updates, p.changes, p.rejections, p.failed, p.waiting].map(number),
      ])));
  }
}

// --- objects and movies: each answer has an address that can be shared

const objectLink = (key) => el("a", { href: `?${new URLSearchParams({ key })}`, class: "mono" }, key);
const movieLink = (id) => el("a", { href: `?${new URLSearchParams({ title: id })}` }, `movie ${id}`);
const when = (time) => el("time", { datetime: time, title: time }, since(time));

const meanings = {
  waiting: "It is in the bucket, and is read by the next pass.",
  applied: "Its updates are committed.",
  superseded: "Nothing of it is left: newer objects have replaced all that it said.",
  rejected: "Updates of it could not be used.",
  unknown: "Nothing is known of it: there was no such object, it was overwritten before it was read, or it was applied longer ago than MOVIES_CHANGE_DAYS.",
};

async function traceObject(key) {
  const t = await ask(`objects?${new URLSearchParams({ key })}`);
  const lines = t.states.map((s) => el("p", {}, meanings[s]));
  if (t.waiting) lines.push(el("p", { class: "soft" }, t.waiting.settling ? "It may still be being written." : `${many(t.waiting.size, "byte")}, written `, ...(t.waiting.object_time ? [when(t.waiting.object_time)] : [])));
  if (t.bucket_error) lines.push(el("p", {}, `The bucket does not answer: ${t.bucket_error}`));
  else if (!t.bucket_searched) lines.push(el("p", {}, "Whether it is in the bucket, a worker's page knows, or: "), command(`jpmovies trace '${key.replaceAll("'", "'\\''")}'`));
  if (t.applied.length > 0) lines.push(el("h3", {}, "Applied"), list(t.applied.map((i) => [
    when(i.time), `: ${many(i.updates, "update")}, ${many(i.changes, "change")}, ${number(i.rejections)} rejected; written `, when(i.object_time), ...i.movies.map(touched),
  ])));
  if (t.rejections.length > 0) lines.push(el("h3", {}, "Rejected"), list(t.rejections.map(rejected)));
  return [el("div", { class: "states" }, ...t.states.map((s) => el("span", { class: `state ${s}` }, s))), ...lines];
}

function touched(m) {
  const by = m.superseded_by;
  return el("div", {}, movieLink(m.id), m.revision ? ` at revision ${m.revision}` : ", no change", ...(by ? ["; superseded by ", objectLink(by.key), " of ", when(by.time)] : []));
}

const list = (items) => el("ul", { class: "list" }, ...items.map((children) => el("li", {}, ...children)));
const scrolled = (label, child) => el("div", { class: "wide", tabindex: "0", role: "group", "aria-label": label }, child);
const partNames = { updated: "newest update", deleted: "deleted by" };

async function traceMovie(title, year) {
  const byID = year === "" && /^[0-9]+$/.test(title);
  const m = await ask(`movie?${new URLSearchParams(byID ? { id: title } : year === "" ? { title } : { title, year })}`);
  return [
    el("div", { class: "states" }, el("b", {}, `${m.title} (${m.year})`), `movie ${m.id}`, m.visible ? null : el("span", { class: "state deleted" }, "deleted")),
    scrolled("Parts", table(["part", "object*", "position#", "written#"], m.parts.map((p) => [partNames[p.part] ?? p.part, objectLink(p.key), number(p.position), when(p.time)]))),
    el("h3", {}, "History"),
    m.history.length === 0 ? el("p", {}, "No change is kept any more.")
      : scrolled("History", table(["when", "revision#", "changed", "object*"], m.history.map((e) => [when(e.time), number(e.revision), e.changed.join(", ") || "–", e.object ? objectLink(e.object) : el("span", { class: "soft" }, "not known")]))),
    el("p", { class: "soft" }, "The object of a change is known while it has set a part that still stands."),
  ];
}

const asking = {}; // by output, so that late answers are dropped

async function find(output, question) {
  const mine = (asking[output.id] = {});
  let shown;
  try {
    shown = await question;
  } catch (error) {
    shown = [el("p", { role: "alert" }, error.message)];
  }
  if (asking[output.id] === mine) output.replaceChildren(...shown);
}

/** Answers what the address asks for. */
function answer(focus) {
  const params = new URLSearchParams(location.search);
  const key = params.get("key"), title = params.get("title"), year = params.get("year") ?? "";
  if (key !== null) {
    $("object").key.value = key;
    find($("trace"), traceObject(key));
    if (focus) $("h-object").focus();
  } else if (title !== null) {
    $("movie").title.value = title;
    $("movie").year.value = year;
    find($("origins"), traceMovie(title, year));
    if (focus) $("h-movie").focus();
  }
}

function go(params, focus) {
  history.pushState(null, "", `?${params}`);
  answer(focus);
}

for (const id of ["object", "movie"]) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    go(new URLSearchParams(new FormData(event.target)), false);
  });
}
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="?"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.search.slice(1), true);
});
addEventListener("popstate", () => answer(false));

// --- rejections

function advice(reason) {
  if (reason.startsWith("refused by the database")) return "The database refused valid data. That is a bug: keep the row, and report it.";
  if (reason.startsWith("object:")) return "Nothing of the object can be read. The producer has to send JSON in UTF-8, plain or compressed once.";
  if (/expected (sound JSON|its rest|a comma|nothing)/.test(reason)) return "The text is damaged or cut off. The producer has to send it again, whole.";
  if (reason.includes("rename ")) return "The producer names a field differently. It has to use our name.";
  return "Tell the producer the reason; it has to send a corrected update.";
}

const rejected = (r) => [objectLink(r.key), `, position ${number(r.position)}, `, when(r.time), el("p", {}, r.reason),
  command(`jpmovies rejections show ${r.id}`), command(`jpmovies rejections requeue ${r.id} --file corrected.json`)];

let shownReasons = null;

async function reasons() {
  const q = $("search").q.value.trim();
  let found;
  try {
    found = await ask(`rejections/reasons${q && `?${new URLSearchParams({ q })}`}`);
  } catch (error) {
    set($("matched"), `Rejections cannot be shown: ${error.message}`);
    return;
  }
  if (q !== $("search").q.value.trim()) return;
  const of = found.searched === 1000 ? "the newest 1,000 rejections" : many(found.searched, "rejection");
  const listed = found.reasons.reduce((sum, r) => sum + r.count, 0);
  set($("matched"), found.searched === 0 ? "Nothing was rejected." : q ? `${number(found.matched)} of ${of} ${found.matched === 1 ? "matches" : "match"}.` : `Of ${of}.`,
    listed < found.matched ? ` ${many(found.matched - listed, "more has a rarer reason", "more have rarer reasons")}.` : "");
  const ids = JSON.stringify(found.reasons.map((r) => [r.count, r.rejections[0].id]));
  if (ids === shownReasons || $("reasons").contains(document.activeElement) || $("reasons").contains(getSelection().anchorNode)) return;
  shownReasons = ids;
  const open = new Set([...$("reasons").querySelectorAll("details[open]")].map((d) => d.dataset.reason));
  $("reasons").replaceChildren(...found.reasons.map((r) => el("details", { "data-reason": r.reason, open: open.has(r.reason) },
    el("summary", {}, el("b", {}, number(r.count)), " ", r.reason),
    el("p", {}, advice(r.reason)),
    r.count > r.rejections.length ? el("p", { class: "soft" }, `The newest ${r.rejections.length} of them:`) : null,
    list(r.rejections.map(rejected)))));
}

let typing = null;
$("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(reasons, 200);
});
$("search").addEventListener("submit", (event) => { event.preventDefault(); reasons(); });

for (const code of document.querySelectorAll("[data-copy]")) code.replaceWith(command(code.textContent));

async function repeat(what, pause) {
  if (!document.hidden) await what();
  setTimeout(repeat, pause, what, pause);
}
document.addEventListener("visibilitychange", () => { if (!document.hidden) overview(); });
repeat(overview, every);
repeat(reasons, reasonsEvery);
answer(false);
