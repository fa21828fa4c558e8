// A checkpoint by a link: a run imports it, and answers like any other.

import { ask, Problem } from "../web/api.js";

const PAUSE = 1000; // milliseconds between two looks at the run
const OVER = ["finished", "failed", "cancelled"];

export const isLink = (text) => /^(hf|https?):/.test(text);

/** The id of the run that has imported what a link leads to; `say` hears what is waited for. */
export async function imported(link, preset, weights, say) {
  const start = { kind: "checkpoint", path: link, weights, import_only: true };
  const name = link.replace(/[?#].*$/, "").slice(-120);
  const body = { preset, name, training: { steps: 1, initialise_from: start }, evaluation: { sets: [] } };
  let run = await ask("/api/v1/runs", { method: "POST", body });
  while (!OVER.includes(run.status)) {
    say(`Importing, as run ${run.id}: ${run.status === "queued" ? run.waiting_reason || "queued" : "a worker fetches the file"}…`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    run = await ask(`/api/v1/runs/${run.id}`);
  }
  if (run.status !== "finished") throw new Problem("The checkpoint was not imported.", run.status_cause || `Run ${run.id} was cancelled.`);
  return run.id;
}
