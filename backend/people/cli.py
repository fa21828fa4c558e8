"""`etrm people`: who may log in, and with which role."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.kit.clock import to_the_minute
from backend.kit.output import answer, answered

app = typer.Typer(
    help="People and their roles: list, add, invite, role, limit, remove.", invoke_without_command=True
)
Name = Annotated[str, typer.Argument(help="Name of the person.")]
LIMIT = "0: no limit; -1: that of the lab."
Role = Annotated[str, typer.Argument(metavar="viewer|editor|admin")]


@app.callback()
def listed(context: typer.Context) -> None:
    """List who may log in."""
    from backend.people import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show

    if context.invoked_subcommand:
        return
    people = call(api.list_people)
    if answered(people):
        return
    rows = [
        (
            each.name,
            each.role,
            to_the_minute(each.last_seen_at, "never"),
            _limit(each.limit_running),
            _limit(each.limit_queued),
        )
        for each in people
    ]
    said = "Only the owner has access. Add a person: etrm people add NAME ROLE"
    show(("name", "role", "last seen", "max running", "max queued"), rows, empty=said)


@app.command()
def add(name: Name, role: Role) -> None:
    """Let somebody in and print what to append to the lab's address to log in."""
    from backend.people import api
    from backend.terminal.calls import call

    invitation = call(api.add_person, body=api.NewPerson(name=name, role=role))
    answer(invitation, invitation.path)


@app.command()
def invite(name: Name) -> None:
    """Print a new link, valid once within a day: append it to the lab's address."""
    from backend.people import api
    from backend.terminal.calls import call

    invitation = call(api.invite, name=name)
    answer(invitation, invitation.path)


@app.command(name="role")
def change_role(name: Name, role: Role) -> None:
    """Give somebody another role."""
    from backend.people import api
    from backend.terminal.calls import call

    call(api.change_person, name=name, body=api.PersonChange(role=role))
    answer({"name": name, "role": role}, f"{name} now has the role {role}.")


@app.command()
def limit(
    name: Name,
    running: Annotated[int | None, typer.Option(min=-1, help=f"Most runs at once. {LIMIT}")] = None,
    queued: Annotated[int | None, typer.Option(min=-1, help=f"Most runs that wait. {LIMIT}")] = None,
) -> None:
    """Limit how many runs of a person run, or wait, at once."""
    from backend.people import api
    from backend.terminal.calls import call

    given = {"limit_running": running, "limit_queued": queued}
    limits = {what: None if most < 0 else most for what, most in given.items() if most is not None}
    if not limits:
        raise typer.BadParameter("give at least one", param_hint="--running or --queued")
    call(api.change_person, name=name, body=api.PersonChange.model_validate(limits))
    answer({"name": name, **limits}, f"Saved the limits of {name}.")


@app.command()
def remove(name: Name) -> None:
    """Remove somebody with their tokens and sessions; what they made stays."""
    from backend.people import api
    from backend.terminal.calls import call

    call(api.remove_person, name=name)
    answer({"removed": name}, f"Removed {name}.")


def _limit(most: int | None) -> str:
    """Empty where the lab's counts."""
    return "" if most is None else str(most or "none")
