from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from tocsin.errors import ActionRefusedError, BadInputError
from tocsin.store import schema
from tocsin.store.audits import Audits
from tocsin.store.database import claim, open_database
from tocsin.store.tokens import Tokens, digest

DAY_NS = 86_400 * 10**9


def test_a_secret_is_told_once_and_kept_nowhere(database: Engine) -> None:
    tokens = Tokens(database)
    token, secret = tokens.create("prometheus", "ingest", "local")
    assert tokens.all() == [token]
    assert token.hash == digest(secret)
    assert len(secret) > 40
    with database.connect() as connection:
        (row,) = connection.execute(select(schema.token)).all()
    assert not any(secret in str(column) for column in row)


def test_two_secrets_are_never_the_same(database: Engine) -> None:
    tokens = Tokens(database)
    assert len({tokens.create(f"t{n}", "read", "local")[1] for n in range(20)}) == 20


def test_a_name_is_given_once_at_a_time(database: Engine) -> None:
    tokens = Tokens(database)
    first, _ = tokens.create("grafana", "read", "local")
    with pytest.raises(ActionRefusedError, match="grafana"):
        tokens.create("grafana", "admin", "local")
    assert tokens.revoke(first.id) == first
    assert tokens.revoke(first.id) is None
    second, _ = tokens.create("grafana", "read", "local")
    assert second.id > first.id  # an id never stands for another token later
    assert tokens.all() == [second]


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "a\0b", "x" * 101, "Local", "\u202e"])
def test_a_name_that_cannot_be_one(database: Engine, name: str) -> None:
    with pytest.raises(BadInputError, match="name"):
        Tokens(database).create(name, "read", "local")


def test_a_token_has_an_end(database: Engine) -> None:
    token, _ = Tokens(database, clock=lambda: 1_000).create("short", "read", "local", days=0.5)
    assert token.expires == 1_000 + DAY_NS // 2
    assert token.live(token.expires - 1)
    assert not token.live(token.expires)


def test_when_it_was_last_used(database: Engine) -> None:
    tokens = Tokens(database)
    token, _ = tokens.create("a", "read", "local")
    tokens.note_use({token.id: 77, token.id + 1: 78})
    assert [t.used for t in tokens.all()] == [77]


def test_another_process_makes_and_revokes_tokens(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tocsin.db'}"
    with claim(url) as engine:
        beside = open_database(url, upgrade=False)
        token, _ = Tokens(beside).create("beside", "admin", "local")
        assert Tokens(engine).all() == [token]
        Tokens(beside).revoke(token.id)
        assert Tokens(engine).all() == []
        beside.dispose()


def test_the_book_of_changes_is_bounded(database: Engine) -> None:
    audits = Audits(database, kept=5)
    numbers = [audits.add("ops", "metric.pause", f"m{n}") for n in range(12)]
    rows = audits.newest(None, 100)
    assert [row["id"] for row in rows] == numbers[:-6:-1]
    assert [row["target"] for row in audits.newest(rows[1]["id"], 2)] == ["m9", "m8"]


def test_how_a_change_ended_is_added(database: Engine) -> None:
    audits = Audits(database)
    number = audits.add("ops", "DELETE /x", address="::1")
    assert audits.newest(None, 1)[0]["status"] is None
    audits.finish(number, 204, "x.delete", "7", {"text": "gone", "n": 3})
    (row,) = audits.newest(None, 10)
    assert (row["status"], row["what"], row["target"]) == (204, "x.delete", "7")
    assert json.loads(row["details"]) == {"text": "gone", "n": 3}


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    who=st.text(st.characters()),
    target=st.text(),
    details=st.dictionaries(st.text(), st.text(max_size=5000) | st.floats() | st.none()),
)
def test_anything_can_be_noted(
    database: Engine, who: str, target: str, details: dict[str, object]
) -> None:
    audits = Audits(database)
    number = audits.add(who, "what", target, details)
    (row,) = audits.newest(None, 1)
    assert row["id"] == number
    assert len(row["details"]) <= 8_000
    assert set(json.loads(row["details"])) in ({*details}, {"left_out"})
