// The page of a group: live, and cancelling all active runs.

import { ask } from "../web/api.js";
import { followRuns, refresh, throttled } from "../web/live.js";
import { attempt, confirm, tell } from "../web/notices.js";

const EVERY = 1500; // milliseconds between two looks at the server
const group = document.getElementById("group");
const renew = throttled(() => attempt(refresh), EVERY);

const isOurs = (id) => group.querySelector(`a[href="/runs/${id}"]`) !== null;
followRuns(({ id }) => isOurs(id) && renew(), renew);

group.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = "Queued runs are cancelled immediately, running ones as soon as their processes stop.";
  if (!(await confirm(`Cancel all active runs in ${group.dataset.name}?`, text, "Cancel the runs"))) return;
  await attempt(async () => {
    await ask(`/api/v1/groups/${group.dataset.group}/cancel`, { method: "POST" });
    tell("Cancelling the runs of this group.");
    await refresh();
  });
});
