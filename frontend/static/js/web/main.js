// What every page does; what one page does stands in the module of its name.

import { watchCopies } from "./clipboard.js";
import { registerServiceWorker } from "./installable.js";
import { openFinder, watchFinder } from "./finder.js";
import { keepTimesFresh } from "./words.js";
import { watchSystem } from "./system.js";

keepTimesFresh();
watchCopies();
const isInside = document.querySelector(".rail") !== null; // of the lab, not before its door
if (isInside) {
  watchSystem();
  watchFinder();
  registerServiceWorker();
}

// What is chosen in a menu vanishes with it: the focus goes to what opened the menu, so that a dialog that the choice
// opens can give it back.
document.addEventListener("click", (event) => {
  const menu = event.target.closest("details.menu[open]");
  if (menu && event.target.closest(".sheet button, .sheet a")) menu.querySelector("summary").focus({ preventScroll: true });
}, { capture: true });

// Menus close when one clicks elsewhere, presses Escape or chooses something.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target) || event.target.closest(".sheet button, .sheet a")) menu.open = false;
  }
});

// Cancel is no submit button: Enter in a dialog's field presses the first of those, which is to be the one that saves.
document.addEventListener("click", (event) => event.target.closest("dialog [data-close]")?.closest("dialog").close(""));

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  if (event.key === "k" && (event.ctrlKey || event.metaKey) && isInside && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    openFinder();
  }
  if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?") document.getElementById("shortcuts").showModal();
  if (event.key === "/" && isInside && !document.getElementById("filter")) {
    event.preventDefault();
    openFinder();
  }
  if (event.key === "n" && isInside) location.assign("/runs/new");
});

function isTyping(event) {
  return event.target.matches("input:not([type=checkbox]), textarea, select") || document.querySelector("dialog[open]");
}
