// The predictions tab: cards page by page, filters, palette, blinking between answer and truth.

import { given, say } from "../web/address.js";
import { askPage } from "../web/api.js";
import { watchGrids } from "../web/grids.js";
import { blink, lookChanged, showLook } from "../web/look.js";
import { attempt } from "../web/notices.js";

const FIRST_PAGE = 12; // cards

export class Predictions {
  constructor(root) {
    this.root = root;
    root.addEventListener("change", (event) => this.changed(event.target));
    root.addEventListener("click", (event) => {
      if (event.target.closest("#blink")) this.blink();
      const more = event.target.closest("[data-more]");
      if (more) {
        event.preventDefault();
        this.more(more);
      }
    });
    this.onScroll = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) this.more(entry.target);
    }, { rootMargin: "600px" });
  }

  get cards() {
    return this.root.querySelector("#cards");
  }

  /** The tab was opened. */
  open() {
    this.opened = true;
    showLook(this.root);
    if (!this.root.querySelector("#palette") || this.cards.childElementCount) return;
    this.readAddress();
    this.load();
  }

  get evaluation() {
    return this.root.querySelector("#evaluation");
  }

  get mode() {
    return this.root.querySelector("#failure-mode");
  }

  readAddress() {
    for (const [field, value] of [[this.evaluation, given("evaluation")], [this.mode, given("mode")]]) {
      if ([...(field.options ?? [])].some((option) => option.value === value)) field.value = value;
    }
  }

  /** What is chosen stands in the address, but for what the page chooses by itself. */
  writeAddress() {
    const chosen = this.evaluation.options && this.evaluation.value;
    const usual = this.evaluation.querySelector("option[selected]")?.value;
    say({ evaluation: chosen && chosen !== usual ? chosen : null, mode: this.mode.value || null });
  }

  /** An evaluation went on: show the new cards unless somebody reads further down. */
  changedOnServer() {
    const few = this.cards.querySelectorAll(".card").length <= FIRST_PAGE;
    if (this.opened && few && this.evaluation) this.load();
  }

  /** Show one failure mode of one evaluation. */
  choose(evaluation, mode) {
    this.evaluation.value = evaluation;
    this.mode.value = mode;
    this.writeAddress();
    this.load();
  }

  load() {
    const query = new URLSearchParams({
      evaluation: this.evaluation.value,
      failure_mode: this.mode.value,
    });
    return this.put(`${this.cards.dataset.url}?${query}`, (nodes) => this.cards.replaceChildren(...nodes));
  }

  more(link) {
    this.onScroll.unobserve(link);
    return this.put(link.getAttribute("href"), (nodes) => link.replaceWith(...nodes));
  }

  async put(address, place) {
    this.cards.setAttribute("aria-busy", "true");
    await attempt(async () => {
      const part = await askPage(address);
      place([...part.body.childNodes]);
      watchGrids(this.cards);
      const next = this.cards.querySelector("[data-more]");
      if (next) this.onScroll.observe(next);
    });
    this.cards.setAttribute("aria-busy", "false");
  }

  changed(input) {
    if (input.id === "evaluation" || input.id === "failure-mode") {
      this.writeAddress();
      this.load();
    }
    lookChanged(input);
  }

  blink() {
    blink(this.root.querySelector("#blink"));
  }
}
