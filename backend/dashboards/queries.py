"""Dashboards and their share links."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import CursorResult, Row, delete, func, select, update
from sqlalchemy.orm import Session

from backend.dashboards.tables import Dashboard, DashboardShare


def all_of(session: Session) -> Sequence[Dashboard]:
    """Every dashboard, the last changed first."""
    return session.scalars(select(Dashboard).order_by(Dashboard.updated_at.desc(), Dashboard.id.desc())).all()


def called(session: Session, slug: str) -> Dashboard | None:
    """The dashboard at an address."""
    return session.scalars(select(Dashboard).where(Dashboard.slug == slug)).one_or_none()


def slugs(session: Session) -> Sequence[str]:
    return session.scalars(select(Dashboard.slug)).all()


def add(session: Session, dashboard: Dashboard) -> Dashboard:
    session.add(dashboard)
    session.flush()
    return dashboard


def change(session: Session, slug: str, version: int, **columns: object) -> bool:
    """Write columns if the dashboard still has this version; whether it had."""
    query = update(Dashboard).where(Dashboard.slug == slug, Dashboard.version == version)
    done = session.execute(query.values(version=version + 1, **columns))
    session.expire_all()
    assert isinstance(done, CursorResult)
    return bool(done.rowcount)


def remove(session: Session, slug: str) -> None:
    """Delete a dashboard with its links."""
    session.execute(delete(Dashboard).where(Dashboard.slug == slug))


def add_share(session: Session, share: DashboardShare) -> DashboardShare:
    session.add(share)
    session.flush()
    return share


def shares(session: Session, dashboard_id: int) -> Sequence[DashboardShare]:
    """Its links, newest first, revoked ones included."""
    query = select(DashboardShare).where(DashboardShare.dashboard_id == dashboard_id)
    return session.scalars(query.order_by(DashboardShare.id.desc())).all()


def live_shares(session: Session) -> Sequence[Row[DashboardShare, Dashboard]]:
    """(link, its dashboard) of every link that opens something, newest first."""
    query = select(DashboardShare, Dashboard).join(Dashboard, Dashboard.id == DashboardShare.dashboard_id)
    query = query.where(DashboardShare.revoked_at.is_(None))
    return session.execute(query.order_by(DashboardShare.id.desc())).all()


def note_opened(session: Session, token_hash: str, now: float, unless_since: float) -> None:
    """A link was opened, unless it is noted to have been since."""
    stale = func.coalesce(DashboardShare.last_opened_at, 0.0) < unless_since
    own = update(DashboardShare).where(DashboardShare.token_hash == token_hash, stale)
    session.execute(own.values(last_opened_at=now))


def opened_by(session: Session, token_hash: str) -> Dashboard | None:
    """The dashboard that a link opens, unless it was revoked."""
    query = (
        select(Dashboard)
        .join(DashboardShare, DashboardShare.dashboard_id == Dashboard.id)
        .where(DashboardShare.token_hash == token_hash, DashboardShare.revoked_at.is_(None))
    )
    return session.scalars(query).one_or_none()
