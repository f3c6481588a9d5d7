"""What a question says, before names are chosen: trees of named rules with the question's own words at their leaves,
and the events and clauses that combine and resolve take out of them. Both readers give these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from grammar.errors import Code
from grammar.mentions import Edge, EventHit
from grammar.numbers import Amount
from grammar.query import Condition, FromDate, Window


@dataclass(frozen=True, slots=True)
class Tree:
    """A rule of the grammar with what it holds, in order."""

    name: str
    children: tuple[Tree | Edge, ...]

    def leaves(self) -> Iterator[Edge]:
        """The leaves, in order, only looked at."""
        for child in self.children:
            if isinstance(child, Edge):
                yield child
            else:
                yield from child.leaves()

    def edges(self) -> Iterator[Edge]:
        """The leaves, in order, each made use of."""
        for leaf in self.leaves():
            leaf.used.append(None)
            yield leaf

    def own(self, *categories: str) -> list[Edge]:
        """Its own leaves of these categories, in order, each made use of."""
        found = [c for c in self.children if isinstance(c, Edge) and c.category in categories]
        for edge in found:
            edge.used.append(None)
        return found

    def edge(self, *categories: str) -> Edge | None:
        """The first own leaf of one of the categories, made use of."""
        found = next((c for c in self.children if isinstance(c, Edge) and c.category in categories), None)
        if found is not None:
            found.used.append(None)
        return found

    def leaf(self, *categories: str) -> Edge:
        """The own leaf of one of the categories that the rule always has, made use of."""
        found = self.edge(*categories)
        assert found is not None, (self.name, categories)
        return found

    def child(self) -> Tree | Edge:
        """What it holds first; a leaf is made use of."""
        first = self.children[0]
        if isinstance(first, Edge):
            first.used.append(None)
        return first

    def tree(self, *names: str) -> Tree | None:
        """The first own subtree of one of the names."""
        return next((c for c in self.children if isinstance(c, Tree) and c.name in names), None)

    def part(self, *names: str) -> Tree:
        """The own subtree of one of the names that the rule always has."""
        found = self.tree(*names)
        assert found is not None, (self.name, names)
        return found

    def trees(self, *names: str) -> list[Tree]:
        """The own subtrees of these names (of any, without names), in order."""
        return [c for c in self.children if isinstance(c, Tree) and (not names or c.name in names)]

    def has(self, *categories: str) -> bool:
        """Whether an own leaf is of one of the categories; it is made use of."""
        return self.edge(*categories) is not None

    def without(self, *names: str) -> Tree:
        """The same, but for the own subtrees of these names."""
        return Tree(self.name, tuple(c for c in self.children if isinstance(c, Edge) or c.name not in names))

    def fresh(self) -> Tree:
        """A copy of which nothing has been made use of."""
        return Tree(self.name, tuple(c.fresh() if isinstance(c, Tree) else _unused(c) for c in self.children))

    @property
    def first(self) -> int:
        """The first word."""
        return min((e.first for e in self.leaves()), default=0)

    @property
    def end(self) -> int:
        """The word after the last."""
        return max((e.end for e in self.leaves()), default=0)


def _unused(edge: Edge) -> Edge:
    """A copy of a leaf of which nothing has been made use of."""
    return Edge(edge.category, edge.first, edge.end, edge.meaning)


class Refused(Exception):
    """A tree that means nothing in this phonebook: which words are the reason, and why.

    `near` are names or values that could have been meant, as replacements for the words.
    """

    def __init__(self, code: Code, first: int, end: int, reason: str, near: tuple[str, ...] = ()) -> None:
        self.code: Code = code
        self.first = first
        self.end = end
        self.reason = reason
        self.near = near
        super().__init__(reason)


def refusal(part: Part, reason: str, code: Code = "no place", near: tuple[str, ...] = ()) -> Refused:
    """The refusal of all the words of a part."""
    return Refused(code, part.first, part.end, reason, near)


LinkKind = Literal["start", "and", "or", "but", "comma", "nor", "then", "after", "before", "loose"]


@dataclass(frozen=True, slots=True)
class Link:
    """How a clause is joined to the one before it; `comma`: set off by one; `also`: "still" or "also" opens a new
    clause."""

    kind: LinkKind
    comma: bool = False
    also: bool = False
    listed: bool = False  # by the comma of a list


@dataclass(frozen=True, slots=True)
class Negation:
    """A negation as it was said: its tense ("haven't" is perfect), and whether it was never."""

    tense: Literal["simple", "perfect", "be", "bare"]
    never: bool


@dataclass(frozen=True, slots=True)
class Quant:
    """How many: the bound, whether it was a word of none, and the word."""

    bound: Amount
    none: bool = False
    word: Edge | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """The times said beside an event: windows before and after its verb, gaps, "ever"."""

    before: tuple[Edge, ...] = ()
    after: tuple[Edge, ...] = ()
    set_off: bool = False  # the last window stands behind a comma
    ever: bool = False
    withins: tuple[Edge, ...] = ()
    within_of: Tree | None = None  # "within 7 days of their first login"
    near: tuple[FromDate, ...] = ()  # "within 7 days of signing up"
    following: Edge | None = None  # "in the following month", after what was said before
    either: Edge | None = None  # "in June or July"
    same_day: Tree | None = None  # "on the same day", as what was said before
    prior: Edge | None = None  # "the 30 days prior"

    @property
    def windows(self) -> tuple[Edge, ...]:
        """All windows, in order."""
        return (*self.before, *self.after)

    @property
    def settled(self) -> bool:
        """Whether these words say by themselves when it was."""
        return bool(self.windows) or self.ever or bool(self.near)

    def at(self, *edges: Edge) -> Timing:
        """With windows after the verb."""
        return replace(self, after=(*self.after, *edges))


@dataclass(slots=True)
class EventDraft:
    """An event as it was said, in parts; each part is consumed by resolve or the question refused."""

    first: int
    end: int
    # which event: None is any
    hit: EventHit | None
    noun: bool = False  # said as a noun: "placed an order"
    nominal: bool = False  # a verb whose words may be a noun: an amount beside it is the event's
    about_product: bool = False  # its own words name a product ("clicked a product")
    tails: list[Edge] = field(default_factory=list)
    # of what: values before the noun, and phrases (obj, ref, same, text_object, distinct_*, prepared, keyed, amount)
    pre: list[Tree] = field(default_factory=list)
    objects: list[Tree] = field(default_factory=list)
    none_of: Tree | None = None  # "neither X nor Y"
    # how many and how often
    quant: Quant | None = None
    times: Amount | None = None
    distinct: Edge | None = None
    in_one: bool = False  # of one order
    summed: bool = False  # "500 points in total": the number is that of a sum
    regular: Edge | None = None
    # which of them
    which: Literal["first", "last"] | None = None
    only: Literal["only", "always"] | None = None  # always: every event has it, not every item
    another: bool = False
    again: bool = False
    time: Timing = Timing()

    def copy(self, objects: Iterable[Tree] | None = None) -> EventDraft:
        """The same event once more, with lists of its own; of other objects, if some are given."""
        objects = self.objects if objects is None else objects
        return replace(self, objects=list(objects), pre=list(self.pre), tails=list(self.tails))

    def may_be(self) -> set[str]:
        """The event types that the words may name."""
        return {c.event for c in self.hit.candidates} if self.hit is not None else set()

    def says_more(self) -> bool:
        """Whether more is said than which event it is."""
        return bool(self.pre or self.objects or self.tails or self.said())

    def none(self) -> bool:
        """Whether it is said that there was none of it."""
        return self.quant is not None and self.quant.none

    def said(self) -> frozenset[str]:
        """What is said of it beside which event it is, and of what."""
        parts = {
            "number": self.quant is not None or self.times is not None,
            "which": self.which is not None,
            "only": self.only is not None,
            "rhythm": self.regular is not None,
            "gap": bool(self.time.withins) or self.time.within_of is not None,
            "prior": self.time.prior is not None,
            "basket": self.in_one,
            "sum": self.summed,
            "distinct": self.distinct is not None,
            "another": self.another,
            "again": self.again,
            "none": self.none_of is not None,
            "window": self.time.settled,
            "following": self.time.following is not None,
            "either": self.time.either is not None,
            "same day": self.time.same_day is not None,
        }
        return frozenset(part for part, there in parts.items() if there)


@dataclass(slots=True)
class Clause:
    """One clause of a population: an event, or a condition that is already whole."""

    link: Link
    first: int
    end: int
    who: bool = False  # it opens with "who" or "whose"
    negation: Negation | None = None
    perfect: bool = False
    event: EventDraft | None = None
    condition: Condition | None = None
    gap: Tree | None = None
    keyed: Tree | None = None
    either: bool = False
    both: bool = False
    verbless: bool = False  # an event's noun alone: an object more of the verb before
    verbal: bool = False  # it has a verb of its own
    contrast: bool = False  # only its time tells it from the clause before: "bought but not in June"
    excluded: bool = False
    bare: bool = False  # a phrase without a verb of its own: "or from Porto"
    window: Window | None = None
    spent: Tree | None = None
    copied: bool = False  # said once, and meant with each of several that come before or after it
    happened: bool = False  # a whole condition that is one of time: a gap after it may count from it
    late: tuple[Edge, ...] = ()  # the times that were said of it
    since: str | None = None  # the date of the contact from which that is: "signed up"

    @property
    def happens(self) -> bool:
        """Whether it is of something at a time, from which a gap could count."""
        return self.event is not None or self.happened


Part: TypeAlias = Tree | Edge | EventDraft | Clause
"""What stands for some words of the question, from `first` to `end`."""
