"""What all tables share: naming of constraints, and types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import math
from typing import Annotated, Any

from sqlalchemy import JSON, BigInteger, Double, ForeignKey, Integer, MetaData, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class PlainText(TypeDecorator[str]):
    """Text from anywhere. PostgreSQL stores neither NUL nor lone surrogates, and a crashing child may
    print both: they become U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or ("\x00" not in value and value.isascii()):
            return value
        return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class NanDouble(TypeDecorator[float]):
    """A float64 that may be NaN. SQLite has no NaN, so it is stored as NULL on both databases."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        return None if value is None or math.isnan(value) else float(value)

    def process_result_value(self, value: float | None, dialect: Dialect) -> float:
        return math.nan if value is None else value


# SQLite numbers rows by itself only for a column declared exactly INTEGER PRIMARY KEY.
BigId = BigInteger().with_variant(Integer(), "sqlite")

AutoId = Annotated[int, mapped_column(BigId, primary_key=True)]
MaybeNan = Annotated[float, mapped_column(NanDouble(), nullable=True)]


class Base(DeclarativeBase):
    """Base of all tables. Times are seconds since the Unix epoch."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 — read once by SQLAlchemy
        str: PlainText(),
        int: BigInteger(),
        float: Double(),
        dict[str, Any]: JSON(),
        dict[str, int]: JSON(),
        list[Any]: JSON(),
        list[str]: JSON(),
    }


# Everything of a run goes with it when its row is deleted.
OfRun = Annotated[str, mapped_column(ForeignKey("run.id", ondelete="CASCADE"))]
