"""The service's writer: what waits together is one commit, and what fails leaves the rest alone."""

from __future__ import annotations

from datetime import datetime

import pytest

from persona.writer import Writer
from storage.errors import StorageError
from storage.registry import AuditRow
from storage.store import Book, Store

EVENT = b'{"event_name": "signed in", "visitor_id": "v1", "event_properties": {}}'
QUESTION = AuditRow(datetime(2026, 3, 1), "k", "test", "ask", {"query": "users"})


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_question_leaves_goes_with_events_or_alone(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(":memory:")
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    alone: list[int] = []
    record, real = store.record, Book.append_events

    def append_events(*given: object) -> object:
        if fails:
            raise StorageError("full", "The disk is full.")
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(Book, "append_events", append_events)
    monkeypatch.setattr(store, "record", lambda rows: (alone.append(len(rows)), record(rows)))
    with store._backend._inlet:  # so that they wait together, behind what came first
        writer = Writer(store)
        first = writer.append(book, "event", [EVENT], "k")
        if not fails:
            while writer._queue.qsize():
                pass
        note = writer.note(QUESTION)
        events = writer.append(book, "event", [EVENT, EVENT], "k")
    writer.close()
    assert note.result(20) is None
    if fails:
        assert isinstance(events.exception(20), StorageError)
        assert store.audit("test", 9)["action"].to_pylist() == ["ask"]
    else:
        assert (first.result(20), events.result(20)) == (["accepted"], ["accepted"] * 2)
        assert sorted(store.audit("test", 9)["action"].to_pylist()) == ["ask", "events.create", "events.create"]
        assert alone == []
    store.close()
