// The page of a group: live, cancelling all active runs, and stopping and continuing its parameter search.

import { ask } from "../web/api.js";
import { followRuns, refresh, throttled } from "../web/live.js";
import { attempt, confirm, tell } from "../web/notices.js";

const EVERY = 1500; // milliseconds between two looks at the server
const group = document.getElementById("group");
const renew = throttled(() => attempt(refresh), EVERY);

const isOurs = (id) => group.querySelector(`a[href="/runs/${id}"]`) !== null;
// The runs of a parameter search that are new are not on the page yet.
const searches = () => group.querySelector(".parameter-search [data-ask$=stop]") !== null;
followRuns(({ id }) => (isOurs(id) || searches()) && renew(), renew);

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
