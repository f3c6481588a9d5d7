"""A question about the answer before: "only those from Delhi", "how many of them bought", "sort them by spend".

What refers to the answer ("them", "those", "of these") stands for its contacts. With "users" in its place the question
is one like any other and is read as such; its query and the one before then become one, which says the whole.
"""

from __future__ import annotations

import re
from dataclasses import replace

from grammar import query as q
from grammar.contradiction import contradiction
from grammar.describe import describe
from grammar.errors import Ambiguous, NotUnderstood, Reading
from grammar.query import Condition, Query, all_of
from grammar.reader import Read, read
from grammar.vocabulary import Vocabulary

_THEM = r"(?:them|those|these|the ones)\b"
_LINK = r"(?:from|in|with|without|who|whose|not|living|aged)\b"
_REST = re.compile(
    r"(?:and |but |now |show (?:me )?|list )*(?:(?:every|any)(?:one|body) else|(?:all )?the (?:rest|others))",
    re.IGNORECASE,
)
_WHOLE = (  # how a question that leans on the one before begins → the same as a question of its own, in order
    (r"^(?:sort|order) (?:(?:them|those|these|it) )?by (?P<rest>.+)$", r"all users sorted by \g<rest>"),
    (r"^show (?:me )?their (?P<rest>.+)$", r"all users, and show their \g<rest>"),
    (rf"^(?:show me |give me )?the (?P<rest>first \d+)(?: of {_THEM})?$", r"all users, \g<rest>"),
    (rf"^(?P<rest>first \d+)(?: of {_THEM})?$", r"all users, \g<rest>"),
    (rf"^(?P<top>(?:top|bottom) \S+) of {_THEM}", r"\g<top> users"),
    (rf"^(?:keep )?(?:only|just) (?:{_THEM} )?(?P<rest>{_LINK}.+)$", r"users \g<rest>"),
    (r"^(?:keep )?(?:only|just) (?P<rest>.+)$", r"\g<rest>"),
    (r"^(?:remove|drop|leave out|excluding) (?P<rest>.+)$", r"exclude \g<rest>"),
    (rf"^of {_THEM},? (?P<rest>.+)$", r"users \g<rest>"),
    (rf"^(?P<which>which|how many) of {_THEM}", r"\g<which> users"),
    (rf" of {_THEM}", r" of users"),
    (r"^(?P<which>(?:which|what|how many) .*?)\b(?P<aux>do|did|are|were) they\b", r"\g<which>\g<aux> users"),
    (rf"^{_THEM} ", r"users "),
)  # fmt: skip


def read_about(question: str, given: Query, vocabulary: Vocabulary) -> Read:
    """The one meaning of a question about the contacts of a query.

    Where it names nothing else to be asked, what the query asks stays. Raises NotUnderstood and Ambiguous as `read`
    does, and NotUnderstood for a query that is cut at a number of contacts: what it is about is no condition then.
    """
    if isinstance(given.output, q.Users) and given.output.limit is not None:
        reason = 'An answer that is cut ("first 10") cannot be asked about; "top 10 by" some measure can.'
        raise NotUnderstood("unsupported", [question], reason)
    listed = isinstance(given.output, q.Users | q.CountUsers) and given.population != q.Everyone()
    if listed and _REST.fullmatch(question.strip(" ?.!")):
        return Read(replace(given, population=q.negated(given.population), label=None))
    try:
        said = read(_alone(question), vocabulary, given.population)
    except Ambiguous as refusal:
        readings = [_both(reading.query, given) for reading in refusal.readings]
        raise Ambiguous([Reading(describe(query), query) for query in readings], refusal.words) from None
    whole = _both(said.query, given)
    found = contradiction(whole, vocabulary)
    if found is not None:
        raise NotUnderstood("no place", [question], f"{found.reason} Was it asked of those before?")
    return replace(said, query=whole)


def _alone(question: str) -> str:
    """The question as one of its own, about users."""
    text = re.sub(r"^(?:and|but|now|then|ok|okay)\b,? ", "", question.strip(), flags=re.IGNORECASE)
    for pattern, whole in _WHOLE:
        text, found = re.subn(pattern, whole, text, count=1, flags=re.IGNORECASE)
        if found:
            break
    return text


def _both(said: Query, given: Query) -> Query:
    """What is said of the contacts of the query before."""
    population = _among(said.population, given.population)
    output = said.output
    match output, given.output:
        case q.Percentage(of), _:
            output = q.Percentage(all_of(of, given.population))
        case q.Users((), None, None), _:
            output = given.output
        case q.Users(columns, order, limit), q.Users():
            known = dict.fromkeys((*given.output.columns, *columns))
            output = q.Users(tuple(known), order or given.output.order, limit)
        case _:
            pass
    return Query(population, output, said.label or given.label)


def _among(said: Condition, given: Condition) -> Condition:
    """A rank is one among those before."""
    if isinstance(said, q.Rank):
        return replace(said, among=all_of(said.among, given))
    return all_of(given, said)
