"""How often may be tried what could be guessed; bounded memory, whoever tries."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Attempts", "Rate"]

#: How many addresses are remembered; beyond, the one that tried longest ago is forgotten.
_ADDRESSES: Final = 4_096
#: Of each address, how many wrong secrets.
_WRONG: Final = 8
#: A whole network of IPv6 is one address: whoever has one address there has them all.
_NETWORK: Final = 64


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and so many more each second."""

    burst: float
    per_s: float


class _Bucket:
    """What is left of a rate."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate, self._left, self._at = rate, rate.burst, now

    def wait(self, now: float) -> float:
        """Seconds until there is one more; 0: there is."""
        self._fill(now)
        return max(0.0, (1.0 - self._left) / self._rate.per_s)

    def take(self, now: float) -> None:
        """One is gone."""
        self._fill(now)
        self._left = max(0.0, self._left - 1.0)

    def _fill(self, now: float) -> None:
        gained = (now - self._at) * self._rate.per_s
        self._left, self._at = min(self._rate.burst, self._left + gained), now


@dataclass(slots=True)
class _Client:
    bucket: _Bucket
    wrong: deque[str] = field(default_factory=lambda: deque(maxlen=_WRONG))
    #: It has shown a right one: others' attempts do not keep it out.
    known: bool = False


class Attempts:
    """Wrong secrets by address, and of all together.

    The same wrong secret again is no attempt: a sender that was given a wrong one does not keep
    others at its address out. One thread.
    """

    def __init__(
        self, each: Rate, overall: Rate, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._each, self._clock = each, clock
        self._overall = _Bucket(overall, clock())
        self._clients: OrderedDict[str, _Client] = OrderedDict()

    def __len__(self) -> int:
        return len(self._clients)

    def wait(self, address: str) -> float:
        """Seconds until this address may try again; 0: now."""
        now, client = self._clock(), self._clients.get(_network(address))
        if client is None:
            return self._overall.wait(now)
        own = client.bucket.wait(now)
        return own if client.known else max(own, self._overall.wait(now))

    def repeated(self, address: str, hashed: str) -> bool:
        """Whether this address was told just before that this is wrong."""
        client = self._clients.get(_network(address))
        return client is not None and hashed in client.wrong

    def failed(self, address: str, hashed: str) -> None:
        """Count an attempt."""
        now, client = self._clock(), self._client(address)
        client.bucket.take(now)
        client.wrong.append(hashed)
        self._overall.take(now)

    def succeeded(self, address: str) -> None:
        """Somebody at this address knows a right one."""
        self._client(address).known = True

    def _client(self, address: str) -> _Client:
        network = _network(address)
        client = self._clients.pop(network, None)
        if client is None:
            client = _Client(_Bucket(self._each, self._clock()))
            if len(self._clients) >= _ADDRESSES:
                self._clients.popitem(last=False)
        self._clients[network] = client
        return client


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _NETWORK), strict=False))
