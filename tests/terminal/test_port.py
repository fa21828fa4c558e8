"""The web port: free, taken, not ours."""

from __future__ import annotations

import os
import socket

import pytest

from backend.kit.errors import Conflict, Unavailable
from backend.terminal import port


def test_port_zero_takes_a_free_one():
    with port.bind("127.0.0.1", 0) as bound:
        assert port.local_address(bound) == ("127.0.0.1", bound.getsockname()[1])


def test_a_taken_port_names_who_has_it_and_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(Conflict, match=rf"Port {taken} on 127.0.0.1 is taken by .*{os.getpid()}.*--port"):
            port.bind("127.0.0.1", taken)


def test_an_address_of_another_machine_is_refused_in_words():
    with pytest.raises(Unavailable, match="Set ETRM_HOST to"):
        port.bind("192.0.2.1", 8000)  # reserved for documentation: nobody has it


def test_a_name_that_does_not_exist_is_refused_in_words():
    with pytest.raises(Unavailable, match="not an address of this machine"):
        port.bind("no.such.host.invalid", 8000)


def test_the_address_of_every_interface_is_written_as_the_loopback():
    assert port.address_of("0.0.0.0", 8000) == "http://127.0.0.1:8000"
    assert port.address_of("::", 8000) == "http://[::1]:8000"
