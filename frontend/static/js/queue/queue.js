// The queue: live, reordered by dragging, by keys and by buttons.

import { ask } from "../web/api.js";
import { Stream, refresh, throttled } from "../web/live.js";
import { attempt, confirm, tell } from "../web/notices.js";

const EVERY = 1500; // milliseconds between two looks at the server
const WORKERS_EVERY = 15_000; // their heartbeats age without any event

let dragged;
let changing = 0; // orders on their way: the page shows them already
let changes = 0;
let last = Promise.resolve(); // of those orders: each depends on what the one before it did

const renew = throttled(() => (dragged || changing ? undefined : attempt(look)), EVERY);

/** What the server says is old if something was changed here meanwhile. */
function look() {
  const before = changes;
  return refresh(() => !dragged && !changing && changes === before);
}

function start() {
  let first = true; // the stream begins with what the page already shows
  new Stream(() => "/api/v1/queue/events", { queue: () => (first ? (first = false) : renew()) }, (state) => {
    if (state === "lost") first = false;
  });
  setInterval(() => !document.hidden && renew(), WORKERS_EVERY);
  document.addEventListener("click", onClick);
  document.addEventListener("change", onChange);
  document.addEventListener("keydown", onKey);
  for (const [kind, handle] of Object.entries({ dragstart, dragover, drop, dragend })) document.addEventListener(kind, handle);
}

const rows = () => [...document.querySelectorAll("#waiting tbody tr")];

function onClick(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const row = button.closest("tr[data-run]");
  if (button.matches("[data-up]")) move(row, rows().indexOf(row) - 1, "[data-up]");
  if (button.matches("[data-down]")) move(row, rows().indexOf(row) + 1, "[data-down]");
  if (button.dataset.cancel) cancel(button.dataset);
  if (button.dataset.retry) retry(button.dataset);
}

function onChange({ target }) {
  if (!target.dataset.priority) return;
  change(async () => {
    await ask(`/api/v1/queue/${target.dataset.priority}/priority`, { method: "POST", body: { priority: target.value } });
  });
}

function onKey(event) {
  const row = event.target.closest?.("#waiting tr[data-run]");
  if (!row || event.target !== row || document.querySelector("dialog[open]")) return;
  const at = rows().indexOf(row);
  const down = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
  if (!down) return;
  event.preventDefault();
  if (event.altKey) move(row, at + down);
  else rows()[at + down]?.focus();
}

/** Put the row at another place: here at once, then on the server; there it may come out otherwise. */
function move(row, to, focus) {
  const others = rows().filter((each) => each !== row);
  const at = Math.min(Math.max(to, 0), others.length);
  if (rows().indexOf(row) === at) return;
  row.parentElement.insertBefore(row, others[at] ?? null);
  (focus ? row.querySelector(focus) : row).focus();
  change(async () => {
    await ask(`/api/v1/queue/${row.dataset.run}/move`, { method: "POST", body: { position: at + 1 } });
  });
}

async function change(work) {
  changing += 1;
  changes += 1;
  last = last.then(() => attempt(work));
  await last;
  changing -= 1;
  if (!changing) await attempt(look);
}

const KEPT = {
  run: "You can resume it from its last checkpoint.",
  evaluation: "Completed work is kept; you can resume it later.",
};

/** `path` of what is cancelled below the API: runs/ID or evaluations/ID; `kind` in words. */
async function cancel({ cancel: path, kind, name }) {
  if (!(await confirm(`Cancel ${name}?`, KEPT[kind], `Cancel ${kind}`))) return;
  await change(() => ask(`/api/v1/${path}/cancel`, { method: "POST" }));
}

async function retry({ retry: path, name }) {
  await change(async () => {
    const again = await ask(`/api/v1/${path}/resume`, { method: "POST" });
    tell(`${name[0].toUpperCase()}${name.slice(1)} was queued again.`, { hint: again.status_cause ? `${again.status_cause}.` : "" });
  });
}

function dragstart(event) {
  const row = event.target.closest?.("#waiting tr[data-run]");
  if (!row) return;
  dragged = { row, from: rows().indexOf(row) };
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", row.dataset.name);
  row.classList.add("is-dragged");
}

/** The row goes along under the pointer. */
function dragover(event) {
  const over = event.target.closest?.("#waiting tr[data-run]");
  if (!dragged || !over) return;
  event.preventDefault();
  if (over === dragged.row) return;
  const { top, height } = over.getBoundingClientRect();
  over.parentElement.insertBefore(dragged.row, event.clientY < top + height / 2 ? over : over.nextSibling);
}

function drop(event) {
  if (!dragged) return;
  event.preventDefault();
  dragged.dropped = true;
}

function dragend() {
  if (!dragged) return;
  const { row, from, dropped } = dragged;
  dragged = undefined;
  row.classList.remove("is-dragged");
  const to = rows().indexOf(row);
  if (!dropped) renew();
  else if (to !== from) {
    change(async () => {
      await ask(`/api/v1/queue/${row.dataset.run}/move`, { method: "POST", body: { position: to + 1 } });
    });
  }
}

start();
