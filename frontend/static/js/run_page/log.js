// The live log: lines are added at the end, and followed while one reads there. A search asks the server, which has
// every line, and shows what it found in place of the log.

import { ask } from "../web/api.js";
import { throttled } from "../web/live.js";
import { attempt } from "../web/notices.js";
import { timeOfDay } from "../web/words.js";

const MAX_LINES = 5000;
const MAX_FOUND = 1000;

export class Log {
  constructor(root, run) {
    this.run = run;
    this.lines = root.querySelector("#log-lines");
    this.found = root.querySelector("#log-found");
    this.follow = root.querySelector("#follow-log");
    this.empty = root.querySelector("#log-empty");
    this.form = root.querySelector("#log-search");
    this.count = root.querySelector("#log-count");
    for (const list of [this.lines, this.found]) {
      list.addEventListener("scroll", () => {
        if (list.hidden) return;
        const { scrollTop, clientHeight, scrollHeight } = list;
        this.follow.checked = scrollTop + clientHeight >= scrollHeight - 8;
      });
    }
    this.follow.addEventListener("change", () => this.toEnd());
    this.search = throttled(() => attempt(() => this.find()), 300);
    this.form.addEventListener("input", this.search);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.search();
    });
    if (this.isNarrowed) this.search(); // the browser may have kept what was typed
  }

  get lastId() {
    return Number(this.lines.lastElementChild?.dataset.id ?? 0);
  }

  get isNarrowed() {
    const { contains, level } = this.form.elements;
    return contains.value !== "" || level.value !== "info";
  }

  add(lines) {
    const known = this.lastId;
    this.lines.append(...lines.filter((line) => line.id > known).map((line) => element(line)));
    while (this.lines.childElementCount > MAX_LINES) this.lines.firstElementChild.remove();
    if (this.isNarrowed) this.search();
    else this.show();
  }

  async find() {
    const { contains, level } = this.form.elements;
    const text = contains.value;
    if (this.isNarrowed) {
      const asked = new URLSearchParams({ contains: text, level: level.value, limit: MAX_FOUND });
      const { lines } = await ask(`/api/v1/runs/${this.run}/log?${asked}`);
      if (contains.value !== text) return; // the next search is on its way
      this.found.replaceChildren(...lines.map((line) => element(line, text)));
    }
    this.show();
  }

  /** The log, or what a search found in it. */
  show() {
    const narrowed = this.isNarrowed;
    const number = this.found.childElementCount;
    this.lines.hidden = narrowed;
    this.found.hidden = !narrowed;
    this.count.textContent = narrowed ? `${number}${number === MAX_FOUND ? "+" : ""} ${number === 1 ? "line" : "lines"}` : "";
    this.empty.textContent = narrowed ? "No line like that." : "No line yet.";
    this.empty.hidden = (narrowed ? number : this.lines.childElementCount) > 0;
    this.toEnd();
  }

  toEnd() {
    if (!this.follow.checked) return;
    for (const list of [this.lines, this.found]) list.scrollTop = list.scrollHeight;
  }
}

function element(line, text = "") {
  const row = Object.assign(document.createElement("div"), { className: `log-line is-${line.level}` });
  row.dataset.id = line.id;
  const time = Object.assign(document.createElement("time"), { textContent: timeOfDay(line.wall_time) });
  const words = document.createElement("span");
  words.append(...marked(line.text, text));
  row.append(time, words);
  return row;
}

/** The line in pieces, with what was searched for marked. */
function marked(line, text) {
  if (!text) return [line];
  const pieces = [];
  const [low, sought] = [line.toLowerCase(), text.toLowerCase()];
  let from = 0;
  for (let at = low.indexOf(sought); at >= 0; at = low.indexOf(sought, from)) {
    const mark = Object.assign(document.createElement("mark"), { textContent: line.slice(at, at + text.length) });
    pieces.push(line.slice(from, at), mark);
    from = at + sought.length;
  }
  return [...pieces, line.slice(from)];
}
