"""Routes and models are made by their first use, and the first uses may come at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.support.processes import Lab
from tests.support.web import WebServer

AT_ONCE = 2
ADDRESSES = ("/api/openapi.json", "/api/v1/runs", "/api/v1/people", "/", "/queue", "/runs/new")


def test_the_first_requests_of_a_server_may_come_at_once(lab: Lab) -> None:
    server = WebServer(lab.folder, lab.environment)
    everybody = Barrier(AT_ONCE * len(ADDRESSES))

    def ask(address: str) -> tuple[str, int, str]:
        with server.client(headers={"Accept": "text/html, application/json"}) as client:
            everybody.wait(60)
            answer = client.get(address)
        return address, answer.status_code, answer.text if "openapi" in address else ""

    try:
        with ThreadPoolExecutor(everybody.parties) as pool:
            answers = set(pool.map(ask, ADDRESSES * AT_ONCE))
    finally:
        server.stop()
    assert {(address, status) for address, status, _ in answers} == {(one, 200) for one in ADDRESSES}
    assert len(answers) == len(ADDRESSES)  # the description is the same for all
