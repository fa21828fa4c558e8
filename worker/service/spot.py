"""The notice that a cloud gives before it takes a spot machine back: then the worker drains, as at SIGTERM.

Where from: the metadata service that every machine of the cloud reaches at a fixed address. AWS tells 120 s
ahead, Google and Azure 30 s; a machine that is shut down in good order gives SIGTERM only at its very end.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from backend.settings import Cloud

if TYPE_CHECKING:
    import httpx

EVERY = 5.0  # seconds
TIMEOUT = 2.0  # seconds for each answer
LATE = 130.0  # seconds: Azure may take two minutes to answer a machine's first question

# The variables that name another metadata service, of which AWS's and Google's own programs know theirs, too;
# and where it is without them.
PLACES: Mapping[Cloud, tuple[str, str]] = {
    "aws": ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254"),
    "gcp": ("GCE_METADATA_HOST", "http://metadata.google.internal"),
    "azure": ("AZURE_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254"),
}

log = logging.getLogger(__name__)


class SpotNotice:
    """A thread that asks the cloud until it takes this machine back, and then calls `told`, once."""

    def __init__(self, cloud: Cloud, told: Callable[[], None]) -> None:
        self._cloud, self._told = cloud, told
        variable, usual = PLACES[cloud]
        place = os.environ.get(variable) or usual
        self._place = place if "://" in place else f"http://{place}"
        self._thread = threading.Thread(target=self._watch, name="spot notice", daemon=True)

    def start(self) -> None:
        """Ask now, and again and again."""
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log every request
        self._thread.start()

    def _watch(self) -> None:
        answers = True
        # Not through a proxy: the service answers only who asks it from this machine.
        import httpx  # no worker elsewhere needs its eight megabytes

        timeout = httpx.Timeout(TIMEOUT, read=LATE if self._cloud == "azure" else TIMEOUT)
        with httpx.Client(base_url=self._place, timeout=timeout, trust_env=False) as client:
            while True:
                try:
                    if _ASKED[self._cloud](client):
                        log.warning("The cloud takes this machine back: the worker drains.")
                        self._told()
                        return
                    answers = True
                except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
                    if answers:  # said once
                        log.warning("%s says nothing about spot machines: %s", self._place, error)
                    answers = False
                time.sleep(EVERY)


def _aws(client: httpx.Client) -> bool:
    asked = client.put("/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    token = {"X-aws-ec2-metadata-token": asked.raise_for_status().text}
    answer = client.get("/latest/meta-data/spot/instance-action", headers=token)
    return answer.status_code != HTTPStatus.NOT_FOUND and bool(answer.raise_for_status().json()["action"])


def _gcp(client: httpx.Client) -> bool:
    answer = client.get("/computeMetadata/v1/instance/preempted", headers={"Metadata-Flavor": "Google"})
    return answer.raise_for_status().text.strip() == "TRUE"


def _azure(client: httpx.Client) -> bool:
    asked = {"api-version": "2020-07-01"}
    answer = client.get("/metadata/scheduledevents", params=asked, headers={"Metadata": "true"})
    events: list[Mapping[str, Any]] = answer.raise_for_status().json()["Events"]
    return any(event["EventType"] in ("Preempt", "Terminate") for event in events)


_ASKED: Mapping[Cloud, Callable[[httpx.Client], bool]] = {"aws": _aws, "gcp": _gcp, "azure": _azure}
