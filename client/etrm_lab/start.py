"""`init`: which run, where its journal is, and how it ends when the script does."""

from __future__ import annotations

import atexit
import hashlib
import os
import secrets
import string
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from etrm_lab.journal import SUFFIX, Busy, Journal, first_record, journals
from etrm_lab.logins import chosen
from etrm_lab.output import tell, tell_once
from etrm_lab.session import Run
from etrm_lab.values import config_of, one_line

FOLDER = "etrm-runs"
WANDB_RESUME = ("allow", "must", "auto", "never")  # what W&B takes as `resume`
LETTERS = string.ascii_lowercase + string.digits
ID_LENGTH = 10
RANKS = ("RANK", "LOCAL_RANK")  # as torchrun and others set them
LOOK_SECONDS = 5.0  # that a resumed run without a journal waits for the lab's answer


class Settings:
    """W&B's: taken, and without effect."""

    def __init__(self, **_: Any) -> None:
        pass


class _Ending:
    """How the script ends: noticed on its way out, told when it is out."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.error: BaseException | None = None
        self.code: object = None
        self._hooked = False

    def watch(self, run: Run) -> None:
        """End this run when the script ends."""
        self.run, self.error, self.code = run, None, None
        if self._hooked:
            return
        self._hooked = True
        atexit.register(self._end)
        report, leave = sys.excepthook, sys.exit

        def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            self.error = error
            report(kind, error, trace)

        def exit_noted(code: Any = None, /) -> None:
            self.code = code
            leave(code)

        sys.excepthook, sys.exit = hook, exit_noted  # type: ignore[assignment] # it never returns either

    def _end(self) -> None:
        if self.run is None:
            return
        if self.error is not None:
            self.run.fail(self.error)
        elif isinstance(self.code, str):
            self.run.finish(1, cause=self.code)
        else:
            self.run.finish(self.code if isinstance(self.code, int) else 0)


_ending = _Ending()


def init(
    project: str | None = None,
    name: str | None = None,
    config: Any = None,
    *,
    resume: bool | str | None = None,
    id: str | None = None,
    url: str | None = None,
    token: str | None = None,
    dir: str | os.PathLike[str] = FOLDER,
    mode: str = "online",
    settings: object = None,
    **ignored: Any,
) -> Run:
    """Start a run, or continue one; it ends with the script, or with `finish`.

    `resume` is the id of a run to continue; with True, the newest run of this name in `dir` is continued,
    where there is one. Address and token come from the arguments, from ETRM_URL and ETRM_TOKEN, or from
    `etrm login`; without an address the run is in its journal alone. Only the process of rank 0 (RANK,
    LOCAL_RANK) logs.
    `mode` is `online`, `offline` (the journal alone) or `disabled` (nothing at all).

    TypeError and ValueError for a config that is none; what is wrong with the lab is told and raises nothing.
    """
    if mode not in ("online", "offline", "disabled"):
        raise ValueError(f"mode must be online, offline or disabled, not {mode!r}.")
    if unknown := sorted(key for key, value in ignored.items() if value is not None):
        tell_once(f"init: {', '.join(unknown)} has no meaning here and is left out.")
    plain = config_of(config)
    folder, group = Path(dir), one_line(project or "", 60)
    title = one_line(name or "", 120)
    run_id, is_known = _run_id(id, resume, title, folder)
    title = title or f"{Path(sys.argv[0] or 'run').stem or 'run'}-{run_id}"[:120]
    if mode == "disabled" or _rank() != 0:
        run = Run(run_id, title, group, plain)
    else:
        address, secret = chosen(url, token) if mode == "online" else ("", "")
        if address and not address.startswith(("http://", "https://")):
            raise ValueError(
                f"url must be the address of a lab such as https://lab.example, not {address!r}."
            )
        if mode == "online" and not address:
            tell("no address of a lab is known. Set ETRM_URL and ETRM_TOKEN, or run etrm login.")
        run = Run(run_id, title, group, plain, _journal(folder, run_id), address, secret)
        if is_known and run.step < 0 and address:
            run.step = _step_in_the_lab(address, secret, run_id)
        _ending.watch(run)
        run.note_provenance()
    return run


def _journal(folder: Path, run_id: str) -> Journal | None:
    try:
        return Journal(folder, run_id)
    except Busy as busy:
        raise ValueError(f"{busy} Give another id, or wait for it to end.") from None
    except OSError as error:
        tell(f"{folder} cannot be written ({error.strerror}): nothing is logged. Give another folder as dir.")
        return None


def _run_id(id: str | None, resume: bool | str | None, name: str, folder: Path) -> tuple[str, bool]:
    """(id of the run, whether it may exist already)."""
    wanted = id or (resume if isinstance(resume, str) and resume not in WANDB_RESUME else "")
    if wanted:
        return as_id(wanted), True
    if resume and resume != "never" and (found := _newest(folder, name)):
        return found, True
    return "".join(secrets.choice(LETTERS) for _ in range(ID_LENGTH)), False


def as_id(text: str) -> str:
    """An id of the lab's form: the text itself, or what is made of it, always the same."""
    if len(text) == ID_LENGTH and set(text) <= set(LETTERS):
        return text
    number = int.from_bytes(hashlib.sha256(text.encode(errors="replace")).digest(), "big")
    return "".join(LETTERS[number // len(LETTERS) ** at % len(LETTERS)] for at in range(ID_LENGTH))


def _newest(folder: Path, name: str) -> str:
    """The id of the newest journal of a run of this name, "" if there is none; without a name of any run."""
    for path in reversed(journals(folder)):
        run = first_record(path).get("run", {})
        if not name or run.get("name") == name:
            return path.name.removesuffix(SUFFIX)
    return ""


def _rank() -> int:
    for variable in RANKS:
        if (text := os.environ.get(variable, "")).isdecimal():
            return int(text)
    return 0


def _step_in_the_lab(url: str, token: str, run_id: str) -> int:
    """The newest step of a run whose journal is elsewhere, so that numbering continues; -1 if unknown."""
    from etrm_lab.connection import Away, Lab, Refused

    try:
        run = Lab(url, token).ask("GET", f"/runs/{run_id}", timeout=LOOK_SECONDS)
        return int(run["step"]) if run["metrics"] else -1  # a run without a point is at step 0, too
    except (Away, Refused, LookupError, TypeError, ValueError):
        return -1
