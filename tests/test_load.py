"""Events and contacts in: every kind of source, everything once, nothing dropped, and the columns they end up in."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import numpy
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storage import inbox, load
from storage import source as sources
from storage.errors import StorageError
from storage.event import DEFAULT_EVENTS, ErrorCode
from storage.load import Report
from storage.store import Book, Store

NOW = datetime(2026, 3, 1, 12)
SETS = Path(os.environ.get("PERSONA_QUESTION_SETS", Path(__file__).parent.parent.parent / "shared" / "questions"))


def opened(zone: str | None = None, strict: bool | None = None) -> Book:
    book = Store.open(":memory:", clock=lambda: NOW).phonebook("test", zone, strict)
    book.import_contacts([{"visitor_id": "v1"}, {"visitor_id": "v2"}])
    return book


@pytest.fixture
def book() -> Book:
    return opened()


def event(name: str = "login", visitor: Any = "v1", properties: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "event_name": name,
        "visitor_id": visitor,
        "event_properties": {} if properties is None else properties,
        **more,
    }


def rows(book: Book, table: str, columns: str = "*") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = book._backend.query(f"SELECT {columns} FROM p1.{table} ORDER BY ALL").to_pylist()
    return found


def failures(book: Book) -> list[tuple[str, list[tuple[str, str]]]]:
    """(payload, [(key, code), …]) of what failed, oldest first."""
    kept = reversed(book.failed_events().to_pylist())
    return [(row["payload"], [(e["key"], e["code"]) for e in json.loads(row["errors"])]) for row in kept]


# ── the same events, whatever they come in ────────────────────────────────────────────────────────────────────────

EVENTS = [
    {
        "event_name": "add-to-cart",
        "visitor_id": "v1",
        "event_properties": {"cart_id": "c1", "product_id": "p1", "price": "39.00"},
        "event_timestamp": "2026-02-01 10:00:00",
        "context": {"device": "phone"},
    },
    {
        "event_name": "order-completed",
        "visitor_id": "v2",
        "event_properties": {"total": 40.5, "products": [{"product_id": "p1", "name": "Shirt, red"}]},
        "event_timestamp": "2026-02-02 10:00:00",
        "type": "purchase",
    },
]
TYPED = [{**e, "event_timestamp": datetime.fromisoformat(e["event_timestamp"])} for e in EVENTS]  # type: ignore[arg-type]
JSON_TEXT = [
    {k: json.dumps(v) if isinstance(v, dict) else v for k, v in {"context": None, "type": None, **e}.items()}
    for e in EVENTS
]
DOTTED = (
    "event_name,visitor_id,event_properties.cart_id,event_properties.product_id,event_properties.price,"
    "event_properties.total,event_properties.products,event_timestamp,context.device,type\n"
    "add-to-cart,v1,c1,p1,39.00,,,2026-02-01 10:00:00,phone,\n"
    'order-completed,v2,,,,40.5,"[{""product_id"": ""p1"", ""name"": ""Shirt, red""}]",2026-02-02 10:00:00,,purchase\n'
)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def parquet(path: Path, table: pa.Table) -> Path:
    pyarrow.parquet.write_table(table, path)
    return path


SOURCES: dict[str, Callable[[Path], Any]] = {
    "dicts": lambda _: EVENTS,
    "a generator": lambda _: iter(EVENTS),
    "a payload": lambda _: {"data": EVENTS},
    ".jsonl": lambda folder: written(folder / "e.jsonl", "".join(json.dumps(e) + "\n" for e in EVENTS)),
    ".jsonl as a str": lambda folder: str(written(folder / "e.jsonl", "\n\n".join(json.dumps(e) for e in EVENTS))),
    ".jsonl with a byte order mark": lambda folder: written(
        folder / "e.jsonl", "\ufeff" + "\r\n".join(json.dumps(e) for e in EVENTS)
    ),
    ".json payload": lambda folder: written(folder / "e.json", json.dumps({"data": EVENTS}, indent=1)),
    ".json list": lambda folder: written(folder / "e.json", json.dumps(EVENTS)),
    ".csv of JSON": lambda folder: written(folder / "e.csv", pandas.DataFrame(JSON_TEXT).to_csv(index=False)),
    ".csv of columns": lambda folder: written(folder / "e.csv", DOTTED),
    ".parquet of JSON": lambda folder: parquet(folder / "e.parquet", pa.Table.from_pylist(JSON_TEXT)),
    ".parquet of structs": lambda folder: parquet(
        folder / "e.parquet", pa.Table.from_pylist([{"type": None, "context": None, **e} for e in EVENTS])
    ),
    "pandas": lambda _: pandas.DataFrame(TYPED),
    "pandas of JSON": lambda _: pandas.DataFrame(JSON_TEXT, index=["a", "b"]),
    "polars": lambda _: polars.DataFrame(EVENTS),
    "arrow": lambda _: pa.Table.from_pylist([{"type": None, "context": None, **e} for e in TYPED]),
    "arrow, in batches": lambda _: pa.Table.from_pylist(
        [{"type": None, "context": None, **e} for e in TYPED]
    ).to_reader(max_chunksize=1),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_same(book: Book, tmp_path: Path, kind: str) -> None:
    assert book.import_events(SOURCES[kind](tmp_path)) == Report(accepted=2)
    stored = rows(
        book, "event", "contact, ts, properties::VARCHAR AS properties, context::VARCHAR AS context, kind, order_value"
    )
    assert [(row["contact"], row["ts"], row["kind"]) for row in stored] == [
        (0, datetime(2026, 2, 1, 10), "track"),
        (1, datetime(2026, 2, 2, 10), "purchase"),
    ]
    assert float(stored[1]["order_value"]) == 40.5
    properties = [json.loads(row["properties"]) for row in stored]
    if kind == ".csv of columns":
        properties[1]["total"] = float(properties[1]["total"])  # in a CSV file, text stays text
    assert properties == [e["event_properties"] for e in EVENTS]
    assert [row["context"] and json.loads(row["context"]) for row in stored] == [{"device": "phone"}, None]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nothing.jsonl", "No such file"),
        ("events.xlsx", "known are .jsonl"),
        (7, "Cannot read events from int"),
        (b"{}", "Cannot read events from bytes"),
    ],
)
def test_what_is_no_source(book: Book, source: Any, said: str) -> None:
    with pytest.raises(StorageError, match=said) as error:
        book.import_events(source)
    assert error.value.code == "source"


def test_a_file_that_only_says_parquet(book: Book, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no Parquet file"):
        book.import_events(written(tmp_path / "e.parquet", "{}"))


def test_objects_that_json_does_not_know(book: Book) -> None:
    properties = {
        "decimal": Decimal("1.50"),
        "number": numpy.float64(2.5),
        "array": numpy.array([1, 2]),
        "nan": float("nan"),
        "day": datetime(2026, 1, 1).date(),
        "none": pandas.NaT,
        3: "three",
    }
    loop: list[Any] = []
    loop.append(loop)
    report = book.import_events(
        [event(properties=properties), event(properties={"x": object()}), event(properties={"x": loop})]
    )
    assert report == Report(accepted=1, failed=2)
    assert json.loads(rows(book, "event")[0]["properties"]) == {
        "decimal": "1.50",
        "number": 2.5,
        "array": [1, 2],
        "nan": None,
        "day": "2026-01-01",
        "none": None,
        "3": "three",
    }
    assert [errors for _, errors in failures(book)] == [[("", "not_representable")]] * 2


def test_progress_is_told(book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_BLOCK", 4 * len(json.dumps(event()) + "\n"))
    told: list[tuple[int, int | None]] = []
    lines = "".join(json.dumps(event()) + "\n" for _ in range(10))
    book.import_events(written(tmp_path / "e.jsonl", lines), lambda done, total: told.append((done, total)))
    assert told == [(4, 10), (8, 10), (10, 10)]
    book.import_events((event() for _ in range(3)), lambda done, total: told.append((done, total)))
    assert told[-1] == (3, None)


# ── what is stored of an event ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("zone", "timestamp", "stored"),
    [
        (None, "2026-02-01 10:00:00", datetime(2026, 2, 1, 10)),
        ("Asia/Kolkata", "2026-02-01 10:00:00", datetime(2026, 2, 1, 4, 30)),
        ("Asia/Kolkata", "2026-02-01T10:00:00+01:00", datetime(2026, 2, 1, 9)),
        ("America/New_York", datetime(2026, 7, 1, 10), datetime(2026, 7, 1, 14)),
        ("America/New_York", datetime(2026, 7, 1, 10, tzinfo=UTC), datetime(2026, 7, 1, 10)),
        ("Asia/Kolkata", None, NOW),
        ("Asia/Kolkata", "", NOW),
    ],
)
def test_when(zone: str | None, timestamp: Any, stored: datetime) -> None:
    book = opened(zone)
    assert book.import_events([event(event_timestamp=timestamp)]).accepted == 1
    assert [(row["ts"], row["created_at"]) for row in rows(book, "event")] == [(stored, NOW)]


def test_an_unreadable_time_fails(book: Book) -> None:
    assert book.import_events([event(event_timestamp=t) for t in ("soon", 1751371200, ["2026"])]).failed == 3
    assert {code for _, errors in failures(book) for _, code in errors} == {"not_timestamp"}


def test_what_else_came_is_kept(book: Book) -> None:
    book.import_events(
        [event("Add To Cart", properties={"cart_id": 7, "product_id": "p"}, created_at="1999", trace=[1])]
    )
    (stored,) = rows(book, "event")
    assert json.loads(stored["extra"]) == {"created_at": "1999", "trace": [1], "event_name": "Add To Cart"}
    assert (stored["created_at"], stored["p_cart_id"]) == (NOW, "7")
    assert book.event_types().column("name").to_pylist() == ["add-to-cart"]


def test_properties_are_kept_to_the_letter(book: Book, tmp_path: Path) -> None:
    properties = (
        '{"total":  1.50e1, "deep": {"a": {"b": {"c": [1, {"d": null}]}}}, "id": 123456789012345678901234567890}'
    )
    line = f'{{"event_name": "x", "visitor_id": "v1", "event_properties": {properties}}}\n'
    assert book.import_events(written(tmp_path / "e.jsonl", line)).accepted == 1
    assert rows(book, "event")[0]["properties"] == properties


def test_columns_of_known_keys(book: Book) -> None:
    book.import_events(
        [
            event(
                "order-completed",
                properties={"total": "₹1,299.00", "coupon": 10, "tax": None, "products": [{"product_id": "p"}]},
            ),
            event("page-view", properties={"title": "Home", "url": "/", "name": "N"}),
            event("survey", properties={"total": "lots", "title": ["a"], "rating": True, "coupon": False, "url": 2.5}),
        ]
    )
    found = rows(book, "event", "event, p_total, p_coupon, p_tax, p_title, p_url, p_name, p_rating")
    assert [list(row.values())[1:] for row in found] == [
        [1299.0, "10", None, None, None, None, None],
        [None, None, None, "Home", "/", "N", None],
        [None, "false", None, None, "2.5", None, None],
    ]
    columns = book.layout().event_columns
    assert {key for key, column in columns.items() if not column.whole} == {"total", "title", "rating"}


@pytest.mark.parametrize(
    ("properties", "value"),
    [
        ({"total": 50}, 50),
        ({"total": "50.5"}, 50.5),
        ({"total": 0}, 0),
        ({}, 26),  # 2 × 10 + 1 × 6; what has no price counts nothing
        ({"total": ""}, 26),
        ({"products": [{"product_id": "p"}]}, None),
    ],
)
def test_order_values(book: Book, properties: dict[str, Any], value: float | None) -> None:
    items = [
        {"product_id": "p1", "price": "10.00", "quantity": "2"},
        {"product_id": "p2", "price": 6},
        {"product_id": "p3", "price": "?", "quantity": 5},
    ]
    for name in ("order-completed", "order-refunded", "Order Cancelled"):
        assert book.import_events([event(name, properties={"products": items, **properties})]).accepted == 1
    book.import_events([event("order-shipped", properties={"total": 5})])  # a custom event, whatever its name
    assert [row["order_value"] for row in rows(book, "event", "event, order_value")] == [value] * 3 + [None]


def test_line_items(book: Book) -> None:
    book.import_events(
        [
            event(
                "order-completed",
                properties={"products": [{"product_id": "p1", "price": "5"}, {"product_id": 2, "size": "L"}]},
            ),
            event("page-view", properties={"title": "T", "name": "Page", "product_id": "p3"}),
            event("product-viewed", "v2", {"product_id": "p4", "name": "Shirt", "colour": "red"}),
            event("quiz", properties={"product": {"name": "Quiz", "price": 3, "quantity": "2"}}),
        ]
    )
    found = rows(book, "item", "event, line, contact, product_id, name, price, quantity, item::VARCHAR AS item")
    assert [list(row.values())[:-1] for row in found] == [
        [0, 0, 0, "p1", None, 5.0, None],
        [0, 1, 0, "2", None, None, None],
        [1, 0, 0, "p3", None, None, None],
        [2, 0, 1, "p4", "Shirt", None, None],
        [3, 0, 0, None, "Quiz", 3.0, 2.0],
    ]
    assert [json.loads(row["item"]) for row in found][1:4] == [
        {"product_id": 2, "size": "L"},
        {"product_id": "p3"},
        {"product_id": "p4", "name": "Shirt"},
    ]


# ── what fails is kept ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_broken_line(book: Book, tmp_path: Path) -> None:
    lines = [json.dumps(event(properties={"n": n})) for n in range(10)]
    lines[6] = '{"event_name": "login", "visitor_id": '
    assert book.import_events(written(tmp_path / "e.jsonl", "\n".join(lines))) == Report(accepted=9, failed=1)
    (failed,) = book.failed_events().to_pylist()
    assert (failed["payload"], failed["file"], failed["line"]) == (lines[6], "e.jsonl", 7)
    assert (failed["received_at"], failed["what"], failed["status"]) == (NOW, "event", "failed")
    assert json.loads(failed["errors"])[0]["code"] == "not_json"
    assert failed["error"].startswith("this is no JSON")


@pytest.mark.parametrize(
    ("line", "errors"),
    [
        (b"[]", [("", "not_object")]),
        (b"7", [("", "not_object")]),
        (b'{"event_name": "x", "visitor_id": "v1", "event_properties": {"a": "\xff"}}', [("", "not_json")]),
        (b'{"event_name": "x", "visitor_id": "v1", "event_properties": {"a": 1e999}}', [("", "not_json")]),
        (b'{"event_name": "x", "visitor_id": "v1", "event_properties": {"a": NaN}}', [("", "not_json")]),
        (b'{"event_name": "x", "visitor_id": "v1", "event_properties": {"a": "\\ud800"}}', [("", "not_json")]),
        (b'{"event_name": "x", "more": "\xff", "visitor_id": "v1", "event_properties": {}}', [("", "not_json")]),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, [("", "not_json")]),
        (b"\x00", [("", "not_json")]),
    ],
)
def test_lines_that_are_no_event(book: Book, tmp_path: Path, line: bytes, errors: list[tuple[str, str]]) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(line + b"\n" + json.dumps(event()).encode())
    assert book.import_events(path) == Report(accepted=1, failed=1)
    assert failures(book) == [(line.decode(errors="backslashreplace"), errors)]


@pytest.mark.parametrize(
    ("text", "report", "codes"),
    [
        ("", Report(), []),
        ('{"data": []}', Report(), []),
        ("[]", Report(), []),
        ('{"data": {}}', Report(failed=1), ["not_array"]),
        ('{"data": [', Report(failed=1), ["not_json"]),
        ('{"data": [7, {}]}', Report(failed=2), ["not_object", "required", "required", "required"]),
        (json.dumps(event()), Report(accepted=1), []),
    ],
)
def test_payload_files(book: Book, tmp_path: Path, text: str, report: Report, codes: list[str]) -> None:
    if not text:
        report, codes = Report(failed=1), ["not_json"]
    assert book.import_events(written(tmp_path / "e.json", text)) == report
    assert [code for _, errors in failures(book) for _, code in errors] == codes


def test_nothing_at_all_is_no_error(book: Book, tmp_path: Path) -> None:
    for source in (
        [],
        {"data": []},
        written(tmp_path / "e.jsonl", ""),
        written(tmp_path / "e.csv", ""),
        pandas.DataFrame(),
    ):
        assert book.import_events(source) == Report()
        assert book.import_contacts(source) == Report()


def test_csv_lines_that_do_not_fit(book: Book, tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_bytes(
        b"event_name,visitor_id,event_properties\n"
        b"login,v1,{}\n"
        b"login,v1\n"
        b"login,v1,{},more\n"
        b"\n"
        b"log\xffin,v1,{}\n"
        b'login,v1,"{""a"":\n1}"\n'
        b"login,v1,not json\n"
        b'login,v1,"{}" broken\n'
        b"logout,v2,{}\n"
    )
    assert book.import_events(path) == Report(accepted=3, failed=5)
    kept = [(row["line"], row["payload"]) for row in reversed(book.failed_events().to_pylist())]
    assert kept[:3] == [(3, "login,v1"), (4, "login,v1,{},more"), (6, "log\\xffin,v1,{}")]
    assert [errors for _, errors in failures(book)] == [
        [("", "wrong_columns")],
        [("", "wrong_columns")],
        [("", "not_text")],
        [("event_properties", "not_object")],
        [("", "wrong_columns")],
    ]
    assert kept[4] == (10, 'login,v1,"{}" broken')


def test_unknown_visitors_and_everything_else_that_is_wrong(book: Book) -> None:
    sent = [
        event(visitor="V1"),  # compared exactly
        event(visitor="nobody", properties=[]),
        event("order-completed", "nobody", {"total": "x", "products": []}),
        event(visitor=""),
        event("product-viewed", "v1", {"name": ["x"]}),
    ]
    assert book.import_events(sent) == Report(failed=5)
    assert [(json.loads(payload), errors) for payload, errors in failures(book)] == [
        (sent[0], [("visitor_id", "unknown_visitor")]),
        (sent[1], [("event_properties", "not_object"), ("visitor_id", "unknown_visitor")]),
        (
            sent[2],
            [
                ("event_properties.products", "empty"),
                ("event_properties.total", "not_numeric"),
                ("visitor_id", "unknown_visitor"),
            ],
        ),
        (sent[3], [("visitor_id", "empty")]),
        (sent[4], [("event_properties.product_id", "required"), ("event_properties.name", "not_string")]),
    ]


def test_a_strict_phonebook() -> None:
    book = opened(strict=True)
    good = event("product-viewed", properties={"product_id": "p", "price": "5"})
    bad = event("product-viewed", properties={"product_id": "p", "price": 5})
    assert book.import_events([good, bad, event(visitor=7)]) == Report(accepted=1, failed=2)
    assert failures(book)[0][1] == [("event_properties.price", "number_for_string")]


@pytest.mark.parametrize("name", DEFAULT_EVENTS)
def test_each_default_event_without_what_it_needs(book: Book, name: str) -> None:
    needed = [key.name for key in DEFAULT_EVENTS[name].keys if key.required]
    assert book.import_events([event(name, properties={})]).failed == bool(needed)
    assert [e for _, errors in failures(book) for e in errors] == [
        (f"event_properties.{key}", "required") for key in needed
    ]


# ── everything once ───────────────────────────────────────────────────────────────────────────────────────────────


def test_equal_events_are_two_events(book: Book) -> None:
    assert book.import_events([event(), event()]) == Report(accepted=2)
    assert book.import_events([event()]) == Report(accepted=1)


def test_a_message_id_is_stored_once(book: Book) -> None:
    first, other = event(message_id="m1", event_timestamp="2020-01-01 00:00:00"), event(message_id="m2")
    assert book.import_events([first, other, first]) == Report(accepted=2, duplicates=1)
    late = event(message_id="m1", event_timestamp="2026-02-01 00:00:00")
    assert book.import_events([late, event(message_id=3), event(message_id="3")]) == Report(accepted=1, duplicates=2)
    assert [row["message_id"] for row in rows(book, "event", "message_id")] == ["3", "m1", "m2"]
    assert book.event_types().column("count").to_pylist() == [3]
    assert book.import_events([event(message_id=""), event(message_id=None), event(message_id="")]).accepted == 3


def test_a_failure_with_a_message_id(book: Book) -> None:
    bad = event(visitor="v3", message_id="m1")
    assert book.import_events([bad, bad]) == Report(failed=1, duplicates=1)
    assert book.import_events([bad, event(visitor="v4", message_id="m1")]) == Report(failed=1, duplicates=1)
    book.import_contacts([{"visitor_id": "v3"}])
    assert book.import_events([bad]) == Report(accepted=1)  # it is valid now
    assert book.import_events([bad, event("", message_id="m1")]) == Report(duplicates=2)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".json", ".parquet"])
def test_a_file_again_adds_nothing(book: Book, tmp_path: Path, suffix: str) -> None:
    source = {".jsonl": ".jsonl", ".csv": ".csv of columns", ".json": ".json list", ".parquet": ".parquet of JSON"}[
        suffix
    ]
    path = SOURCES[source](tmp_path)
    assert book.import_events(path) == Report(accepted=2)
    before = [rows(book, table) for table in ("event", "item", "event_type", "event_key", "value_index", "failed")]
    copy = tmp_path / f"copy{suffix}"
    copy.write_bytes(path.read_bytes())
    assert book.import_events(path) == book.import_events(copy) == Report(duplicates=2)
    assert [rows(book, t) for t in ("event", "item", "event_type", "event_key", "value_index", "failed")] == before


def test_a_file_again_does_not_fail_again(book: Book, tmp_path: Path) -> None:
    path = written(tmp_path / "e.jsonl", "broken\n" + json.dumps(event()) + "\n")
    assert book.import_events(path) == Report(accepted=1, failed=1)
    assert book.import_events(path) == Report(duplicates=2)
    contacts = written(tmp_path / "c.jsonl", 'broken\n{"visitor_id": "v9"}\n')
    assert book.import_contacts(contacts) == Report(accepted=1, failed=1)
    assert book.import_contacts(contacts) == Report(duplicates=2)
    assert len(failures(book)) == 2


def test_an_interrupted_import_goes_on(book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_BLOCK", 4 * len(json.dumps(event(properties={"n": 0})) + "\n"))
    path = written(tmp_path / "e.jsonl", "".join(json.dumps(event(properties={"n": n})) + "\n" for n in range(10)))

    def stop(done: int, total: int | None) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        book.import_events(path, stop)
    assert len(rows(book, "event")) == 8
    assert book.import_events(path) == Report(accepted=2, duplicates=8)
    stored = [json.loads(row["properties"])["n"] for row in rows(book, "event", "event, properties")]
    assert stored == list(range(10))
    assert book.event_types().column("count").to_pylist() == [10]


@pytest.mark.parametrize("small", [True, False])
def test_a_batch_is_stored_whole_or_not_at_all(
    small: bool, book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the disk is full")

    told = [event(properties={"a": "x"}), event(visitor="nobody")]
    path = tmp_path / "e.jsonl"
    path.write_text("\n".join(map(json.dumps, told)))
    with monkeypatch.context() as patch:
        patch.setattr(load, "_mark_done", fail)
        patch.setattr(inbox, "outcomes", fail)
        with pytest.raises(RuntimeError, match="disk"):
            book.import_events(told if small else path)
    assert [rows(book, table) for table in ("event", "event_type", "event_key", "failed")] == [[], [], [], []]
    assert "x" not in book.vocabulary().values(["x"])
    assert book.import_events([event(properties={"a": "x"})]) == Report(accepted=1)


# ── contacts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def attributes(book: Book) -> dict[str, Any]:
    return {row["visitor_id"]: json.loads(row["attributes"]) for row in rows(book, "contact", "visitor_id, attributes")}


def test_contacts_are_completed() -> None:
    book = Store.open(":memory:").phonebook("test")
    ada = {"visitor_id": "a", "name": "Ada", "tags": ["vip"], "address": {"city": "Oslo"}}
    assert book.import_contacts([ada, {"visitor_id": "b", "age": 36}]) == Report(accepted=2)
    assert book.import_contacts([{"visitor_id": "a", "name": "Ada L.", "age": 36}]) == Report(updated=1)
    assert book.import_contacts([{"visitor_id": "a", "age": 36}]) == Report(duplicates=1)
    assert book.import_contacts([{"visitor_id": "c"}, {"visitor_id": "c", "age": 1}]) == Report(accepted=1, updated=1)
    assert attributes(book) == {
        "a": {"name": "Ada L.", "tags": ["vip"], "address": {"city": "Oslo"}, "age": 36},
        "b": {"age": 36},
        "c": {"age": 1},
    }
    assert [row["contact"] for row in rows(book, "contact")] == [0, 1, 2]
    columns = book.layout().attribute_columns
    assert set(columns) == {"name", "age", "address.city"}
    found = rows(book, "contact", ", ".join(["visitor_id", *(columns[key] for key in ("name", "age", "address.city"))]))
    assert [list(row.values()) for row in found] == [
        ["a", "Ada L.", "36", "Oslo"],
        ["b", None, "36", None],
        ["c", None, "1", None],
    ]


def test_a_nested_attribute_is_replaced_whole(book: Book) -> None:
    book.import_contacts([{"visitor_id": "v1", "address": {"city": "Oslo", "zip": "1"}}])
    book.import_contacts([{"visitor_id": "v1", "address": {"city": "Rome"}}])
    columns = book.layout().attribute_columns
    (row, _) = rows(book, "contact", f"visitor_id, {columns['address.city']} AS city, {columns['address.zip']} AS zip")
    assert (row["city"], row["zip"]) == ("Rome", None)


@pytest.mark.parametrize(
    "source",
    [
        lambda folder: written(
            folder / "c.csv", 'visitor_id,name,age,code,tags,address.city\n007,Ada,,01,"[""vip""]",Oslo\n008,,36,,,\n'
        ),
        lambda folder: written(
            folder / "c.jsonl",
            '{"visitor_id": "007", "name": "Ada", "code": "01", "tags": ["vip"], "address": {"city": "Oslo"}}\n'
            '{"visitor_id": "008", "age": "36"}\n',
        ),
        lambda folder: pandas.DataFrame(
            {
                "visitor_id": ["007", "008"],
                "name": ["Ada", None],
                "age": [None, "36"],
                "code": ["01", numpy.nan],
                "tags": [["vip"], None],
                "address.city": ["Oslo", None],
            }
        ),
        lambda folder: polars.DataFrame(
            {
                "visitor_id": ["007", "008"],
                "name": ["Ada", None],
                "age": [None, "36"],
                "code": ["01", None],
                "tags": [["vip"], None],
                "address.city": ["Oslo", None],
            }
        ),
    ],
    ids=["csv", "jsonl", "pandas", "polars"],
)
def test_contacts_from_every_source(tmp_path: Path, source: Callable[[Path], Any]) -> None:
    book = Store.open(":memory:").phonebook("test")
    assert book.import_contacts(source(tmp_path)) == Report(accepted=2)
    assert attributes(book) == {
        "007": {"name": "Ada", "code": "01", "tags": ["vip"], "address": {"city": "Oslo"}},
        "008": {"age": "36"},
    }


def test_contacts_that_fail_are_kept(book: Book, tmp_path: Path) -> None:
    lines = [
        '{"name": "Ada"}',
        '{"visitor_id": ""}',
        '{"visitor_id": ["x"]}',
        "[]",
        "{",
        '{"visitor_id": true}',
        '{"visitor_id": 9}',
    ]
    assert book.import_contacts(written(tmp_path / "c.jsonl", "\n".join(lines))) == Report(accepted=1, failed=6)
    assert [(p, e[0][1]) for p, e in failures(book)] == list(
        zip(lines, ["required", "empty", "not_string", "not_object", "not_json", "not_string"], strict=False)
    )
    assert {row["what"] for row in book.failed_events().to_pylist()} == {"contact"}
    assert book.import_events([event(visitor="9"), event(visitor=9)]).accepted == 2


def test_many_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Store.open(":memory:").phonebook("test")
    assert book.import_contacts([{"visitor_id": "v", **{f"k{n}": n for n in range(250)}}]).accepted == 1
    assert len(book.layout().attribute_columns) == 200
    assert len(book.vocabulary().attributes()) == 250


# ── whatever is sent ──────────────────────────────────────────────────────────────────────────────────────────────

PARTS = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        '"',
        ",",
        ":",
        "null",
        "true",
        "1e5",
        "-",
        '"\\u0000"',
        '"event_name"',
        "\\",
        "é",
        "\x00",
        " ",
        '"v1"',
    ]
)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.sampled_from(["v1", "", "5"])
    ),
    lambda part: st.lists(part, max_size=2) | st.dictionaries(st.text(max_size=6), part, max_size=2),
    max_leaves=5,
)
KEYS = [
    "event_name",
    "visitor_id",
    "event_properties",
    "event_timestamp",
    "context",
    "type",
    "message_id",
    "created_at",
]
NAMES = st.sampled_from([*DEFAULT_EVENTS, "quiz", "Quiz ", "ADD TO CART"])
PROPERTIES = st.dictionaries(
    st.sampled_from(
        ["product_id", "products", "product", "name", "total", "price", "meta", "title", "tags", "x.y", ""]
    ),
    VALUES
    | st.lists(st.dictionaries(st.sampled_from(["product_id", "price", "name"]), VALUES, max_size=3), max_size=3),
    max_size=5,
)
SENT = st.builds(
    lambda name, properties, changes: {**event(name, "v1", properties), **changes},
    NAMES,
    PROPERTIES,
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2),
)
LINES = st.one_of(
    SENT.map(lambda sent: json.dumps(sent).encode()),
    SENT.map(lambda sent: json.dumps(sent, ensure_ascii=False).encode(errors="surrogatepass")),
    st.lists(PARTS, max_size=12).map(lambda parts: "".join(parts).encode()),
    st.binary(max_size=20),
    st.builds(
        lambda sent, at, byte: _hurt(json.dumps(sent).encode(), at, byte),
        SENT,
        st.integers(0, 200),
        st.binary(max_size=2),
    ),
)


def _hurt(line: bytes, at: int, byte: bytes) -> bytes:
    return line[:at] + byte + line[at + 1 :]


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Book]:
    yield opened("Europe/Berlin")


@settings(max_examples=50)
@example([b"\xef\xbb\xbf"], [])
@given(st.lists(LINES, min_size=20, max_size=20), st.lists(SENT, max_size=5))
def test_whatever_is_sent_is_stored_or_kept(
    fuzzed: Book, tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], sent: list[Any]
) -> None:
    check_all_is_kept(fuzzed, tmp_path_factory.mktemp("fuzz") / "e.jsonl", lines, sent)


@pytest.mark.laws
@settings(max_examples=5_000)
@given(st.lists(LINES, min_size=20, max_size=20), st.lists(SENT, max_size=5))
def test_whatever_else_is_sent_is_stored_or_kept(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], sent: list[Any]
) -> None:
    book = opened("Europe/Berlin")
    check_all_is_kept(book, tmp_path_factory.mktemp("fuzz") / "e.jsonl", lines, sent)
    book._backend.close()


def check_all_is_kept(book: Book, path: Path, lines: list[bytes], sent: list[Any]) -> None:
    path.write_bytes(b"\n".join(lines))
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    handed_in = sum(bool(line.strip()) for line in content.split(b"\n"))
    for source, count in ((path, handed_in), (sent, len(sent))):
        events, failed = len(rows(book, "event", "event")), len(rows(book, "failed", "id"))
        report = book.import_events(source)
        assert report.accepted + report.failed + report.duplicates == count
        assert len(rows(book, "event", "event")) == events + report.accepted
        assert len(rows(book, "failed", "id")) == failed + report.failed
    codes = {code for _, errors in failures(book) for _, code in errors}
    assert codes <= set(get_args(ErrorCode))
    assert all(errors for _, errors in failures(book))


@pytest.mark.parametrize("name", ["shop", "saas"])
def test_the_question_sets(name: str) -> None:
    if not (SETS / name).exists():
        pytest.skip(f"no question set in {SETS / name}")
    book = Store.open(":memory:").phonebook(name)
    contacts, events = (
        book.import_contacts(SETS / name / "contacts.jsonl"),
        book.import_events(SETS / name / "events.jsonl"),
    )
    assert (contacts.failed, events.failed) == (0, 0)
    assert events.accepted == len((SETS / name / "events.jsonl").read_text().splitlines())
