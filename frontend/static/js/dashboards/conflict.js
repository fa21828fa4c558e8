// Somebody else saved the same dashboard: both texts side by side, and three ways on that lose nothing.

import { ask } from "../web/api.js";
import { attempt } from "../web/notices.js";

/**
 * Show what somebody else saved beside what stands on this page. Resolves to the version to save on with, or to
 * null where the person decided nothing yet.
 */
export async function askWhose(slug, mine) {
  const theirs = await ask(`/api/v1/dashboards/${slug}`);
  const dialog = element("dialog", { className: "whose" });
  dialog.setAttribute("aria-labelledby", "whose-title");
  dialog.append(
    element("h2", { id: "whose-title", textContent: "Somebody else saved this dashboard" }),
    element("p", { className: "soft", textContent: "Your changes are still on this page, but not saved yet." }),
    ...texts(theirs, mine).map((each) => pair(...each)),
  );
  const buttons = element("form", { className: "buttons", method: "dialog" });
  buttons.append(
    element("button", { className: "button is-quiet", value: "theirs", textContent: "Discard mine" }),
    element("button", { className: "button is-danger", value: "mine", textContent: "Replace theirs" }),
    element("button", { className: "button is-primary", value: "copy", textContent: "Save mine as a copy" }),
  );
  dialog.append(buttons);
  document.body.append(dialog);
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  dialog.remove();
  if (dialog.returnValue === "theirs") location.reload();
  if (dialog.returnValue === "copy") await saveCopy(mine);
  return dialog.returnValue === "mine" ? theirs.version : null;
}

function saveCopy(mine) {
  return attempt(async () => {
    const body = { name: `${mine.name}, my changes`.slice(-200), content: mine.content };
    const { slug } = await ask("/api/v1/dashboards", { method: "POST", body });
    location.assign(`/d/${slug}`);
  });
}

/** [what it is, theirs, mine] of the name and of every panel of words that differs. */
function texts(theirs, mine) {
  const words = (content) => new Map(content.panels.filter((each) => each.kind === "prose").map((each) => [each.id, each.text]));
  const [other, own] = [words(theirs.content), words(mine.content)];
  const found = [...new Set([...other.keys(), ...own.keys()])].map((id) => ["Text", other.get(id) ?? "", own.get(id) ?? ""]);
  return [["Name", theirs.name, mine.name], ...found].filter(([, one, two]) => one !== two);
}

function pair(what, theirs, mine) {
  const both = element("div", { className: "whose-pair" });
  for (const [whose, text] of [["Theirs", theirs], ["Yours", mine]]) {
    const label = element("label", { className: "small soft", textContent: `${what}: ${whose.toLowerCase()}` });
    label.append(element("textarea", { className: "area", readOnly: true, value: text }));
    both.append(label);
  }
  return both;
}

const element = (tag, properties) => Object.assign(document.createElement(tag), properties);
