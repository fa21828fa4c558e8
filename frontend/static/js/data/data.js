// Task sets: import without losing what was chosen, remove after asking.

import { Problem, ask } from "../web/api.js";
import { watchGrids } from "../web/grids.js";
import { attempt, confirm } from "../web/notices.js";

watchGrids(document);

const LISTED = 50;
const form = document.getElementById("import");
/** The answer to a form with files. */
async function send(address, body) {
  const response = await fetch(address, { method: "POST", body });
  const said = await response.json();
  if (!response.ok) throw new Problem(said.error.message, said.error.hint, response.status);
  return said;
}

const button = document.getElementById("import-go");
const told = document.getElementById("import-told");
let isConfirmed = false; // the notes are shown, and the button names what it imports

/** What a check found, as lists; the button then imports what is left. */
function tell(checked) {
  const lists = [["Left out", checked.left_out], ["Notes", checked.notes]].filter(([, texts]) => texts.length);
  told.replaceChildren(
    ...lists.flatMap(([title, texts]) => {
      const head = Object.assign(document.createElement("h3"), { className: "small", textContent: title });
      const list = Object.assign(document.createElement("ul"), { className: "import-told small" });
      const shown = texts.length > LISTED ? [...texts.slice(0, LISTED), `… and ${texts.length - LISTED} more`] : texts;
      list.append(...shown.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
      return [head, list];
    }),
  );
  told.hidden = false;
  button.textContent = `Import ${checked.tasks.toLocaleString("en")} ${checked.tasks === 1 ? "task" : "tasks"}`;
}

form.addEventListener("change", (event) => {
  if (event.target.name === "file" && !form.elements.name.value && event.target.files.length === 1) {
    const stem = event.target.files[0].name.replace(/(\.(gz|tar|tgz|zip|json))+$/, "");
    form.elements.name.value = stem.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[-._]+|[-._]+$/g, "");
  }
  isConfirmed = false;
  told.hidden = true;
  button.textContent = "Import set";
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = document.getElementById("import-problem");
  problem.hidden = true;
  button.disabled = true;
  const words = button.textContent;
  button.textContent = isConfirmed ? "Importing…" : "Checking…";
  const body = new FormData(form);
  if (!body.get("solutions")?.size) body.delete("solutions");
  try {
    const checked = isConfirmed ? { valid: true } : await send("/api/v1/sets/check", body);
    if (checked.valid && !checked.notes?.length && !checked.left_out?.length) {
      const { name } = await send("/api/v1/sets", body);
      location.assign(`/data?${new URLSearchParams({ imported: name })}`);
      return;
    }
    button.disabled = false;
    if (checked.valid) {
      isConfirmed = true;
      tell(checked);
      return;
    }
    problem.textContent = checked.message;
  } catch (error) {
    problem.textContent = `${error.message} ${error.hint ?? ""}`;
  }
  problem.hidden = false;
  button.disabled = false;
  button.textContent = words;
});

document.addEventListener("click", async (event) => {
  const name = event.target.closest("[data-remove]")?.dataset.remove;
  if (!name) return;
  if (!(await confirm(`Remove ${name}?`, "Its results are kept, without their grids. The original files are not deleted.", "Remove set"))) return;
  const address = `/api/v1/sets/${name.split("/").map(encodeURIComponent).join("/")}`;
  if (await attempt(() => ask(address, { method: "DELETE" }))) location.assign("/data");
});
