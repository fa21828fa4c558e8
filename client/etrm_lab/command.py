"""`etrm-lab sync` sends what scripts could not send; `etrm-lab import` brings in runs of other trackers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from etrm_lab.connection import Away, Lab
from etrm_lab.delivery import Delivery, Over
from etrm_lab.imports import add_command, import_runs
from etrm_lab.journal import Busy, Journal, journals
from etrm_lab.logins import chosen
from etrm_lab.start import FOLDER

DONE, FAILED = 0, 1


def main() -> None:
    """The command line; exit status 1 where something is not in the lab afterwards."""
    parser = argparse.ArgumentParser(prog="etrm-lab", description="The client of ETRM Lab.")
    commands = parser.add_subparsers(dest="command", required=True)
    sync = commands.add_parser(
        "sync", help="send runs that were logged while the lab was away", description=sync_runs.__doc__
    )
    sync.add_argument("folder", nargs="?", type=Path, default=Path(FOLDER), help=f"default: {FOLDER}")
    sync.add_argument("--url", help="address of the lab; default: ETRM_URL, or that of etrm login")
    sync.add_argument("--token", help="default: ETRM_TOKEN, or that of etrm login")
    add_command(commands)
    asked = parser.parse_args()
    if asked.command == "import":
        sys.exit(import_runs(asked))
    sys.exit(sync_runs(asked.folder, asked.url, asked.token))


def sync_runs(folder: Path, url: str | None = None, token: str | None = None) -> int:
    """Send what the journals in a folder hold and the lab does not have yet. Doing it again is safe."""
    found = journals(folder)
    if not found:
        return _fail(f"There is no journal of a run in {folder}.")
    address, secret = chosen(url, token)
    if not address:
        return _fail("No address of a lab is known. Give --url, set ETRM_URL, or run etrm login.")
    try:
        lab = Lab(address, secret)
    except ValueError as error:
        return _fail(str(error))
    status = DONE
    for path in found:
        run_id = path.stem
        try:
            sent = _sync_one(path, lab)
        except Away as away:
            return _fail(f"{run_id}: {away}")
        except (Busy, Over) as problem:
            print(f"{run_id}: {problem}", file=sys.stderr)
            status = FAILED
        else:
            print(f"{run_id}: {f'sent {sent:,} bytes' if sent else 'all was sent before'}")
    return status


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


def _fail(text: str) -> int:
    print(f"Error: {text}", file=sys.stderr)
    return FAILED
