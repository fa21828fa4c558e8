// The launch form as a config, by the same rules as backend/launch/form_values.py: what cannot be read as its
// type stays the text it is, so that the config's own validation can say what is wrong.

import { itemsOf } from "../web/lists.js";

/** The config that the enabled inputs below `root` describe. */
export function configOf(root) {
  const config = {};
  for (const each of enabled(root, "[data-rows], [data-type]")) {
    if (each.dataset.rows) put(config, each.dataset.rows, []);
    else if (each.dataset.type !== "kind" || each.checked) put(config, pathOf(each), valueOf(each));
  }
  return config;
}

/** Dotted path of an input; rows count from 0 in the order in which they stand. */
export function pathOf(input) {
  const row = input.closest("[data-row]");
  if (!row) return input.name;
  const place = rowsOf(row.closest("[data-rows]")).indexOf(row);
  return `${row.closest("[data-rows]").dataset.rows}.${place}.${input.name.split(".").at(-1)}`;
}

/** The rows of a list that count: not the blank one that serves where there is no script. */
export function rowsOf(list) {
  return [...list.querySelectorAll("[data-row]")].filter((row) => !row.closest(".without-script"));
}

/** The text of an input as the server writes it into `data-base`. */
export function textOf(input) {
  return input.type === "checkbox" ? String(input.checked) : input.value.trim();
}

function enabled(root, selector) {
  return [...root.querySelectorAll(selector)].filter(
    (each) => !each.closest("fieldset:disabled") && !each.closest(".without-script"),
  );
}

function put(target, path, value) {
  const steps = path.split(".");
  const last = steps.pop();
  let inner = target;
  for (const step of steps) {
    inner[step] ??= {};
    inner = inner[step];
  }
  inner[last] = value;
}

function valueOf(input) {
  const text = textOf(input);
  if (!text && "optional" in input.dataset) return null;
  switch (input.dataset.type) {
    case "boolean": return input.checked;
    case "integer":
    case "number": return number(text);
    case "integers": return parts(text).map(number);
    case "texts": return itemsOf(text, true);
    default: return text;
  }
}

function number(text) {
  const value = Number(text.replaceAll("_", ""));
  return text !== "" && Number.isFinite(value) ? value : text;
}

function parts(text) {
  return text.replaceAll(/^[[\s]+|[\]\s]+$/g, "").split(/[,\s]+/).filter(Boolean);
}
