from __future__ import annotations

from sqlalchemy import func, select

from tocsin.bench.filled import LONG, Amounts, fill, metric_of
from tocsin.engine.index import Index, words_of
from tocsin.samples import Metric
from tocsin.store import schema
from tocsin.store.checks import check_database
from tocsin.store.database import open_database
from tocsin.store.queries import Reader

SOME = Amounts(metrics=300, each=2, busy=10, busy_each=20, long=3_000, events=25)
NOW = 1_769_903_940 * 10**9


def test_what_is_made_is_a_sound_database_of_that_size(database_url: str) -> None:
    made = fill(database_url, SOME, now=NOW)
    database = open_database(database_url)
    try:
        assert [one for one in check_database(database) if one.wrong] == []
        with database.connect() as connection:
            counts = [
                connection.execute(select(func.count()).select_from(table)).scalar()
                for table in (schema.metric, schema.sample, schema.event)
            ]
        assert counts == [301, 290 * 2 + 10 * 20 + 3_000, 25]
        reader = Reader(database)
        long, busy = reader.metric(made.long), reader.metric(made.busy)
        assert long is not None
        assert busy is not None
        assert (long["title"], long["last_seq"]) == (str(LONG), 3_000)
        assert (busy["title"], busy["last_seq"]) == (str(metric_of(299)), 20)
        assert long["last_timestamp"] == busy["last_timestamp"] == NOW
        newest = reader.samples(
            long["id"], start=None, end=None, after=None, limit=1, order="desc"
        )[0]
        assert (newest["value"], newest["anomaly_score"]) == (
            long["last_value"],
            long["anomaly_score"],
        )
    finally:
        database.dispose()


def test_its_metrics_have_few_terms() -> None:
    metrics: list[Metric] = [metric_of(number) for number in range(1_000)]
    assert len(set(metrics)) == 1_000
    assert int(Index(metrics).rows(words_of("host=web-00003")).sum()) == 100
