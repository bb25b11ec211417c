"""``/api/v1/tokens``: who may use the service."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.exceptions import NotFoundException
from litestar.params import BodyKwarg, FromPath

from tocsin.api.audit import actor, audit
from tocsin.api.parts import Parts
from tocsin.api.query import Cursor, Limit, cursor_numbers
from tocsin.errors import ActionRefusedError
from tocsin.samples import iso
from tocsin.store.tokens import Scope, Token

__all__ = ["create_token", "list_tokens", "revoke_token"]

#: The largest number that a database keeps.
_LARGEST = 2**63 - 1


class TokenIn(msgspec.Struct, forbid_unknown_fields=True):
    """A token that is to be; ``days``: how long it is good for, left out: for ever."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    scope: Scope
    days: Annotated[float, msgspec.Meta(gt=0, le=36_500)] | None = None


class TokenOut(msgspec.Struct):
    """A token, without its secret, which is kept nowhere."""

    id: int
    name: str
    scope: str
    created: str
    #: Who made it.
    creator: str
    #: null: never.
    expires: str | None
    #: When it was last shown, to the hour or so; null: never.
    used: str | None

    @classmethod
    def of(cls, token: Token) -> TokenOut:
        """From a stored token."""
        expires, used = (None if at is None else iso(at) for at in (token.expires, token.used))
        created = iso(token.created)
        return cls(token.id, token.name, token.scope, created, token.creator, expires, used)


class MadeTokenOut(msgspec.Struct):
    """A new token; ``secret`` is what its user shows, and is told this once."""

    token: TokenOut
    secret: str


class TokensPage(msgspec.Struct):
    """Some tokens, oldest first; ``cursor`` asks for the next ones, null: there are none."""

    tokens: list[TokenOut]
    #: Whether there is one in the configuration too, which may do everything.
    configured: bool
    cursor: str | None


@get("/tokens", opt={"scope": "admin"}, sync_to_thread=True, summary="List tokens")
def list_tokens(state: Parts, limit: Limit = 1_000, cursor: Cursor = None) -> TokensPage:
    """Who may use the service, and for what."""
    after = cursor_numbers(cursor, 1)[0] if cursor else 0
    found = state.access.tokens.all(after, limit + 1)
    more = str(found[limit - 1].id) if len(found) > limit else None
    told = [TokenOut.of(token) for token in found[:limit]]
    return TokensPage(told, state.config.token is not None, more)


@post("/tokens", summary="Make a token")
async def create_token(state: Parts, data: Annotated[TokenIn, BodyKwarg()]) -> MadeTokenOut:
    """Let somebody in: "ingest" may only send samples, "read" only look, "admin" do everything.

    From the first token on, everybody needs one; therefore it must be one for "admin".
    """
    audit(what="token.create", target=data.name, scope=data.scope)
    if data.scope != "admin" and not state.access.administered:
        raise ActionRefusedError("make a token for 'admin' first: without one, nobody could manage")
    make = partial(state.access.tokens.create, data.name, data.scope, actor(), data.days)
    token, secret = await asyncio.to_thread(make)
    await state.access.known.refresh(now=True)
    return MadeTokenOut(TokenOut.of(token), secret)


@delete("/tokens/{number:int}", summary="Revoke a token")
async def revoke_token(state: Parts, number: FromPath[int]) -> None:
    """Let nobody in with it any longer; its sessions and streams end too."""
    audit(what="token.revoke")
    revoke = partial(state.access.tokens.revoke, number)
    gone = await asyncio.to_thread(revoke) if 0 <= number <= _LARGEST else None
    if gone is None:
        raise NotFoundException(f"there is no token {number}")
    audit(target=gone.name, scope=gone.scope)
    await state.access.known.refresh(now=True)
