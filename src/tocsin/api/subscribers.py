"""Named subscribers: who follows the results, and how far each has confirmed them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, put
from litestar.exceptions import NotFoundException
from litestar.params import BodyKwarg, FromPath

from tocsin.api.parts import Parts
from tocsin.errors import BadInputError
from tocsin.publish.subscribers import Subscriber
from tocsin.samples import iso

__all__ = ["confirm", "find", "forget", "list_subscribers"]


class SubscriberOut(msgspec.Struct):
    """A subscriber: everything up to ``position`` is confirmed, ``newest`` is the last there is."""

    name: str
    position: int
    newest: int
    updated: str


class SubscribersOut(msgspec.Struct):
    """All subscribers by name."""

    subscribers: list[SubscriberOut]


class PositionIn(msgspec.Struct):
    """What has been taken care of; left out: nothing new."""

    position: Annotated[int, msgspec.Meta(ge=0)] | None = None


@get("/subscribers", sync_to_thread=True, summary="List named subscribers")
def list_subscribers(state: Parts) -> SubscribersOut:
    """Who follows the results under a name, and how far each is."""
    return SubscribersOut([_out(state, one) for one in state.publishing.subscribers.all()])


@put("/subscribers/{name:str}", sync_to_thread=True, summary="Subscribe, or confirm a position")
def confirm(
    state: Parts, name: FromPath[str], data: Annotated[PositionIn, BodyKwarg()]
) -> SubscriberOut:
    """Make a subscriber (it begins at ``position``, default: now), or move its position on.

    Results are kept until every subscriber has confirmed them, for some days at most. A position
    never goes back: delete the subscriber and make it again for that.
    """
    newest = state.publishing.outbox.newest()
    if data.position is not None and data.position > newest:
        raise BadInputError(f"position = {data.position}: there is nothing after {newest} yet")
    given = newest if data.position is None else data.position
    subscribers = state.publishing.subscribers
    stored = subscribers.register(name, given)
    if data.position is not None and data.position > stored:
        subscribers.confirm(name, data.position)
    return _out(state, find(state, name))


@delete(
    "/subscribers/{name:str}", sync_to_thread=True, status_code=204, summary="Forget a subscriber"
)
def forget(state: Parts, name: FromPath[str]) -> None:
    """Keep no results for it any longer."""
    if not state.publishing.subscribers.forget(name):
        raise _unknown(name)


def find(state: Parts, name: str) -> Subscriber:
    """A subscriber that there is; else 404."""
    found = state.publishing.subscribers.find(name)
    if found is None:
        raise _unknown(name)
    return found


def _unknown(name: str) -> NotFoundException:
    return NotFoundException(
        f"no subscriber has the name {name[:40]!r}: make it with PUT /api/v1/subscribers/NAME"
    )


def _out(state: Parts, one: Subscriber) -> SubscriberOut:
    newest = state.publishing.outbox.newest()
    return SubscriberOut(one.name, one.position, newest, iso(one.updated))
