from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable
from typing import Final

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import BadInputError, TooLargeError
from tocsin.ingest.bodies import ENCODINGS, inflate

PACK: Final[dict[str, Callable[[bytes], bytes]]] = {
    "": lambda body: body,
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "snappy": lambda body: bytes(cramjam.snappy.compress_raw(body)),
    "zstd": lambda body: bytes(cramjam.zstd.compress(body)),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(body=st.binary(max_size=500))
def test_a_packed_body_comes_out_as_it_was(encoding: str, body: bytes) -> None:
    assert inflate(PACK[encoding](body), encoding, 500) == body


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_more_comes_out_than_allowed(encoding: str) -> None:
    packed = PACK[encoding](b"a" * 1_000_000)
    assert len(inflate(packed, encoding, 1_000_000)) == 1_000_000
    with pytest.raises(TooLargeError, match="999999 "):
        inflate(packed, encoding, 999_999)


@pytest.mark.parametrize("encoding", sorted(set(ENCODINGS) - {"", "identity"}))
@given(body=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(encoding: str, body: bytes) -> None:
    with contextlib.suppress(BadInputError, TooLargeError):
        assert len(inflate(body, encoding, 10_000)) <= 10_000


def test_members_after_each_other_are_one_body() -> None:
    assert inflate(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 2) == b"ab"
    with pytest.raises(BadInputError, match="not complete"):
        inflate(gzip.compress(b"hello")[:-3], "gzip", 100)


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(BadInputError, match="'br': must be one of identity, gzip"):
        inflate(b"", "br", 1)
