"""All trees of a grammar over a lattice: a chart of states reached, each with every way that led to it.

rules ── one automaton for each symbol ──► chart, word by word (Earley 1970) ──► shared forest ──► trees

Rules that begin alike share their states, and repetition is a loop: so a column of the chart holds few items. A symbol
is predicted, reached or completed only where one of the categories at the next word can go on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, field
from functools import reduce
from operator import itemgetter, or_
from typing import TypeAlias

from grammar.draft import Tree
from grammar.mentions import Edge, Lattice, past_fillers

MOST_TREES = 400  # more ways to read the structure than this is too tangled to answer


class TooTangled(Exception):
    """The question has more readings of its structure than are looked at."""


class NoTree(Exception):
    """The grammar has no place for the word at `position`."""

    def __init__(self, position: int) -> None:
        self.position = position
        super().__init__(f"nothing fits at word {position}")


# ── the grammar ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to make a symbol.

    Attributes:
        symbol: what is made.
        parts: symbols and categories, in order. A name that begins with an underscore is no tree: its parts stand in
            its place.
        name: of the tree.
        single: whether a lone tree inside it takes its place.
    """

    symbol: str
    parts: tuple[str, ...]
    name: str
    single: bool


_Place = tuple[int, ...]
"""Where one is inside rules: the number of a rule and how many of its parts are behind, the innermost first."""


class Chart:
    """The automata of a grammar, and the parser that walks them.

    In a set of categories, each is a bit.

    Args:
        rules: no symbol is empty. What begins with two underscores repeats: its rules are some parts, or itself and
            then those parts.
        filler: the category of words that may stand before every other word, and at the end.
    """

    def __init__(self, rules: Sequence[Rule], start: str, filler: str) -> None:
        self._filler = filler
        self._start = start
        self._rules = rules
        self._by_symbol: dict[str, list[int]] = {}
        for number, rule in enumerate(rules):
            self._by_symbol.setdefault(rule.symbol, []).append(number)
        parts = {part for rule in rules for part in rule.parts}
        self._bit = {category: 1 << n for n, category in enumerate(sorted(parts - self._by_symbol.keys()))}
        self._end = 1 << len(self._bit)
        # of each state: where categories and symbols lead; the rules that are whole there, and the symbol they make
        self._categories: list[dict[str, int]] = []
        self._symbols: list[dict[str, int]] = []
        self._whole: list[list[int]] = []
        self._made: list[str] = []
        self._starts = {
            symbol: self._automaton(symbol, numbers)
            for symbol, numbers in self._by_symbol.items()
            if not symbol.startswith("__")
        }
        self._look_ahead()

    # ── rules to automata ──

    def _automaton(self, symbol: str, numbers: Sequence[int]) -> int:
        """The states of a symbol's rules; the first of them."""
        first = self._closed((number, 0) for number in numbers)
        known = {first: self._state(symbol, first)}
        todo = [first]
        while todo:
            places = todo.pop()
            steps: dict[str, list[_Place]] = {}
            for number, behind, *outer in places:
                ahead = self._rules[number].parts[behind:]
                if ahead:
                    steps.setdefault(ahead[0], []).append((number, behind + 1, *outer))
            for part, reached in steps.items():
                closed = self._closed(reached)
                if closed not in known:
                    known[closed] = self._state(symbol, closed)
                    todo.append(closed)
                table = self._symbols if part in self._by_symbol else self._categories
                table[known[places]][part] = known[closed]
        return known[first]

    def _state(self, symbol: str, places: frozenset[_Place]) -> int:
        self._categories.append({})
        self._symbols.append({})
        self._whole.append([number for number, behind, *_ in places if behind == len(self._rules[number].parts)])
        self._made.append(symbol)
        return len(self._made) - 1

    def _closed(self, places: Iterable[_Place]) -> frozenset[_Place]:
        """With the places inside of what repeats: in it, behind it, and at its beginning again."""
        found: set[_Place] = set()
        todo = list(places)
        while todo:
            place = todo.pop()
            number, behind, *outer = place
            rule = self._rules[number]
            if behind == len(rule.parts) and outer:
                todo.append(tuple(outer))
                todo += self._within(rule.symbol, tuple(outer))
            elif behind < len(rule.parts) and rule.parts[behind].startswith("__"):
                todo += self._within(rule.parts[behind], (number, behind + 1, *outer))
            else:
                found.add(place)
        return frozenset(found)

    def _within(self, symbol: str, outer: _Place) -> list[_Place]:
        """The beginnings of what repeats; behind it, one is at the outer place."""
        return [(number, 0, *outer) for number in self._by_symbol[symbol] if self._rules[number].parts[0] != symbol]

    def _look_ahead(self) -> None:
        """What can come next, for each symbol and state: by growing the sets until none grows."""
        states = range(len(self._made))
        self._first = dict.fromkeys(self._starts, 0)  # what a symbol can begin with
        self._after = dict.fromkeys(self._starts, 0)  # what can stand behind it
        self._after[self._start] = self._end
        self._next = [0] * len(self._made)  # what can come next in a state
        grew = True
        while grew:
            grew = False
            for state in states:
                ahead = self._after[self._made[state]] if self._whole[state] else 0
                for category in self._categories[state]:
                    ahead |= self._bit[category]
                for symbol in self._symbols[state]:
                    ahead |= self._first[symbol]
                grew |= ahead != self._next[state]
                self._next[state] = ahead
            for symbol, start in self._starts.items():
                self._first[symbol] = self._next[start]
            for state in states:
                for symbol, reached in self._symbols[state].items():
                    self._after[symbol] |= self._next[reached]
        self._steps = [
            [(symbol, self._starts[symbol], self._first[symbol], reached) for symbol, reached in table.items()]
            for table in self._symbols
        ]

    # ── the chart ──

    def trees(self, lattice: Lattice) -> list[Tree]:
        """All trees of the question. Raises NoTree where there is none and TooTangled where there are too many."""
        return _Walk(self._rules, self._whole).trees(self._root(lattice))

    def _root(self, lattice: Lattice) -> _Node:
        """The start symbol over the whole question."""
        count = len(lattice.words)
        after_fillers = [past_fillers(lattice, i) for i in range(count + 1)]
        edges = [self._edges(lattice, i) for i in range(count)] + [[]]
        ahead = [reduce(or_, (self._bit[edge.category] for edge in here), 0) for here in edges]
        for i in range(count + 1):
            if after_fillers[i] == count:
                ahead[i] |= self._end
        columns: list[_Column] = [{} for _ in range(count + 1)]
        waiting: list[dict[str, list[tuple[_Item, int]]]] = []  # for each symbol, who goes on behind it, in what state
        columns[0][self._starts[self._start], 0] = _Item(self._starts[self._start], 0)
        root = _Node(self._start)
        furthest = 0
        for i, column in enumerate(columns):
            here = ahead[i]
            wanted: dict[str, list[tuple[_Item, int]]] = {}
            waiting.append(wanted)
            made: dict[tuple[str, int], _Node] = {}
            todo = list(column.values())
            for item in todo:  # it grows meanwhile
                state, start = item.state, item.start
                symbol = self._made[state]
                if self._whole[state] and self._after[symbol] & here:
                    node = made.get((symbol, start))
                    if node is None:
                        node = made[symbol, start] = _Node(symbol)
                        for parent, reached in waiting[start].get(symbol, ()):
                            self._reach(column, here, reached, parent, node, todo)
                    node.items.append(item)
                categories = self._categories[state]
                for edge in edges[i]:
                    if edge.category in categories:
                        furthest = max(furthest, edge.end)
                        self._reach(columns[edge.end], ahead[edge.end], categories[edge.category], item, edge)
                for wants, begin, first, reached in self._steps[state]:
                    if first & here:
                        if wants not in wanted:
                            wanted[wants] = []
                            predicted = column[begin, i] = _Item(begin, i)
                            todo.append(predicted)
                        wanted[wants].append((item, reached))
            if here & self._end and (self._start, 0) in made:
                root.items += made[self._start, 0].items
        if not root.items:
            raise NoTree(max(after_fillers[: furthest + 1]))
        return root

    def _edges(self, lattice: Lattice, i: int) -> list[Edge]:
        """The edges that can come next at word i: those that start there, or behind fillers."""
        found = [edge for category, ends in lattice.at[i].items() if category in self._bit for edge in ends.values()]
        behind = max(lattice.at[i].get(self._filler, (i,)))
        return found + self._edges(lattice, behind) if i < behind < len(lattice.at) else found

    def _reach(
        self, column: _Column, here: int, state: int, before: _Item, by: _Node | Edge, todo: list[_Item] | None = None
    ) -> None:
        """Puts into the column what an item became by going over a part, if it can go on with what is here."""
        item = column.get((state, before.start))
        if item is None:
            if not self._next[state] & here:
                return
            item = column[state, before.start] = _Item(state, before.start)
            if todo is not None:
                todo.append(item)
        item.links.append((before, by))


@dataclass(slots=True, eq=False)
class _Item:
    """A state of the symbol that began at word `start`, with all last steps that led there."""

    state: int
    start: int
    links: list[tuple[_Item, _Node | Edge]] = field(default_factory=list)


_Column: TypeAlias = dict[tuple[int, int], _Item]


@dataclass(slots=True, eq=False)
class _Node:
    """A symbol over some words: the items in which it is whole."""

    symbol: str
    items: list[_Item] = field(default_factory=list)


# ── the trees ─────────────────────────────────────────────────────────────────────────────────────────────────────

_Parts: TypeAlias = tuple[Tree | Edge, ...]


class _Walk:
    """The trees of a shared forest: every choice, made one after another; shared parts once."""

    def __init__(self, rules: Sequence[Rule], whole: Sequence[Sequence[int]]) -> None:
        self._rules, self._whole = rules, whole
        self._trees: dict[_Node, list[Tree]] = {}
        self._parts: dict[_Item | _Node, list[_Parts]] = {}

    def trees(self, node: _Node) -> list[Tree]:
        """The trees of a symbol."""
        if node not in self._trees:
            self._trees[node] = []  # what leads back to itself says nothing new
            found: dict[Tree, None] = {}
            ways = [(number, item) for item in node.items for number in self._whole[item.state]]
            for number, item in sorted(ways, key=itemgetter(0)):
                rule = self._rules[number]
                for parts in self.parts(item):
                    tree = Tree(rule.name, parts)
                    if rule.single and len(parts) == 1 and isinstance(parts[0], Tree):
                        tree = parts[0]
                    found[tree] = None
                    _bear(found, MOST_TREES)
            self._trees[node] = list(found)
        return self._trees[node]

    def parts(self, item: _Item) -> list[_Parts]:
        """What an item has behind it."""
        if item not in self._parts:
            found: dict[_Parts, None] = {}
            for before, by in item.links:
                for left in self.parts(before):
                    for right in self.by(by):
                        found[(*left, *right)] = None
                _bear(found, 4 * MOST_TREES)
            self._parts[item] = list(found) if item.links else [()]
        return self._parts[item]

    def by(self, part: _Node | Edge) -> list[_Parts]:
        """What a part adds to that in which it stands."""
        if isinstance(part, Edge):
            return [(part,)]
        if not part.symbol.startswith("_"):
            return [(tree,) for tree in self.trees(part)]
        if part not in self._parts:
            self._parts[part] = list(dict.fromkeys(parts for item in part.items for parts in self.parts(item)))
        return self._parts[part]


def _bear(found: Sized, most: int) -> None:
    if len(found) > most:
        raise TooTangled
