from __future__ import annotations

from sqlalchemy import Engine

from tocsin.engine.committing import Job
from tocsin.engine.deliveries import KEYS_KEPT_NS, SOURCES_KEPT_NS
from tocsin.engine.forgetting import Forgetting
from tocsin.store.commits import Commit, Writer
from tocsin.store.database import claim
from tocsin.store.intake import Intake

NOW = 1_800_000_000_000_000_000


def test_only_what_is_too_old_is_forgotten(database_url: str) -> None:
    told = {
        "http:old": NOW - KEYS_KEPT_NS - 1,
        "http:new": NOW - KEYS_KEPT_NS + 1,
        "old": NOW - SOURCES_KEPT_NS - 1,
        "new": NOW - SOURCES_KEPT_NS + 1,
    }
    jobs: list[Job] = []
    with claim(database_url) as database:
        writer = Writer(database)
        rows = [{"source": s, "position": 1, "at": at, "receipt": "{}"} for s, at in told.items()]
        writer.commit(Commit(deliveries=rows))
        forgetting = Forgetting(jobs.append, every_s=3_600, clock=lambda: NOW)
        assert forgetting.seconds_left() == 0
        for _ in range(2):
            forgetting.work()
        (job,) = jobs
        for again in (False, True):
            job.write(writer, again=again)
        assert sources(database) == {"http:new", "new"}
        assert forgetting.seconds_left() > 3_000


def sources(database: Engine) -> set[str]:
    return {row["source"] for row in Intake(database).deliveries(10)}
