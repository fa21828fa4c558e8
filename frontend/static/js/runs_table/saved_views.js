// Named views of the table: what stands in its address, kept on the server for everybody.

import { ask } from "../web/api.js";
import { attempt, confirm } from "../web/notices.js";

export function watchViews() {
  const menu = document.getElementById("views-menu");
  document.getElementById("view-form").addEventListener("submit", (event) => {
    event.preventDefault();
    save(menu, document.getElementById("view-name").value.trim());
  });
  menu.addEventListener("click", (event) => {
    const name = event.target.closest("[data-forget]")?.dataset.forget;
    if (name) forget(name);
  });
}

async function save(menu, name) {
  const taken = [...menu.querySelectorAll("[data-forget]")].find((each) => each.dataset.forget === name);
  const text = "It will show the current table, for everyone.";
  if (taken && !(await confirm(`Replace the view ${name}?`, text, "Replace"))) return;
  const seen = taken?.closest(".view-line").querySelector("a").getAttribute("href").replace("/?", "") ?? "";
  const body = { query: menu.dataset.query, seen };
  if (await attempt(() => ask(at(name), { method: "PUT", body }))) location.reload();
}

async function forget(name) {
  if (!(await confirm(`Delete the view ${name}?`, "Runs are kept. The view is deleted for everyone.", "Delete view"))) return;
  if (await attempt(() => ask(at(name), { method: "DELETE" }))) location.reload();
}

const at = (name) => `/api/v1/views/${encodeURIComponent(name)}`;
