// Follows the changes of the catalogue, and shows how fresh the data is. A browser opens
// at most six connections to a server, so one tab holds the event stream and tells the others.
import { ask, pause, revision } from "./api.js";
import { ago, el, many } from "./draw.js";

const every = 10_000, retryAfter = 2000; // milliseconds between two requests when idle, and after a failure
const pauseAfter = 300; // milliseconds in which changes are collected
const silentAfter = 3 * 60_000; // a worker lists its bucket at least once a minute

/** Calls changed(change) for each change, lost() when changes may have been missed, and shows the freshness in a badge. */
export async function follow({ badge, text, changed, lost }) {
  let since = null, updated = null, status = null;
  let live = null; // whether the last request for changes succeeded

  function show() {
    const passes = (status?.workers ?? []).map((w) => Date.parse(w.last_pass) || 0);
    const silence = Math.max(...passes) > 0 ? Date.now() - Math.max(...passes) : 0;
    const first = status === null ? "API unreachable" : live ? "live" : live === null ? "connecting" : "reconnecting";
    const rest = [
      updated !== null && `updated ${ago(Date.now() - updated)} ago`,
      status?.objects_waiting > 0 && `${many(status.objects_waiting, "object")} waiting`,
      silence > silentAfter && `worker silent for ${ago(silence)}`,
    ].filter(Boolean).map((words) => ` · ${words}`).join("");
    badge.dataset.state = status === null ? "away" : !live || silence > silentAfter ? "late" : "live";
    if (text.textContent !== first + rest) text.replaceChildren(first, el("span.detail", rest));
  }

  async function look() {
    status = await ask("status").then((a) => a.body, () => null);
    updated ??= Date.parse(status?.last_commit) || null;
  }

  async function fetchChanges() {
    try {
      let changes;
      do {
        ({ changes, revision: since } = (await ask(`changes?since=${since}&limit=1000`)).body);
        live = true;
        if (changes.length > 0) updated = Date.now();
        changes.forEach(changed);
      } while (changes.length > 0);
    } catch (error) {
      live = false;
      if (error.status !== 410) return;
      await look(); // the feed no longer holds this revision, or the catalogue was restored
      since = status?.revision ?? since;
      if (status !== null) lost();
    }
  }

  let poked = false, wake = null;
  function poke() {
    poked = true;
    wake?.();
  }

  const channel = new BroadcastChannel(`jpmovies ${new URL(".", location)}`);
  channel.onmessage = poke;
  document.addEventListener("visibilitychange", poke);

  function stream() {
    const source = new EventSource(`changes?since=${since}`);
    for (const event of ["open", "change", "error"]) source.addEventListener(event, poke);
    source.addEventListener("change", () => channel.postMessage(null));
    source.addEventListener("error", () => source.readyState === EventSource.CLOSED && setTimeout(stream, retryAfter));
  }

  /** Opens the stream when no other tab holds the lock. Browsers have locks only over TLS or on localhost. */
  function share() {
    if (navigator.locks) navigator.locks.request(channel.name, () => new Promise(stream));
    else stream();
  }

  for (let looked = 0; ;) {
    poked = false;
    if (!document.hidden) {
      if (!live || Date.now() - looked >= every) {
        await look();
        looked = Date.now();
      }
      if (since === null && revision() !== null) {
        since = revision();
        share();
      }
      if (since !== null) await fetchChanges();
      show();
    }
    await pause(pauseAfter);
    if (!poked) await Promise.race([pause(live ? every : retryAfter), new Promise((done) => { wake = done; })]);
  }
}
