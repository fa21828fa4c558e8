"""What open event streams cost others and how soon they hear of a change; what logging over HTTP costs.

A real web server with its broker and N idle streams, half of one run and half of the table of runs. One JSON
line for each tree and N:

streams      how many of the N were open within a minute
requests     how many `GET /api/v1/runs?limit=5` the figures are of; they are sent one after the other
p50_ms, p95_ms   how long these took; a request that took longer than `--patience` counts as that long
heard_ms     from sending a new name of the run until all streams were told of it, median of the changes
idle_cpu     share of one processor that the server used while nothing was asked and nothing changed

and one for logging: calls of one step with 10 metrics, one after the other, without streams.

`--against GITREF` measures that state of the code too, in turns with this one: on a machine that does other
things compare within one run. `x_none` is p95_ms as a multiple of the same tree's without streams.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from backend.embedded import valkey

HERE = Path(__file__).parent.parent
OPEN_WITHIN = 60.0  # seconds
RUNS = 200  # in the database
METRICS = {f"metric/{number}": [0.5] for number in range(10)}


@dataclass
class Server:
    """`etrm web` of one tree, with a database and a broker of its own."""

    name: str
    tree: Path
    home: Path
    token: str = ""
    url: str = ""
    run: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start the broker and the server, and create runs."""
        broker = valkey.Broker(self.home)
        process = subprocess.Popen(broker.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.processes.append(process)
        assert process.stdin
        with process.stdin as stdin:
            stdin.write(broker.config)
        while not valkey.answers(broker.url):
            time.sleep(0.05)
        self._environment = os.environ | {
            "ETRM_HOME": str(self.home),
            "ETRM_BROKER_URL": broker.url,
            "ETRM_DATABASE_URL": f"sqlite:///{self.home / 'live.sqlite3'}",
        }
        self._etrm("migrate")
        self.token = re.findall(r"etrm_\S+", self._etrm("token", "create", "bench"))[0]
        web = subprocess.Popen(
            [sys.executable, "-m", "backend.cli", "web", "--port", "0"],
            cwd=self.tree,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=(self.home / "web.log").open("wb"),
        )
        self.processes.append(web)
        assert web.stdout
        self.url = web.stdout.readline().decode().split()[-1]
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(base_url=self.url, headers=self.headers, transport=transport, timeout=60) as client:
            for number in range(RUNS):
                answer = client.post("/api/v1/runs/external", json={"name": f"run {number}"})
                self.run = answer.raise_for_status().json()["id"]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def cpu(self) -> float:
        """Seconds of processor time that the server has used."""
        fields = Path(f"/proc/{self.processes[-1].pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()

    def _etrm(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "backend.cli", *arguments]
        done = subprocess.run(command, cwd=self.tree, env=self._environment, capture_output=True, check=True)
        return done.stdout.decode()


class Streams:
    """N open streams of one server, and what they were told last."""

    def __init__(self, server: Server, count: int) -> None:
        self._server = server
        self._count = count
        self._told = [b""] * count
        self._tasks: list[asyncio.Task[None]] = []
        self._change = asyncio.Event()

    @property
    def open(self) -> int:
        return sum(b"\nretry: " in told for told in self._told)

    async def start(self) -> None:
        """Open them one by one; return when all are open or the time for it is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(OPEN_WITHIN):
                for number in range(self._count):
                    self._tasks.append(asyncio.create_task(self._follow(number)))
                    await self._until(lambda number=number: b"\nretry: " in self._told[number])
        await asyncio.sleep(1)

    async def all_hear(self, text: bytes, patience: float) -> bool:
        """Whether every open stream tells `text` in time."""
        followed = [number for number, told in enumerate(self._told) if b"\nretry: " in told]
        try:
            async with asyncio.timeout(patience):
                await self._until(lambda: all(text in self._told[number] for number in followed))
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until(self, condition) -> None:  # type: ignore[no-untyped-def]
        while not condition():
            self._change.clear()
            await self._change.wait()

    async def _follow(self, number: int) -> None:
        host, _, port = self._server.url.removeprefix("http://").partition(":")
        path = "/api/v1/events?changes_only=true" if number % 2 else f"/api/v1/runs/{self._server.run}/events"
        reader, writer = await asyncio.open_connection(host, int(port))
        token = self._server.token
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        try:
            while chunk := await reader.read(65536):
                self._told[number] = (self._told[number] + chunk)[-200_000:]
                self._change.set()
        finally:
            writer.close()


async def measured(server: Server, count: int, options: argparse.Namespace) -> dict[str, object]:
    """The figures of one server with `count` idle streams."""
    streams = Streams(server, count)
    limits = httpx.Limits(max_keepalive_connections=4)
    async with httpx.AsyncClient(base_url=server.url, headers=server.headers, limits=limits) as client:
        try:
            await streams.start()
            used, began = server.cpu, time.monotonic()
            await asyncio.sleep(options.idle)
            idle = (server.cpu - used) / (time.monotonic() - began)
            took = await requests(client, options)
            heard = [await change(client, server, streams, at, options) for at in range(options.changes)]
            opened = streams.open
        finally:
            await streams.stop()
    return {
        "streams": opened,
        "requests": len(took),
        "p50_ms": round(1000 * statistics.median(took), 1),
        "p95_ms": round(1000 * sorted(took)[int(0.95 * (len(took) - 1))], 1),
        "heard_ms": round(1000 * statistics.median(heard)),
        "idle_cpu": round(idle, 3),
    }


async def requests(client: httpx.AsyncClient, options: argparse.Namespace) -> list[float]:
    """Seconds of each request, for as many as the time allows; at least three."""
    took: list[float] = []
    began = time.monotonic()
    while len(took) < 3 or (len(took) < options.requests and time.monotonic() - began < options.patience):
        took.append(await timed(client.get("/api/v1/runs?limit=5", timeout=options.patience), options))
    return took


async def timed(request, options: argparse.Namespace) -> float:  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    try:
        (await request).raise_for_status()
    except httpx.HTTPError:
        return float(options.patience)
    return time.perf_counter() - began


async def change(
    client: httpx.AsyncClient, server: Server, streams: Streams, at: int, options: argparse.Namespace
) -> float:
    """Seconds until a new name of the run had reached every stream."""
    name = f"renamed {time.time_ns()} {at}"
    began = time.perf_counter()
    with suppress(httpx.HTTPError):
        await client.patch(f"/api/v1/runs/{server.run}", json={"name": name}, timeout=options.patience)
    heard = await streams.all_hear(name.encode(), options.patience)
    took = time.perf_counter() - began if heard else options.patience
    await asyncio.sleep(1.5)
    return float(took)


def logging(server: Server, seconds: float) -> dict[str, object]:
    """Calls of one step with 10 metrics, one after the other."""
    took: list[float] = []
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=60) as client:
        run = client.post("/api/v1/runs/external", json={"name": "logged"}).json()["id"]
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            sent = time.perf_counter()
            body = {"step": [len(took)], "values": METRICS}
            client.post(f"/api/v1/runs/{run}/metrics", json=body).raise_for_status()
            took.append(time.perf_counter() - sent)
        whole = time.perf_counter() - began
    return {
        "points_per_s": round(10 * len(took) / whole),
        "p50_ms": round(1000 * statistics.median(took), 2),
        "p95_ms": round(1000 * sorted(took)[int(0.95 * (len(took) - 1))], 2),
    }


@contextmanager
def old_tree(reference: str) -> Iterator[Path]:
    """The code at a commit, in a folder for a while."""
    folder = Path(tempfile.mkdtemp())
    subprocess.run(["git", "worktree", "add", "--detach", folder / "tree", reference], cwd=HERE, check=True)
    try:
        yield folder / "tree"
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", folder / "tree"], cwd=HERE, check=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def servers(against: str | None) -> Iterator[list[Server]]:
    """Servers of this tree and, if wanted, of another one."""
    with tempfile.TemporaryDirectory() as new, tempfile.TemporaryDirectory() as old:
        if against is None:
            yield [Server("this", HERE, Path(new))]
            return
        with old_tree(against) as tree:
            yield [Server(against, tree, Path(old)), Server("this", HERE, Path(new))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", metavar="GITREF", help="Measure this commit, too.")
    parser.add_argument("--streams", default="0,20,60,150,300", help="How many, separated by commas.")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--changes", type=int, default=5)
    parser.add_argument("--idle", type=float, default=3.0, help="Seconds.")
    parser.add_argument("--patience", type=float, default=30.0, help="Seconds for one request or change.")
    parser.add_argument("--rounds", type=int, default=3, help="Of logging, each of three seconds.")
    options = parser.parse_args()
    with servers(options.against) as trees:
        try:
            for server in trees:
                server.start()
            compare_logging(trees, options)
            compare_streams(trees, options)
        finally:
            for server in trees:
                server.stop()


def compare_logging(trees: list[Server], options: argparse.Namespace) -> None:
    """Print the medians over the rounds, in which the trees take turns."""
    found: dict[str, list[dict[str, object]]] = {server.name: [] for server in trees}
    for _ in range(options.rounds):
        for server in trees:
            found[server.name].append(logging(server, 3.0))
    for name, rounds in found.items():
        medians = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}  # type: ignore[type-var]
        print(json.dumps({"tree": name, "what": "logging"} | medians), flush=True)


def compare_streams(trees: list[Server], options: argparse.Namespace) -> None:
    """Print a line for each tree and number of streams."""
    none: dict[str, float] = {}
    for count in map(int, options.streams.split(",")):
        for server in trees:
            line = asyncio.run(measured(server, count, options))
            p95 = float(str(line["p95_ms"]))
            ratio = round(p95 / none.setdefault(server.name, p95), 2)
            head = {"tree": server.name, "what": "streams", "n": count}
            print(json.dumps(head | line | {"x_none": ratio, "load": os.getloadavg()[0]}), flush=True)


if __name__ == "__main__":
    main()
