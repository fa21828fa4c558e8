// Event streams that sleep while the tab is hidden and say when they are cut off, and the refreshing of
// what the server rendered.

import { askPage } from "./api.js";

const SILENT_FOR = 25_000; // milliseconds; the server says something every 10 seconds
const FIRST_PAUSE = 2_000; // milliseconds before the first try to connect again; each further pause is twice as long,
const LONGEST_PAUSE = 30_000; // up to this
const WORDS = {
  open: "",
  lost: "Reconnecting… No updates will be lost.",
  full: "Live updates paused: too many open pages. Close pages that you do not need; this one tries again by itself.",
};

/**
 * Follow a stream of server-sent events. `address()` is asked at every (re)connection, so that it can carry
 * the newest cursor. A hidden tab holds no connection. `onState` hears "open", "lost" and "full"; the page says
 * the last two in words.
 */
export class Stream {
  constructor(address, handlers, onState = () => {}) {
    this.address = address;
    this.handlers = handlers;
    this.onState = onState;
    this.over = false;
    this.failures = 0; // since the last connection
    document.addEventListener("visibilitychange", () => (document.hidden ? this.pause() : this.open()));
    // A pulled cable ends no connection by itself: the browser says it first.
    addEventListener("offline", () => this.reconnect());
    addEventListener("online", () => this.again());
    if (!document.hidden) this.open();
  }

  open() {
    if (this.over || this.source) return;
    this.source = new EventSource(this.address());
    this.heard();
    this.source.addEventListener("open", () => {
      this.heard();
      this.failures = 0;
      this.say("open");
    });
    this.source.addEventListener("error", () => this.failed());
    this.source.addEventListener("heartbeat", () => this.heard());
    for (const [kind, handle] of Object.entries(this.handlers)) {
      this.source.addEventListener(kind, (event) => {
        this.heard();
        handle(JSON.parse(event.data), event.lastEventId);
      });
    }
  }

  /** A connection that broke without a word is known by its silence alone. */
  heard() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.reconnect(), SILENT_FOR);
  }

  say(state) {
    const note = document.getElementById("connection");
    note.hidden = state === "open";
    note.textContent = WORDS[state];
    this.onState(state);
  }

  /** An EventSource keeps to itself why it was refused. */
  async failed() {
    const refused = this.source?.readyState === EventSource.CLOSED ? this.source.url : null;
    this.reconnect();
    const seconds = refused && (await secondsToWait(refused));
    if (seconds && this.waiting) this.reconnect("full", 1000 * seconds);
  }

  /** The browser would ask again for the old address; a new one carries the newest cursor. Pages that lost the
   * same server do not come back all at once. */
  reconnect(state = "lost", pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.failures)) {
    if (this.over) return;
    this.pause();
    this.failures += 1;
    this.say(state);
    this.waiting = setTimeout(() => !document.hidden && this.open(), pause * (0.75 + Math.random() / 4));
  }

  /** Try now, not when the pause is over. */
  again() {
    if (this.over || document.hidden) return;
    this.pause();
    this.open();
  }

  pause() {
    clearTimeout(this.waiting);
    this.waiting = undefined;
    clearTimeout(this.silence);
    this.source?.close();
    this.source = undefined;
  }

  end() {
    this.over = true;
    this.pause();
  }
}

/** How long the server that refuses a stream with "too many" wants us to wait; undefined for any other reason. */
async function secondsToWait(address) {
  const asked = new AbortController();
  try {
    const answer = await fetch(address, { signal: asked.signal });
    if (answer.status === 429) return Number(answer.headers.get("Retry-After")) || LONGEST_PAUSE / 1000;
  } catch {
    // the server is gone: the next try will tell
  } finally {
    asked.abort(); // else an answer that is a stream would go on
  }
}

/**
 * Tell of every run that changes or goes, from now on; `missed` is called when there was nobody listening for a
 * while, in a hidden tab or without a connection: the page may be older than the stream.
 */
export function followRuns(note, missed, isFresh = true) {
  let isPage = isFresh && !document.hidden; // shows what the stream begins with
  return new Stream(() => "/api/v1/events?changes_only=true", { status: note, deleted: note }, (state) => {
    if (state !== "open") return;
    if (!isPage) missed();
    isPage = false;
  });
}

/**
 * Calls `work` soon, once for many requests, and at most once every `pause` milliseconds. What is asked for while it
 * works is done after it: it may have looked before the change.
 */
export function throttled(work, pause) {
  let timer;
  let last = 0;
  let working = false;
  let again = false;
  const ask = () => {
    if (working) again = true;
    else timer ??= setTimeout(run, Math.max(50, last + pause - Date.now()));
  };
  const run = async () => {
    timer = undefined;
    last = Date.now();
    [working, again] = [true, false];
    try {
      await work();
    } finally {
      working = false;
      if (again) ask();
    }
  };
  return ask;
}

let asked = 0; // pages fetched to refresh this one
let shown = 0; // the newest of them that was put in

/**
 * Fetch this page again and put in what has changed of its live parts, if that is still wanted once it is here and no
 * page that was asked for later has come before it.
 */
export async function refresh(isWanted = () => true) {
  const number = ++asked;
  const fresh = await askPage(location.pathname + location.search);
  if (number < shown || !isWanted()) return fresh;
  shown = number;
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next) continue;
    if (part.tagName === "TBODY") replaceRows(part, next);
    else replaceContent(part, next);
    if (part.dataset.live === "until-filled" && part.childElementCount) delete part.dataset.live;
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
  const rows = [...next.rows].map((row) => {
    const old = row.id && document.getElementById(row.id);
    return old ? replaceRow(old, row) : row;
  });
  const inPlace = rows.length === body.rows.length && rows.every((row, at) => row === body.rows[at]);
  if (!inPlace) body.replaceChildren(...rows);
}

/** Put `next` in the place of `row` if it says something else; it stays selected and focused. Returns what stands. */
export function replaceRow(row, next) {
  if (!next) {
    row.remove();
    return null;
  }
  const tools = row.querySelector(".row-tools"); // of the pointer, not of the row
  const chosen = tools?.contains(document.activeElement) ? document.activeElement : null;
  tools?.remove();
  const isSame = row.innerHTML === next.innerHTML || row.querySelector(".row-form"); // or somebody writes in it
  const place = (isSame ? row : next).querySelector(".col-name");
  if (isSame) {
    if (tools) place.append(tools);
    chosen?.focus({ preventScroll: true });
    return row;
  }
  const focused = placeOfFocus(row);
  const picked = row.querySelector("[data-pick]")?.checked ?? false;
  row.replaceWith(next);
  if (tools) place.append(tools);
  chosen?.focus({ preventScroll: true });
  const box = next.querySelector("[data-pick]");
  if (box) box.checked = picked;
  restoreFocus(next, focused);
  return next;
}

function placeOfFocus(part) {
  const focused = document.activeElement;
  if (!part.contains(focused)) return null;
  return { at: [...part.querySelectorAll("*")].indexOf(focused) };
}

function restoreFocus(part, place) {
  if (!place) return;
  (part.querySelectorAll("*")[place.at] ?? part).focus({ preventScroll: true });
}
