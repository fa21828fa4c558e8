// A list that grows as one scrolls: its last link leads to the page with what comes next.

import { askPage } from "./api.js";
import { attempt } from "./notices.js";

const AHEAD = "1600px"; // the next page is fetched this far before it comes into sight

export class Endless {
  /** @param {string} id of the list, here and on the next page @param {() => void} settle called after more came in */
  constructor(id, settle) {
    this.id = id;
    this.settle = settle;
    this.observer = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) if (entry.isIntersecting) this.more(entry.target);
      },
      { rootMargin: AHEAD },
    );
    document.addEventListener("click", (event) => {
      const link = event.target.closest(`#${id} a[data-more]`);
      if (!link) return;
      event.preventDefault();
      this.more(link);
    });
  }

  get link() {
    return document.querySelector(`#${this.id} a[data-more]`);
  }

  /** Look out for the end of what is there now. */
  watch() {
    if (this.link) this.observer.observe(this.link);
  }

  more(link) {
    this.observer.unobserve(link);
    return attempt(async () => {
      const fresh = await askPage(link.getAttribute("href"));
      if (!link.isConnected) return; // another list has taken this one's place
      (link.closest("[data-more-row]") ?? link).replaceWith(...fresh.getElementById(this.id).childNodes);
      this.settle();
      this.watch();
    });
  }

  /** Fetch until there are `count` of what `selector` finds, or no more come. */
  async upTo(count, selector) {
    while (this.link && document.querySelectorAll(selector).length < count) {
      if (!(await this.more(this.link))) return;
    }
  }
}

/**
 * Remember what was in sight, and return there after a reload or by the back button. By element, not by pixels: what
 * was never in sight has only a guessed height.
 */
export function keepPlace(endless, selector) {
  history.scrollRestoration = "manual";
  const all = () => [...document.querySelectorAll(selector)];
  addEventListener("pagehide", () => {
    const items = all();
    const at = items.findIndex((item) => item.getBoundingClientRect().bottom > 0);
    history.replaceState({ count: items.length, at, top: items[at]?.getBoundingClientRect().top }, "");
  });
  const place = history.state;
  if (!place?.count) return;
  endless.upTo(place.count, selector).then(() => {
    const item = all()[place.at];
    if (item) settleAt(item, place.top);
  });
}

/** Heights become real as they come into sight, so it takes a few frames. */
function settleAt(item, top, frames = 4) {
  scrollBy(0, item.getBoundingClientRect().top - top);
  if (frames) requestAnimationFrame(() => settleAt(item, top, frames - 1));
}
