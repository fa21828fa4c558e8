"""How to compute a run again: the commands, and what they cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from sqlalchemy.orm import Session

from backend.domain.experiment import BUILT_IN_SETS, GENERATED_SETS, CheckpointStart, RunStart
from backend.domain.hub import is_hub_link
from backend.domain.provenance import SHOWN, Provenance, differences, differing_sets
from backend.kit.format import counted
from backend.kit.secrets_in_text import HIDDEN
from backend.run_view.views import RunView
from backend.runs import provenance

REPOSITORY = "etrm-lab"  # the folder that it is cloned into
_CURL = 'curl -fsS -H "Authorization: Bearer $ETRM_TOKEN"'


@dataclass(frozen=True)
class Start:
    """One start of a run, and what is kept of its uncommitted changes."""

    attempt: int
    record: Provenance
    hidden: int  # secrets that were taken out of them
    is_cut: bool


@dataclass(frozen=True)
class Recipe:
    """Commands for an empty folder, in their order, and what else has to hold."""

    commands: Sequence[str]
    notes: Sequence[str]

    @property
    def text(self) -> str:
        """All commands, to be copied."""
        return "\n".join(self.commands)


def starts_of(session: Session, run_id: str) -> list[Start]:
    """The recorded starts of a run, oldest first."""
    return [
        Start(attempt, provenance.parsed(row), row.hidden, row.is_cut)
        for attempt, row in provenance.of_run(session, run_id).items()
    ]


def recipe(run: RunView, starts: Sequence[Start], lab: str) -> Recipe | None:
    """How to train the run again on another machine; `lab` is the address of this server.

    None where it has no record yet, and for an external run: only its script knows how it is started.
    """
    if run.experiment is None or not starts:
        return None
    last = starts[-1]
    address = f"{lab.rstrip('/')}/api/v1/runs/{run.id}"
    commands = [*_code(last, f"{_CURL} {address}/provenance/{last.attempt}/diff")]
    etrm = ".venv/bin/etrm" if last.record.commit else "etrm"
    commands += [
        f"{_CURL} {address}/config -o {run.id}.json",
        f"{etrm} train {run.id}.json --out {run.id}",
    ]
    return Recipe(commands, _notes(run, starts))


def _code(start: Start, changes: str) -> list[str]:
    """Commands that bring the code of a start, and install it."""
    record = start.record
    if not record.commit:
        version = f"=={record.version}" if record.version else ""
        return [f"pip install {quote(f'etrm-lab[worker]{version}')}"]
    address = record.remote.replace(f"{HIDDEN}@", "")  # git asks for a login, or has one
    return [
        f"git clone {quote(address or 'REPOSITORY')} {REPOSITORY}",
        f"cd {REPOSITORY}",
        f"git checkout {record.commit}",
        *([f"{changes} | git apply"] if record.diff else []),
        "make install",
    ]


def _notes(run: RunView, starts: Sequence[Start]) -> list[str]:
    """What keeps the commands from giving the same numbers."""
    last, records = starts[-1], [start.record for start in starts]
    notes = ["ETRM_TOKEN stands for a token of this lab: etrm token create NAME."]
    if last.record.commit and not last.record.remote:
        notes.append("REPOSITORY stands for a clone of the repository: it had no remote called origin.")
    if last.is_cut:
        notes.append("Not all of the uncommitted changes could be kept: their diff does not apply.")
    if last.hidden:
        notes.append(
            f"{counted(last.hidden, 'secret')} in the uncommitted changes "
            f"{'is' if last.hidden == 1 else 'are'} shown as ***: fill in your own."
        )
    if len(starts) > 1:
        if changed := differences(records):
            notes.append(
                f"{', '.join(changed)} changed between its {counted(len(starts), 'start')}: "
                "these commands use those of the last one."
            )
        if sets := differing_sets(records):
            notes.append(f"Between its starts, {', '.join(sets)} came to hold other tasks.")
    notes += _to_bring(run, last.record)
    where = last.record.device
    if where:
        notes.append(
            f"It ran on {where}. On a CPU of this kind, in fp32 and with the same packages, every number is "
            "the same bit for bit; elsewhere the last digits differ, and curves drift apart from there."
        )
    return notes


def _to_bring(run: RunView, record: Provenance) -> list[str]:
    """What the commands need besides code and config."""
    assert run.experiment
    own = [name for name in record.sets if name not in (*BUILT_IN_SETS, *GENERATED_SETS)]
    notes = [
        f"First import the task set {name} with etrm data import "
        f"(SHA-256 of its tasks: {record.sets[name][:SHOWN]}…)."
        for name in own
    ]
    start = run.experiment.training.initialise_from
    if isinstance(start, RunStart):
        notes.append(
            f"It starts from the checkpoint of run {start.run} at step {start.step}, "
            "which has to be in the artifacts folder."
        )
    elif isinstance(start, CheckpointStart):
        link = is_hub_link(start.path)
        where = "fetched from the Hugging Face Hub" if link else "at the same path"
        notes.append(f"It starts from a file of weights, which has to be {where}.")
    return notes
