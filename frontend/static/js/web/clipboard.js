// Copies text. Buttons with `data-copy-text` copy what it holds; `data-copied` says what that is.

import { attempt, tell } from "./notices.js";

export function watchCopies() {
  document.addEventListener("click", (event) => {
    const { copyText: text, copied = "the checksum" } = event.target.closest("[data-copy-text]")?.dataset ?? {};
    if (text) copyText(text, copied);
  });
}

/** Copy `text`, and say that `what` was copied; whether it was. */
export async function copyText(text, what) {
  const isCopied = await attempt(() => (navigator.clipboard ? navigator.clipboard.writeText(text) : copySelected(text)));
  if (isCopied && what) tell(`Copied ${what}.`);
  return isCopied;
}

/** Browsers give no clipboard to pages that came over plain HTTP from another machine. */
function copySelected(text) {
  const focused = document.activeElement;
  const field = Object.assign(document.createElement("textarea"), { value: text, className: "for-readers" });
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus({ preventScroll: true });
  if (!isCopied) throw new Error("The browser did not let the page copy. Select the text and press Ctrl C.");
}
