"""Log a training script into ETRM Lab:

    import etrm_lab

    run = etrm_lab.init(name="baseline", config={"lr": 1e-3})
    run.log({"loss": 0.7}, step=0)
    run.finish()

`import etrm_lab as wandb` runs scripts that were written for Weights & Biases and use what is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from etrm_lab import start
from etrm_lab.histogram import Histogram
from etrm_lab.media import Artifact, Image, Table
from etrm_lab.session import Run
from etrm_lab.start import Settings
from etrm_lab.state import Config

if TYPE_CHECKING:
    from etrm_lab.query import Api, Grid

__all__ = [
    "Api",
    "Artifact",
    "Config",
    "Grid",
    "Histogram",
    "Image",
    "Run",
    "Settings",
    "Table",
    "alert",
    "config",
    "define_metric",
    "finish",
    "init",
    "log",
    "log_artifact",
    "login",
    "run",
    "save",
    "summary",
    "unwatch",
    "watch",
]

run: Run | None = None  # the newest that `init` gave; None once it is finished
config: Config = Config({}, lambda _: None)
summary: Any = {}


def init(*args: Any, **options: Any) -> Run:
    """Start a run, or continue one: see `etrm_lab.start.init` for what it takes."""
    global run, config, summary
    if run is not None and run.is_logging:
        run.finish()
    run = start.init(*args, **options)
    config, summary = run.config, run.summary
    return run


def log(values: Mapping[str, Any], step: int | None = None, **options: Any) -> None:
    """Log to the run of `init`; RuntimeError before it."""
    _current().log(values, step, **options)


def alert(title: str, text: str = "", **options: Any) -> None:
    """Raise an alarm of the run of `init`."""
    _current().alert(title, text, **options)


def finish(exit_code: int | None = 0, quiet: object = None) -> None:
    """End the run of `init`, if there is one."""
    global run
    if run is not None:
        run.finish(exit_code, quiet)
        run = None


def login(*_: Any, **__: Any) -> bool:
    """W&B's. Here the token comes from ETRM_TOKEN or `etrm login`."""
    return True


def watch(*_: Any, **__: Any) -> None:
    """W&B's, as `Run.watch`."""
    _current().watch()


def unwatch(*_: Any, **__: Any) -> None:
    """W&B's: without effect."""


def define_metric(*_: Any, **__: Any) -> None:
    """W&B's, as `Run.define_metric`."""
    _current().define_metric()


def save(*_: Any, **__: Any) -> list[str]:
    """W&B's, as `Run.save`."""
    return _current().save()


def log_artifact(*_: Any, **__: Any) -> Artifact:
    """W&B's, as `Run.log_artifact`."""
    return _current().log_artifact()


def _current() -> Run:
    if run is None:
        raise RuntimeError("Call etrm_lab.init() before you log.")
    return run


def __getattr__(name: str) -> Any:
    if name in ("Api", "Grid"):  # what queries need is imported where somebody queries
        from etrm_lab import query

        return getattr(query, name)
    raise AttributeError(f"etrm_lab has no {name!r}. What it has: {', '.join(__all__)}.")
