// Suggestions, below an input: names, operators and values of the filter language, or names of columns.
// A combobox: arrows choose, Enter or Tab takes, Escape closes.

import { ask } from "../web/api.js";

const MAX_LIMIT = 12;
const OPERATORS = ["==", "!=", ">", ">=", "<", "<=", "contains", "in", "not in"]; // those of backend/kit/filters
const JOINS = ["and", "or"];
const COLUMNS_OF_OWN = ["status", "accuracy", "pass1", "encoder", "when"];

let names; // fetched once, when somebody first types

export function complete(input) {
  const list = document.createElement("ul");
  list.className = "completion";
  list.id = `${input.id}-completion`;
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  input.after(list);
  input.parentElement.classList.add("has-completion");
  for (const [name, value] of Object.entries({
    role: "combobox",
    "aria-expanded": "false",
    "aria-autocomplete": "list",
    "aria-controls": list.id,
  })) {
    input.setAttribute(name, value);
  }
  new Completion(input, list);
}

class Completion {
  constructor(input, list) {
    this.input = input;
    this.list = list;
    this.at = -1;
    input.addEventListener("input", () => this.offer());
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("blur", () => this.close());
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the input keeps the focus
      const item = event.target.closest("li");
      if (item) this.take(item.dataset.text);
    });
  }

  async offer() {
    try {
      names ??= await ask("/api/v1/runs/names");
    } catch {
      return; // without them one types everything
    }
    const { word, options } = this.input.dataset.names === "filter" ? inFilter(this.before()) : inColumns(this.before());
    this.word = word;
    this.show(options);
  }

  before() {
    return this.input.value.slice(0, this.input.selectionStart);
  }

  show(options) {
    this.at = -1;
    this.list.replaceChildren(
      ...options.slice(0, MAX_LIMIT).map(({ text, about }, at) => {
        const item = document.createElement("li");
        item.id = `${this.list.id}-${at}`;
        item.dataset.text = text;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", "false");
        const soft = Object.assign(document.createElement("span"), { className: "soft", textContent: about });
        item.append(Object.assign(document.createElement("span"), { textContent: text }), soft);
        return item;
      }),
    );
    this.list.hidden = !options.length;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    this.show([]);
  }

  key(event) {
    if (this.list.hidden) return;
    const items = [...this.list.children];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.at = (this.at + step + items.length + (this.at < 0 && step < 0 ? 1 : 0)) % items.length;
      items.forEach((item, at) => item.setAttribute("aria-selected", String(at === this.at)));
      this.input.setAttribute("aria-activedescendant", items[this.at].id);
      items[this.at].scrollIntoView({ block: "nearest" });
    } else if ((event.key === "Enter" || event.key === "Tab") && this.at >= 0) {
      event.preventDefault();
      this.take(items[this.at].dataset.text);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      event.preventDefault();
      this.close();
    }
  }

  take(text) {
    const end = this.input.selectionStart;
    const start = end - this.word.length;
    const space = this.input.dataset.names === "filter" ? " " : "";
    this.input.setRangeText(text + space, start, end, "end");
    this.close();
    if (space) this.offer();
  }
}

/** What fits after `text`: a value after an operator, an operator after a name, a join after a value. */
function inFilter(text) {
  const inQuotes = text.split('"').length % 2 === 0;
  const word = (inQuotes ? /"[^"]*$/ : /[\w./@:-]*$/).exec(text)[0];
  const before = text.slice(0, text.length - word.length).trimEnd();
  const last = /(?:"[^"]*"|[\w./@:%-]+|[=!<>]+|[()[\],])$/.exec(before)?.[0] ?? "";
  const asked = word.replace(/^"/, "").toLowerCase();
  const fitting = (texts, about) =>
    texts.filter((each) => each.toLowerCase().includes(asked)).map((each) => ({ text: each, about }));
  if (OPERATORS.includes(last)) {
    const name = /([\w./@:-]+)\s*(?:[=!<>]+|contains|not\s+in|in)$/.exec(before)?.[1];
    const values = names.find((each) => each.name === name)?.values ?? [];
    return { word, options: fitting(values.map((each) => `"${each}"`), "value") };
  }
  if (last && !["and", "or", "not", "("].includes(last.toLowerCase())) {
    const isName = names.some((each) => each.name === last || last.startsWith(`${each.name}:`)) && !afterOperator(before);
    return { word, options: isName ? fitting(OPERATORS, "compare") : fitting(JOINS, "") };
  }
  return { word, options: asked ? ranked(asked) : [] };
}

/** Whether the last thing in `text` stands behind an operator: then it is a value. */
function afterOperator(text) {
  return /(?:[=!<>]+|\bcontains|\bin)\s*\S+$/.test(text);
}

function inColumns(text) {
  const asked = text.trim().toLowerCase();
  return { word: text, options: asked ? ranked(asked).filter(({ text: name }) => !COLUMNS_OF_OWN.includes(name)) : [] };
}

/** Names with `asked` in them: those that begin with it, or whose last part does, first. */
function ranked(asked) {
  const rank = (name) => {
    const low = name.toLowerCase();
    if (low.startsWith(asked)) return 0;
    if (low.split(/[./]/).some((part) => part.startsWith(asked))) return 1;
    return low.includes(asked) ? 2 : 3;
  };
  return names
    .map(({ name, kind, title }) => ({ text: name, about: title || kind, rank: rank(name) }))
    .filter((each) => each.rank < 3)
    .sort((one, other) => one.rank - other.rank);
}
