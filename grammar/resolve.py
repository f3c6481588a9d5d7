"""Trees to queries: chooses names by type, joins clauses, and accounts for every word or refuses.

    tree ── outputs: what is asked ──► Output
         ── populations: of whom ── clauses (flat, in order) ── coordinate, combine ──► Condition

A choice that the page leaves open is a choice point: the tree is read once for each way of choosing, and each way is a
reading. A rule without a case is refused: nothing is read over.
"""

from __future__ import annotations

from dataclasses import dataclass

from grammar.context import Choices, Context
from grammar.contradiction import contradiction
from grammar.draft import Refused, Tree
from grammar.mentions import Edge, Lattice, ValueHit
from grammar.outputs import query_of
from grammar.query import Condition, Query
from grammar.values import Names

MOST_RUNS = 24  # ways of choosing that are followed before a tree is too tangled


@dataclass(frozen=True, slots=True)
class Resolved:
    """A query that a tree gives, what is said beside it, and the words on which a choice was made."""

    query: Query
    warnings: tuple[str, ...]
    chosen: tuple[str, ...]


def resolve(tree: Tree, names: Names, before: Condition | None) -> list[Resolved]:
    """The readings of a tree, one for each way of choosing. Refused where it has none. `before`: whom the question
    before was about, if this one leans on it."""
    choices = Choices()
    found: dict[Query, Resolved] = {}
    failure: Refused | None = None
    for _ in range(MOST_RUNS):
        try:
            context = Context(names, choices, before=before)
            current = tree.fresh()
            query = query_of(context, current)
            _account(current, names.lattice)
            _possible(query, current, names)
            found.setdefault(query, Resolved(query, tuple(dict.fromkeys(context.warnings)), tuple(choices.words)))
        except Refused as refused:
            failure = failure if failure and failure.first > refused.first else refused
        if not choices.next():
            break
    else:
        raise Refused("too long", 0, len(names.lattice.words), "The question can be read in too many ways.")
    if not found:
        assert failure is not None
        raise failure
    return list(found.values())


def _possible(query: Query, tree: Tree, names: Names) -> None:
    """The reading contradicts nothing that it says itself. A refusal quotes the words of the values at odds."""
    found = contradiction(query, names.vocabulary)
    if found is not None:
        leaves = list(tree.leaves())
        said = [leaf for leaf in leaves if _says(names, leaf, found.texts)] or leaves[-1:]
        first = said[-1].first
        for leaf in reversed(said[:-1]):  # side by side they are quoted together, else the last
            first = leaf.first if leaf.end == first else first
        raise Refused("no place", first, said[-1].end, found.reason)


def _says(names: Names, leaf: Edge, texts: tuple[str, ...]) -> bool:
    """Whether a leaf stands for one of some texts of the data."""
    if isinstance(leaf.meaning, ValueHit) and any(v.text.strip().casefold() in texts for v in leaf.meaning.values):
        return True
    return bool(texts) and (leaf.category == "GENDER" or names.text(leaf).casefold() in texts)


# Leaves that say which rule it is and no more: the rule's meaning is theirs.
_GLUE = frozenset(
    """LEAD COMMA COLON LP RP AND OR BUT THEN NOR WHO WHOSE POSS BYWHOM PRON HAVE BE DO ALSO EITHER NEITHER EQ WITH IN
    FROM LIVEIN TO ON VIA FOR ABOUT OF BY AT WHERE AWAY MONEYNOUN THAN OFTEN GENERATE MATCHING OUTOF CONTACT TAG SORT
    PER SHOW VERSUS HOWMANY PCT COUNTOF COUNTW AFTER BEFORE CAMEBACK STOPPED ABANDON ABANDONER SIGNUP ACTIVE BIRTHDAY
    NAMED TAGGED MOST MOSTLY FAV SPENT SPENDERS BUYERS DURWORD EXCEPT WITHOUT CONTAINS STARTS ENDS MISSING PRESENT
    PRICED GENV INACTIVE AVGCONTACT TOTALLY INONE REF THING SAME THAT ONLY FUTURE EVER BESTSOLD UNITS SIGNUPN SINCE
    ONDAY OUTSIDE THERE BORN AS ASIDE HOWTIMES HOWMUCH""".split()
)


def _account(tree: Tree, lattice: Lattice) -> None:
    """Every leaf was made use of, or the reading is none: no word is read over."""
    for leaf in tree.leaves():
        if not leaf.used and leaf.category not in _GLUE:
            raise Refused("no place", leaf.first, leaf.end, f'"{lattice.text(leaf.first, leaf.end)}" has no part here.')
