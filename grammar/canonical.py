"""Canonical English back to the query it says: the sentences that `describe` makes, and no others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from grammar import query as q
from grammar.describe import COMPARISONS, NONE_OF, describe
from grammar.query import ALWAYS, NEVER, Bound, Condition, EventFilter, Events, Filter, Measure, Property, Query, Window
from grammar.when import read_all

if TYPE_CHECKING:
    from lark import Lark

_OPENING = re.compile(
    r'(?s:"[^"\\]*(?:\\.[^"\\]*)*": )?'
    r"(?:all contacts|contacts|the (?:number|percentage|total|average|highest|lowest|first|top|bottom|units|spend))\b"
)


def read_canonical(text: str) -> Query | None:
    """The query that this sentence says, or None where it is no canonical sentence: one that `describe` makes.

    Conditions joined by "and" or "or" may stand in another order than the query's own. Never raises; takes time in
    proportion to the text.

    >>> read_canonical('contacts with no "login"') == Query(q.negated(q.did(Events("login"))))
    True
    >>> read_canonical("contacts who never logged in")
    """
    text = text.strip()
    if _OPENING.match(text) is None:  # most questions; lark need not be loaded for them
        return None
    from lark.exceptions import UnexpectedInput

    try:
        read: Any = _parser().parse(text)
        if describe(read) != text:  # the grammar is looser than the sentences
            return None
        canonical: Query = _canonical(read)
        return canonical
    except (UnexpectedInput, _NotCanonicalError, RecursionError):
        return None


class _NotCanonicalError(Exception):
    """The words fit the grammar and yet say nothing."""


@cache
def _parser() -> Lark:
    from lark import Lark

    grammar = Path(__file__).with_name("canonical.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=_Builder())


def _canonical(node: Any) -> Any:
    """The node with its parts in canonical form and order."""
    if isinstance(node, tuple):
        return tuple(map(_canonical, node))
    if not is_dataclass(node) or isinstance(node, type):
        return node
    made: Any = replace(node, **{part.name: _canonical(getattr(node, part.name)) for part in fields(node)})
    match made:
        case q.All(of):
            return q.all_of(*of)
        case q.Any_(of):
            return q.any_of(*of)
        case q.Not(of):
            return q.negated(of)
        case Events(where=where):
            return replace(made, where=q.filters(*where))
        case q.Extreme(has=has) | q.Only(has=has):
            return replace(made, has=q.filters(*has))
        case _:
            return made


# ── the nodes ─────────────────────────────────────────────────────────────────────────────────────────────────────

_Sentence: TypeAlias = tuple[Condition, q.Output]
_Times: TypeAlias = tuple[Bound, Events]
_Bare: TypeAlias = tuple[str]  # a property by its name alone: its place says the level
_Plain: TypeAlias = tuple[tuple[Property | _Bare, ...], q.Test]

_ANY = Events(None)  # stands in a measure until its events are known
_TIME_WORD = re.compile(r"[(),]|[^\s(),]+")
_LONGEST_NUMBER = 4000  # digits: Python reads no integers much longer
_SAID: Mapping[str, str] = {
    **{said: comparison for comparison, said in COMPARISONS.items()},
    "fewer than": "<",
    **{said: how for how, both in NONE_OF.items() for said in both},
}


def _at(property_: Property | _Bare, level: q.Level) -> Property:
    return property_ if isinstance(property_, Property) else Property(property_[0], level)


def _made(raw: tuple[_Plain | list[_Plain], ...], level: q.Level) -> tuple[Any, ...]:
    """The filters of one group, in which a bare name is of this level; a list of them is an "either … or else …"."""

    def plain(one: _Plain) -> Filter:
        return Filter(tuple(_at(p, level) for p in one[0]), one[1])

    return tuple(q.AnyFilter(tuple(map(plain, one))) if isinstance(one, list) else plain(one) for one in raw)


def _least(times: _Times) -> int:
    """The N of "at least N"."""
    value = times[0].value
    if isinstance(value, float):
        raise _NotCanonicalError
    return value


class _Builder:
    """What each rule of canonical.lark makes of its parts `c`, in their order; an optional part left out is None.

    All and Any_ keep the order of the words here: `_canonical` comes after the sentence has been compared.
    """

    def start(self, c: list[Any]) -> Query:
        label, (population, output) = c
        return Query(population, output, label)

    # sentences: a pair of population and output

    def users(self, c: list[Any]) -> _Sentence:
        (population, limit), columns, order = c
        return population, q.Users(columns or (), order, limit)

    def count_users(self, c: list[Any]) -> _Sentence:
        return c[0], q.CountUsers()

    def count_events(self, c: list[Any]) -> _Sentence:
        return c[1], q.CountEvents(c[0])

    def percentage(self, c: list[Any]) -> _Sentence:
        return c[0], q.Percentage(c[1])

    def value(self, c: list[Any]) -> _Sentence:
        how, measure, population = c
        return population, q.Value(how, measure)

    def pooled(self, c: list[Any]) -> _Sentence:
        how, (events, property_), population = c
        return population, q.Pooled(how, events, property_)

    def attribute_breakdown(self, c: list[Any]) -> _Sentence:
        population, name, largest, limit = c
        return population, q.AttributeBreakdown(name, largest is not None, limit)

    def event_breakdown(self, c: list[Any]) -> _Sentence:
        population, (events, property_), largest, limit = c
        return population, q.EventBreakdown(property_, events, largest is not None, limit)

    def item_breakdown(self, c: list[Any]) -> _Sentence:
        worth, (events, property_), population, largest, limit = c
        what = worth.removesuffix(" for each")
        return population, q.ItemBreakdown(what, property_, events, largest is not None, limit)

    def events_in_time(self, c: list[Any]) -> _Sentence:
        events, population, part = c
        return population, q.TimeBreakdown(part, events)

    def contacts_in_time(self, c: list[Any]) -> _Sentence:
        population, part, events = c
        return population, q.TimeBreakdown(part, events, "contacts")

    def rows(self, c: list[Any]) -> _Sentence:
        return c[0], q.Rows(tuple(c[1:]))

    def everybody(self, c: list[Any]) -> tuple[Condition, int | None]:
        return c[0], None

    def first(self, c: list[Any]) -> tuple[Condition, int | None]:
        return c[1], c[0]

    def ranked(self, c: list[Any]) -> tuple[Condition, int | None]:
        return self.rank([*c[:2], None, *c[2:]]), None

    def ranked_percent(self, c: list[Any]) -> tuple[Condition, int | None]:
        return self.rank([*c[:2], "%", *c[2:]]), None

    def columns(self, c: list[Any]) -> tuple[q.Column, ...]:
        return tuple(c)

    def order(self, c: list[Any]) -> q.Order:
        return q.Order(c[0], c[1] is not None)

    def attribute_column(self, c: list[Any]) -> q.Column:
        return q.AttributeColumn(c[0])

    def measure_column(self, c: list[Any]) -> q.Column:
        return q.MeasureColumn(c[0])

    def moment_column(self, c: list[Any]) -> q.Column:
        return q.MomentColumn(c[0], c[1])

    def row(self, c: list[Any]) -> q.Row:
        return q.Row(c[0], c[1])

    # conditions

    def everyone(self, c: list[Any]) -> Condition:
        return q.Everyone()

    def all_of(self, c: list[Any]) -> Condition:
        return q.All(tuple(c))

    def any_of(self, c: list[Any]) -> Condition:
        return q.Any_(tuple(c))

    def negation(self, c: list[Any]) -> Condition:
        return q.Not(c[0])

    def several(self, c: list[Any]) -> Condition:
        return q.Several(c[0], tuple(c[1:]))

    def did(self, c: list[Any]) -> Condition:
        bound, events = c[0]
        return q.Has(q.Count(events), bound)

    def in_periods(self, c: list[Any]) -> Condition:
        events, bound, measure = c
        return q.Has(replace(measure, events=events), bound)

    def in_periods_each(self, c: list[Any]) -> Condition:
        times, bound, measure = c
        return q.Has(replace(measure, events=times[1], each=_least(times)), bound)

    def only(self, c: list[Any]) -> Condition:
        times, has = c
        return q.Only(times[1], has.where)

    def every_period(self, c: list[Any]) -> Condition:
        times, unit, window = c
        return q.EveryPeriod(replace(times[1], window=window or ALWAYS), unit, _least(times))

    def has(self, c: list[Any]) -> Condition:
        return q.Has(c[0], c[1])

    def versus(self, c: list[Any]) -> Condition:
        left, comparison, percent, right = c
        return q.Versus(left, comparison, right, 100 if percent is None else percent)

    def sequence(self, c: list[Any]) -> Condition:
        same, unordered, first, steps, within = c
        of = None if same is None else _at(same, "event")
        return q.Sequence(steps, within, of, unordered is None, first is not None)

    def repeated(self, c: list[Any]) -> Condition:
        bound, events, of = c
        return q.Repeated(events, _at(of, "event"), bound)

    def led_up(self, c: list[Any]) -> Condition:
        same, bound, events, to, target = c
        of = None if same is None else _at(same, "event")
        return q.LedUp(events, bound, target, to == "before their first", of)

    def extreme(self, c: list[Any]) -> Condition:
        return q.Extreme(*c)

    def extreme_one(self, c: list[Any]) -> Condition:
        which, events, one = c
        return q.Extreme(which, events, one.window, one.where)

    def came_back(self, c: list[Any]) -> Condition:
        return q.CameBack(c[0], c[1] or ALWAYS)

    def favourite(self, c: list[Any]) -> Condition:
        (events, property_), values = c
        return q.Favourite(events, property_, values)

    def mostly(self, c: list[Any]) -> Condition:
        (events, property_), values = c
        return q.Favourite(events, property_, values, mostly=True)

    def attribute(self, c: list[Any]) -> Condition:
        return q.Attribute(c[0], c[1])

    def not_attribute(self, c: list[Any]) -> Condition:
        return q.Not(q.Attribute(c[0], replace(c[1], negated=False)))

    def not_true(self, c: list[Any]) -> Condition:
        return q.Not(q.Attribute(c[0], q.Truth(c[2])))

    def age(self, c: list[Any]) -> Condition:
        from_birth, name, bound = c
        return q.Age(name, bound, from_birth is not None)

    def birthday(self, c: list[Any]) -> Condition:
        name, window = c
        if window.period is None:
            raise _NotCanonicalError
        return q.Birthday(name, window.period)

    def rank(self, c: list[Any]) -> Condition:
        end, amount, percent, measure, among = c
        return q.Rank(measure, amount, percent is not None, end == "bottom", among or q.Everyone())

    def term(self, c: list[Any]) -> Condition:
        return q.Term(c[0], c[1])

    def not_term(self, c: list[Any]) -> Condition:
        return q.Not(q.Term(c[0], c[1]))

    def in_segment(self, c: list[Any]) -> Condition:
        return q.Member(c[0], "in", c[1] or ALWAYS)

    def not_in_segment(self, c: list[Any]) -> Condition:
        return q.Not(self.in_segment(c))

    def moved(self, c: list[Any]) -> Condition:
        how, segment, window = c
        return q.Member(segment, how, window or ALWAYS)

    def calendar_periods(self, c: list[Any]) -> Measure:
        return q.ActivePeriods(_ANY, c[0])

    def blocks(self, c: list[Any]) -> Measure:
        of, calendar, unit = c
        return q.ActiveBlocks(_ANY, unit, of, calendar=calendar is not None)

    def mean_over_contacts(self, c: list[Any]) -> q.MeanOverContacts:
        return q.MeanOverContacts(c[0])

    def mean_over_events(self, c: list[Any]) -> q.MeanOverEvents:
        return q.MeanOverEvents(*c[0])

    def steps(self, c: list[Any]) -> tuple[q.Step, ...]:
        return tuple(part if isinstance(part, q.Step) else q.Step(part) for part in c)

    def absent(self, c: list[Any]) -> q.Step:
        return q.Step(c[0], absent=True)

    def span(self, c: list[Any]) -> q.Span:
        return q.Span(c[0], c[1])

    # measures

    def count(self, c: list[Any]) -> Measure:
        return q.Count(c[0])

    def quantity(self, c: list[Any]) -> Measure:
        return q.Quantity(c[0])

    def distinct(self, c: list[Any]) -> Measure:
        return q.Distinct(*c[0])

    def aggregate(self, c: list[Any]) -> Measure:
        return q.Aggregate(c[0], *c[1])

    def spend(self, c: list[Any]) -> Measure:
        net, window = c
        return q.Spend(Events("order-completed", window=window or ALWAYS), net is not None)

    def spend_in(self, c: list[Any]) -> Measure:
        return q.Spend(c[1], c[0] is not None)

    spend_on = spend_in

    def elapsed(self, c: list[Any]) -> Measure:
        unit, which, events = c
        return q.Elapsed(which, events, unit)

    def active_periods(self, c: list[Any]) -> Measure:
        unit, (each, events) = c
        return q.ActivePeriods(events, unit, each)

    def longest_run(self, c: list[Any]) -> Measure:
        unit, (each, events) = c
        return q.LongestRun(events, unit, each)

    def active_blocks(self, c: list[Any]) -> Measure:
        blocks: q.ActiveBlocks
        blocks, (each, events) = c
        return replace(blocks, events=events, each=each)

    def attribute_number(self, c: list[Any]) -> Measure:
        return q.AttributeNumber(c[0])

    def age_in_years(self, c: list[Any]) -> Measure:
        return q.AgeInYears(c[0])

    def each_one(self, c: list[Any]) -> tuple[int, Events]:
        return 1, c[0]

    def each(self, c: list[Any]) -> tuple[int, Events]:
        return _least(c[0]), c[0][1]

    # some events, and a property of them (as a pair)

    def property_of(self, c: list[Any]) -> tuple[Events, Property]:
        return c[1], _at(c[0], "event")

    def item_property_of(self, c: list[Any]) -> tuple[Events, Property]:
        return c[1], _at(c[0], "item")

    def in_items(self, c: list[Any]) -> Events:
        events: Events
        raw, events = c
        return replace(events, where=(*_made(raw or (), "item"), *events.where))

    def times(self, c: list[Any]) -> _Times:
        return c[0], c[1]

    def never(self, c: list[Any]) -> _Times:
        return NEVER, c[0]

    def events(self, c: list[Any]) -> Events:
        tail: Events
        name, tail = c
        return replace(tail, event=name)

    def tail(self, c: list[Any]) -> Events:
        windows = [part for part in c if isinstance(part, Window)]
        if len(windows) > 1:
            raise _NotCanonicalError
        where = tuple(one for part in c if isinstance(part, tuple) for one in part)
        return Events(None, where, *windows)

    # filters: each group a tuple of them

    def of_event(self, c: list[Any]) -> tuple[EventFilter, ...]:
        return _made(c[0], "event")

    def of_item(self, c: list[Any]) -> tuple[EventFilter, ...]:
        return _made(c[0], "item")

    def every_item(self, c: list[Any]) -> tuple[EventFilter, ...]:
        return (q.EveryItem(_made(c[0], "item")),)

    def units(self, c: list[Any]) -> tuple[EventFilter, ...]:
        return (q.Basket(c[0]),)

    def different(self, c: list[Any]) -> tuple[EventFilter, ...]:
        return (q.Basket(c[0], c[1]),)

    def some_item(self, c: list[Any]) -> tuple[EventFilter, ...]:
        return (q.SomeItem(_made(c[0], "item")),)

    def shares(self, c: list[Any]) -> tuple[EventFilter, ...]:
        return (q.Shares(_at(c[0], "event"), c[2], c[1] is not None),)

    def from_date(self, c: list[Any]) -> tuple[EventFilter, ...]:
        within, how, attribute = c
        return (q.FromDate(attribute, how, within),)

    def filters(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    def any_filter(self, c: list[Any]) -> list[_Plain]:
        return c

    def plain(self, c: list[Any]) -> _Plain:
        return c[0], c[1]

    def properties(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    def bare(self, c: list[Any]) -> _Bare:
        return (c[0],)

    def item(self, c: list[Any]) -> Property:
        return Property(c[0], "item")

    def event(self, c: list[Any]) -> Property:
        return Property(c[0], "event")

    def context(self, c: list[Any]) -> Property:
        return Property(c[0], "context")

    def order_value(self, c: list[Any]) -> Property:
        return Property("total" if c[0] is None else c[0], "order value")

    # tests, bounds, names

    def text_is(self, c: list[Any]) -> q.Test:
        return q.Text("is", c[0])

    def text(self, c: list[Any]) -> q.Test:
        return q.Text(*c)

    def none_of(self, c: list[Any]) -> q.Test:
        return q.Text(c[0], tuple(c[1:]), negated=True)

    def numeric(self, c: list[Any]) -> q.Test:
        return q.Numeric(c[0])

    def during(self, c: list[Any]) -> q.Test:
        return q.During(c[0])

    def known(self, c: list[Any]) -> q.Test:
        return q.Known(c[0])

    def truth(self, c: list[Any]) -> q.Test:
        return q.Truth(c[0])

    def bound(self, c: list[Any]) -> Bound:
        return Bound(*c)

    def between(self, c: list[Any]) -> Bound:
        return Bound("=", *c)

    def strings(self, c: list[Any]) -> tuple[str, ...]:
        return tuple(c)

    # terminals

    def STRING(self, token: str) -> str:
        return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)

    def INT(self, token: str) -> int:
        if len(token) > _LONGEST_NUMBER:
            raise _NotCanonicalError
        return int(token.replace(",", ""))

    def FLOAT(self, token: str) -> float:
        return float(token.replace(",", ""))

    def WHEN(self, token: str) -> Window:
        window = ALWAYS if token.strip() == "at any time" else read_all(_TIME_WORD.findall(token.lower()))
        if window is None:
            raise _NotCanonicalError
        return window

    def COMPARISON(self, token: str) -> str:
        return _SAID[token]

    def UNIT(self, token: str) -> str:
        return token.removesuffix("s")

    def PART(self, token: str) -> str:
        return token.removeprefix("calendar ")

    def ANY(self, token: str) -> None:
        return None

    def KNOWN(self, token: str) -> bool:
        return token == "is known"

    def TRUE(self, token: str) -> bool:
        return token.endswith("true")

    TRUTH = TRUE

    def TEXT_VERB(self, token: str) -> str:
        return "has word" if token == "has the word" else str(token)

    def NOT(self, token: str) -> str:
        return _SAID[token]

    NEITHER = NOT

    def FROM_DATE(self, token: str) -> str:
        return token.removesuffix(" their")

    def HOW(self, token: str) -> str:
        return str(token)

    WHICH = END = MOVED = TO = NO = HOW
