// Tabs whose choice stands in the address behind the #.

/** @param {HTMLElement} root holds the tab list @param {(id: string) => void} onOpen told which section is shown */
export function watchTabs(root, onOpen = () => {}) {
  const nav = root.querySelector("[role=tablist]");
  const tabs = [...nav.querySelectorAll("[role=tab]")];
  const shown = () => tabs.filter((tab) => !tab.hidden);

  function open() {
    const chosen = shown().find((tab) => tab.hash === location.hash) ?? tabs[0];
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.hash.slice(1)).classList.toggle("is-open", tab === chosen);
    }
    // Where there is no room for all of them, the chosen one is seen.
    nav.scrollLeft = chosen.offsetLeft - (nav.clientWidth - chosen.offsetWidth) / 2;
    onOpen(chosen.hash.slice(1));
  }

  nav.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (!tab) return;
    event.preventDefault();
    history.replaceState(history.state, "", tab.hash);
    open();
  });
  nav.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move) return;
    const choice = shown();
    const next = choice[(choice.indexOf(document.activeElement) + move + choice.length) % choice.length];
    next.focus();
    next.click();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    shown()[Number(event.key) - 1]?.click();
  });
  addEventListener("hashchange", open);
  open();
}
