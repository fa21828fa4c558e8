// A set of runs: the form asks again when it changes, limits are dragged along the axes, the importance comes later.

import { askPage } from "../web/api.js";
import { attempt } from "../web/notices.js";

const CLICK = 0.01; // of an axis: a shorter drag is a click

class ExplorePage {
  constructor(form) {
    this.form = form;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.show();
    });
    form.addEventListener("change", () => this.show());
    form.addEventListener("click", (event) => {
      const axis = event.target.closest("[data-remove-axis]")?.closest("fieldset");
      axis?.remove();
      if (event.target.closest("#clear-limits")) {
        for (const limit of form.querySelectorAll("[name=low], [name=high]")) limit.value = "";
      } else if (!axis) return;
      this.show();
    });
    form.addEventListener("click", (event) => {
      const address = event.target.closest("[data-address]")?.dataset.address;
      if (!address) return;
      if (event.ctrlKey || event.metaKey) open(address);
      else location.assign(address);
    });
    for (const axis of form.querySelectorAll(".p-axis")) this.watchAxis(axis);
    this.explain();
  }

  /** The page of what the form says; what is left empty is left to the server, but a limit keeps its place. */
  show() {
    const query = new URLSearchParams();
    const limits = ["low", "high"];
    const axes = [...this.form.querySelectorAll("[name=axis]")];
    for (const [name, value] of new FormData(this.form)) {
      if (value.trim() && name !== "axis" && !limits.includes(name)) query.append(name, value);
    }
    axes.forEach((axis, at) => {
      if (!axis.value.trim()) return;
      query.append("axis", axis.value);
      for (const name of limits) query.append(name, this.form.querySelectorAll(`[name=${name}]`)[at].value);
    });
    location.assign(`/explore?${query}`);
  }

  async explain() {
    const part = document.getElementById("importance-part");
    if (!part) return;
    await attempt(async () => {
      const page = await askPage(`/explore/importance?${this.form.dataset.importance}`);
      part.replaceWith(page.getElementById("importance-part"));
    });
  }

  /** Dragging along an axis sets its limits, a click on one takes them away. */
  watchAxis(axis) {
    const grip = axis.querySelector(".grip");
    const line = axis.querySelector("line");
    const share = (event) => {
      const { top, bottom } = line.getBoundingClientRect();
      return Math.min(1, Math.max(0, (bottom - event.clientY) / (bottom - top)));
    };
    grip.addEventListener("pointerdown", (event) => {
      grip.setPointerCapture(event.pointerId);
      const from = share(event);
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "line");
      mark.setAttribute("class", "brush");
      for (const side of ["x1", "x2"]) mark.setAttribute(side, line.getAttribute(side));
      axis.append(mark);
      const move = (moved) => {
        mark.setAttribute("y1", `${100 * (1 - from)}%`);
        mark.setAttribute("y2", `${100 * (1 - share(moved))}%`);
      };
      grip.addEventListener("pointermove", move);
      grip.addEventListener("pointerup", (end) => {
        grip.removeEventListener("pointermove", move);
        const to = share(end);
        this.limit(axis, Math.min(from, to), Math.max(from, to));
      }, { once: true });
    });
  }

  limit(axis, low, high) {
    const fields = [...this.form.querySelectorAll("[data-axis-form]")].find((each) => each.dataset.axisForm === axis.dataset.axis);
    const [from, to] = [fields.querySelector("[name=low]"), fields.querySelector("[name=high]")];
    if (axis.dataset.kind === "choice") {
      const at = Math.floor(low * (from.options.length - 1)); // the first option is any
      const choice = from.options[Math.min(at + 1, from.options.length - 1)].value;
      from.value = from.value === choice ? "" : choice;
    } else {
      const least = Number(axis.dataset.low);
      const length = Number(axis.dataset.high) - least;
      const value = (share) => Number((axis.dataset.kind === "log" ? 10 ** (least + share * length) : least + share * length).toPrecision(4));
      const clicked = high - low < CLICK;
      from.value = clicked ? "" : value(low);
      to.value = clicked ? "" : value(high);
    }
    this.show();
  }
}

const form = document.getElementById("explore");
if (form) new ExplorePage(form);
