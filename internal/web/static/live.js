// Follows the catalogue: changes as they happen, and whether the data is fresh.
//
// A browser opens six connections to a server, so one tab has the stream and tells the
// others that something has changed. Each tab then asks for what it has missed.
import { ask, pause, revision } from "./api.js";
import { ago, el, many } from "./draw.js";

const every = 10_000, again = 2000; // milliseconds between two questions: at rest, and while there is no answer
const calm = 300; // milliseconds in which changes count as one
const most = 1000; // changes in an answer
const silentAfter = 3 * 60_000; // a worker looks into its bucket at least once a minute

/**
 * Calls changed(change) for each change after the first answer that the page got, lost()
 * when it may have missed some, and shows the freshness in a badge.
 */
export async function follow({ badge, text, changed, lost }) {
  let since = null, updated = null, status = null;
  let live = null; // whether the last question for changes was answered

  function show() {
    const passes = (status?.workers ?? []).map((w) => Date.parse(w.last_pass) || 0);
    const silence = Math.max(...passes) > 0 ? Date.now() - Math.max(...passes) : 0;
    const first = status === null ? "API away" : live ? "live" : live === null ? "connecting" : "reconnecting";
    const rest = [
      updated !== null && `updated ${ago(Date.now() - updated)} ago`,
      status?.objects_waiting > 0 && `${many(status.objects_waiting, "object")} waiting`,
      silence > silentAfter && `worker silent for ${ago(silence)}`,
    ].filter(Boolean).map((words) => ` · ${words}`).join("");
    badge.dataset.state = status === null ? "away" : !live || silence > silentAfter ? "late" : "live";
    if (text.textContent !== first + rest) text.replaceChildren(first, el("span.detail", rest));
    badge.title = `${first}${rest} · revision ${since ?? "unknown"}`;
  }

  async function look() {
    status = await ask("status").then((a) => a.body, () => null);
    updated ??= Date.parse(status?.last_commit) || null;
  }

  async function fetchChanges() {
    try {
      let changes;
      do {
        ({ changes, revision: since } = (await ask(`changes?since=${since}&limit=${most}`)).body);
        live = true;
        if (changes.length > 0) updated = Date.now();
        changes.forEach(changed);
      } while (changes.length === most);
    } catch (error) {
      live = false;
      if (error.status !== 410) return;
      await look(); // the revision is too old, or the catalogue was restored
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
    source.addEventListener("change", () => {
      channel.postMessage(null);
      poke();
    });
    source.addEventListener("open", poke);
    source.addEventListener("error", () => {
      poke();
      if (source.readyState === EventSource.CLOSED) setTimeout(stream, again); // it was refused: the browser gives up
    });
  }

  /** Waits for the lock that the tab with the stream holds until it is closed. Only pages over TLS or of this machine have locks. */
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
    await pause(calm);
    if (!poked) await Promise.race([pause(live ? every : again), new Promise((done) => { wake = done; })]);
  }
}
