// Task sets: import without losing what was chosen, remove after asking.

import { ask } from "./api.js";
import { watchGrids } from "./grids.js";
import { attempt, confirm } from "./notices.js";

watchGrids(document);

const form = document.getElementById("import");
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
    const response = await fetch("/api/v1/sets", { method: "POST", body });
    const said = await response.json();
    if (response.ok) {
      location.assign(`/data?${new URLSearchParams({ imported: said.name })}`);
      return;
    }
    const { message, hint, fields = [] } = said.error;
    problem.textContent = [message, ...fields.map((each) => `${each.field} ${each.message} ${each.hint ?? ""}`), hint].filter(Boolean).join(" ");
  } catch {
    problem.textContent = "The server does not answer. Nothing was imported: try again.";
  }
  problem.hidden = false;
  button.disabled = false;
  button.textContent = "Import set";
});

document.addEventListener("click", async (event) => {
  const name = event.target.closest("[data-remove]")?.dataset.remove;
  if (!name) return;
  if (!(await confirm(`Remove ${name}?`, "Results on it stay, without their grids. The files it came from are not touched.", "Remove set"))) return;
  const address = `/api/v1/sets/${name.split("/").map(encodeURIComponent).join("/")}`;
  if (await attempt(() => ask(address, { method: "DELETE" }))) location.assign("/data");
});
