"""Live: what 50 open pages and 20 runs that log cost each other.

Half of the pages show one of the 20 runs, half the table of runs; of each its event stream is open. Every run
logs a step of 10 metrics ten times a second. Meanwhile a reader opens pages and asks the API, in turns.

heard: from before a call is sent until every open page of that run was sent the step. errors: calls, reads
and streams that failed. memory: of the web server, as a slope through all seconds but the first fifth.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from typing import Any

import httpx
import numpy as np
import orjson

from benchmarks.kit.filled import many_runs
from benchmarks.kit.lab import DATABASES, Lab, databases, lab, subject
from benchmarks.kit.question import Question, run
from benchmarks.kit.records import at_least, at_most
from benchmarks.kit.timing import resident_mb

METRICS = [f"metric {number}" for number in range(10)]
WITHIN = 60.0  # seconds for all streams to open
TAIL = 10.0  # seconds for the last steps to be heard


@dataclass
class Sent:
    """What the scripts did: when each step was sent, how long its call took, what failed."""

    at: dict[tuple[str, int], float] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    errors: int = 0


@dataclass
class Heard:
    """What the pages were told: when each had a step of its run, how many streams broke."""

    at: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    opened: int = 0
    errors: int = 0


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, help="Of logging; default 300, with --quick 10.")
    parser.add_argument("--pages", type=int, default=50, help="Open pages.")
    parser.add_argument("--runs", type=int, default=20, help="Runs that log.")
    parser.add_argument("--rate", type=float, default=10.0, help="Calls of each run per second.")


def measure(question: Question, chosen: argparse.Namespace) -> None:
    lasting = chosen.seconds or (10.0 if question.quick else 300.0)
    with databases() as urls:
        for database in DATABASES:
            with lab(urls[database], lambda url: many_runs(url, 200)) as running:
                # Five minutes for the slope of the memory once; half a minute tells the rest.
                seconds = lasting if database == DATABASES[0] else min(lasting, 30.0)
                of_database(question, running, subject(database), chosen, seconds)


def of_database(
    question: Question, running: Lab, name: str, chosen: argparse.Namespace, seconds: float
) -> None:
    with running.client() as client:
        ids = [
            client.post("/api/v1/runs/external", json={"name": f"logging {number}"}).json()["id"]
            for number in range(chosen.runs)
        ]
        client.get("/")
    sent, heard, read = meanwhile(running, ids, chosen, seconds)
    spread, case = f"{chosen.pages} pages, {chosen.runs} runs × {chosen.rate:g} calls/s", "{}: {}".format
    pages_of = Counter(followed(ids, chosen.pages))
    shown = {key: at for key, at in sent.at.items() if pages_of[key[0]]}
    told = {key for key in shown if len(heard.at.get(key, ())) == pages_of[key[0]]}
    heard_at = [1000 * (max(heard.at[key]) - shown[key]) for key in told]
    unheard = len(shown) - len(told)
    errors = sent.errors + heard.errors + read.errors + (chosen.pages - heard.opened)
    wanted = chosen.runs * chosen.rate
    question.add(
        case(spread, "accepted calls"), "calls/s", [len(sent.took) / seconds], name, at_least(0.98 * wanted)
    )
    question.add(case(spread, "a logging call"), "ms", sent.took, name)
    question.add(case(spread, "logged until heard"), "ms", heard_at, name, at_most(300))
    question.add(case(spread, "a page read meanwhile"), "ms", read.pages, name, at_most(300, "p99"))
    question.add(case(spread, "an API read meanwhile"), "ms", read.api, name, at_most(300, "p99"))
    question.add(case(spread, "errors"), "errors", [errors], name, at_most(0))
    question.add(case(spread, "steps that some page missed"), "steps", [unheard], name, at_most(0))
    question.add(case(spread, "web server"), "% of a core", [100 * read.cpu / read.lasted], name)
    note = f"over {read.lasted:.0f} s"
    question.add(case(spread, "memory"), "MB/min", [read.slope()], name, note=note, more_is_better=False)


@dataclass
class Read:
    """What the reader saw, in milliseconds, and what it saw of the server."""

    pages: list[float] = field(default_factory=list)
    api: list[float] = field(default_factory=list)
    errors: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)  # second, MB
    cpu: float = 0.0
    lasted: float = 0.0

    def slope(self) -> float:
        """MB a minute, by least squares."""
        later = self.memory[len(self.memory) // 5 :]
        if len(later) < 2:
            return 0.0
        at, held = zip(*later, strict=True)
        return float(60 * np.polyfit(at, held, 1)[0])


def meanwhile(
    running: Lab, ids: list[str], chosen: argparse.Namespace, seconds: float
) -> tuple[Sent, Heard, Read]:
    """Pages and scripts in processes of their own, the reader in this one."""
    spawned = multiprocessing.get_context("spawn")
    opened, starts = spawned.Event(), spawned.Event()
    answers: Queue[Any] = spawned.Queue()
    where = (running.url, running.token, ids)
    pages = spawned.Process(target=follow, args=(*where, chosen.pages, seconds, opened, answers))
    scripts = spawned.Process(target=write, args=(*where, chosen.rate, seconds, starts, answers))
    pages.start()
    scripts.start()
    try:
        opened.wait(WITHIN + 30)
        starts.set()
        read = reading(running, ids, seconds)
        found = [answers.get(timeout=seconds + 120) for _ in range(2)]
    finally:
        for process in (pages, scripts):
            process.join(30)
            process.kill()
    sent = next(each for each in found if isinstance(each, Sent))
    heard = next(each for each in found if isinstance(each, Heard))
    return sent, heard, read


def reading(running: Lab, ids: Sequence[str], seconds: float) -> Read:
    """Four addresses in turns, 20 reads a second at most."""
    read = Read()
    addresses = [
        (read.pages, "/"),
        (read.api, "/api/v1/runs?limit=50"),
        (read.pages, f"/runs/{ids[0]}"),
        (read.api, f"/api/v1/runs/{ids[0]}/series?max_points=1000"),
    ]
    used, began = running.cpu_seconds(), time.monotonic()
    with running.client() as client:
        at = 0
        while (now := time.monotonic()) - began < seconds:
            into, path = addresses[at % len(addresses)]
            at += 1
            accept = "text/html" if into is read.pages else "application/json"
            try:
                client.get(path, headers={"Accept": accept}).raise_for_status()
            except httpx.HTTPError:
                read.errors += 1
            into.append(1000 * (time.monotonic() - now))
            if not read.memory or now - began - read.memory[-1][0] >= 1:
                read.memory.append((now - began, resident_mb(running.pid)))
            time.sleep(max(0.0, 0.05 - (time.monotonic() - now)))
    read.lasted = time.monotonic() - began
    read.cpu = running.cpu_seconds() - used
    return read


def write(
    url: str, token: str, ids: list[str], rate: float, seconds: float, starts: Any, answers: Queue[Any]
) -> None:
    """All scripts, in one process: each sends its next call when it is due and the last one was answered."""
    sent = Sent()

    async def script(client: httpx.AsyncClient, run_id: str, began: float) -> None:
        for step in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + step / rate - time.monotonic()))
            if (called := time.monotonic()) > began + seconds:
                return
            body = {"step": [step], "values": {metric: [0.5] for metric in METRICS}}
            try:
                (await client.post(f"/api/v1/runs/{run_id}/metrics", json=body)).raise_for_status()
            except httpx.HTTPError:
                sent.errors += 1
                continue
            sent.at[run_id, step] = called
            sent.took.append(1000 * (time.monotonic() - called))

    async def all_of_them() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            began = time.monotonic()
            scripts = (script(client, run_id, began + at / rate / len(ids)) for at, run_id in enumerate(ids))
            await asyncio.gather(*scripts)

    starts.wait()
    asyncio.run(all_of_them())
    answers.put(sent)


def followed(ids: Sequence[str], pages: int) -> list[str]:
    """The run that each page of a run shows; the other half of the pages show the table."""
    return [ids[number % len(ids)] for number in range(pages // 2)]


def follow(
    url: str, token: str, ids: list[str], pages: int, seconds: float, opened: Any, answers: Queue[Any]
) -> None:
    """The event streams of all pages."""
    heard = Heard()

    async def page(run_id: str | None) -> None:
        path = f"/api/v1/runs/{run_id}/events" if run_id else "/api/v1/events?changes_only=true"
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=2**24)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        next_step = 0
        try:
            if b" 200 " not in await reader.readline():
                heard.errors += 1
                return
            heard.opened += 1
            while line := await reader.readline():
                now = time.monotonic()
                if run_id and line.startswith(b"data: ") and b'"series"' in line[:200]:
                    curve = orjson.loads(line[6:])["series"].get(METRICS[0])
                    for step in range(next_step, curve["step"][-1] + 1) if curve else ():
                        heard.at[run_id, step].append(now)
                        next_step = step + 1
            heard.errors += 1  # the server closed it
        finally:
            writer.close()

    async def all_of_them() -> None:
        shown = [*followed(ids, pages), *[None] * (pages - pages // 2)]
        tasks = [asyncio.create_task(page(run_id)) for run_id in shown]
        began = time.monotonic()
        while heard.opened + heard.errors < pages and time.monotonic() - began < WITHIN:
            await asyncio.sleep(0.05)
        opened.set()
        await asyncio.sleep(seconds + TAIL)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(all_of_them())
    heard.at = dict(heard.at)
    answers.put(heard)


if __name__ == "__main__":
    run(__file__, __doc__, measure, options)
