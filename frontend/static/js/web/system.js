// The strip that shows broker, database and workers only when something is wrong.

import { ask } from "./api.js";

const EVERY = 15_000;
const AGAIN = 3_000; // what is wrong for a moment only, on a busy machine, is not worth a word

const AWAY = {
  true: "The server is not responding. Is it still running? See the terminal of etrm up.",
  false: "This browser is offline. What the page shows may be old.",
};

let doubted = false;

export function watchSystem() {
  requestIdleCallback(look, { timeout: 2000 }); // what the page is about comes first
  setInterval(() => !document.hidden && look(), EVERY);
  for (const change of ["offline", "online"]) addEventListener(change, look);
}

async function look() {
  const strip = document.getElementById("system-strip");
  const troubles = [];
  let workers = [];
  let isAway = false;
  try {
    const parts = await fetch("/readyz").then((response) => response.json());
    troubles.push(...troublesOf(parts));
    workers = await ask("/api/v1/workers");
  } catch (problem) {
    isAway = !problem.status; // no answer at all
    troubles.push({ text: isAway ? AWAY[navigator.onLine] : `${problem.message} ${problem.hint ?? ""}`, bad: true });
  }
  const alive = workers.filter((worker) => worker.alive);
  if (!troubles.length && !alive.length) {
    troubles.push({ text: "No worker is online: runs wait until one starts (etrm worker).", bad: false });
  }
  for (const worker of workers.filter((each) => !each.alive && each.current_run_id)) {
    troubles.push({ text: `Worker ${worker.id} is offline; its run will resume on another worker.`, bad: false });
  }
  const isNew = troubles.length > 0 && strip.hidden && !doubted && navigator.onLine;
  doubted = troubles.length > 0;
  if (isNew) setTimeout(look, AGAIN);
  strip.hidden = !troubles.length || isNew;
  strip.classList.toggle("is-bad", troubles.some((each) => each.bad));
  strip.textContent = troubles.map((each) => each.text).join(" ");
  const busy = alive.filter((worker) => worker.current_run_id).length;
  const line = document.getElementById("workers-line");
  if (line) line.textContent = isAway ? "not connected" : alive.length ? `${busy} of ${alive.length} ${alive.length === 1 ? "worker" : "workers"} busy` : "no worker";
}

/** Parts of /readyz that are not well; workers are looked at one by one. */
function troublesOf(parts) {
  return ["database", "schema_version", "broker", "artifacts"]
    .filter((name) => parts[name] && !parts[name].ok)
    .map((name) => ({ text: parts[name].message, bad: name !== "broker" }));
}
