"""A load's way to a running service: its HTTP API, again and again until it has answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import httpx
import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.engine.batch import Batch, Reason, Receipt, Rejection
from tocsin.errors import BadInputError, StoreError
from tocsin.samples import SECOND_NS, Samples, iso, to_ns

__all__ = ["ServiceSink", "body_of"]

#: Told why the next try must wait.
Notice = Callable[[str], None]

_FIRST_S: Final = 0.1
_LAST_S: Final = 5.0
_TIMEOUT_S: Final = 120.0
#: Answers after which the same request may succeed.
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_TOO_LARGE: Final = 413
_JSON: Final = {"content-type": "application/json"}


def _silent(_reason: str) -> None:
    pass


class ServiceSink:
    """Sends batches to the service at ``url``; every repetition is told to ``notice``."""

    def __init__(self, url: str, *, token: str | None = None, notice: Notice = _silent) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S)
        self._notice = notice
        self._reached = False

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def position(self, source: str) -> int:
        """How many samples of ``source`` are stored, as far as the service's book tells.

        Errors: `StoreError` when it cannot be reached.
        """
        answer = self._until_answered("GET", "/api/v1/source", params={"source": source})
        return int(answer.json()["position"]) if answer.status_code == 200 else 0

    def send(self, batch: Batch) -> Receipt:
        """Return what the service answers once it has stored the batch.

        Errors: `StoreError` when it was never reached, `BadInputError` when it refuses.
        """
        answer = self._post(body_of(batch), _headers(batch))
        if answer.status_code == _TOO_LARGE and len(batch) > 1:
            return self._in_halves(batch)
        return self._taken(answer)

    def send_body(self, body: bytes) -> Receipt:
        """The same for a body that is made already (see `body_of`)."""
        return self._taken(self._post(body, _JSON))

    def _taken(self, answer: httpx.Response) -> Receipt:
        if answer.status_code != 200:
            told = f"{answer.status_code} {answer.reason_phrase}: {answer.text[:300]}"
            raise BadInputError(f"{self._client.base_url} refuses the samples: {told}")
        return _receipt(answer.json())

    def _post(self, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        return self._until_answered("POST", "/api/v1/samples", content=body, headers=headers)

    def _until_answered(self, method: str, path: str, **request: Any) -> httpx.Response:
        pause = _FIRST_S
        while True:
            after: str | None = None
            try:
                answer = self._client.request(method, path, **request)
            except httpx.TransportError as error:
                reason = self._unreached(error)
            else:
                self._reached = True
                if answer.status_code not in _AGAIN:
                    return answer
                reason = f"{answer.status_code} {answer.reason_phrase}"
                after = answer.headers.get("retry-after")
            self._notice(reason)
            time.sleep(_pause(after, pause))
            pause = min(2 * pause, _LAST_S)

    def _unreached(self, error: httpx.TransportError) -> str:
        """A service that was there will be there again; one that never was is a wrong address."""
        if not self._reached:
            told = str(error) or type(error).__name__
            raise StoreError(f"cannot reach {self._client.base_url}: {told}") from error
        return f"no answer ({error})"

    def _in_halves(self, batch: Batch) -> Receipt:
        """The service takes less at once: send the parts, each with its own position."""
        middle = len(batch) // 2
        first = self.send(_part(batch, slice(0, middle), batch.position - len(batch) + middle))
        second = self.send(_part(batch, slice(middle, None), batch.position))
        shifted = [Rejection(r.index + middle, r.code, r.detail) for r in second.rejected]
        return Receipt(
            first.accepted + second.accepted,
            first.duplicates + second.duplicates,
            [*first.rejected, *shifted],
            first.late + second.late,
            first.filtered + second.filtered,
        )


def body_of(batch: Batch) -> bytes:
    """A batch as the API's JSON; times and values read back exactly.

    Cost: about a microsecond a sample.
    """
    heads = [_head(metric.name, dict(metric.labels)) for metric in batch.metrics]
    columns = batch.samples.metric.tolist(), batch.samples.value.tolist()
    samples = [
        {**heads[which], "timestamp": moment, "value": value}
        for which, value, moment in zip(*columns, _moments(batch.samples.timestamp), strict=True)
    ]
    return msgspec.json.encode({"samples": samples})


def _head(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {"metric": name, "labels": labels} if labels else {"metric": name}


def _moments(timestamp: NDArray[np.int64]) -> list[Any]:
    """Times as epoch seconds; as text where those would not be exact."""
    seconds = timestamp / SECOND_NS
    told: list[Any] = seconds.tolist()
    for place in np.flatnonzero(to_ns(seconds, unit="s") != timestamp).tolist():
        told[place] = iso(int(timestamp[place]))
    return told


def _headers(batch: Batch) -> Mapping[str, str]:
    headers = dict(_JSON)
    if batch.source is not None:
        headers |= {"tocsin-source": batch.source, "tocsin-position": str(batch.position)}
    return headers | {"tocsin-bulk": "true"} if batch.bulk else headers


def _part(batch: Batch, part: slice, position: int) -> Batch:
    given = batch.samples
    samples = Samples(given.metric[part], given.timestamp[part], given.value[part])
    return replace(batch, samples=samples, position=position)


def _pause(told: str | None, own: float) -> float:
    """What the service asks for, in bounds; else our own back-off."""
    try:
        return min(max(float(told), 0.0), _LAST_S) if told else own
    except ValueError:
        return own


def _receipt(answer: dict[str, Any]) -> Receipt:
    refused = [_rejection(one["index"], one["reason"]) for one in answer["rejected"]]
    late, filtered = answer.get("late", 0), answer.get("filtered", 0)
    return Receipt(answer["accepted"], answer["duplicates"], refused, late, filtered)


def _rejection(index: int, reason: str) -> Rejection:
    code, _, detail = reason.partition(": ")
    return Rejection(index, Reason(code), detail)
