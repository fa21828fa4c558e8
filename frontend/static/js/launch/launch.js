// The launch form: validation on blur, kinds that swap their fields, rows, what changed, and the JSON beside it.

import { ask, askPage } from "../web/api.js";
import { Draft } from "./draft.js";
import { configOf, pathOf, rowsOf, textOf } from "./form_config.js";
import { listProblems, showProblem } from "./form_problems.js";
import { offerSuggestions, take } from "./form_suggestions.js";
import { attempt, confirm } from "../web/notices.js";
import { SweepSection } from "./sweep.js";
import { counted, duration, significant, size } from "../web/words.js";

class LaunchForm {
  constructor(form, draft) {
    this.form = form;
    this.draft = draft;
    this.json = form.querySelector("#config-json");
    this.touched = new Set();
    this.sweep = new SweepSection(form);
    offerSuggestions(this.form);
    this.watchInputs();
    this.watchModes();
    this.watchRows();
    this.watchLinks();
    this.watchLeaving();
    form.addEventListener("submit", (event) => this.submit(event));
    form.querySelector("[aria-invalid=true]")?.focus();
  }

  get mode() {
    return this.form.dataset.mode;
  }

  get config() {
    return configOf(this.form);
  }

  watchInputs() {
    this.form.addEventListener("change", (event) => {
      const input = event.target;
      if (input.dataset.type === "kind") this.showKind(input);
      if (input.dataset.type) this.settle(input);
    });
    this.form.addEventListener("input", (event) => event.target.dataset.type && this.markChange(event.target.closest(".field")));
    this.form.addEventListener("focusout", (event) => event.target.dataset.type && this.settle(event.target));
    this.form.addEventListener("click", (event) => {
      const reset = event.target.closest("[data-reset]");
      if (reset) this.reset(reset.closest(".field"));
      const suggestion = event.target.closest("[data-suggestion]");
      if (suggestion) this.settle(take(suggestion));
    });
    this.json.addEventListener("input", () => {
      clearTimeout(this.reading);
      this.reading = setTimeout(() => this.check(true), 400);
    });
  }

  /** Somebody is done with a field: note what changed and ask the server about it. */
  settle(input) {
    this.markChange(input.closest(".field"));
    this.touched.add(pathOf(input));
    return this.check(false);
  }

  /** Show only the fields of the chosen kind; the others are off and are not sent. */
  showKind(radio) {
    const choice = radio.closest("[data-choice]");
    for (const each of choice.querySelectorAll(":scope > .field [data-type=kind]")) each.toggleAttribute("data-chosen", each === radio);
    for (const fields of choice.querySelectorAll(":scope > .variant-fields")) {
      fields.hidden = fields.disabled = fields.dataset.kind !== radio.value;
      if (fields.disabled) continue;
      // A kind inside may share its radios' name with that of another kind: each remembers its own.
      for (const inner of fields.querySelectorAll("[data-type=kind][data-chosen]")) inner.checked = !inner.closest("fieldset:disabled");
    }
  }

  /** Validate what stands there; `everything`: also what nobody has touched. Resolves to whether it is valid. */
  async check(everything) {
    this.checking?.abort();
    this.checking = new AbortController();
    let valid = false;
    await attempt(async () => {
      const body = this.mode === "json" ? this.typedJson() : this.config;
      if (body === undefined) return;
      const verdict = await ask("/api/v1/config/validate", { method: "POST", body, signal: this.checking.signal });
      valid = verdict.valid;
      this.showProblems(verdict.problems, everything);
      showEstimate(verdict.estimate, verdict.problems[0]);
      showTrainingTasks(verdict.training_tasks);
      if (verdict.wait) document.getElementById("queue-note").textContent = verdict.wait.words;
      if (this.mode === "form") this.json.value = JSON.stringify(verdict.config ?? body, null, 2);
    });
    return valid;
  }

  /** The JSON in the text area; undefined, with its problem shown, if it is none. */
  typedJson() {
    try {
      return JSON.parse(this.json.value);
    } catch (error) {
      this.showProblems([{ field: "", message: `Invalid JSON: ${error.message}.`, hint: "" }], true);
      return undefined;
    }
  }

  showProblems(problems, everything) {
    const left = [];
    const shown = new Map();
    for (const problem of problems) {
      const field = this.mode === "form" && this.fieldAt(problem.field);
      if (!field) left.push(problem);
      else if (everything || this.touched.has(problem.field)) shown.set(field, [...(shown.get(field) ?? []), problem]);
    }
    for (const field of this.form.querySelectorAll(".field")) showProblem(field, shown.get(field) ?? []);
    const all = this.mode === "json" ? problems : left;
    listProblems(this.form.querySelector("#problems"), everything ? problems.length : all.length, all);
    this.json.setAttribute("aria-invalid", String(this.mode === "json" && problems.length > 0));
  }

  /** The field of a problem's path; a member of a list belongs to the list's field. */
  fieldAt(path) {
    const inputs = [...this.form.querySelectorAll("[data-type]")].filter((each) => !each.closest("fieldset:disabled, .without-script"));
    const found = inputs.find((each) => pathOf(each) === path)
      ?? inputs.find((each) => ["texts", "integers"].includes(each.dataset.type) && path.startsWith(`${pathOf(each)}.`));
    return found?.closest(".field");
  }

  markChange(field) {
    if (!field) return;
    const now = textInField(field);
    const changed = "base" in field.dataset && now !== field.dataset.base;
    field.classList.toggle("is-changed", changed);
    const was = field.querySelector(".was");
    if (was) was.hidden = !changed;
    this.listChanges();
  }

  listChanges() {
    const changed = [...this.form.querySelectorAll(".field.is-changed")].filter((field) => !field.closest("fieldset:disabled"));
    const items = changed.map((field) => {
      const item = document.createElement("li");
      const link = Object.assign(document.createElement("a"), { href: `#${field.querySelector("[id]").id}`, className: "mono", textContent: field.dataset.path });
      const before = Object.assign(document.createElement("span"), { className: "soft mono", textContent: field.dataset.base || "none" });
      const after = Object.assign(document.createElement("span"), { className: "mono", textContent: textInField(field) || "none" });
      item.append(link, " ", before, " → ", after);
      return item;
    });
    const none = Object.assign(document.createElement("li"), { className: "soft", textContent: "no changes" });
    this.form.querySelector("#changes").replaceChildren(...(items.length ? items : [none]));
    this.dirty = items.length > 0;
  }

  reset(field) {
    const input = field.querySelector("[data-type]");
    if (input.type === "checkbox") input.checked = field.dataset.base === "true";
    else input.value = field.dataset.base;
    input.focus();
    this.settle(input);
  }

  watchModes() {
    this.form.addEventListener("change", async (event) => {
      if (event.target.name !== "mode") return;
      if (event.target.value === "json") {
        this.checking?.abort();
        this.json.value = JSON.stringify(this.config, null, 2);
        this.form.dataset.mode = "json";
        this.check(true);
      } else if (!(await this.fillFromJson())) {
        this.form.querySelector("[name=mode][value=json]").checked = true;
      }
    });
  }

  /** Let the server lay out the form again for the JSON; whether there was JSON to lay out. */
  async fillFromJson() {
    if (this.typedJson() === undefined) return false;
    return attempt(async () => {
      const body = new FormData(this.form);
      body.set("mode", "json");
      body.set("action", "show");
      const page = await askPage("/runs/new", { method: "POST", body });
      for (const id of ["form-side", "changes", "problems"]) {
        this.form.querySelector(`#${id}`).replaceWith(page.getElementById(id));
      }
      this.form.dataset.mode = "form";
      offerSuggestions(this.form);
      this.listChanges();
    });
  }

  watchRows() {
    this.form.addEventListener("click", (event) => {
      const add = event.target.closest("[data-add]");
      if (add) this.addRow(add.closest("[data-rows]"));
      const remove = event.target.closest("[data-remove]");
      if (remove) this.removeRow(remove.closest("[data-row]"));
    });
  }

  addRow(list) {
    const row = list.querySelector("template").content.firstElementChild.cloneNode(true);
    const numbers = rowsOf(list).map((each) => Number(each.querySelector("[name]").name.split(".").at(-2)));
    const next = Math.max(-1, ...numbers) + 1;
    for (const each of row.querySelectorAll("*")) {
      for (const attribute of ["name", "id", "for", "aria-describedby", "data-path"]) {
        const value = each.getAttribute(attribute);
        if (value) each.setAttribute(attribute, value.replaceAll(/(\.)\d+(\.)/g, `$1${next}$2`));
      }
    }
    const spare = list.querySelector(".without-script"); // sent too, and numbered as this one
    list.querySelector(".row-list").insertBefore(row, spare);
    spare?.remove();
    row.querySelector("[data-type]").focus();
  }

  removeRow(row) {
    row.remove();
    this.touched.clear();
    this.check(false);
    this.dirty = true;
  }

  async submit(event) {
    if (event.submitter?.value !== "launch" || this.sending) return;
    event.preventDefault();
    const valid = await this.check(true);
    if (valid && !(await this.sweep.check())) {
      this.sweep.focusProblem();
      return;
    }
    if (valid) {
      this.sending = true;
      this.dirty = false;
      this.draft.end();
      this.form.requestSubmit(event.submitter);
      return;
    }
    const wrong = this.form.querySelector(".field [aria-invalid=true]");
    const folded = wrong?.closest("details");
    if (folded) folded.open = true;
    (wrong ?? this.form.querySelector("#problems")).focus();
  }

  /** What a link of the summary leads to is unfolded. */
  watchLinks() {
    this.form.querySelector(".launch-side").addEventListener("click", (event) => {
      const { hash = "" } = event.target.closest("a") ?? {};
      const target = document.getElementById(hash.slice(1));
      const fold = target?.closest("details") ?? target?.querySelector("details.folded");
      if (fold) fold.open = true;
    });
  }

  /** A preset replaces what was typed: ask first. */
  watchLeaving() {
    this.form.querySelector(".presets").addEventListener("click", async (event) => {
      const link = event.target.closest("a.preset");
      if (!link || !(this.dirty || this.sweep.asked)) return;
      event.preventDefault();
      const text = "Your changes are replaced by the preset's values.";
      if (!(await confirm("Load this preset?", text, "Load preset"))) return;
      this.draft.end();
      location.assign(link.href);
    });
  }
}

function textInField(field) {
  const kind = field.querySelector("[data-type=kind]:checked");
  return kind ? kind.value : textOf(field.querySelector("[data-type]"));
}

/** What one run takes, from measured runs like it; as the server says it in launch/page.html. */
function showEstimate(estimate, obstacle) {
  const place = document.getElementById("estimate");
  if (!estimate) place.textContent = ["No estimate: the config is not valid yet.", obstacle?.field, obstacle?.message, obstacle?.hint].filter(Boolean).join(" ");
  else if (!estimate.measured_runs) place.textContent = NOT_MEASURED;
  else {
    const { measured_runs: n, seconds, process_hours: hours, memory_bytes: memory, samples_per_second: speed } = estimate;
    const needs = memory ? `, ${size(memory)} of memory` : "";
    place.textContent =
      `About ${duration(seconds)} of training (${significant(hours)} GPU- or process-hours)${needs}: ` +
      `${significant(speed)} samples/s, measured on ${counted(n, "run")} like it. Evaluation is not counted.`;
  }
}

/** How many tasks are left to train on; empty where that is not known. */
function showTrainingTasks(found) {
  const place = document.getElementById("training-tasks");
  place.textContent = found?.words ?? "";
  place.classList.toggle("is-warning", Boolean(found?.warns));
  place.classList.toggle("soft", !found?.warns);
}

const NOT_MEASURED = "No estimate yet: no run with this model, data, batch and device has recorded its speed.";

const form = document.getElementById("launch");
const draft = new Draft(form);
draft.restore().then(() => new LaunchForm(form, draft));
