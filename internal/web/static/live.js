// Follows the catalogue: changes as they happen, and whether the data is fresh.
import { ago } from "./draw.js";

const statusEvery = 10_000;
const silentAfter = 3 * 60_000; // a worker looks into its bucket at least once a minute

/** Calls changed(change) for each change, and shows the freshness in a badge. */
export function follow({ badge, text, changed }) {
  const state = { since: null, updated: null, waiting: 0, silent: null, connected: false, opened: false, reachable: true };
  let source;

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
    if (text.textContent !== words) text.textContent = words;
    badge.title = state.since === null ? "" : `revision ${state.since}`;
  };

  const listen = () => {
    source = new EventSource(`/changes?since=${state.since}`);
    source.onopen = () => { state.connected = state.opened = true; show(); };
    source.onerror = () => {
      state.connected = false;
      // The browser tries again by itself, but not after a refusal (410: too old).
      if (source.readyState === EventSource.CLOSED) setTimeout(start, 3000);
      show();
    };
    source.addEventListener("change", (event) => {
      const change = JSON.parse(event.data);
      state.since = change.revision;
      state.updated = Date.now();
      show();
      changed(change);
    });
  };

  const look = async () => {
    try {
      const response = await fetch("/status", { cache: "no-store" });
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
      setTimeout(start, 3000);
      return;
    }
    if (state.since === null || status.revision < state.since || source?.readyState === EventSource.CLOSED) state.since = status.revision;
    listen();
  };

  start();
  setInterval(look, statusEvery);
  setInterval(show, 1000);
}
