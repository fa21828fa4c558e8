// Tags and notes of a run, edited where they stand.

import { ask } from "../web/api.js";
import { itemsOf } from "../web/lists.js";
import { attempt } from "../web/notices.js";

/** Open the editor in a row; what is saved shows by itself, since the row is live. */
export function editRow(row, saved) {
  const place = row.querySelector(".col-name");
  if (place.querySelector(".row-form")) return;
  const form = document.createElement("form");
  form.className = "row-form";
  const tags = Object.assign(document.createElement("input"), { className: "input", value: row.dataset.tags ?? "" });
  tags.setAttribute("aria-label", "Tags, separated by commas");
  tags.placeholder = "tags, separated by commas";
  const notes = Object.assign(document.createElement("textarea"), { className: "area" });
  notes.value = row.dataset.notes ?? "";
  notes.setAttribute("aria-label", "Notes");
  notes.placeholder = "notes";
  const buttons = Object.assign(document.createElement("span"), { className: "spread" });
  const save = Object.assign(document.createElement("button"), { className: "button is-small is-primary", textContent: "Save" });
  const keep = Object.assign(document.createElement("button"), { className: "button is-small is-quiet", textContent: "Leave" });
  keep.type = "button";
  buttons.append(save, keep);
  form.append(tags, notes, buttons);
  place.append(form);
  tags.focus();

  const close = () => {
    form.remove();
    row.focus();
  };
  keep.addEventListener("click", close);
  form.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the keys of the table mean nothing here
    if (event.key === "Escape") close();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { tags: itemsOf(tags.value), notes: notes.value };
    if (await attempt(() => ask(`/api/v1/runs/${row.dataset.id}`, { method: "PATCH", body }))) {
      close();
      await saved();
    }
  });
}
