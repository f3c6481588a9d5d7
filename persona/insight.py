"""What can be said about the contacts of an answer: the funnel of its conditions, their portrait, and how segments
overlap. All numbers come from queries like any other, asked as of one instant."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import TYPE_CHECKING

from grammar import query as q
from grammar.describe import conditions_of, describe, describe_condition, describe_measure
from grammar.query import Condition, Query
from grammar.when import say

if TYPE_CHECKING:
    import pandas

    from grammar.vocabulary import Key
    from persona.picture import Picture
    from storage.store import Book

SMALL = 10  # contacts: a value that fewer members have is marked, and never said to set them apart
_VALUES = 20  # of an attribute or property are looked at, the most frequent first
_APART = 3.0  # standard deviations from a random choice of as many contacts
_DAY_PARTS = ((360, 720), (720, 1080), (1080, 1320), (1320, 360))
_ANY = q.Events(None)
_ORDERS = q.Events("order-completed")


# ── the funnel ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Step:
    """A condition of a question.

    Attributes:
        text: the condition in canonical English.
        alone: how many contacts of the phonebook meet it.
        together: how many meet it and all the conditions before it.
    """

    text: str
    alone: int
    together: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """How many contacts each condition keeps; the first step is all contacts, the last leaves those of the answer."""

    steps: tuple[Step, ...]

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each step: condition, alone, together."""
        import pandas

        rows = [(step.text, step.alone, step.together) for step in self.steps]
        return pandas.DataFrame(rows, columns=["condition", "alone", "together"])

    def chart(self) -> Picture:
        """A bar for each step."""
        from persona import picture

        return picture.of_funnel(self)

    def _repr_html_(self) -> str:
        return self.chart()._repr_html_()


def funnel(book: Book, query: Query, now: datetime) -> Funnel:
    """The funnel of a query's conditions as of `now` (aware)."""
    conditions = conditions_of(query.population)
    together = [q.all_of(*conditions[:size]) for size in range(1, len(conditions) + 1)]
    everyone, *counts = _counts(book, (q.Everyone(), *conditions, *together), now)
    steps = [Step(describe(Query(q.Everyone())), everyone, everyone)]
    for condition, alone, kept in zip(conditions, counts[: len(conditions)], counts[len(conditions) :], strict=True):
        if not isinstance(condition, q.Everyone):
            steps.append(Step(describe_condition(condition), alone, kept))
    if isinstance(query.output, q.Users) and query.output.limit is not None:
        limit = query.output.limit
        steps.append(Step(describe(query), min(limit, everyone), min(limit, steps[-1].together)))
    return Funnel(tuple(steps))


def _counts(book: Book, conditions: Sequence[Condition], now: datetime) -> list[int]:
    """How many contacts meet each condition, all of them in one query."""
    rows = q.Rows(tuple(q.Row(str(number), condition) for number, condition in enumerate(conditions)))
    counts: list[int] = book.answer(Query(q.Everyone(), rows), now).table.column("count").to_pylist()
    return counts


# ── the portrait ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Trait:
    """A value that members may have.

    Attributes:
        of: what it is a value of: an attribute, a property of what they bought, a time of day.
        value: the value.
        members, share: how many members have it, and which part of them (0 to 1).
        everyone, everyone_share: the same of all contacts.
        lift: share / everyone_share; None where nobody has it.
        score: how far the number of members is from that of as many contacts chosen at random, in its deviations.
        small: whether so few members have it that it may be chance.
    """

    of: str
    value: str
    members: int
    share: float
    everyone: int
    everyone_share: float
    lift: float | None
    score: float
    small: bool


@dataclass(frozen=True, slots=True)
class Level:
    """The average of a measure over the members and over all contacts; None where nobody has one."""

    of: str
    members: float | None
    everyone: float | None


@dataclass(frozen=True, slots=True)
class Portrait:
    """Who the members are.

    Attributes:
        understood: the members in canonical English.
        size, everyone: how many members and how many contacts there are.
        share: size / everyone (0 to 1); None in an empty phonebook.
        traits: what was compared: attributes, devices, what they bought, when they are active.
        levels: averages: spend, orders, recency, numeric attributes.
    """

    understood: str
    size: int
    everyone: int
    share: float | None
    traits: tuple[Trait, ...]
    levels: tuple[Level, ...]

    @property
    def apart(self) -> tuple[Trait, ...]:
        """The traits that set the members apart most, the strongest first: no small numbers, and none that as many
        contacts chosen at random would often show."""
        strong = [trait for trait in self.traits if abs(trait.score) >= _APART and not trait.small]
        return tuple(sorted(strong, key=lambda trait: -abs(trait.score)))

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each trait: of, value, members, share, everyone, everyone_share, lift, score, small."""
        import pandas

        names = Trait.__slots__
        return pandas.DataFrame(
            [[getattr(trait, name) for name in names] for trait in self.traits], columns=list(names)
        )

    def chart(self) -> Picture:
        """The lifts of the traits that set them apart."""
        from persona import picture

        return picture.of_portrait(self)

    def _repr_html_(self) -> str:
        from persona.notebook import portrait_html

        return portrait_html(self)


def portrait(book: Book, query: Query, now: datetime) -> Portrait:
    """The portrait of a query's population as of `now` (aware)."""
    members = query.population
    size, everyone = _counts(book, (members, q.Everyone()), now)
    groups = list(_groups(book, members, now))
    traits = tuple(
        _trait(of, value, count, every, size, everyone)
        for of, values in groups
        for value, (count, every) in values.items()
    )
    levels = tuple(
        Level(describe_measure(measure), _mean(book, members, measure, now), _mean(book, q.Everyone(), measure, now))
        for measure in _measures(book)
    )
    return Portrait(describe(Query(members)), size, everyone, size / everyone if everyone else None, traits, levels)


_Counted = dict[str, tuple[int, int]]  # value → how many members, how many contacts


def _groups(book: Book, members: Condition, now: datetime) -> Iterator[tuple[str, _Counted]]:
    """What can be compared in this phonebook, with its values."""
    vocabulary = book.vocabulary()
    for key in vocabulary.attributes():
        if _tells_apart(key):
            yield key.name, _breakdowns(book, members, q.AttributeBreakdown(key.name, True, _VALUES), now)
    types = vocabulary.event_types()
    bought = _ORDERS if any(each.name == _ORDERS.event for each in types) else _ANY
    item_keys = {key.name for each in types for key in each.keys if key.level == "item"}
    for name in ("category", "brand"):
        if name in item_keys:
            breakdown = q.EventBreakdown(q.Property(name, "item"), bought, True, _VALUES)
            yield f"{name} {'bought' if bought is _ORDERS else 'seen'}", _breakdowns(book, members, breakdown, now)
    context = {key.name: key for each in types for key in each.keys if key.level == "context"}
    for key in context.values():
        if _tells_apart(key):
            breakdown = q.EventBreakdown(q.Property(key.name, "context"), _ANY, True, _VALUES)
            yield key.name, _breakdowns(book, members, breakdown, now)
    if types:
        windows = [q.Window(hours=hours) for hours in _DAY_PARTS] + [q.Window(weekdays=(6, 7))]
        active = [q.did(q.Events(None, (), window)) for window in windows]
        counts = _counts(book, (*active, *(q.all_of(members, each) for each in active)), now)
        half = len(windows)
        yield "active", {say(window): (counts[half + i], counts[i]) for i, window in enumerate(windows)}


def _tells_apart(key: Key) -> bool:
    return bool(key.holds & {"text", "boolean", "list"}) and not key.holds & {"object", "date"}


def _breakdowns(book: Book, members: Condition, of: q.AttributeBreakdown | q.EventBreakdown, now: datetime) -> _Counted:
    """The frequent values among all contacts, and how many members have each. What is nearly one for each contact (a
    name, an address) tells nothing of a group."""
    everyone = _breakdown(book, Query(q.Everyone(), of), now)
    if not everyone or max(everyone.values()) < SMALL:
        return {}
    mine = _breakdown(book, Query(members, q.changed(of, _unlimited)), now)
    return {value: (mine.get(value, 0), count) for value, count in everyone.items()}


def _unlimited(node: object) -> object | None:
    match node:
        case q.AttributeBreakdown(name, ranked, int()):
            return q.AttributeBreakdown(name, ranked)
        case q.EventBreakdown(of, events, ranked, int()):
            return q.EventBreakdown(of, events, ranked)
        case _:
            return None


def _breakdown(book: Book, query: Query, now: datetime) -> dict[str, int]:
    table = book.answer(query, now).table
    return dict(zip(map(str, table.column("value").to_pylist()), table.column("count").to_pylist(), strict=True))


def _trait(of: str, value: str, members: int, every: int, size: int, everyone: int) -> Trait:
    share, whole = members / size if size else 0.0, every / everyone if everyone else 0.0
    # how much the number would vary among so many contacts, drawn without putting back
    spread = math.sqrt(size * whole * (1 - whole) * (everyone - size) / (everyone - 1)) if everyone > 1 else 0.0
    score = (members - size * whole) / spread if spread else 0.0
    return Trait(of, value, members, share, every, whole, share / whole if whole else None, score, members < SMALL)


def _measures(book: Book) -> list[q.Measure]:
    vocabulary = book.vocabulary()
    types = {each.name for each in vocabulary.event_types()}
    found: list[q.Measure] = [q.Spend(_ORDERS), q.Count(_ORDERS)] if _ORDERS.event in types else []
    if types:
        found += [q.Elapsed("last", _ANY, "day"), q.ActivePeriods(_ANY, "day")]
    return found + [q.AttributeNumber(key.name) for key in vocabulary.attributes() if key.holds == {"number"}]


def _mean(book: Book, members: Condition, measure: q.Measure, now: datetime) -> float | None:
    value: float | None = book.answer(Query(members, q.Value("average", measure)), now).table.column("value")[0].as_py()
    return value


# ── overlap ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Overlap:
    """How segments overlap.

    Attributes:
        names: the segments.
        sizes: how many contacts each has.
        regions: which of the segments, and how many contacts are in exactly these; the largest first, empty ones left
            out. The counts add up to the contacts that are in any of them.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    regions: tuple[tuple[tuple[str, ...], int], ...]

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each region: a column for each segment that says whether it is in it, and count."""
        import pandas

        rows = [[*(name in those for name in self.names), count] for those, count in self.regions]
        return pandas.DataFrame(rows, columns=[*self.names, "count"])

    def chart(self) -> Picture:
        """A bar for each region over the segments that it is made of."""
        from persona import picture

        return picture.of_overlap(self)

    def _repr_html_(self) -> str:
        return self.chart()._repr_html_()


def overlap(book: Book, names: Sequence[str], now: datetime) -> Overlap:
    """How these segments overlap as of `now` (aware), all regions in one query. ValueError but for two to five."""
    if not 2 <= len(set(names)) == len(names) <= 5:
        raise ValueError("two to five different segments are laid over each other")
    members = [q.Member(name) for name in names]
    inside = [those for those in product((True, False), repeat=len(names)) if any(those)]
    exactly = [
        q.all_of(*(each if is_in else q.negated(each) for each, is_in in zip(members, those, strict=True)))
        for those in inside
    ]
    counts = _counts(book, (*members, *exactly), now)
    regions = [
        (tuple(name for name, is_in in zip(names, those, strict=True) if is_in), count)
        for those, count in zip(inside, counts[len(names) :], strict=True)
        if count
    ]
    ordered = tuple(sorted(regions, key=lambda region: (-region[1], region[0])))
    return Overlap(tuple(names), tuple(counts[: len(names)]), ordered)
