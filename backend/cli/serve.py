"""`etrm up`, `web` and `migrate`: what serves."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def up(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = None,
    demo: Annotated[
        bool, typer.Option("--demo/--no-demo", help="Queue the quick run if there are no runs yet.")
    ] = True,
) -> None:
    """Start the whole lab; Ctrl-C stops it.

    Broker, database, web server and one worker; what is missing is created. With --json the address and the
    login link are one line of JSON, printed once the lab answers.
    """
    from backend.embedded.up import up as start
    from backend.terminal.lab import here

    set_variable("PORT", port)
    start(here(), demo)


def web(
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = None,
    fd: Annotated[int | None, typer.Option(hidden=True, help="An open socket to serve on.")] = None,
) -> None:
    """Run the web server alone. With --json its address is one line of JSON, printed once it answers."""
    import socket

    import uvicorn
    from uvicorn.config import LOGGING_CONFIG

    from backend.kit import memory, output, service_log
    from backend.terminal.lab import here
    from backend.terminal.port import address_of, bind, local_address
    from backend.terminal.private import close_to_others
    from backend.web.entrance.connection import Connection
    from backend.web.entrance.server import Server

    set_variable("HOST", host)
    set_variable("PORT", port)
    memory.share()
    settings = here()
    service_log.set_up(settings.log_format)
    close_to_others(settings)
    bound = bind(settings.host, settings.port) if fd is None else socket.socket(fileno=fd)
    url = address_of(*local_address(bound))
    if fd is None and not output.is_json():
        service_log.say(f"Serving on {url}", settings.log_format)
    config = uvicorn.Config(
        "backend.app:create_app",
        factory=True,
        http=Connection,
        ws="none",
        access_log=False,  # ours: backend.web.entrance.trace
        log_config=LOGGING_CONFIG if settings.log_format == "text" else None,
        log_level="info",
        use_colors=False,  # what is printed is cleaned of them
        timeout_graceful_shutdown=3,  # event streams never end by themselves
    )
    Server(config, lambda: output.announced({"url": url, "pid": os.getpid()})).run(sockets=[bound])


def migrate() -> None:
    """Create or update the database.

    Brings it to the newest schema and fills in the built-in task sets.
    """
    from backend.db import revisions
    from backend.embedded.database import prepare
    from backend.kit import output, service_log
    from backend.terminal.lab import here
    from backend.terminal.private import close_to_others

    settings = here()
    service_log.set_up(settings.log_format)
    close_to_others(settings)
    prepare(settings.database_url).dispose()
    if not output.answered({"revision": revisions.newest()}):
        service_log.say("The database is up to date.", settings.log_format)


def set_variable(name: str, value: object) -> None:
    """An option on the command line goes before the environment, for this process and its children."""
    if value is not None:
        os.environ[f"ETRM_{name}"] = str(value)
