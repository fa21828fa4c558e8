// What a walk over a page sees: each control in sight, where the focus goes, what a click reaches. Put into every
// page before its own scripts; tests/support/pages/walk.py asks.

(() => {
  const CONTROLS = "a[href], area[href], button, input:not([type=hidden]), select, textarea, summary, [contenteditable=true], [tabindex='0']," +
    ["button", "link", "checkbox", "radio", "switch", "tab", "slider", "menuitem", "option", "combobox"].map((role) => `[role=${role}]`).join();
  const BY_ARROWS = "[role=tab], [role=option], [role=menuitem], input[type=radio]"; // one Tab stop for all of them
  const LEAST = 24; // pixels: target size of WCAG 2.2, 2.5.8

  const seen = new WeakMap(); // element -> its number, for as long as the page stands
  let count = 0;
  const numberOf = (element) => {
    if (!seen.has(element)) seen.set(element, count++);
    return seen.get(element);
  };

  const modal = () => [...document.querySelectorAll("dialog:modal")].at(-1);

  function isInSight(element) {
    if (element.matches(":disabled, [inert] *") || element.closest("template")) return false;
    if (modal() && !modal().contains(element)) return false;
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && element.checkVisibility({ visibilityProperty: true });
  }

  const inSight = () => [...document.querySelectorAll(CONTROLS)].filter(isInSight);

  /** The name that a screen reader says, near enough: axe checks the details. */
  function nameOf(element) {
    const referred = (element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    const labels = [...(element.labels ?? [])].map((label) => label.textContent).join(" ");
    const own = element.matches("input, select, textarea") ? "" : element.textContent;
    const found = [referred, element.getAttribute("aria-label"), labels, own, element.title].find((text) => text?.trim());
    return (found ?? "").trim().replaceAll(/\s+/g, " ").slice(0, 60);
  }

  /** What it is, without what differs from row to row: controls of one kind behave alike. */
  function kindOf(element) {
    const own = [...element.attributes].map(({ name }) => name).filter((name) => name.startsWith("data-") && name !== "data-watched");
    const told = ["type", "name", "role", "value"].map((name) => element.getAttribute(name)).filter(Boolean);
    const place = element.closest("[id]:not(tr):not(li):not(option)")?.id.replaceAll(/[0-9a-z]{10}$|\d+/g, "") ?? "";
    const href = element.getAttribute("href")?.replace(/[?#].*/, "").replaceAll(/[0-9a-z]{10}|\d+/g, "") ?? "";
    return [element.tagName.toLowerCase(), place, [...element.classList].sort().join("."), ...own, ...told, href].join(" ");
  }

  const focusLook = (element) => {
    const { outlineStyle, outlineWidth, outlineColor, boxShadow, borderColor, backgroundColor } = getComputedStyle(element);
    const outline = outlineStyle === "none" || outlineWidth === "0px" ? "" : `${outlineStyle} ${outlineWidth} ${outlineColor}`;
    return [outline, boxShadow, borderColor, backgroundColor].join(" | ");
  };
  /** How an element and its label look: a ring may be drawn around either. */
  const lookOf = (element) => [element, element.closest("label"), element.parentElement].filter(Boolean).map(focusLook).join(" || ");

  /** Whether the pointer at the middle of its box meets it, its label or something inside. */
  function meets(element) {
    for (const target of [element, ...(element.labels ?? [])]) {
      for (const { left, top, width, height } of target.getClientRects()) {
        const found = document.elementFromPoint(left + width / 2, top + height / 2);
        if (found && (target.contains(found) || found.contains(element) && found.closest("label, a, button, summary") === element.closest("label, a, button, summary"))) return "";
        var other = found;
      }
    }
    return other ? `${other.tagName.toLowerCase()}.${other.className} “${other.textContent.trim().slice(0, 30)}”` : "nothing";
  }

  const isInText = (element) => {
    if (!element.matches("a, summary") || getComputedStyle(element).display !== "inline") return false;
    return element.closest("p, dd, dt, li, td, th, span, div")?.textContent.trim() !== element.textContent.trim();
  };

  /** The boxes that can be pressed: its own and its labels'. */
  const targets = (element) => [element, ...(element.labels ?? []), element.closest("label")].filter(Boolean).map((each) => each.getBoundingClientRect());

  /** Too small, unless it stands in a line of text or far enough from the others. */
  function isSmall(element, centres) {
    if (targets(element).some(({ width, height }) => width >= LEAST - 0.5 && height >= LEAST - 0.5) || isInText(element)) return false;
    const box = element.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    return centres.some(([other, left, top, right, bottom]) => other !== element && !other.contains(element) && !element.contains(other) &&
      Math.hypot(Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - bottom)) < LEAST / 2);
  }

  const told = (element, wrong) => `${wrong}: ${kindOf(element)} “${nameOf(element)}”`;

  let asking = 0; // requests on their way
  const fetchOf = window.fetch;
  window.fetch = (...given) => {
    asking += 1;
    window.walk.asked += 1;
    return fetchOf(...given).finally(() => (asking -= 1));
  };

  window.walk = {
    asked: 0,
    shifted: 0, // cumulative layout shift

    /** Whether the page has come and waits for nothing but events. */
    isSettled: () => document.readyState === "complete" && !asking,

    /** Every control in sight: number, kind, name, how it is reached by keys, and what is wrong with it for a pointer. */
    controls() {
      const all = inSight();
      return all.map((element) => ({
        number: numberOf(element),
        kind: kindOf(element),
        name: nameOf(element),
        tag: element.tagName.toLowerCase(),
        type: element.form?.method === "dialog" ? "button" : (element.type ?? ""), // it sends nothing
        role: element.getAttribute("role") ?? "",
        href: element.getAttribute("href") ?? "",
        is_tab_stop: element.tabIndex >= 0 && !isSecondRadio(element),
        is_by_arrows: element.matches(BY_ARROWS),
        comes_with_focus: Boolean(element.closest(".row-tools")),
        in_form: Boolean(element.form ?? element.closest("form")),
      }));
    },

    find: (number) => inSight().find((element) => numberOf(element) === number),

    /** Note from now on whether anything on the page changes, or says that it lacks something. */
    watch() {
      this.changed = false;
      const note = () => (this.changed = true);
      new MutationObserver(note).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      addEventListener("invalid", note, true);
    },

    /** What is wrong with each control in sight for who points at it. */
    pointed() {
      document.activeElement?.blur();
      const all = inSight();
      const wrong = [];
      for (const element of all) {
        if (element.matches(".skip")) continue; // for the keyboard alone
        const far = element.getBoundingClientRect();
        if (element.matches("button, input, select, textarea, summary, .button") && (far.left < -0.5 || far.right > innerWidth + 0.5)) {
          wrong.push(told(element, "reached by scrolling sideways only"));
        }
        element.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
        const box = element.getBoundingClientRect();
        const near = all.map((each) => [each, each.getBoundingClientRect()]).filter(([, each]) => Math.abs(each.top - box.top) < 60)
          .map(([each, { left, top, right, bottom }]) => [each, left, top, right, bottom]);
        const covered = meets(element);
        if (covered) wrong.push(told(element, `covered by ${covered}`));
        if (isSmall(element, near)) wrong.push(told(element, `small: ${Math.round(box.width)} × ${Math.round(box.height)} px`));
      }
      return wrong;
    },

    /** What lies over the page: "dialog", "menu" or nothing. */
    layer: () => (modal() ? "dialog" : document.querySelector("details.menu[open]") ? "menu" : ""),

    /** The number of what has the focus; null: nothing has it. */
    focused: () => (document.activeElement === document.body ? null : numberOf(document.activeElement)),

    /** Note from now on where the focus goes, and which of it does not show. */
    follow() {
      const rest = new Map(inSight().map((element) => [element, lookOf(element)]));
      this.path = [];
      this.unseen = new Set();
      this.leave?.();
      const note = ({ target }) => {
        this.path.push(numberOf(target));
        if (lookOf(target) === rest.get(target)) this.unseen.add(told(target, "no visible focus"));
      };
      document.addEventListener("focusin", note);
      this.leave = () => document.removeEventListener("focusin", note);
    },
  };

  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.walk.shifted += entry.value;
  }).observe({ type: "layout-shift", buffered: true });

  function isSecondRadio(element) {
    if (element.type !== "radio" || element.checked) return false;
    const group = inSight().filter((each) => each.type === "radio" && each.name === element.name && each.form === element.form);
    return group.some((each) => each.checked) || group[0] !== element;
  }
})();
