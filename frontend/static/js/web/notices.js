// What the page tells in passing, and what it asks before something is lost.

import { icon } from "./icons.js";

/** Show a message for a few seconds; a problem stays until it is closed. One of the same kind takes its place. */
export function tell(message, { hint = "", bad = false, kind = message } = {}) {
  takeAway(kind);
  const note = noteOf(message, hint, bad);
  note.dataset.kind = kind;
  const close = document.createElement("button");
  close.className = "button is-quiet is-small";
  close.setAttribute("aria-label", "Close");
  close.append(icon("close"));
  close.addEventListener("click", () => note.remove());
  note.append(close);
  if (!bad) setTimeout(() => note.remove(), 6000);
}

/** Show that something is being made, for as long as `work` takes; `work` gets what says how far it is. */
export async function whileMaking(message, work) {
  const note = noteOf(message, "", false);
  const far = document.createElement("span");
  far.setAttribute("aria-live", "off"); // else every number was read out
  note.append(far);
  try {
    return await work((text) => far.replaceChildren(text));
  } finally {
    note.remove();
  }
}

function noteOf(message, hint, bad) {
  const note = document.createElement("div");
  note.className = bad ? "note is-bad" : "note";
  const words = document.createElement("div");
  words.append(Object.assign(document.createElement("b"), { textContent: message }), ` ${hint}`);
  note.append(icon(bad ? "failed" : "info"), words);
  document.getElementById("toasts").append(note);
  return note;
}

function takeAway(kind) {
  for (const note of [...document.getElementById("toasts").children]) if (note.dataset.kind === kind) note.remove();
}

/** Do something that may fail, and say so if it does; whether it went well. Of a `kind` of work the last outcome stands. */
export async function attempt(work, kind) {
  try {
    await work();
    if (kind) takeAway(kind);
    return true;
  } catch (problem) {
    if (problem.name !== "AbortError") tell(problem.message, { hint: problem.hint, bad: true, kind });
    return false;
  }
}

/** Ask before something that cannot be undone; resolves to whether to do it. */
export function confirm(title, text, verb) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-title").textContent = title;
  document.getElementById("confirm-text").textContent = text;
  document.getElementById("confirm-yes").textContent = verb;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
