"""`init`: which run, where its journal is, and how it ends when the script does."""

from __future__ import annotations

import _thread
import atexit
import builtins
import hashlib
import os
import secrets
import signal
import string
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from etrm_lab.journal import SUFFIX, Busy, Journal, first_record, journals
from etrm_lab.logins import chosen
from etrm_lab.output import tell, tell_once
from etrm_lab.session import Run
from etrm_lab.values import config_of, one_line, text_of

FOLDER = "etrm-runs"
MAX_TAG, MAX_TAGS, MAX_NOTES = 60, 50, 100_000  # as the lab takes them
WANDB_RESUME = ("allow", "must", "auto", "never")  # what W&B takes as `resume`
LETTERS = string.ascii_lowercase + string.digits
ID_LENGTH = 10
RANKS = ("RANK", "LOCAL_RANK")  # as torchrun and others set them
TERMINATED = "terminated by SIGTERM (kill, Slurm and Kubernetes send it)"
TERMINATION_SECONDS = 25.0  # that a script which ends by itself waits for it; Slurm and Kubernetes give 30
LOOK_SECONDS = 5.0  # that a resumed run waits for the lab's answer


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
        self._is_terminated = False
        self._was_held: dict[int, bool] = {}  # thread that forks -> whether SIGTERM waited before
        self._has_told = threading.Event()  # the lab of a SIGTERM, as far as it could be

    def watch(self, run: Run) -> None:
        """End this run when the script ends."""
        self.run, self.error, self.code = run, None, None
        self._watch_termination()
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
        self._note_quitters()
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(
                before=self._hold_termination,
                after_in_parent=self._take_termination,
                after_in_child=self._leave_termination,
            )

    def _note_quitters(self) -> None:
        """Note the code of `exit(1)` and `quit(1)`, too, which do not call `sys.exit`."""
        kind: Any = type(getattr(builtins, "exit", None))
        if kind.__module__ != "_sitebuiltins":  # a notebook has its own
            return
        leave = kind.__call__

        def noted(quitter: object, code: object = None) -> None:
            self.code = code
            leave(quitter, code)

        kind.__call__ = noted

    def _watch_termination(self) -> None:
        """Tell of a SIGTERM where the script leaves it to the system; a handler of its own stays."""
        with suppress(ValueError):  # signals belong to the main thread, and this is another one
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, self._on_termination)

    def _on_termination(self, number: int, _: FrameType | None) -> None:
        """Raise nothing into the script and wait for nothing that it may hold: a thread tells the lab while
        the script continues, and ends the process by the same signal."""
        signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
        self._is_terminated = True
        try:
            _thread.start_new_thread(self._terminate, ())  # threading's takes a lock that the script may hold
        except RuntimeError:  # there are no threads any more: the script has ended
            os.kill(os.getpid(), number)

    def _terminate(self) -> None:
        try:
            if self.run is not None:
                self.run.terminate(TERMINATED)
        finally:
            self._has_told.set()
            os.kill(os.getpid(), signal.SIGTERM)

    def _hold_termination(self) -> None:
        """Python forgets a signal that reaches a child before it is ready: there it waits until then."""
        held = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        self._was_held[threading.get_ident()] = signal.SIGTERM in held

    def _take_termination(self) -> None:
        if not self._was_held.pop(threading.get_ident(), True):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))

    def _leave_termination(self) -> None:
        """Of a forked child, such as a worker of a data loader, SIGTERM is the system's again."""
        with suppress(ValueError):
            if signal.getsignal(signal.SIGTERM) == self._on_termination:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._take_termination()

    def _end(self) -> None:
        if self.run is None:
            return
        if self._is_terminated:
            self._has_told.wait(TERMINATION_SECONDS)
        error = self.error
        if error is None and not hasattr(sys, "ps1"):  # the script has set an excepthook of its own since
            error = getattr(sys, "last_value", None)
        if error is not None:
            self.run.fail(error)
        elif self.code is None or isinstance(self.code, int):
            self.run.finish(self.code)
        else:  # as Python does: it prints the text, and exits with 1
            self.run.finish(1, cause=str(self.code))


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
    dir: str | os.PathLike[str] | None = None,
    mode: str | None = None,
    settings: object = None,
    tags: Iterable[str] | None = None,
    notes: str | None = None,
    **ignored: Any,
) -> Run:
    """Start a run, or continue one; it ends with the script, or with `finish`.

    `resume` is the id of a run to continue; with True or "auto", the newest run of this name in `dir` (left
    out: `etrm-runs`) is continued, where there is one. "allow" and "must" continue the run of `id` alone.
    Address and token come from the arguments, from ETRM_URL and ETRM_TOKEN, or from `etrm login`; without an
    address the run is in its journal alone. Only the process of rank 0 (RANK, LOCAL_RANK) logs.
    `tags` and `notes` are those of a new run; one that is in the lab already keeps its own, and its config
    where none is given.
    `mode` is `online` (or None), `offline` (the journal alone) or `disabled` (nothing at all).

    TypeError and ValueError for a config that is none; what is wrong with the lab is told and raises nothing.
    """
    mode = mode or "online"
    if mode not in ("online", "offline", "disabled"):
        raise ValueError(f"mode must be online, offline or disabled, not {mode!r}.")
    if unknown := sorted(key for key, value in ignored.items() if value is not None):
        hint = " Give project or tags, which the lab filters by." if "group" in unknown else ""
        tell_once(f"init: {', '.join(unknown)} has no meaning here and is left out.{hint}")
    plain = config_of(config)
    folder, group = Path(dir or FOLDER), one_line(project or "", 60)
    title = one_line(name or "", 120)
    about = _tags(tags), text_of(notes or "", MAX_NOTES)
    run_id, is_known = _run_id(id, resume, title, folder)
    script = one_line(Path(sys.argv[0] or "run").stem, 100) or "run"
    title = title or f"{script}-{run_id}"
    if mode == "disabled" or _rank() != 0:
        run = Run(run_id, title, group, plain, None, "", "", *about)
    else:
        address, secret = chosen(url, token) if mode == "online" else ("", "")
        if address and not address.startswith(("http://", "https://")):
            raise ValueError(
                f"url must be the address of a lab such as https://lab.example, not {address!r}."
            )
        if mode == "online" and not address:
            tell("no address of a lab is known. Set ETRM_URL and ETRM_TOKEN, or run etrm login.")
        run = Run(run_id, title, group, plain, _journal(folder, run_id), address, secret, *about)
        if is_known and address:
            step, before = _in_the_lab(address, secret, run_id)
            run.step = max(run.step, step)
            run.restore_config(before)
        _ending.watch(run)
        run.note_provenance()
    return run


def _tags(tags: Iterable[str] | None) -> list[str]:
    """Tags as the lab takes them: one text is one tag."""
    given = [tags] if isinstance(tags, str) else list(tags or ())
    clean = dict.fromkeys(filter(None, (one_line(tag, MAX_TAG) for tag in given)))
    return list(clean)[:MAX_TAGS]


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
        return as_id(str(wanted)), True
    # "allow" and "must" say what becomes of an id: without one, another run of this name is not meant.
    if resume and resume not in ("allow", "must", "never") and (found := _newest(folder, name)):
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


def _in_the_lab(url: str, token: str, run_id: str) -> tuple[int, dict[str, Any]]:
    """(newest step, config) of a run that may have been logged elsewhere, too; (-1, {}) if unknown."""
    from etrm_lab.connection import Away, Lab, Refused

    try:
        run = Lab(url, token).ask("GET", f"/runs/{run_id}", timeout=LOOK_SECONDS)
        # A run without a point is at step 0, too.
        return int(run["step"]) if run["metrics"] else -1, dict(run["config"])
    except Away as away:
        tell(f"{away} Steps without a number continue from the journal alone.")
    except (Refused, LookupError, TypeError, ValueError):
        pass
    return -1, {}
