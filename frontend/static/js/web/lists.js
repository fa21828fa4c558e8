// Lists in one line of text; the counterpart of backend/kit/lists.py. A member may stand in double quotes, as in
// JSON. `spaced`: a comma separates only where a space or the end follows, for ids that may have commas.

const ITEM = {
  false: /\s*(?:("(?:[^"\\\n]|\\.)*")\s*(?:[,\n]|$)|([^\n]*?)\s*(?:[,\n]|$))/y,
  true: /\s*(?:("(?:[^"\\\n]|\\.)*")\s*(?:,(?=\s|$)|\n|$)|([^\n]*?)\s*(?:,(?=\s|$)|\n|$))/y,
};

/** The members of a list. */
export function itemsOf(text, spaced = false) {
  const whole = json(text);
  if (whole) return whole;
  const plain = text.trim().replace(/^\[/, "").replace(/\]$/, "");
  const found = [];
  for (let at = 0; at < plain.length;) {
    const pattern = ITEM[spaced];
    pattern.lastIndex = at;
    const match = pattern.exec(plain);
    at = Math.max(pattern.lastIndex, at + 1);
    if (match[1] !== undefined) found.push(unquoted(match[1]));
    else if (match[2]) found.push(match[2]);
  }
  return found;
}

/** The line that `itemsOf` reads back as these. */
export function asText(items, spaced = false) {
  return items.map((item) => {
    const back = itemsOf(item, spaced);
    return !/["[\]]/.test(item) && back.length === 1 && back[0] === item ? item : JSON.stringify(item);
  }).join(", ");
}

function unquoted(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(1, -1);
  }
}

function json(text) {
  if (!text.trim().startsWith("[")) return null;
  try {
    const members = JSON.parse(text);
    return members.every((each) => typeof each === "string") ? members : null;
  } catch {
    return null;
  }
}
