// Sends requests to the API, and shows when the API is unreachable.

const retryAfter = 2000, timeout = 15_000; // milliseconds
const never = new AbortController().signal;

let oldest = null;

/** Returns the smallest revision that a response carried: replicas of the API may differ. */
export const revision = () => oldest;

/** Returns {body, total}, or throws an error. The error is final when a retry would not help. */
export async function ask(url, signal = never) {
  const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]) });
  const { status } = response, final = status < 500 || status === 501;
  if (final) away("");
  if (!response.ok) {
    const { detail = `the API answers with status ${status}` } = await response.json().catch(() => ({}));
    throw Object.assign(new Error(detail), { status, final });
  }
  const shown = Number(response.headers.get("Catalogue-Revision"));
  if (shown > 0) oldest = Math.min(oldest ?? shown, shown);
  const total = response.headers.get("Total-Count");
  return { body: await response.json(), total: total && Number(total) };
}

/** Retries until there is an answer or a final problem. Meanwhile a banner says that the API is unreachable. */
export async function insist(url, signal) {
  for (;;) {
    try {
      return await ask(url, signal);
    } catch (error) {
      if (signal.aborted || error.final) throw error;
      away("The API is unreachable. The page may show old data; retrying.");
      await pause(retryAfter);
    }
  }
}

function away(words) {
  const banner = document.getElementById("away");
  if (!banner) return; // not on each page
  if (banner.textContent !== words) banner.textContent = words;
  banner.hidden = words === "";
}

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Returns a function that makes signals. Each signal aborts the one before, so that late answers are dropped. */
export function turns() {
  let now = null;
  return () => {
    now?.abort();
    now = new AbortController();
    return now.signal;
  };
}
