"""Ask a lab for its runs: configs, curves, results and predictions, as lists of dicts or data frames."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from etrm_lab.connection import Lab, Refused
from etrm_lab.logins import chosen
from etrm_lab.start import as_id
from etrm_lab.values import digits_of, flattened

PAGE = 200
SHOWN_ROWS = 50  # of a table, in a notebook
CELL = 16  # pixels of a grid's cell, in a notebook
# How ARC shows colours 0 to 9.
PALETTE = (
    "#000000", "#0074D9", "#FF4136", "#2ECC40", "#FFDC00",
    "#AAAAAA", "#F012BE", "#FF851B", "#7FDBFF", "#870C25",
)  # fmt: skip
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
# The words of W&B for the status of a run.
STATES = {"lost": "crashed", "cancelled": "killed", "cancelling": "killed", "queued": "pending"}
Row = dict[str, Any]


class Rows(list[Row]):
    """Rows as dicts; a notebook shows them as a table."""

    def to_pandas(self) -> Any:
        """A pandas DataFrame; ImportError where pandas is not installed."""
        import pandas

        return pandas.DataFrame(list(self))

    def to_polars(self) -> Any:
        """A polars DataFrame; ImportError where polars is not installed."""
        import polars

        return polars.DataFrame(list(self), infer_schema_length=None)

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for row in self[:SHOWN_ROWS] for name in row))
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(_cell(row.get(name)))}</td>' for name in names)}</tr>"
            for row in self[:SHOWN_ROWS]
        )
        more = f"<p>{len(self):,} rows, {SHOWN_ROWS} shown</p>" if len(self) > SHOWN_ROWS else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


class Runs(list["RunRecord"]):
    """Runs in order; `rows` and the data frames have a line for each."""

    @property
    def rows(self) -> Rows:
        """Id, name, status, project, tags, config (`config.lr`) and the newest values of headline metrics."""
        return Rows(run.row for run in self)

    def to_pandas(self) -> Any:
        """A pandas DataFrame of `rows`."""
        return self.rows.to_pandas()

    def to_polars(self) -> Any:
        """A polars DataFrame of `rows`."""
        return self.rows.to_polars()

    def _repr_html_(self) -> str:
        return self.rows._repr_html_()


class RunRecord:
    """One run of the lab, as it was when it was asked for."""

    def __init__(self, lab: Lab, view: Mapping[str, Any]) -> None:
        self._lab, self.view = lab, view
        self.id: str = view["id"]
        self.name: str = view["name"]
        self.status: str = view["status"]
        self.config: Row = view["config"]
        self.tags: list[str] = view["tags"]
        self.project: str = view["project"]
        self.created_at: float = view["created_at"]
        self.url = f"{lab.url}/runs/{self.id}"

    @property
    def state(self) -> str:
        """The status in the words of W&B: running, finished, failed, crashed, killed."""
        return STATES.get(self.status, self.status)

    @cached_property
    def summary(self) -> Row:
        """The newest value of every metric."""
        return _newest(self._lab.get(f"/runs/{self.id}")["metrics"])

    @property
    def row(self) -> Row:
        """The run as one line of a table."""
        facts = {name: self.view[name] for name in ("id", "name", "status", "project", "tags", "step")}
        config = {f"config.{name.replace('/', '.')}": value for name, value in flattened(self.config)}
        return {**facts, **config, **_newest(self.view["metrics"])}

    def curves(self, names: Iterable[str] = (), max_points: int = 1000) -> Rows:
        """Points as rows with name, step, wall_time and value; curves are thinned so that extremes stay."""
        asked = self._lab.get(f"/runs/{self.id}/series", names=",".join(names), max_points=max_points)
        return Rows(
            {"name": name, "step": step, "wall_time": moment, "value": _number(value)}
            for name, curve in asked["series"].items()
            for step, moment, value in zip(curve["step"], curve["wall_time"], curve["value"], strict=True)
        )

    def history(
        self,
        samples: int = 500,
        keys: Sequence[str] | None = None,
        x_axis: str = "_step",
        pandas: bool = True,
        **_: Any,
    ) -> Any:
        """A row for each step with the metrics as columns, thinned to about `samples`.

        A pandas DataFrame where pandas is installed, else (or with `pandas=False`) rows.
        """
        rows = Rows(_by_step(self.curves(_metrics(keys), max(samples, 10)), keys))
        try:
            return rows.to_pandas() if pandas else rows
        except ImportError:
            return rows

    def scan_history(self, keys: Sequence[str] | None = None, **_: Any) -> Iterator[Row]:
        """Every step as it was logged, nothing thinned; with `keys` the steps that have all of them."""
        names = ",".join(_metrics(keys))
        asked = self._lab.get(f"/runs/{self.id}/series/export", names=names, format="json")
        points = ({**point, "name": point["metric"], "value": _number(point["value"])} for point in asked)
        yield from _by_step(points, keys)

    def results(self) -> Rows:
        """The run's evaluations: set, step, protocol, pass@k as solved of n with its interval."""
        found = Rows()
        for each in self._lab.get(f"/runs/{self.id}/evaluations"):
            row = {name: value for name, value in each.items() if not isinstance(value, dict | list)}
            for score in each["passes"]:
                at = f"pass@{score['k']}"
                row |= {at: score["share"], f"{at}_solved": score["solved"], f"{at}_n": score["n"]}
                row |= {f"{at}_low": score["low"], f"{at}_high": score["high"]}
            found.append(row)
        return found

    def predictions(self, evaluation: int | None = None, failure_mode: str = "") -> Rows:
        """What the run made of every test input, with its candidates by rank; of all evaluations, or one."""
        found, cursor = Rows(), None
        while True:
            page = self._lab.get(
                f"/runs/{self.id}/predictions",
                evaluation=evaluation,
                failure_mode=failure_mode,
                limit=PAGE,
                cursor=cursor,
            )
            found += page["predictions"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def __repr__(self) -> str:
        return f"<run {self.id} {self.name!r}: {self.status}>"

    def _repr_html_(self) -> str:
        facts = {"status": self.status, "step": self.view["step"], **_newest(self.view["metrics"])}
        lines = ((html.escape(name), html.escape(_cell(value))) for name, value in facts.items())
        rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in lines)
        link = f'<a href="{html.escape(self.url)}">{html.escape(self.name)}</a>'
        return f"<p><b>{link}</b> {html.escape(self.project)}</p><table>{rows}</table>"


class Comparison(dict[str, Any]):
    """Runs side by side, as the lab compares them; a notebook shows who differs from the baseline."""

    def _repr_html_(self) -> str:
        names = {run["id"]: run["name"] for run in self["runs"]}
        pairs = ((each["run"], each["comparison"], each["reason"]) for each in self["significance"])
        rows = Rows(
            {"run": names[run], f"beside {names[self['base']]}": compared["words"] if compared else reason}
            for run, compared, reason in pairs
        )
        return rows._repr_html_()


class Grid:
    """An ARC grid, as lists, array or digits; a notebook draws it. ValueError for what is no grid."""

    def __init__(self, grid: Any) -> None:
        digits = digits_of(grid)
        if digits is None:
            raise ValueError("That is no grid: at most 30 rows of equal length with colours 0 to 9.")
        self.digits = digits

    def __repr__(self) -> str:
        return self.digits.replace("/", "\n")

    def _repr_html_(self) -> str:
        rows = self.digits.split("/")
        cells = "".join(
            f'<rect x="{x}" y="{y}" width="1" height="1" fill="{PALETTE[int(digit)]}"/>'
            for y, row in enumerate(rows)
            for x, digit in enumerate(row)
        )
        width, height = len(rows[0]), len(rows)
        size = f'width="{CELL * width}" height="{CELL * height}" viewBox="0 0 {width} {height}"'
        edges = 'stroke="#555" stroke-width="0.05"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {edges}>{cells}</svg>'


class Api:
    """A lab, asked. Address and token as for `init`; ValueError where no address is known."""

    def __init__(self, url: str | None = None, token: str | None = None, **_: Any) -> None:
        address, secret = chosen(url, token)
        if not address:
            raise ValueError("No address of a lab is known. Give url, set ETRM_URL, or run etrm login.")
        self._lab = Lab(address, secret)

    def runs(
        self,
        path: str = "",
        filters: Mapping[str, Any] | None = None,
        order: str = "",
        *,
        filter: str = "",
        limit: int | None = None,
        **_: Any,
    ) -> Runs:
        """The runs that match, newest first or in `order` (a name; `-name`: descending).

        `filter` is in the lab's language, as in the box above its table: `lr > 0.1 and status == "finished"`.
        `path` (ENTITY/PROJECT) and `filters` are as W&B has them: of filters, equality and `$in` on `state`,
        `display_name`, `tags` and `config.…`; ValueError for another.
        """
        whole = path.strip("/")
        projects = [name for name in (whole, whole.partition("/")[2]) if name]  # its name may have a slash
        named = " or ".join(f"project == {_quoted(name)}" for name in projects)
        wanted = " and ".join(f"({part})" for part in (named, filter) if part)
        tests = list(_tests(filters or {}))
        sort = order.removeprefix("+").replace("created_at", "created")
        found, cursor = Runs(), None
        while True:
            page = self._lab.get("/runs", filter=wanted, sort=sort, limit=PAGE, cursor=cursor)
            for view in page["runs"]:
                run = RunRecord(self._lab, view)
                if all(_matches(run, name, values) for name, values in tests):
                    found.append(run)
                if limit is not None and len(found) >= limit:
                    return found
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def run(self, path: str) -> RunRecord:
        """One run by its id, or by a path that ends with it; an id that `init` took will do as well.
        ValueError where there is none."""
        given = path.rstrip("/").rpartition("/")[2]
        run_id = as_id(given)
        try:
            return RunRecord(self._lab, self._lab.get(f"/runs/{run_id}"))
        except Refused as refusal:
            logged_as = "" if run_id == given else f"Nothing was logged as id={given!r}. "
            raise ValueError(f"{logged_as}{refusal}") from None

    def compare(self, *runs: str | RunRecord) -> Comparison:
        """The runs side by side as the lab compares them, the first as the baseline."""
        ids = [each if isinstance(each, str) else each.id for each in runs]
        return Comparison(self._lab.get("/compare", runs=",".join(ids)))


def _tests(filters: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """(name, allowed values) of W&B's filters."""
    for name, wanted in filters.items():
        if not (name in ("state", "display_name", "tags", "name") or name.startswith("config.")):
            raise ValueError(f"filters: {name!r} is not supported; use filter= in the lab's language.")
        if isinstance(wanted, Mapping):
            if set(wanted) != {"$in"}:
                raise ValueError(f"filters: of {name} only a value or {{'$in': […]}}; use filter= for more.")
            yield name, list(wanted["$in"])
        else:
            yield name, [wanted]


def _matches(run: RunRecord, name: str, values: list[Any]) -> bool:
    if name == "tags":
        return any(tag in values for tag in run.tags)
    if name in ("state", "display_name", "name"):
        return {"state": run.state, "display_name": run.name, "name": run.id}[name] in values
    found: Any = run.config
    for part in name.removeprefix("config.").removesuffix(".value").split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found in values


def _by_step(points: Iterable[Mapping[str, Any]], keys: Sequence[str] | None) -> list[Row]:
    rows: dict[int, Row] = {}
    for point in points:
        row = rows.setdefault(point["step"], {"_step": point["step"], "_timestamp": point["wall_time"]})
        row[point["name"]] = point["value"]
        row["_timestamp"] = max(row["_timestamp"], point["wall_time"])
    return [rows[step] for step in sorted(rows) if not keys or all(key in rows[step] for key in keys)]


def _metrics(keys: Sequence[str] | None) -> list[str]:
    """The keys that are metrics: every row has its step and its time besides."""
    return [key for key in keys or () if key not in ("_step", "_timestamp")]


def _newest(metrics: Mapping[str, Mapping[str, Any]]) -> Row:
    return {name: _number(metric["last"]) for name, metric in metrics.items()}


def _number(value: Any) -> Any:
    """A value as JSON has it, as a float: not-a-number comes as null or as text."""
    return math.nan if value is None else NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)[:200]
