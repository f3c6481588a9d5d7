"""The chart finds the very trees that Lark's own Earley parser finds, and where a sentence breaks off."""

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import copy
from functools import cache
from importlib.resources import files
from re import compile as pattern
from typing import Any

import pytest
from sayings import sections, world

from grammar import english
from grammar.chart import NoTree, TooTangled
from grammar.draft import Tree
from grammar.mentions import Edge, Lattice, lattice

SAID = [
    (saying, row.world) for rows in sections().values() for row in rows for saying in (*row.sayings, *row.otherwise)
]


def cut(saying: str) -> str:
    """A saying that lacks a word, or its end, or has a word twice."""
    words, chance = saying.split(), random.Random(saying)
    at = chance.randrange(len(words))
    return " ".join(chance.choice([words[:at] + words[at + 1 :], words[: at + 1], words[:at] + words[at - 1 :]]))


def found(trees: Any) -> set[Tree] | str:
    try:
        return set(trees())
    except NoTree:
        return "none"
    except TooTangled:
        return "too many"


def loses_an_end(read: Lattice) -> bool:
    """Whether the last word may be said or ignored, as a bracket may: Lark then keeps the trees of only one of the
    two, for it takes both ends of a sentence for one."""
    return any(len(read.words) in edges.get("FILL", {}) and len(edges) > 1 for edges in read.at)


@pytest.mark.parametrize("every", [300, pytest.param(7, marks=pytest.mark.laws)])
def test_the_trees_are_those_of_lark(every: int) -> None:
    for saying, name in SAID[::every]:
        for words in (saying, cut(saying)):
            if words.strip() and not loses_an_end(read := lattice(words, world(name))):
                assert found(lambda read=read: english.trees(read)) == found(lambda read=read: larks(read)), words


# ── Lark, asked for the edges of a lattice in place of text ───────────────────────────────────────────────────────────


class Run:
    """Words from `first`, as the parser holds what a terminal matched: it cuts words off to try shorter ones."""

    def __init__(self, words: Lattice, first: int, length: int) -> None:
        self.words, self.first, self.length = words, first, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, part: slice) -> Run:
        return Run(self.words, self.first, self.length + part.stop)

    def __str__(self) -> str:
        return self.words.text(self.first, self.first + self.length)


class Match:
    """The words that matched, and where they end from where it was asked."""

    def __init__(self, run: Run, stop: int) -> None:
        self.run, self.stop = run, stop

    def group(self, _: int = 0) -> Run:
        return self.run

    def end(self) -> int:
        return self.stop


class Stream:
    def __init__(self, words: Lattice) -> None:
        self.words, self.lows = words, [word.low for word in words.words]

    def __iter__(self) -> Iterator[str]:
        return iter(self.lows)

    def __getitem__(self, where: Any) -> str:
        said = self.lows[where]
        return said if isinstance(said, str) else " ".join(said)


def match(terminal: Any, stream: Stream | Run, i: int = 0) -> Match | None:
    """The longest edge of a category at word i; asked with a run that was cut, the edge of just that length."""
    if isinstance(stream, Run):
        edges = stream.words.at[stream.first].get(terminal.name, {})
        return Match(stream, stream.length) if stream.first + stream.length in edges else None
    edges = stream.words.at[i].get(terminal.name, {})
    return Match(Run(stream.words, i, max(edges) - i), max(edges)) if edges else None


@cache
def lark() -> Any:
    from lark import Lark

    grammar = files("grammar").joinpath("english.lark").read_text(encoding="utf-8")
    rules = "\n".join(line.split("//")[0] for line in grammar.splitlines())
    terminals = sorted({*pattern(r"\b[A-Z][A-Z_]+\b").findall(rules), "FILL"})
    declared = "".join(f'{name}: "{chr(0xE000 + n)}"\n' for n, name in enumerate(terminals))
    made = Lark(
        f"{rules}\n{declared}%ignore FILL\n",
        parser="earley",
        lexer="dynamic_complete",
        ambiguity="forest",
        keep_all_tokens=True,
        maybe_placeholders=False,
    )
    made.parser.parser.term_matcher = match
    made.parser.parser.Tree = None
    return made


def larks(words: Lattice) -> list[Tree]:
    from lark.exceptions import UnexpectedInput

    try:
        root = copy(lark().parser.parser).parse(Stream(words), "start")
    except (UnexpectedInput, RuntimeError):
        raise NoTree(0) from None
    return trees(words, root)


def trees(words: Lattice, node: Any) -> list[Tree]:
    made = []
    for packed in node.children:
        rule = packed.rule
        for parts in sequences(words, packed):
            lone = rule.options.expand1 and rule.alias is None and len(parts) == 1 and isinstance(parts[0], Tree)
            made.append(parts[0] if lone else Tree(rule.alias or rule.origin.name, parts))
    return list(dict.fromkeys(made))


def sequences(words: Lattice, packed: Any) -> list[tuple[Tree | Edge, ...]]:
    lefts = parts_of(words, packed.left) if packed.left is not None else [()]
    rights = parts_of(words, packed.right) if packed.right is not None else [()]
    return [left + right for left in lefts for right in rights]


def parts_of(words: Lattice, node: Any) -> list[tuple[Tree | Edge, ...]]:
    if hasattr(node, "token"):
        token = node.token
        return [(words.at[token.start_pos][token.type][token.end_pos],)]
    if node.is_intermediate or node.s.name.startswith("_"):
        return list(dict.fromkeys(parts for packed in node.children for parts in sequences(words, packed)))
    return [(tree,) for tree in trees(words, node)]
