"""Uploads: task files, configs, points and checkpoint files are taken, or refused in words."""

from __future__ import annotations

import io
import json
import random
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import safetensors.torch
import torch

from backend.kit.errors import EtrmError
from tests.fuzz import values
from tests.fuzz.lab import TASK, FuzzedLab
from worker.models.weight_files import read_weights

JSON = {"Content-Type": "application/json"}


def fuzz_uploads(lab: FuzzedLab, budget: int, number: int) -> Counter[str]:
    """`budget` uploads from the seed `number`, an equal part of each kind; gives how often each ended how."""
    source, seen = random.Random(number), Counter[str]()
    kinds = (_task_json, _task_file, _config, _points)
    with lab.client() as client:
        # A run of its own: another fuzzer may have ended the others.
        made = client.post("/api/v1/runs/external", json={"name": "uploaded to"})
        lab.ids["upload_run"] = str(made.raise_for_status().json()["id"])
        for at in range(budget * len(kinds) // (len(kinds) + 1)):
            kind = kinds[at % len(kinds)]
            sent, answer = kind(lab, client, source)
            seen[f"{kind.__name__[1:]} {answer.status_code}"] += 1
            if answer.status_code >= 500 or (answer.status_code >= 400 and not _is_clear(answer)):
                lab.note(
                    f"uploads (seed {number}): {answer.status_code} {answer.text[:300]} for {sent[:2000]!r}"
                )
    _fuzz_checkpoints(lab, budget // (len(kinds) + 1), number, seen)
    if said := lab.new_tracebacks():
        lab.note(f"uploads (seed {number}): the log has {said[-2000:]}")
    return seen


def _is_clear(answer: httpx.Response) -> bool:
    error = answer.json()["error"]
    return bool(error["message"]) and "Traceback" not in answer.text


def _task(source: random.Random) -> bytes:
    tasks: Any = {values.text(source): TASK for _ in range(source.randint(1, 3))}
    if source.random() < 0.3:
        tasks = values.mapping(source)
    whole = json.dumps(tasks).encode()
    return values.mutated(source, whole) if source.random() < 0.6 else whole


def _task_json(lab: FuzzedLab, client: httpx.Client, source: random.Random) -> tuple[bytes, httpx.Response]:
    tasks = _task(source)
    body = b'{"name": "fuzzed", "replace": true, "tasks": ' + tasks + b"}"
    return body, client.post("/api/v1/sets", content=body, headers=JSON)


def _task_file(lab: FuzzedLab, client: httpx.Client, source: random.Random) -> tuple[bytes, httpx.Response]:
    tasks = _task(source)
    name = "".join(each for each in values.text(source) if each.isprintable()) or "tasks.json"
    data = {"name": source.choice(("fuzzed", "../x", "a/b", " ")), "replace": "true"}
    files = {source.choice(("file", "file", "solutions")): (name, tasks)}
    return tasks, client.post("/api/v1/sets/check", data=data, files=files)


def _config(lab: FuzzedLab, client: httpx.Client, source: random.Random) -> tuple[bytes, httpx.Response]:
    config: dict[str, Any] = {"preset": "quick"} | values.mapping(source)
    body = values.as_json(config)
    if source.random() < 0.3:
        body = values.mutated(source, body)
    path = source.choice(("/api/v1/config/validate", "/api/v1/runs", "/api/v1/groups/preview"))
    return body, client.post(path, content=body, headers=JSON)


def _points(lab: FuzzedLab, client: httpx.Client, source: random.Random) -> tuple[bytes, httpx.Response]:
    body = values.as_json(values.metrics(source))
    if source.random() < 0.4:
        body = values.mutated(source, body)
    return body, client.post(f"/api/v1/runs/{lab.ids['upload_run']}/metrics", content=body, headers=JSON)


def _fuzz_checkpoints(lab: FuzzedLab, budget: int, number: int, seen: Counter[str]) -> None:
    """Files of weights, read as an import reads them."""
    source = random.Random(number)
    originals = _checkpoints()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "weights.pt"
        for _ in range(budget):
            content = values.mutated(source, source.choice(originals))
            path.write_bytes(content)
            try:
                read_weights(path, "path").choose("unknown")
                seen["checkpoint taken"] += 1
            except EtrmError as error:
                seen[f"checkpoint {type(error).__name__}"] += 1
            except Exception as error:  # noqa: BLE001 — whatever it is, nobody put it into words
                lab.note(f"checkpoint (seed {number}): {type(error).__name__}: {error} for {content[:200]!r}")


def _checkpoints() -> list[bytes]:
    state = {"layer.weight": torch.zeros(2, 2), "layer.bias": torch.zeros(2)}
    odd = {"a": torch.zeros(2, dtype=torch.int8), "b": torch.zeros(2, dtype=torch.complex64)}
    saved = []
    for content in (state, {"model": state, "ema": state}, {"state_dict": state, "step": 3}, odd, [1], None):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        saved.append(buffer.getvalue())
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n"
    return [*saved, safetensors.torch.save(state), b"", pointer, b"<!doctype html><title>404</title>"]
