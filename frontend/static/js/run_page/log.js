// The live log: lines are added at the end, and followed while one reads there.

import { timeOfDay } from "../web/words.js";

const MAX_LINES = 5000;

export class Log {
  constructor(root) {
    this.lines = root.querySelector("#log-lines");
    this.follow = root.querySelector("#follow-log");
    this.empty = root.querySelector("#log-empty");
    this.lines.addEventListener("scroll", () => {
      const { scrollTop, clientHeight, scrollHeight } = this.lines;
      this.follow.checked = scrollTop + clientHeight >= scrollHeight - 8;
    });
    this.follow.addEventListener("change", () => this.toEnd());
  }

  get lastId() {
    return Number(this.lines.lastElementChild?.dataset.id ?? 0);
  }

  add(lines) {
    const known = this.lastId;
    this.lines.append(...lines.filter((line) => line.id > known).map(element));
    while (this.lines.childElementCount > MAX_LINES) this.lines.firstElementChild.remove();
    this.empty.hidden = this.lines.childElementCount > 0;
    this.toEnd();
  }

  toEnd() {
    if (this.follow.checked) this.lines.scrollTop = this.lines.scrollHeight;
  }
}

function element(line) {
  const row = Object.assign(document.createElement("div"), { className: `log-line is-${line.level}` });
  row.dataset.id = line.id;
  const time = Object.assign(document.createElement("time"), { textContent: timeOfDay(line.wall_time) });
  row.append(time, Object.assign(document.createElement("span"), { textContent: line.text }));
  return row;
}
