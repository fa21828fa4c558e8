// The table of runs: live rows, filter, selection, keyboard.

import { ask } from "./api.js";
import { Stream, refresh, throttled } from "./live.js";
import { attempt, confirm, tell } from "./notices.js";

export function start() {
  const table = document.getElementById("runs");
  const renew = throttled(() => attempt(renewed), 1500);
  let first = true;
  const changed = () => {
    if (!first) renew();
  };
  new Stream(() => "/api/v1/events", { status: changed, deleted: changed }, (state) => {
    // The stream begins with every run as it is; what the page shows is as new as that.
    if (state === "open") setTimeout(() => (first = false), 1000);
    else if (!first) renew();
  });
  if (!table) return;
  watchSelection();
  watchKeys();
}

async function renewed() {
  const fresh = await refresh();
  if (!document.getElementById("runs") && fresh.getElementById("runs")) location.reload();
  const count = document.getElementById("row-count");
  if (count) count.textContent = fresh.getElementById("row-count")?.textContent ?? "";
  showSelection();
}

const picked = () => [...document.querySelectorAll("[data-pick]:checked")].map((box) => box.closest("tr"));

function watchSelection() {
  document.getElementById("pick-all").addEventListener("change", (event) => {
    for (const box of document.querySelectorAll("[data-pick]")) box.checked = event.target.checked;
    showSelection();
  });
  document.getElementById("rows").addEventListener("change", showSelection);
  document.getElementById("selection").addEventListener("click", (event) => {
    const wish = event.target.closest("[data-bulk]")?.dataset.bulk;
    if (wish === "none") clearSelection();
    else if (wish) bulk(wish, picked());
  });
}

function clearSelection() {
  for (const box of document.querySelectorAll("[data-pick], #pick-all")) box.checked = false;
  showSelection();
}

function showSelection() {
  const rows = picked();
  document.getElementById("selection").hidden = !rows.length;
  document.getElementById("row-count").hidden = rows.length > 0;
  document.getElementById("selection-count").textContent = `${rows.length} selected`;
  const over = rows.filter((row) => isOver(row)).length;
  document.querySelector("[data-bulk=cancel]").disabled = over === rows.length;
  document.querySelector("[data-bulk=delete]").disabled = over === 0;
}

const isOver = (row) => ["finished", "failed", "cancelled"].includes(row.dataset.status);

/** Cancel what still goes on, or delete what is over; the others of the selection stay as they are. */
async function bulk(wish, rows) {
  const chosen = rows.filter((row) => isOver(row) === (wish === "delete"));
  const runs = chosen.length === 1 ? chosen[0].querySelector(".run-name").textContent.trim() : `${chosen.length} runs`;
  if (wish === "delete") {
    const text = "Curves, predictions, logs and checkpoints go with them. This cannot be undone.";
    if (!(await confirm(`Delete ${runs}?`, text, "Delete"))) return;
  }
  const results = await Promise.all(chosen.map((row) => attempt(() => change(wish, row.dataset.id))));
  if (results.every(Boolean)) tell(wish === "delete" ? `Deleted ${runs}.` : `Cancelling ${runs}.`);
  clearSelection();
  await attempt(renewed);
}

function change(wish, id) {
  return wish === "delete"
    ? ask(`/api/v1/runs/${id}`, { method: "DELETE" })
    : ask(`/api/v1/runs/${id}/cancel`, { method: "POST" });
}

function watchKeys() {
  document.addEventListener("keydown", (event) => {
    const field = event.target.matches("input:not([type=checkbox])");
    if (field && event.key === "Escape") event.target.blur();
    if (field || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const rows = [...document.querySelectorAll("#rows tr[data-id]")];
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    if (event.key === "j") rows[Math.min(at + 1, rows.length - 1)]?.focus();
    if (event.key === "k") rows[Math.max(at - 1, 0)]?.focus();
    if (event.key === "x" && at >= 0) rows[at].querySelector("[data-pick]").click();
    if (event.key === "Enter" && document.activeElement === rows[at]) rows[at].querySelector(".run-name").click();
    if (event.key === "/") {
      event.preventDefault();
      document.getElementById("filter").select();
    }
  });
}
