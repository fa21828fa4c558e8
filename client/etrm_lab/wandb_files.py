"""Runs of Weights & Biases: exported histories, and the folder of an offline run.

An export is what `run.history()` or `run.scan_history()` gives, saved as CSV, JSON or JSON lines, or the CSV
of a chart (`Step`, `RUN - METRIC`). A config lies beside it as `config.yaml` or `config.json`, if at all.
"""

from __future__ import annotations

import csv
import json
import platform
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from etrm_lab.imports import (
    BadSource,
    Line,
    Point,
    SourceRun,
    left_out,
    missing_extra,
    number,
    without_media,
)
from etrm_lab.output import tell_once
from etrm_lab.values import flattened

HINT = "Give an exported history (.csv, .json, .jsonl) or the folder of an offline run."
BLOCK, HEAD = 1 << 15, 7  # bytes of an offline file, of a block and of the head of a part
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
ENDINGS = (".csv", ".json", ".jsonl", ".ndjson")
SUMMED = ("__MIN", "__MAX")  # of a chart: the range of what it draws as one point
TRUTHS = {"True": True, "False": False, "true": True, "false": False}  # in a CSV, of pandas and of W&B
MAX_FIELD = 2**31 - 1  # characters of a text in a CSV


def runs_of(path: Path) -> Iterator[SourceRun]:
    """The runs of a file, of the folder of an offline run, or of all offline runs below a folder."""
    if path.is_dir():
        files = sorted(path.rglob("*.wandb")) or sorted(path.rglob("wandb-history.jsonl"))
        if not files:
            raise BadSource(f"{path} has no offline run (run-ID.wandb) and no wandb-history.jsonl. {HINT}")
        for file in files:
            yield _offline(file) if file.suffix == ".wandb" else _exported(file)
    elif path.suffix == ".wandb":
        yield _offline(path)
    elif path.suffix not in ENDINGS:
        raise BadSource(f"{path} is none of {', '.join(ENDINGS)}. {HINT}")
    elif path.suffix == ".csv" and (names := _of_chart(path)):
        for name in names:
            yield _charted(path, name)
    else:
        yield _exported(path)


def _exported(path: Path) -> SourceRun:
    name = path.resolve().parent.name if path.name == "wandb-history.jsonl" else path.stem
    return SourceRun(
        identity=_here(path),
        name=name,
        records=lambda: _records(path, _csv_rows(path) if path.suffix == ".csv" else _json_rows(path)),
        config=_config_beside(path),
    )


def _charted(path: Path, name: str) -> SourceRun:
    def rows() -> Iterator[Mapping[str, Any]]:
        for row in _csv_rows(path):
            own = {
                metric: value
                for (run, _, metric), value in zip(map(_parted, row), row.values(), strict=True)
                if run == name and not metric.endswith(SUMMED)
            }
            if any(value not in ("", None) for value in own.values()):
                yield {"_step": row["Step"], **own}

    return SourceRun(identity=f"{_here(path)}:{name}", name=name, records=lambda: _records(path, rows()))


def _here(path: Path) -> str:
    """An export has no id of its run: it is that of its file."""
    return f"{platform.node()}:{path.resolve()}"


def _parted(column: str) -> tuple[str, str, str]:
    """Run and metric of a chart's column, which may have ` - ` in the name of the run."""
    return column.rpartition(" - ")


def _of_chart(path: Path) -> list[str]:
    """The runs that a chart's CSV has columns of; none in any other CSV."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as opened:
        columns = next(csv.reader(opened), [])
    if "_step" in columns:
        return []
    if "Step" not in columns:
        if any(" - " in column and column.endswith(SUMMED) for column in columns):
            raise BadSource(
                f"{path} is a chart over {columns[0]}. Choose Step as its x axis in W&B and export it again."
            )
        return []
    return list(dict.fromkeys(_parted(column)[0] for column in columns if " - " in column))


def _csv_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as opened:
        csv.field_size_limit(MAX_FIELD)
        reader = csv.DictReader(opened, restkey=None, strict=True)
        try:
            columns = reader.fieldnames or ()
            if twice := [name for name, number in Counter(columns).items() if name and number > 1]:
                raise BadSource(
                    f"{path} has the column {twice[0]!r} twice: two runs or metrics of one name. Rename one "
                    "and export it again."
                )
            for row in reader:
                if None in row or None in row.values():
                    raise BadSource(
                        f"{path}, line {reader.line_num} has another number of columns than the first line. "
                        "Export it again."
                    )
                yield {name: TRUTHS.get(value, value) for name, value in row.items()}
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadSource(f"{path}, line {reader.line_num} is no CSV: {error}. Export it again.") from None


def _json_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Rows of JSON lines, one after another, of one list, or of columns as pandas writes them."""
    with path.open(encoding="utf-8-sig") as opened:
        is_list = opened.read(4096).lstrip().startswith("[")
        opened.seek(0)
        where = ""
        try:
            if is_list:
                for at, row in enumerate(json.load(opened), 1):
                    yield _row(row, path, f"row {at}")
            else:
                for at, line in enumerate(opened, 1):
                    where = f", line {at}"
                    if line.strip():
                        row = _row(json.loads(line), path, f"line {at}")
                        yield from _of_columns(row) if isinstance(row.get("_step"), dict) else [row]
        except ValueError as error:  # UnicodeDecodeError is one
            raise BadSource(f"{path}{where} is no JSON: {error}. Export it again.") from None


def _of_columns(table: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Rows of `{"_step": {"0": 0, "1": 5}, "loss": {"0": 0.5, "1": 0.25}}`: of `run.history().to_json()`."""
    columns = {name: column for name, column in table.items() if isinstance(column, dict)}
    for row in columns["_step"]:
        yield {name: column.get(row) for name, column in columns.items()}


def _row(row: Any, path: Path, where: str) -> Mapping[str, Any]:
    if not isinstance(row, dict):
        raise BadSource(f"{path}, {where} is no object of names and values. {HINT}")
    return row


def _records(path: Path, rows: Iterator[Mapping[str, Any]]) -> Iterator[Point | Line]:
    for at, row in enumerate(rows):
        step = number(row.get("_step", at))
        if step is None or step != step // 1:
            shown = f"{row['_step']!r:.40}"
            raise BadSource(f"{path}: _step of row {at + 1} is {shown}, not a whole number. {HINT}")
        wall_time = number(row.get("_timestamp")) or 0.0
        yield from _of_row(row, int(step), wall_time)


def _of_row(row: Mapping[str, Any], step: int, wall_time: float) -> Iterator[Point | Line]:
    for name, value in flattened(without_media(row)):
        if not name.strip() or name.startswith(("_", "Unnamed: ")) or value in ("", None):
            continue  # W&B's own, the index of pandas, or no point here
        if (found := number(value)) is not None:
            yield Point(name, step, wall_time, found)
        elif isinstance(value, bool):
            yield Point(name, step, wall_time, float(value))
        elif isinstance(value, str):
            yield Line(f"{name} at step {step:,}: {value}", wall_time)
        else:
            tell_once(left_out(name))


def _config_beside(path: Path) -> dict[str, Any]:
    """Of config.json or config.yaml; W&B wraps each value there as {"value": …}."""
    for file in (path.parent / "config.json", path.parent / "config.yaml"):
        if file == path or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        try:
            found = json.loads(text) if file.suffix == ".json" else _yaml(text, file)
        except ValueError as error:
            raise BadSource(f"{file} cannot be read: {error}. Mend or remove it and import again.") from None
        if isinstance(found, dict):
            return {
                name: value["value"] if isinstance(value, dict) and "value" in value else value
                for name, value in found.items()
                if not name.startswith("_") and name != "wandb_version"
            }
    return {}


def _yaml(text: str, file: Path) -> Any:
    if find_spec("yaml") is None:
        tell_once(f"{file} is left out: reading it needs pyyaml. Install it: pip install pyyaml.")
        return {}
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no YAML ({' '.join(str(error).split())})") from None


def _offline(path: Path) -> SourceRun:
    try:
        from wandb.proto.wandb_internal_pb2 import Record  # noqa: F401
    except ImportError:
        raise missing_extra("wandb", "wandb") from None
    name, project, run_id = "", "", path.stem.removeprefix("run-")
    config: dict[str, Any] = {}
    status, cause = "finished", "The offline run has no end: it was killed, or ran on when it was imported."
    for record in _offline_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            name, project, run_id = record.run.display_name, record.run.project, record.run.run_id
            config.update(_items(record.run.config.update))
        elif kind == "config":
            config.update(_items(record.config.update))
        elif kind == "exit":
            code = record.exit.exit_code
            status, cause = ("failed", f"exit code {code}") if code else ("finished", "")
    return SourceRun(
        # An offline run has no server yet: its folder's name, with its time, tells runs of one id apart.
        identity=f"{project}/{run_id}/{path.resolve().parent.name}",
        name=name or run_id,
        records=lambda: _of_offline(path),
        project=project,
        config={key: value for key, value in config.items() if not key.startswith("_")},
        status=status,
        cause=cause,
    )


def _of_offline(path: Path) -> Iterator[Point | Line]:
    summary: dict[str, Any] = {}
    logged: set[str] = set()
    step, wall_time = 0, 0.0
    for record in _offline_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            row = _items(record.history.item)
            step = record.history.step.num if record.history.HasField("step") else int(row.get("_step", 0))
            wall_time = number(row.get("_timestamp")) or 0.0
            logged |= row.keys()
            yield from _of_row(row, step, wall_time)
        elif kind == "summary":
            summary.update(_items(record.summary.update))
        elif kind == "run" and (about := _about(record.run)):
            yield Line(about, record.run.start_time.seconds)
        elif kind in ("output_raw", "output"):
            output = getattr(record, kind)
            if text := output.line.rstrip():
                yield Line(text, output.timestamp.seconds + output.timestamp.nanos / 1e9)
    own = {name: value for name, value in summary.items() if name not in logged}
    yield from _of_row(own, step, wall_time)  # what the script put into the summary alone


def _about(run: Any) -> str:
    tags = f"Tags: {', '.join(run.tags)}" if run.tags else ""
    return "\n".join(filter(None, (run.notes, tags)))


def _items(items: Any) -> dict[str, Any]:
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}


def _offline_records(path: Path) -> Iterator[Any]:
    """The records of a file: blocks of 32 KiB with parts, each after its checksum, length and kind."""
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record

    with path.open("rb") as opened:
        if opened.read(4) != b":W&B":
            raise BadSource(f"{path} is no file of an offline run. {HINT}")
        opened.seek(HEAD)
        at, whole = HEAD, b""
        while True:
            left = BLOCK - at % BLOCK
            if left < HEAD:
                opened.seek(left, 1)
                at += left
            head = opened.read(HEAD)
            length, kind = int.from_bytes(head[4:6], "little"), head[6] if len(head) == HEAD else 0
            data = opened.read(length)
            at += HEAD + length
            if len(head) < HEAD or len(data) < length:
                if head:
                    tell_once(f"{path}: its last record is cut off and is left out.")
                return
            if zlib.crc32(data, zlib.crc32(head[6:])) != int.from_bytes(head[:4], "little"):
                raise BadSource(
                    f"{path} is damaged at byte {at - length}. Export the run from W&B as CSV instead."
                )
            whole = data if kind in (FULL, FIRST) else whole + data
            if kind in (FULL, LAST):
                try:
                    yield Record.FromString(whole)
                except DecodeError:
                    raise BadSource(
                        f"{path} is of another version of wandb. Update it: pip install -U wandb."
                    ) from None
