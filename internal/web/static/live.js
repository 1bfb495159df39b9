// Follows the catalogue: changes as they happen, and whether the data is fresh.
//
// The page asks every second, which the API answers from memory. It keeps no
// connection open: a browser has only six to a server, for all tabs.
import { ask, pause, revision } from "./api.js";
import { ago, el, many } from "./draw.js";

const every = 1000, statusEvery = 10; // milliseconds, and questions for changes between two for the status
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

  for (let turn = 0; ; turn++) {
    if (!document.hidden) {
      if (turn % statusEvery === 0 || status === null) await look();
      since ??= revision();
      if (since !== null) await fetchChanges();
      show();
    }
    await pause(every);
  }
}
