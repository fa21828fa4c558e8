"""Web push, the optional extra: a push service of our own decrypts what it is given, as a browser does."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from pathlib import Path

import pytest
from sqlalchemy import Engine

from backend.alerts.channels import push
from backend.db.session import session_scope
from backend.domain.alerts import Event
from backend.domain.people import OWNER
from backend.kit.errors import InvalidInput
from backend.runs.status import RunStatus
from backend.settings import Settings
from backend.subscriptions import service
from backend.subscriptions.delivery import deliver_next
from tests.support.receiver import Receiver
from tests.support.records.rows import create, end
from tests.support.records.subscribed import state_of

pytest.importorskip("pywebpush")
http_ece = pytest.importorskip("http_ece")


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class BrowserKeys:
    """What a browser makes when it subscribes, and with which it reads."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self.private = ec.generate_private_key(ec.SECP256R1())
        point = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.auth = os.urandom(16)
        self.p256dh = base64url(point)

    def read(self, body: bytes) -> dict[str, str]:
        plain = http_ece.decrypt(body, private_key=self.private, auth_secret=self.auth, version="aes128gcm")
        found: dict[str, str] = json.loads(plain)
        return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, public_url="https://lab.example")


def add(engine: Engine, receiver: Receiver, keys: BrowserKeys) -> int:
    target = service.browser(receiver.url, keys.p256dh, base64url(keys.auth))
    with session_scope(engine) as session:
        return service.add(session, OWNER, "my phone", list(Event), "", target).id


@pytest.mark.usefixtures("set_names")
def test_the_browser_reads_the_message_and_its_service_only_who_sends(
    engine: Engine, settings: Settings, receiver: Receiver
) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    receiver.status = 201
    keys = BrowserKeys()
    subscription = add(engine, receiver, keys)
    run = create(engine, name="det").id
    end(engine, run, RunStatus.FINISHED)
    assert deliver_next(engine, settings, subscription)
    (posted,) = receiver.posts
    url = f"https://lab.example/runs/{run}"
    assert keys.read(posted.body) == {"title": "det finished", "body": f"All steps done.\n{url}", "url": url}
    assert b"det finished" not in posted.body
    assert posted.headers["content-encoding"] == "aes128gcm"
    assert int(posted.headers["ttl"]) > 0

    found = re.fullmatch(r"vapid t=([\w-]+)\.([\w-]+)\.([\w-]+),k=([\w-]+)", posted.headers["authorization"])
    assert found
    head, claims, signature, key = found.groups()
    assert key == push.public_key(settings.home)
    decoded = [base64.urlsafe_b64decode(part + "==") for part in (claims, signature, key)]
    said = json.loads(decoded[0])
    assert (said["aud"], said["sub"]) == (f"http://127.0.0.1:{receiver.port}", "mailto:lab@lab.example")
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded[2])
    r, s = (int.from_bytes(part, "big") for part in (decoded[1][:32], decoded[1][32:]))
    public.verify(encode_dss_signature(r, s), f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))


@pytest.mark.usefixtures("set_names")
def test_a_browser_that_is_gone_is_told_of_nothing_more(
    engine: Engine, settings: Settings, receiver: Receiver
) -> None:
    receiver.status = 410
    subscription = add(engine, receiver, BrowserKeys())
    end(engine, create(engine).id, RunStatus.FINISHED)
    assert not deliver_next(engine, settings, subscription)
    state = state_of(engine, subscription)
    assert (state.is_active, state.waiting) == (False, 0)
    assert state.error == "the browser's push service answered 410"


def test_the_key_pair_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    first = push.public_key(tmp_path)
    assert push.public_key(tmp_path) == first
    assert len(base64.urlsafe_b64decode(first + "=")) == 65
    assert stat.S_IMODE((tmp_path / push.KEY_FILE).stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [push.KEY_FILE]


def test_keys_that_are_none_are_refused(receiver: Receiver) -> None:
    keys = BrowserKeys()
    with pytest.raises(InvalidInput, match="p256dh"):
        service.browser(receiver.url, "AAAA", base64url(keys.auth))
    with pytest.raises(InvalidInput, match="endpoint"):
        service.browser("file:///etc/passwd", keys.p256dh, base64url(keys.auth))
