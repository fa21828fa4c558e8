// The search over everything: runs, groups, tasks, sets and pages, by keyboard from any page.

import { ask } from "./api.js";

const PAUSE = 120; // milliseconds after the last key
const dialog = () => document.getElementById("finder");
const field = () => document.getElementById("finder-text");
const list = () => document.getElementById("finder-hits");

let waiting;
let asked;

export function watchFinder() {
  document.getElementById("find")?.addEventListener("click", openFinder);
  field().addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(look, PAUSE);
  });
  field().addEventListener("keydown", onKey);
  list().addEventListener("click", (event) => follow(event.target.closest("[role=option]")));
  dialog().addEventListener("click", (event) => event.target === dialog() && dialog().close());
}

export function openFinder() {
  dialog().showModal();
  field().select();
  look();
}

async function look() {
  asked?.abort();
  asked = new AbortController();
  try {
    const query = new URLSearchParams({ q: field().value.trim() });
    show(await ask(`/api/v1/search?${query}`, { signal: asked.signal }));
  } catch (problem) {
    if (problem.name === "AbortError") return;
    list().replaceChildren();
    say(`${problem.message} ${problem.hint ?? ""}`);
  }
}

function show({ hits }) {
  list().replaceChildren(...hits.map(option));
  choose(list().firstElementChild);
  say(hits.length ? "" : `No results for “${field().value.trim()}”.`);
}

function option(hit, at) {
  const row = document.createElement("li");
  row.id = `finder-hit-${at}`;
  row.setAttribute("role", "option");
  row.dataset.address = hit.address;
  const kind = Object.assign(document.createElement("span"), { className: "finder-kind small soft", textContent: hit.kind });
  const name = Object.assign(document.createElement("b"), { textContent: hit.name });
  const about = Object.assign(document.createElement("span"), { className: "small soft clip", textContent: hit.about });
  row.append(kind, name, about);
  return row;
}

function say(text) {
  const said = document.getElementById("finder-said");
  said.textContent = text;
  said.hidden = !text;
}

function choose(row) {
  for (const each of list().children) each.setAttribute("aria-selected", String(each === row));
  if (row) field().setAttribute("aria-activedescendant", row.id);
  else field().removeAttribute("aria-activedescendant");
  row?.scrollIntoView({ block: "nearest" });
}

function onKey(event) {
  const rows = [...list().children];
  const at = rows.findIndex((row) => row.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    choose(rows[(at + (event.key === "ArrowDown" ? 1 : -1) + rows.length) % rows.length]);
  }
  if (event.key === "Enter") follow(rows[at]);
}

function follow(row) {
  if (row) location.assign(row.dataset.address);
}
