// Asks the API, and shows when it is away.

const again = 2000;
const slow = 15_000; // an answer that takes longer is none
const never = new AbortController().signal;

let oldest = null;

/** The smallest revision that an answer showed: processes of the API may differ. */
export const revision = () => oldest;

/** An answer other than 200: a problem document, or what comes close. */
export class Problem extends Error {
  constructor(status, { detail, parameter }) {
    super(detail ?? `the answer is ${status}`);
    Object.assign(this, { status, parameter, final: status < 500 || status === 501 });
  }
}

/** Returns {body, total}; throws a Problem, which is final when asking again would not help. */
export async function ask(url, signal = never) {
  const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(slow)]) });
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  const shown = Number(response.headers.get("Catalogue-Revision"));
  if (shown > 0) oldest = Math.min(oldest ?? shown, shown);
  const total = response.headers.get("Total-Count");
  return { body: await response.json(), total: total && Number(total) };
}

/** Asks until there is an answer, and says meanwhile that the API is away. */
export async function insist(url, signal) {
  for (;;) {
    try {
      const answer = await ask(url, signal);
      away("");
      return answer;
    } catch (error) {
      if (signal.aborted || error.final) throw error;
      away("The API is away. What is shown may be old; trying again.");
      await pause(again);
    }
  }
}

function away(words) {
  const banner = document.getElementById("away");
  if (banner.textContent !== words) banner.textContent = words;
  banner.hidden = words === "";
}

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Makes signals, each of which aborts the one before, so that late answers are dropped. */
export function turns() {
  let now = null;
  return () => {
    now?.abort();
    now = new AbortController();
    return now.signal;
  };
}
