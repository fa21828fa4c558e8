"""A bucket as keys and bytes, and the words for one that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from backend.kit.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

Result = TypeVar("Result")
CONNECT_SECONDS = 5.0


class StoreAway(Unavailable):
    """The bucket does not answer, does not exist, or refuses the credentials."""


class Bucket:
    """The objects below one `s3://BUCKET/PREFIX`. Every method raises StoreAway.

    Nothing is tried twice in here: who waits for a store decides for how long.
    """

    def __init__(self, url: str, seconds: float) -> None:
        try:
            import obstore
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ImportError as error:
            raise InvalidInput(
                "ETRM_ARTIFACTS_URL is set, and the package obstore is not installed.",
                "Install the extra s3: pip install 'obstore>=0.8,<1'.",
            ) from error
        self.url = url
        self._obstore = obstore
        self._errors = (BaseError, OSError, ValueError)
        self._client: Client = self._asked(
            lambda: from_url(
                url,
                config={"checksum_algorithm": "SHA256"},  # the server refuses what arrives damaged
                client_options={
                    "allow_http": True,  # AWS_ENDPOINT_URL decides
                    "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, seconds)),
                    "timeout": timedelta(seconds=seconds),
                },
                retry_config={"max_retries": 0},
            )
        )

    def put(self, key: str, content: bytes) -> None:
        """Write an object: all of it is there, or nothing."""
        self._asked(lambda: self._obstore.put(self._client, key, content, use_multipart=False))

    def get(self, key: str) -> bytes | None:
        """The bytes of an object; None where there is none."""
        try:
            return self._asked(lambda: bytes(self._obstore.get(self._client, key).bytes()))
        except StoreAway as error:
            cause = error.__cause__
            if isinstance(cause, FileNotFoundError) and "NoSuchBucket" not in str(cause):
                return None
            raise

    def sizes(self, folder: str) -> dict[str, int]:
        """The keys below a folder ("": all), and the bytes of each."""
        pages = self._asked(lambda: list(self._obstore.list(self._client, folder)))
        return {each["path"]: each["size"] for page in pages for each in page}

    def delete(self, keys: Collection[str]) -> None:
        """Remove objects; those that are not there are removed already."""
        if keys:
            self._asked(lambda: self._obstore.delete(self._client, sorted(keys)))

    def _asked(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except self._errors as error:
            cause = str(error).partition("\n")[0]
            raise StoreAway(
                f"The object store {self.url} cannot be used: {cause}",
                "Check ETRM_ARTIFACTS_URL, AWS_ENDPOINT_URL, the AWS_ credentials and the network.",
            ) from error
