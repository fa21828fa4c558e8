"""From a journal to the lab: reads what was not acknowledged yet, sends it, and notes what was.

A record may be sent twice and is stored once: points and histograms by name and step, lines of the log by
time and text, alarms by name, predictions by test input, the run by its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from etrm_lab.connection import ENDING, Lab, Refused
from etrm_lab.journal import Journal, Record
from etrm_lab.output import tell_once
from etrm_lab.values import sayable

CHUNK = 1 << 18  # bytes of a journal that are read at once
MAX_CELLS = 50_000  # steps x metrics of one request
MAX_NAMES = 900  # metrics of one request; the lab takes 1,000
MAX_LINES, MAX_PREDICTIONS, MAX_HISTOGRAMS = 2000, 100, 100  # of one request
OF_MODEL = ("set", "step", "weights", "views", "act_steps")  # what predictions of one evaluation share


class Over(Exception):
    """The run takes no more: it was cancelled or deleted in the lab."""


class Delivery:
    """Sends one journal. Its methods raise `connection.Away` where the lab does not answer now, and Over."""

    def __init__(self, journal: Journal, lab: Lab) -> None:
        self._journal, self._lab = journal, lab
        journal.send_to(lab.url)
        self._opened = False
        self._opening, self._opening_end = self._last_start()

    @property
    def pending(self) -> int:
        """Bytes that the lab has not acknowledged."""
        return self._journal.size - self._journal.acknowledged

    def send_some(self) -> bool:
        """Send the next part of the journal; whether there was one."""
        if not self.pending:
            return False
        self._open()
        chunk = self._journal.read(self._journal.acknowledged, CHUNK)
        group: list[Record] = []
        end = self._journal.acknowledged
        for record, ends in chunk:
            if record.get("kind") == "finish" and ends > self._opening_end:
                self._send(group)
                self._finish(record)
                group = []
                self._journal.acknowledged = ends
            elif record.get("kind") != "finish":  # one from before the script was started again is history
                group.append(record)
            end = ends
        self._send(group)
        self._journal.acknowledged = end
        return bool(chunk)

    def beat(self) -> None:
        """A sign of life where nothing is to be sent."""
        self._open()
        self._ask("POST", "heartbeat", {})

    def _last_start(self) -> tuple[Record, int]:
        found: tuple[Record, int] = ({}, 0)
        for record, end in self._journal.records():
            if record.get("kind") == "start":
                found = record, end
        return found

    def _open(self) -> None:
        """Create the run, or continue it: before anything else that this process sends."""
        if self._opened:
            return
        if not self._opening:
            raise Over(f"{self._journal.path} does not begin as a journal does.")
        try:
            self._lab.ask("POST", "/runs/external", self._opening["run"])
        except Refused as refusal:
            raise Over(str(refusal)) from None
        self._opened = True

    def _finish(self, record: Record) -> None:
        body = {"status": record["status"], "cause": record["cause"]}
        try:
            self._lab.ask("POST", f"{self._path}/finish", body)
        except Refused as refusal:
            if refusal.status != 409:  # it is over already: said before, or cancelled in the lab
                raise Over(str(refusal)) from None

    def _send(self, records: Sequence[Record]) -> None:
        by_kind: dict[str, list[Record]] = {}
        for record in records:
            by_kind.setdefault(record.get("kind", ""), []).append(record)
        for config in by_kind.get("config", [])[-1:]:
            self._each([config], lambda one: self._ask("PUT", "config", {"config": one[0]["config"]}))
        for found in by_kind.get("provenance", [])[-1:]:
            self._each([found], lambda one: self._ask("PUT", "provenance", _bare(one[0])))
        for part in parts_of_points(by_kind.get("points", [])):
            self._each(part, lambda some: self._ask("POST", "metrics", metrics_body(some)))
        for part in cut(by_kind.get("histogram", []), MAX_HISTOGRAMS):
            self._each(part, lambda some: self._ask("POST", "histograms", histograms_body(some)))
        for part in cut(by_kind.get("text", []), MAX_LINES):
            self._each(part, lambda some: self._ask("POST", "log", {"lines": [_bare(one) for one in some]}))
        for group in grouped_predictions(by_kind.get("prediction", [])):
            for part in cut(group, MAX_PREDICTIONS):
                self._each(part, lambda some: self._ask("POST", "predictions", predictions_body(some)))
        for alert in by_kind.get("alert", []):
            self._each([alert], lambda one: self._ask("POST", "alarms", _bare(one[0])))

    def _each(self, records: Sequence[Record], send: Callable[[Sequence[Record]], None]) -> None:
        """Send records in one request; of one that is refused, all but the records that are at fault."""
        try:
            send(records)
        except Refused as refusal:
            if len(records) == 1:
                what = records[0]["kind"]
                tell_once(f"the lab did not take some of what was logged ({what}): {refusal}", f"{refusal}")
                return
            middle = len(records) // 2
            self._each(records[:middle], send)
            self._each(records[middle:], send)

    @property
    def _path(self) -> str:
        return f"/runs/{self._opening['run']['id']}"

    def _ask(self, method: str, what: str, body: Any) -> None:
        try:
            self._lab.ask(method, f"{self._path}/{what}", body)
        except Refused as refusal:
            if refusal.status in ENDING:
                raise Over(str(refusal)) from None
            raise


def parts_of_points(records: Iterable[Record]) -> list[list[Record]]:
    """Points in requests of bounded size: each is a table of its steps and of all names that it has."""
    parts: list[list[Record]] = []
    names: set[str] = set()
    for record in _narrowed(records):
        names |= record["values"].keys()
        if not parts or (len(parts[-1]) + 1) * len(names) > MAX_CELLS or len(names) > MAX_NAMES:
            parts.append([])
            names = set(record["values"])
        parts[-1].append(record)
    return parts


def _narrowed(records: Iterable[Record]) -> Iterator[Record]:
    """The same points; of a step with more metrics than one request takes, several records."""
    for record in records:
        if len(record["values"]) <= MAX_NAMES:
            yield record
            continue
        values = list(record["values"].items())
        for at in range(0, len(values), MAX_NAMES):
            yield {**record, "values": dict(values[at : at + MAX_NAMES])}


def metrics_body(records: Sequence[Record]) -> Record:
    """The request that writes points."""
    names = dict.fromkeys(name for record in records for name in record["values"])
    return {
        "step": [record["step"] for record in records],
        "wall_time": [record["wall_time"] for record in records],
        "values": {name: [sayable(record["values"].get(name)) for record in records] for name in names},
    }


def histograms_body(records: Sequence[Record]) -> Record:
    """The request that writes histograms."""
    return {"histograms": [_bare(record) for record in records]}


def predictions_body(records: Sequence[Record]) -> Record:
    """The request that writes predictions of one evaluation."""
    shared = {name: records[0][name] for name in OF_MODEL}
    own = [{name: record[name] for name in ("task", "test", "candidates")} for record in records]
    return {**shared, "predictions": own}


def grouped_predictions(records: Iterable[Record]) -> list[list[Record]]:
    """Predictions by the evaluation that they belong to."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(record[name] for name in OF_MODEL), []).append(record)
    return list(groups.values())


def cut(records: list[Record], most: int) -> list[list[Record]]:
    """Parts of `most` records, the last with what is left."""
    return [records[at : at + most] for at in range(0, len(records), most)]


def _bare(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "kind"}
