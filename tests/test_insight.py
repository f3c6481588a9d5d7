"""Funnel, portrait and overlap: their numbers against answers to plain questions; and the pictures of them."""

from __future__ import annotations

import json
import re
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from test_laws import Asked, hold

import persona
from grammar import query as q
from grammar.describe import describe
from grammar.query import Query, Users
from persona import sample
from persona.insight import SMALL, funnel
from persona.picture import Picture

QUESTION = "users who bought at least 3 times in the last 180 days and spent over 200 and whose tier is premier or plus"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory, shop_store: Path) -> Any:
    with persona.connect(shutil.copy(shop_store, tmp_path_factory.mktemp("insight"))) as opened:
        for name, question in (("VIP", "users who spent over 500"), ("Portugal", "users in Lisbon or Porto")):
            opened.segments.save(name, question)
        opened.segments.save("Buyers", "buyers in the last 90 days")
        for now in ("2026-05-01", "2026-06-01", sample.NOW):
            opened.segments.refresh_all(now=now)
        yield opened


def size(book: persona.Phonebook, condition: q.Condition) -> int:
    return len(book.ask(Query(condition), now=sample.NOW))


def test_a_funnel(book: persona.Phonebook) -> None:
    answer = book.ask(QUESTION, now=sample.NOW)
    steps = answer.funnel().steps
    assert steps[0].alone == steps[0].together == 620
    assert steps[-1].together == len(answer)
    for step in steps[1:]:
        assert step.alone == len(book.ask(f"contacts {step.text}", now=sample.NOW))
    said = " and ".join(step.text for step in steps[1:])
    assert answer.understood == f"contacts {said}", "in the order in which it is said"
    frame = answer.funnel().to_pandas()
    assert frame["together"].is_monotonic_decreasing
    assert list(frame.columns) == ["condition", "alone", "together"]


def test_a_funnel_ends_at_the_limit(book: persona.Phonebook) -> None:
    query = book.ask(QUESTION, now=sample.NOW).query
    limited = book.ask(Query(query.population, Users((), None, 5)), now=sample.NOW)
    assert limited.funnel().steps[-1].together == len(limited) == 5
    assert [step.together for step in book.ask("all contacts", now=sample.NOW).funnel().steps] == [620]


def a_funnel_ends_with_the_size(of: Asked, query: Query) -> str | None:
    steps = funnel(of.book, query, of.world.now).steps
    found = len(of.visitors(query))
    counts = [step.together for step in steps]
    if counts != sorted(counts, reverse=True) or any(step.together > step.alone for step in steps):
        return f"{steps}"
    return None if steps[-1].together == found else f"{steps[-1]}, and the answer has {found}"


@pytest.mark.parametrize("seed", range(3))
def test_a_funnel_ends_with_the_size(seed: int) -> None:
    hold(a_funnel_ends_with_the_size, seed, 15, populations_only=True)


def test_a_portrait(book: persona.Phonebook) -> None:
    answer = book.ask(QUESTION, now=sample.NOW)
    portrait = answer.portrait()
    assert (portrait.size, portrait.everyone) == (len(answer), 620)
    assert portrait.share == pytest.approx(len(answer) / 620)
    traits = {(trait.of, trait.value): trait for trait in portrait.traits}
    premier = traits["tier", "premier"]
    everyone = size(book, q.Attribute(("tier",), q.Text("is", ("premier",))))
    members = size(book, q.all_of(answer.query.population, q.Attribute(("tier",), q.Text("is", ("premier",)))))
    assert (premier.members, premier.everyone) == (members, everyone)
    assert premier.lift == pytest.approx((members / len(answer)) / (everyone / 620))
    assert portrait.apart[0] in portrait.traits
    assert not any(trait.small for trait in portrait.apart)
    assert {trait.members < SMALL for trait in portrait.traits if trait.small} == {True}
    assert {"tier", "city", "category bought", "brand bought", "device", "active"} <= {t.of for t in portrait.traits}
    assert not {"name", "email", "signup_date"} & {trait.of for trait in portrait.traits}
    evening = traits["active", "in the evening"]
    night = q.did(q.Events(None, (), q.Window(hours=(1080, 1320))))
    assert (evening.everyone, evening.members) == (
        size(book, night),
        size(book, q.all_of(night, answer.query.population)),
    )
    spend = portrait.levels[0]
    assert (spend.of, spend.members) == (
        "spend",
        book.ask(
            Query(answer.query.population, q.Value("average", q.Spend(q.Events("order-completed")))), now=sample.NOW
        ).value,
    )
    assert len(portrait.to_pandas()) == len(portrait.traits)


def test_everyone_is_not_apart(book: persona.Phonebook) -> None:
    portrait = book.ask("all contacts", now=sample.NOW).portrait()
    assert portrait.apart == ()
    assert {trait.lift for trait in portrait.traits} == {1.0}
    nobody = book.ask(Query(q.negated(q.Everyone())), now=sample.NOW).portrait()
    assert (nobody.size, nobody.apart) == (0, ())
    with persona.connect(":memory:") as empty:
        assert empty.ask("all contacts").portrait().share is None


def test_an_overlap(book: persona.Phonebook) -> None:
    names = ("VIP", "Buyers", "Portugal")
    members = {name: set(book.segments.members(name, now=sample.NOW)) for name in names}
    overlap = book.segments.overlap(*names, now=sample.NOW)
    assert dict(zip(overlap.names, overlap.sizes, strict=True)) == {name: len(members[name]) for name in names}
    wanted = {}
    for number in (1, 2, 3):
        for those in combinations(names, number):
            inside = set.intersection(*(members[name] for name in those))
            outside = set().union(*(members[name] for name in names if name not in those))
            wanted[those] = len(inside - outside)
    assert dict(overlap.regions) == {those: count for those, count in wanted.items() if count}
    assert overlap.to_pandas()["count"].sum() == len(set().union(*members.values()))
    for wrong in (("VIP",), ("VIP", "vip"), ("VIP", "Buyers", "Portugal", "VIP")):
        with pytest.raises(ValueError, match="two to five"):
            book.segments.overlap(*wrong)


# ── pictures ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def pictures(book: persona.Phonebook) -> dict[str, Picture]:
    answer = book.ask(QUESTION, now=sample.NOW)
    return {
        "funnel": answer.chart(),
        "portrait": answer.chart("portrait"),
        "nothing apart": book.ask("all contacts", now=sample.NOW).chart("portrait"),
        "breakdown": book.ask("how many users by city", now=sample.NOW).chart(),
        "history": book.segments.chart("buyers"),
        "overlap": book.segments.overlap("VIP", "Buyers", now=sample.NOW).chart(),
    }


SAID = {
    "funnel": ["all contacts", "620", "1. whose", "Contacts left by each condition"],
    "portrait": ["tier: premier", "share of the members"],
    "nothing apart": ["Nothing sets them apart"],
    "breakdown": ["Amsterdam", "88"],
    "history": ["The segment &quot;Buyers&quot; over time", "members", "entered", "exited"],
    "overlap": ["VIP (87)", "Buyers (193)"],
}


@pytest.mark.parametrize("name", SAID)
def test_a_picture_says_what_it_shows(pictures: dict[str, Picture], name: str) -> None:
    svg = pictures[name].svg()
    words = re.sub(r"<[^>]+>", " ", svg)
    for text in SAID[name]:
        assert text in words or text.replace("&quot;", '"') in words, text
    assert "data:image/svg+xml;base64," in pictures[name]._repr_html_()


def test_pictures_are_saved_without_the_network(pictures: dict[str, Picture], tmp_path: Path) -> None:
    picture = pictures["funnel"]
    assert picture.save(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert picture.save(tmp_path / "a.svg").read_text().startswith("<svg")
    page = picture.save(tmp_path / "a.html").read_text()
    assert not re.search(r"<script[^>]+src=|<link\b", page), "nothing is fetched"
    assert len(page) > 100_000, "the drawing code is in the page"
    with pytest.raises(ValueError, match=r"\.html, \.svg or \.png"):
        picture.save(tmp_path / "a.pdf")


def test_the_picture_is_the_numbers(book: persona.Phonebook) -> None:
    answer = book.ask("how many users by city", now=sample.NOW)
    drawn = json.dumps(answer.chart().chart.to_dict())
    for city, count in answer.breakdown.items():
        assert f'"group": "{city}", "size": {count}' in drawn
    with pytest.raises(ValueError, match="no picture 'breakdown'"):
        book.ask("all contacts", now=sample.NOW).chart("breakdown")
    assert json.dumps(describe(answer.query)) in drawn
