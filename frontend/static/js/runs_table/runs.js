// The table of runs: live rows, filter, columns, views, selection, keyboard.

import { given, say } from "../web/address.js";
import { ask, askPage } from "../web/api.js";
import { itemsOf } from "../web/lists.js";
import { complete } from "./completion.js";
import { followRuns, refresh, replaceRow, throttled } from "../web/live.js";
import { attempt, confirm, tell } from "../web/notices.js";
import { editRow } from "../run_page/run_edit.js";
import { watchViews } from "./saved_views.js";

const EVERY = 1500; // milliseconds between two looks at the server

function start() {
  const changed = new Set();
  const renew = throttled(() => attempt(() => renewRows(changed)), EVERY);
  const note = ({ id }) => {
    changed.add(id);
    renew();
  };
  followRuns(note, () => note({ id: "" }));
  if (!document.getElementById("runs")) return;
  for (const input of document.querySelectorAll("[data-names]")) complete(input);
  watchSelection();
  watchTags();
  watchRows();
  watchViews();
  watchKeys();
}

/** Put in the rows that changed; the whole table if one of them is not in it. */
async function renewRows(changed) {
  const ids = [...changed];
  changed.clear();
  const rows = ids.map((id) => id && document.getElementById(`run-${id}`));
  if (rows.every(Boolean)) {
    const query = new URLSearchParams(location.search);
    query.set("filter", `id in (${ids.map((id) => `"${id}"`).join(", ")})`);
    query.delete("cursor");
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
  document.getElementById("pick-all")?.addEventListener("change", (event) => {
    for (const box of document.querySelectorAll("[data-pick]")) box.checked = event.target.checked;
    showSelection();
  });
  document.getElementById("rows").addEventListener("change", (event) => event.target.matches("[data-pick]") && showSelection());
  for (const id of (given("picked") ?? "").split(",")) {
    const box = document.querySelector(`#run-${CSS.escape(id)} [data-pick]`);
    if (box) box.checked = true;
  }
  showSelection();
  watchRanges(document.getElementById("rows"));
  document.getElementById("selection").addEventListener("click", (event) => {
    const wish = event.target.closest("[data-bulk]")?.dataset.bulk;
    if (wish === "tag") return;
    if (wish === "none") clearSelection();
    else if (wish === "compare") location.assign(comparison(picked()));
    else if (wish) bulk(wish, picked());
  });
}

/** Shift and a click pick all rows from the one that was picked last, or take all of them off as that one was. */
function watchRanges(body) {
  let last = ""; // an id: the row itself may be replaced meanwhile
  body.addEventListener("mousedown", (event) => {
    if (event.shiftKey && isFree(event.target)) event.preventDefault(); // or text would be marked
  });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    const box = row?.querySelector("[data-pick]");
    if (!box || !(event.target === box || (event.shiftKey && isFree(event.target)))) return;
    const from = event.shiftKey ? document.getElementById(last) : null;
    if (event.target !== box) box.checked = true;
    last = row.id;
    if (!from) return;
    const rows = [...body.rows];
    const [low, high] = [rows.indexOf(from), rows.indexOf(row)].sort((one, other) => one - other);
    for (const each of rows.slice(low, high + 1)) {
      const picks = each.querySelector("[data-pick]");
      if (picks) picks.checked = box.checked;
    }
    showSelection();
  });
}

/** Whether a click on it means the row, and nothing that has a meaning of its own. */
const isFree = (target) => !target.closest("a, button, input, label, select, textarea, summary, form");

/** Of runs one line each; of variations one over their seeds. */
function comparison(rows) {
  const ids = rows.map((row) => row.dataset.id ?? row.dataset.runs);
  return `/compare?runs=${ids.join(",")}${"variation" in rows[0].dataset ? "&by=seed" : ""}`;
}

function watchTags() {
  const menu = document.getElementById("tag-menu");
  if (!menu) return; // means over seeds: they are compared, not tagged
  const field = document.getElementById("bulk-tag");
  menu.addEventListener("toggle", () => {
    if (!menu.open) return;
    const known = [...document.querySelectorAll("#rows tr[data-tags]")].flatMap((row) => itemsOf(row.dataset.tags));
    const options = [...new Set(known)].sort().map((tag) => new Option(tag));
    document.getElementById("bulk-tags").replaceChildren(...options);
    field.focus();
  });
  document.getElementById("tag-form").addEventListener("submit", (event) => {
    event.preventDefault();
    tagAll(event.submitter?.value ?? "add", field.value.trim(), picked());
  });
}

/** Add the tag to all of the selection, or remove it from all; they stay selected. */
async function tagAll(wish, tag, rows) {
  const body = { runs: rows.map((row) => row.dataset.id), [wish]: [tag] };
  const done = await attempt(async () => {
    const { changed } = await ask("/api/v1/runs/tags", { method: "POST", body });
    const runs = `${changed.length} ${changed.length === 1 ? "run" : "runs"}`;
    tell(wish === "add" ? `Tagged ${runs} ${tag}.` : `Removed ${tag} from ${runs}.`);
  });
  if (!done) return;
  document.getElementById("bulk-tag").value = "";
  document.getElementById("tag-menu").open = false;
  await attempt(renewAll);
  showSelection();
}

function clearSelection() {
  for (const box of document.querySelectorAll("[data-pick], #pick-all")) box.checked = false;
  showSelection();
}

function showSelection() {
  const rows = picked();
  say({ picked: rows.map((row) => row.dataset.id).join(",") || null });
  const all = document.getElementById("pick-all");
  if (all) all.checked = rows.length > 0 && rows.length === document.querySelectorAll("[data-pick]").length;
  document.getElementById("selection").hidden = !rows.length;
  document.getElementById("row-count").hidden = rows.length > 0;
  document.getElementById("selection-count").textContent = `${rows.length} selected`;
  if (!document.querySelector("[data-bulk=cancel]")) return;
  const over = rows.filter((row) => isOver(row)).length;
  document.querySelector("[data-bulk=cancel]").disabled = over === rows.length;
  document.querySelector("[data-bulk=delete]").disabled = over === 0;
  const put = document.querySelector("[data-bulk=archive], [data-bulk=restore]");
  const away = rows.length > 0 && rows.every((row) => "archived" in row.dataset);
  put.dataset.bulk = away ? "restore" : "archive";
  put.textContent = away ? "Restore" : "Archive";
}

const isOver = (row) => ["finished", "failed", "cancelled"].includes(row.dataset.status);

const WISHES = {
  cancel: { fits: (row) => !isOver(row), said: "Cancelling", path: "/cancel", method: "POST" },
  delete: { fits: isOver, said: "Deleted", path: "", method: "DELETE" },
  archive: { fits: () => true, said: "Archived", path: "", method: "PATCH", body: { archived: true } },
  restore: { fits: () => true, said: "Restored", path: "", method: "PATCH", body: { archived: false } },
};

/** Do it to those of the selection that it fits; the others stay as they are. */
async function bulk(wish, rows) {
  const { fits, said, path, method, body } = WISHES[wish];
  const chosen = rows.filter(fits);
  const runs = chosen.length === 1 ? chosen[0].querySelector(".run-name").textContent.trim() : `${chosen.length} runs`;
  if (wish === "delete") {
    const text = "Curves, predictions, logs and checkpoints go with them. This cannot be undone.";
    if (!(await confirm(`Delete ${runs}?`, text, "Delete"))) return;
  }
  const change = (row) => attempt(() => ask(`/api/v1/runs/${row.dataset.id}${path}`, { method, body }));
  const results = await Promise.all(chosen.map(change));
  if (results.every(Boolean)) tell(`${said} ${runs}.`);
  clearSelection();
  await attempt(renewAll);
  showSelection();
}

/** The row under the pointer or the focus shows what can be done with it. */
function watchRows() {
  const table = document.getElementById("runs");
  const tools = document.getElementById("row-tools").content.firstElementChild;
  const show = (event) => {
    const row = event.target.closest("tr[data-id]");
    if (!row || tools.closest("tr") === row) return;
    const pinned = row.classList.contains("is-baseline");
    tools.querySelector("[data-pin]").hidden = pinned;
    tools.querySelector("[data-unpin]").hidden = !pinned;
    tools.querySelector("[data-pin]").href = withBaseline(row.dataset.id);
    tools.querySelector("[data-unpin]").href = withBaseline("");
    tools.querySelector("[data-copy-text]").dataset.copyText = row.dataset.id;
    row.querySelector(".col-name").append(tools);
  };
  table.addEventListener("pointerover", show);
  table.addEventListener("focusin", show);
  table.addEventListener("click", (event) => {
    const row = event.target.closest("[data-edit]")?.closest("tr");
    if (row) edit(row);
    else open(event);
  });
}

/** A click on a free place of a row opens its run, and one beside its box picks it. Whoever marks text wants neither. */
function open(event) {
  const row = event.target.closest("tbody tr");
  const link = row?.querySelector(".run-name");
  if (!link || event.shiftKey || !isFree(event.target) || !getSelection().isCollapsed) return;
  if (event.target.closest(".pick")) row.querySelector("[data-pick]")?.click();
  else if (event.ctrlKey || event.metaKey) window.open(link.href, "_blank", "noopener");
  else link.click();
}

const edit = (row) => editRow(row, () => attempt(renewAll));

function withBaseline(id) {
  const query = new URLSearchParams(location.search);
  if (id) query.set("baseline", id);
  else query.delete("baseline");
  return query.size ? `/?${query}` : "/";
}

function watchKeys() {
  document.addEventListener("keydown", (event) => {
    const field = event.target.matches("input:not([type=checkbox]), textarea");
    if (field && event.key === "Escape") event.target.blur();
    if (field || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const rows = [...document.querySelectorAll("#rows tr[tabindex]")];
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    if (event.key === "j") rows[Math.min(at + 1, rows.length - 1)]?.focus();
    if (event.key === "k") rows[Math.max(at - 1, 0)]?.focus();
    if (event.key === "x") rows[at]?.querySelector("[data-pick]")?.click();
    if (event.key === "b" && rows[at]?.dataset.id) location.assign(withBaseline(rows[at].dataset.id));
    if (event.key === "e") {
      event.preventDefault(); // or the letter would be the first of the tags
      if (rows[at]?.dataset.id) edit(rows[at]);
    }
    if (event.key === "Enter" && document.activeElement === rows[at]) rows[at].querySelector(".run-name").click();
    if (event.key === "/") {
      event.preventDefault();
      document.getElementById("filter").select();
    }
  });
}

start();
