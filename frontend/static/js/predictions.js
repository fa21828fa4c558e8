// The predictions tab: cards page by page, filters, palette, blinking between answer and truth.

import { askPage } from "./api.js";
import { watchGrids } from "./grids.js";
import { blink, lookChanged, showLook } from "./look.js";
import { attempt } from "./notices.js";

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
    if (this.root.querySelector("#palette") && !this.cards.childElementCount) this.load();
  }

  /** An evaluation went on: show the new cards unless somebody reads further down. */
  changedOnServer() {
    const few = this.cards.querySelectorAll(".card").length <= FIRST_PAGE;
    if (this.opened && few && this.root.querySelector("#evaluation")) this.load();
  }

  /** Show one failure mode of one evaluation. */
  choose(evaluation, mode) {
    this.root.querySelector("#evaluation").value = evaluation;
    this.root.querySelector("#failure-mode").value = mode;
    this.load();
  }

  load() {
    const query = new URLSearchParams({
      evaluation: this.root.querySelector("#evaluation").value,
      failure_mode: this.root.querySelector("#failure-mode").value,
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
    if (input.id === "evaluation" || input.id === "failure-mode") this.load();
    lookChanged(input);
  }

  blink() {
    blink(this.root.querySelector("#blink"));
  }
}
