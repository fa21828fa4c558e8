"""One HTTP POST to an address that a person chose: no redirects, and only to machines that may be reached."""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from backend.alerts.channels.notice import Sent
from backend.alerts.channels.reach import refusal

PATIENCE = 5.0  # seconds for an answer


class Refused(OSError):
    """The address leads to a machine that messages may not go to."""


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    reaches_private: bool,
    receiver: str,
    gone: Collection[int] = (),
) -> Sent:
    """Send `body`. `receiver` is what to call the other side in the answer, of which only the status is read;
    `gone` are those by which it says that the address is no more."""
    request = urllib.request.Request(url, body, {**headers, "User-Agent": "etrm-lab"}, method="POST")
    try:
        with _opener(reaches_private).open(request, timeout=PATIENCE) as response:
            return Sent(True, f"{receiver} answered {response.status}")
    except urllib.error.HTTPError as error:
        error.close()
        return Sent(False, f"{receiver} answered {error.code}", is_gone=error.code in gone)
    except OSError as error:  # URLError and timeouts are such
        return Sent(False, f"could not reach {receiver}: {getattr(error, 'reason', None) or error}")
    except (http.client.HTTPException, ValueError):  # its text may repeat the address
        return Sent(False, f"could not reach {receiver}: its address, or its answer, is malformed")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class _Checked(http.client.HTTPConnection):
    """Looks whom it is connected to before it says anything: a name may lead somewhere else every time.

    An answer that has not come whole after `PATIENCE` is cut off: the timeout of a socket is that of one
    read, so a byte every few seconds would hold the thread for hours.
    """

    reaches_private = False
    _is_cut = False

    def getresponse(self) -> http.client.HTTPResponse:
        timer = threading.Timer(PATIENCE, self._cut)
        timer.daemon = True
        timer.start()
        try:
            return super().getresponse()
        except (OSError, http.client.HTTPException):
            if self._is_cut:
                raise TimeoutError("timed out") from None
            raise
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self._is_cut = True
        with suppress(OSError, AttributeError):  # it ended this moment
            self.sock.shutdown(socket.SHUT_RDWR)

    def connect(self) -> None:
        super().connect()
        why_not = refusal(self.sock.getpeername()[0], self.reaches_private)
        if why_not:
            self.close()
            raise Refused(why_not)


class _CheckedTls(http.client.HTTPSConnection, _Checked):
    pass


class _Private(_Checked):
    reaches_private = True


class _PrivateTls(_CheckedTls):
    reaches_private = True


def _opener(reaches_private: bool) -> urllib.request.OpenerDirector:
    plain, tls = (_Private, _PrivateTls) if reaches_private else (_Checked, _CheckedTls)

    class Http(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> Any:
            return self.do_open(plain, request)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> Any:
            return self.do_open(tls, request)

    return urllib.request.build_opener(_NoRedirect, Http, Https)
