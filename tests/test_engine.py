"""The Python face: connect, import, ask, and what an answer can do."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import polars
import pyarrow.parquet
import pytest

import persona
from grammar.query import (
    AttributeBreakdown,
    AttributeColumn,
    Calendar,
    CountUsers,
    Dates,
    Events,
    Everyone,
    Filter,
    MeasureColumn,
    MomentColumn,
    Order,
    Percentage,
    Property,
    Query,
    Rolling,
    Span,
    Spend,
    Text,
    Users,
    Value,
    Window,
    did,
    negated,
)
from persona import sample

RED = Filter((Property("name", "item"),), Text("is", ("red shirt",)))
CARTED_RED = did(Events("add-to-cart", (RED,)))
COLUMNS = Users(
    (
        AttributeColumn("name"),
        AttributeColumn("tags"),
        MeasureColumn(Spend(Events("order-completed"))),
        MomentColumn("last", Events("order-completed")),
    )
)


def carted_red(shop: sample.Sample) -> list[str]:
    """Who did it, read from the events themselves."""
    good = {contact["visitor_id"] for contact in shop.contacts}
    return sorted(
        {
            event["visitor_id"]
            for event in shop.events
            if event["event_name"] == "add-to-cart"
            and event["event_properties"].get("name") == "Red Shirt"
            and "cart_id" in event["event_properties"]
        }
        & good
    )


def events_without_faults(shop: sample.Sample) -> int:
    return sum("faulty" not in event["message_id"] for event in shop.events)


def test_users(shop_book: persona.Phonebook, shop: sample.Sample) -> None:
    answer = shop_book.ask(Query(CARTED_RED), now=sample.NOW)
    assert answer.kind == "users"
    assert answer.visitor_ids == carted_red(shop)
    assert len(answer) == len(answer.rows) == len(answer.visitor_ids) > 10
    assert answer.rows[0] == {"visitor_id": answer.visitor_ids[0]}
    assert (answer.value, answer.breakdown) == (None, {})
    assert "red shirt" in answer.understood.lower()
    assert "select" in answer.sql.lower()
    assert answer.elapsed > 0
    assert persona.Query.from_json(answer.query.to_json()) == Query(CARTED_RED)


def test_nobody_is_an_answer(shop_book: persona.Phonebook) -> None:
    answer = shop_book.ask(Query(did(Events("add-to-cart", (RED,), Window(Dates(*[datetime(1990, 1, 1).date()] * 2))))))
    assert answer
    assert answer.visitor_ids == []


def test_single_values(shop_book: persona.Phonebook, shop: sample.Sample) -> None:
    count = shop_book.ask(Query(CARTED_RED, CountUsers()), now=sample.NOW)
    assert (count.kind, count.value) == ("count", len(carted_red(shop)))
    share = shop_book.ask(Query(CARTED_RED, Percentage(Everyone())), now=sample.NOW)
    assert share.kind == "percentage"
    assert share.value == pytest.approx(100 * len(carted_red(shop)) / len(shop.contacts))
    spend = shop_book.ask(Query(CARTED_RED, Value("average", Spend(Events("order-completed")))), now=sample.NOW)
    assert spend.kind == "value"
    assert isinstance(spend.value, float)
    assert (spend.visitor_ids, spend.breakdown, len(spend)) == ([], {}, 1)


def test_breakdown(shop_book: persona.Phonebook, shop: sample.Sample) -> None:
    answer = shop_book.ask(Query(Everyone(), AttributeBreakdown("tier")), now=sample.NOW)
    assert answer.kind == "breakdown"
    assert sum(answer.breakdown.values()) == len(shop.contacts)
    assert set(answer.breakdown) == {"basic", "plus", "premier"}
    assert len(answer.rows) == 3


def test_a_query_and_its_complement_are_everyone(shop_book: persona.Phonebook, shop: sample.Sample) -> None:
    has = shop_book.ask(Query(CARTED_RED), now=sample.NOW).visitor_ids
    has_not = shop_book.ask(Query(negated(CARTED_RED)), now=sample.NOW).visitor_ids
    assert sorted(has + has_not) == [contact["visitor_id"] for contact in shop.contacts]


def test_the_order_is_kept(shop_book: persona.Phonebook) -> None:
    spend = MeasureColumn(Spend(Events("order-completed")))
    answer = shop_book.ask(Query(Everyone(), Users((spend,), Order(spend, descending=True), 10)), now=sample.NOW)
    column = next(name for name in answer.rows[0] if name != "visitor_id")
    amounts = [row[column] for row in answer.rows]
    assert amounts == sorted(amounts, reverse=True)
    assert len(answer) == 10


def test_now_is_an_instant() -> None:
    today = Query(did(Events("login", (), Window(Calendar("day", 0)))))
    with persona.connect(":memory:", timezone="Asia/Kolkata") as book:
        book.import_contacts([{"visitor_id": "v1"}])
        login = {"event_name": "login", "visitor_id": "v1", "event_properties": {}}
        book.import_events([login | {"event_timestamp": "2026-03-10 23:30:00"}])  # of the phonebook's own day
        assert book.ask(today, now="2026-03-10T23:45:00").visitor_ids == ["v1"]
        assert book.ask(today, now="2026-03-11T00:15:00").visitor_ids == []
        assert book.ask(today, now="2026-03-10T23:00:00").visitor_ids == []  # not yet
        assert book.ask(today, now="2026-03-10T18:15:00+00:00").visitor_ids == ["v1"]
        assert book.ask(today, now=datetime(2026, 3, 10, 23, 45)).visitor_ids == ["v1"]
        utc = datetime(2026, 3, 10, 18, 15, tzinfo=timezone(timedelta()))
        assert book.ask(today, now=utc).visitor_ids == ["v1"]
        with pytest.raises(ValueError, match="ISO 8601, such as"):
            book.ask(today, now="tomorrow")


def test_no_now_is_the_clock() -> None:
    with persona.connect(":memory:") as book:
        book.import_contacts([{"visitor_id": "v1"}])
        book.import_events([{"event_name": "login", "visitor_id": "v1", "event_properties": {}}])
        recently = Query(did(Events("login", (), Window(Rolling(Span(5, "minute"))))))
        assert book.ask(recently).visitor_ids == ["v1"]


def test_no_model_is_set_up(shop_book: persona.Phonebook) -> None:
    with pytest.raises(persona.ModelNotConfigured, match="parser='grammar'"):
        shop_book.ask("who bought?", parser="model")
    with pytest.raises(ValueError, match="not 'guess'"):
        shop_book.ask("who bought?", parser="guess")  # type: ignore[arg-type]


def test_answers_as_frames(shop_book: persona.Phonebook) -> None:
    answer = shop_book.ask(Query(CARTED_RED, COLUMNS), now=sample.NOW)
    assert answer.to_arrow().num_rows == len(answer)
    assert len(answer.to_pandas()) == len(answer)
    assert answer.to_polars()["visitor_id"].to_list() == answer.visitor_ids
    assert polars.DataFrame(answer)["visitor_id"].to_list() == answer.visitor_ids
    assert duckdb.sql("select count(*) from answer").fetchall() == [(len(answer),)]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".parquet"])
@pytest.mark.parametrize("population", [CARTED_RED, negated(Everyone())], ids=["some", "none"])
def test_export(shop_book: persona.Phonebook, tmp_path: Path, suffix: str, population: object) -> None:
    answer = shop_book.ask(Query(population, COLUMNS), now=sample.NOW)  # type: ignore[arg-type]
    path = answer.export(tmp_path / f"out{suffix}")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name], "nothing else is left behind"
    if suffix == ".parquet":
        ids = pyarrow.parquet.read_table(path).column("visitor_id").to_pylist()
    elif suffix == ".csv":
        lines = path.read_text().splitlines()
        assert lines[0].startswith("visitor_id,name,tags,")
        ids = [line.split(",")[0] for line in lines[1:]]
    else:
        text = path.read_text()
        rows = json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]
        ids = [row["visitor_id"] for row in rows]
    assert ids == answer.visitor_ids


def test_export_is_whole_or_not_at_all(shop_book: persona.Phonebook, tmp_path: Path) -> None:
    answer = shop_book.ask(Query(CARTED_RED), now=sample.NOW)
    with pytest.raises(ValueError, match=r"\.csv, \.jsonl, \.json, \.parquet"):
        answer.export(tmp_path / "out.xlsx")
    with pytest.raises(OSError):
        answer.export(tmp_path / "nowhere" / "out.csv")
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(OSError):
        answer.export(tmp_path / "taken.csv")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken.csv"]


def test_what_the_store_knows(shop_book: persona.Phonebook, shop: sample.Sample) -> None:
    types = shop_book.event_types()
    assert {"name", "kind", "count", "first_seen", "last_seen", "keys"} <= set(types.columns)
    assert (types["kind"] == "default").sum() == 14
    assert (types["kind"] == "custom").sum() >= 4
    assert "Red Shirt" in set(shop_book.products()["name"])
    failed = shop_book.failed_events()
    assert types["count"].sum() + len(failed) == len(shop.events)
    assert failed["errors"].map(json.loads).map(len).max() == 2
    assert failed["payload"].str.contains("stranger-").any()


def test_one_contact(shop_book: persona.Phonebook, shop: sample.Sample) -> None:
    visitor = shop.events[0]["visitor_id"]
    events = shop_book.events(visitor)
    assert events["event_timestamp"].is_monotonic_decreasing
    assert len(events) == sum(event["visitor_id"] == visitor for event in shop.events[: events_without_faults(shop)])
    assert len(shop_book.events("nobody")) == 0


def test_the_timezone_of_a_phonebook_stays(tmp_path: Path) -> None:
    store = tmp_path / "zone.duckdb"
    persona.connect(store, timezone="Europe/Lisbon").close()
    persona.connect(store).close()
    with pytest.raises(persona.StorageError, match="Europe/Lisbon"):
        persona.connect(store, timezone="UTC")
    persona.connect(store, timezone="Europe/Lisbon").close()


def test_closing_twice_does_nothing() -> None:
    book = persona.connect(":memory:")
    book.close()
    book.close()


def test_readings_can_be_chosen(shop_book: persona.Phonebook) -> None:
    with pytest.raises(persona.Ambiguous) as raised:
        shop_book.ask("users who have added to cart but haven't bought in the last 7 days", now=sample.NOW)
    readings = raised.value.readings
    assert len({reading.query for reading in readings}) == len(readings) >= 2
    for number, reading in enumerate(readings):
        answer = raised.value.choose(number)
        assert answer.query == reading.query
        assert len(answer) == reading.count
        assert answer.understood == reading.understood
    for number in (-1, len(readings)):
        with pytest.raises(IndexError, match="numbered 0 to"):
            raised.value.choose(number)


def test_readings_that_count_events_are_counted_so(shop_book: persona.Phonebook) -> None:
    with pytest.raises(persona.Ambiguous) as raised:
        shop_book.ask("how many purchases last Monday", now=sample.NOW)
    for number, reading in enumerate(raised.value.readings):
        assert raised.value.choose(number).value == reading.count


def test_a_refusal_says_the_words(shop_book: persona.Phonebook) -> None:
    with pytest.raises(persona.NotUnderstood) as raised:
        shop_book.ask("users who bought a zzyzx gizmo", now=sample.NOW)
    assert "zzyzx" in " ".join(raised.value.words)
