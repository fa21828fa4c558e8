"""`etrm-lab sync` sends what scripts could not send; `etrm-lab import` brings in runs of other trackers."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

from etrm_lab.answers import OPTION, Failure, Parser
from etrm_lab.connection import Away, Lab
from etrm_lab.delivery import Delivery, Over
from etrm_lab.exit_codes import ExitCode
from etrm_lab.imports import add_command, import_runs
from etrm_lab.journal import Busy, Journal, journals
from etrm_lab.logins import chosen
from etrm_lab.start import FOLDER

EXIT_CODES = (
    "Exit codes: 0 done; 1 a run is not in the lab afterwards; 2 wrong usage; 3 no such file or folder; "
    "4 the token may not do this; 5 no answer from the lab; 130 stopped with Ctrl-C."
)


def main() -> None:
    """The command line; the exit codes are those of `etrm`."""
    typed = sys.argv[1:]
    as_json = OPTION in typed and not {"-h", "--help"} & set(typed)
    document = sys.stdout
    runs: list[dict[str, Any]] = []
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        try:
            asked = _parser().parse_args(typed)
            command = import_runs if asked.command == "import" else sync_runs
            code = command(asked, runs)
        except Failure as failure:
            failure.tell(as_json)
            code = failure.code
        except KeyboardInterrupt:
            code = ExitCode.INTERRUPTED
            Failure("Stopped.", "Run the same command to continue.", code).tell(as_json)
    if as_json and (runs or code is ExitCode.DONE):
        print(json.dumps({"runs": runs}, indent=2), file=document)
    sys.exit(code)


def _parser() -> Parser:
    parser = Parser(prog="etrm-lab", description="The client of ETRM Lab.", epilog=EXIT_CODES)
    commands = parser.add_subparsers(dest="command", required=True)
    sync = commands.add_parser(
        "sync", help="send runs that were logged while the lab was away", description=sync_runs.__doc__
    )
    sync.add_argument("folder", nargs="?", type=Path, default=Path(FOLDER), help=f"default: {FOLDER}")
    sync.add_argument("--url", help="address of the lab; default: ETRM_URL, or that of etrm login")
    sync.add_argument("--token", help="default: ETRM_TOKEN, or that of etrm login")
    add_command(commands)
    return parser


def sync_runs(asked: argparse.Namespace, runs: list[dict[str, Any]]) -> ExitCode:
    """Send what the journals in a folder hold and the lab does not have yet. Doing it again is safe."""
    found = journals(asked.folder)
    if not found:
        raise Failure(f"There is no journal of a run in {asked.folder}.", code=ExitCode.NOT_FOUND)
    address, secret = chosen(asked.url, asked.token)
    if not address:
        raise Failure(
            "No address of a lab is known.", "Give --url, set ETRM_URL, or run etrm login.", field="--url"
        )
    try:
        lab = Lab(address, secret)
    except ValueError as error:
        raise Failure(str(error), field="--token" if "token" in str(error) else "--url") from None
    code = ExitCode.DONE
    for path in found:
        run_id = path.stem
        try:
            sent = _sync_one(path, lab)
        except Away as away:
            raise Failure(f"{run_id}: {away}", code=away.exit_code) from None
        except (Busy, Over) as problem:
            print(f"{run_id}: {problem}", file=sys.stderr)
            runs.append({"run": run_id, "error": str(problem)})
            code = ExitCode.FAILED
        else:
            print(f"{run_id}: {f'sent {sent:,} bytes' if sent else 'all was sent before'}")
            runs.append({"run": run_id, "sent_bytes": sent})
    return code


def _sync_one(path: Path, lab: Lab) -> int:
    """How many bytes of a journal were sent."""
    journal = Journal(path.parent, path.stem)
    try:
        delivery = Delivery(journal, lab)
        before = delivery.pending
        while delivery.send_some():
            pass
        return before
    finally:
        journal.close()
