"""The words of a question with all that each run of them can be: the lattice that both readers read.

    question ── tokens ──► words ── look up (one batch) ──► edges: category, first word, last word, meaning

An edge says "words i to j can be a VALUE, and these are the values". Closed classes come from the lexicon, time from
`when`, event types, keys and values from the vocabulary. Nothing is decided here: the grammar chooses among edges.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from grammar import lexicon, numbers, when
from grammar import terms as terms_module
from grammar.closed import ADDRESSED, CLOSED, CLOSED_LONGEST, CONTENT_LEADS, LEAD_PAIRS, LEADS, MODAL_LEADS, NOUN_LEADS
from grammar.names import (
    Candidate,
    Index,
    agreed_to,
    alike,
    event_name,
    find_booleans,
    find_events,
    find_keys,
    has_form,
    index,
    name_stems,
    pays,
    phrase_end,
    stem,
)
from grammar.query import Bound, Rolling, Span, Window
from grammar.spelling import correction, known_words
from grammar.vocabulary import Value, Vocabulary, fold, singular, words_of

LONGEST_RUN = 8  # words of the longest value that is looked for


@dataclass(frozen=True, slots=True)
class Word:
    """One token: its text in lower case, where it stands in the question, and whether it was written in quotes."""

    low: str
    start: int
    end: int
    raw: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """Words `first` to `end` (exclusive) taken as a category, with what they mean there.

    `used` is filled when a reading makes use of it: a reading that leaves one unused is no reading.
    """

    category: str
    first: int
    end: int
    meaning: Any = None
    used: list[None] = field(default_factory=list, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Lattice:
    """All edges of a question. `at[i]` holds those that start at word i, by category and by end, longest first."""

    question: str
    words: tuple[Word, ...]
    at: tuple[dict[str, dict[int, Edge]], ...]
    corrections: tuple[tuple[str, str], ...] = ()

    def text(self, first: int, end: int) -> str:
        """The question's own words from `first` to `end`."""
        end = min(end, len(self.words))
        if first >= end:
            return ""
        return self.question[self.words[first].start : self.words[end - 1].end]

    def behind_article(self, i: int) -> bool:
        """Whether "a" or "an" stands right before word i."""
        return i > 0 and self.words[i - 1].low in ("a", "an")


def every_one(lattice: Lattice, i: int) -> int | None:
    """The "all" or "every" that is said of what begins with word i: "all of their orders", "every order"."""
    while i and lattice.words[i - 1].low in _OF_THEIRS:
        i -= 1
    return i - 1 if i and lattice.words[i - 1].low in ("all", "every") else None


_OF_THEIRS = frozenset("of the their his her our my your its".split())


def past_fillers(lattice: Lattice, i: int) -> int:
    """The first word from i on that is no filler."""
    return _past_fillers(lattice.at, i)


def _past_fillers(at: Sequence[Mapping[str, Mapping[int, Edge]]], i: int) -> int:
    while i < len(at) and "FILL" in at[i]:
        i = max(at[i]["FILL"])
    return i


_TOKEN = re.compile(
    r"""
    (?P<quoted>"(?:[^"\\]|\\.)*"|`[^`]+`|“[^”]*”|‘[^’]*’|(?<![\w'])'(?=\S)[^']*(?<=\S)'(?!\w))
  | (?P<instant>\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?(?!\d))
  | (?P<slashed>\d{1,2}/\d{1,2}/\d{2,4}(?!\d))
  | (?P<clock>\d{1,2}:\d{2}(?:\s?[ap]m\b)?)
  | (?P<mixed>\d+(?:[.,]\d+){0,8}[^\W\d_]+\b|\d+(?:,\d{2,3})+(?:\.\d+)?|\d+(?:\.\d+)?)
  | (?P<word>[^\W_]\w*(?:[.@'’][^\W_]\w*)*)
  | (?P<symbol>>=|<=|=>|=<|!=|<>|==|[^\s\w])
    """,
    re.VERBOSE | re.UNICODE | re.IGNORECASE,
)


def tokens(question: str) -> tuple[Word, ...]:
    """The words of a question. Contractions stand as their two words; hyphens between letters only part words."""
    found: list[Word] = []
    for match in _TOKEN.finditer(question):
        raw, start, end = match.group(), match.start(), match.end()
        if match.lastgroup == "quoted":
            inner = raw[1:-1].replace('\\"', '"').replace("\\\\", "\\")
            found.append(Word(inner.casefold(), start, end, inner, quoted=True))
            continue
        if match.lastgroup == "instant":
            raw = raw.replace(" ", "T")
        if match.lastgroup == "symbol":
            if raw in "-–—":
                if _joins_letters(question, start, end):
                    continue
                raw = "−" if _is_minus(question, start, end) else "-"
            elif raw in ".?!…" and (not question[end:].strip(" .?!…)\"'") or (start == 0 and raw in ".…")):
                continue
            elif raw in "?!" and _is_pause(question, start, end):
                raw = "."
        low = raw.casefold().replace("’", "'")
        if match.lastgroup == "word":
            parts = _uncontracted(low)
            if len(parts) > 1:
                found.extend(Word(part, start, end, raw) for part in parts)
                continue
            low = parts[0]
        found.append(Word(low, start, end, raw))
    return tuple(found)


_CLOSERS = ")\"'”’`"


def _joins_letters(question: str, start: int, end: int) -> bool:
    """Whether a dash stands within a word, or joins two: "add-to-cart", "customers--gold ones"."""
    before, after = question[start - 1 : start], question[end : end + 1]
    if not before or not after or not (before.isalnum() or before in f"-–—{_CLOSERS}"):
        return False
    return (after.isalnum() or after in "-–—\"'“‘`(") and not (before.isdigit() and after.isdigit())


def _is_minus(question: str, start: int, end: int) -> bool:
    """Whether a dash is a sign of the word or number that it touches ("-Theft", "3- claims"), and no pause."""
    before, after = question[start - 1 : start], question[end : end + 1]
    if before.isdigit():
        return not after.isdigit()
    return before not in ("/", *_CLOSERS) and bool(after) and not after.isspace()


def _is_pause(question: str, start: int, end: int) -> bool:
    """Whether a mark ends what is said, and is no sign of what follows: "hi! who bought"."""
    before, after = question[start - 1 : start], question[end : end + 1]
    return (before.isalnum() or before in f".?!…{_CLOSERS}") and (after.isspace() or after in ".?!…")


def _uncontracted(low: str) -> list[str]:
    if low in lexicon.CONTRACTIONS:
        return lexicon.CONTRACTIONS[low].split()
    if "'" not in low:
        return [low]
    if low.endswith("n't"):
        return [low[:-3], "not"]
    for ending, word in (("'ve", "have"), ("'re", "are"), ("'ll", "will"), ("'d", "had"), ("'m", "am")):
        if low.endswith(ending):
            return [low[: -len(ending)], word]
    if low.endswith("'s"):
        return [low[:-2] + "'s"]
    return [low]


# ── the lattice ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ValueHit:
    """A run of words that is a whole value of some keys; `exact` is the text where it was quoted or is unknown."""

    text: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class EventHit:
    """A run of words that names events, the better candidates first."""

    candidates: tuple[Candidate, ...]

    def best(self) -> tuple[Candidate, ...]:
        """Those that are as good as the first."""
        return tuple(c for c in self.candidates if c.tier == self.candidates[0].tier)


def everyday(event: str) -> EventHit:
    """An event type, as an everyday word names it ("buyers")."""
    return EventHit((Candidate(event, "everyday", frozenset()),))


_EVERY_LENGTH = frozenset(
    {"EV", "EN", "AGENT", "VALUE", "KEY", "TAIL", "PRICED"}
)  # a shorter one may be meant; elsewhere the longest
_RANKS = {"full": 0, "everyday": 1, "partial": 2, "noun": 3}


def lattice(question: str, vocabulary: Vocabulary) -> Lattice:
    """All that the words of a question can be: one batched look-up of its word runs, and a second where a misspelt
    ordinary word was corrected."""
    words = _read_over_quotes(tokens(question), vocabulary)
    read = _lattice(question, words, vocabulary)
    unknown = [i for i, edges in enumerate(read.at) if "UNK" in edges and not words[i].quoted]
    if not unknown:
        return read
    known = known_words(index(vocabulary.event_types(), vocabulary.attributes()))
    corrected = list(words)
    said: list[tuple[str, str]] = []
    label = max(read.at[0].get("LABEL", {0: None}))
    for i in [k for k in unknown if k >= label]:
        right = correction(words[i].low, known, vocabulary)
        if i and words[i].raw[:1].isupper() and not question.isupper() and right not in when.ORDINARY_WORDS:
            continue  # a name, by its capital; months and days have one too
        if right is not None:
            corrected[i] = replace(words[i], low=right)
            said.append((words[i].raw, right))
    return _lattice(question, tuple(corrected), vocabulary, tuple(said)) if said else read


def _read_over_quotes(words: tuple[Word, ...], vocabulary: Vocabulary) -> tuple[Word, ...]:
    """Quotes round a window, a number or a closed-class phrase, where no value is so called, are not there."""
    if not any(w.quoted for w in words):
        return words
    known = vocabulary.values([fold(w.raw) for w in words if w.quoted and fold(w.raw)])
    opened: list[Word] = []
    for word in words:
        inner = [w.low for w in tokens(word.raw)] if word.quoted and fold(word.raw) not in known else []
        timed = bool(inner) and any(t.end == len(inner) for t in when.read(inner, 0))
        counted = bool(inner) and any(end == len(inner) for _, end, _ in numbers.read(inner, 0))
        if timed or counted:
            opened.extend(Word(low, word.start, word.end, low) for low in inner)
        else:
            opened.append(word)
    return tuple(opened)


@dataclass(frozen=True, slots=True)
class _Table:
    """The edges of a question while they are found: `at[i]` holds those that start at word i, by category and end."""

    words: tuple[Word, ...]
    lows: list[str]
    at: list[dict[str, dict[int, Edge]]]

    def put(self, category: str, first: int, end: int, meaning: object = None) -> None:
        """One more edge; of most categories only the longest from a word is kept."""
        known = self.at[first].setdefault(category, {})
        same = known.get(end)
        if same is not None and isinstance(meaning, EventHit):
            both = tuple(dict.fromkeys((*same.meaning.candidates, *meaning.candidates)))
            known[end] = Edge(category, first, end, EventHit(tuple(sorted(both, key=lambda c: _RANKS[c.tier]))))
        elif category in _EVERY_LENGTH or not known:
            known.setdefault(end, Edge(category, first, end, meaning))
        elif end > max(known):
            self.at[first][category] = {end: Edge(category, first, end, meaning)}


def _lattice(
    question: str, words: tuple[Word, ...], vocabulary: Vocabulary, corrections: tuple[tuple[str, str], ...] = ()
) -> Lattice:
    """What each word can be by itself; then what words say of one another; then what no edge covers is unknown."""
    lows = [f'"{word.low}' if word.quoted else word.low for word in words]  # no phrase goes over a word in quotes
    table = _Table(words, lows, [{} for _ in words])
    names = index(vocabulary.event_types(), vocabulary.attributes())
    occurring = frozenset(e.event for e in names.events)
    runs = _runs(words)
    values = _values(words, runs, vocabulary)
    for i, word in enumerate(words):
        if word.quoted:
            _quoted(table, i, values, names, occurring)
            continue
        _closed(table, i)
        _numbers(table, i)
        _currency(table, i)
        _stars(table, i)
        _time(table, i)
        _names(table, i, names, occurring)
        _part_of_day(table, i)
        _state(table, i)
        _visits(table, i, occurring)
        _adjectives(table, i)
        _bare_windows(table, i)
        _either_windows(table, i)
        _value_runs(table, i, question, runs, values)
    _cut_lead(table)
    _brackets(table)
    _lapses(table)
    _gaps(table)
    _all_but(table)
    _labels(table)
    _value_signs(table)
    _split_verbs(table, occurring)
    _named_activity(table)
    _nothing_but(table)
    _called(table)
    _fillers(table)
    _with_us(table)
    _things(table, names)
    _context_or_thing(table)
    _terms(table, vocabulary)
    _segments(table, vocabulary)
    _prune(table)
    _texts(table, question)
    _written(table)
    _unknown(table)
    length = _without_last_fillers(table)
    return Lattice(question, words[:length], tuple(table.at[:length]), corrections)


def _values(
    words: tuple[Word, ...], runs: Mapping[tuple[int, int], str], vocabulary: Vocabulary
) -> dict[str, tuple[Value, ...]]:
    """The values of the data that runs of the words are, by the folded run."""
    found = dict(vocabulary.values(set(runs.values())))
    _countries(found, words, vocabulary)
    return {run: _not_paths(values) for run, values in found.items()}


def _runs(words: tuple[Word, ...]) -> dict[tuple[int, int], str]:
    """The runs of neighbouring words that could be a value, folded, by where they stand."""
    runs: dict[tuple[int, int], str] = {}
    folded = [fold(word.low) for word in words]
    for i, word in enumerate(words):
        if word.quoted:
            runs[i, i + 1] = fold(word.raw)
            continue
        for j in range(i + 1, min(len(words), i + LONGEST_RUN) + 1):
            if words[j - 1].quoted:
                break
            runs[i, j] = " ".join(part for part in folded[i:j] if part)
    return {at: run for at, run in runs.items() if run}


def _quoted(
    table: _Table, i: int, values: Mapping[str, tuple[Value, ...]], names: Index, occurring: frozenset[str]
) -> None:
    """A word in quotes: a value, an event type or a key."""
    word, after = table.words[i], table.lows[i + 1 : i + 2]
    table.put("QUOTED", i, i + 1, ValueHit(word.raw, values.get(fold(word.raw), ())))
    inner = tuple(w.low for w in tokens(word.raw) if not w.quoted)
    if not inner:
        return
    for hit in find_events(names, inner, 0, occurring):
        if hit.end == len(inner) and hit.candidates[0].tier == "full":
            table.put("EN", i, i + 1, EventHit(hit.candidates))
            table.put("EV", i, i + 1, EventHit(hit.candidates))
            if after and after[0] in lexicon.EVENT_WORDS:
                table.put("EN", i, i + 2, EventHit(hit.candidates))
    for end, keys in find_keys(names, inner, 0):
        if end == len(inner):
            table.put("KEY", i, i + 1, keys)


def _closed(table: _Table, i: int) -> None:
    """The phrases of the closed classes from word i, and the opening words."""
    lows = table.lows
    for length in range(min(CLOSED_LONGEST, len(lows) - i), 0, -1):
        phrase = " ".join(lows[i : i + length])
        for category, meaning in CLOSED.get(phrase, ()):
            table.put(category, i, i + length, phrase if category == "FILL" else meaning)
    if i == 0 and not (lows[0] == "return" and lows[1:2] and _is_people(lows[1])):
        end = 0
        while _leads(lows, end) or (lows[end : end + 1] in ([","], ["."]) and 0 < end < 4 and _leads(lows, end + 1)):
            end += 1
        if not _HASTE.issuperset(lows[:end]) or lows[end : end + 1] in ([","], [":"]):  # "quickly bought" is no opening
            table.put("LEAD", 0, end)


_ORDERED_BY = (
    ADDRESSED | MODAL_LEADS | frozenset("to and hi hey hello ok okay so now just also quick quickly team , .".split())
)
_HASTE = frozenset({"quick", "quickly", "now"})


def _leads(lows: list[str], i: int) -> bool:
    """Whether word i is one of the opening words: a preposition is behind one of its own verbs, a modal where it is
    addressed to us."""
    if i >= len(lows) or lows[i] not in LEADS:
        return False
    beside = {*lows[max(0, i - 1) : i], *lows[i + 1 : i + 2]}
    if lows[i] in MODAL_LEADS and ADDRESSED.isdisjoint(beside):
        return False
    if lows[i] in NOUN_LEADS and i and lows[i - 1] not in _ORDERED_BY:
        return False  # "find print editions"
    if lows[i : i + 2] == ["of", "whose"]:
        return False
    if lows[i] == "send":
        return not {"me", "us", "over"}.isdisjoint(beside)
    return lows[i] not in LEAD_PAIRS or (i > 0 and lows[i - 1] in LEAD_PAIRS[lows[i]])


def _cut_lead(table: _Table) -> None:
    """The opening words end where what is asked for begins ("show me | the number of")."""
    at, lows = table.at, table.lows
    for end in at[0].pop("LEAD", {}) if at else ():
        stop = next((k for k in range(end) if "PCT" in at[k] or "HOWMANY" in at[k]), end)
        stop = next(
            (k for k in range(stop) if "VALUE" in at[k] and lows[k] in CONTENT_LEADS and lows[k + 1 : k + 2] != [","]),
            stop,
        )
        stop = next((k for k in range(stop) if lows[k] == "us" and not _is_we(table.words, k)), stop)
        just = stop and lows[stop - 1] == "just" and stop < len(at) and "EV" in at[stop] and "EN" not in at[stop]
        if just and not any("TIMES" in edges for edges in at):
            stop -= 1  # "just ordered" is not long ago; "just ordered once" is once
        if stop:
            at[0]["LEAD"] = {stop: Edge("LEAD", 0, stop)}
    for end in tuple(at[0].get("WIN", ())) if at else ():  # "in 2025, which users …"
        first = end + 1 if end < len(at) and "COMMA" in at[end] else end
        stop = first
        while _leads(lows, stop) and "PCT" not in at[stop] and "HOWMANY" not in at[stop]:
            stop += 1
        if stop > first:
            at[first]["LEAD"] = {stop: Edge("LEAD", first, stop)}


def _currency(table: _Table, i: int) -> None:
    """ "in euros": the currency of a sum."""
    code = lexicon.CURRENCIES.get(table.lows[i + 1]) if table.lows[i] == "in" and i + 1 < len(table.lows) else None
    if code is not None:
        table.put("INCURRENCY", i, i + 2, numbers.Amount(Bound("=", 0), code))


def _numbers(table: _Table, i: int) -> None:
    for category, end, meaning in numbers.read(table.lows, i):
        table.put(category, i, end, meaning)
    unit = lexicon.UNITS.get(table.lows[i])
    if unit is not None and i and any(ch.isdigit() for ch in table.lows[i - 1]):
        table.put("UNITW", i, i + 1, unit)


_TIMES = {
    when.Within: "WITHIN", when.Lasting: "LASTING", when.Prior: "PRIOR", when.Next: "NEXT", when.Future: "FUTURE",
    when.Ever: "EVER",
}  # fmt: skip


def _stars(table: _Table, i: int) -> None:
    """ "5 star", "4 stars or more", "at least 4 stars": how many stars a rating has."""
    for category, end, amount in numbers.read(table.lows, i):
        if category not in ("NUM", "BOUND") or table.lows[end : end + 1] not in (["star"], ["stars"]):
            continue
        assert isinstance(amount, numbers.Amount)
        table.put("STARS", i, end + 1, amount.bound)
        stop, sign = numbers.at_its_end(table.lows, end + 1)
        if sign is not None and category == "NUM":
            table.put("STARS", i, stop, Bound(sign, amount.bound.value))


def _terms(table: _Table, vocabulary: Vocabulary) -> None:
    """Words that the phonebook defines: a group of contacts, or another word for values of the data."""
    lows, terms = table.lows, vocabulary.terms()
    for (first, end), term in (terms_module.runs_of(terms, lows) if terms else {}).items():
        synonym = terms_module.synonym_of(terms[term])
        if synonym is None:
            table.put("TERM", first, end, (term, terms[term]))
        else:
            held = terms_module.values_of(synonym, vocabulary)
            table.put("VALUE", first, end, ValueHit(" ".join(lows[first:end]), held))


def _segments(table: _Table, vocabulary: Vocabulary) -> None:
    """A saved segment behind a word for being in it or for coming and going: "in VIP", "entered the VIP segment". A
    name that the data or the phonebook has for something else needs the word "segment"."""
    segments, lows = vocabulary.segments(), table.lows
    if not segments:
        return
    named = dict(terms_module.runs_of(segments, lows))
    named |= {(i, i + 1): fold(w.raw) for i, w in enumerate(table.words) if w.quoted and fold(w.raw) in segments}
    for (first, end), folded in named.items():
        start, after = first, end
        if after < len(lows) and lows[after] == "segment":
            after += 1
        if start and lows[start - 1] == "segment":
            start -= 1
        if (start, after) == (first, end) and not {"VALUE", "TERM"}.isdisjoint(table.at[first]):
            continue
        starts = [start]
        while starts[-1] and lows[starts[-1] - 1] in lexicon.DETERMINERS:
            starts.append(starts[-1] - 1)
        for phrase, how in lexicon.SEGMENT_PHRASES:
            for begin in (at - len(phrase) for at in starts):
                if begin >= 0 and tuple(lows[begin : begin + len(phrase)]) == phrase:
                    table.put("INSEGMENT" if how == "in" else "MOVED", begin, after, (segments[folded], how))


_AFTERWARDS = (
    ("after",),
    ("afterwards",),
    ("later",),
    ("thereafter",),
    ("of", "that"),
    ("of", "it"),
    ("after", "that"),
    ("of", "doing", "so"),
)


def _is_counted(lows: list[str], i: int, phrase: when.TimePhrase) -> bool:
    """Whether a part of the day is counted, and no time: "3 nights", "3 or more nights", "how many nights"."""
    bare = i and isinstance(phrase.meaning, Window) and phrase.meaning.hours is not None and phrase.end == i + 1
    if not bare:
        return False
    bounds = (numbers.bound_at(lows, j) for j in range(max(0, i - 6), i))
    return lows[i - 1] in _COUNTING or any(bound is not None and bound[0] == i for bound in bounds)


_COUNTING = frozenset("many more most fewer fewest less least of total average several".split())


def _part_of_day(table: _Table, i: int) -> None:
    """A bare part of the day that a key is called is that key: "nights"."""
    wins = table.at[i].get("WIN", {})
    if i + 1 in wins and i + 1 in table.at[i].get("KEY", {}) and any(w.hours for w in wins[i + 1].meaning):
        del wins[i + 1]
        if not wins:
            del table.at[i]["WIN"]


def _state(table: _Table, i: int) -> None:
    """A word for how something is, that is a verb too, is none behind what says that somebody has it: "has an open
    ticket" does not say that they opened it."""
    if table.lows[i] != "open":
        return
    before = next((low for low in reversed(table.lows[:i]) if low not in _ARTICLES), "")
    if before in _HAVING or numbers.number_at([before], 0) is not None:
        for category in ("EV", "GENV", "EN"):
            table.at[i].pop(category, None)


_HAVING = frozenset("have has had having with without no many of".split())


def _time(table: _Table, i: int) -> None:
    """Time phrases from word i: the longest of each kind; phrases of one length are readings of the same words."""
    lows = table.lows
    phrases = [p for p in when.read(lows, i) if not _is_counted(lows, i, p)]
    longest = max((p.end for p in phrases if isinstance(p.meaning, Window)), default=0)
    readings = tuple(p.meaning for p in phrases if isinstance(p.meaning, Window) and p.end == longest)
    if readings:
        table.put("WIN", i, longest, readings)
    for phrase in phrases:
        if not isinstance(phrase.meaning, Window):
            table.put(_TIMES[type(phrase.meaning)], i, phrase.end, phrase.meaning)
    for end in tuple(table.at[i].get("WITHIN", {})):  # "within 7 days after": said of what stands before
        after = next((w for w in reversed(_AFTERWARDS) if tuple(lows[end : end + len(w)]) == w), None)
        rest = lows[end + len(after) :][:1] if after else None
        if after and (not rest or rest[0] in (",", "and", "or", ")")):
            table.put("WITHIN", i, end + len(after), table.at[i]["WITHIN"][end].meaning)


def _names(table: _Table, i: int, names: Index, occurring: frozenset[str]) -> None:
    """Event types and keys from word i, and what the phonebook's own names make of everyday words."""
    lows = table.lows
    forms: dict[tuple[str, int], list[Candidate]] = {}
    if lows[i] in lexicon.PAYING and pays(names):
        table.at[i].pop("SPENT", None)
    for hit in find_events(names, lows, i, occurring):
        category = {"verb": "EV", "noun": "EN", "agent": "AGENT", "tail": "TAIL"}[hit.form]
        forms.setdefault((category, hit.end), []).extend(hit.candidates)
    for (category, end), candidates in forms.items():
        found = alike(names, lows[i:end], candidates) if category == "EN" else candidates
        if end == i + 1 and lows[i] in lexicon.EVENT_WORDS and category != "EV":
            found = [c for c in found if c.tier == "full" or not event_name(c.event).verbs.isdisjoint(map(stem, lows))]
        if not found:
            continue  # "any event", where something is called event-hosted: an event of any type
        table.put(category, i, end, EventHit(tuple(sorted(found, key=lambda c: _RANKS[c.tier]))))
    if lows[i] in ("product", "item", "products", "items"):
        table.put("PKEY", i, i + 1, "product")
    named = lows[i] in ("property", "trait", "attribute", "field") and i + 1 < len(lows)
    for end, keys in find_keys(names, lows, i + 1) if named else ():
        table.put("KEY", i, end, keys)
    for end, keys in find_keys(names, lows, i):
        if end > i + 1 or not any(category in _LINKS for category, _ in CLOSED.get(lows[i], ())):
            table.put("KEY", i, end, keys)  # "to" is no key, but "property to" is
    if lows[i] in ("age", "ages") and ("age",) not in names.keys:
        table.put("AGEWORD", i, i + 1)
    if i and "DISTINCT" in table.at[i - 1] and "KEY" not in table.at[i]:
        parts = names.nouns.get(stem(lows[i]))
        if parts:
            table.put("KEY", i, i + 1, parts)  # "3 different cities", where the key is to_city
    dates = names.dates.get(stem(lows[i]))
    if dates and (lows[i].endswith("ing") or lows[i] in ("due", "valid")):
        table.put("DATEKEY", i, i + 1, dates)
    signup = lexicon.SIGNUP.get(lows[i])
    if signup is not None:
        after = phrase_end(signup, lows, i)
        if after is not None:
            table.put("SIGNUP", i, after)
    for phrase in lexicon.SIGNUP_NOUNS:
        if tuple(lows[i : i + len(phrase)]) == phrase:
            table.put("SIGNUPN", i, i + len(phrase))
    for phrase in (
        ("opted", "in", "to"),
        ("subscribed", "to"),
        ("opted", "into"),
        ("opted", "in", "for"),
        ("signed", "up", "for"),
    ):
        if tuple(lows[i : i + len(phrase)]) == phrase:
            first = i + len(phrase)
            while first < len(lows) and lows[first] in lexicon.DETERMINERS:
                first += 1
            for end, keys in find_keys(names, lows, first) if first < len(lows) else ():
                flags = tuple(k for k in keys if k.level == "attribute" and "boolean" in k.holds)
                if flags:
                    table.put("BOOL", i, end, flags)
            agreed = agreed_to(names, lows[first]) if first < len(lows) else ()
            if agreed:
                table.put("BOOL", i, first + 1, agreed)
    boolean = find_booleans(names, lows, i)
    if boolean:
        table.put("BOOL", i, boolean[0], boolean[1])
        if lows[boolean[0] - 1].endswith("s"):  # "beta testers"
            table.put("BOOLNOUN", i, boolean[0], boolean[1])


def _texts(table: _Table, question: str) -> None:
    """After a verb of searching, the words up to the next link or window are the text that was searched."""
    words, at = table.words, table.at
    counted = any("HOWMANY" in edges for edges in at)
    for i, edges in enumerate(at):
        searches = [e for e in edges.get("EV", {}).values() if _is_search(e)]
        if searches and any(i in before.get("WHOSE", ()) for before in at[:i]):
            searches = []  # "whose search returned nothing"
        nouns = (e for e in edges.get("EN", {}).values() if _is_search(e) and e.end < len(words))
        searches.extend(e for e in nouns if words[e.end].low == "for")
        if not searches:
            continue
        first = max(e.end for e in searches)
        if first < len(words) and not _PREPOSITIONS.isdisjoint(at[first]) and words[first].low != "for":
            continue  # "searched on mobile"
        sought = first + (first < len(words) and words[first].low == "for")
        if sought < len(words) and at[sought].keys() & {"THING", "SAME", "NOTHING", "AGAIN", "WHERE"}:
            continue  # "searched for something", "searched where the query is …"
        if first < len(words) and words[first - 1].low != "for" and at[first].keys() & _NO_SEARCH:
            continue  # "whose search contains …", "searched more than 5"
        keys = at[first].get("KEY", ()) if first < len(words) else ()
        if any(not _OF_A_KEY.isdisjoint(at[end]) for end in keys if end < len(words)):
            continue  # "the search query contains …"
        while first < len(words) and words[first].low in lexicon.DETERMINERS | {"for"}:
            first += 1
        while first < len(words):
            end = first
            while end < len(words) and not words[end].quoted and _SEARCH_ENDS.isdisjoint(at[end]):
                if counted and end > first and "DO" in at[end]:
                    break  # "how many searches for shoes did women make"
                if end > first and (_leads_elsewhere(at, end) or _done_otherwise(at, end)):
                    break
                end += 1
            stop = _without_fillers(at, first, end)
            while stop > first and words[stop - 1].low in lexicon.OFTEN:
                stop -= 1  # "searched for a lamp recently"
            if stop > first and not _looks_for_people(table, i, first, stop):
                said = question[words[first].start : words[stop - 1].end]
                table.put("TEXT", first, stop, " ".join(said.casefold().split()))
            first = max(at[end].get("OR", {len(words): None})) if stop > first and end < len(words) else len(words)
            verb = first < len(words) and "EV" in at[first] and words[first].low.endswith("ed")
            if first < len(words) and (verb or "THING" in at[first] or _ends_text(at[first])):
                break  # "searched for moss or bought it"


def _leads_elsewhere(at: list[dict[str, dict[int, Edge]]], i: int) -> bool:
    """Whether a preposition stands at word i, before a value of the search that is none of its text: "on mobile"."""
    here = at[i].keys() & _PREPOSITIONS
    follows = at[i + 1].get("VALUE", {}).values() if here and i + 1 < len(at) else ()
    found = [v.key for edge in follows for v in edge.meaning.values if "search" in (v.key.event or "")]
    return bool(found) and not any(key.name in lexicon.SEARCH_KEYS for key in found)


def _done_otherwise(at: list[dict[str, dict[int, Edge]]], i: int) -> bool:
    """Whether "without", "before" or "after" stands at word i, before something that is done: "searched for a bell
    without buying it"."""
    done = [_past_fillers(at, end) for c in ("WITHOUT", "BEFORE", "AFTER") for end in at[i].get(c, ())]
    nouns = ("EV", "EN") if "WITHOUT" in at[i] else ("EV",)
    return any(k < len(at) and not at[k].keys().isdisjoint(nouns) for k in done)


def _looks_for_people(table: _Table, verb: int, first: int, end: int) -> bool:
    """Whether contacts are asked for by a verb of searching: "searching for gold members". Among the opening words it
    asks, where it could, whoever is named: "looking for Nike buyers", "search for women in Oslo"."""
    at, lows = table.at, table.lows
    if any(end in at[k].get("CONTACT", ()) for k in range(first, end)):
        return True
    if verb >= max(at[0].get("LEAD", {0: None})):
        return False
    several = (k for k in range(first, end) if singular(lows[k]) != lows[k] or lows[k] in ("people", "everyone"))
    of_people = any(not at[k].keys().isdisjoint(("CONTACT", "BUYERS", "AGENT")) for k in several)
    return of_people or "GENDER" in at[first]


def _is_search(edge: Edge) -> bool:
    return any("search" in c.event for c in edge.meaning.candidates)


def _without_fillers(at: list[dict[str, dict[int, Edge]]], first: int, end: int) -> int:
    """The end of written text without the fillers that follow it ("named Otto please")."""
    cut = next((k for k in range(end - 1, first, -1) for e in at[k].get("FILL", ()) if e == end), None)
    return end if cut is None else _without_fillers(at, first, cut)


def _written(table: _Table) -> None:
    """After "contains", "starts with", "ends with", "named": the words up to the next link are written text."""
    words, at = table.words, table.at
    for edges in list(at):
        for category in ("CONTAINS", "STARTS", "ENDS", "NAMED"):
            for first in edges.get(category, {}):
                if first < len(words) and any(c == "NEG" for c, _ in CLOSED.get(words[first].low, ())):
                    continue  # "whose name is not Otto"
                if category == "NAMED" and first < len(words) and words[first].low in ("by", "after", "for"):
                    continue  # "called by an agent"
                while first < len(words) and words[first].low in ("the", "a", "an", "word"):
                    if category != "NAMED" and (first + 1 == len(words) or _ends_text(at[first + 1])):
                        break  # "starts with A"
                    first += 1
                if category == "NAMED" and first < len(words) and not at[first].keys().isdisjoint(_NO_NAME):
                    continue  # "called last week", "named other than Otto"
                end = first
                while end < len(words) and not words[end].quoted and (end == first or not _ends_text(at[end])):
                    end += 1
                end = _without_fillers(at, first, end)
                if category == "NAMED" and first < end:
                    end = _name_end(table, first, end)
                if end > first:
                    table.put("WORDS", first, end, words[first].raw)


def _name_end(table: _Table, first: int, end: int) -> int:
    """Where a name ends: with the value of the data that a preposition follows ("named Mark Price about a renewal"), or
    before what is said of who is so called."""
    values = table.at[first].get("VALUE", ())
    names = (e for e in values if first < e < end and "ABOUT" in table.at[e])
    said = (
        k for k in range(first + 1, end) if not _NOT_IN_NAMES.isdisjoint(table.at[k]) and k >= max(values, default=0)
    )
    return max(names, default=next(said, end))


_NO_NAME = ("WIN", "WITHIN", "EITHER", "BOTH", "EXCEPT")
_NOT_IN_NAMES = frozenset({"BOUND", "AGEP", "EXCEPT"})  # "named Otto over 60"


_SEARCH_ENDS = frozenset(
    "WIN WITHIN EVER AND OR BUT COMMA THEN WHO WHOSE TIMES REG NEG LP RP PER PRIOR".split()
)  # a search may hold prepositions
_PREPOSITIONS = frozenset("IN FROM WITH ON TO BY VIA AT WITHOUT".split())
_LINKS = _SEARCH_ENDS | _PREPOSITIONS | frozenset("FOR SORT BE HAVE".split())


def _ends_text(edges: dict[str, dict[int, Edge]]) -> bool:
    """Whether a word begins something else than written text: a link, or a verb in its own full sense."""
    verbs = [e for e in edges.get("EV", {}).values() if e.meaning.candidates[0].tier != "partial"]
    return bool(verbs) or not _LINKS.isdisjoint(edges)


_OF_A_KEY = frozenset({"CONTAINS", "STARTS", "ENDS", "BE", "EQ"})
_NO_SEARCH = _OF_A_KEY | {"BOUND", "DO", "HAVE"}
_ENTER = frozenset("logged log logs logging signed sign checked check".split())
_OF_NOW = (["this"], ["last"], ["today"], ["yesterday"])


def _prune(table: _Table) -> None:
    """Takes out edges that could only say again what a longer one says: fewer trees, the same readings."""
    at = table.at
    for i, edges in enumerate(at):
        if any(end < len(at) and not at[end].keys().isdisjoint(("KEY", "PKEY")) for end in edges.get("FAV", ())):
            edges.pop("EV", None)  # "favourite brand" is no verb
        for end in edges.get("TOTALLY", {}):
            at[end - 1].pop("INONE", None)  # "all together" is not "together"
        for end in edges.get("KEY", {}) if "EV" in edges else ():
            for inner in range(i + 1, end):  # "review title" is a key, and no review by its title
                for of in [e for e in at[inner].get("KEY", ()) if e == end and _is_own(edges["KEY"][end], table, i)]:
                    del at[inner]["KEY"][of]
        for end in edges.get("NEG", {}):
            for inner in range(i + 1, end):
                at[inner].pop("NEG", None)  # "did not" is one negation
        if "VALUE" in edges and i + 1 in edges["VALUE"] and _is_named(table, i):
            edges.pop("AND", None)  # "view Plus members": a name, by its capital
        _leave_to_values(table, i)
        for category in ("TAIL", "EN") if "VALUE" in edges and _is_named(table, i) else ():
            kept = {end: edge for end, edge in edges.pop(category, {}).items() if end not in edges["VALUE"]}
            edges.update({category: kept} if kept else {})  # "bought Order": a name, by its capital
        tiers = [edges[c][i + 1].meaning.candidates[0].tier for c in ("EV", "EN") if i + 1 in edges.get(c, {})]
        if len(tiers) == 2 and table.lows[i].endswith("ing") and _RANKS[tiers[0]] < 2 <= _RANKS[tiers[1]]:
            del edges["EN"][i + 1]  # "before ordering" is no order of another kind
        verbs = edges.get("EV", {}) if not i or "MOST" not in at[i - 1] else {}  # "most paid biller"
        whole = [e for e in verbs.values() if e.meaning.candidates[0].tier in ("full", "everyday")]
        for end, short in list(verbs.items()):
            named = {c.event for c in short.meaning.candidates}
            longer = [e for e in whole if e.end > end and e.meaning.candidates[0].tier == "full"]
            if any(named <= {c.event for c in e.meaning.candidates} for e in longer):
                del verbs[end]  # "took" of "took a quiz"
            elif any(e.end == end + 1 and _parted(table, end) for e in longer):
                del verbs[end]  # "logged" of "logged in today"
        if table.lows[i] in _ENTER and table.lows[i + 1 : i + 2] == ["in"] and table.lows[i + 2 : i + 3] in _OF_NOW:
            edges.get("EV", {}).pop(i + 1, None)  # "logged in this month" has logged nothing
        light = max(edges.get("GENV", {0: None}))
        nouns = [end for k in (light, light + 1) if light and k < len(at) for end in at[k].get("EN", ())]
        if light and any(e.end > light for e in whole) and max(nouns, default=0) <= max(e.end for e in whole):
            del edges["GENV"]  # "placed an order" is a verb of its own
        elif light == i + 1 and light < len(at) and (not i or at[i - 1].keys().isdisjoint(("DO", "NEG"))):
            named = {c.event for edge in at[light].get("EN", {}).values() for c in edge.meaning.candidates}
            held = edges.get("VALUE", {}).get(light)
            if held is not None and any(value.key.event in named for value in held.meaning.values):
                del edges["GENV"]  # "a Fire claim": a value of the event that is named behind it


def _is_own(key: Edge, table: _Table, i: int) -> bool:
    """Whether words from word i are how keys are written, and no everyday words for them ("order total")."""
    said = [singular(low) for low in table.lows[i : key.end]]
    return all([singular(w) for w in words_of(k.name)][-len(said) :] == said for k in key.meaning)


def _is_named(table: _Table, i: int) -> bool:
    """Whether a word inside a question in small letters has a capital."""
    small = any(word.raw[:1].islower() for word in table.words if len(word.raw) > 3)
    return bool(i) and small and table.words[i].raw[:1].isupper() and not table.words[i].raw.isupper()


def _leave_to_values(table: _Table, i: int) -> None:
    """ "recharged Plan 299": a word of an event's name that begins a longer value of that event is the value's."""
    edges = table.at[i]
    verbs = list(edges.get("EV", ()))
    for category in ("EV", "EN", "TAIL", "AGENT"):
        for end, edge in list(edges.get(category, {}).items()):
            first = i if category == "TAIL" else min(verbs, default=end)  # the verb stays
            named = {c.event for c in edge.meaning.candidates}
            values = (v for k in range(first, end) for v in table.at[k].get("VALUE", {}).values() if v.end > end)
            if any(v.key.event in named for value in values for v in value.meaning.values):
                del edges[category][end]
            elif end == i + 1 and end in edges.get("VALUE", ()):  # a whole value goes before a stem that it only shares
                kept = tuple(c for c in edge.meaning.candidates if c.tier == "full" or has_form(c.event, table.lows[i]))
                edges[category].update({end: replace(edge, meaning=EventHit(kept))} if kept else {})
                if not kept:
                    del edges[category][end]
        if not edges.get(category, True):
            del edges[category]


def _parted(table: _Table, particle: int) -> bool:
    """Whether a time follows a verb's particle: "logged in | today" is no logging "in today"."""
    after = table.at[particle + 1] if particle + 1 < len(table.at) else {}
    return not _PARTED.isdisjoint(after)


_PARTED = frozenset("WIN REG TIMES WITHIN EVER".split())
_NO_NOUN = frozenset(
    "AND OR BUT COMMA WITH WITHOUT FROM WHO WHOSE NEG BE EXCEPT SORT PER WIN WITHIN EVER THEN END".split()
)
_NOUNS = frozenset(
    """VALUE EN EV TAIL KEY PKEY THING CONTACT UNK QUOTED AGG FIRST LASTEV SAME TOPN BOUND NUM FILL GENDER AGENT BUYERS
    TERM""".split()
)
_ARTICLES = frozenset({"the", "a", "an", "their", "his", "her", "my", "our", "your", "any", "some"})


_VISITS = tuple(
    (verb, place)
    for verb in ("visited", "visit", "visits", "visiting")
    for place in ("site", "website", "app", "store", "shop")
)


def _bare_windows(table: _Table, i: int) -> None:
    """A month or a year behind a comma, at the end of the question, is a window, and beside another behind "than":
    "helmet buyers, 2026", "more in 2026 than 2025"."""
    lows = table.lows
    if i and lows[i - 1] == "," and i + 3 >= len(lows):
        found = _windows(["in", *lows[i:]])
        if found:
            table.put("WIN", i, len(lows), found)
    if i and lows[i - 1] == "than" and any(i - 1 in edges.get("WIN", ()) for edges in table.at[: i - 1]):
        for end in range(i + 1, min(i + 3, len(lows) + 1)):  # "more in 2026 than 2025", "in June 2026 than June 2025"
            found = _windows(["in", *lows[i:end]])
            if found and _is_near(lows[i - 2], lows[end - 1]):
                table.put("WIN", i, end, found)


def _is_near(one: str, other: str) -> bool:
    """Whether two years are near each other, if both are: "spent more in 2026 than 2000" may be of money."""
    return not (one.isdecimal() and other.isdecimal()) or abs(int(one) - int(other)) <= _NEAR_YEARS


_NEAR_YEARS = 10


_OR_OF_TIMES = frozenset({"in", "on", "during"})


def _either_windows(table: _Table, i: int) -> None:
    """ "in June or July", "on Monday, Tuesday or Friday", "in June or July 2025": one of several times, or, joined by
    and, each of them; a year at the end is that of all."""
    lows = table.lows
    if lows[i] not in _OR_OF_TIMES:
        return
    _joined_windows(table, i, i + 1, "or", "EITHERWIN")
    both = lows[i + 1 : i + 2] == ["both"]
    _joined_windows(table, i, i + 1 + both, "and", "BOTHWIN")


def _joined_windows(table: _Table, i: int, start: int, word: str, category: str) -> None:
    """Times from a word on that are joined by another, behind the preposition at word i."""
    lows = table.lows
    if word not in lows[i:]:
        return
    times: list[list[str]] = []
    at, joined = start, False
    while at < len(lows):
        end = next((end for end in range(min(len(lows), at + 4), at, -1) if _windows([lows[i], *lows[at:end]])), None)
        if end is None:
            break
        times.append(lows[at:end])
        stop = end
        if joined:
            break
        joint = lows[end : end + 2]
        joined = word in joint[:1] or joint == [",", word]
        at = end + (2 if joint == [",", word] else 1)
        if not joined and joint[:1] != [","]:
            break
        at += lows[at : at + 1] == [lows[i]]
    if joined and len(times) > 1 and at < len(lows) and times[-1] == lows[at:stop]:
        year = times[-1][-1:] if len(times[-1]) > 1 and _YEAR.fullmatch(times[-1][-1]) else []
        said = [time if time[-1:] == year or len(times[-1]) == 1 else [*time, *year] for time in times]
        read = [_windows([lows[i], *time]) for time in said]
        if all(read) and not any(p.end >= stop for p in when.read(lows, i)):
            table.put(category, i, stop, tuple(read))


_YEAR = re.compile(r"(?:19|20)\d\d")


def _windows(words: list[str]) -> tuple[Window, ...]:
    """The readings of words that are one time as a whole."""
    return () if any(word.startswith('"') for word in words) else _known_windows(tuple(words))


@lru_cache(maxsize=16384)  # nearly every word of a question is tried, and most of them are in many
def _known_windows(words: tuple[str, ...]) -> tuple[Window, ...]:
    return tuple(p.meaning for p in when.read(words, 0) if p.end == len(words) and isinstance(p.meaning, Window))


def _adjectives(table: _Table, i: int) -> None:
    """A month, year or time of day before a noun is a window: "March buyers", "2025 orders", "weekend orders"."""
    lows = table.lows
    said = {"weekend": ["on", "weekends"], "weekday": ["on", "weekdays"]}.get(lows[i])
    if said is None and lows[i] in ("morning", "afternoon", "evening"):
        said = ["in", "the", lows[i]]
    if said is not None:
        tries = [(said, 1)]
    else:
        tries = [(["in", *lows[i : i + length]], length) for length in (2, 1) if i + length < len(lows)]
    for words, length in tries:
        found = _windows(words)
        if found:
            table.put("WINADJ", i, i + length, found)
            return


def _countries(found: dict[str, tuple[Value, ...]], words: tuple[Word, ...], vocabulary: Vocabulary) -> None:
    """Common short forms of countries stand for what the data holds."""
    for i in range(len(words)):
        for j in (i + 1, i + 2):
            run = fold(" ".join(w.low for w in words[i:j]))
            forms = lexicon.COUNTRY_FORMS.get(run)
            if run == "us" and _is_we(words, i):
                continue
            if forms and run not in found:
                held = tuple(v for values in vocabulary.values([fold(f) for f in forms]).values() for v in values)
                if held:
                    found[run] = held


_NAMED_IN = frozenset("the in of from living outside not".split())
_ASKING = frozenset("show give get tell let find send fetch pull bring provide help".split())  # these ask for somebody
_PEOPLE_NOUNS = frozenset({"CONTACT", "BUYERS", "GENDER"})


def _is_people(low: str) -> bool:
    """Whether a word is a noun for people: "customers", "buyers", "women", "reviewers"."""
    return lexicon.is_agent(low) or any(category in _PEOPLE_NOUNS for category, _ in CLOSED.get(low, ()))


def _is_we(words: tuple[Word, ...], i: int) -> bool:
    """Whether "us" is who asks: in small letters, behind a verb or its preposition ("bought from us", "show us"). In
    capitals, at the beginning and before a noun for people ("how many us customers") it is the country."""
    before = [word.low for word in words[max(0, i - 2) : i]]
    shouted = not any(ch.islower() for word in words for ch in word.raw)
    if not before or (words[i].raw != "us" and not shouted):
        return False
    if before[-1] in _ASKING:
        return True
    if i + 1 < len(words) and _is_people(words[i + 1].low):
        return False
    led = before[-1] == "from" and len(before) > 1 and before[0].endswith(("ed", "ght"))
    return led or before[-1] not in _NAMED_IN


def _with_us(table: _Table) -> None:
    """ "shopped with us", "registered it with us": who asks is the shop."""
    for i in range(1, len(table.words)):
        if table.lows[i] == "us" and table.lows[i - 1] in ("with", "from", "to", "at") and _is_we(table.words, i):
            table.put("FILL", i - 1, i + 1, "with us")


def _visits(table: _Table, i: int, occurring: frozenset[str]) -> None:
    """ "visited the site", where no page is viewed: any activity."""
    for phrase in _VISITS if "page-view" not in occurring else ():
        stop = phrase_end(phrase, table.lows, i)
        if stop is not None:
            table.put("ACTIVE", i, stop)


def _value_runs(
    table: _Table, i: int, question: str, runs: Mapping[tuple[int, int], str], values: Mapping[str, tuple[Value, ...]]
) -> None:
    """The runs from word i that are a whole value."""
    words, lows = table.words, table.lows
    for j in range(min(len(words), i + LONGEST_RUN), i, -1):
        held = _with_signs(words[i:j], values.get(runs.get((i, j), ""), ()))
        if j == i + 1 and _means_people(table, i):  # "rooms booked by members", where a rate is called Member
            held = tuple(v for v in held if v.key.level == "attribute" or v.text.strip().casefold() == lows[i])
        if j == i + 1 and any(category not in _INFLECTED for category, _ in CLOSED.get(lows[i], ())):
            held = tuple(v for v in held if v.text.strip().casefold() == lows[i])  # "new" is not the singular of News
        worded = j > i + 1 or not lows[i].replace(".", "").replace(",", "").isdigit()  # a bare number is a number
        amount = lows[i : j + 1] in _HALVES
        if held and worded and not amount and lows[j - 1] not in ",;:()" and lows[i] not in ",;:()":
            table.put("VALUE", i, j, ValueHit(question[words[i].start : words[j - 1].end], held))
            if j > max(table.at[i].get("WINADJ", {j: None})):
                del table.at[i]["WINADJ"]  # "Weekend Pack buyers" are no buyers on weekends


def _means_people(table: _Table, i: int) -> bool:
    """Whether a word is a plural that means contacts, and no name by its capital."""
    low = table.lows[i]
    return ("CONTACT", None) in CLOSED.get(low, ()) and singular(low) != low and not _is_named(table, i)


_INFLECTED = frozenset(
    "CONTACT BUYERS SPENDERS GENDER THING BIRTHDAY FILL ANYEVENTS".split()
)  # nouns of closed classes
_HALVES = (["half", "a"], ["half", "an"], ["half", "the"], ["half", "of"], ["half", "their"])  # no name, but how much


def _with_signs(words: Sequence[Word], held: tuple[Value, ...]) -> tuple[Value, ...]:
    """The values that have the signs of a run too: "Tandem & Sons" has its own, and "!gold" is not gold."""
    if not held:
        return ()
    signs = [w.low for k, w in enumerate(words) if is_sign(w.low) and not (0 < k < len(words) - 1 and w.low in ".'’")]
    return tuple(v for v in held if _in_order(signs, re.sub("[–—−]", "-", v.text))) if signs else held


def _value_signs(table: _Table) -> None:
    """Between two values a plus is "and", and a stroke is "or": "gold + silver", "Porto/Braga"."""
    ends = {end for edges in table.at for category in _SAID_VALUES for end in edges.get(category, ())}
    for i, low in enumerate(table.lows[:-1]):
        if low in _VALUE_SIGNS and i in ends and not table.at[i + 1].keys().isdisjoint(_SAID_VALUES):
            table.put(_VALUE_SIGNS[low], i, i + 1)


_SAID_VALUES = ("VALUE", "QUOTED")
_VALUE_SIGNS = {"+": "AND", "/": "OR", "|": "OR"}


def is_sign(low: str) -> bool:
    """Whether a word is made of signs only."""
    return not any(c.isalnum() for c in low)


def _in_order(signs: Sequence[str], text: str) -> bool:
    at = 0
    for sign in signs:
        at = text.find("-" if sign == "−" else sign, at) + len(sign)
        if at < len(sign):
            return False
    return True


def _named_activity(table: _Table) -> None:
    """Words of any activity that an event type carries are that event."""
    for edges in table.at:
        full = [e.end for e in edges.get("EV", {}).values() if e.meaning.candidates[0].tier == "full"]
        if full and max(edges.get("ACTIVE", {0: None})) <= max(full):
            edges.pop("ACTIVE", None)


def _nothing_but(table: _Table) -> None:
    """ "did nothing but X" did something; "bought nothing but logged in" did not buy."""
    for edges in table.at:
        for category in ("INACTIVE", "NOTHING"):
            for end in tuple(edges.get(category, ())):
                only = table.at[end - 1].get("ONLY", {})
                verb = any("EV" in after for after in table.at[end + 1 : end + 2])
                if max(only, default=end) > end and (category == "INACTIVE" or not verb):
                    del edges[category]


def _called(table: _Table) -> None:
    """ "called an agent", where an event type is so called, names nobody; nor does it behind another verb. Behind a key
    that is no noun of an event ("a browser called Chrome") it says what that is."""
    for i, edges in enumerate(table.at):
        if "NAMED" not in edges:
            continue
        behind = {c for before in table.at[:i] for c, ends in before.items() if i in ends}
        if "KEY" in behind and behind.isdisjoint(("EN", "TAIL", "EV", "PKEY", "CONTACT", "BUYERS", "AGENT")):
            del edges["NAMED"]
            continue
        named = max(edges["NAMED"])
        verbs = edges.get("EV", {}).values()
        longer = any(e.end > named and e.meaning.candidates[0].tier == "full" for e in verbs)
        linked = i > 0 and not _JOINS.isdisjoint(table.at[i - 1])
        if longer or (verbs and linked):
            del edges["NAMED"]


_JOINS = frozenset("AND OR BUT COMMA COLON LP THEN".split())


def _fillers(table: _Table) -> None:
    """A filler is none where it says something: an article that no noun follows, a word that the data holds, all of
    what was done."""
    done = {end for edges in table.at for end in edges.get("EV", ())}
    for i, edges in enumerate(table.at):
        fills = edges.get("FILL", {})
        for end, fill in list(fills.items()):
            follows = table.at[end].keys() if end < len(table.at) else {"END"}
            if fill.meaning in _ARTICLES and not follows.isdisjoint(_NO_NOUN) and follows.isdisjoint(_NOUNS):
                del fills[end]
            elif fill.meaning in ("any", "some") and not _PREPOSITIONS.isdisjoint(follows) and "VALUE" not in follows:
                del fills[end]  # "added any to the cart": any of those
            elif table.lows[i] == "us" and not _is_we(table.words, i):
                del fills[end]  # "US customers", where no country is so called
            elif table.lows[i] == "all" and (i in done or _all_of_them(table, i)):
                del fills[end]  # "cancelled all their orders"
                table.put("EACH", i, end)
        if "VALUE" in edges and not any(fill.meaning in _ARTICLES for fill in fills.values()):
            fills.clear()
        if not fills:
            edges.pop("FILL", None)


def _all_of_them(table: _Table, i: int) -> bool:
    """Whether "all" says that each one was so: "were all approved", "all of whose claims"."""
    behind = i > 0 and not {"BE", "HAVE"}.isdisjoint(table.at[i - 1])
    return behind or table.lows[i + 1 : i + 2] == ["whose"]


def _things(table: _Table, names: Index) -> None:
    """ "product" is the thing, not a part of an event's name. Another word for it that an event's name has is that
    event's ("piece" of piece-played)."""
    for i, edges in enumerate(table.at):
        if table.lows[i] not in _PRODUCTS and i + 1 in edges.get("THING", ()) and stem(table.lows[i]) in names.by_stem:
            del edges["THING"]
        for end in edges.get("THING", {}):
            for category in ("TAIL", "EN"):
                hit = edges.get(category, {}).get(end)
                if hit is not None and hit.meaning.candidates[0].tier in ("partial", "noun"):
                    del edges[category][end]
                    if not edges[category]:
                        del edges[category]


def _context_or_thing(table: _Table) -> None:
    """ "bought devices other than Corvino", where a category is called so, are things; "on any device" and "on a mobile
    device" are the context's."""
    for i, edges in enumerate(table.at):
        key, value = edges.get("KEY", {}).get(i + 1), edges.get("VALUE", {}).get(i + 1)
        if key is None or value is None or any(k.level != "context" for k in key.meaning):
            continue
        if not any(v.key.level == "item" for v in value.meaning.values):
            continue
        led = i - 1
        while led > 0 and table.lows[led] in _BEFORE_KEY:
            led -= 1
        before = [e for edge in table.at[:i] for e in edge.get("VALUE", {}).values() if e.end == i]
        theirs = any(v.key in key.meaning for e in before for v in e.meaning.values)
        spent = any("SPENT" in here for here in table.at[:i])
        if theirs or (0 <= led < i - 1 and table.lows[led] in ("on", "via", "using") and not spent):
            of = "VALUE"
        elif i + 1 < len(table.at) and "EXCEPT" in table.at[i + 1]:
            of = "KEY"
        else:
            continue
        del edges[of][i + 1]
        if not edges[of]:
            del edges[of]


_BEFORE_KEY = lexicon.DETERMINERS | {"all", "every", "each"}
_PRODUCTS = frozenset("product products item items".split())


def _unknown(table: _Table) -> None:
    """Words that no edge covers are unknown; signs that say nothing are fillers."""
    covered = [False] * len(table.words)
    for edges in table.at:
        for category, by_end in edges.items():
            for edge in by_end.values() if category != "LABEL" else ():  # a label may be any words
                for k in range(edge.first, edge.end):
                    covered[k] = True
    for i, word in enumerate(table.words):
        if not covered[i] and (word.quoted or word.low not in lexicon.DETERMINERS):  # of no value, nor a value
            sign = not word.quoted and is_sign(word.low)
            silent = sign and word.low in lexicon.SILENT
            table.put("FILL" if silent else "SIGN" if sign else "UNK", i, i + 1, word.raw)


def _without_last_fillers(table: _Table) -> int:
    """How many words there are without the fillers at the very end: they say nothing, and need not be walked over."""
    length = len(table.at)
    while length > 1:
        last = next((k for k in range(length) if length in table.at[k].get("FILL", ())), None)
        if not last or any(edges.keys() - {"FILL"} for edges in table.at[last:length]):
            break
        if any(end > last for edges in table.at[:last] for c, found in edges.items() if c != "FILL" for end in found):
            break  # "interacted with us": the last word of a phrase
        length = last
    return length


def _brackets(table: _Table) -> None:
    """ "lapsed customers (90 days)": a length of time in brackets is the last so much."""
    lows = table.lows
    for i, low in enumerate(lows):
        span = when.span_at(lows, i + 1) if low == "(" else None
        if span and lows[span[0] : span[0] + 1] == [")"]:
            table.put("WIN", i, span[0] + 1, (Window(Rolling(span[1])),))


def _lapses(table: _Table) -> None:
    """ "lapsed gold customers 90 days", "inactive users 30 days": a length of time behind them is the last so much."""
    lows = table.lows
    for i in range(len(lows)):
        for start in (*table.at[i].get("LAPSED", ()), *table.at[i].get("INACTIVE", ())):
            noun = start
            while noun < len(lows) and (more := [e for c in _BEFORE_NOUN for e in table.at[noun].get(c, ())]):
                noun = max(more)
            here = table.at[noun] if noun < len(lows) else {}
            women = [noun] if any(noun in edges.get("GENDER", {}) for edges in table.at[start:noun]) else []
            for end in (*here.get("CONTACT", ()), *here.get("BUYERS", ()), *here.get("AGENT", ()), *women):
                span = when.span_at(lows, end + (lows[end : end + 1] == ["for"]))
                if span and lows[span[0] : span[0] + 1] not in (["ago"], ["back"], ["away"], ["before"], ["after"]):
                    table.put("WIN", end, span[0], (Window(Rolling(span[1])),))


_BEFORE_NOUN = ("VALUE", "GENDER", "BOOL", "TERM", "AGEP")


def _gaps(table: _Table) -> None:
    """ "up to 7 days after", "less than 2 hours before" something is within so long."""
    for i, edges in enumerate(table.at):
        for end, edge in edges.get("DURATION", {}).items():
            bound, unit = edge.meaning.bound, edge.meaning.unit
            ordered = end < len(table.at) and not {"AFTER", "BEFORE"}.isdisjoint(table.at[end])
            if ordered and bound.comparison in ("<", "<=") and bound.value == int(bound.value) and unit in _GAP_UNITS:
                table.put("WITHIN", i, end, when.Within(Span(int(bound.value), unit)))


_GAP_UNITS = frozenset({"minute", "hour", "day", "week", "month", "year"})


def _all_but(table: _Table) -> None:
    """ "everyone but gold members": those are excepted."""
    lows = table.lows
    for i in range(1, len(lows)):
        all_of_them = lows[i - 1] in ("everyone", "everybody") or (i > 1 and lows[i - 2] == "all")
        if lows[i] == "but" and all_of_them and "CONTACT" in table.at[i - 1]:
            table.put("EXCEPT", i, i + 1)


def _not_paths(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Without addresses such as "/pricing", where something is called so in words."""
    worded = tuple(v for v in values if not v.text.strip().startswith("/") and "://" not in v.text)
    return worded or values


_DEFAULTS = frozenset(event for rows in lexicon.EVERYDAY.values() for _, _, event in rows)


def _split_verbs(table: _Table, occurring: frozenset[str]) -> None:
    """Everyday verbs round their object: "put X in the basket", "took X out of the cart", "saved X for later"."""
    lows = table.lows
    for i, low in enumerate(lows):
        for head, tail, event in lexicon.SPLIT.get(low, ()):
            if tuple(lows[i : i + len(head)]) != head:
                continue
            if event not in occurring and any(stem(head[0]) in name_stems(e) for e in occurring - _DEFAULTS):
                continue  # "saved for later", where another thing is saved
            for j in range(i + len(head), min(len(lows), i + 12)):
                if lows[j] in (",", "and", "or", "but", "who", "whose"):
                    break
                end = phrase_end(tail, lows, j)
                if end is not None:
                    hit = everyday(event)
                    table.put("EV", i, i + len(head), hit)
                    table.put("TAIL", j, end, hit)
                    break


def _label(table: _Table, end: int, bracketed: bool) -> None:
    """The words before a colon or bracket are a label. A time there is no label; whom the words could be said of may be
    meant, as if there were no colon."""
    lows, at = table.lows, table.at
    timed = [lows[:end], ["in", *lows[:end]], ["in", *lows[1:end]] if lows[0] == "for" else []]
    for words in timed:
        found = tuple(p.meaning for p in when.read(words, 0) if p.end == len(words)) if words else ()
        windows = tuple(meaning for meaning in found if isinstance(meaning, Window))
        if windows and not bracketed:
            table.put("WIN", 0, end, windows)
        if found:
            return
    table.put("LABEL", 0, end)
    if any(not _PEOPLE.isdisjoint(edges) for edges in at[:end]):
        for sign in (end, len(lows) - 1) if bracketed else (end,):
            table.put("FILL", sign, sign + 1, lows[sign])
        table.put("ASIDE", end, end + 1)


_PEOPLE = frozenset("VALUE GENDER BOOL BOOLNOUN AGEP AGENOUN TERM BUYERS AGENT REPEAT TOPN BOUND INSEGMENT".split())
_NO_LABEL = frozenset("WHO WHOSE AND OR BUT WITHOUT NEG COMMA EXCEPT".split())


def _asks_whom(words: list[str]) -> bool:
    """Whether the end of a question only asks who they are: "which customers", "who made them", "list the users"."""
    said = [word for word in words if word not in lexicon.DETERMINERS or word in ("these", "those")]
    whom = (
        len(said) > 1 and ("CONTACT", None) in CLOSED.get(said[1], ()) and said[0] in ("which", "what", "list", "show")
    )
    if whom and len(said) == 2:
        return True
    done = said[2:] if whom else said[1:] if said[:1] == ["who"] else []
    return (
        len(done) == 2 and done[0] in ("did", "made", "placed") and done[1] in ("it", "them", "that", "those", "these")
    )


def _labels(table: _Table) -> None:
    """What stands before a colon, or before a bracket that holds the rest, is a label; "who are they" is a tag."""
    lows, at = table.lows, table.at
    for stop, closing in ((":", None), ("(", ")")):
        if stop in lows[1:8]:
            end = lows.index(stop, 1)
            asks = {"HOWMANY", "LEAD"} & at[0].keys()  # "how many people bought: …" asks, and names nothing
            empty = all({"LEAD", "FILL"} & edges.keys() for edges in at[:end])
            timed = "WIN" in at[end]  # "lapsed customers (90 days)"
            worded = not timed and (empty or not asks) and all(_NO_LABEL.isdisjoint(edges) for edges in at[:end])
            if (
                worded
                and lows[end - 1] not in ("of", "following", "these")
                and (closing is None or lows[-1] == closing)
            ):
                _label(table, end, closing is not None)
    for i in range(max(0, len(lows) - 6), len(lows)):
        if lows[i] in ("who", "what") and " ".join(lows[i + 1 : i + 3]) in ("are they", "are these", "are those"):
            rest = " ".join(lows[i + 3 :])
            if not rest or any(category in ("CONTACT", "BUYERS") for category, _ in CLOSED.get(rest, ())):
                table.put("TAG", i, len(lows))
        if lows[i] in (",", ":", "-") and _asks_whom(lows[i + 1 :]):
            table.put("TAG", i, len(lows))
