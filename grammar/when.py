"""Everything about time: words to windows, windows with now and zone to bounds, and windows back to words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import Literal, TypeAlias, assert_never
from zoneinfo import ZoneInfo

from grammar.query import (
    Ago,
    Ahead,
    Between,
    Calendar,
    Dates,
    Edge,
    Following,
    Named,
    Period,
    Preceding,
    Rolling,
    Span,
    Stretch,
    Unit,
    Window,
)

# ── bounds: a period, seen from an instant and a zone ─────────────────────────────────────────────────────────────

_TICK = timedelta(microseconds=1)  # the grain of the store: "up to and with t" is "before t + one tick"
_LENGTH: dict[Unit, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
_MONTHS: dict[Unit, int] = {"month": 1, "quarter": 3, "year": 12}
_EARLIEST = datetime(1, 1, 3)  # what lies before or after is cut to these, two days inside what any zone can hold
_LATEST = datetime(9999, 12, 29)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The half-open stretch [start, end) of naive UTC instants at microseconds; None is open on that side."""

    start: datetime | None
    end: datetime | None


def bounds(period: Period | None, now: datetime, zone: ZoneInfo) -> Bounds:
    """Where a period lies, seen from `now` (aware) in the zone. It may reach past now: the store hides what is later.

    Spans of minutes to weeks are exact (a day is 24 hours); months, quarters and years keep the zone's time of day, and
    a day that a month does not have becomes its last. An end that belongs to the period is one microsecond before
    `end`. What lies before year 1 is cut to it.
    """
    match period:
        case None:
            return Bounds(None, None)
        case Rolling(span):
            return Bounds(_shifted(_utc(now), span, -1, zone), _utc(now) + _TICK)
        case Stretch(far, near):
            return Bounds(_shifted(_utc(now), far, -1, zone), _shifted(_utc(now), near, -1, zone) + _TICK)
        case Ago(span, included):
            return Bounds(None, _shifted(_utc(now), span, -1, zone) + (_TICK if included else timedelta()))
        case Calendar(unit, back):
            return _calendar(unit, back, _utc(now), zone)
        case Named(unit, number):
            return _named(unit, number, _local(_utc(now), zone).date(), zone)
        case Dates(first, last):
            return Bounds(_day_start(first, zone), _day_start(_later_date(last, 1), zone))
        case Between(start, end):
            return _between(start, end, now, zone)
        case Preceding(span, inner):
            until = bounds(inner, now, zone).start
            return Bounds(_EARLIEST, _EARLIEST) if until is None else Bounds(_shifted(until, span, -1, zone), until)
        case Following(span, inner):
            since = bounds(inner, now, zone).end
            return Bounds(_LATEST, _LATEST) if since is None else Bounds(since, _shifted(since, span, 1, zone))
        case Ahead(span):
            last = _local(_shifted(_utc(now), span, 1, zone), zone).date()
            return Bounds(_day_start(_local(_utc(now), zone).date(), zone), _day_start(_later_date(last, 1), zone))
        case _:
            assert_never(period)


def days(period: Period | None, now: datetime, zone: ZoneInfo) -> tuple[date | None, date | None]:
    """The first and the last calendar day that a period touches, both included; None is open on that side.

    They are what a date without a time is compared with. A period that is empty has its last day before the first.
    """
    where = bounds(period, now, zone)
    first = None if where.start is None else _local(where.start, zone).date()
    last = None if where.end is None else _local(where.end - _TICK, zone).date()
    return first, last


def is_one(period: Period | None, unit: Unit) -> bool:
    """Whether a period is one such unit: "this month", "in March", "in March 2025", "in the last month"."""
    match period:
        case Calendar(one):
            return one == unit
        case Named(one):
            return unit == ("day" if one in ("date", "weekday") else one)
        case Rolling(span):
            return span == Span(1, unit)
        case Dates(first, last):
            start = datetime.combine(first, time())
            following = _later(start, Span(1, unit), 1)
            return start == _unit_start(first, unit) and following == datetime.combine(_later_date(last, 1), time())
        case _:
            return False


def blocks(unit: Unit, n: int, calendar: bool, now: datetime, zone: ZoneInfo) -> list[Bounds]:
    """The last `n` blocks of a unit, the latest first: block k is (now − k units, now − (k − 1) units].

    Blocks of days are calendar days, today the first of them. With `calendar` they are the whole calendar units before
    the present one.
    """
    at = _utc(now)
    if calendar:
        return [_calendar(unit, back, at, zone) for back in range(1, n + 1)]
    if unit == "day":
        return [_calendar(unit, back, at, zone) for back in range(n)]
    edges = [_shifted(at, Span(back, unit), -1, zone) + _TICK for back in range(n + 1)]
    return [Bounds(start, end) for end, start in pairwise(edges)]


def periods(unit: Unit, where: Bounds, now: datetime, zone: ZoneInfo) -> list[Bounds]:
    """The calendar units that the bounds touch, up to the one of now, earliest first, each whole.

    Raises ValueError where the bounds have no start: there is no first unit then.
    """
    if where.start is None:
        raise ValueError("a window without a start has no first calendar unit")
    last = _utc(now) if where.end is None else min(where.end - _TICK, _utc(now))
    found: list[Bounds] = []
    at = where.start
    while at <= last:
        unit_bounds = _calendar(unit, 0, at, zone)
        assert unit_bounds.end is not None
        found.append(unit_bounds)
        at = unit_bounds.end
    return found


def _between(start: Edge | None, end: Edge | None, now: datetime, zone: ZoneInfo) -> Bounds:
    first = _edge(start, now, zone)
    last = _edge(end, now, zone)
    if end is not None and isinstance(end.period, Named) and first is not None and last is not None and last <= first:
        # "from January to March", asked in February: the March that follows that January, not the one before it
        later = _next_named(end.period.unit, end.period.number, _local(_utc(now), zone).date(), zone)
        last = later.start if end.side == "start" else later.end
    return Bounds(first, last)


def _edge(edge: Edge | None, now: datetime, zone: ZoneInfo) -> datetime | None:
    if edge is None:
        return None
    where = bounds(edge.period, now, zone)
    return where.start if edge.side == "start" else where.end


def _calendar(unit: Unit, back: int, at: datetime, zone: ZoneInfo) -> Bounds:
    """The calendar unit around an instant, or that of so many units before it."""
    local = _local(at, zone)
    if unit in ("minute", "hour"):
        # by subtraction, so that an hour that comes twice is two hours
        start = at - (local - local.replace(minute=local.minute if unit == "minute" else 0, second=0, microsecond=0))
        start = _shifted(start, Span(back, unit), -1, zone)
        return Bounds(start, start + _LENGTH[unit])
    return _whole(unit, back, local.date(), zone)


def _whole(unit: Unit, back: int, day: date, zone: ZoneInfo) -> Bounds:
    """The calendar unit, a day or longer, that holds a day, or that of so many units before it."""
    first = _unit_start(day, unit)
    return Bounds(
        _day_start(_later(first, Span(back, unit), -1).date(), zone),
        _day_start(_later(first, Span(back - 1, unit), -1).date(), zone),
    )


def _unit_start(day: date, unit: Unit) -> datetime:
    """Midnight of the first day of the calendar day, week, month, quarter or year of a day."""
    midnight = datetime.combine(day, time())
    if unit == "week":
        return _later(midnight, Span(day.weekday(), "day"), -1)
    if unit == "day":
        return midnight
    return midnight.replace(month=(day.month - 1) // _MONTHS[unit] * _MONTHS[unit] + 1, day=1)


_NamedUnit: TypeAlias = Literal["month", "quarter", "weekday", "date"]
_LEAP = 8  # years at most from one 29 February to the next


def _named(unit: _NamedUnit, number: int, today: date, zone: ZoneInfo) -> Bounds:
    """The latest month, quarter, weekday or date of that number that has begun today."""
    match unit:
        case "weekday":
            return _whole("day", (today.isoweekday() - number) % 7, today, zone)
        case "quarter":
            return _whole("quarter", ((today.month + 2) // 3 - number) % 4, today, zone)
        case "month":
            return _whole("month", (today.month - number) % 12, today, zone)
        case "date":
            month, day = divmod(number, 100)
            years = range(today.year, today.year - _LEAP - 1, -1)
            dates = (date(year, month, day) for year in years if day <= _month_days(year, month))
            return _whole("day", 0, next(one for one in dates if one <= today), zone)
        case _:
            assert_never(unit)


def _next_named(unit: _NamedUnit, number: int, today: date, zone: ZoneInfo) -> Bounds:
    """The first such month, quarter, weekday or date that has not begun today."""
    latest = _named(unit, number, today, zone)
    for cycles in range(1, _LEAP + 1):
        span = Span(cycles, "week" if unit == "weekday" else "year")
        later = _named(unit, number, _later(datetime.combine(today, time()), span, 1).date(), zone)
        if later != latest:
            return later
    return latest


def _shifted(at: datetime, span: Span, sign: int, zone: ZoneInfo) -> datetime:
    """A UTC instant, a span earlier (sign −1) or later: months and longer by the zone's calendar, the rest exactly."""
    if span.unit not in _MONTHS:
        return _later(at, span, sign)
    return _to_utc(_later(_local(at, zone), span, sign), zone)


def _later(at: datetime, span: Span, sign: int) -> datetime:
    """A naive time, a span later by its own calendar, cut to what a datetime can hold."""
    amount = span.amount * sign
    if span.unit not in _MONTHS:
        length = _LENGTH[span.unit]
        # compared as numbers first: a timedelta itself overflows
        room = (_EARLIEST - at) // length, (_LATEST - at) // length
        return _EARLIEST if amount < room[0] else _LATEST if amount > room[1] else at + amount * length
    year, month = divmod(at.year * 12 + at.month - 1 + amount * _MONTHS[span.unit], 12)
    if not _EARLIEST.year < year < _LATEST.year:
        return _EARLIEST if year <= _EARLIEST.year else _LATEST
    return at.replace(year=year, month=month + 1, day=min(at.day, _month_days(year, month + 1)))


def _month_days(year: int, month: int) -> int:
    return (date(year + month // 12, month % 12 + 1, 1) - date(year, month, 1)).days


def _later_date(day: date, amount: int) -> date:
    return _later(datetime.combine(day, time()), Span(amount, "day"), 1).date()


def _day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, in UTC: where a clock change skips midnight, the end of the gap."""
    return _to_utc(datetime.combine(day, time()), zone)


def _to_utc(local: datetime, zone: ZoneInfo) -> datetime:
    inside = min(max(local, _EARLIEST), _LATEST)
    return inside.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)


def _local(at: datetime, zone: ZoneInfo) -> datetime:
    return _aware(at).astimezone(zone).replace(tzinfo=None, fold=0)


def _utc(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(tzinfo=None)


def _aware(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)


# ── what a phrase of time means ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Within:
    """A gap between two events, or the last so much: the clause decides ("within 7 days", "in 7 days")."""

    span: Span


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long something has not happened: after a negation, the last so much ("for 30 days", "in over a year")."""

    span: Span


@dataclass(frozen=True, slots=True)
class Prior:
    """The span just before a window that was named before ("the 30 days prior", "the month before that")."""

    span: Span


@dataclass(frozen=True, slots=True)
class Next:
    """The span after what was said before ("the following month", "the 3 days after that")."""

    span: Span


@dataclass(frozen=True, slots=True)
class Future:
    """What is to come, for birthdays only: Ahead ("in the next 7 days"), or Calendar of negative back ("tomorrow")."""

    period: Period


@dataclass(frozen=True, slots=True)
class Ever:
    """Said that there is no limit ("ever", "so far", "all time", "before")."""


Meaning: TypeAlias = Window | Within | Lasting | Prior | Next | Future | Ever


@dataclass(frozen=True, slots=True)
class TimePhrase:
    """A phrase of time that ends before word `end`. Windows with the same end are readings of the same words."""

    end: int
    meaning: Meaning


# ── the words of time ─────────────────────────────────────────────────────────────────────────────────────────────

Words: TypeAlias = Sequence[str]
_Side: TypeAlias = Literal["start", "end"]
_Sort: TypeAlias = Literal["rolling", "calendar", "ago", "month", "quarter", "weekday", "day", "date", "year", "time"]

_UNIT_FORMS: dict[Unit, str] = {
    "minute": "minute minutes min mins",
    "hour": "hour hours hr hrs",
    "day": "day days",
    "week": "week weeks wk wks",
    "month": "month months mth mths mo mos",
    "quarter": "quarter quarters qtr qtrs",
    "year": "year years yr yrs",
}
UNIT_WORDS: dict[str, Unit] = {
    word + ending: unit for unit, forms in _UNIT_FORMS.items() for word in forms.split() for ending in ("", "'s", "'")
}
_SPANS: dict[str, Span] = {word: Span(1, unit) for word, unit in UNIT_WORDS.items()} | {
    "fortnight": Span(2, "week"),
    "fortnights": Span(2, "week"),
    "decade": Span(10, "year"),
    "decades": Span(10, "year"),
}
_GLUED = re.compile(r"(\d{1,9})(h|hrs?|mins?|days?|d|wks?|weeks?|w|mos?|months?|yrs?|years?|y)")
_LETTER: dict[str, Unit] = {"h": "hour", "d": "day", "w": "week", "y": "year"}
_WHOLE_UNITS: tuple[Unit, ...] = ("week", "month", "quarter", "year")  # those of "last month": the calendar one
_TO_DATE: dict[str, Unit] = {"wtd": "week", "mtd": "month", "qtd": "quarter", "ytd": "year"}

_ONES = {
    word: number
    for number, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen".split(),
        start=1,
    )
}
_TENS = {
    word: 10 * number
    for number, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}

_MONTH_NAMES = "January February March April May June July August September October November December".split()
_MONTHS_SAID: dict[str, int] = {
    form: number for number, name in enumerate(_MONTH_NAMES, start=1) for form in (name.lower(), name[:3].lower())
} | {"sept": 9}
_DAY_NAMES = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_WEEKDAYS: dict[str, int] = {
    form: number for number, name in enumerate(_DAY_NAMES, start=1) for form in (name.lower(), name[:3].lower())
} | {"tues": 2, "thur": 4, "thurs": 4}
_DAY_SETS: dict[str, tuple[int, ...]] = {
    name.lower() + "s": (number,) for number, name in enumerate(_DAY_NAMES, start=1)
} | {
    "weekday": (1, 2, 3, 4, 5),
    "weekdays": (1, 2, 3, 4, 5),
    "weekend": (6, 7),
    "weekends": (6, 7),
}
_DAYPARTS: dict[str, tuple[int, int]] = {
    "morning": (360, 720),
    "afternoon": (720, 1080),
    "evening": (1080, 1320),
    "night": (1320, 360),
}
_DAYPARTS_SAID = _DAYPARTS | {word + "s": hours for word, hours in _DAYPARTS.items()}

_DAY_TOKEN = re.compile(r"(\d{1,2})(st|nd|rd|th)?")
_YEAR_TOKEN = re.compile(r"(?:19|20)\d\d")
_ISO_TOKEN = re.compile(r"\d{4}-\d\d-\d\d")
_SLASH_TOKEN = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_NUMBERED_TOKEN = re.compile(r"(q[1-4]|h[12])")
_CLOCK_TOKEN = re.compile(r"(\d{1,2})(:\d\d)? ?(am|pm)?")

# The words of time that a misspelt word may be corrected to.
ORDINARY_WORDS = frozenset(
    {
        *UNIT_WORDS,
        *_MONTHS_SAID,
        *_WEEKDAYS,
        *_DAYPARTS_SAID,
        "today",
        "yesterday",
        "within",
        "since",
        "between",
        "during",
        "before",
        "after",
    }
)

_THE = {"the", "these", "this", "their"}
_RECENT = {"last", "past", "previous", "recent", "trailing", "latest", "rolling"}
_WHOLE = {"calendar", "full", "whole", "complete"}
_COMING = {"next", "coming", "upcoming"}
_PERIOD_WORDS = {"period", "window", "span", "timeframe"}
_VAGUE = {"few", "couple", "several", "many", "some", "half"}
_AGO = {"ago", "back"}
_AND = {"and", "or", "&", "/", ","}
_TO = "to|till|til|until|through|thru|-|upto|up to|up until|up till"
_STOPS = {"", ",", ".", "?", "!", ";", ":", ")", "and", "but", "or", "who", "whose"}
_MORE = "more than|over|longer than"
_AT_LEAST = "at least|a minimum of|minimum"
_LESS = "less than|under|fewer than|at most|no more than|up to"


def _word(words: Words, i: int) -> str:
    return words[i] if i < len(words) else ""


@cache
def _table(texts: str) -> dict[str, list[list[str]]]:
    """The texts between the bars as words, by their first word, the longest first."""
    table: dict[str, list[list[str]]] = {}
    for parts in sorted(map(str.split, texts.split("|")), key=len, reverse=True):
        table.setdefault(parts[0], []).append(parts)
    return table


def _past(words: Words, i: int, texts: str) -> int:
    """Where the longest of the texts ("since|on or after") that stands at i ends; i itself if none does."""
    for parts in _table(texts).get(words[i], ()) if i < len(words) else ():
        if len(parts) == 1 or list(words[i : i + len(parts)]) == parts:
            return i + len(parts)
    return i


def _says(words: Words, i: int, texts: str) -> bool:
    return _past(words, i, texts) > i


def _number(words: Words, i: int) -> tuple[int, int] | None:
    """A whole number after its end: "30", "1,000", "twenty five", "a dozen", "one hundred and twenty"."""
    word = _word(words, i)
    if word[:1].isdigit():
        plain = word.replace(",", "")
        return (i + 1, int(plain)) if plain.isdecimal() and len(plain) < 10 else None
    if word not in _COUNTING:
        return None
    if (end := _past(words, i, "dozen|a dozen|one dozen")) > i:
        return end, 12
    hundreds = 1 if word == "a" else _ONES.get(word, 10)
    if hundreds < 10 and _word(words, i + 1) == "hundred":
        rest = _below_hundred(words, _past(words, i + 2, "and"))
        return (i + 2, hundreds * 100) if rest is None else (rest[0], hundreds * 100 + rest[1])
    return _below_hundred(words, i)


def _below_hundred(words: Words, i: int) -> tuple[int, int] | None:
    word = _word(words, i)
    if word in _TENS:
        ones = _ONES.get(_word(words, i + 1), 10)
        return (i + 2, _TENS[word] + ones) if ones < 10 else (i + 1, _TENS[word])
    return (i + 1, _ONES[word]) if word in _ONES else None


def unit_at(words: Words, i: int) -> tuple[int, Unit] | None:
    """A unit word at i, in singular or plural ("week", "months", "hrs"), after its end."""
    unit = UNIT_WORDS.get(_word(words, i))
    return None if unit is None else (i + 1, unit)


def span_at(words: Words, i: int) -> tuple[int, Span] | None:
    """A length of time at i, after its end: "7 days", "a week", "twenty four hours", "a fortnight", "half a year".

    None before words that make something else of it ("3 days in a row", "7 days from now").
    """
    word = _word(words, i)
    if not (word[:1].isdigit() or word in _COUNTING):
        return None
    if glued := _GLUED.fullmatch(word):
        return _uncut(words, i + 1, Span(int(glued[1]), _LETTER.get(glued[2]) or UNIT_WORDS[glued[2]]))
    at = _past(words, i, "half|half a|half an|a half")
    if at > i:
        half = {"year": Span(6, "month"), "hour": Span(30, "minute")}.get(_word(words, at))
        return None if half is None else _uncut(words, at + 1, half)
    number = _number(words, i) or ((i + 1, 1) if word in ("a", "an") else None)
    one = None if number is None else _SPANS.get(_word(words, number[0]))
    if number is None or one is None:
        return None
    return _uncut(words, number[0] + 1, Span(number[1] * one.amount, one.unit))


def _uncut(words: Words, end: int, span: Span) -> tuple[int, Span] | None:
    """The span, with the apostrophe of "30 days'"."""
    if _says(words, end, "and a half|in a row|running|straight|consecutively|from now|time"):
        return None
    return _past(words, end, "'|’"), span


# ── dates ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Part:
    """What is said of a date: at least one of its parts. `months` are the first and last month of a quarter or half."""

    year: int | None = None
    months: tuple[int, int] | None = None
    day: int | None = None
    weekday: int | None = None

    def dates(self) -> Dates | None:
        """The days, if all is said and there are such days."""
        if self.year is None or (self.day is not None and self.months is None):
            return None
        first, last = self.months or (1, 12)
        month_days = _month_days(self.year, last)
        if self.day is not None and not 1 <= self.day <= month_days:
            return None
        dates = Dates(date(self.year, first, self.day or 1), date(self.year, last, self.day or month_days))
        return dates if self.weekday in (None, dates.first.isoweekday()) else None

    def named(self) -> Named | None:
        """The latest such day, if a day and its month are said, no more, and some year has that day."""
        if self.year is not None or self.months is None or self.day is None or self.weekday is not None:
            return None
        month = self.months[0]
        return Named("date", month * 100 + self.day) if 1 <= self.day <= _month_days(_LEAP_YEAR, month) else None


_LEAP_YEAR = 2024


def _parts(words: Words, i: int) -> list[tuple[int, _Part]]:
    """The dates said at i, as far as they are said: whole ("5 March 2026"), or to be completed ("5 March", "1st")."""
    word = _word(words, i)
    if not word or not (word[0].isdigit() or word in _DATE_OPENERS):
        return []
    if _ISO_TOKEN.fullmatch(word):
        return (
            [(i + 1, _Part(int(word[:4]), (int(word[5:7]),) * 2, int(word[8:])))] if word[5:7] in _MONTH_DIGITS else []
        )
    if slashed := _SLASH_TOKEN.fullmatch(word):
        return [(i + 1, part) for part in _slashed(*slashed.groups())]
    if word in _WEEKDAYS:
        return [
            (end, replace(part, weekday=_WEEKDAYS[word]))
            for end, part in _parts(words, _past(words, i + 1, ",|the|, the"))
            if part.day is not None and part.weekday is None
        ]
    month = _past(words, i, "the month of|month of")
    year = _past(words, i, "the year|year")
    the = _past(words, i, "the")
    if _YEAR_TOKEN.fullmatch(_word(words, year)) and (year == i or _word(words, year - 1) == "year"):
        return _from_year(words, year)
    if _word(words, month) in _MONTHS_SAID:
        return _from_month(words, month)
    if (block := _block_of_months(words, the)) is not None:
        return [_with_year(words, block[0], _Part(months=block[1]))]
    return _from_day(words, the)


_MONTH_DIGITS = {f"{month:02}" for month in range(1, 13)}
_DATE_OPENERS = (
    {"the", "month", "year", "quarter", "q1", "q2", "q3", "q4", "h1", "h2", *_ORDINALS}
    | _MONTHS_SAID.keys()
    | _WEEKDAYS.keys()
)


def _slashed(first: str, second: str, third: str) -> list[_Part]:
    """A date with slashes: the day first where it can be nothing else, the month first where that alone can be."""
    one, two = int(first), int(second)
    days = {(day, month) for day, month in ((one, two), (two, one)) if 1 <= month <= 12}
    return [_Part(int(third), (month, month), day) for day, month in days] if len(days) == 1 else []


def _from_year(words: Words, at: int) -> list[tuple[int, _Part]]:
    year = int(words[at])
    if (block := _block_of_months(words, at + 1)) is not None:
        return [(block[0], _Part(year, block[1]))]
    month = _word(words, at + 2)
    if _word(words, at + 1) == "-" and month.isdigit():
        # "2025-12"; but "2025-26" is a financial year, and "2011-12" may be one
        is_month = month in _MONTH_DIGITS and int(month) != (year + 1) % 100
        return [(at + 3, _Part(year, (int(month), int(month))))] if is_month else []
    return [] if _word(words, at + 1) in _SPANS else [(at + 1, _Part(year))]


def _from_month(words: Words, at: int) -> list[tuple[int, _Part]]:
    month = _MONTHS_SAID[words[at]]
    end = (
        at + 2 if len(words[at]) < 5 and _word(words, at + 1) == "." and _word(words, at + 2)[:1].isdigit() else at + 1
    )
    day = _day(words, _past(words, end, "the"))
    if day is None or _YEAR_TOKEN.fullmatch(_word(words, end)):
        return [_with_year(words, end, _Part(months=(month, month)))]
    dated = _with_year(words, day[0], _Part(months=(month, month), day=day[1]))
    if dated[1].year is None and not day[2] and _says(words, day[0], _COUNTED):
        return [(end, _Part(months=(month, month)))]  # "since March 5 times"
    if dated[1].year is None and not day[2] and _word(words, day[0]) not in (_STOPS - {"or"}) | _table(_TO).keys():
        return [dated, (end, _Part(months=(month, month)))]  # "since March 5 did"
    return [dated]


_COUNTED = "times|time|or more|or fewer|or less|+|different|distinct|%|percent|orders|purchases|items|products"


def _from_day(words: Words, at: int) -> list[tuple[int, _Part]]:
    day = _day(words, at)
    if day is None:
        return []
    end = day[0] + 1 if day[2] and _word(words, day[0]) == "of" else day[0]
    if _word(words, end) in _MONTHS_SAID:
        month = _MONTHS_SAID[words[end]]
        return [_with_year(words, end + 1, _Part(months=(month, month), day=day[1]))]
    return [_with_year(words, day[0], _Part(day=day[1]))]


def _day(words: Words, i: int) -> tuple[int, int, bool] | None:
    """A day of the month after its end, and whether it is said as an ordinal."""
    said = _DAY_TOKEN.fullmatch(_word(words, i))
    if said is None or not 1 <= int(said[1]) <= 31:
        return None
    return i + 1, int(said[1]), said[2] is not None


def _with_year(words: Words, end: int, part: _Part) -> tuple[int, _Part]:
    at = _past(words, end, ",|of|in|of the year|of year|year|, year")
    year = _word(words, at)
    if not _YEAR_TOKEN.fullmatch(year) or _word(words, at + 1) in _SPANS:
        return end, part
    return at + 1, replace(part, year=int(year))


def _block_of_months(words: Words, i: int) -> tuple[int, tuple[int, int]] | None:
    """The first and last month of "q1", "first quarter", "h2", "second half", after its end."""
    word = _word(words, i)
    if _NUMBERED_TOKEN.fullmatch(word):
        size, number, end = 3 if word[0] == "q" else 6, int(word[1]), i + 1
    elif word == "quarter" and _word(words, i + 1) in ("1", "2", "3", "4"):
        size, number, end = 3, int(words[i + 1]), i + 2
    elif _word(words, i + 1) in ("quarter", "half"):
        size, end = 3 if words[i + 1] == "quarter" else 6, i + 2
        number = 12 // size if word in ("last", "final") and _word(words, end) == "of" else _ORDINALS.get(word, 0)
    else:
        return None
    return (end, (size * (number - 1) + 1, size * number)) if 1 <= number <= 12 // size else None


# ── nouns: periods without a preposition ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Noun:
    """A period named at some word, and the sort of name, which decides the prepositions it takes."""

    end: int
    period: Period
    sort: _Sort


def _nouns(words: Words, i: int) -> list[_Noun]:
    """The periods named at i, longest first."""
    word = _word(words, i)
    if word in ("today", "yesterday", "today's", "yesterday's"):
        return [_Noun(i + 1, Calendar("day", 0 if word.startswith("today") else 1), "calendar")]
    if word in _TO_DATE:
        return [_Noun(i + 1, Calendar(_TO_DATE[word], 0), "calendar")]
    found = [*_dated(words, i), *_weekday(words, i), *_time_noun(words, i), *_preceding_noun(words, i)]
    found += (noun for one in (_recent, _present, _before_last, _ago) if (noun := one(words, i)) is not None)
    return sorted(found, key=lambda noun: -noun.end)


def _time_noun(words: Words, i: int) -> list[_Noun]:
    """What has no name of its own: "the time more than 30 days ago", "the time from the start of X to the end of Y"."""
    if _says(words, i, "the days from"):
        return [_Noun(end, dates, "time") for end, dates in _ranges(words, i + 3, "to") if isinstance(dates, Dates)]
    if not _says(words, i, "the time") or words.count("time") > _DEEPEST:
        return []
    found: list[tuple[int, Period]] = []
    for end, window in _by_age(words, i + 2):
        if isinstance(window, Window) and window.period is not None:
            found.append((end, window.period))
    for start in _edges(words, i + 3, "start") if _word(words, i + 2) == "from" else ():
        if start.named and _word(words, start.end) == "onwards":
            found.append((start.end + 1, Between(start.edge, None)))
        for stop in _edges(words, start.end + 1, "end") if start.named and _word(words, start.end) == "to" else ():
            if stop.named:
                found.append((stop.end, Between(start.edge, stop.edge)))
    for stop in _edges(words, i + 4, "end") if _says(words, i + 2, "up to") else ():
        if stop.named:
            found.append((stop.end, Between(None, stop.edge)))
    return [_Noun(end, period, "time") for end, period in found]


_DEEPEST = 20  # times within times


def _preceding_noun(words: Words, i: int) -> list[_Noun]:
    """ "the 30 days before 5 March 2026" """
    span = span_at(words, i + 1) if _word(words, i) == "the" else None
    return [] if span is None else _before_noun(words, span)


def _before_noun(words: Words, span: tuple[int, Span]) -> list[_Noun]:
    """The span just before what is named after "before" at its end, or from the end of what is named after "after"."""
    before = _past(words, span[0], "before|prior to|preceding|leading up to")
    after = _past(words, span[0], "after|following")
    if words.count("before") + words.count("after") > _DEEPEST:
        return []
    found = [_Noun(noun.end, Preceding(span[1], noun.period), "time") for noun in _nouns_past(words, span[0], before)]
    return found + [_Noun(n.end, Following(span[1], n.period), "time") for n in _nouns_past(words, span[0], after)]


def _nouns_past(words: Words, end: int, joint: int) -> list[_Noun]:
    """What is named after a word that stands between `end` and `joint`."""
    return _nouns(words, joint) if joint > end else []


def _recent(words: Words, i: int) -> _Noun | None:
    """ "the last 30 days", "past week", "last month", "previous 3 calendar months" """
    the = _word(words, i) in _THE
    at = _past(words, i + the, "most") if _says(words, i + the, "most recent") else i + the
    how = _word(words, at)
    if how not in _RECENT:
        return None
    at += 1
    number = _number(words, at)
    whole = at if number is None else number[0]
    if _word(words, whole) in _WHOLE:
        unit = unit_at(words, whole + 1)
        if unit is None or (number is None and how not in ("last", "past", "previous")) or _is_cut(words, unit[0]):
            return None
        back = 1 if number is None else number[1]
        between = Between(Edge(Calendar(unit[1], back), "start"), Edge(Calendar(unit[1], 1), "end"))
        return _Noun(unit[0], Calendar(unit[1], 1) if back == 1 else between, "calendar" if back == 1 else "rolling")
    article = _word(words, at) in ("a", "an") and _word(words, at + 1) in _SPANS  # "last a month" is no English
    span = span_at(words, at) if not article else None
    if span is not None:
        end = span[0] + (_word(words, span[0]) in _PERIOD_WORDS)
        return None if _is_cut(words, end) else _Noun(end, Rolling(span[1]), "rolling")
    one = _SPANS.get(_word(words, at))
    if one is None or _is_cut(words, at + 1):
        return None
    if how == "past" or (how == "last" and (the or one.amount > 1 or one.unit not in _WHOLE_UNITS)):
        return _Noun(at + 1, Rolling(one), "rolling")
    if how in ("last", "previous") and one.amount == 1 and one.unit in _WHOLE_UNITS:
        return _Noun(at + 1, Calendar(one.unit, 1), "calendar")
    return None


def _present(words: Words, i: int) -> _Noun | None:
    """ "this month", "the current quarter", "this year so far", "year to date" """
    at = _past(words, i, "this|the current|current|the present|present")
    if at > i:
        whole = _word(words, at) in _WHOLE
        unit = unit_at(words, at + whole)
        if unit is None or not (whole or unit[1] in _WHOLE_UNITS) or _is_cut(words, unit[0]):
            return None
        return _Noun(_past(words, unit[0], "to date|so far"), Calendar(unit[1], 0), "calendar")
    at = _past(words, i, "the")
    unit = unit_at(words, at)
    if unit is None or unit[1] not in _WHOLE_UNITS or not _says(words, at + 1, "to date"):
        return None
    return _Noun(at + 3, Calendar(unit[1], 0), "calendar")


def _before_last(words: Words, i: int) -> _Noun | None:
    """ "the month before last", "the day before yesterday" """
    at = _past(words, i, "the")
    unit = unit_at(words, at)
    if unit is None or not _says(words, at + 1, "before yesterday" if unit[1] == "day" else "before last"):
        return None
    if unit[1] not in ("day", *_WHOLE_UNITS) or _word(words, at + 3) in UNIT_WORDS:  # "the month before last year"
        return None
    return _Noun(at + 3, Calendar(unit[1], 2), "calendar")


def _ago(words: Words, i: int) -> _Noun | None:
    """ "3 days ago", "exactly a year ago", "2 calendar hours ago": that calendar day, year, hour"""
    at = _past(words, i, "exactly")
    number = _number(words, at)
    if number is not None and _word(words, number[0]) in _WHOLE:
        unit = unit_at(words, number[0] + 1)
        return (
            _Noun(unit[0] + 1, Calendar(unit[1], number[1]), "ago") if unit and _word(words, unit[0]) in _AGO else None
        )
    span = span_at(words, at)
    if span is None or _word(words, span[0]) not in _AGO or span[1].unit in ("minute", "hour"):
        return None
    if _says(words, span[0] + 1, "or more|or earlier|or before"):
        return None
    return _Noun(span[0] + 1, Calendar(span[1].unit, span[1].amount), "ago")


def _dated(words: Words, i: int) -> list[_Noun]:
    """ "5 March 2026", "Q1 2026", "2025"; and "March", "Q4", "5 March": the latest such"""
    found: list[_Noun] = []
    for end, part in _parts(words, i):
        dates = part.dates()
        if dates is not None:
            is_bare_year = part.months is None and end == i + 1
            found.append(_Noun(end, dates, "year" if is_bare_year else "date"))
        elif (named := part.named()) is not None and not _is_tied(words, end, "year"):
            found.append(_Noun(end, named, "day"))
        elif part.year is None and part.day is None and part.months is not None and not _is_tied(words, end, "year"):
            first, last = part.months
            if first == last:
                found.append(_Noun(end, Named("month", first), "month"))
            elif last - first == 2:
                found.append(_Noun(end, Named("quarter", last // 3), "quarter"))
    return found


def _weekday(words: Words, i: int) -> list[_Noun]:
    number = _WEEKDAYS.get(_word(words, i))
    if number is None or _is_tied(words, i + 1, "week") or any(part.day for _, part in _parts(words, i)):
        return []
    return [_Noun(i + 1, Named("weekday", number), "weekday")]


def _is_tied(words: Words, end: int, unit: Unit) -> bool:
    """Whether the words go on to say which year ("March of last year") or week it is."""
    at = _past(words, end, "of|in|,")
    at = _past(words, at, "the|that|each|every|any")
    at = _past(words, at, "last|this|next|previous|current|same|past")
    return at > end and UNIT_WORDS.get(_word(words, at)) == unit


def _is_cut(words: Words, end: int) -> bool:
    """Whether a length of time before `end` is only part of what is said: "the last 7 days | of March"."""
    if _says(words, end, "in a row|running|before last|and a half"):
        return True
    if _word(words, end) != "of":
        return False
    at = _past(words, end + 1, "the|this|that|each|every|any|a|last|the last|their")
    word = _word(words, at)
    return word in _SPANS or word in _WEEKDAYS or bool(_parts(words, at))


def _is_listed(words: Words, end: int) -> bool:
    """Whether a list or a range goes on with a date after `end`: "in January | and March", "in 2025 | or 2026"."""
    joint = _word(words, end)
    if joint not in _AND and not _says(words, end, _TO):
        return False
    at = _past(words, end + 1, "and|or")
    if joint == "-" and _word(words, at).isdigit():
        return True
    if _word(words, at) == "may" and _word(words, at + 1) not in _STOPS:
        part = _parts(words, at)[0][1]
        if part.year is None and part.day is None:
            return False  # "in April and may …"
    return any(noun.sort in ("month", "quarter", "weekday", "day", "date", "year") for noun in _nouns(words, at))


# ── edges and ranges ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _EdgeSaid:
    """An edge of a period; `named` if the words say which ("the end of March"), else the preposition does."""

    end: int
    edge: Edge
    sort: _Sort
    named: bool


def _edges(words: Words, i: int, side: _Side) -> list[_EdgeSaid]:
    """The edges said at i; where no side is named it is the given one."""
    at = _past(words, i, "the")
    named: _Side | None = (
        "start" if _word(words, at) in ("start", "beginning") else "end" if _word(words, at) == "end" else None
    )
    if named is None or _word(words, at + 1) != "of":
        return [_EdgeSaid(noun.end, Edge(noun.period, side), noun.sort, False) for noun in _nouns(words, i)]
    found = [_EdgeSaid(noun.end, Edge(noun.period, named), noun.sort, True) for noun in _nouns(words, at + 2)]
    if not found and _word(words, at + 2) == "the" and (unit := unit_at(words, at + 3)) and unit[1] in _WHOLE_UNITS:
        found = [_EdgeSaid(unit[0], Edge(Calendar(unit[1], 0), named), "calendar", True)]
    return found


def _ranges(words: Words, i: int, joints: str) -> list[tuple[int, Period]]:
    """All "X to Y" at i, with their ends."""
    found: list[tuple[int, Period]] = []
    for end, first in _parts(words, i):
        at = _past(words, end, joints)
        hyphenated = (
            at == end and first.year is None and first.day is None
        )  # "January-March 2026" comes without its hyphen
        for stop_end, last in _parts(words, at) if at > end or hyphenated else ():
            dates = _spanned(first, last)
            if dates is not None and not (hyphenated and last.day):
                found.append((stop_end, dates))
    for start in _edges(words, i, "start"):
        at = _past(words, start.end, joints)
        if at == start.end:
            continue
        if _word(words, at) in ("now", "date") and (start.named or start.sort != "rolling"):
            found.append((at + 1, Between(start.edge, None)))
        for stop in _edges(words, at, "end"):
            if (start.named and stop.named) or _is_plain_range(start.edge.period, stop.edge.period):
                found.append((stop.end, Between(start.edge, stop.edge)))
    return found


def _spanned(first: _Part, last: _Part) -> Dates | Between | None:
    """From one date to another of which either may lack what the other has: "1st | 15th of March 2026"."""
    one_month = None in (first.months, last.months)
    if last.day is not None and last.months is None:
        last = replace(last, months=first.months)
    if first.day is not None and first.months is None and last.day is not None:
        first = replace(first, months=last.months)
    begin, end = first.named(), last.named()
    if begin is not None and end is not None:
        if one_month and begin.number > end.number:
            return None  # "from 20 to 10 March"
        return Between(Edge(begin, "start"), Edge(end, "end"))
    if first.year is None:
        first = replace(first, year=last.year)
    one, two = first.dates(), last.dates()
    return None if one is None or two is None or one.first > two.last else Dates(one.first, two.last)


def _is_plain_range(first: Period, last: Period) -> bool:
    """Whether "from X to Y" may be said with no more words: what is named goes with its like, or with a Calendar."""
    match first, last:
        case Named(one), Named(two):
            return one == two
        case (Calendar(), Calendar() | Named()) | (Named(), Calendar()):
            return True
        case (Dates(), Calendar()) | (Calendar(), Dates()):
            return True
        case _:
            return False


def _sides(words: Words, i: int, side: _Side) -> list[tuple[int, Edge]]:
    """Where a window starts ("since X", "on or after X") or ends ("before X", "until X"), said at i."""
    found: list[tuple[int, Edge]] = []
    for texts, default, sorts in _STARTERS if side == "start" else _ENDERS:
        at = _past(words, i, texts)
        if at > i:
            found += (
                (said.end, said.edge) for said in _edges(words, at, default) if said.named or said.sort not in sorts
            )
    return found


_Opening: TypeAlias = tuple[str, _Side, tuple[_Sort, ...]]  # the words, the edge meant, the sorts of nouns not taken
_STARTERS: tuple[_Opening, ...] = (
    ("since|ever since|on or after|on and after|no earlier than", "start", ("rolling",)),
    ("starting|starting from|starting on|starting in|starting with", "start", ("rolling",)),
    ("beginning|beginning from|beginning on|beginning in|beginning with", "start", ("rolling",)),
    ("after|later than", "end", ("rolling",)),
)
_ENDERS: tuple[_Opening, ...] = (
    ("before|prior to|earlier than", "start", ()),
    ("until|till|til|through|thru|by|up until|up till|on or before|no later than", "end", ("rolling",)),
    ("ending|ending in|ending on|ending with", "end", ("rolling",)),
    ("up to|upto", "end", ("rolling", "year")),
)


# ── clocks and days of the week ───────────────────────────────────────────────────────────────────────────────────


_Clock: TypeAlias = tuple[
    int, int, Literal["half", "day", "bare"]
]  # end; minutes; said with am or pm, by 24 hours, "9"


def _clock(words: Words, i: int) -> _Clock | None:
    word = _word(words, i)
    if word in ("noon", "midnight"):
        return i + 1, 720 if word == "noon" else 0, "half"
    said = _CLOCK_TOKEN.fullmatch(word)
    if said is None:
        return None
    hour, minute, half, end = int(said[1]), int((said[2] or ":0")[1:]), said[3], i + 1
    if half is None:
        end = _past(words, i + 1, "am|pm|a.m|p.m|a.m .|p.m .")
        half = words[i + 1][0] + "m" if end > i + 1 else None
    if minute > 59 or hour * 60 + minute > 1440 or (half and not 1 <= hour <= 12):
        return None
    if half:
        return end, (hour % 12 + (12 if half == "pm" else 0)) * 60 + minute, "half"
    return end, hour * 60 + minute, "day" if said[2] else "bare"


def clock_end(words: Words, i: int) -> int | None:
    """The end of a time of the day at word i ("9am", "9:30"), if there is one that is no bare number."""
    clock = _clock(words, i)
    return clock[0] if clock is not None and clock[2] != "bare" else None


def named_end(words: Words, i: int) -> int | None:
    """The end of the name of a month or quarter at word i, said without its year or a day."""
    found = [end for end, part in _parts(words, i) if part.months and part.day is None and part.year is None]
    return max(found, default=None)


def _clock_range(words: Words, i: int, joints: str) -> tuple[int, tuple[int, int]] | None:
    """The hours "9am and 5pm", "9 to 5pm", "22:00 - 02:00", after their end."""
    first = _clock(words, i)
    last = None if first is None else _clock(words, _past(words, first[0], joints))
    if first is None or last is None or last[2] == "bare":
        return None
    if not _says(words, first[0], joints) and "bare" != first[2] != last[2]:
        return None
    start, end = first[1], last[1] or 1440
    if first[2] == "half" and last[2] == "day" and end <= 720:
        return None  # "from 9am to 5:30"
    if last[2] == "half" and first[2] != "half" and start <= 720:
        # the half of the day of the end, if that is before it: "2 to 5pm", but "9 to 5pm" starts in the morning
        same = start % 720 + (720 if end >= 720 else 0)
        start = same if same < end else (same + 720) % 1440
    elif first[2] == "bare":
        return None
    return None if start in (end, 1440) else (last[0], (start, end))


def _weekdays(words: Words, i: int) -> tuple[int, tuple[int, ...]] | None:
    """The days "Mondays", "weekends and Fridays", "Mondays to Thursdays", after their end."""
    days_said = _DAY_SETS.get(_word(words, i))
    if days_said is None:
        return None
    at = _past(words, i + 1, "to|through|thru|till|-")
    last = _DAY_SETS.get(_word(words, at), ()) if at > i + 1 else ()
    if len(days_said) == len(last) == 1:
        return (at + 1, tuple(range(days_said[0], last[0] + 1))) if days_said < last else None
    found, end = set(days_said), i + 1
    while (at := _past(words, end, "and|or|&|,|, and|, or")) > end and _word(words, at) in _DAY_SETS:
        found |= set(_DAY_SETS[words[at]])
        end = at + 1
    return end, tuple(sorted(found))


# ── phrases: what starts at a word ────────────────────────────────────────────────────────────────────────────────

_Found: TypeAlias = Iterator[tuple[int, Meaning]]

_EVER = (
    "ever|ever before|previously|already|yet|lifetime|in their lifetime|over their lifetime|all time|of all time"
    "|at any time|at any point|any time|anytime|to date|till date|so far|thus far|until now|till now|up to now"
    "|up until now"
)


def _ever(words: Words, i: int) -> _Found:
    end = _past(words, i, _EVER)
    if end > i:
        yield end, Ever()
    if words[i] == "before" and _word(words, i + 1) in _STOPS:
        yield i + 1, Ever()
    end = _past(words, i, "in the past|in past")
    if (
        end > i
        and not (span_at(words, end) or _number(words, end))
        and _word(words, end) not in _SPANS.keys() | _VAGUE | _WHOLE
    ):
        yield end, Ever()


_LONG: tuple[_Sort, ...] = ("rolling", "calendar", "month", "quarter", "date")
_TAKES: dict[str, tuple[_Sort, ...]] = {
    "in": (*_LONG, "year"),
    "during": (*_LONG, "day", "year"),
    "throughout": (*_LONG, "day", "year"),
    "within": (*_LONG, "year"),
    "inside": (*_LONG, "year"),
    "over": ("rolling", "calendar", "date"),  # "over 2000" is an amount
    "across": ("rolling", "calendar", "date"),
    "for": ("rolling", "calendar", "day", "date"),
    "on": ("calendar", "weekday", "day", "date"),
    "from": ("rolling", "calendar", "ago", "month", "quarter", "weekday", "day", "date"),
    "of": (*_LONG, "day", "year"),  # "every month of | 2025": the word is another's, and only looked back at
    "": ("rolling", "calendar", "ago", "date"),  # no preposition
}


def _in_period(words: Words, i: int) -> _Found:
    """ "in the last 30 days", "yesterday evening", "3 days ago", "March 2026 onwards", "from last month" """
    so_far = _past(words, i, "so far|thus far")
    how = _word(words, so_far) if _word(words, so_far) in _TAKES.keys() - {"of"} else ""
    at = so_far + (how != "")
    takes = _TAKES["of" if how == "" and i > 0 and words[i - 1] == "of" else how]
    at = _past(words, at, "the course of|course of") if how in ("in", "over", "during") else at
    for noun in _nouns(words, at):
        onwards = _past(words, noun.end, "onwards|onward|and onwards|or later|or after|and later|and after")
        backwards = _past(words, noun.end, "or earlier|or before|and earlier|and before")
        if how == "from" and _word(words, noun.end) == "on" and _word(words, noun.end + 1) in _STOPS:
            onwards = noun.end + 1
        since = Window(Between(Edge(noun.period, "start"), None))
        if noun.sort in ("rolling", "time") and max(onwards, backwards) > noun.end:
            continue
        if onwards > noun.end and (
            _word(words, onwards) in _STOPS or _word(words, onwards - 1) not in ("after", "later")
        ):
            yield onwards, since
        elif backwards > noun.end and _word(words, backwards) in _STOPS:
            yield backwards, Window(Between(None, Edge(noun.period, "end")))
        elif noun.sort in takes and not _is_listed(words, noun.end):
            for end, hours in _then_daypart(words, noun):
                yield end, Window(noun.period, hours=hours)
                if how == "from" and noun.sort != "rolling" and hours is None:
                    yield end, since


def _then_daypart(words: Words, noun: _Noun) -> list[tuple[int, tuple[int, int] | None]]:
    """The end of the noun, or of the part of the day that follows it, with its hours ("yesterday evening").

    A night belongs to two days: of "yesterday night" nothing is read.
    """
    part = _word(words, noun.end)
    if part not in _DAYPARTS_SAID or not _is_day(noun.period):
        return [(noun.end, None)]
    return [(noun.end + 1, _DAYPARTS[part])] if part in _DAYPARTS and part != "night" else []


def _is_day(period: Period) -> bool:
    match period:
        case Calendar("day") | Named("weekday" | "date"):
            return True
        case Dates(first, last):
            return first == last
        case _:
            return False


def _one_sided(words: Words, i: int) -> _Found:
    """ "since X", "before X", "after X", "until X", "since X and before Y"; and "since the last 30 days" """
    for end, start in _sides(words, i, "start"):
        if not _is_listed(words, end):
            yield end, Window(Between(start, None))
        at = _past(words, end, "and|but|,|, and|, but")
        for stop_end, stop in _sides(words, at, "end"):
            yield stop_end, Window(Between(start, stop))
        if words[i] == "since" and (to := _past(words, end, "to|-")) > end:
            for said in _edges(words, to, "end"):
                if said.named or _is_plain_range(start.period, said.edge.period):
                    yield said.end, Window(Between(start, said.edge))
    for end, stop in _sides(words, i, "end"):
        if not _is_listed(words, end):
            yield end, Window(Between(None, stop))
        for start_end, start in _sides(words, _past(words, end, "and|but|,|, and|, but"), "start"):
            if not _is_apart(stop.period, start.period):
                yield start_end, Window(Between(start, stop))
    if words[i] == "since":
        for noun in _nouns(words, i + 1):
            if noun.sort == "rolling":
                yield noun.end, Window(noun.period)
        span = span_at(words, i + 1)
        if span is not None and _word(words, span[0]) not in _AGO and not _is_cut(words, span[0]):
            yield span[0], Window(Rolling(span[1]))


def _is_apart(until: Period, since: Period) -> bool:
    """Whether "before X and after Y" are two times, since Y is not before X."""
    match until, since:
        case Named(unit, before), Named(other, after):
            return unit == other and after >= before
        case Dates(before), Dates(_, after):
            return after >= before - timedelta(days=1)
        case _:
            return until == since


_JOINTS = {"between": "and|to|till|until|-|&", "from": _TO}


def _two_sided(words: Words, i: int) -> _Found:
    """ "between X and Y", "from X to Y", "in January to March 2026", "1st to 15th of March 2026", "from 9am to 5pm" """
    at = _past(words, i, "between|in between|from|in|on|during|over|within|for|throughout")
    how = words[at - 1] if at > i else ""
    joints = _JOINTS.get(how, _TO)
    for end, period in _ranges(words, at, joints):
        dated = isinstance(period, Dates) and (
            how or not _YEAR_TOKEN.fullmatch(words[i])
        )  # "2000 to 2024" may be amounts
        if how in ("between", "from") or dated or (how and _is_named_range(period)):
            yield end, Window(period)
            if _word(words, at) in _WEEKDAYS and (days := _days_between(period)):  # of one week, or of any
                yield end, Window(weekdays=days)
    if how in ("between", "from", "") and (hours := _clock_range(words, at, joints)) is not None:
        yield hours[0], Window(hours=hours[1])


def _days_between(period: Period) -> tuple[int, ...]:
    """The days of the week from one to another, where a period goes between two such days."""
    match period:
        case Between(Edge(Named("weekday", first), "start"), Edge(Named("weekday", last), "end")):
            return tuple(sorted({(first + days - 1) % 7 + 1 for days in range((last - first) % 7 + 1)}))
        case _:
            return ()


def _is_named_range(period: Period) -> bool:
    match period:
        case Between(Edge(Named(unit), "start"), Edge(Named(other), "end")):
            return unit == other != "weekday"
        case _:
            return False


def _by_age(words: Words, i: int) -> _Found:
    """ "more than 30 days ago", "30 or more days ago", "less than a week ago", "between 60 and 30 days ago" """
    for end, sign, span in _ages(words, i):
        at = _past(words, end, "and|but")
        other = (
            next((age for age in _ages(words, at) if {sign, age[1]} == {"more", "less"}), None) if at > end else None
        )
        if other is not None:
            near, far = (span, other[2]) if sign == "more" else (other[2], span)
            if _rough(near) < _rough(far):
                edges = Edge(Rolling(far), "start"), Edge(Ago(near), "end")
                yield other[0], Window(Between(*edges))
        if _word(words, end - 1) in _AGO or _says(words, end - 2, "or more|or earlier|or before"):
            ages: dict[str, Period] = {"more": Ago(span), "at least": Ago(span, included=True), "less": Rolling(span)}
            yield end, Window(ages[sign])
    at = _past(words, i, "between|from")
    joints = _JOINTS.get(_word(words, i), _TO)
    number = _number(words, at)
    spans = span_at(words, at)
    first_end = spans[0] if spans is not None else number[0] if number is not None else len(words)
    middle = _past(words, first_end, joints)
    last = span_at(words, middle)
    if middle == first_end or last is None or _word(words, last[0]) not in _AGO:
        return
    if spans is not None:
        one = spans[1]
    else:
        assert number is not None
        unit = _SPANS[words[last[0] - 1]] if words[last[0] - 1] in _SPANS else Span(1, last[1].unit)
        one = Span(number[1] * unit.amount, unit.unit)
    far, near = sorted((one, last[1]), key=_rough, reverse=True)
    if _rough(far) > _rough(near):
        yield last[0] + 1, Window(Stretch(far, near))


def _ages(words: Words, i: int) -> list[tuple[int, Literal["more", "at least", "less"], Span]]:
    """How long ago, compared: "more than 30 days ago", "30+ days ago"; "ago" may lack before "and less than …"."""
    sign: Literal["more", "at least", "less"] | None = None
    at = i
    for how, texts in (("more", _MORE), ("at least", _AT_LEAST), ("less", _LESS)):
        if (end := _past(words, i, texts)) > i:
            sign, at = how, end  # type: ignore[assignment]
    span = _span_or_more(words, at) if sign is None else _span_after(words, at)
    if span is None:
        return []
    end, length, said = span
    sign = sign or said
    if _word(words, end) in _AGO:
        end += 1
        if sign is None:
            more = _past(words, end, "or more|or earlier|or before")
            sign, end = ("at least" if more > end else None), more
    elif not (sign in ("more", "less") and at > i and _says(words, end, "and|but")):
        return []
    return [] if sign is None else [(end, sign, length)]


_OrMore: TypeAlias = Literal["at least", "less"]


def _span_after(words: Words, i: int) -> tuple[int, Span, None] | None:
    span = span_at(words, i)
    if span is not None:
        return *span, None
    number = _number(words, i)  # "more than 30 | and less than 60 days ago": the unit is the other's
    at = None if number is None else _past(words, number[0], "and|but")
    if number is None or at is None or at == number[0]:
        return None
    other = _past(words, at, f"{_MORE}|{_LESS}")
    last = span_at(words, other) if other > at else None
    return None if last is None else (number[0], Span(number[1], last[1].unit), None)


def _span_or_more(words: Words, i: int) -> tuple[int, Span, _OrMore | None] | None:
    """ "30 days", "30 or more days", "30+ days", "30 days or more", "30 or fewer days" """
    number = _number(words, i)
    if number is not None:
        more = _past(words, number[0], "or more|+|plus")
        less = _past(words, number[0], "or fewer|or less")
        one = _SPANS.get(_word(words, max(more, less)))
        if max(more, less) > number[0] and one is not None:
            how: _OrMore = "at least" if more > less else "less"
            return max(more, less) + 1, Span(number[1] * one.amount, one.unit), how
    span = span_at(words, i)
    if span is None:
        return None
    end = _past(words, span[0], "or more|or longer")
    return end, span[1], "at least" if end > span[0] else None


def _rough(span: Span) -> float:
    """About how many minutes a span has: only to tell the longer from the shorter."""
    return span.amount * (
        {"minute": 1, "hour": 60, "day": 1440, "week": 10080}.get(span.unit) or 43830 * _MONTHS[span.unit]
    )


def _within(words: Words, i: int) -> _Found:
    """ "within 7 days", "in less than a week", "inside of 3 weeks", "in a 7 day period", "in 30 days or less" """
    at = i + 1 + (words[i] == "inside" and _word(words, i + 1) == "of")
    at = _past(words, at, _LESS)
    at = _past(words, at, "a period of|a span of|a space of|a window of|the span of|the space of")
    at = _past(words, at, "a") if _number(words, at + 1) and _word(words, at) == "a" else at
    span = _span_or_more(words, at)
    if span is None or span[2] == "at least" or _is_year(words, at):
        return
    end = _past(words, span[0] + (_word(words, span[0]) in _PERIOD_WORDS), "or less|or fewer")
    is_anchored = _word(words, end) == "before" and _nouns(words, end + 1)
    if not is_anchored and _word(words, end) not in {*_AGO, "prior", "preceding"}:
        yield end, Within(span[1])


def _is_year(words: Words, i: int) -> bool:
    """Whether a number is a year's own, and no length of time: "in 2025 year"."""
    unit = _word(words, i + 1)
    return _YEAR_TOKEN.fullmatch(_word(words, i)) is not None and unit in ("year", "years", "month", "months")


def _by_its_number(words: Words, i: int) -> _Found:
    """ "in 2025 year", "during 2025 year" """
    if _YEAR_TOKEN.fullmatch(_word(words, i + 1)) and _word(words, i + 2) == "year":
        year = int(words[i + 1])
        yield i + 3, Window(Dates(date(year, 1, 1), date(year, 12, 31)))


def _lasting(words: Words, i: int) -> _Found:
    """ "for 30 days", "for at least a year", "in over 60 days", "in 30 or more days" """
    at = _past(words, i + 1, f"{_MORE}|{_AT_LEAST}")
    span = _span_or_more(words, at)
    if span is None or span[2] == "less" or (words[i] == "in" and at == i + 1 and span[2] is None):
        return
    if _word(words, span[0]) not in _AGO and not _says(words, span[0], "before|prior|preceding|period|window"):
        yield _past(words, span[0], "now"), Lasting(span[1])


def _preceding(words: Words, i: int) -> _Found:
    """ "the 30 days prior", "the month before that", "in the 7 days before 5 March 2026", "the preceding week" """
    at = _past(words, i, "in|during|over|within|for|throughout")
    the = _past(words, at, "the")
    if _word(words, the) in ("prior", "preceding"):
        span = span_at(words, the + 1) or _one_unit(words, the + 1)
        if span is not None and not _is_cut(words, span[0]):
            yield span[0], Prior(span[1])
        return
    if the == at and _word(words, i) not in ("in", "within"):
        return
    span = span_at(words, the) or (_one_unit(words, the) if the > at and _before_last(words, the) is None else None)
    if span is None:
        return
    for noun in _before_noun(words, span):
        if not _is_listed(words, noun.end):
            yield noun.end, Window(noun.period)
    end = _past(words, span[0], "prior|before|preceding|before that|before this|before it|prior to that|prior to this")
    if the > at and end > span[0] and (_word(words, end) in _STOPS or end > span[0] + 1) and not _nouns(words, end - 1):
        yield end, Prior(span[1])


def _following(words: Words, i: int) -> _Found:
    """ "in the following month", "the subsequent 3 days", "in the week after that" """
    at = _past(words, i, "in|during|over|within|for|throughout")
    the = _past(words, at, "the")
    if the == at:
        return
    if _word(words, the) in ("following", "subsequent", "ensuing"):
        span = span_at(words, the + 1) or _one_unit(words, the + 1)
        if span is not None and not _is_cut(words, span[0]):
            yield span[0], Next(span[1])
        return
    span = span_at(words, the) or _one_unit(words, the)
    end = 0 if span is None else _past(words, span[0], "after that|after this|thereafter")
    if span is not None and end > span[0]:
        yield end, Next(span[1])


def _one_unit(words: Words, i: int) -> tuple[int, Span] | None:
    one = _SPANS.get(_word(words, i))
    return None if one is None else (i + 1, one)


def _future(words: Words, i: int) -> _Found:
    """ "in the next 7 days", "next month", "tomorrow", "3 days from now" """
    if words[i] == "tomorrow":
        yield i + 1, Future(Calendar("day", -1))
    number = _number(words, i)
    if number is not None:
        unit = unit_at(words, number[0] + (_word(words, number[0]) in _WHOLE))
        if unit is not None and _says(words, unit[0], "from now") and number[1]:
            yield unit[0] + 2, Future(Calendar(unit[1], -number[1]))
        return
    at = _past(words, i, "in|within|over|during|for")
    the = _past(words, at, "the")
    if _word(words, the) not in _COMING:
        return
    whole = _word(words, the + 1) in _WHOLE
    span = span_at(words, the + 1)
    one = _one_unit(words, the + 1 + whole)
    if span is not None:
        if not _is_cut(words, span[0]):
            yield span[0], Future(Ahead(span[1]))
    elif one is not None and not _is_cut(words, one[0]):
        if whole or (the == at and words[the] == "next" and one[1].unit in _WHOLE_UNITS):
            yield one[0], Future(Calendar(one[1].unit, -1))
        elif the > at:
            yield one[0], Future(Ahead(one[1]))


def _by_clock(words: Words, i: int) -> _Found:
    """ "after 6pm", "before 9am", "until noon", "from 6pm onwards" """
    at = _past(words, i, "after|past|later than|from|before|earlier than|until|till")
    clock = _clock(words, at) if at > i else None
    if clock is None or clock[2] == "bare" or clock[1] in (0, 1440):
        return
    other = _clock(words, _past(words, clock[0], _TO)) if _says(words, clock[0], _TO) else None
    if other is not None and _word(words, other[0]) not in _MONTHS_SAID:  # "after 18:00 until 7 July" has one clock
        return
    if words[i] in ("after", "past", "later"):
        yield clock[0], Window(hours=(clock[1], 1440))
        both = _past(words, clock[0], "and before|but before")
        last = _clock(words, both) if both > clock[0] else None
        if last is not None and last[2] == clock[2] and clock[1] < (last[1] or 1440):
            yield last[0], Window(hours=(clock[1], last[1] or 1440))
    elif words[i] != "from":
        yield clock[0], Window(hours=(0, clock[1]))
    elif (end := _past(words, clock[0], "onwards|onward")) > clock[0]:
        yield end, Window(hours=(clock[1], 1440))


def _by_daypart(words: Words, i: int) -> _Found:
    """ "in the morning", "at night", "evenings", "this morning", "on the morning of 5 March 2026" """
    word = _word(words, i)
    if word == "this":
        hours = _DAYPARTS.get(_word(words, i + 1))
        if hours is not None and words[i + 1] != "night":
            yield i + 2, Window(Calendar("day", 0), hours=hours)
        return
    at = _past(words, i, "in|in the|during|during the|at|on the")
    part = _word(words, at)
    hours = _DAYPARTS_SAID.get(part)
    if hours is None or (at == i and part in _DAYPARTS) or (word == "at" and not part.startswith("night")):
        return
    joint = _past(words, at + 1, "and|or|&|,|/|and in|or in|and in the|or in the|to|till")
    if joint > at + 1 and _word(words, joint) in _DAYPARTS_SAID:
        return
    if _word(words, at + 1) != "of":
        if word != "on":
            yield at + 1, Window(hours=hours)
    elif not part.startswith("night"):
        for noun in _nouns(words, at + 2):
            if _is_day(noun.period):
                yield noun.end, Window(noun.period, hours=hours)


def _by_weekday(words: Words, i: int) -> _Found:
    """ "on weekends", "Mondays and Fridays", "on a Monday", "Sunday mornings", "last Monday", "Monday of last week" """
    yield from _one_weekend(words, i)
    at = _past(words, i, "on|on the|on a|on any|during|during the|over|over the|at|in")
    days_said = _weekdays(words, at)
    part = _word(words, at + 1)
    number = _WEEKDAYS.get(_word(words, at))
    if days_said is not None:
        end, weekdays = days_said
        single = end == at + 1 and words[at] in ("weekday", "weekend")
        with_part = _word(words, end) in _DAYPARTS_SAID
        if single and not with_part and not (words[i] == "on" and words[at - 1] != "the"):
            return
        if not with_part:
            yield end, Window(weekdays=weekdays)
        elif not words[end].startswith("night"):
            yield end + 1, Window(weekdays=weekdays, hours=_DAYPARTS_SAID[words[end]])
    elif number is not None:
        if part in _DAYPARTS_SAID and part not in _DAYPARTS and part != "nights":
            yield at + 2, Window(weekdays=(number,), hours=_DAYPARTS_SAID[part])
        elif words[at - 1] in ("a", "any") and at > i and part not in _DAYPARTS_SAID:
            other = _past(words, at + 1, "or|or a|or on a|or any")
            second = _WEEKDAYS.get(_word(words, other)) if other > at + 1 else None
            if second is None:
                yield at + 1, Window(weekdays=(number,))
            elif not _is_listed(words, other + 1) and _word(words, other + 1) not in _DAYPARTS_SAID:
                yield other + 1, Window(weekdays=tuple(sorted({number, second})))
        elif (week := _present_or_last_week(words, at + 1)) is not None:
            yield week[0], Window(Calendar("week", week[1]), weekdays=(number,))
    last = _past(words, i, "last|on last")
    number = _WEEKDAYS.get(_word(words, last)) if last > i else None
    if number is not None and _word(words, last + 1) != "of" and not _is_listed(words, last + 1):
        for end, hours in _then_daypart(words, _Noun(last + 1, Named("weekday", number), "weekday")):
            yield end, Window(Named("weekday", number), hours=hours)
            yield end, Window(Calendar("week", 1), weekdays=(number,), hours=hours)


def _one_weekend(words: Words, i: int) -> _Found:
    """ "last weekend"; "this weekend", which on a Monday may be the one just past; "on the weekend": that, or any"""
    at = _past(words, i, "on|at|in|over|during")
    which = _past(words, at, "the|this|last|the last|this last|past|the past|this past|previous|the previous")
    if which == at or _word(words, which) not in ("weekend", "weekend's"):
        return
    if _says(words, which + 1, "of|before|after|prior to") or _word(words, which + 1) in _DAYPARTS_SAID:
        return
    if words[i] == "the" and words[which - 1] == "the":
        return
    one = Window(Calendar("week", 1), weekdays=_DAY_SETS["weekend"])
    if words[which - 1] == "the":
        yield which + 1, replace(one, period=None)
    elif words[which - 1] == "this":
        yield which + 1, replace(one, period=Calendar("week", 0))
    yield which + 1, one


def _present_or_last_week(words: Words, i: int) -> tuple[int, int] | None:
    at = _past(words, i, "of|in")
    end = _past(words, at, "this week|last week|the previous week|previous week")
    return None if end == at else (end, 0 if words[at] == "this" else 1)


_Rule: TypeAlias = Callable[[Words, int], _Found]
_NUMBER_WORDS = {"a", "an", "half", *_ONES, *_TENS}
_COUNTING = _NUMBER_WORDS | {"dozen"}  # what opens a number or a length of time, beside digits
_BARE = {
    *_THE, *_RECENT, *_TO_DATE, *_DATE_OPENERS, *_NUMBER_WORDS, *_WHOLE_UNITS,
    "most", "current", "present", "today", "today's", "yesterday", "yesterday's", "day", "exactly", "so", "thus",
}  # fmt: skip
_RULES_BY_OPENERS: tuple[tuple[_Rule, Set[str]], ...] = (
    (_ever, _table(_EVER).keys() | {"before", "in"}),
    (_in_period, (_BARE | _TAKES.keys()) - {"of", ""}),
    (_one_sided, _table("|".join(texts for texts, _, _ in (*_STARTERS, *_ENDERS))).keys()),
    (
        _two_sided,
        _DATE_OPENERS
        | {"between", "from", "in", "on", "during", "over", "within", "for", "throughout", "noon", "midnight"},
    ),
    (_by_age, _NUMBER_WORDS | {"between", "from"} | _table(f"{_MORE}|{_AT_LEAST}|{_LESS}").keys()),
    (_within, {"in", "within", "inside"}),
    (_by_its_number, {"in", "during"}),
    (_lasting, {"for", "in"}),
    (_preceding, {"in", "during", "over", "within", "for", "throughout", "the", "prior", "preceding"}),
    (_following, {"in", "during", "over", "within", "for", "throughout", "the"}),
    (_future, _COMING | _NUMBER_WORDS | {"tomorrow", "the", "in", "within", "over", "during", "for"}),
    (_by_clock, {"after", "past", "later", "from", "before", "earlier", "until", "till"}),
    (_by_daypart, {"this", "in", "during", "at", "on", *(word + "s" for word in _DAYPARTS)}),
    (
        _by_weekday,
        _DAY_SETS.keys()
        | _WEEKDAYS.keys()
        | {"on", "during", "over", "at", "in", "last", "this", "the", "past", "previous"},
    ),
)
_DIGIT_RULES: tuple[_Rule, ...] = (_in_period, _two_sided, _by_age, _future)
_RULES: dict[str, tuple[_Rule, ...]] = {
    word: tuple(rule for rule, openers in _RULES_BY_OPENERS if word in openers)
    for word in set().union(*(openers for _, openers in _RULES_BY_OPENERS))
}


def read(words: Words, i: int) -> list[TimePhrase]:
    """All phrases of time that start at word i of lower-case tokens, longest first.

    Where half of a longer phrase would mean something else ("in March" in "in March last year"), neither is there.
    """
    word = words[i]
    rules = _DIGIT_RULES if word[:1].isdigit() else _RULES.get(word, ())
    found = dict.fromkeys(phrase for rule in rules for phrase in rule(words, i))
    return [TimePhrase(*phrase) for phrase in sorted(found, key=lambda phrase: -phrase[0])]


def merge(first: Window, second: Window) -> Window | None:
    """Both windows at once ("on weekends" + "in 2025"); None where both say the same part."""
    for part in ("period", "weekdays", "hours"):
        if getattr(first, part) and getattr(second, part):
            return None
    return Window(first.period or second.period, first.weekdays or second.weekdays, first.hours or second.hours)


def read_all(words: Words) -> Window | None:
    """The one window that all the words say together; None where they say none, or more than one.

    A Future counts as its period here, Ever as no limit.
    """
    found = _read_from(words, 0, Window()) if words else set()
    return found.pop() if len(found) == 1 else None


def _read_from(words: Words, i: int, so_far: Window) -> set[Window]:
    if i == len(words):
        return {so_far}
    found: set[Window] = set()
    for phrase in read(words, i):
        match phrase.meaning:
            case Window() as window:
                merged = merge(so_far, window)
            case Future(period):
                merged = merge(so_far, Window(period))
            case Ever():
                merged = so_far
            case Within() | Lasting() | Prior() | Next():
                merged = None
        if merged is not None:
            found |= _read_from(words, phrase.end, merged)
    return found


# ── back to words ─────────────────────────────────────────────────────────────────────────────────────────────────


def say(window: Window) -> str:
    """The window in canonical English, which `read_all` reads back to the same window."""
    parts = [_say_weekdays(window.weekdays), _say_hours(window.hours)]
    parts += [] if window.period is None else [_say_period(window.period)]
    return " ".join(part for part in parts if part) or "at any time"


def say_span(span: Span) -> str:
    """ "7 days", "1 month" """
    return f"{span.amount} {span.unit}" if span.amount == 1 else f"{span.amount} {span.unit}s"


def _say_weekdays(weekdays: tuple[int, ...]) -> str:
    match weekdays:
        case ():
            return ""
        case (1, 2, 3, 4, 5):
            return "on weekdays"
        case (6, 7):
            return "on weekends"
    names = [_DAY_NAMES[number - 1] + "s" for number in weekdays]
    return f"on {' and '.join(names)}"


def _say_hours(hours: tuple[int, int] | None) -> str:
    if hours is None:
        return ""
    part = next((part for part, its_hours in _DAYPARTS.items() if its_hours == hours), None)
    if part is not None:
        return "at night" if part == "night" else f"in the {part}"
    start, end = (f"{minutes // 60:02}:{minutes % 60:02}" for minutes in hours)
    if hours[1] == 1440 and hours[0]:
        return f"after {start}"
    if hours[0] == 0 and hours[1] != 1440:
        return f"before {end}"
    return f"between {start} and {end}"


def _say_period(period: Period) -> str:
    match period:
        case Stretch(far, near):
            first = str(far.amount) if far.unit == near.unit else say_span(far)
            return f"between {first} and {say_span(near)} ago"
        case Ago(span, included):
            more = f"{span.amount} or more {span.unit}s" if included else f"more than {say_span(span)}"
            return f"{more} ago"
        case Rolling() | Ahead() | Preceding() | Following():
            return f"in {_say_noun(period)}"
        case Calendar():
            return _say_noun(period)
        case Named(unit):
            return f"{'on' if unit in ('weekday', 'date') else 'in'} {_say_noun(period)}"
        case Dates(first_day, last_day):
            if first_day == last_day:
                return f"on {_say_noun(period)}"
            whole = _say_whole(period)
            return f"in {whole}" if whole else f"from {_say_day(first_day)} to {_say_day(last_day)}"
        case Between(start, end):
            return _say_between(start, end)
        case _:
            assert_never(period)


def _say_between(start: Edge | None, end: Edge | None) -> str:
    if start is None and end is None:
        return "at any time"
    if end is None:
        assert start is not None
        return _say_side(start, "since" if start.side == "start" else "after")
    if start is None:
        return _say_side(end, "before" if end.side == "start" else "until")
    plain = _is_plain_range(start.period, end.period) and not _days_between(Between(start, end))
    if start.side == "start" and end.side == "end" and plain:
        return f"from {_say_noun(start.period)} to {_say_noun(end.period)}"
    return f"from {_say_edge(start)} to {_say_edge(end)}"


def _say_side(edge: Edge, preposition: str) -> str:
    rolling = isinstance(edge.period, Rolling) and preposition != "before"
    return f"{preposition} {_say_edge(edge) if rolling else _say_noun(edge.period)}"


def _say_edge(edge: Edge) -> str:
    return f"the {edge.side} of {_say_noun(edge.period)}"


def _say_noun(period: Period) -> str:
    """The period without a preposition."""
    match period:
        case Rolling(Span(amount, unit)):
            return f"the last {unit}" if amount == 1 else f"the last {amount} {unit}s"
        case Ahead(Span(amount, unit)):
            return f"the next {unit}" if amount == 1 else f"the next {amount} {unit}s"
        case Preceding(span, inner):
            return f"the {say_span(span)} before {_say_noun(inner)}"
        case Following(span, inner):
            return f"the {say_span(span)} after {_say_noun(inner)}"
        case Calendar(unit, back):
            return _say_calendar(unit, back)
        case Named(unit, number):
            if unit == "quarter":
                return f"Q{number}"
            if unit == "date":
                return f"{number % 100} {_MONTH_NAMES[number // 100 - 1]}"
            return (_MONTH_NAMES if unit == "month" else _DAY_NAMES)[number - 1]
        case Dates(first, last) if first == last:
            return _say_day(first)
        case Dates(first, last):
            return _say_whole(period) or f"the days from {_say_day(first)} to {_say_day(last)}"
        case Stretch() | Ago():
            return f"the time {_say_period(period)}"
        case Between(start, end):
            if start is None or end is None:
                edge = "" if end is None else f"up to {_say_edge(end)}"
                return f"the time {edge if start is None else f'from {_say_edge(start)} onwards'}"
            return f"the time from {_say_edge(start)} to {_say_edge(end)}"
        case _:
            assert_never(period)


def _say_calendar(unit: Unit, back: int) -> str:
    if unit == "day" and -1 <= back <= 1:
        return ("today", "yesterday", "tomorrow")[back]
    kind = unit if unit in ("day", *_WHOLE_UNITS) else f"calendar {unit}"
    if -1 <= back <= 1:
        return f"{('this', 'last', 'next')[back]} {kind}"
    return f"{abs(back)} {kind}s {'ago' if back > 0 else 'from now'}"


def _say_day(day: date) -> str:
    if not _YEAR_TOKEN.fullmatch(f"{day.year}"):
        return day.isoformat()
    return f"{day.day} {_MONTH_NAMES[day.month - 1]} {day.year}"


def _say_whole(dates: Dates) -> str | None:
    """A whole month, quarter or year, if that is what the days are."""
    year, first, last = dates.first.year, dates.first.month, dates.last.month
    if year != dates.last.year or not _YEAR_TOKEN.fullmatch(f"{year}"):
        return None
    if dates != _Part(year, (first, last)).dates():
        return None
    if first == last:
        return f"{_MONTH_NAMES[first - 1]} {year}"
    if last - first == 2 and last % 3 == 0:
        return f"Q{last // 3} {year}"
    return f"{year}" if last - first == 11 else None
