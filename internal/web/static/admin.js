// The operators' page of a worker or of an API process. It changes nothing.
import { href } from "./address.js";
import { ask, turns } from "./api.js";
import { $, ago, el, many, number, took } from "./draw.js";
import { chart, clock, duration, table } from "./parts.js";

const every = 3000, reasonsEvery = 15000; // milliseconds between two requests
const maxSamples = 200;
const turn = { object: turns(), movie: turns(), reasons: turns() };

/** Keeps equal content, so that a selection stays and screen readers are quiet. */
function set(e, ...children) {
	const next = el("div", ...children);
	if (e.innerHTML !== next.innerHTML) e.replaceChildren(...next.childNodes);
}

let now = Date.now(); // by the server's clock after the first answer
let answered = null; // time of the last answer, by the browser's clock
const samples = []; // one for each answer

const since = (time) => (time ? `${ago(now - Date.parse(time))} ago` : "never");

async function overview() {
	const overview = await ask("overview").then((a) => a.body, () => null);
	$("main").hidden = false; // shown with its figures, so that nothing moves
	if (overview === null) {
		showState("failing", answered === null ? "no answer" : `no answer since ${clock(answered)}`);
		return;
	}
	const { time, parts, process, worker, api, catalogue } = overview;
	const known = catalogue.error ? null : catalogue;
	answered = Date.now();
	now = Date.parse(time);
	const worst = ["failing", "degraded"].find((s) => parts.some((p) => p.state === s)) ?? "ok";
	showState(worst, { ok: "ready", degraded: "ready, but degraded", failing: "not ready" }[worst]);
	set($("process"), `${process.name} ${process.version}, up for ${ago(now - Date.parse(process.started))}`);
	showHealth([...parts, ...reported(known, api)]);
	if (known || worker) sample(known, worker);
	if (samples.length > 0) showCharts(worker);
	set($("tiles"), ...tiles(known, worker, api).map(([name, figure, ...below]) =>
		el("div", el("dt", name), el("dd.figure", figure), ...below.map((b) => el("dd.soft", b)))));
	showTables(known?.workers ?? [], worker);
	for (const time of document.querySelectorAll("time")) set(time, since(time.dateTime));
}

function showState(state, words) {
	$("ready").dataset.state = state;
	set($("ready").lastElementChild, words);
}

// sections of docs/runbook.md
const runbook = {
	database: "MoviesDatabaseAway", pass: "MoviesPassesFail", index: "MoviesIndexNotLoaded", workers: "MoviesWorkerSilent",
	backlog: "MoviesBacklogLate", stuck: "MoviesObjectsStuck", replica: "MoviesReplicaBehind",
};
const slow = 900, silent = 300, behind = 60; // seconds, as in the alerts

function reported(known, api) {
	const all = [], add = (name, bad, detail, section = name) => all.push({ name, state: bad ? "degraded" : "ok", detail, section });
	if (known?.workers.length === 0) add("workers", true, "no worker has finished a pass yet");
	else if (known) {
		const { workers, objects_waiting: waiting, oldest_waiting_seconds: oldest } = known;
		const quiet = (now - Math.min(...workers.map((w) => Date.parse(w.last_pass ?? 0)))) / 1000;
		add("workers", quiet > silent && !samples.at(-1)?.rate, `last pass ${duration(quiet)} ago`);
		add("backlog", oldest > slow, waiting === 0 ? "no objects waiting" : `${many(waiting, "object")} waiting, the oldest for ${duration(oldest ?? 0)}`, waiting > 100 ? "backlog" : "stuck");
	}
	const lag = api?.replica_lag_seconds;
	if (lag != null) add("replica", lag > behind, `${duration(lag)} behind the primary`);
	return all;
}

function showHealth(parts) {
	set($("health"), ...parts.map(({ name, state, detail, section = name }) => {
		const help = state === "ok" ? null : el("p.soft", `What to do: ${runbook[section]} in docs/runbook.md.`);
		return el("li.health", { "data-state": state }, el("span.dot"), el("b", name),
			el("div", el("span.detail", state === "ok" || detail.startsWith(state) ? detail : `${state === "failing" ? "not ready" : state}: ${detail}`), help));
	}));
}

function tiles(known, worker, api) {
	const all = [];
	if (known) {
		all.push(
			["Objects waiting", known.workers.length > 0 ? number(known.objects_waiting) : "–", known.oldest_waiting_seconds ? `oldest for ${duration(known.oldest_waiting_seconds)}` : ""],
			["Last commit", since(known.last_commit), `revision ${number(known.revision)}`],
			["Movies", number(known.movies), "in the database"]);
	} else all.push(["Database", "no answer", "see Health"]);
	if (worker) all.push(["Updates now", `${number(samples.at(-1).rate)}/s`, `${number(worker.updates)} since start,`, `of ${many(worker.objects, "object")}`]);
	if (api) all.push(indexTile(api.index));
	if (api && api.revision !== null) all.push(["Answers confirmed", `${duration(api.confirmed_seconds)} ago`, `by the database, revision ${number(api.revision)}`]);
	return all;
}

function indexTile(index) {
	if (index === null) return ["Index", "off", "answers by SQL"];
	if (!index.loading) return ["Movies in the index", number(index.movies), `loaded in ${took(index.load_seconds)}`];
	return ["Index", `${Math.floor((100 * index.loaded) / Math.max(1, index.expected, index.loaded))} %`, `${number(index.loaded)} of about ${number(index.expected)} loaded`];
}

function sample(known, worker) {
	const done = worker?.updates ?? known.revision, last = samples.at(-1) ?? { time: 0, done };
	samples.push({
		time: now, done, rate: Math.max(0, done - last.done) / Math.max(0.1, (now - last.time) / 1000),
		waiting: worker?.waiting_in_pass ?? known.objects_waiting, oldest: known?.oldest_waiting_seconds ?? 0,
	});
	if (samples.length > maxSamples) samples.shift();
}

const ofPass = (p) => ({
	time: Date.parse(p.time), rate: p.updates / Math.max(p.took_seconds, 0.001), waiting: p.waiting,
	oldest: p.oldest_waiting ? Math.max(0, Date.parse(p.time) - Date.parse(p.oldest_waiting)) / 1000 : 0,
});

function showCharts(worker) {
	const passes = worker?.passes.length > 1, points = passes ? worker.passes.map(ofPass) : samples;
	const draw = (name, title, unit, value, timed) => chart($(name), title + (passes ? ", by pass" : ""), unit, points.map((p) => [p.time, value(p)]), timed);
	draw("waiting", "Objects waiting", "", (p) => p.waiting);
	draw("rate", worker ? "Updates" : "Changes", "/s", (p) => p.rate);
	draw("lag", "Age of the oldest object", "", (p) => p.oldest, true);
}

function showTables(workers, worker) {
	$("workers").parentNode.hidden = workers.length === 0;
	set($("workers"), table(["shard", "last pass#", "last commit#", "objects waiting#", "oldest since#"], workers.map((w) => [
		w.shard || "whole bucket", since(w.last_pass), since(w.last_commit), number(w.objects_waiting), w.oldest_waiting ? since(w.oldest_waiting) : "–",
	])));
	$("passes").parentNode.hidden = !worker?.passes.length;
	set($("passes"), table(["ended", "took#", "objects#", "updates#", "changes#", "rejected#", "failed#", "waiting#"], (worker?.passes ?? []).slice(-8).reverse().map((p) => [
		since(p.time), took(p.took_seconds), ...[p.objects, p.updates, p.changes, p.rejections, p.failed, p.waiting].map(number),
	])));
}

const objectLink = (key) => el("a.mono", { href: href({ key }, "") }, key);
const movieLink = (id) => el("a", { href: href({ title: id }, "") }, `movie ${id}`);
const command = (line) => el("code.command", line);
const when = (time) => el("time", { datetime: time, title: time, "aria-live": "off" }, since(time));
const list = (items) => el("ul.lines", ...items.map((children) => el("li", ...children)));
const scrolled = (label, child) => el("div.wide", { tabindex: "0", role: "group", "aria-label": label }, child);

const meanings = {
	superseded: "Newer objects have replaced all its values.",
	unknown: "No object with this key is known. It may have been overwritten before a worker read it, or applied longer ago than MOVIES_CHANGE_DAYS.",
};

async function traceObject(asked, signal) {
	const key = asked.get("key"), { body: t } = await ask(href({ key }, "objects"), signal);
	const lines = t.states.filter((s) => meanings[s]).map((s) => el("p", meanings[s]));
	if (t.waiting?.settling) lines.push(el("p.soft", "A producer may still be writing it."));
	else if (t.waiting) lines.push(el("p.soft", `${many(t.waiting.size, "byte")}, written `, when(t.waiting.object_time)));
	if (t.bucket_error) lines.push(el("p", `The bucket does not answer: ${t.bucket_error}`));
	else if (!t.bucket_searched) lines.push(el("p", "This process does not read the bucket. To search it, open a worker's page or run:"), command(`jpmovies trace '${key.replaceAll("'", "'\\''")}'`));
	if (t.applied.length > 0) lines.push(el("h3", "Applied"), list(t.applied.map((i) => [
		when(i.time), `: ${many(i.updates, "update")}, ${many(i.changes, "change")}, ${number(i.rejections)} rejected; written `, when(i.object_time), ...i.movies.map(touched),
	])));
	if (t.rejections.length > 0) lines.push(el("h3", "Rejected"), list(t.rejections.map(rejected)));
	return [el("p", ...t.states.map((s) => el(`span.state.${s}`, s))), ...lines];
}

function touched(m) {
	const by = m.superseded_by;
	return el("div", movieLink(m.id), m.revision ? ` at revision ${m.revision}` : ", no change", ...(by ? ["; superseded by ", objectLink(by.key), " of ", when(by.time)] : []));
}

async function traceMovie(asked, signal) {
	const title = asked.get("title"), year = asked.get("year");
	const { body: m } = await ask(href(year ? { title, year } : /^\d+$/.test(title) ? { id: title } : { title }, "movie"), signal);
	return [
		el("p", el("b", `${m.title} (${m.year})`), ` movie ${m.id} `, m.visible ? null : el("span.state.deleted", "deleted")),
		scrolled("Parts", table(["part", "object*", "position#", "written#"], m.parts.map((p) => [p.part, objectLink(p.key), number(p.position), when(p.time)]))),
		el("h3", "History"),
		m.history.length === 0 ? el("p", "All changes are older than MOVIES_CHANGE_DAYS.")
			: scrolled("History", table(["when", "revision#", "changed", "object*"], m.history.map((e) => [when(e.time), number(e.revision), e.changed.join(", ") || "–", e.object ? objectLink(e.object) : el("span.soft", "not known")]))),
	];
}

async function answer() {
	const asked = new URLSearchParams(location.search);
	const id = asked.has("key") ? "object" : asked.has("title") ? "movie" : null;
	if (id === null) return;
	for (const input of $(id).querySelectorAll("input")) input.value = asked.get(input.name) ?? "";
	if (document.activeElement.localName === "a") $(`h-${id}`).focus();
	const signal = turn[id](), out = $(id).nextElementSibling;
	out.replaceChildren("Looking");
	const shown = await (id === "object" ? traceObject : traceMovie)(asked, signal).catch((error) => [el("p", { role: "alert" }, error.message)]);
	if (!signal.aborted) out.replaceChildren(...shown);
}

// A browser without the Navigation API loads the page again.
window.navigation?.addEventListener("navigate", (event) => {
	const here = new URL(event.destination.url).pathname === location.pathname;
	if (here && event.canIntercept && event.navigationType !== "reload") event.intercept({ handler: answer, focusReset: "manual", scroll: "manual" });
});

const rejected = (r) => [objectLink(r.key), `, position ${number(r.position)}, `, when(r.time), el("p", r.reason),
	command(`jpmovies rejections show ${r.id}`), command(`jpmovies rejections requeue ${r.id} --file corrected.json`)];

async function reasons() {
	const q = $("search").value.trim(), signal = turn.reasons();
	let found;
	try {
		found = (await ask(href(q ? { q } : {}, "rejections/reasons"), signal)).body;
	} catch (error) {
		if (!signal.aborted) set($("matched"), `Rejections cannot be shown: ${error.message}`);
		return;
	}
	const { searched, matched } = found, rarer = matched - found.reasons.reduce((sum, r) => sum + r.count, 0);
	const of = searched === 1000 ? "the newest 1,000 rejections" : many(searched, "rejection");
	set($("matched"), searched === 0 ? "Nothing was rejected." : q ? `${number(matched)} of ${of} match.` : `Of ${of}.`, rarer > 0 ? ` ${number(rarer)} of them have rarer reasons.` : "");
	set($("reasons"), ...found.reasons.map(({ reason, count, rejections }) => el("details",
		el("summary", el("b", number(count)), " ", reason),
		count > rejections.length ? el("p.soft", `The newest ${rejections.length} of them:`) : null, list(rejections.map(rejected)))));
}

let typing = null;
$("search").addEventListener("input", () => {
	clearTimeout(typing);
	typing = setTimeout(reasons, 200);
});

async function repeat(what, pause) {
	if (!document.hidden) await what();
	setTimeout(repeat, pause, what, pause);
}
document.addEventListener("visibilitychange", () => { if (!document.hidden) overview(); });
repeat(overview, every);
repeat(() => $("reasons").querySelector("[open], :focus") ?? reasons(), reasonsEvery); // not while the user reads them

answer();
