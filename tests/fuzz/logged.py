"""Random external configs and points: whatever a script has logged, pages and exports answer 200."""

from __future__ import annotations

import random
from collections import Counter

import httpx

from tests.fuzz import values
from tests.fuzz.lab import PANELS, FuzzedLab

BATCH = 20  # runs between two looks at the pages
EXPORTS = ("csv", "json", "parquet")
JSON = {"Content-Type": "application/json"}


def fuzz_logged(lab: FuzzedLab, budget: int, number: int) -> Counter[str]:
    """`budget` runs with points from the seed `number`; gives statuses of what was sent and read."""
    source, seen = random.Random(number), Counter[str]()
    with lab.client() as client:
        for _ in range(0, budget, BATCH):
            made = [run for _ in range(BATCH) if (run := _logged(client, source, seen))]
            for path in _pages(lab, made):
                answer = client.get(path, headers={"Accept": "text/html"})
                seen[f"read {answer.status_code}"] += 1
                if answer.status_code != 200:
                    lab.note(
                        f"logged (seed {number}): {answer.status_code} at {path}: {_cause(client, lab, made)}"
                    )
    return seen


def _logged(client: httpx.Client, source: random.Random, seen: Counter[str]) -> str | None:
    body = {"name": "fuzzed", "config": values.mapping(source)}
    made = client.post("/api/v1/runs/external", content=values.as_json(body), headers=JSON)
    seen[f"run {made.status_code}"] += 1
    if made.status_code != 201:
        return None
    run = str(made.json()["id"])
    for _ in range(source.randint(0, 3)):
        content = values.as_json(values.metrics(source))
        answer = client.post(f"/api/v1/runs/{run}/metrics", content=content, headers=JSON)
        seen[f"points {answer.status_code}"] += 1
    if source.random() < 0.5:
        client.post(f"/api/v1/runs/{run}/finish", json={"status": source.choice(("finished", "failed"))})
    return run


def _pages(lab: FuzzedLab, made: list[str]) -> list[str]:
    """Addresses that show or export what was just logged, and the dashboard with everything newest on it."""
    several, board = ",".join(made[:6]), f"/d/{lab.ids['slug']}"
    tables = [f"/api/v1/runs/export?format={each}" for each in EXPORTS]
    tables += [
        f"/api/v1/runs/{run}/series/export?format={each}"
        for run in made[:3]
        for each in (*EXPORTS, "tensorboard")
    ]
    tables += [f"/api/v1/compare/series/export?runs={several}&names=loss", f"/api/v1/compare?runs={several}"]
    panels = [f"{board}/panels/{panel['id']}.csv" for panel in PANELS if panel["kind"] in ("curves", "table")]
    own = [f"/runs/{run}{x}" for run in made for x in ("", "?x=time")]
    own += [f"/api/v1/runs/{run}{part}" for run in made for part in ("", "/series")]
    lists = ["/", "/?columns=loss", "/api/v1/runs?limit=50", "/queue", "/dashboards"]
    return [*lists, *own, f"/compare?runs={several}", board, f"{board}/export.html", *panels, *tables]


def _cause(client: httpx.Client, lab: FuzzedLab, made: list[str]) -> str:
    """The runs whose own page or row fails, with what they logged."""
    bad = [
        run for run in made if client.get(f"/runs/{run}", headers={"Accept": "text/html"}).status_code != 200
    ]
    told = [client.get(f"/api/v1/runs/{run}").text[:600] for run in bad[:1]]
    return f"{bad} {told} {lab.new_tracebacks()[-1500:]}"
