// Seeds and sweep in the launch form: rows of swept fields, and which runs they make as one types.

import { askPage } from "../web/api.js";
import { attempt } from "../web/notices.js";

const PAUSE = 350; // milliseconds after the last keystroke

export class SweepSection {
  constructor(form) {
    this.form = form;
    this.root = form.querySelector("#section-sweep");
    this.launch = form.querySelector("button[value=launch]");
    this.next = 1 + Math.max(-1, ...this.numbers());
    this.root.addEventListener("click", (event) => {
      if (event.target.closest("[data-sweep-add]")) this.add();
      const remove = event.target.closest("[data-sweep-remove]");
      if (remove) this.remove(remove.closest("[data-sweep-row]"));
    });
    // What the fields below say changes the runs as well.
    for (const kind of ["input", "change"]) form.addEventListener(kind, () => this.soon());
    this.arrange();
    this.root.querySelector("[aria-invalid=true]")?.focus();
  }

  get rows() {
    return [...this.root.querySelectorAll("#sweep-rows > [data-sweep-row]")];
  }

  get mode() {
    return this.root.querySelector("[name='sweep.mode']:checked").value;
  }

  get asked() {
    const seeds = this.root.querySelector("#sweep-seeds").value.trim();
    return !["", "1"].includes(seeds) || this.rows.length > 0;
  }

  numbers() {
    return [...this.root.querySelectorAll("[data-sweep-row]")].map((row) => Number(row.dataset.sweepRow));
  }

  add() {
    const row = this.root.querySelector("#sweep-blank").content.firstElementChild.cloneNode(true);
    const before = row.dataset.sweepRow;
    const number = this.next++;
    row.dataset.sweepRow = number;
    for (const each of row.querySelectorAll("*")) {
      for (const name of ["id", "for", "name", "aria-describedby"]) {
        const value = each.getAttribute(name);
        if (value) each.setAttribute(name, value.replaceAll(new RegExp(`([-.])${before}(?=$| )`, "g"), `$1${number}`));
      }
    }
    this.root.querySelector("#sweep-rows > .without-script").before(row);
    this.arrange();
    row.querySelector("input").focus();
  }

  remove(row) {
    const after = row.nextElementSibling?.querySelector("input") ?? null;
    row.remove();
    (after?.offsetParent ? after : this.root.querySelector("[data-sweep-add]")).focus();
    this.soon();
  }

  /** Show what matters: how to combine only with swept fields, draws only where some are made. */
  arrange() {
    const rows = this.rows.length > 0;
    const search = rows && this.mode === "search";
    const shown = { rows, search, sweep: rows && !search, random: rows && this.mode === "random", asked: this.asked };
    for (const part of this.root.querySelectorAll("[data-sweep-when]")) part.classList.toggle("is-off", !shown[part.dataset.sweepWhen]);
  }

  soon() {
    this.arrange();
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.check(), PAUSE);
  }

  /** Ask the server what the form would launch; resolves to whether it can be launched. */
  async check() {
    clearTimeout(this.waiting);
    this.asking?.abort();
    if (!this.asked && !this.stale) return true;
    this.stale = true; // until an answer for one plain run has come
    this.asking = new AbortController();
    let size = 0;
    await attempt(async () => {
      const body = new FormData(this.form);
      const part = await askPage("/runs/new/preview", { method: "POST", body, signal: this.asking.signal });
      const fresh = part.getElementById("sweep-preview");
      size = Number(fresh.dataset.size);
      this.stale = this.asked;
      this.show(fresh);
    });
    return size > 0;
  }

  launchWords(size) {
    if (size && this.rows.length > 0 && this.mode === "search") return "Start the parameter search";
    return size > 1 ? `Launch ${size} runs` : "Launch run";
  }

  show(fresh) {
    for (const note of fresh.querySelectorAll("[data-for]")) this.note(note.dataset.for, note.textContent.trim());
    fresh.querySelector("[hidden]").remove();
    const size = Number(fresh.dataset.size);
    this.launch.textContent = this.launchWords(size);
    const shown = this.root.querySelector("#sweep-preview");
    shown.dataset.size = size;
    shown.replaceChildren(...fresh.childNodes);
  }

  /** Put the text where it belongs; a problem marks its inputs as well. */
  note(id, text) {
    const place = document.getElementById(id);
    if (!place) return; // its row is gone
    place.textContent = text;
    if (!place.matches(".problem")) return;
    place.hidden = !text;
    for (const input of this.root.querySelectorAll(`[aria-describedby~="${id}"]`)) {
      if (text) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  }

  focusProblem() {
    (this.root.querySelector("[aria-invalid=true]") ?? this.root.querySelector("#sweep-seeds")).focus();
  }
}
