"""What a language model may say about a question, and the gate that it has to pass.

    question ──► sheet: its words numbered, and the names that it may mean ──► the model ──► Proposal
    Proposal ──► restated: plain English, piece by piece from the question's words ──► the reader of every question

A model says of every word of the question what it is: a word that stays, a known name, plain English for it, or a word
without meaning of its own. So it can translate words. It cannot leave one out, add one, or bring a name, a number or
a value that the question does not have; and what its words say together is read by the grammar, as any question is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from grammar import lexicon
from grammar.mentions import Lattice, lattice
from grammar.spelling import is_english
from grammar.vocabulary import Key, Value, Vocabulary, fold

MOST_EVENTS = 60  # names of each kind that a model is shown: the prompt is bounded, whatever the catalog holds
MOST_KEYS = 120
MOST_TERMS = 20
MOST_RUNS = 12  # unknown words that the store is asked for
NEAR_EACH = 3  # values that it may find for each
LONGEST_NAME = 80  # characters; a longer name is not shown
LONGEST_ENGLISH = 60  # characters that may stand for one word

_LIKE = {  # keys that hold what another holds
    "email": ("emailaddress", "emailid"),
    "mobile": ("phone", "phonenumber", "mobilenumber", "telephone"),
    "name": ("firstname", "lastname", "fullname", "displayname", "surname"),
}


# ── the wire: what the model answers; the docstrings are its schema's descriptions ────────────────────────────────

_STRICT = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Kept:
    """Words that stay as they are: numbers, names and values of the data, quoted text, and words that are plain English
    already. `words` are the numbers of the question's words."""

    __pydantic_config__ = _STRICT
    kind: Literal["kept"]
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A word that means one of the offered names: `name` is that name's number. With the word may go particles that
    belong to it ("splashed out", "hat gekauft")."""

    __pydantic_config__ = _STRICT
    kind: Literal["named"]
    words: tuple[int, ...]
    name: int


@dataclass(frozen=True, slots=True)
class Said:
    """A word in plain English that says the same ("kaufte" is "bought", "letzten" is "last"): function words and
    everyday verbs and nouns only. No names, no numbers, nothing that the word does not say. With the word may go
    particles that belong to it."""

    __pydantic_config__ = _STRICT
    kind: Literal["said"]
    words: tuple[int, ...]
    english: str


@dataclass(frozen=True, slots=True)
class Filler:
    """Words of another language that say nothing of their own here: articles, auxiliaries, case particles, and commas
    that English does not need. Never a noun, a verb, a number, a negation or a comparison."""

    __pydantic_config__ = _STRICT
    kind: Literal["filler"]
    words: tuple[int, ...]


Piece: TypeAlias = Kept | Named | Said | Filler


@dataclass(frozen=True, slots=True)
class Proposal:
    """How the question is read. `pieces`: every word of the question in just one piece; read one after the other, the
    pieces are one plain English question. `unclear`: the words whose meaning is not clear, if there are any; then the
    question is not answered."""

    __pydantic_config__ = _STRICT
    pieces: tuple[Piece, ...]
    unclear: tuple[int, ...]


# ── the sheet: what the model is shown ────────────────────────────────────────────────────────────────────────────

Sense: TypeAlias = Literal["known", "name", "number", "quoted", "mark", "comma", "unknown"]
"""What is known of a word. A mark is a bracket, a colon, or a comma between names; a comma is any other one."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A word of the question, between spaces or quotes, or a mark: its text, where it stands, what is known of it, and
    whether only a private value is so called (which is not told)."""

    text: str
    start: int
    end: int
    sense: Sense
    ordinary: bool = False  # a closed-class or everyday word too
    private: bool = False
    misspelt: bool = False  # a known word, but for its spelling


@dataclass(frozen=True, slots=True)
class Offer:
    """A name that the model may choose; a value only for the words that the store found it for."""

    kind: Literal["event", "key", "value", "term"]
    text: str
    of: str | None = None  # the key that holds a value
    words: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A question as a model is shown it. `english`: it is in English, so its words keep their order and only unknown
    ones may be said otherwise. `vocabulary`: whose names they are."""

    question: str
    chunks: tuple[Chunk, ...]
    offers: tuple[Offer, ...]
    english: bool
    vocabulary: Vocabulary


class Rejected(Exception):
    """A proposal that does not pass the gate; the message is for the model, which may try `again`.

    `instead`: questions in English that a user may ask instead, where the proposal rests on a guess.
    """

    def __init__(self, reason: str, again: bool = True, instead: tuple[str, ...] = ()) -> None:
        self.again = again
        self.instead = instead
        super().__init__(reason)


def private_name(name: str) -> str:
    """The form in which keys are compared with those marked private: the last part, without case and underscores."""
    return re.sub(r"[\W_]", "", name.rsplit(".", 1)[-1].casefold())


def private_names(keys: Collection[str]) -> frozenset[str]:
    """The keys marked private, and those that hold the like, folded by `private_name`."""
    names = {private_name(key) for key in keys}
    return frozenset(names.union(*(_LIKE.get(name, ()) for name in names)))


def is_private(key: Key, private: Collection[str], default_events: Collection[str]) -> bool:
    """Whether a key's values stay here. The `name` of a line item or a default event is a product's, no contact's."""
    last = private_name(key.name)
    return last in private and not (last == "name" and (key.level == "item" or key.event in default_events))


_CHUNK = re.compile(r""""[^"]*"|“[^”]*”|`[^`]+`|‘[^’]*’|(?<![\w'])'(?=\S)[^']*(?<=\S)'(?!\w)|\S+""")
_MARKS = "(),;:，、"
_EDGE = f".?!…¿¡[]{{}}।。？！'’‘\"{_MARKS}"


def sheet(question: str, vocabulary: Vocabulary, private: Collection[str]) -> Sheet:
    """The question's words with what is known of them, and the names of the phonebook nearest to it. `private`: keys
    whose values are not shown, folded by `private_names`."""
    read = lattice(question, vocabulary)
    defaults = {e.name for e in vocabulary.event_types() if e.default}
    hidden = {
        value.key
        for edges in read.at
        for edge in edges.get("VALUE", {}).values()
        for value in edge.meaning.values
        if is_private(value.key, private, defaults)
    }
    chunks = _lists(tuple(_chunks(read, hidden)))
    said = [c for c in chunks if c.sense in ("known", "unknown") and any(ch.isalpha() for ch in c.text)]
    said = [c for c in said if not _proper(c, question)]  # it may be a name in any language
    foreign = sum(_foreign(c) for c in said)
    offers = (*_names(chunks, vocabulary), *_values(chunks, vocabulary, private, defaults))
    return Sheet(question, chunks, offers, 2 * foreign <= len(said), vocabulary)


def _proper(chunk: Chunk, question: str) -> bool:
    """Whether an unknown word looks like a name: a capital inside the question."""
    inside = chunk.start > 0 and chunk.text[:1].isupper() and not question.isupper()
    return inside and chunk.sense == "unknown" and not _tabled(chunk.text)


def _foreign(chunk: Chunk) -> bool:
    """Whether a word is more likely of another language than English."""
    known = chunk.sense != "unknown" or chunk.misspelt
    return _tabled(chunk.text) if known else is_foreign(chunk.text)


def is_foreign(word: str) -> bool:
    """Whether a word is no English one, or a function word of another language rather than an English word."""
    return _tabled(word) or not is_english(word.casefold())


def _tabled(word: str) -> bool:
    """Whether a word is a function word of another language, and not one of English too."""
    return word.casefold() in _TABLED


def _chunks(read: Lattice, hidden: Collection[Key]) -> Iterator[Chunk]:
    senses: list[set[str]] = [set() for _ in read.words]
    hides: list[list[bool]] = [[] for _ in read.words]
    corrected = {wrong for wrong, _ in read.corrections}
    for edges in read.at:
        for category, by_end in edges.items():
            for edge in by_end.values() if category != "LABEL" else ():  # a label may be any words
                for i in range(edge.first, min(edge.end, len(read.words))):
                    senses[i].add(category)
                    if category == "VALUE":
                        hides[i].append(all(v.key in hidden for v in edge.meaning.values))
    for text, start in _pieces(read.question):
        end = start + len(text)
        inside = [i for i, w in enumerate(read.words) if w.start < end and start < w.end]
        found = [senses[i] for i in inside]
        ordinary = bool(found) and all(s - {"UNK", "VALUE", "QUOTED"} for s in found)
        sense: Sense = "unknown"
        if text in _MARKS:
            sense = "comma" if text in ",，、" else "mark"
        elif text[0] in "\"“`‘'" and len(text) > 2:
            sense = "quoted"
        elif any(ch.isdigit() for ch in text):
            sense = "number"
        elif found and all("VALUE" in s for s in found):
            sense = "name"
        elif not any(ch.isalnum() for ch in text) or not inside:
            sense = "known"  # a symbol; what the reader cuts off at the end is a known filler
        elif all(s - {"UNK"} for s in found) and text not in corrected:
            sense = "known"
        private = sense == "name" and all(all(hides[i]) for i in inside)
        yield Chunk(text, start, end, sense, ordinary, private, text in corrected)


def _pieces(question: str) -> Iterator[tuple[str, int]]:
    """The words of a question, its quoted texts, and the marks at their edges, with where they stand."""
    for match in _CHUNK.finditer(question):
        raw, start = match.group(), match.start()
        if raw[0] in "\"“`‘'" and len(raw) > 2 and raw[-1] in "\"”`’'":
            yield raw, start
            continue
        core = raw.strip(_EDGE)
        at = raw.index(core) if core else len(raw)
        for n, ch in enumerate(raw):
            if n == at and core:
                yield core, start + at
            if not at <= n < at + len(core) and ch in _MARKS:
                yield ch, start + n


def _lists(chunks: tuple[Chunk, ...]) -> tuple[Chunk, ...]:
    """With the commas between names as marks: they make a list."""
    around = zip((None, *chunks), chunks, (*chunks[1:], None), strict=False)
    return tuple(
        replace(chunk, sense="mark")
        if chunk.sense == "comma" and before and after and _named(before) and _named(after)
        else chunk
        for before, chunk, after in around
    )


def _names(chunks: tuple[Chunk, ...], vocabulary: Vocabulary) -> Iterator[Offer]:
    """Event types, keys and terms: those that are like the question's words first, then the frequent ones."""
    from rapidfuzz import fuzz

    words = [fold(c.text) for c in chunks if c.sense != "number"]

    def likeness(name: str) -> float:
        return max((fuzz.partial_ratio(fold(name), w) for w in words if len(w) > 3), default=0) // 20

    events = sorted(vocabulary.event_types(), key=lambda e: (-likeness(e.name), -e.count, e.name))
    for event in [e for e in events if len(e.name) <= LONGEST_NAME][:MOST_EVENTS]:
        yield Offer("event", event.name)
    counts: dict[str, int] = {}
    for key in (*vocabulary.attributes(), *(k for e in vocabulary.event_types() for k in e.keys)):
        counts[key.name] = counts.get(key.name, 0) + key.count
    keys = sorted(counts, key=lambda name: (-likeness(name), -counts[name], name))
    for name in [k for k in keys if len(k) <= LONGEST_NAME][:MOST_KEYS]:
        yield Offer("key", name)
    terms = [t for t in vocabulary.terms() if len(t.split()) <= 4 and len(t) <= LONGEST_NAME]  # no whole questions
    for term in sorted(terms, key=lambda t: (-likeness(t), t))[:MOST_TERMS]:
        yield Offer("term", term)


def _values(
    chunks: tuple[Chunk, ...], vocabulary: Vocabulary, private: Collection[str], defaults: Collection[str]
) -> Iterator[Offer]:
    """The values that the store finds for unknown words, by their spelling; none that is private."""
    runs: list[tuple[int, ...]] = []
    for i, chunk in enumerate(chunks):
        if chunk.sense == "unknown":
            runs.append((i,))
            if i and chunks[i - 1].sense in ("unknown", "name"):
                runs.append((i - 1, i))
    for run in runs[:MOST_RUNS]:
        text = " ".join(chunks[i].text for i in run)
        seen: set[tuple[str, str]] = set()
        for value in vocabulary.near(text, None, 2 * NEAR_EACH):
            known = (value.key.name, value.text)
            if is_private(value.key, private, defaults) or len(value.text) > LONGEST_NAME or known in seen:
                continue
            seen.add(known)
            if len(seen) <= NEAR_EACH:
                yield Offer("value", value.text.strip(), value.key.name, run)


# ── the gate ──────────────────────────────────────────────────────────────────────────────────────────────────────

# Words of other languages that carry no meaning of their own: a model may read over these, and over no other word.
_PARTICLES = frozenset(
    """der die das den dem des ein eine einen einem einer eines hat haben hatte hatten ist sind war waren wurde wurden
    habe bitte mir uns sich es
    le la les un une ont est sont ont été ne s'il vous plaît
    el los las una unos unas han ha es son se lo
    il gli i uno hanno ha è sono
    o os as um uma tem têm é são foi
    het een de hebben heeft zijn
    ने है हैं था थी थे का की के को ही""".split()
)
# Particles of English phrasal verbs and determiners, which go with their verb or noun.
_PHRASAL = frozenset("up out off down away a an the their".split())

# Words of other languages that must be said as what they are; and the English that says it.
_SENSES: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = tuple(
    (sense, frozenset(foreign.split()), frozenset(english.split()))
    for sense, foreign, english in (
        (
            "a negation",
            """nicht kein keine keinen keinem keiner nie niemals ohne pas jamais sans aucun aucune no nunca sin ningún
            ninguna ningun jamás non mai senza nessun nessuna não nunca sem nenhum nenhuma niet geen nooit zonder नहीं
            बिना nahin nahi bina""",
            """not no never without neither nor none nobody nothing except excluding didn't haven't hasn't don't doesn't
            isn't aren't wasn't weren't hadn't""",
        ),
        ("an alternative", "oder ou oppure या ya", "or either"),
        (
            "more",
            "mehr mindestens más mais più meer au-dessus ज़्यादा अधिक",
            "more over above greater exceeding least",
        ),
        ("less", "weniger höchstens moins menos meno minder कम", "less fewer under below most no"),
    )
)
_GUARDED = frozenset().union(*(foreign for _, foreign, _ in _SENSES))
_SHARED = frozenset("no a an in as i is so die war es o un de the use on son sin was am me i'm also man".split())
_TABLED = (_PARTICLES | _GUARDED) - _SHARED
_NEGATIONS = _SENSES[0][2]

# What an unknown word of an English question may be said to be: what someone did, or what is measured.
_CONTENT = frozenset("EV EN AGENT SPENT KEY TERM SIGNUP ABANDON INACTIVE CAMEBACK STOPPED".split())
_MORE = frozenset(
    "WIN WITHIN LASTING REG TIMES BOUND NUM NONE AND OR BUT COMMA THEN AFTER BEFORE EXCEPT WITHOUT".split()
)
_ENGLISH = re.compile(r"[A-Za-z,][A-Za-z' ,-]*")
_DETERMINERS = lexicon.DETERMINERS | {"every", "each", "all"}
_NUMBER_WORDS = lexicon.NUMBERS.keys() | lexicon.SCALES.keys()


@dataclass(frozen=True, slots=True)
class Restated:
    """A question in plain English, made of the pieces.

    `given`: where in it the model's own words stand; `taken`: which words of the question they stand for, and as what;
    `named`: the names that were chosen.
    """

    text: str
    given: tuple[tuple[int, int], ...]
    taken: tuple[tuple[str, str], ...]
    named: tuple[Offer, ...]


def restated(paper: Sheet, proposal: Proposal) -> Restated:
    """The question in plain English. Raises Rejected where a piece breaks a rule of the gate."""
    if proposal.unclear:
        raise Rejected("the words that are unclear are not read", again=False)
    _check_words(paper, proposal)
    for piece in proposal.pieces:
        _check_piece(paper, piece)
    _check_silent(paper, proposal)
    _check_order(paper, proposal)
    return _in_place(paper, proposal) if paper.english else _in_order(paper, proposal)


def _check_words(paper: Sheet, proposal: Proposal) -> None:
    """Every word of the question stands in just one piece, and no other."""
    covered = [n for piece in proposal.pieces for n in piece.words]
    wrong = sorted({n for n in covered if not 0 <= n < len(paper.chunks)})
    if wrong:
        raise Rejected(f"there are no words {wrong}: they are numbered 0 to {len(paper.chunks) - 1}")
    missing = [n for n in range(len(paper.chunks)) if n not in set(covered)]
    if missing:
        raise Rejected(f"the words {missing} are in no piece")
    twice = sorted({n for n in covered if covered.count(n) > 1})
    if twice:
        raise Rejected(f"the words {twice} are in more than one piece")
    if any(not piece.words for piece in proposal.pieces):
        raise Rejected("a piece has no words")


def _check_piece(paper: Sheet, piece: Piece) -> None:
    if isinstance(piece, Kept):
        return
    chunks = [paper.chunks[n] for n in piece.words]
    for n in piece.words:
        _check_may_change(paper, n, piece)
    if isinstance(piece, Filler):
        for n, chunk in zip(piece.words, chunks, strict=True):
            if paper.english or not (_is_particle(chunk) or chunk.sense == "comma"):
                raise Rejected(f'word {n}, "{chunk.text}", has a meaning: it is no filler')
        return
    particles = _PHRASAL if paper.english else _PARTICLES
    heads = [n for n in piece.words if paper.chunks[n].text.casefold() not in particles or _named(paper.chunks[n])]
    if isinstance(piece, Named):
        if not 0 <= piece.name < len(paper.offers):
            raise Rejected(f"there is no name {piece.name}: they are numbered 0 to {len(paper.offers) - 1}")
        offer = paper.offers[piece.name]
        if offer.words is not None:
            if offer.words != piece.words:
                raise Rejected(f"name {piece.name} was found for the words {list(offer.words)} only")
            return
    if len(heads) > 1:
        raise Rejected(f"the words {heads} have a meaning each: one piece for each of them")
    if isinstance(piece, Said):
        _check_english(paper, piece)


def _maybe_name(chunk: Chunk) -> bool:
    """Whether a word is so called in the data, and an everyday word too ("today")."""
    return chunk.sense == "name" and chunk.ordinary


def _named(chunk: Chunk) -> bool:
    """Whether the data, or a number or quotes, say what a word is."""
    return chunk.sense in ("name", "number", "quoted", "mark")


def _is_particle(chunk: Chunk) -> bool:
    return chunk.text.casefold() in _PARTICLES and not _named(chunk)


def _check_may_change(paper: Sheet, n: int, piece: Piece) -> None:
    """Names, numbers and quoted words stay, and every known word of an English question; vague words are not made
    precise."""
    chunk = paper.chunks[n]
    low = chunk.text.casefold()
    if chunk.sense == "number" and isinstance(piece, Said) and _digits(chunk.text) == _digits(piece.english):
        return
    particle = low in _PHRASAL if paper.english else low in _PARTICLES
    if (_named(chunk) and not (chunk.ordinary or particle or _found(paper, piece))) or chunk.sense in (
        "number",
        "quoted",
    ):
        raise Rejected(f'word {n}, "{chunk.text}", is a name or a number: it stays', again=not chunk.private)
    if not paper.english:
        return
    if low in lexicon.VAGUE:
        raise Rejected(f'word {n}, "{chunk.text}", is vague: nobody may say what it means', again=False)
    if chunk.sense != "unknown" and not (particle and len(piece.words) > 1) and not _found(paper, piece):
        raise Rejected(f'word {n}, "{chunk.text}", is known: it stays')
    if _proper(chunk, paper.question) and not _found(paper, piece):
        raise Rejected(f'word {n}, "{chunk.text}", is a name that is not in the data: it cannot be said otherwise')


def _found(paper: Sheet, piece: Piece) -> bool:
    """Whether the piece takes its words for a value that the store found for just them."""
    return (
        isinstance(piece, Named)
        and 0 <= piece.name < len(paper.offers)
        and paper.offers[piece.name].words == piece.words
    )


def _digits(text: str) -> str:
    """The digits of a text, of whatever script, in order."""
    import unicodedata

    return "".join(
        str(unicodedata.digit(ch)) for ch in text if ch.isdigit() and unicodedata.digit(ch, None) is not None
    )


def _check_english(paper: Sheet, piece: Said) -> None:
    """What a model says for a word is plain English, without numbers, and not empty of meaning."""
    english = piece.english
    given = "".join(paper.chunks[n].text for n in piece.words)
    plain = re.sub(r"\d", "", english) if _digits(english) and _digits(english) == _digits(given) else english
    if len(english) > LONGEST_ENGLISH or (plain and not _ENGLISH.fullmatch(plain)) or not english.strip():
        raise Rejected(f'"{english[:LONGEST_ENGLISH]}" is no plain English: letters, at most {LONGEST_ENGLISH} of them')
    words = set(english.casefold().replace(",", " ").split())
    if words & _NUMBER_WORDS:
        raise Rejected(f'"{english}" has a number that the question does not have in digits')
    low = {paper.chunks[n].text.casefold() for n in piece.words}
    for sense, foreign, says in _SENSES:
        if low & foreign and not paper.english and not words & says:
            raise Rejected(f'"{english}" does not say {sense}, as the question does')
    if paper.english:
        categories = {category for edges in lattice(english, paper.vocabulary).at for category in edges}
        if not categories & _CONTENT or categories & _MORE or words & _NEGATIONS:
            raise Rejected(f'"{english}" is not one thing that someone did or that is measured, and nothing else')
    tabled = any(_tabled(chunk.text) for chunk in paper.chunks)
    if tabled and words & _NEGATIONS and not low & (_SENSES[0][1] | _SENSES[3][1]):
        raise Rejected(f'"{english}" says no where the question does not')


def _check_silent(paper: Sheet, proposal: Proposal) -> None:
    """Words that are said to be polite, and so to mean nothing, stand at the head of the question ("bitte zeige mir");
    elsewhere any word could be made to mean nothing."""
    head = 0
    for piece in sorted(proposal.pieces, key=lambda p: p.words):
        opening = isinstance(piece, Filler) or all(paper.chunks[n].sense == "comma" for n in piece.words)
        if isinstance(piece, Said) and not paper.english:
            edges = lattice(piece.english, paper.vocabulary).at
            opening = all({"FILL", "LEAD"} & found.keys() for found in edges)
            silent = all(found.keys() <= {"FILL", "LEAD", "EVER", "COMMA"} for found in edges)
            if silent and min(piece.words) > head and not set(piece.english.casefold().split()) <= _DETERMINERS:
                raise Rejected(f'the words {list(piece.words)} have a meaning, and "{piece.english}" says nothing')
        if opening and min(piece.words) <= head:
            head = max(piece.words) + 1


def _check_order(paper: Sheet, proposal: Proposal) -> None:
    """An English question keeps its order. In another, names keep theirs and numbers theirs."""
    order = [n for piece in proposal.pieces for n in piece.words]
    if paper.english:
        if order != sorted(order):
            raise Rejected("the words of an English question stay in their order")
        return
    for senses in (("name", "quoted", "mark"), ("number",)):
        some = [n for n in order if paper.chunks[n].sense in senses and not _maybe_name(paper.chunks[n])]
        if some != sorted(some):
            raise Rejected(f"the words {sorted(some)} stay in their order among themselves")


def _in_place(paper: Sheet, proposal: Proposal) -> Restated:
    """The English question with some words said otherwise; all else, also its commas, stays as it was written."""
    text, at = "", 0
    given: list[tuple[int, int]] = []
    for piece in proposal.pieces:
        if isinstance(piece, Kept):
            continue
        first, last = paper.chunks[piece.words[0]], paper.chunks[piece.words[-1]]
        text += paper.question[at : first.start]
        said = _words(paper, piece)
        given.append((len(text), len(text) + len(said)))
        text += said
        at = last.end
    return _restated(paper, proposal, text + paper.question[at:], given)


def _in_order(paper: Sheet, proposal: Proposal) -> Restated:
    """The pieces one after another, as one English sentence."""
    text = ""
    given: list[tuple[int, int]] = []
    for piece in proposal.pieces:
        said = _words(paper, piece)
        if not said:
            continue
        text += "" if not text or said.startswith(",") else " "
        if not isinstance(piece, Kept):
            given.append((len(text), len(text) + len(said)))
        text += said
    return _restated(paper, proposal, text, given)


def _restated(paper: Sheet, proposal: Proposal, text: str, given: list[tuple[int, int]]) -> Restated:
    taken = []
    named = []
    for piece in proposal.pieces:
        words = " ".join(paper.chunks[n].text for n in piece.words)
        if isinstance(piece, Named):
            offer = paper.offers[piece.name]
            named.append(offer)
            taken.append((words, f'{offer.of or offer.kind} "{offer.text}"'))
        elif isinstance(piece, Said) and piece.english.casefold() != words.casefold():
            taken.append((words, f'"{piece.english.strip(" ,")}"'))
    return Restated(text, tuple(given), tuple(taken), tuple(named))


def _words(paper: Sheet, piece: Piece) -> str:
    """A piece as it stands in the English sentence; names in quotes, so that no other word is read into them."""
    match piece:
        case Kept():
            return " ".join(paper.chunks[n].text for n in piece.words)
        case Said():
            return piece.english.strip()
        case Filler():
            return ""
        case Named():
            offer = paper.offers[piece.name]
            escaped = offer.text.replace("\\", "\\\\").replace('"', '\\"')
            return offer.text if offer.kind == "term" else f'"{escaped}"'


class Veiled:
    """A vocabulary in which no word of the model's own is a value: values are found for the question's words only."""

    def __init__(self, vocabulary: Vocabulary, said: Restated, question: str) -> None:
        self._vocabulary = vocabulary
        self._hidden = frozenset(_runs_over(said.text, said.given)) - frozenset(_runs_over(question, None))
        self._hidden -= {fold(offer.text) for offer in said.named}
        self.version = vocabulary.version
        self.event_types = vocabulary.event_types
        self.attributes = vocabulary.attributes
        self.contains = vocabulary.contains
        self.terms = vocabulary.terms
        self.segments = vocabulary.segments

    def values(self, runs: Collection[str]) -> dict[str, tuple[Value, ...]]:
        """The values of these runs, but for those that the model's words are in."""
        return dict(self._vocabulary.values([run for run in runs if run not in self._hidden]))

    def near(self, text: str, keys: Collection[Key] | None = None, limit: int = 3) -> tuple[Value, ...]:
        """None: what a model says is not corrected."""
        return ()


def _runs_over(text: str, spans: tuple[tuple[int, int], ...] | None) -> Iterator[str]:
    """The folded runs of words that touch one of the spans; all, without spans."""
    from grammar.mentions import LONGEST_RUN, tokens

    words = tokens(text)
    for i in range(len(words)):
        for j in range(i + 1, min(len(words), i + LONGEST_RUN) + 1):
            start, end = words[i].start, words[j - 1].end
            if spans is None or any(first < end and start < last for first, last in spans):
                yield fold(" ".join(w.raw for w in words[i:j]))
