"""Posting JSON: what channels over HTTP have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import httpx

from tocsin import __version__
from tocsin.channels import scrubbed
from tocsin.errors import MessageRefusedError, ReceiverError

__all__ = ["Poster", "place_of"]

#: Answers that ask to come again: they refuse no message.
_COME_AGAIN: Final = (408, 409, 423, 425, 429)
#: How much of an error's answer is told (bytes, characters).
_READ: Final = 4_096
_TOLD: Final = 200


class Poster:
    """Posts to one place; answers other than 2xx are errors, and redirections are not followed."""

    def __init__(self, timeout_s: float, token: str | None, secrets: Sequence[str | None]) -> None:
        """``secrets``: what no error may show."""
        headers = {"user-agent": f"tocsin/{__version__}", "content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        self._secrets = (*secrets, token)
        self._client = httpx.Client(timeout=timeout_s, headers=headers)

    def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Return when it was taken. Errors: as `Receiver.send`."""
        try:
            with self._client.stream("POST", url, content=body, headers=headers) as answer:
                if not answer.is_success:
                    raise self._refusal(answer)
        except httpx.TimeoutException as error:
            raise ReceiverError("no answer in time (timeout_s)") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = scrubbed(str(error) or type(error).__name__, self._secrets)
            raise ReceiverError(said[:_TOLD]) from None

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _refusal(self, answer: httpx.Response) -> ReceiverError:
        said = next(answer.iter_bytes(_READ), b"").decode("utf-8", "replace")
        text = " ".join(f"answered {answer.status_code} {said}".split())
        told = scrubbed(text, self._secrets)[:_TOLD]
        final = 300 <= answer.status_code < 500 and answer.status_code not in _COME_AGAIN
        return MessageRefusedError(told) if final else ReceiverError(told)


def place_of(url: str) -> str:
    """Scheme and host: paths may hold secrets."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"
