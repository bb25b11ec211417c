"""Rules about alarms that were set through the interface: the newest set counts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, delete, select

from tocsin.store import schema
from tocsin.store.database import told_as_store_error

__all__ = ["RuleSet", "newest_rules", "put_rules"]

#: How many sets are kept.
_KEPT: Final = 100

_C: Final = schema.rule_set.c


class RuleSet(NamedTuple):
    """One that was set; its id is its revision."""

    revision: int
    #: Nanoseconds since 1970.
    at: int
    author: str
    #: As JSON gives them; None: those of the configuration file.
    rules: Sequence[Mapping[str, Any]] | None


def newest_rules(database: Engine) -> RuleSet | None:
    """The set that counts; None: none was ever set. Errors: `StoreError`."""
    with told_as_store_error(), database.connect() as connection:
        row = connection.execute(select(schema.rule_set).order_by(_C.id.desc()).limit(1)).first()
    if row is None:
        return None
    return RuleSet(row.id, row.at, row.author, None if row.rules is None else json.loads(row.rules))


def put_rules(
    connection: Connection, rules: Sequence[Mapping[str, Any]] | None, author: str, at: int
) -> RuleSet:
    """Add a set, which counts from now on; the newest hundred are kept."""
    told = None if rules is None else json.dumps(rules, allow_nan=False)
    adding = schema.rule_set.insert().values(at=at, author=author, rules=told).returning(_C.id)
    number = int(connection.execute(adding).scalar_one())
    connection.execute(delete(schema.rule_set).where(_C.id <= number - _KEPT))
    return RuleSet(number, at, author, rules)
