"""The commands of `etrm`, in the order in which `etrm --help` shows them."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from backend.ablations import cli as ablations
from backend.atlas import cli as atlas
from backend.cli import serve, work
from backend.comparison import cli as compare
from backend.dashboards import cli as dashboard
from backend.data import cli as data
from backend.ensembles import cli as ensemble
from backend.evaluation_page import cli as evaluation
from backend.evaluation_page import duel_cli as duel
from backend.explore import cli as explore
from backend.gallery import cli as gallery
from backend.gallery import learning_cli as learning
from backend.groups import cli as sweep
from backend.lab import cli as storage
from backend.launch import cli as config
from backend.metrics import cli as metrics
from backend.operations import cli as operations
from backend.parameter_search import cli as search
from backend.people import cli as people
from backend.people import login_cli as login
from backend.people import token_cli as token
from backend.playground import cli as playground
from backend.queue import cli as queue
from backend.run_page import checkpoints_cli as checkpoints
from backend.run_page import cli as run
from backend.run_page import exports_cli as exports
from backend.run_page import table_cli as runs
from backend.study import cli as study
from backend.subscriptions import cli as alerts
from backend.terminal.program import EXIT_CODES, Program

evaluation.app.command()(duel.duel)
evaluation.app.command()(learning.learning)
run.app.command()(checkpoints.checkpoints)
run.app.command()(checkpoints.alias)
run.app.command()(checkpoints.fork)
run.app.command()(checkpoints.weights)
run.app.command()(exports.curves)
run.app.command()(exports.figure)
run.app.command()(operations.pack)
run.app.command()(operations.unpack)
runs.app.command(name="export")(exports.runs)

app = typer.Typer(
    cls=Program,
    epilog="Settings come from ETRM_HOME, ETRM_HOST, ETRM_PORT, ETRM_DATABASE_URL, ETRM_BROKER_URL and "
    f"ETRM_ARTIFACTS; unset means embedded, with everything in ./.etrm. Start with: etrm up\n\n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def choose(
    url: Annotated[
        str | None,
        typer.Option(help="Work on the lab at this address through its API. Default: ETRM_URL, else here."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(help="API token for it. Default: ETRM_TOKEN, else the one that etrm login stored."),
    ] = None,
) -> None:
    """ETRM Lab: train tiny recursive models on ARC-AGI, watch them, and find out why they fail."""
    if url and token is None and os.environ.get("ETRM_URL", url).rstrip("/") != url.rstrip("/"):
        os.environ.pop("ETRM_TOKEN", None)  # it is that of another lab
    serve.set_variable("URL", url)
    serve.set_variable("TOKEN", token)


_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app.command()(serve.up)
app.command()(login.login)
app.command()(login.logout)
app.command()(login.whoami)
app.command()(serve.web)
app.command(context_settings=_PASS_ON, add_help_option=False)(work.worker)
app.command()(serve.migrate)
app.command()(work.train)
app.command()(work.sync)
app.command("import", context_settings=_PASS_ON, add_help_option=False)(work.import_runs)
app.command()(sweep.sweep)
app.add_typer(search.app, name="parameter-search")
app.add_typer(study.app, name="study")
app.command()(evaluation.evaluate)
app.command()(ablations.ablate)
app.command()(ablations.verify)
app.command()(playground.play)
app.command(context_settings=_PASS_ON, add_help_option=False)(work.checkpoint)
app.command(context_settings=_PASS_ON, add_help_option=False)(work.control)
app.command(context_settings=_PASS_ON, add_help_option=False)(work.parity)
app.add_typer(runs.app, name="runs")
app.add_typer(runs.view_app, name="view")
app.command()(compare.compare)
app.command()(explore.explore)
app.command()(atlas.atlas)
app.command()(ensemble.ensemble)
app.add_typer(run.app, name="run")
app.add_typer(evaluation.app, name="evaluation")
app.command()(gallery.gallery)
app.add_typer(queue.app, name="queue")
app.add_typer(dashboard.app, name="dashboard")
app.add_typer(data.app, name="data")
app.command()(metrics.metrics)
app.command()(config.presets)
app.command(name="config")(config.config)
app.add_typer(alerts.app, name="alerts")
app.add_typer(people.app, name="people")
app.add_typer(token.app, name="token")
app.command()(storage.storage)
app.command()(operations.backup)
app.command()(operations.restore)
app.command()(operations.doctor)
