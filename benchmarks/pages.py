"""Pages: in a real browser, on a database of a busy year.

2,000 runs, 50 of them with 10 metrics of 10,000 points, and 20,000 predictions; web server and Chromium on
this machine.

visible      the first curve (or row, or card) is painted
complete     every curve, row and grid in sight is painted
answers      the first chart shows its values under a pointer that moves over it all the time
interactive  Plotly has taken the first chart over: one can zoom; on pages without charts: as complete
settled      Plotly has taken over every chart in sight
cls          layout shift, summed (a number without unit)

cold: a new browser profile, nothing cached. warm: the same page for the third time in that profile; from
then on the browser has Plotly's compiled code. server: processor time of the server for the HTML of a page it
never drew, or drew before; server_cpu: for all that one visit asks.

Floor: a bare page with one chart by Plotly, measured just before each page.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright

from benchmarks.kit.bare_plotly import floor_server
from benchmarks.kit.filled import busy_year
from benchmarks.kit.lab import SQLITE, Lab, databases, lab
from benchmarks.kit.question import Question, run
from benchmarks.kit.records import OURS, at_most
from tests.support.pages.browser import ARGUMENTS, executable

Found = dict[str, float | None]

QUICK = {"run", "runs"}
SHOWN = {"run", "compare 20", "runs", "gallery"}  # unless told otherwise
UNITS = {"cls": "layout shift", "bytes": "bytes", "requests": "requests"}
BARS = {  # of the page of a run
    ("cold", "visible"): at_most(500),
    ("cold", "interactive"): at_most(1_600),
    ("warm", "interactive"): at_most(500),
}
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


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--times", type=int, help="Visits of each page; default 3, with --quick 1.")
    parser.add_argument("--pages", default="", help="Only these, separated by commas; all: every one.")


def measure(question: Question, chosen: argparse.Namespace) -> None:
    wanted = {name for name in chosen.pages.split(",") if name} or (QUICK if question.quick else SHOWN)
    if "all" in wanted:
        wanted = set()
    times = chosen.times or (1 if question.quick else 3)
    with databases([SQLITE]) as urls, floor_server() as floor:
        ids = busy_year(urls[SQLITE], 200 if question.quick else 2_000, 3 if question.quick else 50)
        with lab(urls[SQLITE]) as running:
            Bench(question, running, floor, times).pages(ids, wanted)


class Bench:
    """Visits the pages of one server, and the bare page beside them."""

    def __init__(self, question: Question, running: Lab, floor: str, times: int) -> None:
        self.question, self.lab, self.floor, self.times = question, running, floor, times
        self._secret = running.browser_session()

    def pages(self, ids: list[str], wanted: set[str]) -> None:
        """Each page in turn, or those that are wanted."""
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
                self._add(name, "server, never drawn", [self._processor_time(path)])
                again = [self._processor_time(path) for _ in range(self.times)]
                self._add(name, "server, drawn before", again)
                visits = [self._visit(path) for _ in range(self.times)]
                for figure in visits[0]:
                    self._add(name, figure, [visit[figure] for visit in visits])
        if not wanted or "scroll" in wanted:
            for figure, value in self._scroll().items():
                self._add("gallery, scrolled for 3 s", figure, [value])

    def _add(self, page: str, figure: str, values: list[float | None]) -> None:
        """Write down a figure of a page; nothing where the page has no such thing."""
        way, _, what = figure.partition(" ")
        measured = [value for value in values if value is not None]
        if measured:
            subject, case = OURS, f"{page}, {figure}"
            if figure.startswith("floor"):
                subject, case = "floor: bare Plotly", f"{page}, {what} interactive"
            bar = BARS.get((way, what)) if page == "run" and subject == OURS else None
            self.question.add(case, UNITS.get(what, "ms"), measured, subject, bar)

    def _processor_time(self, path: str) -> float:
        """Milliseconds that the server computes for one page, asked without a browser."""
        with self.lab.client(headers={"Accept": "text/html"}) as client:
            before = self._used()
            client.get(path).raise_for_status()
            return self._used() - before

    def _used(self) -> float:
        """Milliseconds of processor time that the server has taken so far, in steps of 10."""
        return 1000 * self.lab.cpu_seconds()

    def _visit(self, path: str) -> Found:
        """The bare page and this one, each with a new profile and again."""
        found: Found = {}
        with self._browser() as context:
            for way in ("cold", "second", "warm"):
                found[f"floor {way}"] = self._bare(context)
        with self._browser() as context:
            context.add_init_script(WATCH)
            for way in ("cold", "second", "warm"):
                looked = self._look(context, path)
                if way != "second":
                    found |= {f"{way} {name}": value for name, value in looked.items()}
        del found["floor second"]
        return found

    @contextmanager
    def _browser(self) -> Iterator[BrowserContext]:
        """A browser with a profile of its own: only such a one keeps compiled scripts, as a reader's does."""
        with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
            context = playwright.chromium.launch_persistent_context(
                profile,
                executable_path=executable(playwright),
                args=list(ARGUMENTS),
                base_url=self.lab.url,
                viewport=WINDOW,  # type: ignore[arg-type]
            )
            port = self.lab.url.rpartition(":")[2]
            context.add_cookies(
                [{"name": f"etrm_session_{port}", "value": self._secret, "url": self.lab.url}]
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
        return found


def _rest(page: Page) -> None:
    """Until the page has nothing to do: only then does the browser keep compiled scripts."""
    page.evaluate("() => new Promise((rested) => requestIdleCallback(rested, { timeout: 5000 }))")
    page.wait_for_load_state("load")


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
    run(__file__, __doc__, measure, options)
