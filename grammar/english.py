"""The grammar of natural questions, as Lark reads its file, and the parser that gives a question's trees by it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from re import compile as pattern

from grammar.chart import Chart, Rule
from grammar.draft import Tree
from grammar.mentions import Lattice


def trees(lattice: Lattice) -> list[Tree]:
    """All trees of the question. Raises NoTree where there is none and TooTangled where there are too many."""
    return _chart().trees(lattice)


@cache
def _chart() -> Chart:
    from lark import Lark

    grammar = files("grammar").joinpath("english.lark").read_text(encoding="utf-8")
    plain = "\n".join(line.split("//")[0] for line in grammar.splitlines())
    categories = sorted({*pattern(r"\b[A-Z][A-Z_]+\b").findall(plain)})
    # A category is no text, so its pattern is never matched; they only have to differ.
    declared = "".join(f'{name}: "{chr(0xE000 + n)}"\n' for n, name in enumerate(categories))
    lark = Lark(f"{plain}\n{declared}", parser="earley", keep_all_tokens=True, maybe_placeholders=False)
    rules = [
        Rule(
            rule.origin.name,
            tuple(part.name for part in rule.expansion),
            rule.alias or rule.origin.name,
            rule.options.expand1 and rule.alias is None,
        )
        for rule in lark.rules
    ]
    return Chart(rules, "start", "FILL")
