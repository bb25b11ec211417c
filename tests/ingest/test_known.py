from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.ingest.known import Known
from tocsin.ingest.warming import Warming
from tocsin.samples import Metric


@given(
    st.integers(0, 30),
    st.lists(st.lists(st.integers(0, 40), max_size=20), max_size=6),
)
def test_what_is_known_is_what_was_read(limit: int, requests: list[list[int]]) -> None:
    """Whatever is forgotten meanwhile, every hash leads to what its bytes stand for."""
    known = Known(limit)

    def read(told: int) -> Metric | str:
        return f"bad {told}" if told % 7 == 0 else Metric.of(f"m{told}")

    for request in requests:
        hashes = np.zeros((len(request), 2), dtype=np.uint64)
        for i, told in enumerate(request):
            known.hash_of(str(told).encode(), hashes[i])
        plain = np.array([told % 5 > 0 for told in request], dtype=np.bool_)
        entries = known.entries(hashes, lambda i, request=request: read(request[i]), plain)  # type: ignore[misc]
        assert [known.metrics[entry] for entry in entries.tolist()] == list(map(read, request))
        bad = known.bad(entries)
        assert bad.tolist() == [told % 7 == 0 for told in request]
        metrics, which = known.distinct(entries[~bad])
        good = [read(told) for told in request if told % 7]
        assert [metrics[place] for place in which.tolist()] == good
        assert len(known) <= max(limit, *map(len, requests))


def test_decoders_are_made_ready_and_that_can_be_ended() -> None:
    warming = Warming()
    warming.start()
    warming.stop()
    Warming().stop()
