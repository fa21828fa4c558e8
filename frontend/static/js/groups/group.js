// The page of a group: live, cancelling all active runs, and stopping and continuing its parameter search.

import { ask, askPage } from "../web/api.js";
import { followRuns, refresh, throttled } from "../web/live.js";
import { attempt, confirm, tell } from "../web/notices.js";

const EVERY = 1500; // milliseconds between two looks at the server
const SEARCH_EVERY = 5000; // the same, while a parameter search may add runs
const group = document.getElementById("group");
const renew = throttled(() => attempt(async () => (await refresh(), await judge())), EVERY);

let judged = ""; // the scores that the verdicts shown are of

/** The verdicts over seeds, once there are scores to hold against each other, and again when these change. */
async function judge() {
  const place = document.getElementById("ask-verdicts");
  const scores = [...group.querySelectorAll(".mean")].map((each) => each.textContent).join();
  if (!place || scores === judged) return;
  judged = scores;
  const part = (await askPage(place.dataset.verdicts)).getElementById("verdicts-part");
  if (!part) return; // refused: the link to the whole comparison says why
  document.getElementById("verdicts").replaceChildren(part);
  group.classList.add("is-judged"); // the question is answered
}
attempt(judge);

const isOurs = (id) => group.querySelector(`a[href="/runs/${id}"]`) !== null;
followRuns(({ id }) => isOurs(id) && renew(), renew);
// New trials and what became of old ones: no event of a run on the page says so.
const searches = () => group.querySelector(".parameter-search[data-open]") !== null;
setInterval(() => !document.hidden && searches() && renew(), SEARCH_EVERY);

group.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { ask: address, done } = event.target.dataset;
  if (address) {
    await attempt(async () => {
      await ask(address, { method: "POST" });
      tell(done);
      await refresh();
    });
    return;
  }
  const text = "Queued runs are cancelled immediately, running ones as soon as their processes stop.";
  if (!(await confirm(`Cancel all active runs in ${group.dataset.name}?`, text, "Cancel the runs"))) return;
  await attempt(async () => {
    await ask(`/api/v1/groups/${group.dataset.group}/cancel`, { method: "POST" });
    tell("Cancelling the runs of this group.");
    await refresh();
  });
});
