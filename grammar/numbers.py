"""Numbers, comparisons and counts in words: "2 lakh", "at least three", "between 5 and 10", "twice", "3 of the last 4
weeks"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from grammar import lexicon, when
from grammar.query import Bound, Comparison, Number, Span, Unit

_MOST_DIGITS = 15  # of a number that is counted exactly
_DIGITS = re.compile(r"(\d+(?:\.\d+)?)([a-z]*)$")


def number_at(words: Sequence[str], i: int) -> tuple[int, Number] | None:
    """The number that starts at word i ("1,299.50", "20k", "2 lakh", "a thousand", "twenty five") and where it ends."""
    if i >= len(words):
        return None
    word = words[i].replace(",", "")
    match = _DIGITS.match(word)
    if match and len(match[1]) > _MOST_DIGITS:
        return None
    if match:
        value: Number = _plain(float(match[1]))
        j = i + 1
        if match[2]:
            if match[2] not in lexicon.SHORT_SCALES:
                return None
            return j, _plain(value * lexicon.SHORT_SCALES[match[2]])
        while j < len(words) and words[j] in lexicon.SCALES:
            value = _plain(value * lexicon.SCALES[words[j]])
            j += 1
        return j, value
    return _in_words(words, i)


def _in_words(words: Sequence[str], i: int) -> tuple[int, Number] | None:
    total, current, j, seen = 0, 0, i, False
    if words[i] in ("a", "an") and i + 1 < len(words) and (words[i + 1] in lexicon.SCALES or words[i + 1] == "dozen"):
        current, j = 1, i + 1
    elif (
        words[i] == "half"
        and words[i + 1 : i + 2] == ["a"]
        and words[i + 2 : i + 3]
        and words[i + 2] in (*lexicon.SCALES, "dozen")
    ):
        return i + 3, (6 if words[i + 2] == "dozen" else lexicon.SCALES[words[i + 2]] // 2)
    while j < len(words):
        word = words[j]
        if word == "dozen" and (seen or current):
            current = (current or 1) * 12
        elif word in lexicon.NUMBERS:
            if (
                seen
                and not (current and current % 10 == 0 and lexicon.NUMBERS[word] < 10)
                and current % 1000
                and current % 100
            ):
                break
            current += lexicon.NUMBERS[word]
        elif word in lexicon.SCALES and (seen or current):
            if lexicon.SCALES[word] == 100:
                current *= 100
            else:
                total += (current or 1) * lexicon.SCALES[word]
                current = 0
        elif (
            word == "and"
            and seen
            and words[j - 1] in lexicon.SCALES
            and j + 1 < len(words)
            and words[j + 1] in lexicon.NUMBERS
        ):
            pass
        else:
            break
        seen = True
        j += 1
    return (j, total + current) if seen else None


def _plain(value: float) -> Number:
    return int(value) if float(value).is_integer() else float(value)


def amount_at(words: Sequence[str], i: int) -> tuple[int, Number, str | None] | None:
    """A number with a currency sign or word before or after it, and that currency's code."""
    j, currency = i, None
    if j < len(words) and words[j] in lexicon.CURRENCIES and words[j] not in ("l",):
        currency, j = lexicon.CURRENCIES[words[j]], j + 1
        if j < len(words) and words[j] == ".":
            j += 1
    number = number_at(words, j)
    if number is None:
        return None
    j, value = number
    if currency is None and j < len(words) and words[j] in lexicon.CURRENCIES:
        currency, j = lexicon.CURRENCIES[words[j]], j + 1
    if j + 1 < len(words) and words[j] == "/" and words[j + 1] == "-":
        j += 2
    return j, value, currency


@dataclass(frozen=True, slots=True)
class Amount:
    """A bound as it was said: the currency, if one was, and whether the number had no word of comparison."""

    bound: Bound
    currency: str | None = None
    bare: bool = False


_COMPARISONS = {tuple(phrase.split()): sign for phrase, sign in lexicon.COMPARISONS.items()}
_LONGEST = max(map(len, _COMPARISONS))


def comparison_at(words: Sequence[str], i: int) -> tuple[int, str] | None:
    """The longest comparison that starts at word i ("no more than") and where it ends."""
    for length in range(min(_LONGEST, len(words) - i), 0, -1):
        sign = _COMPARISONS.get(tuple(words[i : i + length]))
        if sign:
            return i + length, sign
    return None


def bound_at(words: Sequence[str], i: int) -> tuple[int, Amount] | None:
    """A number with a comparison, before ("at least 3") or after it ("3 or more", "3+"), or a range."""
    if i < len(words) and words[i] == "multiple" and words[i + 1 : i + 2] not in ([], ["times"]):
        return i + 1, Amount(Bound(">=", 2))
    between = _between(words, i)
    if between:
        return between
    compared = comparison_at(words, i)
    if compared:
        j, sign = compared
        amount = amount_at(words, j)
        if amount is None:
            return None
        j, value, currency = amount
        return j, Amount(Bound(sign, value), currency)  # type: ignore[arg-type]
    amount = amount_at(words, i)
    if amount is None:
        return None
    j, value, currency = amount
    end, after = at_its_end(words, j)
    return None if after is None else (end, Amount(Bound(after, value), currency))


_AFTER = tuple(
    (phrase.split(), sign)
    for sign, phrases in (
        (">=", "or more|or above|or over|or higher|or greater|and above|and over|and more|or up|plus|+|at least|min"),
        ("<=", "or fewer|or less|or under|or below|or lower|and below|at most|max"),
    )
    for phrase in phrases.split("|")
)


def _between(words: Sequence[str], i: int) -> tuple[int, Amount] | None:
    if i >= len(words):
        return None
    opening: str = words[i]
    joints: tuple[str, ...] = ("and", "to", "-")
    j = i + 1 if opening in ("between", "from") else i
    if opening == "from" or opening != "between":
        joints = ("to", "-")
    low = amount_at(words, j)
    if low is None or low[0] >= len(words) or words[low[0]] not in joints:
        return None
    high = amount_at(words, low[0] + 1)
    if high is None:
        return None
    bottom: Number = low[1]
    if low[1] < high[1] and words[high[0] - 1] in lexicon.SCALES and words[low[0] - 1] not in lexicon.SCALES:
        scaled = low[1] * lexicon.SCALES[words[high[0] - 1]]  # "between 2 and 5 lakh"
        bottom = _plain(scaled) if low[1] < high[1] / lexicon.SCALES[words[high[0] - 1]] else low[1]
    if bottom > high[1]:
        return None
    return high[0], Amount(Bound("=", bottom, high[1]), low[2] or high[2])


def at_its_end(words: Sequence[str], i: int) -> tuple[int, Comparison | None]:
    """The comparison that ends an amount at word i: "or more", "and above"."""
    for phrase, sign in _AFTER:
        end = i + len(phrase)
        opens = phrase[0] == "at" and (
            number_at(words, end) is not None or words[end : end + 1] in (["once"], ["twice"])
        )
        if list(words[i:end]) == phrase and not opens:  # "5 stars | at least 3 times"
            return end, sign  # type: ignore[return-value]
    return i, None


_TIMES = {"once": 1, "twice": 2, "thrice": 3}


def times_at(words: Sequence[str], i: int) -> tuple[int, Bound] | None:
    """How many times, also of two sides: "at least twice but fewer than 5 times"."""
    one = _times_at(words, i)
    two = _times_at(words, one[0] + 1) if one is not None and words[one[0] : one[0] + 1] in (["but"], ["and"]) else None
    if one is None or two is None:
        return one
    high, low = sorted((_whole_range(one[1]), _whole_range(two[1])), key=lambda at: at[1])
    if low[1] != _NO_LIMIT or high[0] != 0 or low[0] > high[1]:
        return one
    return two[0], Bound("=", low[0], high[1])


_NO_LIMIT = 10**_MOST_DIGITS


def _whole_range(bound: Bound) -> tuple[int, int]:
    """From how many to how many a bound goes."""
    value = int(bound.value)
    match bound.comparison:
        case ">" | ">=":
            return value + (bound.comparison == ">"), _NO_LIMIT
        case "<" | "<=":
            return 0, value - (bound.comparison == "<")
    return value, value if bound.upper is None else int(bound.upper)


def _times_at(words: Sequence[str], i: int) -> tuple[int, Bound] | None:
    """How many times: "3 times", "once", "at least twice", "between 2 and 4 times", "more than once", "never more than
    twice"."""
    for repeatedly in (["multiple", "times"], ["repeatedly"], ["more", "than", "once"], ["again", "and", "again"]):
        if list(words[i : i + len(repeatedly)]) == repeatedly:
            return i + len(repeatedly), Bound(">=", 2)
    if list(words[i : i + 2]) == ["not", "even"]:
        even = _times_at(words, i + 1)
        return (even[0], Bound("=", 0)) if even is not None and even[1] == Bound(">=", 1) else None
    if list(words[i : i + 1]) == ["even"]:
        once_at_all = _times_at(words, i + 1)
        return (once_at_all[0], Bound(">=", 1)) if once_at_all is not None and once_at_all[1] == Bound("=", 1) else None
    for once in (["a", "single", "time"], ["one", "single", "time"], ["just", "one", "time"]):
        if list(words[i : i + len(once)]) == once:
            return i + len(once), Bound("=", 1)
    compared = comparison_at(words, i)
    j = compared[0] if compared else i
    if j < len(words) and words[j] in _TIMES:
        count = _TIMES[words[j]]
        j += 1
        for phrase, sign in _AFTER:
            if list(words[j : j + len(phrase)]) == phrase:
                return j + len(phrase), Bound(sign, count)  # type: ignore[arg-type]
        if words[j : j + 2] == ["or", "twice"]:
            return j + 2, Bound("=", 1, 2)
        return j, Bound(compared[1] if compared else "=", count)  # type: ignore[arg-type]
    bound = bound_at(words, i)
    if bound is None:
        number = number_at(words, i)
        bound = (number[0], Amount(Bound("=", number[1]))) if number else None
    if bound and bound[0] < len(words) and words[bound[0]] in ("times", "time", "x", "occasions"):
        end = bound[0] + 1
        if words[end : end + 2] in (["or", "more"], ["or", "over"]):
            return end + 2, Bound(">=", bound[1].bound.value)
        if words[end : end + 2] in (["or", "fewer"], ["or", "less"]):
            return end + 2, Bound("<=", bound[1].bound.value)
        if words[end : end + 2] == ["at", "least"]:
            return end + 2, Bound(">=", bound[1].bound.value)
        return end, bound[1].bound
    return None


# ── regularity ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Regularity:
    """How regularly: in `needed` of the last `of` units; on so many different days; a run; every unit of a window."""

    how: Literal["blocks", "periods", "run", "every", "any"]
    unit: Unit
    needed: Bound
    of: int = 0
    each: int = 1
    calendar: bool = False


_UNITS: dict[str, Unit] = {
    "day": "day", "days": "day", "week": "week", "weeks": "week", "month": "month", "months": "month", "quarter":
    "quarter",
    "quarters": "quarter", "year": "year", "years": "year",
}  # fmt: skip
_SINGLE: dict[str, Unit] = {"day": "day", "week": "week", "month": "month", "quarter": "quarter", "year": "year"}
_EACH = ("each", "every", "all")
_DURING = ("of", "in", "for", "over", "during")


def regularity_at(words: Sequence[str], i: int) -> tuple[int, Regularity] | None:
    """Phrases of section 14 that start at word i."""
    return _blocks(words, i) or _each_of(words, i) or _run(words, i) or _different(words, i) or _per_unit(words, i)


def _last(words: Sequence[str], j: int, *links: str) -> tuple[int, int, Unit, bool] | None:
    """ "of the last 4 (calendar) weeks" from word j, behind one of the links: end, number, unit, calendar."""
    if words[j : j + 1] == ["out"] and "of" in links:
        j += 1
    j += j < len(words) and words[j] in links
    j += j < len(words) and words[j] in ("the", "these", "our")
    if j >= len(words) or words[j] not in ("last", "past", "previous"):
        return None
    j += 1
    calendar = j < len(words) and words[j] == "calendar"
    number = number_at(words, j + calendar)
    if number is None or not isinstance(number[1], int):
        return None
    j = number[0]
    if j < len(words) and words[j] == "calendar":
        calendar, j = True, j + 1
    if j >= len(words) or words[j] not in _UNITS:
        return None
    return j + 1, number[1], _UNITS[words[j]], calendar


def _blocks(words: Sequence[str], i: int) -> tuple[int, Regularity] | None:
    j = i + 1 if words[i] in ("in", "on", "during") else i
    bound = bound_at(words, j)
    if bound is None:
        number = number_at(words, j)
        bound = (number[0], Amount(Bound(">=", number[1]))) if number else None
    if bound is None:
        return None
    j = bound[0]
    if j < len(words) and words[j] in _UNITS:  # "at least 3 weeks of the last 4 weeks"
        j += 1
    if j >= len(words) or words[j] not in ("of", "out"):
        return None
    last = _last(words, j, "of")
    if last is None:
        return None
    return last[0], Regularity("blocks", last[2], bound[1].bound, of=last[1], calendar=last[3])


def _each_of(words: Sequence[str], i: int) -> tuple[int, Regularity] | None:
    j = i + 1 if words[i] in ("in", "on", "during") else i
    if j >= len(words) or words[j] not in _EACH:
        return None
    if words[j + 1 : j + 2] and words[j + 1] in ("of", "the"):
        last = _last(words, j + 1, "of")
        if last:
            return last[0], Regularity("blocks", last[2], Bound(">=", last[1]), of=last[1], calendar=last[3])
    if words[j + 1 : j + 2] and words[j + 1] in ("single", "calendar"):
        calendar, k = words[j + 1] == "calendar", j + 2
    else:
        calendar, k = False, j + 1
    if words[j] in ("each", "every") and k < len(words) and words[k] in _SINGLE:
        unit = _SINGLE[words[k]]
        last = _last(words, k + 1, *_DURING)
        if last and last[2] == unit:
            return last[0], Regularity("blocks", unit, Bound(">=", last[1]), of=last[1], calendar=last[3] or calendar)
        end = k + 1
        if end < len(words) and words[end] in ("of", "in", "during", "since", "this", "last"):
            return (end + 1 if words[end] == "of" else end), Regularity("every", unit, Bound(">=", 1))
    return None


def _run(words: Sequence[str], i: int) -> tuple[int, Regularity] | None:
    j = i + 1 if words[i] in ("on", "for", "in", "over") else i
    bound = bound_at(words, j)
    if bound is None:
        number = number_at(words, j)
        bound = (number[0], Amount(Bound(">=", number[1]))) if number else None
    if bound is None:
        return None
    j = bound[0]
    if j + 1 < len(words) and words[j] in ("consecutive", "straight", "successive") and words[j + 1] in _UNITS:
        return j + 2, Regularity("run", _UNITS[words[j + 1]], bound[1].bound)
    if j + 3 <= len(words) and words[j] in _UNITS and list(words[j + 1 : j + 4]) == ["in", "a", "row"]:
        return j + 4, Regularity("run", _UNITS[words[j]], bound[1].bound)
    if (
        j + 2 <= len(words)
        and words[j] in _UNITS
        and list(words[j + 1 : j + 2]) in (["running"], ["straight"], ["consecutively"])
    ):
        return j + 2, Regularity("run", _UNITS[words[j]], bound[1].bound)
    return None


def _different(words: Sequence[str], i: int) -> tuple[int, Regularity] | None:
    j = i + 1 if words[i] in ("on", "in", "over", "across") else i
    bound = bound_at(words, j)
    if bound is None:
        number = number_at(words, j)
        bound = (number[0], Amount(Bound("=", number[1]))) if number else None
    if bound is None:
        return None
    j = bound[0]
    k = j
    while k < len(words) and words[k] in ("different", "distinct", "unique", "separate", "calendar"):
        k += 1
    on_days = words[i] == "on" and words[k : k + 1] in (["days"], ["day"])  # "on at least 5 days"
    if (k > j or on_days) and k < len(words) and words[k] in _UNITS:
        return k + 1, Regularity("periods", _UNITS[words[k]], bound[1].bound)
    return None


def _per_unit(words: Sequence[str], i: int) -> tuple[int, Regularity] | None:
    """ "at least 3 times a week in the last 4 weeks"; "in any month"."""
    if words[i] == "in" and words[i + 1 : i + 2] and words[i + 1] in ("any", "one", "a") and i + 2 < len(words):
        k = i + 2
        while k < len(words) and words[k] in ("single", "calendar", "given"):
            k += 1
        if k < len(words) and words[k] in _SINGLE and words[k] != "day":
            return k + 1, Regularity("any", _SINGLE[words[k]], Bound(">=", 1))
    times = times_at(words, i)
    if times is None or times[1].upper is not None:
        return None
    j = times[0]
    if j + 1 < len(words) and words[j] in ("a", "per", "each", "every") and words[j + 1] in _SINGLE:
        unit, bound = _SINGLE[words[j + 1]], times[1]
        each = int(bound.value) + (1 if bound.comparison == ">" else 0)
        last = _last(words, j + 2, *_DURING)
        if bound.comparison in (">=", ">", "=") and last and last[2] == unit:
            return last[0], Regularity("blocks", unit, Bound(">=", last[1]), of=last[1], each=each, calendar=last[3])
    return None


# ── all of them, for the lattice ──────────────────────────────────────────────────────────────────────────────────

# What a phrase of numbers begins with, beside digits: most words need not be looked at further.
_OPENERS = frozenset(
    """a an half multiple repeatedly more again just between from in on during for over across each every all aged age
    ages older younger teenage teenaged top highest best bottom lowest least only the show first limit limited not even
    """.split()
) | frozenset((*lexicon.NUMBERS, *lexicon.CURRENCIES, *_TIMES, *(phrase[0] for phrase in _COMPARISONS)))


def read(words: Sequence[str], i: int) -> Iterator[tuple[str, int, object]]:
    """Every number phrase that starts at word i: its category, where it ends, what it means."""
    if not (words[i][:1].isdigit() or words[i] in _OPENERS):
        return
    amount = amount_at(words, i)
    if amount:
        yield "NUM", amount[0], Amount(Bound("=", amount[1]), amount[2], bare=True)
        if amount[0] < len(words) and words[amount[0]] in ("%", "percent", "pct"):
            yield "PERCENT", amount[0] + 1, amount[1]
    bound = bound_at(words, i)
    if bound:
        yield "BOUND", bound[0], bound[1]
    compared = comparison_at(words, i)
    if compared and compared[1] != "=":
        yield "CMP", compared[0], compared[1]
    times = times_at(words, i)
    if times:
        yield "TIMES", times[0], times[1]
    regular = regularity_at(words, i)
    if regular:
        yield "REG", regular[0], regular[1]
    age = age_at(words, i)
    if age:
        yield "AGEP", age[0], age[1]
        if words[age[0] - 1] == "olds" or _UNDER.fullmatch(" ".join(words[i : age[0]])):
            yield "AGENOUN", age[0], age[1]
    top = top_at(words, i)
    if top:
        yield "TOPN", top[0], top[1]
    limit = limit_at(words, i)
    if limit:
        yield "FIRSTN", limit[0], limit[1]
    share = _share_at(words, i)
    if share:
        yield "SHAREOF", share[0], share[1]
    several = several_at(words, i)
    if several:
        yield "SEVERAL", several[0], several[1]
    measured = duration_at(words, i)
    if measured:
        yield "DURATION", measured[0], measured[1]
    span = span_bound_at(words, i)
    if span:
        yield "SPANBOUND", span[0], span[1]


def age_at(words: Sequence[str], i: int) -> tuple[int, Bound] | None:
    """An age that says that it is one: "aged 25 to 34", "older than 30", "between 25 and 34 years old", "in their
    twenties"."""
    if words[i] in ("aged", "age", "ages"):
        j = i + 1
        while j < len(words) and words[j] in ("is", "of", ":", "group"):
            j += 1
        bound = bound_at(words, j)
        if bound:
            return _years(words, bound[0]), bound[1].bound
        number = number_at(words, j)
        if number and words[i] == "aged":
            end = _years(words, number[0])
            for after, sign in (
                (["or", "older"], ">="),
                (["and", "older"], ">="),
                (["or", "younger"], "<="),
                (["and", "younger"], "<="),
                (["and", "up"], ">="),
            ):
                if list(words[end : end + 2]) == after:
                    return end + 2, Bound(sign, number[1])  # type: ignore[arg-type]
            return end, Bound("=", number[1])
    compared = {"older": ">", "younger": "<"}.get(words[i])
    if compared and words[i + 1 : i + 2] == ["than"]:
        number = number_at(words, i + 2)
        if number:
            return _years(words, number[0]), Bound(compared, number[1])  # type: ignore[arg-type]
    bound = bound_at(words, i)
    if bound:
        end = _years(words, bound[0], required=True)
        if end:
            return end, bound[1].bound
        if words[bound[0] : bound[0] + 1] in (["years"], ["year"], ["yrs"], ["yr"]) and bound[1].bound.upper is None:
            return None
    number = number_at(words, i)
    if number:
        end = _years(words, number[0], required=True)
        if end:
            after = list(words[end : end + 2])
            if after in (
                ["or", "older"],
                ["and", "older"],
                ["or", "above"],
                ["and", "above"],
                ["and", "over"],
                ["or", "over"],
            ):
                return end + 2, Bound(">=", number[1])
            if after in (["or", "younger"], ["and", "younger"], ["and", "under"], ["or", "under"]):
                return end + 2, Bound("<=", number[1])
            return end, Bound("=", number[1])
        if list(words[number[0] : number[0] + 2]) in (["or", "older"], ["and", "older"]):
            return number[0] + 2, Bound(">=", number[1])
        if list(words[number[0] : number[0] + 2]) in (["or", "younger"], ["and", "younger"]):
            return number[0] + 2, Bound("<=", number[1])
    if words[i] == "in" and i + 2 < len(words) and words[i + 1] in ("their", "his", "her", "the"):
        decade = _DECADES.get(words[i + 2])
        if decade:
            return i + 3, Bound("=", decade, decade + 9)
    under = _UNDER.fullmatch(" ".join(words[i : i + 2]))
    if under:
        return i + 2, Bound("<" if under[1] == "under" else ">", int(under[2]))
    if words[i] == "teenage" or words[i] == "teenaged":
        return i + 1, Bound("=", 13, 19)
    return None


_UNDER = re.compile(r"(under|over) (\d{1,2})s")
_DECADES = {
    "twenties": 20, "20s": 20, "thirties": 30, "30s": 30, "forties": 40, "40s": 40, "fifties": 50, "50s": 50,
    "sixties": 60, "60s": 60,
    "seventies": 70, "70s": 70, "eighties": 80, "80s": 80,
}  # fmt: skip


def _years(words: Sequence[str], j: int, required: bool = False) -> int:
    if j < len(words) and words[j] in ("years", "year", "yrs", "yr", "y"):
        if list(words[j + 1 : j + 2]) in (["old"], ["olds"]):
            return j + 2
        if list(words[j + 1 : j + 3]) == ["of", "age"]:
            return j + 3
        return 0 if required else j + 1
    if j < len(words) and words[j] in ("yo", "y/o"):
        return j + 1
    return 0 if required else j


@dataclass(frozen=True, slots=True)
class Top:
    """So many (or so many percent) from the top or the bottom; None where no number was said."""

    amount: Number | None
    percent: bool = False
    bottom: bool = False


def top_at(words: Sequence[str], i: int) -> tuple[int, Top] | None:
    """ "top 10", "bottom five", "top 5%", "10 top", "the 10 highest" that start at word i."""
    bottom = {"top": False, "highest": False, "best": False, "bottom": True, "lowest": True, "least": True}.get(
        words[i]
    )
    if bottom is None:
        return None
    number = number_at(words, i + 1)
    if number is None:
        return (i + 1, Top(None, bottom=bottom)) if words[i] in ("top", "bottom") else None
    j, amount = number
    if j < len(words) and words[j] in ("%", "percent", "pct"):
        j += 1
        if j < len(words) and words[j] == "of":
            j += 1
        return j, Top(amount, percent=True, bottom=bottom)
    if not isinstance(amount, int) or words[i] in ("best", "least"):
        return None
    return j, Top(amount, bottom=bottom)


def limit_at(words: Sequence[str], i: int) -> tuple[int, int] | None:
    """ "first 50", "limit 10", "only the first 20" that start at word i: how many rows."""
    j = i
    while j < len(words) and words[j] in ("only", "the", "just", "show"):
        j += 1
    if j < len(words) and words[j] in ("first", "limit", "limited"):
        j += 1
        if j < len(words) and words[j] in ("to", "of"):
            j += 1
        number = number_at(words, j)
        if number and isinstance(number[1], int):
            end = number[0]
            if end < len(words) and words[end] in ("rows", "results", "only", "of", "them"):
                end += 1
            if when.unit_at(words, end):
                return None
            return end, number[1]
    return None


def _share_at(words: Sequence[str], i: int) -> tuple[int, Amount] | None:
    """ "at least 150% of": a bound in percent of something."""
    bound = bound_at(words, i)
    if bound is None or bound[0] >= len(words) or words[bound[0]] not in ("%", "percent"):
        return None
    j = bound[0] + 1
    return (j + 1, bound[1]) if j < len(words) and words[j] == "of" else None


def span_bound_at(words: Sequence[str], i: int) -> tuple[int, tuple[str, Span]] | None:
    """ "more than 60 days", "at least 2 weeks", "60 days": a length of time, with a comparison if one was said."""
    compared = comparison_at(words, i)
    span = when.span_at(words, compared[0] if compared else i)
    return (span[0], (compared[1] if compared else ">", span[1])) if span else None


def several_at(words: Sequence[str], i: int) -> tuple[int, Bound] | None:
    """ "at least two of (the following)": how many conditions must hold."""
    bound = bound_at(words, i)
    if bound is None:
        number = number_at(words, i)
        bound = (number[0], Amount(Bound("=", number[1]))) if number else None
    if bound is None or list(words[bound[0] : bound[0] + 1]) != ["of"]:
        return None
    j = bound[0] + 1
    for phrase in (
        ["the", "following"],
        ["these"],
        ["the", "following", "conditions"],
        ["these", "conditions"],
        ["these", "things"],
        ["those"],
    ):
        if list(words[j : j + len(phrase)]) == phrase:
            return j + len(phrase), bound[1].bound
    return (j, bound[1].bound) if list(words[j : j + 1]) == [":"] else None


@dataclass(frozen=True, slots=True)
class Duration:
    """A bound on a length of time in some unit: "at least 180 minutes"; bare without a word of comparison."""

    bound: Bound
    unit: str
    bare: bool = False


def duration_at(words: Sequence[str], i: int) -> tuple[int, Duration] | None:
    """A comparison with a number of seconds, minutes, hours or days that starts at word i."""
    bound = bound_at(words, i)
    compared = comparison_at(words, i)
    if bound is None and compared and list(words[compared[0] : compared[0] + 1]) in (["an"], ["a"]):
        bound = compared[0] + 1, Amount(Bound(compared[1], 1))  # type: ignore[arg-type]
    if bound is None:
        number = number_at(words, i)
        bound = (number[0], Amount(Bound("=", number[1]), bare=True)) if number else None
    if (
        bound is None
        or bound[0] >= len(words)
        or words[bound[0]] not in lexicon.DURATION_SUFFIXES
        or len(words[bound[0]]) < 2
    ):
        return None
    return bound[0] + 1, Duration(bound[1].bound, lexicon.DURATION_SUFFIXES[words[bound[0]]], bound[1].bare)
