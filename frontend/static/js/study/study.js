// The page of a study: live, and stopping it.

import { ask } from "../web/api.js";
import { followRuns, refresh, throttled } from "../web/live.js";
import { attempt, tell } from "../web/notices.js";

const EVERY = 3000; // milliseconds between two looks at the server
const OPEN_EVERY = 10000; // the same, while the study may add runs
const study = document.getElementById("study");
const renew = throttled(() => attempt(refresh), EVERY);

const isOurs = (id) => study.querySelector(`a[href="/runs/${id}"]`) !== null;
followRuns(({ id }) => isOurs(id) && renew(), renew);
// New runs, and evaluations that ended: no event of a run on the page says so.
setInterval(() => !document.hidden && study.querySelector("[data-open]") && renew(), OPEN_EVERY);

study.addEventListener("submit", async (event) => {
  const { ask: address, done } = event.target.dataset;
  if (!address) return;
  event.preventDefault();
  await attempt(async () => {
    await ask(address, { method: "POST" });
    tell(done);
    await refresh();
  });
});
