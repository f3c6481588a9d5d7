"""Segments in questions: being in one, coming and going; and questions about the answer before."""

from __future__ import annotations

import pytest

import persona
from grammar import query as q
from grammar.describe import describe
from grammar.errors import Ambiguous, NotUnderstood
from grammar.followup import read_about
from grammar.query import Member, Query, all_of, any_of, did, negated
from grammar.reader import read
from grammar.vocabulary import EventType, Key, StaticVocabulary, Value
from persona import sample

CITY = Key("city", "attribute", None, frozenset({"text"}), 9)
TOTAL = Key("total", "event", "order-completed", frozenset({"number"}), 9)
WORDS = StaticVocabulary(
    [EventType("order-completed", True, 9, (TOTAL,)), EventType("login", False, 9, ())],
    [CITY],
    [Value(CITY, "Oslo", 5), Value(CITY, "Gold", 4)],
    segments=["VIP", "Lapsed buyers", "Oslo", "High value"],
)
BOUGHT = did(q.Events("order-completed"))
WEEK = q.Window(q.Rolling(q.Span(7, "day")))
IN_OSLO = q.Attribute(("city",), q.Text("is", ("oslo",)))
LAPSED = Member("Lapsed buyers")


@pytest.mark.parametrize(
    ("question", "condition"),
    [
        ("users in VIP", Member("VIP")),
        ("who is in the VIP segment?", Member("VIP")),
        ("members of VIP", Member("VIP")),
        ("customers who belong to the segment VIP", Member("VIP")),
        ('users in "VIP"', Member("VIP")),
        ('users in the segment "high value"', Member("High value")),
        ("users in high values", Member("High value")),
        ("users in VIP but not in lapsed buyers", all_of(Member("VIP"), negated(LAPSED))),
        ("users not in VIP", negated(Member("VIP"))),
        ("users who are not in VIP", negated(Member("VIP"))),
        ("users who are in VIP and bought", all_of(Member("VIP"), BOUGHT)),
        ("users in VIP who never bought", all_of(Member("VIP"), negated(BOUGHT))),
        ("users in VIP or in lapsed buyers", any_of(Member("VIP"), LAPSED)),
        ("buyers in VIP", all_of(Member("VIP"), BOUGHT)),
        ("who entered VIP in the last 7 days", Member("VIP", "entered", WEEK)),
        ("users who entered the VIP segment", Member("VIP", "entered")),
        ("users who exited VIP in the last 7 days and bought", all_of(Member("VIP", "exited", WEEK), BOUGHT)),
        ("users who left VIP", Member("VIP", "exited")),
        ("users who never entered VIP", negated(Member("VIP", "entered"))),
        ("users in Oslo", IN_OSLO),
        ("users in the segment Oslo", Member("Oslo")),
        ("users in the Oslo segment", Member("Oslo")),
        ("users in Oslo in VIP", all_of(IN_OSLO, Member("VIP"))),
    ],
)
def test_a_segment_is_read(question: str, condition: q.Condition) -> None:
    query = read(question, WORDS).query
    assert query == Query(condition)
    assert read(describe(query), WORDS).query == query


@pytest.mark.parametrize(
    ("question", "output"),
    [
        ("how many users in VIP", q.CountUsers()),
        ("how many users in VIP by city", q.AttributeBreakdown("city")),
        ("what percentage of users in VIP bought", q.Percentage(Member("VIP"))),
    ],
)
def test_a_segment_in_other_questions(question: str, output: q.Output) -> None:
    query = read(question, WORDS).query
    assert query.output == output
    assert Member("VIP") in q.nodes(query)


@pytest.mark.parametrize(
    "question", ["users in the segment Nobody", "users in Nobody", "VIP", "who entered Nobody", "in VIP VIP"]
)
def test_what_is_not_read(question: str) -> None:
    with pytest.raises((NotUnderstood, Ambiguous)):
        read(question, WORDS)


def test_no_segments_no_words() -> None:
    bare = StaticVocabulary(WORDS.event_types(), WORDS.attributes(), [])
    with pytest.raises(NotUnderstood):
        read("users in VIP", bare)


# ── questions about the answer before ─────────────────────────────────────────────────────────────────────────────

BUYERS = Query(BOUGHT)
SPEND = q.Spend(q.Events("order-completed"))
SHOWN = (q.AttributeColumn("city"),)
BY_SPEND = q.Users((), q.Order(q.MeasureColumn(SPEND)))
ORDERS = q.Events("order-completed")
IN_MAY = q.Events("order-completed", (), q.Window(q.Named("month", 5)))
FIRST_IN_MAY = q.Extreme("first", ORDERS, IN_MAY.window)
TWICE = did(ORDERS, q.Bound(">=", 2))


def then(later: q.Events, within: q.Span | None = None, first: bool = False) -> q.Condition:
    """Ordered, and then once more."""
    return q.Sequence((q.Step(ORDERS), q.Step(later)), within, from_first=first)


@pytest.mark.parametrize(
    ("question", "given", "wanted"),
    [
        ("only those from Oslo", BUYERS, Query(all_of(BOUGHT, IN_OSLO))),
        ("Only from Oslo", BUYERS, Query(all_of(BOUGHT, IN_OSLO))),
        ("those in VIP", BUYERS, Query(all_of(BOUGHT, Member("VIP")))),
        ("and only those who logged in", BUYERS, Query(all_of(BOUGHT, did(q.Events("login"))))),
        ("exclude users from Oslo", BUYERS, Query(all_of(BOUGHT, negated(IN_OSLO)))),
        ("remove users from Oslo", BUYERS, Query(all_of(BOUGHT, negated(IN_OSLO)))),
        ("but not in VIP", BUYERS, Query(all_of(BOUGHT, negated(Member("VIP"))))),
        ("how many of them logged in", BUYERS, Query(all_of(BOUGHT, did(q.Events("login"))), q.CountUsers())),
        ("which of these logged in", BUYERS, Query(all_of(BOUGHT, did(q.Events("login"))))),
        ("of these, who logged in?", BUYERS, Query(all_of(BOUGHT, did(q.Events("login"))))),
        ("break them down by city", BUYERS, Query(BOUGHT, q.AttributeBreakdown("city"))),
        ("which city do they live in", BUYERS, Query(BOUGHT, q.AttributeBreakdown("city"))),
        (
            "what percentage of them logged in",
            BUYERS,
            Query(all_of(BOUGHT, did(q.Events("login"))), q.Percentage(BOUGHT)),
        ),
        ("average spend of those", BUYERS, Query(BOUGHT, q.Value("average", SPEND))),
        ("sort them by spend", BUYERS, Query(BOUGHT, BY_SPEND)),
        ("show their city", BUYERS, Query(BOUGHT, q.Users((q.AttributeColumn("city"),)))),
        (
            "show their city",
            Query(BOUGHT, BY_SPEND),
            Query(BOUGHT, q.Users((q.AttributeColumn("city"),), BY_SPEND.order)),
        ),
        ("top 10 of them by spend", BUYERS, Query(q.Rank(SPEND, 10, among=BOUGHT))),
        ("first 10 of them", BUYERS, Query(BOUGHT, q.Users((), None, 10))),
        ("how many of them bought again", BUYERS, Query(all_of(BOUGHT, then(ORDERS)), q.CountUsers())),
        ("which of them bought again in May", BUYERS, Query(all_of(BOUGHT, then(IN_MAY)))),
        ("those who ordered again within 30 days", BUYERS, Query(all_of(BOUGHT, then(ORDERS, q.Span(30, "day"))))),
        (
            "what percentage of them bought again",
            Query(FIRST_IN_MAY),
            Query(all_of(FIRST_IN_MAY, then(ORDERS, first=True)), q.Percentage(FIRST_IN_MAY)),
        ),
        ("how many of them bought again", Query(IN_OSLO), Query(all_of(IN_OSLO, TWICE), q.CountUsers())),
        ("everyone else", BUYERS, Query(negated(BOUGHT))),
        ("And the rest?", Query(IN_OSLO, q.CountUsers()), Query(negated(IN_OSLO), q.CountUsers())),
        ("only those from Oslo", Query(q.Rank(SPEND, 3)), Query(all_of(q.Rank(SPEND, 3), IN_OSLO))),
        ("only those from Oslo", Query(BOUGHT, q.CountUsers()), Query(all_of(BOUGHT, IN_OSLO), q.CountUsers())),
    ],
)
def test_a_question_about_the_answer_before(question: str, given: Query, wanted: Query) -> None:
    said = read_about(question, given, WORDS).query
    assert said == wanted
    assert read(describe(said), WORDS).query == said, "the echo says the whole"


@pytest.mark.parametrize(
    ("question", "given"),
    [
        ("only those from Atlantis", BUYERS),
        ("how many of them zorped", BUYERS),
        ("sort them by zorp", BUYERS),
        ("how many of them bought again", Query(TWICE)),
        ("how many of them did not buy again", BUYERS),
        ("how many of them logged in and bought again", BUYERS),
        ("them", BUYERS),
        ("everyone else", Query(q.Everyone())),
        ("everyone else who logged in", BUYERS),
        ("and those from Oslo", Query(q.Attribute(("city",), q.Text("is", ("bergen",))))),
        ("", BUYERS),
        ("only those from Oslo", Query(BOUGHT, q.Users((), None, 5))),
    ],
)
def test_what_is_not_read_about_an_answer(question: str, given: Query) -> None:
    with pytest.raises(NotUnderstood):
        read_about(question, given, WORDS)


def test_an_answer_is_asked(shop_book: persona.Phonebook) -> None:
    spenders = shop_book.ask("users who spent over 500, and show their spend", now=sample.NOW)
    dutch = spenders.ask("only those from the Netherlands")
    assert 0 < len(dutch) < len(spenders)
    assert set(dutch.visitor_ids) <= set(spenders.visitor_ids)
    assert dutch.now == spenders.now
    assert set(dutch.rows[0]) == {"visitor_id", "spend"}
    assert shop_book.ask(dutch.understood, now=sample.NOW).visitor_ids == dutch.visitor_ids
    premier = dutch.ask("exclude premier members")
    assert premier.ask("how many of them bought in June").value <= len(premier) < len(dutch)
    amounts = [row["spend"] for row in premier.ask("sort them by spend").rows]
    assert amounts == sorted(amounts)
    with pytest.raises(persona.NotUnderstood) as refused:
        spenders.ask("only those from Atlantis")
    assert refused.value.question == "only those from Atlantis"
    with pytest.raises(persona.Ambiguous) as several:
        spenders.ask("those who have added to cart but haven't bought in the last 7 days")
    chosen = several.value.choose(0)
    assert set(chosen.visitor_ids) <= set(spenders.visitor_ids)
    with pytest.raises(ValueError, match="cannot be remembered"):
        several.value.choose(0, remember=True)
