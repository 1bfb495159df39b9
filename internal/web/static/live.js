// Follows the catalogue: changes as they happen, and whether the data is fresh.
//
// A browser opens six connections to a server, so the tabs share one: the tab that holds
// the lock has the stream and tells the others, a hidden tab has none. Whichever tab gets
// a change twice or late knows by its revision, and fetches what it has missed.
import { ago, el } from "./draw.js";

const statusEvery = 10_000;
const silentAfter = 3 * 60_000; // a worker looks into its bucket at least once a minute
const again = 3000;
const lock = "jpmovies-stream";

/**
 * Calls changed(change) for each change after the revision from(), lost() when it may have
 * missed some, and shows the freshness in a badge.
 */
export function follow({ badge, text, changed, lost, from }) {
  const state = { since: null, updated: null, waiting: 0, silent: null, connected: false, opened: false, reachable: true };
  const channel = new BroadcastChannel(`${lock} ${new URL(".", location)}`);
  let source = null; // the stream, where this tab has it
  let stop = null; // ends this tab's turn, or its waiting for one
  let catching = null; // the fetch of what was missed, while it runs

  const show = () => {
    const now = Date.now();
    const silence = state.silent === null ? 0 : now - state.silent;
    const parts = [];
    if (!state.reachable) parts.push("API away");
    else parts.push(state.connected ? "live" : state.opened ? "reconnecting" : "connecting");
    if (state.updated !== null) parts.push(`updated ${ago(now - state.updated)} ago`);
    if (state.waiting > 0) parts.push(`${state.waiting} ${state.waiting === 1 ? "object" : "objects"} waiting`);
    if (silence > silentAfter) parts.push(`worker silent for ${ago(silence)}`);
    const level = !state.reachable ? "away" : !state.connected || silence > silentAfter ? "late" : "live";
    if (badge.dataset.state !== level) badge.dataset.state = level;
    const words = parts.join(" · ");
    if (text.textContent !== words) text.replaceChildren(parts[0], el("span.detail", words.slice(parts[0].length)));
    badge.title = state.since === null ? words : `${words} · revision ${state.since}`;
  };

  const connected = (yes) => {
    state.connected = yes;
    state.opened ||= yes;
    show();
  };

  // Each change has the revision that follows the one before it.
  const take = (change) => {
    if (state.since === null || change.revision <= state.since) return;
    if (change.revision > state.since + 1) {
      catchUp();
      return;
    }
    state.since = change.revision;
    state.updated = Date.now();
    show();
    changed(change);
  };

  // What is shown stands for the revision state.since, so that is where to go on, however
  // long this took. False when it has to be tried again.
  const fetchMissed = async () => {
    for (;;) {
      const response = await fetch(`changes?since=${state.since}&limit=1000`).catch(() => null);
      if (response?.status === 410) { // too old, or the catalogue was restored
        const status = await look();
        if (status === null) return false;
        state.since = status.revision;
        channel.postMessage({ lost: true });
        lost();
        return true;
      }
      if (!response?.ok) return false;
      const { changes } = await response.json().catch(() => ({}));
      if (changes === undefined) return false;
      if (changes.length === 0) return true;
      for (const change of changes) take(change);
    }
  };

  const catchUp = () => (catching ??= fetchMissed().finally(() => { catching = null; }));

  // hold keeps the stream until the tab's turn ends.
  const hold = (ended) => new Promise((release) => {
    let timer = null;
    const open = async () => {
      if (ended.aborted) return;
      // A stream that was refused does not say why; the changes do.
      if (!(await catchUp()) || ended.aborted) {
        if (!ended.aborted) timer = setTimeout(open, again);
        return;
      }
      source = new EventSource(`changes?since=${state.since}`);
      source.onopen = () => { connected(true); channel.postMessage({ connected: true }); };
      source.onerror = () => {
        connected(false);
        channel.postMessage({ connected: false });
        // The browser tries again by itself, but not after a refusal.
        if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, again);
      };
      source.addEventListener("change", (event) => {
        const change = JSON.parse(event.data);
        take(change);
        channel.postMessage({ change });
      });
    };
    ended.addEventListener("abort", () => {
      clearTimeout(timer);
      source?.close();
      source = null;
      release();
    });
    open();
  });

  const begin = () => {
    if (stop !== null || document.hidden) return;
    stop = new AbortController();
    const { signal } = stop;
    channel.postMessage({ hello: true });
    catchUp();
    // Only pages that came over TLS or from this machine have locks.
    if (!navigator.locks) hold(signal);
    else navigator.locks.request(lock, { signal }, () => hold(signal)).catch(() => {}); // ended while it waited
  };

  const end = () => {
    stop?.abort();
    stop = null;
    connected(false);
  };

  channel.onmessage = ({ data }) => {
    if (data.hello && source !== null) channel.postMessage({ connected: state.connected });
    if (data.connected !== undefined && source === null && stop !== null) connected(data.connected);
    if (data.lost && stop !== null) catchUp(); // and be told the same
    if (data.change && stop !== null) take(data.change);
  };

  const look = async () => {
    try {
      const response = await fetch("status", { cache: "no-store" });
      if (!response.ok) throw new Error(response.statusText);
      const status = await response.json();
      state.reachable = true;
      state.waiting = status.objects_waiting;
      if (state.updated === null && status.last_commit) state.updated = Date.parse(status.last_commit);
      const passes = status.workers.map((w) => Date.parse(w.last_pass)).filter((t) => t > 0);
      state.silent = passes.length > 0 ? Math.max(...passes) : null;
      show();
      return status;
    } catch {
      state.reachable = false;
      show();
      return null;
    }
  };

  const start = async () => {
    const status = await look();
    if (status === null) {
      setTimeout(start, again);
      return;
    }
    state.since = Math.min(status.revision, from() ?? status.revision);
    begin();
    document.addEventListener("visibilitychange", () => (document.hidden ? end() : begin()));
    addEventListener("pagehide", end);
    addEventListener("pageshow", begin);
  };

  start();
  setInterval(() => document.hidden || look(), statusEvery);
  setInterval(() => document.hidden || show(), 1000);
}
