// The operators' page: is it ready, how far behind is it, what was rejected.
import { ago, el, line } from "./draw.js";

const $ = (id) => document.getElementById(id);
const every = 3000;

async function json(url) {
  const response = await fetch(url, { cache: "no-store" });
  return response.ok ? response.json() : null;
}

function table(heads, rows) {
  const cells = (name, row) => row.map((c) => el(name, { class: typeof c === "number" || c?.number ? "n" : null, scope: name === "th" ? "col" : null }, c?.number ?? (typeof c === "number" ? c.toLocaleString() : c)));
  return [el("thead", {}, el("tr", {}, ...cells("th", heads))), el("tbody", {}, ...rows.map((r) => el("tr", {}, ...cells("td", r))))];
}

const number = (text) => ({ number: text });

async function ready() {
  const badge = $("ready"), words = badge.lastElementChild;
  try {
    const response = await fetch("readyz", { cache: "no-store" });
    badge.dataset.state = response.ok ? "live" : "late";
    const text = (await response.text()).trim().replaceAll("\n", " · ");
    const now = `${response.ok ? "ready" : "not ready"}: ${text}`;
    if (words.textContent !== now) words.textContent = now;
  } catch {
    badge.dataset.state = "away";
    words.textContent = "no answer";
  }
}

async function passes() {
  const answer = await json("passes").catch(() => null);
  $("ingest").hidden = answer === null;
  if (answer === null) return;
  const all = answer.passes; // the oldest first
  const rate = all.map((p) => p.updates / Math.max(p.took_seconds, 0.001));
  const waiting = all.map((p) => p.waiting);
  const last = all.length - 1;
  const figures = all.length < 2 ? [] : [
    ["Objects waiting", waiting, waiting[last].toLocaleString()],
    ["Updates a second, in each pass", rate, Math.round(rate[last]).toLocaleString()],
  ];
  const span = all.length < 2 ? "" : ` over ${ago(Date.parse(all[last].time) - Date.parse(all[0].time))}`;
  $("charts").replaceChildren(...figures.map(([name, values, now]) =>
    el("figure", {}, el("figcaption", {}, `${name}: ${now} now, at most ${Math.round(Math.max(...values)).toLocaleString()}${span}`), line(values, `${name}${span}`))));
  const heads = ["ended", number("objects"), number("updates"), number("changes"), number("rejections"), number("waiting"), number("failed"), number("took")];
  $("passes").replaceChildren(...table(heads, all.slice(-10).reverse().map((p) => [
    `${ago(Date.now() - Date.parse(p.time))} ago`, p.objects, p.updates, p.changes, p.rejections, p.waiting, p.failed, number(`${p.took_seconds.toFixed(2)} s`),
  ])));
}

async function rejections() {
  const answer = await json("rejections?limit=20").catch(() => null);
  if (answer === null) return;
  if (answer.rejections.length === 0) {
    $("rejections").replaceChildren(el("tbody", {}, el("tr", {}, el("td", {}, "Nothing was rejected."))));
    return;
  }
  // The rows are left alone while they are the same, so that text can be selected.
  const ids = answer.rejections.map((r) => r.id).join();
  if ($("rejections").dataset.ids !== ids) {
    $("rejections").dataset.ids = ids;
    const heads = ["when", "object", number("position"), "reason", "to look at it"];
    const shown = answer.rejections.map((r) => [el("time", { datetime: r.time }), el("code", {}, r.key), r.position, r.reason, command(`jpmovies rejections show ${r.id}`)]);
    $("rejections").replaceChildren(...table(heads, shown));
  }
  for (const time of $("rejections").querySelectorAll("time")) time.textContent = `${ago(Date.now() - Date.parse(time.dateTime))} ago`;
}

/** A command line with a button that copies it. */
function command(line) {
  const code = el("code", { id: line.replaceAll(" ", "-") }, line);
  const button = el("button", { type: "button", class: "name", "aria-describedby": code.id }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(line);
      button.textContent = "Copied";
    } catch { // not allowed, or not over HTTPS: ready for Ctrl-C
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return el("span", { class: "command" }, code, " ", button);
}

function all() {
  if (document.hidden) return;
  ready();
  passes();
  rejections();
}

all();
setInterval(all, every);
