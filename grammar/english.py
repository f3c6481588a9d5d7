"""The Lark reader: a question's lattice to all the trees that the grammar gives it.

    lattice ── Earley over edges ──► shared forest ── walked, capped ──► trees of named rules with edges at their leaves

Lark's dynamic Earley parser asks a matcher, at every position, which terminals match there and how far. Ours answers
from the lattice: so positions are words, and one word may be in many terminals. Everything else is the public parser.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from functools import cache
from importlib.resources import files
from itertools import islice
from re import compile as pattern
from typing import TYPE_CHECKING, Any

from grammar.draft import Tree
from grammar.mentions import Edge, Lattice

if TYPE_CHECKING:
    from lark import Lark

MOST_TREES = 400  # more ways to read the structure than this is too tangled to answer


class TooTangled(Exception):
    """The question has more readings of its structure than are looked at."""


class NoTree(Exception):
    """The grammar has no place for the word at `position`; `expected` are the categories that could stand there."""

    def __init__(self, position: int, expected: frozenset[str]) -> None:
        self.position = position
        self.expected = expected
        super().__init__(f"nothing fits at word {position}")


class _Run:
    """Words from `first`, as the parser holds what a terminal matched: it cuts words off to try shorter ones."""

    __slots__ = ("first", "lattice", "length")

    def __init__(self, lattice: Lattice, first: int, length: int) -> None:
        self.lattice, self.first, self.length = lattice, first, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, cut: slice) -> _Run:
        return _Run(self.lattice, self.first, self.length + cut.stop)

    def __str__(self) -> str:
        return self.lattice.text(self.first, self.first + self.length)


class _Match:
    """What the parser needs of a match: the words, and where it ends from where it was asked."""

    __slots__ = ("run", "stop")

    def __init__(self, run: _Run, stop: int) -> None:
        self.run, self.stop = run, stop

    def group(self, _: int = 0) -> _Run:
        return self.run

    def end(self) -> int:
        return self.stop


class _Stream:
    """The words as the parser walks them; a slice of it (for the parser's own errors) is text."""

    def __init__(self, lattice: Lattice) -> None:
        self.lattice = lattice
        self.lows = [word.low for word in lattice.words]

    def __iter__(self) -> Iterator[str]:
        return iter(self.lows)

    def __len__(self) -> int:
        return len(self.lows)

    def __getitem__(self, where: Any) -> str:
        found = self.lows[where]
        return found if isinstance(found, str) else " ".join(found)


def _match(terminal: Any, stream: _Stream | _Run, i: int = 0) -> _Match | None:
    """The longest edge of a category at word i; asked with a run that was cut, the edge of just that length."""
    if isinstance(stream, _Run):
        found = stream.lattice.at[stream.first].get(terminal.name)
        return _Match(stream, stream.length) if found and stream.first + stream.length in found else None
    edges = stream.lattice.at[i].get(terminal.name)
    if not edges:
        return None
    end = max(edges)
    return _Match(_Run(stream.lattice, i, end - i), end)


@cache
def _parser() -> Lark:
    from lark import Lark

    grammar = files("grammar").joinpath("english.lark").read_text(encoding="utf-8")
    rules = "\n".join(line.split("//")[0] for line in grammar.splitlines())
    terminals = sorted({*pattern(r"\b[A-Z][A-Z_]+\b").findall(rules), "FILL"})
    # The patterns are never matched against text; they only have to differ.
    declared = "".join(f'{name}: "{chr(0xE000 + n)}"\n' for n, name in enumerate(terminals))
    lark = Lark(
        f"{rules}\n{declared}%ignore FILL\n",
        parser="earley",
        lexer="dynamic_complete",
        ambiguity="forest",
        keep_all_tokens=True,
        maybe_placeholders=False,
    )
    lark.parser.parser.term_matcher = _match
    lark.parser.parser.Tree = None
    return lark


class _Foresight:
    """The parser's predictions at a word, but for rules that cannot begin there: of a thousand rules some thirty can.

    Lark predicts all rules that a symbol can begin with. A rule whose first symbol no edge at this word can begin would
    be dropped when its first word is scanned; not to make it is four fifths of the time. The trees are the same (a
    test).
    """

    def __init__(self, parser: Any, lattice: Lattice) -> None:
        self.predict = type(parser).predict_and_complete
        self.known: dict[frozenset[str], _Beginnings] = {}
        count = len(lattice.words)
        self.available: list[frozenset[str]] = [frozenset()] * (count + 1)
        for i in range(count - 1, -1, -1):
            after = (self.available[end] for end in lattice.at[i].get("FILL", ()))
            self.available[i] = frozenset(lattice.at[i]).union(*after)

    def at(self, i: int) -> _Beginnings:
        """For each symbol, its rules that can begin at word i."""
        here = self.available[i]
        if here not in self.known:
            self.known[here] = _Beginnings(here)
        return self.known[here]


class _Beginnings(dict[Any, list[Any]]):
    """For each symbol that is asked for, its rules that can begin with one of these categories."""

    def __init__(self, categories: frozenset[str]) -> None:
        self.categories = categories

    def __missing__(self, symbol: Any) -> list[Any]:
        found = [rule for rule, first in _rules()[symbol] if not self.categories.isdisjoint(first)]
        self[symbol] = found
        return found


@cache
def _rules() -> dict[Any, list[tuple[Any, frozenset[str]]]]:
    """The grammar's rules by the symbol that they expand, each with the categories that it can begin with."""
    first = _parser().parser.parser.FIRST
    found: dict[Any, list[tuple[Any, frozenset[str]]]] = {}
    for rule in _parser().rules:
        found.setdefault(rule.origin, []).append((rule, frozenset(t.name for t in first[rule.expansion[0]])))
    return found


def trees(lattice: Lattice) -> list[Tree]:
    """All trees of the question. Raises NoTree where there is none and TooTangled where there are too many."""
    from lark.exceptions import UnexpectedInput

    parser = copy(_parser().parser.parser)
    foresight = _Foresight(parser, lattice)

    def predict_and_complete(i: int, *rest: Any) -> None:
        parser.predictions = foresight.at(i)
        foresight.predict(parser, i, *rest)

    parser.predict_and_complete = predict_and_complete
    parser.predictions = foresight.at(0)
    try:
        root = parser.parse(_Stream(lattice), "start")
    except UnexpectedInput as error:
        position = getattr(error, "pos_in_stream", None)
        expected = frozenset(getattr(error, "allowed", None) or getattr(error, "expected", None) or ())
        raise NoTree(len(lattice.words) if position is None or position < 0 else position, expected) from None
    except RuntimeError:  # a filler at the end that could be more than one: the parser cannot tell where it ended
        raise NoTree(len(lattice.words) - 1, frozenset()) from None
    found = list(islice(_Walk(lattice).trees(root), MOST_TREES + 1))
    if len(found) > MOST_TREES:
        raise TooTangled
    return found


class _Walk:
    """The trees of a shared forest: every choice among packed nodes, made one after another, shared parts once."""

    def __init__(self, lattice: Lattice) -> None:
        self.lattice = lattice
        self.known: dict[int, list[Any]] = {}
        self.open: set[int] = set()

    def trees(self, node: Any) -> list[Tree]:
        """The trees of a rule's node."""
        if id(node) in self.known:
            return self.known[id(node)]
        if id(node) in self.open:
            return []  # a cycle says nothing new
        self.open.add(id(node))
        found: dict[Tree, None] = {}
        for packed in node.children:
            for parts in self.sequences(packed):
                rule = packed.rule
                inline = rule.options.expand1 and rule.alias is None and len(parts) == 1 and isinstance(parts[0], Tree)
                found[parts[0] if inline else Tree(rule.alias or rule.origin.name, parts)] = None  # type: ignore[index]
                if len(found) > MOST_TREES:
                    raise TooTangled
        self.open.discard(id(node))
        self.known[id(node)] = list(found)
        return self.known[id(node)]

    def sequences(self, packed: Any) -> list[tuple[Tree | Edge, ...]]:
        """What a packed node's children can be, in order: rules made by repetition give their parts."""
        lefts: list[tuple[Tree | Edge, ...]] = [()]
        if packed.left is not None:
            lefts = self.parts(packed.left)
        if packed.right is None:
            return lefts
        rights = self.parts(packed.right)
        if len(lefts) * len(rights) > 4 * MOST_TREES:
            raise TooTangled
        return [left + right for left in lefts for right in rights]

    def parts(self, node: Any) -> list[tuple[Tree | Edge, ...]]:
        """What a node adds to its parent's children."""
        if hasattr(node, "token"):
            token = node.token
            return [(self.lattice.at[token.start_pos][token.type][token.end_pos],)]
        if node.is_intermediate or node.s.name.startswith("_"):
            key = -id(node)
            if key not in self.known:
                self.known[key] = []
                found: dict[tuple[Tree | Edge, ...], None] = {}
                for packed in node.children:
                    for parts in self.sequences(packed):
                        found[parts] = None
                self.known[key] = list(found)
            return self.known[key]
        return [(tree,) for tree in self.trees(node)]
