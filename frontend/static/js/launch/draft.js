// What is typed into the launch form survives a reload, and a look at another page: this tab keeps it until it is
// launched or discarded. The server lays it out again, as it does for browsers without script.

import { askPage } from "../web/api.js";
import { attempt } from "../web/notices.js";

const PAUSE = 300; // milliseconds after the last keystroke

export class Draft {
  constructor(form) {
    this.form = form;
    this.key = `etrm.launch${location.search}`;
    this.isRefused = "refused" in form.dataset;
    this.untouched = this.isRefused ? "" : written(form); // what was refused is to be kept as it stands
    for (const kind of ["input", "change", "click"]) form.addEventListener(kind, () => this.soon());
    addEventListener("pagehide", () => this.save());
  }

  /** Put in what was typed before, if anything was; not over what was just sent and refused. */
  async restore() {
    const kept = sessionStorage.getItem(this.key);
    if (!kept || this.isRefused) return;
    const body = new FormData();
    for (const [name, value] of JSON.parse(kept)) body.append(name, value);
    body.set("action", "show");
    await attempt(async () => {
      const page = await askPage("/runs/new", { method: "POST", body });
      const form = page.getElementById("launch");
      if (!form) return; // a page that says why not: what was typed stays for the next time
      this.form.dataset.mode = form.dataset.mode;
      this.form.replaceChildren(...form.childNodes);
      this.showNote();
    });
  }

  showNote() {
    const note = this.form.querySelector("#draft-note");
    note.hidden = false;
    note.querySelector("button").addEventListener("click", () => {
      this.end();
      location.replace(location.href);
    });
  }

  soon() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.save(), PAUSE);
  }

  save() {
    clearTimeout(this.waiting);
    if (this.over) return;
    const now = written(this.form);
    if (now === this.untouched) sessionStorage.removeItem(this.key);
    else sessionStorage.setItem(this.key, now);
  }

  /** It was launched, or is not wanted any more. */
  end() {
    this.over = true;
    sessionStorage.removeItem(this.key);
  }
}

/** All that the form would send; its JSON follows from the fields, unless it is what is being written. */
function written(form) {
  const isJson = form.dataset.mode === "json";
  return JSON.stringify([...new FormData(form)].filter(([name]) => isJson || name !== "config_json"));
}
