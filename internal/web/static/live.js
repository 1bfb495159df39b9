// Follows the changes of the catalogue. A browser opens at most six connections to a
// server, so one tab streams and tells the others.
import { ask, now, pause, revision } from "./api.js";
import { ago, el, many } from "./draw.js";

const every = 10_000, retryAfter = 2000; // milliseconds between two requests when idle, and after a failure
const most = 500; // changes in one answer
const pauseAfter = 300; // milliseconds in which changes are collected
const silentAfter = 3 * 60_000; // a worker lists its bucket at least once a minute

/** Calls changed(change), or lost() when it has missed changes, and shows the freshness. */
export async function follow({ badge, text, changed, lost }) {
	let since = null, updated = null, status = null;
	let live = null; // whether the last request for changes succeeded

	function show() {
		// The longest silence; changes show that a pass is under way.
		const seen = Math.max(updated, Math.min(...(status?.workers ?? []).map((w) => Date.parse(w.last_pass)).filter(Boolean)));
		const silence = seen < Infinity ? now() - seen : 0;
		const first = status === null ? live ? "database away" : "API unreachable" : live ? "live" : live === null ? "connecting" : "reconnecting";
		const rest = [
			updated !== null && `updated ${ago(now() - updated)} ago`,
			status?.objects_waiting > 0 && `${many(status.objects_waiting, "object")} waiting`,
			silence > silentAfter && `worker silent for ${ago(silence)}`,
		].filter(Boolean).map((words) => ` · ${words}`).join("");
		badge.dataset.state = status === null && !live ? "away" : status === null || !live || silence > silentAfter ? "late" : "live";
		if (text.textContent !== first + rest) text.replaceChildren(first, el("span.detail", rest));
	}

	async function look() {
		status = await ask("status").then((a) => a.body, () => null);
		updated ??= Date.parse(status?.last_commit) || null;
	}

	async function fetchChanges() {
		let missed = false;
		try {
			const { changes, revision } = (await ask(`changes?since=${since}&limit=${most}`)).body;
			live = true;
			since = revision;
			if (changes.length > 0) updated = now();
			changes.forEach(changed);
			missed = changes.length === most; // too many to follow
			poked ||= changes.length > 0;
		} catch (error) {
			live = false;
			missed = error.status === 410; // the feed no longer holds this revision, or the catalogue was restored
		}
		if (!missed) return;
		await look();
		since = status?.revision ?? since;
		if (status !== null) lost();
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

	for (let looked = 0; ;) {
		poked = false;
		if (!document.hidden) {
			if (!live || performance.now() - looked >= every) {
				await look();
				looked = performance.now();
			}
			if (since === null && revision() !== null) {
				since = revision();
				// Browsers have locks only over TLS or on localhost.
				navigator.locks?.request(channel.name, () => new Promise(stream)).catch(() => {});
			}
			if (since !== null) await fetchChanges();
			show();
		}
		await pause(pauseAfter);
		if (!poked) await Promise.race([pause(live ? every : retryAfter), new Promise((done) => { wake = done; })]);
	}
}
