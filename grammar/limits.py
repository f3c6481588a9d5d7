"""What English says and a question cannot: phrases that explain a refusal. They are looked for only after one, so that
no answer depends on them."""

from __future__ import annotations

from grammar import when
from grammar.draft import Refused
from grammar.mentions import Lattice, past_fillers

_NIGHTS = frozenset({("last", "night"), ("tonight",), ("overnight",), ("the", "other", "night")})
_TURNED = frozenset({"last", "this", "next", "previous"})  # before a name of a month: of which year?


def limit(words: Lattice, position: int) -> Refused | None:
    """Why the word at this position has no part in an answer, where a phrase round it says what cannot be asked."""
    for i in range(len(words.words)):
        for find in (_night, _instant, _named_of_year, _percentage_of_events, _two_ways, _things):
            found = find(words, i)
            if found is not None and found.first <= position < found.end:
                return found
    return None


def _lows(words: Lattice, first: int, end: int) -> tuple[str, ...]:
    return tuple(word.low for word in words.words[first:end])


def _night(words: Lattice, i: int) -> Refused | None:
    """ "last night" goes over two days."""
    length = next((n for n in (3, 2, 1) if _lows(words, i, i + n) in _NIGHTS), 0)
    if not length:
        return None
    reason = f'"{words.text(i, i + length)}" is of two days: say the day and "in the evening", "at night" or the hours.'
    return Refused("vague", i, i + length, reason)


def _instant(words: Lattice, i: int) -> Refused | None:
    """ "at 9am" is no length of time."""
    openers = {"at": "at", "since": "since", "until": "until", "till": "until", "by": "by", "around": "at"}
    if words.words[i].low not in openers or i + 1 >= len(words.words):
        return None
    end = when.clock_end([word.low for word in words.words], i + 1)
    if end is None:
        return None
    said = words.text(i, end)
    return Refused("vague", i, end, f'"{said}" needs hours to lie between, as in "between 9am and 10am".')


def _named_of_year(words: Lattice, i: int) -> Refused | None:
    """ "in March last year", "last March": which year that is depends on the day it is asked."""
    lows = [word.low for word in words.words]
    end = when.named_end(lows, i)
    if end is None:
        return None
    if i and lows[i - 1] in _TURNED:
        said = words.text(i - 1, end)
        return Refused("vague", i - 1, end, f'"{said}" could be of two years: say which, as in "March 2025".')
    year = past_fillers(words, end + (lows[end : end + 1] == ["of"]))
    if year + 1 < len(lows) and lows[year] in _TURNED and lows[year + 1] in when.UNIT_WORDS:
        said = words.text(i, year + 2)
        return Refused("unsupported", i, year + 2, f'"{said}" is not read: say the year itself, as in "March 2025".')
    return None


def _percentage_of_events(words: Lattice, i: int) -> Refused | None:
    """ "what percentage of orders": a percentage is one of contacts."""
    for start in words.at[i].get("PCT", ()):
        first = past_fillers(words, start)
        ends = words.at[first].get("EN", ()) if first < len(words.at) else ()
        if ends:
            said = words.text(first, max(ends))
            reason = f'A percentage is one of contacts, and not of "{said}": ask how many there are of each.'
            return Refused("unsupported", i, max(ends), reason)
    return None


def _two_ways(words: Lattice, i: int) -> Refused | None:
    """ "by city and device": an answer is broken down by one thing."""
    for category in ("PER", "BY"):
        for start in words.at[i].get(category, ()):
            for end in words.at[start].get("KEY", ()) if start < len(words.at) else ():
                links = ("AND", "COMMA", "PER", "BY")
                if end < len(words.at) and not words.at[end].keys().isdisjoint(links):
                    reason = f'An answer is broken down by one thing: "{words.text(start, end)}", or another.'
                    beyond = next((e for c in links for e in words.at[end].get(c, ())), end)
                    more = words.at[beyond] if beyond < len(words.at) else {}
                    last = max((e for c in ("KEY", "TIMEPART") for e in more.get(c, ())), default=beyond)
                    return Refused("unsupported", start, last, reason)
    return None


def _things(words: Lattice, i: int) -> Refused | None:
    """ "which brands did women buy", "list the products bought by women": an answer lists contacts."""
    if i:
        return None
    for first in (past_fillers(words, start) for start in (0, *words.at[0].get("LEAD", ()))):
        found = words.at[first] if first < len(words.at) and "AGG" not in words.at[first] else {}
        for noun in (*found.get("KEY", ()), *found.get("PKEY", ()), *found.get("THING", ())):
            behind = words.at[noun] if noun < len(words.at) else {}
            done_by = any("BY" in words.at[end] for end in behind.get("EV", ()) if end < len(words.at))
            if "DO" in behind or done_by:
                said = words.text(first, noun)
                reason = f'"{said}" cannot be listed, only counted: "how many users bought each product".'
                return Refused("unsupported", first, len(words.words), reason)
    return None
