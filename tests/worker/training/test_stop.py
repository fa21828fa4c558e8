"""A stop is asked for once, politely; a second Ctrl-C is obeyed at once."""

from __future__ import annotations

import signal

import pytest

from worker.training.stop import StopSignal


def test_the_first_reason_stays() -> None:
    stop = StopSignal()
    assert not stop.requested
    stop.request("cancelled")
    stop.request("late")
    assert (stop.requested, stop.reason) == (True, "cancelled")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop_and_afterwards_means_what_it_did_before(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopSignal().on_signals() as stop:
        signal.raise_signal(number)
        assert stop.requested
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_interrupts() -> None:
    with StopSignal().on_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert stop.requested
