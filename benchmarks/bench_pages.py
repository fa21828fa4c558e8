"""How fast the pages are in a real browser, on a database of a busy year.

2,000 runs, 50 of them with 10 metrics of 10,000 points, and 20,000 predictions; web server and Chromium on
this machine. Prints one JSON line per page: medians in milliseconds unless said otherwise.

visible      the first curve (or row, or card) is painted
complete     every curve, row and grid in sight is painted
answers      the first chart shows its values under a pointer that moves over it all the time
interactive  Plotly has taken the first chart over: one can zoom; on pages without charts: as complete
settled      Plotly has taken over every chart in sight
cls          layout shift, summed (a number without unit)

cold: a new browser profile, nothing cached. warm: the same page for the third time in that profile; from
then on the browser has Plotly's compiled code. server_first: processor time of the server for a page it
never drew, server_again: for one it drew before; server_cpu: for all that one visit asks.

The machine may be busy with other things. `floor` is a bare page with one chart by Plotly, measured just
before each page, and `load` the number of processes that wanted a processor: compare with them, not with a
clock. x_floor: interactive as a multiple of that floor.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright

from backend.db.session import session_scope
from backend.people import service as accounts
from benchmarks.pages_data import filled
from benchmarks.pages_floor import floor_server
from tests.support.pages.browser import ARGUMENTS, executable
from tests.support.web import WebServer

Found = dict[str, float | None]

WINDOW = {"width": 1440, "height": 900}
# Runs in the page from its first moment and writes down when things were first on the screen.
WATCH = """
window.seen = { cls: 0 };
const inSight = (each) => {
  const box = each.getBoundingClientRect();
  return box.height > 0 && box.top < innerHeight && box.bottom > 0;
};
const first = ".still .lines path, .scatterlayer path, #rows tr, .card";
const all = (found, isDone) => {
  const there = [...found].filter(inSight);
  return there.length && there.every(isDone);
};
const isComplete = () => {
  const plots = document.querySelectorAll(".chart .plot");
  const drawn = ".still .lines path, .scatterlayer path";
  if (plots.length) return all(plots, (each) => each.querySelector(drawn));
  if (document.querySelector("#rows tr")) return document.readyState !== "loading";
  return all(document.querySelectorAll("img.grid"), (each) => each.dataset.drawn);
};
// Called in a frame that will show it: noted once that frame is through.
const once = (name) => setTimeout(() => (seen[name] ??= performance.now()));
const look = () => {
  const shape = document.querySelector(first);
  if (!seen.visible && shape && inSight(shape)) once("visible");
  if (!seen.complete && isComplete()) once("complete");
  const plot = document.querySelector(".chart .plot");
  if (plot && !seen.answers) {
    const box = plot.getBoundingClientRect();
    const at = { bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
    plot.dispatchEvent(new PointerEvent("pointermove", at));
    const told = plot.querySelector(".tooltip:not([hidden])");
    if (told) once("answers");
  }
  if (!seen.complete || (plot && !seen.answers)) requestAnimationFrame(look);
};
requestAnimationFrame(look);
new PerformanceObserver((list) => list.getEntries().forEach((each) => (seen.cls += each.value)))
  .observe({ type: "layout-shift", buffered: true });
"""

# No chart in view is still a drawing of the server's.
SETTLED = """() => {
  const inView = [...document.querySelectorAll('.chart .plot')].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.height > 0 && box.top < innerHeight && box.bottom > 0;
  });
  return inView.length > 0 && inView.every((each) => each.querySelector('.scatterlayer path'));
}"""

# Scrolls for three seconds, 60 px a frame; the times between frames in milliseconds.
SCROLL = """() => new Promise((resolve) => {
  const gaps = [];
  let before = performance.now();
  const started = before;
  const step = (now) => {
    gaps.push(now - before);
    before = now;
    scrollBy(0, 60);
    if (now - started < 3000) requestAnimationFrame(step);
    else resolve(gaps.slice(1));
  };
  requestAnimationFrame(step);
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="Keep the database here, and use the one that is there.")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--pages", default="", help="Only these, separated by commas.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = options.home or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{home / 'pages.sqlite3'}"
        ids = filled(url, home / "ids.json")
        server = WebServer(home, {"ETRM_HOME": str(home), "ETRM_DATABASE_URL": url})
        try:
            wanted = {name for name in options.pages.split(",") if name}
            with floor_server() as floor:
                Bench(server, floor, options.times).pages(ids, wanted)
        finally:
            server.stop()


class Bench:
    """Visits the pages of one server, and the bare page beside them."""

    def __init__(self, server: WebServer, floor: str, times: int) -> None:
        self.server, self.floor, self.times = server, floor, times
        with session_scope(server.engine) as session:
            self._secret = accounts.log_in_with_token(session, server.token)

    def pages(self, ids: list[str], wanted: set[str]) -> None:
        """Print a line for each page."""
        pages = {
            "run": f"/runs/{ids[0]}",
            "compare 20": f"/compare?runs={','.join(ids[:20])}",
            "compare 50": f"/compare?runs={','.join(ids[:50])}",
            "runs": "/",
            "runs sorted": "/?sort=-accuracy/token",
            "runs filtered": '/?filter=encoder == "iterative" and pass1 > 0',
            "gallery": "/gallery",
            "gallery, side by side": "/gallery?side=variants",
        }
        for name, path in pages.items():
            # Another page of the same kind: what the first one of all costs is the start's.
            self._processor_time(path.replace(ids[0], ids[-1]))
            if not wanted or name in wanted:
                first = self._processor_time(path)
                again = statistics.median(self._processor_time(path) for _ in range(self.times))
                found = [self._visit(path) for _ in range(self.times)]
                line = {"page": name, "server_first": round(first), "server_again": round(again)}
                print(json.dumps(line | medians(found)), flush=True)
        if not wanted or "scroll" in wanted:
            print(json.dumps({"page": "gallery, scrolled for 3 s"} | self._scroll()), flush=True)

    def _processor_time(self, path: str) -> float:
        """Milliseconds that the server computes for one page, asked without a browser."""
        with self.server.client(headers={"Accept": "text/html"}) as client:
            before = self._used()
            client.get(path).raise_for_status()
            return self._used() - before

    def _used(self) -> float:
        """Milliseconds of processor time that the server has taken so far, in steps of 10."""
        fields = Path(f"/proc/{self.server.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])  # user and system, of all its threads
        return 1000 * ticks / os.sysconf("SC_CLK_TCK")

    def _visit(self, path: str) -> Found:
        """The bare page and this one, each with a new profile and again."""
        found: Found = {}
        with self._browser() as context:
            for way in ("cold", "second", "warm"):
                found[f"floor_{way}"] = self._bare(context)
        with self._browser() as context:
            context.add_init_script(WATCH)
            for way in ("cold", "second", "warm"):
                looked = self._look(context, path)
                if way != "second":
                    found |= {f"{way}_{name}": value for name, value in looked.items()}
        for way in ("cold", "warm"):
            taken, floor = found[f"{way}_interactive"], found[f"floor_{way}"]
            found[f"{way}_x_floor"] = taken / floor if taken and floor else None
        return found | {"load": os.getloadavg()[0]}

    @contextmanager
    def _browser(self) -> Iterator[BrowserContext]:
        """A browser with a profile of its own: only such a one keeps compiled scripts, as a reader's does."""
        with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
            context = playwright.chromium.launch_persistent_context(
                profile,
                executable_path=executable(playwright),
                args=list(ARGUMENTS),
                base_url=self.server.url,
                viewport=WINDOW,  # type: ignore[arg-type]
            )
            port = self.server.url.rpartition(":")[2]
            context.add_cookies(
                [{"name": f"etrm_session_{port}", "value": self._secret, "url": self.server.url}]
            )
            try:
                yield context
            finally:
                context.close()

    def _bare(self, context: BrowserContext) -> float:
        page = context.new_page()
        page.goto(self.floor)
        page.wait_for_function("() => window.at")
        at: float = page.evaluate("window.at")
        _rest(page)
        return at

    def _look(self, context: BrowserContext, path: str) -> Found:
        page = context.new_page()
        wire = Wire(context, page)
        before = self._used()
        page.goto(path, wait_until="commit")
        page.wait_for_function("() => window.seen.complete", timeout=60_000)
        seen: Mapping[str, float] = page.evaluate("window.seen")
        found: Found = {"interactive": None, "settled": None, "answers": None}
        if page.locator(".chart .plot").count():
            page.wait_for_function(SETTLED, timeout=60_000)
            seen = page.evaluate("window.seen")
            marks = page.evaluate("performance.getEntriesByName('chart').map((each) => each.startTime)")
            found |= {"interactive": marks[0], "settled": marks[-1], "answers": seen["answers"]}
        _rest(page)
        found |= {"visible": seen["visible"], "complete": seen["complete"]}
        found |= {"cls": page.evaluate("window.seen.cls"), "bytes": wire.bytes, "requests": wire.requests}
        found["server_cpu"] = self._used() - before
        page.close()
        return found

    def _scroll(self) -> Found:
        """Frames that came late while the gallery is scrolled, and on an empty page."""
        with self._browser() as context:
            context.add_init_script(WATCH)
            page = context.new_page()
            page.goto("/gallery")
            page.wait_for_function("() => window.seen.complete")
            gaps = page.evaluate(SCROLL)
            cards = page.locator(".gallery-card").count()
            page.goto("about:blank")
            empty = page.evaluate(SCROLL)
        late = {"over_34_ms": 34, "over_50_ms": 50}
        found: Found = {"frames": len(gaps), "cards": cards, "empty_frames": len(empty)}
        for name, least in late.items():
            found[name] = sum(gap > least for gap in gaps)
            found[f"empty_{name}"] = sum(gap > least for gap in empty)
        return found | {"load": os.getloadavg()[0]}


def _rest(page: Page) -> None:
    """Until the page has nothing to do: only then does the browser keep compiled scripts."""
    page.evaluate("() => new Promise((rested) => requestIdleCallback(rested, { timeout: 5000 }))")
    page.wait_for_load_state("load")


def medians(found: list[Found]) -> dict[str, float | None]:
    """Whole milliseconds; ratios, layout shift and load with two places."""
    line: dict[str, float | None] = {}
    for key in sorted(found[0]):
        values = [value for each in found if (value := each[key]) is not None]
        places = 2 if key.endswith(("x_floor", "cls", "load")) else None
        line[key] = round(statistics.median(values), places) if values else None
    return line


class Wire:
    """What a page costs over the network."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.bytes = self.requests = 0
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.loadingFinished", self._came)
        session.on("Network.requestWillBeSent", self._asked)

    def _came(self, event: dict[str, Any]) -> None:
        self.bytes += int(event["encodedDataLength"])

    def _asked(self, event: dict[str, Any]) -> None:
        self.requests += not event["request"]["url"].startswith("data:")  # pictures of grids


if __name__ == "__main__":
    main()
