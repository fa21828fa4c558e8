// Names of checkpoints: set, moved, taken away.

import { ask } from "../web/api.js";
import { attempt } from "../web/notices.js";

/** Watch the form and the tags of a run's checkpoints; `renew` shows what has changed. */
export function watchAliases(run, renew) {
  const of = (name) => `/api/v1/runs/${run}/checkpoints/aliases/${encodeURIComponent(name)}`;
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.id !== "alias-form") return;
    event.preventDefault();
    const body = { checkpoint: Number(form.elements.checkpoint.value) };
    const name = form.elements.name.value.trim();
    if (await attempt(() => ask(of(name), { method: "PUT", body }))) form.elements.name.value = "";
    await renew();
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-unalias]");
    if (!button) return;
    button.disabled = true;
    await attempt(() => ask(of(button.dataset.unalias), { method: "DELETE" }));
    await renew();
  });
}
