// Task sets: import without losing what was chosen, remove after asking.

import { Problem, ask } from "../web/api.js";
import { watchGrids } from "../web/grids.js";
import { attempt, confirm } from "../web/notices.js";

watchGrids(document);

const form = document.getElementById("import");
/** The answer to a form with files. */
async function send(address, body) {
  const response = await fetch(address, { method: "POST", body });
  const said = await response.json();
  if (!response.ok) throw new Problem(said.error.message, said.error.hint, response.status);
  return said;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = document.getElementById("import-go");
  const problem = document.getElementById("import-problem");
  problem.hidden = true;
  button.disabled = true;
  button.textContent = "Checking…";
  const body = new FormData(form);
  if (!body.get("solutions")?.size) body.delete("solutions");
  try {
    const checked = await send("/api/v1/sets/check", body);
    if (checked.valid) {
      const { name } = await send("/api/v1/sets", body);
      location.assign(`/data?${new URLSearchParams({ imported: name })}`);
      return;
    }
    problem.textContent = checked.message;
  } catch (error) {
    problem.textContent = `${error.message} ${error.hint ?? ""}`;
  }
  problem.hidden = false;
  button.disabled = false;
  button.textContent = "Import set";
});

document.addEventListener("click", async (event) => {
  const name = event.target.closest("[data-remove]")?.dataset.remove;
  if (!name) return;
  if (!(await confirm(`Remove ${name}?`, "Its results are kept, without their grids. The original files are not deleted.", "Remove set"))) return;
  const address = `/api/v1/sets/${name.split("/").map(encodeURIComponent).join("/")}`;
  if (await attempt(() => ask(address, { method: "DELETE" }))) location.assign("/data");
});
