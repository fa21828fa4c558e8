// The gallery: filters in the address, cards page by page, keyboard, blinking.

import { askPage } from "../web/api.js";
import { Endless, keepPlace } from "../web/endless.js";
import { watchGrids } from "../web/grids.js";
import { blink, lookChanged, showLook } from "../web/look.js";
import { attempt } from "../web/notices.js";

const TYPING = 350; // milliseconds after the last key in a text field

const form = () => document.getElementById("gallery-filter");
const body = () => document.getElementById("gallery-body");
const cards = () => document.getElementById("cards");

let typing;
let asked;
let endless;

function start() {
  if (!form()) return;
  endless = new Endless("cards", settle);
  watchForm();
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  addEventListener("popstate", () => attempt(() => show(location.pathname + location.search)));
  settle();
  endless.watch();
  keepPlace(endless, ".gallery-card");
}

/** Draw the grids of what was just put into the page. */
function settle() {
  showLook(document);
  watchGrids(document);
}

function watchForm() {
  document.addEventListener("submit", (event) => {
    if (event.target !== form()) return;
    event.preventDefault();
    go(addressOfForm());
  });
  document.addEventListener("change", (event) => {
    if (form().contains(event.target)) go(addressOfForm());
    else lookChanged(event.target);
  });
  document.addEventListener("input", (event) => {
    if (!event.target.matches("#gallery-filter input")) return;
    clearTimeout(typing);
    typing = setTimeout(() => go(addressOfForm()), TYPING);
  });
}

/** Only what is set; a change between A and B ends with B. */
function addressOfForm() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form())) {
    if (value.trim() && !(name === "attempts" && value === "1") && !(name === "view" && value === "grid")) query.append(name, value.trim());
  }
  if (query.getAll("evaluation").length < 2) query.delete("change");
  return `/gallery?${query}`;
}

function go(address) {
  clearTimeout(typing);
  if (address === location.pathname + location.search) return undefined;
  return attempt(async () => {
    await show(address);
    history.pushState(null, "", address);
  });
}

/** Put in the gallery of another address; whoever types keeps typing. */
async function show(address) {
  asked?.abort();
  asked = new AbortController();
  cards()?.setAttribute("aria-busy", "true");
  const fresh = await askPage(address, { signal: asked.signal });
  const focused = document.activeElement?.name && form().contains(document.activeElement) ? document.activeElement : null;
  const place = focused && [...form().elements].filter((each) => each.name === focused.name).indexOf(focused);
  const typed = focused?.selectionStart;
  const text = focused?.value;
  const side = form().querySelector("details").open;
  form().replaceWith(fresh.getElementById("gallery-filter"));
  form().querySelector("details").open ||= side;
  body().replaceWith(fresh.getElementById("gallery-body"));
  if (focused) {
    const again = [...form().elements].filter((each) => each.name === focused.name)[place];
    if (again?.matches("input")) again.value = text;
    again?.focus();
    if (again?.matches("input") && typed !== null) again.setSelectionRange(typed, typed);
  }
  settle();
  endless.watch();
}

function onClick(event) {
  if (event.target.closest("#blink")) blink(document.getElementById("blink"));
  const inside = event.target.closest("#gallery-body a[href^='/gallery'], #gallery-filter a[href^='/gallery']");
  if (inside && !inside.matches("[data-more]") && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    go(inside.getAttribute("href"));
  }
}

function onKey(event) {
  const field = event.target.matches("input:not([type=checkbox]), select, textarea");
  if (field || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
  if (event.key === "b") document.getElementById("blink")?.click();
  if (event.key === "v") document.querySelector("[data-view]:not([aria-current])")?.click();
  if (event.key === "Enter" && event.target.matches(".gallery-card")) location.assign(event.target.dataset.address);
}

function step(by) {
  const all = [...document.querySelectorAll(".gallery-card")];
  const at = all.findIndex((card) => card.contains(document.activeElement));
  const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
}

start();
