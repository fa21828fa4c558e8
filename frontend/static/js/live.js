// Event streams that sleep while the tab is hidden and say when they are cut off, and the refreshing of
// what the server rendered.

import { askPage } from "./api.js";

/**
 * Follow a stream of server-sent events. `address()` is asked at every (re)connection, so that it can carry
 * the newest cursor. A hidden tab holds no connection.
 */
export class Stream {
  constructor(address, handlers, onState = () => {}) {
    this.address = address;
    this.handlers = handlers;
    this.onState = onState;
    this.over = false;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.pause() : this.open()));
    if (!document.hidden) this.open();
  }

  open() {
    if (this.over || this.source) return;
    this.source = new EventSource(this.address());
    this.source.addEventListener("open", () => this.onState("open"));
    this.source.addEventListener("error", () => this.reconnect());
    for (const [kind, handle] of Object.entries(this.handlers)) {
      this.source.addEventListener(kind, (event) => handle(JSON.parse(event.data), event.lastEventId));
    }
  }

  /** The browser would ask again for the old address; a new one carries the newest cursor. */
  reconnect() {
    if (this.over) return;
    this.pause();
    this.onState("lost");
    this.waiting = setTimeout(() => !document.hidden && this.open(), 2000);
  }

  pause() {
    clearTimeout(this.waiting);
    this.source?.close();
    this.source = undefined;
  }

  end() {
    this.over = true;
    this.pause();
  }
}

/** Calls `work` soon, once for many requests, and at most once every `pause` milliseconds. */
export function throttled(work, pause) {
  let timer;
  let last = 0;
  return () => {
    timer ??= setTimeout(async () => {
      last = Date.now();
      await work();
      timer = undefined;
    }, Math.max(50, last + pause - Date.now()));
  };
}

/** Fetch this page again and put in what has changed of its live parts. */
export async function refresh() {
  const fresh = await askPage(location.pathname + location.search);
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next) continue;
    if (part.tagName === "TBODY") replaceRows(part, next);
    else replaceContent(part, next);
  }
  return fresh;
}

function replaceContent(part, next) {
  if (part.innerHTML === next.innerHTML) return;
  const open = [...part.querySelectorAll("details")].map((each) => each.open);
  const chosen = [...part.querySelectorAll("select[id]")].map((each) => [each.id, each.value]);
  const focused = placeOfFocus(part);
  part.replaceChildren(...next.childNodes);
  part.querySelectorAll("details").forEach((each, at) => (each.open = open[at] ?? each.open));
  for (const [id, value] of chosen) {
    const select = document.getElementById(id);
    if ([...(select?.options ?? [])].some((option) => option.value === value)) select.value = value;
  }
  restoreFocus(part, focused);
}

function replaceRows(body, next) {
  const picked = new Set([...body.querySelectorAll("[data-pick]:checked")].map((box) => box.closest("tr").id));
  const focused = placeOfFocus(body);
  const rows = [...next.rows].map((row) => {
    const old = row.id && document.getElementById(row.id);
    return old && old.innerHTML === row.innerHTML ? old : row;
  });
  body.replaceChildren(...rows);
  for (const id of picked) {
    const box = document.getElementById(id)?.querySelector("[data-pick]");
    if (box) box.checked = true;
  }
  restoreFocus(body, focused);
}

function placeOfFocus(part) {
  const focused = document.activeElement;
  if (!part.contains(focused)) return null;
  const row = focused.closest("tr[id]") ?? part;
  return { row: row.id, at: [...row.querySelectorAll("*")].indexOf(focused) };
}

function restoreFocus(part, place) {
  if (!place || part.contains(document.activeElement)) return;
  const row = document.getElementById(place.row);
  (row?.querySelectorAll("*")[place.at] ?? row)?.focus({ preventScroll: true });
}
