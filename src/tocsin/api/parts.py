"""What the handlers work with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from litestar.datastructures import State

from tocsin.alert.delivering import Delivering
from tocsin.alert.duty import Duty
from tocsin.alert.groups import Groups
from tocsin.alert.pictures.stored import Pictures
from tocsin.api.access import Access
from tocsin.api.decoding import OneByOne
from tocsin.api.matching import Matching
from tocsin.api.stream import Hub
from tocsin.api.turns import Turns
from tocsin.config import Address, Config
from tocsin.engine.engine import Engine
from tocsin.engine.index import Index
from tocsin.ingest import http_json, influx, otlp
from tocsin.publish.publishing import Publishing
from tocsin.store.courses import Courses
from tocsin.store.queries import Reader

if TYPE_CHECKING:
    from tocsin.api.now import Overview

__all__ = ["Parts"]


class Parts(State):
    """The application's state: the service's parts, by name."""

    config: Config
    access: Access
    engine: Engine
    reader: Reader
    #: Metrics by pattern.
    matching: Matching
    hub: Hub
    publishing: Publishing
    duty: Duty
    delivering: Delivering
    pictures: Pictures
    groups: Groups
    courses: Courses
    #: Finds metrics by words.
    index: Index
    #: What is going on, as it was last told.
    overview: Overview
    #: Files that are scanned.
    scans: Turns
    #: Decoders of lines and of JSON.
    influx: OneByOne[influx.Decoder]
    json: OneByOne[http_json.Decoder]
    #: Held while a large body is unpacked and decoded, which takes memory for a moment.
    decoding: asyncio.Semaphore
    #: What of OTLP becomes metrics, the last points of cumulative histograms, and the decoder.
    choices: otlp.Choices
    intervals: otlp.Intervals
    otlp: OneByOne[otlp.Decoder]
    #: Where listeners over sockets of their own are reached, by key.
    listening: dict[str, Address]
