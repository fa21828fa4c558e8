"""`etrm alerts`: what you are told of, and by which channel."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from backend.kit.clock import to_the_minute
from backend.kit.exit_codes import ExitCode
from backend.kit.output import answer, answered

app = typer.Typer(
    help="What you are told of, by webhook, Slack, e-mail and more: list, add, pause, resume, test, remove.",
    invoke_without_command=True,
)
Id = Annotated[int, typer.Argument(metavar="ID", help="As etrm alerts lists it.")]
Url = Annotated[str, typer.Argument(help="Its address; - reads it from the terminal, unseen, or a pipe.")]


@app.callback()
def listed(context: typer.Context) -> None:
    """List your subscriptions and how their delivery stands."""
    from backend.subscriptions import api
    from backend.terminal.calls import call
    from backend.terminal.tables import show

    if context.invoked_subcommand:
        return
    subscriptions = call(api.list_subscriptions)
    if answered(subscriptions):
        return
    rows = [
        (
            str(each.id),
            each.name,
            each.channel,
            each.address,
            ", ".join(each.events),
            each.filter,
            to_the_minute(each.delivered_at, "never"),
            str(each.waiting),
            each.error if each.is_active else f"paused {each.error}".strip(),
        )
        for each in subscriptions
    ]
    show(
        ("id", "name", "channel", "address", "events", "filter", "delivered", "waiting", "last error"),
        rows,
        empty="No subscriptions yet. Add one: etrm alerts add webhook URL --event finished",
    )


@app.command()
def add(
    channel: Annotated[str, typer.Argument(metavar="webhook|apprise")],
    url: Url,
    event: Annotated[
        list[str],
        typer.Option(help="finished, failed, lost, judged, alarm or evaluation. Repeatable."),
    ],
    filter: Annotated[str, typer.Option(help="Only of runs that match, as in the table of runs.")] = "",
    name: Annotated[str, typer.Option(help="What to call it. Default: the channel.")] = "",
) -> None:
    """Be told of events from now on. Prints, once, the secret that signs what a webhook receives."""
    from backend.subscriptions import api
    from backend.terminal.calls import call

    body = api.NewSubscription(
        name=name or channel, events=event, filter=filter, channel=channel, url=_read(url)
    )
    made = call(api.add_subscription, body=body)
    if answered(made):
        return
    print(f"Added subscription {made.subscription.id}. Try it: etrm alerts test {made.subscription.id}")
    if made.secret:
        print(f"Secret, shown only now: {made.secret}")


@app.command()
def test(subscription_id: Id) -> None:
    """Send a test message and print what the other side answered."""
    from backend.subscriptions import api
    from backend.terminal.calls import call

    found = call(api.test_subscription, subscription_id=subscription_id)
    answer(found, f"{'Arrived' if found.arrived else 'Did not arrive'}: {found.answer}.")
    if not found.arrived:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def pause(subscription_id: Id) -> None:
    """Send nothing until it is resumed; what happens meanwhile is not sent later."""
    _set_active(subscription_id, False)
    answer({"id": subscription_id, "is_active": False}, f"Paused subscription {subscription_id}.")


@app.command()
def resume(subscription_id: Id) -> None:
    """Send again what happens from now on."""
    _set_active(subscription_id, True)
    answer({"id": subscription_id, "is_active": True}, f"Resumed subscription {subscription_id}.")


@app.command()
def remove(subscription_id: Id) -> None:
    """Remove a subscription."""
    from backend.subscriptions import api
    from backend.terminal.calls import call

    call(api.remove_subscription, subscription_id=subscription_id)
    answer({"removed": subscription_id}, f"Removed subscription {subscription_id}.")


def _set_active(subscription_id: int, is_active: bool) -> None:
    from backend.subscriptions import api
    from backend.terminal.calls import call

    change = api.SubscriptionChange(is_active=is_active)
    call(api.change_subscription, subscription_id=subscription_id, body=change)


def _read(url: str) -> str:
    """The address as typed, or read where it shows in no list of processes."""
    from getpass import getpass

    if url != "-":
        return url
    return (getpass("Address: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
