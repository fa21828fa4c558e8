"""Settings: everything that comes from the environment, and nothing else does."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from backend.kit.errors import InvalidInput
from backend.kit.service_log import LogFormat

Cloud = Literal["aws", "gcp", "azure"]

PREFIX = "ETRM_"
POSTGRES_DRIVER = "postgresql+psycopg://"
BROKER_SCHEMES = ("redis://", "rediss://", "redis+socket://", "unix://")


class InvalidSettings(InvalidInput):
    """An environment variable holds a value that cannot be used."""

    code = "invalid_settings"


class Settings(BaseModel):
    """Where state lives and where to listen. Unset means embedded: one folder, no server to install."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=True)

    home: Path = Field(
        Path(".etrm"),
        description="Folder of all local state: database, broker, artifacts, logs. "
        "Default: .etrm in the working directory.",
    )
    host: str = Field("127.0.0.1", description="Address the web server binds.")
    port: int = Field(8000, ge=0, le=65535, description="Port of the web server; 0 picks a free one.")
    database_url: str = Field(
        default_factory=lambda data: f"sqlite:///{data.get('home', Path()) / 'etrm.sqlite3'}",
        repr=False,
        description="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME. Unset: an SQLite file in HOME.",
    )
    database_wait: float = Field(
        1.3,
        ge=0.3,
        le=60,
        description="Seconds for which a page waits for a connection, a lock or any answer of the database "
        "before it says that it cannot be used (503).",
    )
    database_statement: float = Field(
        120,
        ge=1,
        le=86_400,
        description="Seconds that one statement of a page may take. Workers, commands and migrations have no "
        "such limit.",
    )
    broker_url: str | None = Field(
        None, repr=False, description="redis://HOST:PORT/NUMBER. Unset: an embedded Valkey."
    )
    artifacts: Path = Field(
        default_factory=lambda data: data.get("home", Path()) / "artifacts",
        description="Folder of checkpoints and other files of runs. Unset: HOME/artifacts.",
    )
    artifacts_url: str | None = Field(
        None,
        description="s3://BUCKET/PREFIX of an S3-compatible store that checkpoints are published to; "
        "ETRM_ARTIFACTS is then each machine's own copy. Unset: the folder alone.",
    )
    checkpoint_folders: tuple[Path, ...] = Field(
        default_factory=lambda data: (data.get("home", Path()) / "checkpoints",),
        description="Folders, separated by commas, in which runs may start from a checkpoint file; "
        "the artifacts folder always is one. Unset: HOME/checkpoints.",
    )
    min_free_gib: float = Field(
        0.5,
        ge=0,
        description="GiB of disk space to keep free: with less, a worker takes no work, and uploads and "
        "checkpoints are refused. 0: never.",
    )
    labels: tuple[str, ...] = Field(
        (),
        description="What runs may ask of this machine's workers in placement.labels, separated by commas.",
    )
    spot_cloud: Cloud | None = Field(
        None,
        description="aws, gcp or azure: this is a spot machine of that cloud. At its notice the worker saves "
        "a checkpoint, gives its run back and leaves.",
    )
    system_metrics_every: float = Field(
        10,
        ge=0,
        le=3600,
        description="Seconds between two samples of GPU, CPU, memory and disk that are recorded with a run. "
        "0: none.",
    )
    nodes: int = Field(
        1, ge=1, le=4096, description="Machines that share one run's batches; they meet at ETRM_RENDEZVOUS."
    )
    rendezvous: str | None = Field(
        None,
        description="HOST:PORT of the machine where the processes of several machines meet (torchrun, c10d).",
    )
    limit_running: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Most runs of one person that run at once; 0: no limit. Set the same for the web server "
        "and all workers; etrm people limit sets another for one person.",
    )
    limit_queued: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Most runs of one person that wait in the queue; 0: no limit. As ETRM_LIMIT_RUNNING.",
    )
    webhook_url: str | None = Field(
        None,
        repr=False,
        description="http:// or https:// address that receives every alarm as JSON. "
        "Unset: alarms are shown in the lab only.",
    )
    public_url: str | None = Field(
        None,
        description="http:// or https:// address under which browsers reach the lab: alerts and share links "
        "go there, and the web server accepts its host name. Unset: alerts have no link.",
    )
    streams: int = Field(
        800,
        ge=1,
        le=100_000,
        description="Live connections of all open pages together; each takes a file descriptor.",
    )
    streams_per_person: int = Field(
        400, ge=1, le=100_000, description="Live connections of one person's open pages and scripts."
    )
    audit_days: int = Field(
        365, ge=1, le=36_500, description="Days for which the audit trail remembers who did what."
    )
    log_format: LogFormat = Field(
        "text", description="Log of the web server and the workers: text, or json with one object per line."
    )
    url: str | None = Field(
        None,
        description="http:// or https:// address of a lab elsewhere that commands work on (--url). "
        "Unset: the database of this machine.",
    )
    token: str | None = Field(
        None,
        repr=False,
        description="API token for ETRM_URL (--token). Unset: the one that etrm login stored.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Further Host names the web server answers to, separated by commas; "
        "the loopback names and ETRM_HOST always are.",
    )

    def __init__(self, **values: Any) -> None:
        """`values` by name; what is left out is read from the environment, where empty is unset."""
        names = ((name.upper().removeprefix(PREFIX), name) for name in os.environ if is_ours(name))
        environment = {name.lower(): os.environ[variable] for name, variable in names}
        super().__init__(**{name: text for name, text in environment.items() if text} | values)

    @property
    def min_free_bytes(self) -> int:
        """`min_free_gib` in bytes."""
        return int(self.min_free_gib * 2**30)

    @property
    def public_hosts(self) -> tuple[str, ...]:
        """Host names under which browsers may ask for the lab, besides those of this machine."""
        host = urlsplit(self.public_url or "").hostname
        return (*self.allowed_hosts, host) if host else self.allowed_hosts

    @classmethod
    def load(cls) -> Self:
        """Read the environment; InvalidSettings in one line, naming the variable."""
        try:
            return cls()
        except ValidationError as error:
            raise _one_line(error) from None

    @staticmethod
    def current() -> Settings:
        """As `load`, but read again only when the environment has changed."""
        named = (item for item in os.environ.items() if is_ours(item[0]))
        return _loaded(os.getcwd(), tuple(named))

    @field_validator("home", "artifacts")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        for scheme in ("postgres://", "postgresql://", POSTGRES_DRIVER):
            if url.startswith(scheme):
                return POSTGRES_DRIVER + url.removeprefix(scheme)
        if url.startswith("sqlite:///") and not url.endswith((":memory:", "/")):
            return url
        raise ValueError("must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(BROKER_SCHEMES):
            raise ValueError("must be redis://HOST:PORT/NUMBER")
        return url

    @field_validator("artifacts_url")
    @classmethod
    def _known_store(cls, url: str | None) -> str | None:
        if url is None:
            return None
        scheme, _, place = url.partition("://")
        if scheme != "s3" or not place.strip("/") or place.startswith("/") or "@" in place or "?" in place:
            raise ValueError("must be s3://BUCKET or s3://BUCKET/PREFIX; credentials go into AWS_ variables")
        return url.rstrip("/")

    @field_validator("webhook_url")
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("must be http://… or https://…")
        return url

    @field_validator("url", "public_url")
    @classmethod
    def _origin(cls, url: str | None) -> str | None:
        return None if url is None else origin_of(url)

    @field_validator("token")
    @classmethod
    def _one_word(cls, token: str | None) -> str | None:
        if token is not None and not re.fullmatch("[!-~]+", token):
            raise ValueError("must be one word of ASCII characters, as etrm token create prints it")
        return token

    @field_validator("rendezvous")
    @classmethod
    def _machines_can_meet(cls, endpoint: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("nodes", 1) > 1 and not endpoint:
            raise ValueError("must be HOST:PORT where ETRM_NODES is more than 1")
        return endpoint

    @field_validator("allowed_hosts", "checkpoint_folders", "labels", mode="before")
    @classmethod
    def _split_names(cls, names: Any) -> Any:
        if isinstance(names, str):
            return tuple(name.strip() for name in names.split(",") if name.strip())
        return names

    @field_validator("checkpoint_folders")
    @classmethod
    def _absolute_folders(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(folder.expanduser().absolute() for folder in folders)


def is_ours(variable: str) -> bool:
    """Whether an environment variable is one of the lab's settings; case does not matter."""
    return variable.upper().startswith(PREFIX)


def origin_of(url: str) -> str:
    """`https://host:port` of an address that says no more than that; ValueError."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError("must be http://HOST:PORT or https://HOST, without a path")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be http://HOST:PORT or https://HOST, without a name, a token or a query")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_usual = parts.port in (None, {"http": 80, "https": 443}[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{parts.port}")


@lru_cache(maxsize=8)
def _loaded(_folder: str, _environment: tuple[tuple[str, str], ...]) -> Settings:
    return Settings.load()


def _one_line(error: ValidationError) -> InvalidSettings:
    """The first problem as `ETRM_PORT: …`; the value itself is left out, it may hold a password."""
    problem = error.errors()[0]
    name = str(problem["loc"][0])
    said = problem["msg"].removeprefix("Value error, ")
    return InvalidSettings(f"{PREFIX}{name.upper()}: {said}.", Settings.model_fields[name].description or "")
