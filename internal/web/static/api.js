// Sends requests to the API.

const retryAfter = 2000, timeout = 15_000; // milliseconds

let oldest = null;
let ahead = 0; // the server's clock before ours, ms
let failing = 0; // requests that are retried

/** Returns the smallest revision of the responses: replicas of the API may differ. */
export const revision = () => oldest;

export const now = () => Date.now() + ahead;

/** Returns {body, total}, or throws an error, which is final when a retry would not help. */
export async function ask(url, signal = AbortSignal.timeout(timeout)) {
	const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]) });
	const { headers, status } = response, final = (status < 500 && status !== 408 && status !== 429) || status === 501;
	ahead = Date.parse(headers.get("Date")) - Date.now() || ahead;
	const shown = headers.get("Catalogue-Revision");
	if (shown !== null && url !== "status") oldest = Math.min(oldest ?? Infinity, shown);
	if (!response.ok) {
		const { detail = `the API answers with status ${status}` } = await response.json().catch(() => ({}));
		throw Object.assign(new Error(detail), { status, final });
	}
	const total = headers.get("Total-Count");
	return { body: await response.json(), total: total && Number(total) };
}

/** Retries until there is an answer or a final problem. Meanwhile a banner says so. */
export async function insist(url, signal) {
	let failed = 0;
	try {
		for (;;) {
			try {
				return await ask(url, signal);
			} catch (error) {
				if (signal.aborted || error.final) throw error;
				failing += 1 - failed;
				failed = 1;
				away(`The API ${error.status ? "cannot answer" : "is unreachable"}. The page may show old data; retrying.`);
				await pause(retryAfter);
			}
		}
	} finally {
		failing -= failed;
		if (failing === 0) away("");
	}
}

function away(words) {
	const banner = document.getElementById("away");
	if (!banner) return; // not on each page
	if (banner.textContent !== words) banner.textContent = words;
	banner.hidden = words === "";
}

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Returns a function that makes signals. Each aborts the one before. */
export function turns() {
	let now = null;
	return () => {
		now?.abort();
		now = new AbortController();
		return now.signal;
	};
}
