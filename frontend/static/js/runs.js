// The table of runs: live rows, filter, selection, keyboard.

import { ask, askPage } from "./api.js";
import { Stream, refresh, replaceRow, throttled } from "./live.js";
import { attempt, confirm, tell } from "./notices.js";

const EVERY = 1500; // milliseconds between two looks at the server

function start() {
  const changed = new Set();
  const renew = throttled(() => attempt(() => renewRows(changed)), EVERY);
  // The stream begins with every run as it is; the page shows that already.
  let beginning = true;
  const note = ({ id }) => {
    if (beginning) return;
    changed.add(id);
    renew();
  };
  new Stream(() => "/api/v1/events", { status: note, deleted: note }, (state) => {
    if (state === "lost") {
      changed.add(""); // what was missed is not known
      beginning = false;
    } else {
      setTimeout(() => (beginning = false), 1000);
    }
  });
  if (!document.getElementById("runs")) return;
  watchSelection();
  watchKeys();
}

/** Put in the rows that changed; the whole table if one of them is not in it. */
async function renewRows(changed) {
  const ids = [...changed];
  changed.clear();
  const rows = ids.map((id) => id && document.getElementById(`run-${id}`));
  if (rows.every(Boolean)) {
    const query = new URLSearchParams({ filter: `id in (${ids.map((id) => `"${id}"`).join(", ")})` });
    const fresh = await askPage(`/?${query}`);
    for (const row of rows) replaceRow(row, fresh.getElementById(row.id));
  } else {
    await renewAll();
  }
  if (document.getElementById("rows")) showSelection();
}

async function renewAll() {
  const fresh = await refresh();
  if (!document.getElementById("runs") && fresh.getElementById("runs")) location.reload();
  const count = document.getElementById("row-count");
  if (count) count.textContent = fresh.getElementById("row-count")?.textContent ?? "";
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
  await attempt(renewAll);
  showSelection();
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

start();
