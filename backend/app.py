"""The web application: JSON API, pages, and the sweep. `uvicorn --factory backend.app:create_app`."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from importlib.metadata import version
from types import FrameType
from typing import Any

from anyio.to_thread import run_sync
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.middleware import Middleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES

from backend.alerts import webhook
from backend.api_routes import ROUTES as API_ROUTES
from backend.audit import service as audit
from backend.db import waits as waiting
from backend.db.session import make_engine, session_scope
from backend.kit.errors import Unavailable
from backend.lab.docs_api import document
from backend.lab.error_pages import error_page
from backend.lab.readiness import Parts, checks
from backend.lifecycle.intake import Intake
from backend.metrics.compactor import Compactor
from backend.page_routes import ROUTES as PAGE_ROUTES
from backend.parameter_search import service as searches
from backend.people.auth import Authentication
from backend.people.streams import still_valid
from backend.playground import service as plays
from backend.queue import dispatch
from backend.queue import sweep as queue_sweep
from backend.run_page import series_api
from backend.settings import Settings
from backend.study import service as studies
from backend.subscriptions.delivery import Deliverer
from backend.web import notify
from backend.web.assets import ADDRESSES as ASSETS
from backend.web.assets import prepare as prepare_assets
from backend.web.assets import serve as serve_assets
from backend.web.compression import Compression
from backend.web.direct import Direct
from backend.web.entrance.door import Door
from backend.web.entrance.guard import Guard
from backend.web.entrance.methods import Heads, Methods
from backend.web.entrance.trace import Trace
from backend.web.errors import ErrorResponder
from backend.web.live.hub import Hub
from backend.web.live.slots import Slots
from backend.web.live.snapshots import Snapshots
from backend.web.routing import Addresses
from backend.web.tally import Tally

log = logging.getLogger(__name__)
PACKED_BYTES = 1400  # what fits into one packet anyway is sent as it is
SWEEP_EVERY = 10.0  # seconds
DELIVER_EVERY = 5.0  # seconds between two looks for what is to be sent
ADVANCE_EVERY = 3.0  # seconds between two looks at what parameter searches and studies have to do


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application on the database and broker of `settings` (default: the environment's)."""
    settings = settings or Settings.load()
    responder = ErrorResponder(error_page)
    app = FastAPI(
        title="ETRM Lab",
        version=version("etrm-lab"),
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(Trace),
            Middleware(Tally),
            Middleware(Guard, (settings.host, *settings.public_hosts), responder),
            Middleware(Heads),
            Middleware(Authentication),
            Middleware(Methods),
            Middleware(Door),
            Middleware(
                Compression,
                minimum_size=PACKED_BYTES,
                exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/octet-stream"),
            ),
        ],
    )
    app.state.settings = settings
    app.add_route(ASSETS, serve_assets, methods=["GET"], include_in_schema=False)  # first: asked for most
    app.router.routes += [*API_ROUTES, *PAGE_ROUTES]
    app.state.addresses = Addresses(app.routes)
    app.router.routes.insert(0, Direct(app.state.addresses))
    responder.install(app)
    document(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the database, sweep while the server runs, and let open event streams end when it stops."""
    engine = _engine(app.state.settings)
    app.state.engine = engine
    app.state.stopping = asyncio.Event()
    sweeping = asyncio.create_task(_sweep_until(app.state.stopping, engine, app.state.settings.audit_days))
    app.state.live = live = _hub(app.state.settings)
    app.state.parts = Parts(checks(engine, app.state.settings.artifacts))
    app.state.compactor = compactor = Compactor(engine)
    app.state.intake = intake = Intake(engine, partial(series_api.tell, compactor))
    ending = asyncio.create_task(_end_streams(app.state.stopping, live))
    preparing = asyncio.create_task(run_sync(prepare_assets))
    delivering = asyncio.create_task(_deliver_until(app.state.stopping, engine, app.state.settings))
    advancing = asyncio.create_task(_advance_until(app.state.stopping, engine))
    try:
        with _told_of_signals(app.state.stopping):
            yield
    finally:
        app.state.stopping.set()
        await ending
        await live.close()
        await sweeping
        await delivering
        await advancing
        await preparing
        await run_sync(intake.close)
        await run_sync(compactor.close)
        await run_sync(engine.dispose)


def _engine(settings: Settings) -> Engine:
    waits = waiting.of_pages(settings.database_wait, settings.database_statement)
    return make_engine(settings.database_url, waits)


def _hub(settings: Settings) -> Hub:
    return Hub(
        Snapshots(_engine(settings)),
        Slots(settings.streams, settings.streams_per_person),
        still_valid,
    )


async def _end_streams(stopping: asyncio.Event, live: Hub) -> None:
    await stopping.wait()
    live.end_all()


async def _sweep_until(stopping: asyncio.Event, engine: Engine, audit_days: int) -> None:
    outage = queue_sweep.Outage()
    while not stopping.is_set():
        await run_sync(sweep, engine, outage)
        await run_sync(_forget, engine, audit_days)
        await run_sync(_sweep_plays, engine, outage)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), SWEEP_EVERY)


async def _repeat(
    stopping: asyncio.Event, every: float, work: Callable[[], object], waits: str, failed: str
) -> None:
    """Do `work` on a thread every so many seconds; one that fails is logged and tried the next time."""
    while not stopping.is_set():
        try:
            await run_sync(work)
        except Unavailable as error:
            log.warning("%s: %s", waits, error)
        except Exception:
            log.exception(failed)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), every)


async def _deliver_until(stopping: asyncio.Event, engine: Engine, settings: Settings) -> None:
    """Send alarms and messages as they come, beside the sweep and one another: a slow receiver holds up
    nothing else."""
    deliverer = Deliverer(engine, settings, stopping.is_set)
    post_alarms = partial(
        webhook.deliver_due, engine, settings.webhook_url, stopping.is_set, settings.public_url
    )
    waits, failed = "Alerts are not delivered for now", "alerts were not delivered"
    await asyncio.gather(
        _repeat(stopping, DELIVER_EVERY, deliverer.look, waits, failed),
        _repeat(stopping, DELIVER_EVERY, post_alarms, waits, failed),
    )
    await run_sync(deliverer.close)


async def _advance_until(stopping: asyncio.Event, engine: Engine) -> None:
    """Take the next steps of parameter searches and studies, beside the sweep: workers need not know of
    them."""
    repeat = partial(_repeat, stopping, ADVANCE_EVERY)
    await asyncio.gather(
        repeat(
            partial(_advance_searches, engine),
            "Parameter searches wait for the database",
            "parameter searches were not continued",
        ),
        repeat(
            partial(_advance_studies, engine),
            "Studies wait for the database",
            "studies were not continued",
        ),
    )


def _advance_searches(engine: Engine) -> None:
    done = searches.advance(engine)
    _tell(done.queued, done.stopped)


def _advance_studies(engine: Engine) -> None:
    done = studies.advance(engine)
    _tell(done.queued, done.stopped)
    for evaluation_id in done.evaluations:
        dispatch.send_evaluation(evaluation_id)


def _tell(queued: Sequence[str], stopped: Sequence[str]) -> None:
    """Send new runs to the workers, and tell open pages."""
    if changed := [*queued, *stopped]:
        notify.changed(*changed)
    dispatch.send_all(queued)


def sweep(engine: Engine, outage: queue_sweep.Outage) -> None:
    """Put back what lost its worker, and send what waits again. A failure waits for the next time."""
    try:
        with session_scope(engine) as session:
            unsent = queue_sweep.sweep(session, count_lapsed=outage.is_over)
    except Unavailable as error:
        outage.note()
        log.warning("The sweep waits for the database: %s", error)
        return
    except Exception:
        log.exception("the sweep failed")
        return
    unsent.send()


def _forget(engine: Engine, audit_days: int) -> None:
    """Forget old entries of the audit trail, beside the queue's own transaction."""
    try:
        with session_scope(engine) as session:
            audit.forget_old(session, audit_days)
    except Unavailable as error:
        log.warning("Old entries of the audit trail stay for now: %s", error)
    except Exception:
        log.exception("old entries of the audit trail were not forgotten")


def _sweep_plays(engine: Engine, outage: queue_sweep.Outage) -> None:
    """Put back plays that lost their worker, and forget old ones, beside the queue's own transaction."""
    try:
        with session_scope(engine) as session:
            waiting = plays.sweep(session, count_lapsed=outage.is_over)
    except Unavailable as error:
        log.warning("The playground waits for the database: %s", error)
    except Exception:
        log.exception("the playground was not swept")
    else:
        for play_id in waiting:
            notify.play_changed(play_id)
            dispatch.send_play(play_id)


@contextmanager
def _told_of_signals(stopping: asyncio.Event) -> Iterator[None]:
    """Set `stopping` at SIGINT and SIGTERM, before the server's own handler.

    The server waits for open responses before it ends the lifespan, and an event stream would never end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopping.set)
        following: Any = before[signal.Signals(number)]
        if callable(following):
            following(number, frame)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
