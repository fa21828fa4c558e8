"""`etrm token`: secrets with which scripts, and browsers elsewhere, come in."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.kit.clock import to_the_minute
from backend.kit.output import answer, answered

app = typer.Typer(help="API tokens: create, list, revoke.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="What the token is for.")]


@app.command()
def create(
    name: Name,
    person: Annotated[
        str, typer.Option(metavar="NAME", help="Person the token acts as. Default: the owner.")
    ] = "",
    scope: Annotated[
        str,
        typer.Option(
            metavar="read|log|launch|admin",
            help="What it may do: view only; also log external runs; everything an editor can do; "
            "everything its person can do.",
        ),
    ] = "admin",
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="Expires after 12h, 30d or 4w. Default: never.")
    ] = "",
) -> None:
    """Make a token and print its secret, which is shown only now."""
    from backend.people import api
    from backend.terminal.calls import call

    body = api.NewToken(name=name, person=person, scope=scope, expires=expires)
    made = call(api.create_token, body=body)
    answer(made, made.secret)


@app.command(name="list")
def list_tokens() -> None:
    """List the tokens, without their secrets."""
    from backend.people import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show

    tokens = call(api.list_tokens)
    if answered(tokens):
        return
    rows = [
        (
            each.name,
            each.person,
            each.scope,
            to_the_minute(each.created_at, "never"),
            to_the_minute(each.last_used_at, "never"),
            to_the_minute(each.expires_at, "never"),
            "revoked" if each.revoked_at else "expired" if each.has_expired else "",
        )
        for each in tokens
    ]
    show(
        ("name", "acts as", "scope", "created", "last used", "expires", ""),
        rows,
        empty="No tokens yet. Create one: etrm token create NAME",
    )


@app.command()
def revoke(name: Name) -> None:
    """Revoke the token."""
    from backend.people import api
    from backend.terminal.calls import call

    call(api.revoke_token, name=name)
    answer({"revoked": name}, f"Revoked token {name}.")
