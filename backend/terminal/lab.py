"""Where a command works: its settings, its database, and the lab that may be running beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backend.kit.errors import InvalidInput, NotFound
from backend.settings import PREFIX, Settings
from backend.terminal.home import holder_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

BROKER = f"{PREFIX}BROKER_URL"


def here() -> Settings:
    """The settings, for a command that works on this machine; InvalidInput where a URL names another lab."""
    found = Settings.load()
    if found.url:
        raise InvalidInput(
            f"This command works on the machine of the lab only, not through {found.url}.",
            "Run it there, or leave out --url and unset ETRM_URL.",
        )
    return found


def settings() -> Settings:
    """As `here`; where no broker is set, with that of the lab running on the same folder, if there is one."""
    found = here()
    if found.broker_url is None and (holder := holder_of(found.home)):
        os.environ[BROKER] = holder.broker_url
        found = Settings.load()
    return found


def address() -> str:
    """Where the lab answers: the one running on the folder, else as the settings say."""
    from backend.terminal.port import address_of

    found = settings()
    holder = holder_of(found.home)
    return holder.url if holder else address_of(found.host, found.port)


def page(path: str) -> str:
    """The address of a page of the lab that a command works on, as others reach it where that is known."""
    found = Settings.current()
    return f"{found.url or found.public_url or address()}{path}"


@contextmanager
def writing() -> Iterator[Session]:
    """A session on the settings' database that commits when the block ends."""
    from backend.db.session import make_engine, session_scope

    engine = make_engine(database_url())
    try:
        with session_scope(engine) as session:
            yield session
    finally:
        engine.dispose()


@contextmanager
def reading() -> Iterator[Session]:
    """A session on the settings' database that only reads."""
    from backend.db.session import make_engine, reading_scope

    engine = make_engine(database_url())
    try:
        with reading_scope(engine) as session:
            yield session
    finally:
        engine.dispose()


def database_url() -> str:
    """The database's address, brought to the newest schema if it is there; NotFound if it is not yet."""
    from sqlalchemy.engine import make_url

    found = settings()
    url = make_url(found.database_url)
    if url.get_backend_name() == "sqlite" and not os.path.exists(url.database or ""):
        raise NotFound(
            f"No database at {url.database} yet.",
            "Start the lab once with etrm up, run etrm migrate, or set ETRM_HOME to the folder of your lab.",
        )
    return found.database_url
