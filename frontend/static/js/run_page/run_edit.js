// Tags and notes of a run, edited where they stand.

import { ask } from "../web/api.js";
import { asText, itemsOf } from "../web/lists.js";
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
  const project = Object.assign(document.createElement("input"), { className: "input", value: row.dataset.project ?? "" });
  project.setAttribute("aria-label", "Project");
  project.placeholder = "project";
  const notes = Object.assign(document.createElement("textarea"), { className: "area" });
  notes.value = row.dataset.notes ?? "";
  notes.setAttribute("aria-label", "Notes");
  notes.placeholder = "notes";
  const buttons = Object.assign(document.createElement("span"), { className: "spread" });
  const save = Object.assign(document.createElement("button"), { className: "button is-small is-primary", textContent: "Save" });
  const keep = Object.assign(document.createElement("button"), { className: "button is-small is-quiet", textContent: "Leave" });
  keep.type = "button";
  buttons.append(save, keep);
  form.append(tags, notes, project, buttons);
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
  const address = `/api/v1/runs/${row.dataset.id}`;
  let seen = { tags: itemsOf(tags.value), notes: notes.value, project: project.value };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { tags: itemsOf(tags.value), notes: notes.value, project: project.value, seen };
    let isTaken = false;
    const isSaved = await attempt(async () => {
      try {
        await ask(address, { method: "PATCH", body });
      } catch (problem) {
        if (problem.status !== 409) throw problem;
        isTaken = true;
        const now = await ask(address);
        seen = { tags: now.tags, notes: now.notes, project: now.project };
        showOther(form, seen, notes, tags);
      }
    });
    if (!isSaved || isTaken) return;
    close();
    await saved();
  });
}

/** What somebody else saved meanwhile, beside what stands in the form: nothing of either is lost. */
function showOther(form, other, notes, tags) {
  form.querySelector(".other-text")?.remove();
  const box = Object.assign(document.createElement("div"), { className: "other-text small" });
  box.setAttribute("role", "alert");
  const said = Object.assign(document.createElement("p"), { className: "problem" });
  said.textContent = "Somebody else changed this run meanwhile. Nothing was saved. Save again to replace theirs with yours.";
  const theirs = Object.assign(document.createElement("textarea"), { className: "area", readOnly: true, value: other.notes });
  theirs.setAttribute("aria-label", "Their notes");
  const theirTags = Object.assign(document.createElement("p"), { className: "soft" });
  theirTags.textContent = `Theirs (tags: ${other.tags.join(", ") || "none"}; project: ${other.project || "none"}); yours are below.`;
  const both = Object.assign(document.createElement("button"), { type: "button", className: "button is-small", textContent: "Keep both" });
  both.addEventListener("click", () => {
    notes.value = [other.notes, notes.value].filter(Boolean).join("\n\n");
    tags.value = asText([...new Set([...other.tags, ...itemsOf(tags.value)])]);
    box.remove();
    notes.focus();
  });
  box.append(said, theirTags, theirs, both);
  form.insertBefore(box, notes);
}
