// One task: its grids, blinking, and the keys that lead to its neighbours.

import { watchGrids } from "./grids.js";
import { blink, lookChanged, showLook } from "./look.js";

const KEYS = { j: "behind", k: "before", b: "blink" };

showLook(document);
watchGrids(document);
document.addEventListener("change", (event) => lookChanged(event.target));
document.getElementById("blink")?.addEventListener("click", (event) => blink(event.currentTarget));
document.addEventListener("keydown", (event) => {
  const field = event.target.matches("input:not([type=checkbox]), select, textarea");
  if (field || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key in KEYS) document.getElementById(KEYS[event.key])?.click();
});
