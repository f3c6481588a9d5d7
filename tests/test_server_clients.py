"""The service as its clients see it: Segment-compatible libraries, our own, and every request a document allows."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas.testing
import pytest
import rudderstack.analytics.client
import schemathesis
import segment.analytics.client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from service import Service, make_key, serving

import persona
from grammar.query import CountUsers, Everyone, Query
from persona import cli, sample
from storage.event import default_event
from storage.messages import EVENT_NAMES, Happened, told_by
from storage.store import Store

EVENTS = 1000


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    store = tmp_path_factory.mktemp("clients") / "clients.duckdb"
    return store, {name: make_key(store, name) for name in ("segment", "rudder", "shop", "messages")}


@pytest.fixture(scope="module")
def service(kept: tuple[Path, dict[str, str]]) -> Iterator[Service]:
    with serving(kept[0]) as running:
        yield running


@pytest.fixture(scope="module")
def keys(kept: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return kept[1]


# ── Segment-compatible libraries ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["segment", "rudder"])
def test_a_real_client_library(service: Service, keys: dict[str, str], name: str) -> None:
    """1,000 events, gzipped, of 100 visitors whom nobody knew: all there, each once; then a question over them."""
    failures: list[Any] = []
    options: dict[str, Any] = {"gzip": True, "on_error": lambda error, _: failures.append(error), "debug": False}
    if name == "segment":
        client = segment.analytics.client.Client(keys[name], host=service.url, **options)
    else:
        client = rudderstack.analytics.client.Client(keys[name], host=service.url, **options)
    assert service.call("PUT", "", keys[name], name, json={"unknown_visitors": "create"}).status_code == 200
    for number in range(EVENTS // 10):
        visitor = f"u{number}"
        client.identify(user_id=visitor, traits={"city": "Porto" if number % 2 else "Goa"})
        client.page(user_id=visitor, name="Home", properties={"url": "https://shop.example/"})
        for n in range(4):
            item = {"product_id": f"p{n}", "name": f"Shirt {n}", "price": 10 + n}
            client.track(user_id=visitor, event="Product Viewed", properties=item)
            client.track(user_id=visitor, event="Product Added", properties=item)
        if number % 4 == 0:
            products = [{"productId": "p1", "name": "Shirt 1", "price": 11, "quantity": 2}]
            client.track(
                user_id=visitor, event="Order Completed", properties={"orderId": f"o{number}", "products": products}
            )
        else:
            client.track(anonymous_id=visitor, event="Jumped", properties={"high": True})
    client.flush()
    client.join()
    assert not failures
    types = {row["name"]: row["count"] for row in service.get("/event-types", keys[name], book=name)["data"]}
    assert types == {"page-view": 100, "product-viewed": 400, "add-to-cart": 400, "order-completed": 25, "Jumped": 75}
    assert service.get("/failed-events", keys[name], book=name)["data"] == []
    question = 'Who bought "Shirt 1" and is from Goa?'
    told = service.post("/persona", keys[name], {"query": question}, book=name)
    assert told["visitor_ids"] == sorted(f"u{number}" for number in range(0, 100, 4))


def test_an_unknown_visitor_is_a_contact_only_where_that_is_allowed(service: Service, keys: dict[str, str]) -> None:
    def send(visitor: str) -> dict[str, Any]:
        message = {
            "event": "Product Added",
            "anonymousId": visitor,
            "properties": {"product_id": "p"},
            "messageId": visitor,
        }
        response = service.segment(keys["messages"], "track", message)
        assert response.status_code == 200, response.text
        told: dict[str, Any] = response.json()
        return told

    assert send("a1") == {"success": True, "accepted": 0, "duplicates": 0, "failed": 1}
    (failed,) = service.get("/failed-events", keys["messages"], book="messages")["data"]
    assert [error["code"] for error in failed["errors"]] == ["unknown_visitor"]
    assert json.loads(failed["payload"])["event"] == "Product Added"
    service.call("PUT", "", keys["messages"], "messages", json={"unknown_visitors": "create"})
    assert send("a2")["accepted"] == 1
    assert send("a2")["duplicates"] == 1
    assert service.post("/failed-events/retry", keys["messages"], {}, book="messages")["accepted"] == 1
    assert len(service.get("/contacts/a1/events", keys["messages"], book="messages")["data"]) == 1


def test_each_route_of_a_client(service: Service, keys: dict[str, str]) -> None:
    service.call("PUT", "", keys["messages"], "messages", json={"unknown_visitors": "create"})
    kinds = {
        "track": {"event": "Tapped"},
        "page": {"name": "Home"},
        "screen": {},
        "group": {"groupId": "g"},
        "alias": {},
    }
    for kind, parts in kinds.items():
        told = service.segment(
            keys["messages"], kind, {"userId": "each", "timestamp": "2026-01-02T03:04:05+05:30", **parts}
        )
        assert told.json()["accepted"] == 1, told.text
    assert service.segment(keys["messages"], "identify", {"userId": "each", "traits": {"city": "Goa"}}).is_success
    rows = service.get("/contacts/each/events", keys["messages"], book="messages")["data"]
    assert {row["type"]: row["event_name"] for row in rows} == {
        "track": "Tapped", "page": "page-view", "screen": "screen-view", "group": "group", "alias": "alias",
    }  # fmt: skip
    assert {row["event_timestamp"] for row in rows} == {"2026-01-01T21:34:05"}
    for body in (b"{", b"[]", b"3"):
        response = service.client.post("/v1/track", content=body, auth=(keys["messages"], ""))
        assert response.status_code == 422
    told = service.segment(
        keys["messages"], "batch", {"batch": [{"type": "odd", "userId": "each"}, {"type": "track"}, 7]}
    )
    assert told.json()["failed"] == 3


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_the_table_of_names(name: str) -> None:
    for spelt in (name, name.lower(), name.replace(" ", "_")):
        told = told_by(json.dumps({"type": "track", "event": spelt, "userId": "u", "properties": {}}).encode())
        assert isinstance(told, Happened)
        assert told.event["event_name"] == EVENT_NAMES[name]
        assert default_event(EVENT_NAMES[name])


def test_the_table_is_documented() -> None:
    page = (Path(__file__).parent.parent / "docs" / "http.md").read_text()
    for name, event in EVENT_NAMES.items():
        assert f"| {name} | {event} |" in page


# ── our own client ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_remote_phonebook_is_as_a_near_one(
    service: Service, keys: dict[str, str], shop: sample.Sample, tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    lines = [json.dumps(event) for event in shop.events[:3000]]
    file.write_text("\n".join([*lines, "no json", "[" * 300 + "]" * 300]) + "\n")
    with (
        persona.connect(":memory:", "shop") as near,
        persona.connect(service.url, "shop", "UTC", key=keys["shop"]) as far,
    ):
        books = (near, far)
        assert near.import_contacts(shop.contacts) == far.import_contacts(shop.contacts)
        first, second = (book.import_events(file) for book in books)
        assert (first.accepted, first.failed) == (second.accepted, second.failed)
        products = pandas.DataFrame([{"product_id": "P001", "stock": 3}])
        assert near.import_products(products) == far.import_products(products)
        for question in (*sample.QUESTIONS, Query(Everyone(), CountUsers())):
            one, other = (book.ask(question, now=sample.NOW) for book in books)
            for part in (
                "kind",
                "understood",
                "rows",
                "query",
                "warnings",
                "parser",
                "grounding",
                "value",
                "breakdown",
            ):
                assert getattr(one, part) == getattr(other, part), part
            assert one.table.schema == other.table.schema
        for what in ("event_types", "products", "contacts", "terms"):
            _alike(*(getattr(book, what)() for book in books))
        _alike(*(book.events("v0001").drop(columns="created_at") for book in books))
        _alike(*(book.failed_events()[["what", "status"]].value_counts().reset_index() for book in books))
        again = far.import_events(file)
        assert (again.accepted, again.duplicates) == (0, first.accepted + first.failed - 2)
        for book in books:
            book.define("poles", "users from Poland")
            assert book.ask("how many poles").value
            book.undefine("poles")
            with pytest.raises(persona.NotUnderstood) as raised:
                book.ask("users who bought a zzyzx gizmo")
            assert (raised.value.code, raised.value.position) == ("unknown word", 19)
            with pytest.raises(persona.NotUnderstood):
                book.define("x", "zzyzx")
            with pytest.raises(persona.Ambiguous) as several:
                book.ask("users who have added to cart but haven't bought in the last 7 days", now=sample.NOW)
            assert len(several.value.choose(1)) == several.value.readings[1].count
            with pytest.raises(ValueError, match="instant"):
                book.ask(sample.QUESTIONS[0], now="soon")
            book.import_contacts([{"visitor_id": "late"}])
            late = {"event_name": "gadget-turned", "visitor_id": "later", "event_properties": {}}
            assert book.import_events([late]).failed == 1
            book.import_contacts([{"visitor_id": "later"}])
            assert book.retry_failed(event="gadget turned").accepted == 1
            broken = next(
                row["id"] for row in book.failed_events().to_dict("records") if row["payload"].strip('"') == "no json"
            )
            assert book.retry_failed(id=broken, payload=late).accepted == 1
            assert list(book.events("later")["event_name"]) == ["gadget-turned"] * 2
            with pytest.raises(ValueError, match="name it by its id"):
                book.retry_failed(payload=late)


def test_segments_from_afar_are_as_near_ones(
    shop_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "far.duckdb"
    store.write_bytes(shop_store.read_bytes())
    key = make_key(store, "default", "other")
    near_store = tmp_path / "near.duckdb"
    near_store.write_bytes(shop_store.read_bytes())
    with (
        serving(store) as running,
        persona.connect(near_store) as near,
        persona.connect(running.url, "default", key=key) as far,
    ):
        books = near, far
        now = sample.NOW

        def both(do: Callable[[Any], Any]) -> Any:
            one, other = (do(book) for book in books)
            assert one == other
            return one

        for book in books:
            book.segments.save("VIP", "users who spent over 500", now=now)
            book.segments.save("Buyers", book.ask("buyers in the last 90 days", now=now))
            book.segments.save("all", Query(Everyone()), static=True, now=now)
            assert book.segments.rename("all", "a/b c").static

        def plain(segment: persona.Segment) -> persona.Segment:
            return replace(segment, saved_at=now)

        both(lambda book: book.segments.refresh("vip", now=datetime(2026, 6, 1, tzinfo=UTC)).entered)
        both(lambda book: [(each.name, each.at, each.counts) for each in book.segments.refresh_all(now=now)])
        both(lambda book: [plain(each) for each in book.segments.list()])
        assert len(both(lambda book: book.segments.members("VIP", now=now))) == 87
        both(lambda book: plain(book.segments.get("a/b c")))
        both(lambda book: book.segments.members("a/b c"))
        both(lambda book: book.segments.overlap("VIP", "buyers", now=now))
        both(lambda book: book.segments.chart("VIP").svg())
        _alike(*(book.segments.history("VIP") for book in books))
        for suffix in ("csv", "jsonl", "json", "parquet", "arrow"):
            for columns in (None, ["name", "spend"], "name and spend"):
                file = tmp_path / f"out.{suffix}"
                both(lambda book: book.segments.export("VIP", file, now, columns).read_bytes())  # noqa: B023
        for visitor in ("v0004", "v0041"):
            why = both(lambda book: book.segments.ask("VIP", now).why(visitor))  # noqa: B023
            assert why.conditions
        for do, code in (
            (lambda book: book.segments.save("vips", "users"), "taken"),
            (lambda book: book.segments.get("nobody"), "unknown"),
            (lambda book: book.segments.refresh("VIP", "2020-01-01"), "earlier"),
            (lambda book: book.segments.refresh("a/b c"), "refused"),
            (lambda book: book.segments.export("nobody", tmp_path / "none.csv"), "unknown"),
            (lambda book: book.ask("users", now=now).why("nobody"), "unknown"),
        ):
            for book in books:
                with pytest.raises((persona.StorageError, persona.ServiceError)) as refused:
                    do(book)
                assert refused.value.code == code
        for book in books:
            with pytest.raises(persona.NotUnderstood, match="zzyzx"):
                book.segments.save("x", "users who zzyzx")
            with pytest.raises(persona.NotUnderstood, match="zzyzx"):
                book.segments.export("VIP", tmp_path / "none.csv", columns="zzyzx")
            with pytest.raises(persona.Ambiguous):
                book.segments.save("x", "users who have added to cart but haven't bought in the last 7 days", now=now)
            book.segments.delete("Buyers")
            with pytest.raises(ValueError, match="suffix"):
                book.segments.export("VIP", tmp_path / "none.xlsx")
        assert not list(tmp_path.glob("*none*"))
        both(lambda book: [each.name for each in book.segments.list()])

        def said(*words: str) -> tuple[int, str]:
            monkeypatch.setattr(sys, "argv", ["persona", "--url", running.url, "--key", key, *words])
            with pytest.raises(SystemExit) as ended:
                cli.main()
            printed = capsys.readouterr()
            assert isinstance(ended.value.code, int)
            return ended.value.code, printed.out or printed.err

        at = ["--now", now.isoformat()]
        assert said("segment", "members", "VIP", *at)[1].split() == near.segments.members("VIP", now=now)
        assert said("segment", "save", "rich", "users who spent over 600")[0] == 0
        assert said("segment", "save", "rich", "users who spent over 600") == (
            1, 'persona: There is a segment "rich" already: delete or rename it first.\n',
        )  # fmt: skip
        assert said("segment", "export", "rich", str(tmp_path / "rich.csv"), *at)[0] == 0
        assert (tmp_path / "rich.csv").read_text().startswith("visitor_id")
        assert said("why", "users who spent over 500", "v0041", *at)[1].startswith("v0041 is not in the answer")
        assert said("segment", "delete", "rich")[0] == 0
        assert said("segment", "show", "rich")[0] == 1


def _alike(one: pandas.DataFrame, other: pandas.DataFrame) -> None:
    def plain(frame: pandas.DataFrame) -> Any:
        moments = frame.select_dtypes("datetime").columns
        frame = frame.astype(dict.fromkeys(moments, "datetime64[us]"))
        return json.loads(frame.to_json(orient="records", date_format="iso"))

    assert list(one.columns) == list(other.columns)
    assert plain(one) == plain(other)


def test_what_a_service_does_not_do(service: Service, keys: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="key"):
        persona.connect(service.url, "shop")  # type: ignore[call-overload]
    with pytest.raises(persona.StorageError, match="time zone"):
        persona.connect(service.url, "shop", "Asia/Kolkata", key=keys["shop"])
    with pytest.raises(persona.ServiceError) as raised:
        persona.connect(service.url, "shop", key="wrong").event_types()
    assert raised.value.code == "unauthorized"
    with pytest.raises(persona.ServiceError) as raised:
        persona.connect("http://127.0.0.1:1", "shop", key="k").event_types()
    assert raised.value.code == "unreachable"


# ── every request that the document allows ────────────────────────────────────────────────────────────────────────

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def probe(service: Service, key: str, examples: int) -> int:
    """Requests made from the OpenAPI document, right and wrong ones: how many; no answer is undocumented."""
    document = service.client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=service.url)
    made = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        headers = {"authkey": key} if operation.path.startswith("/api/") else {}
        auth = (key, "") if operation.path.startswith("/v1/") else None
        cases = st.one_of(
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE),
        )

        @settings(
            max_examples=examples,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases, mine=st.booleans())
        def check(case: Any, mine: bool) -> None:
            nonlocal made
            if mine and case.path_parameters and "phonebook" in case.path_parameters:
                case.path_parameters["phonebook"] = "shop"
            case.call_and_validate(headers=headers, auth=auth, checks=CHECKS)  # noqa: B023
            made += 1

        check()
    return made


def test_no_answer_is_undocumented(service: Service, keys: dict[str, str]) -> None:
    assert probe(service, keys["shop"], 6) > 150


@pytest.mark.laws
def test_no_answer_is_undocumented_at_length(tmp_path: Path) -> None:
    store = tmp_path / "probed.duckdb"
    key = make_key(store, "shop")
    with serving(store) as running:
        assert probe(running, key, 300) > 5000


def test_a_key_that_expires(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "k.duckdb")
    row, text = store.create_key(["a"], "read", datetime.now(UTC) + timedelta(hours=1))
    secret = text.split("_", 2)[2]
    assert row.accepts(secret, row.created_at)
    assert not row.accepts(secret, row.created_at + timedelta(hours=1))
    assert not row.accepts(secret[:-1], row.created_at)
    store.close()
