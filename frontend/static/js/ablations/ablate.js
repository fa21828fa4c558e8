// The form of an ablation: its estimate follows what is chosen.

import { refresh } from "../web/live.js";
import { attempt } from "../web/notices.js";

const TYPING = 350; // milliseconds after the last change
const form = document.getElementById("ablate-form");
let typing;

form.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => attempt(estimate), TYPING);
});

/** The address holds what is chosen, so that a reload and a link show the same. */
function estimate() {
  history.replaceState(history.state, "", `?${new URLSearchParams(new FormData(form))}`);
  return refresh();
}
