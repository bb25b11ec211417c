"""Decoders made ready before anybody sends: compiled once per machine, loaded at each start."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from tocsin.ingest import http_json, influx, otlp
from tocsin.ingest.graphite import pickles, plaintext
from tocsin.ingest.remote_write import v1, v2

__all__ = ["Warming"]

#: The smallest that makes each decoder use all of its kernels.
_DECODES: Final[tuple[Callable[[], object], ...]] = (
    lambda: http_json.Decoder(1).decode(b'{"samples":[]}', 1),
    lambda: v1.Decoder(1).decode(b"", 1),
    lambda: influx.Decoder(1).decode(b"a value=1 1", 1),
    lambda: plaintext.Decoder(1).decode(b"a 1 1", 1),
    lambda: pickles.Decoder(1).decode(b"].", 1),
    lambda: otlp.Decoder(1, otlp.Choices(), otlp.Intervals()).decode(b""),
    lambda: http_json.Decoder(1).decode_lines(b"{", 1),
    lambda: v2.Decoder(1).decode(b"", 1),
)


class Warming:
    """Goes through the decoders in a thread of its own.

    Cost: 40 s of CPU where nothing is compiled yet, else 0.2 s. A request that comes meanwhile
    waits for its decoder only.
    """

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tocsin-warming")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until all is ready."""
        self._thread.join()

    def stop(self) -> None:
        """End after the decoder that is under way."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        for decode in _DECODES:
            if self._stopped.is_set():
                return
            decode()
