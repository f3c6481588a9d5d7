"""How event types and keys are named in English: stems, particles, synonyms, agent nouns, and parts of names.

support-ticket-created ── stems ──► {support, ticket, creat}   verb: creat
"created a support ticket", "support ticket creation" ── stems of a run without determiners ──► the same set
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from grammar import lexicon
from grammar.closed import CLOSED
from grammar.lexicon import Form
from grammar.vocabulary import EventType, Key, singular, words_of

Tier = Literal["full", "everyday", "partial", "noun"]
LONGEST_NAME = 9  # words of a run that may name an event, determiners included


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The stem that the inflections and derivations of a verb or noun share; the same on both sides, so it need not be
    English.

    >>> {stem(w) for w in ("create", "creates", "created", "creating", "creation", "creator")}
    {'creat'}
    """
    if word in lexicon.IRREGULAR_STEMS:
        return lexicon.IRREGULAR_STEMS[word]
    base = singular(word)
    if base in lexicon.IRREGULAR_STEMS:
        return lexicon.IRREGULAR_STEMS[base]
    for ending, kept in _ENDINGS:
        if base.endswith(ending) and len(base) - len(ending) >= kept:
            base = base[: -len(ending)]
            break
    if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "seo" and (base[-1] != "l" or len(base) > 4):
        base = base[:-1]  # cancelled, shipped → cancel, ship; but filled is no filed
    if len(base) > 3 and base.endswith("e"):
        base = base[:-1]
    if len(base) > 3 and base.endswith("i"):
        base = base[:-1] + "y"
    return lexicon.IRREGULAR_STEMS.get(base, base)


_ENDINGS = (
    ("isation", 3),
    ("ization", 3),
    ("ations", 4),
    ("ation", 4),
    ("ment", 4),
    ("ings", 3),
    ("ing", 3),
    ("ion", 4),
    ("er", 3),
    ("or", 4),
    ("ed", 3),
    ("ure", 4),
    ("al", 4),
)


def are_forms(one: str, other: str) -> bool:
    """Whether two words are forms of one word, told by their spelling more strictly than by their stems.

    >>> are_forms("upgrade", "upgraded"), are_forms("shipping", "shipped"), are_forms("portal", "port")
    (True, True, False)
    """
    return not _bases(one).isdisjoint(_bases(other))


@lru_cache(maxsize=4096)
def _bases(word: str) -> frozenset[str]:
    """The words of which a word may be a form: without its ending, and as an ending changes it."""
    found = {word, singular(word)}
    for said in tuple(found):
        for ending in _INFLECTIONS:
            base = said[: -len(ending)]
            if said.endswith(ending) and len(base) > 1:
                found |= {base, base + "e"} | ({base[:-1]} if base[-1:] == base[-2:-1] else set())
                found |= {base[:-1] + "y"} if base.endswith("i") else set()
    return frozenset(found | {lexicon.IRREGULAR_STEMS[w] for w in found if w in lexicon.IRREGULAR_STEMS})


_DEEDS = ("tion", "tions", "sion", "sions")  # of what is done, and never the verb
_ALSO_VERBS = frozenset("mention question petition auction position commission transition".split())
_NOMINAL = ("s", "ing", "ion", "ment", "al", "ure", "er", "or")  # no verb in its base form ends so, or few do
_INFLECTIONS = ("ed", "ing", "er", "or", "ion", "ation", "ment")


_SMALL = frozenset("a an and at by for from in of on or the to with".split())
_INSIDE = frozenset("for to of into in on at with from about".split())  # may stand inside a name: "applied for a loan"
_ARTICLES = frozenset("a an the their his her my our your".split())
_PLURAL_PARTICLES = {"ins": "in", "outs": "out", "ups": "up", "offs": "off"}  # "check-ins"
_PARTICLES = frozenset({"in", "out", "up", "off", "on", "down"})
_JOINED = {
    stem(verb) + particle: (verb, particle)
    for verb, particle in (
        ("log", "in"), ("log", "out"), ("log", "on"), ("log", "off"), ("sign", "in"), ("sign", "up"), ("sign", "out"),
        ("check", "in"), ("check", "out"), ("top", "up"), ("opt", "in"), ("opt", "out"), ("follow", "up"),
        ("drop", "off"), ("pick", "up"), ("set", "up"), ("turn", "on"), ("turn", "off"), ("cash", "out"),
        ("level", "up"), ("trade", "in"), ("walk", "in"), ("buy", "in"), ("buy", "out"), ("pay", "out"),
        ("time", "out"), ("lock", "out"), ("sell", "out"), ("sign", "off"), ("follow", "on"), ("clock", "out"),
        ("fill", "in"), ("fill", "out"), ("switch", "on"), ("switch", "off"), ("clock", "in"),
    )
}  # fmt: skip


_PREFIXES = frozenset({"pre", "re", "un", "co", "de", "non", "mis", "e"})  # no words by themselves


def name_stems(name: str) -> tuple[str, ...]:
    """The stems of a name's words, a verb and its particle joined ("checked-in" and "check-in" → checkin)."""
    return _with_particles([part for part, _ in _stemmed(name)])


def _stemmed(name: str) -> list[tuple[str, str]]:
    """The words of a name with their stems, a prefix joined to what follows it: "pre-ordered" is "preordered"."""
    found: list[tuple[str, str]] = []
    for word in words_of(_apart(name)):
        if found and found[-1][1] in _PREFIXES:
            prefix = found.pop()[1]
            found.append((prefix + stem(word), prefix + word))
        else:
            found.append((stem(word), word))
    return found


def _apart(name: str) -> str:
    """camelCase written apart: "orderCompleted" → "order Completed"."""
    return "".join(f" {c}" if c.isupper() and i and name[i - 1].islower() else c for i, c in enumerate(name))


def _with_particles(stems: Sequence[str]) -> tuple[str, ...]:
    joined: list[str] = []
    for part in stems:
        if joined and part in _PARTICLES and joined[-1] + part in _JOINED:
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


@dataclass(frozen=True, slots=True)
class EventName:
    """An event type's name as stems; `verbs` are those of its words that carry the action."""

    event: str
    stems: tuple[str, ...]
    verbs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event that some words may name: in full, as the everyday word for it, by a part that holds its verb, or one
    that does not."""

    event: str
    tier: Tier
    stems: frozenset[str]


@dataclass(frozen=True, slots=True)
class NameHit:
    """Words up to `end` that name events, in one grammatical form."""

    end: int
    form: Form
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """The names of one phonebook, ready to be found in word runs."""

    events: tuple[EventName, ...]
    by_stem: dict[str, tuple[int, ...]]
    keys: dict[tuple[str, ...], tuple[Key, ...]]
    key_starts: frozenset[str]
    dates: dict[str, tuple[Key, ...]]  # by the stem of what happens then: "departing" for departure_date
    booleans: dict[tuple[str, ...], tuple[Key, ...]]
    nouns: dict[str, tuple[Key, ...]]  # of events, by the stem of the last of several words: "city" for to_city


def event_name(name: str) -> EventName:
    """A name with its verbs told from its nouns: participles first, else words known as verbs, else the last word."""
    words = _stemmed(name)
    stems = _with_particles([part for part, _ in words])
    verbs = {part for part, word in words if _is_participle(word)}
    verbs |= {s for s in stems if s in _JOINED}
    if not verbs & set(stems):
        verbs = {s for s in stems if s in lexicon.VERB_STEMS}
    if not verbs & set(stems):
        verbs = {stems[-1]} if stems else set()
    return EventName(name, stems, frozenset(verbs & set(stems)))


def has_form(event: str, word: str) -> bool:
    """Whether an event's name has a word of which this one is a form, and not only the stem by chance: "portal" is no
    form of port-requested. A synonym of its verb is another word, and no chance."""
    return stem(word) not in name_stems(event) or any(are_forms(word, own) for own in words_of(_apart(event)))


def is_nominal(event: str) -> bool:
    """Whether an event's name is a thing that happens, and has no participle: body-scan, trainer-session."""
    return not any(_is_participle(word) for word in words_of(_apart(event)))


def _is_participle(word: str) -> bool:
    return word in lexicon.PARTICIPLES or (word.endswith("ed") and len(word) > 4 and not word.endswith("eed"))


@lru_cache(maxsize=8)
def index(event_types: tuple[EventType, ...], attributes: tuple[Key, ...]) -> Index:
    """The index of a phonebook's names; kept for the few phonebooks that were asked last."""
    events = tuple(event_name(e.name) for e in event_types)
    by_stem: dict[str, list[int]] = {}
    for i, name in enumerate(events):
        for part in set(name.stems) | {s for stem_ in name.stems for s in lexicon.SYNONYM_STEMS.get(stem_, ())}:
            by_stem.setdefault(part, []).append(i)
    keys: dict[tuple[str, ...], dict[Key, None]] = {}
    # A key that holds objects has no value to be compared with: what is asked of stands in the keys below it.
    for key in (*attributes, *(key for e in event_types for key in e.keys if "object" not in key.holds)):
        for words in _key_words(key):
            keys.setdefault(words, {})[key] = None
    for words, named in _own_words(event_types).items():
        said = " ".join(words)
        if words not in keys and said not in CLOSED and said not in lexicon.DURATION_SUFFIXES:
            keys[words] = named
    _add_last_words(keys, attributes)
    called = [k for k in attributes if k.name.lower() in lexicon.NAME_KEYS]
    if len(called) == 1:  # "sorted by name", where that is full_name
        keys.setdefault(("name",), {}).setdefault(called[0])
    return Index(
        events,
        {part: tuple(found) for part, found in by_stem.items()},
        {words: tuple(found) for words, found in keys.items()},
        frozenset(words[0] for words in keys),
        _dates(keys),
        {boolean_stems(key.name): (key,) for key in attributes if "boolean" in key.holds},
        _nouns(keys),
    )


def _add_last_words(keys: dict[tuple[str, ...], dict[Key, None]], attributes: Sequence[Key]) -> None:
    """Attributes of text by the last word of their names, where no other key is called so: tier of rider_tier."""
    by_last: dict[str, list[Key]] = {}
    for key in attributes:
        words = [singular(word) for word in words_of(_apart(key.name))]
        if len(words) > 1:
            by_last.setdefault(words[-1], []).append(key)
    for last, named in by_last.items():
        plain = "text" in named[0].holds and (last,) not in keys and last not in CLOSED and last != "name"
        if len(named) == 1 and plain:
            keys[(last,)] = {named[0]: None}


def _own_words(event_types: tuple[EventType, ...]) -> dict[tuple[str, ...], dict[Key, None]]:
    """Keys by what is left of their names without the words of their event's: "a claim of type X" for claim_type."""
    found: dict[tuple[str, ...], dict[Key, None]] = {}
    for event in event_types:
        stems = set(name_stems(event.name))
        for key in event.keys:
            words = tuple(singular(word) for word in words_of(_apart(key.name)))
            own = next((n for n, word in enumerate(words) if stem(word) not in stems), 0)
            if own and key.level == "event" and "object" not in key.holds:
                found.setdefault(words[own:], {})[key] = None
    return found


def _nouns(keys: dict[tuple[str, ...], dict[Key, None]]) -> dict[str, tuple[Key, ...]]:
    found: dict[str, dict[Key, None]] = {}
    for words, named in keys.items():
        for key in named if len(words) > 1 else ():
            if key.level == "event":
                found.setdefault(stem(words[-1]), {})[key] = None
    return {noun: tuple(named) for noun, named in found.items()}


def _dates(keys: dict[tuple[str, ...], dict[Key, None]]) -> dict[str, tuple[Key, ...]]:
    found: dict[str, dict[Key, None]] = {}
    for words, named in keys.items():
        for key in named:
            if (
                "date" in key.holds
                and key.level != "attribute"
                and (len(words) == 1 or words[-1] in lexicon.DATE_SUFFIXES)
            ):
                found.setdefault(stem(words[0]), {})[key] = None
    return {part: tuple(named) for part, named in found.items()}


def _key_words(key: Key) -> Iterable[tuple[str, ...]]:
    """The word sequences that name a key: its name; its last level; the everyday words for such a key."""
    whole = tuple(singular(w) for w in words_of(_apart(key.name)))
    if whole:
        yield whole
    last = tuple(singular(w) for w in words_of(_apart(key.name.rsplit(".", 1)[-1])))
    if last and last != whole:
        yield last
    if len(last) > 1 and (last[-1] in lexicon.DURATION_SUFFIXES or last[-1] in lexicon.OTHER_SUFFIXES):
        yield last[:-1]
    for spoken in lexicon.KEY_WORDS.get("_".join(whole), ()):
        yield tuple(spoken.split())


def find_keys(names: Index, lows: Sequence[str], i: int) -> list[tuple[int, tuple[Key, ...]]]:
    """The runs from word i that name a key: where each ends, and the keys, the longest last."""
    first = lexicon.bare(lows[i])
    if not first or singular(words_of(first)[0] if words_of(first) else first) not in names.key_starts:
        return []
    hits: list[tuple[int, tuple[Key, ...]]] = []
    run: list[str] = []
    plurals: set[str] = set()
    for j in range(i, min(len(lows), i + 5)):
        parts = words_of(lexicon.bare(lows[j]))
        if not parts:
            break
        found = names.keys.get((*run, *(singular(p) for p in parts)))
        if found and not plurals:
            hits.append((j + 1, found))
        elif found:  # "orders total" is no "order total"
            own = tuple(k for k in found if plurals <= set(words_of(k.name)))
            hits.extend([(j + 1, own)] if own else [])
        run.extend(singular(p) for p in parts)
        plurals |= {p for p in parts if singular(p) != p}
    return hits


def find_events(names: Index, lows: Sequence[str], i: int, occurring: frozenset[str]) -> list[NameHit]:
    """All ways in which words from i on name an event: at most one length for each form and tier, the longest."""
    hits: dict[tuple[Form, Tier], NameHit] = {}
    everyday = list(_everyday(names, lows, i, occurring))
    verbs = {end for end, form, _ in everyday if form == "verb"} - {end for end, form, _ in everyday if form == "noun"}
    for end, form, candidates in (*_by_name(names, lows, i), *everyday):
        if form == "noun" and end in verbs and candidates[0].tier == "partial":
            continue  # "buy" is no noun
        key = (form, candidates[0].tier)
        if key not in hits or end > hits[key].end:
            hits[key] = NameHit(end, form, tuple(candidates))
        elif end == hits[key].end:
            known = hits[key].candidates
            hits[key] = NameHit(end, form, known + tuple(c for c in candidates if c not in known))
    return list(hits.values())


def _by_name(names: Index, lows: Sequence[str], i: int) -> Iterable[tuple[int, Form, list[Candidate]]]:
    """Runs whose stems are a whole name, or a part of one that holds its verb (or, as a tail, none of its verbs)."""
    run: list[tuple[str, str]] = []  # (stem, word)
    live: set[int] | None = None
    prefix = ""
    for j in range(i, min(len(lows), i + LONGEST_NAME)):
        if lows[j] in _PREFIXES and not prefix:
            prefix = lows[j]
            continue
        before, word, prefix = prefix, lows[j], ""
        possessed = word in ("their", "his", "her") and lows[j - 1] in _INSIDE  # "a session with their trainer"
        if j > i and (word in lexicon.DEMONSTRATIVES or possessed or _alone(lows, j)):
            return
        if j > i and word in lexicon.DETERMINERS:
            continue
        particle = bool(run) and run[-1][0] + word in _JOINED and run[-1][0] + word in names.by_stem
        named = (live or set()) & set(names.by_stem.get(stem(word), ()))
        if j > i and word in _INSIDE and not particle and not named and j + 1 < len(lows):
            continue
        parts = words_of(word)
        if not parts:
            if word in "-/_" and j > i:
                continue
            return
        for part in parts:
            s, bare = before + stem(part), _PLURAL_PARTICLES.get(part, part)
            joined = run[-1][0] + bare if run else ""
            if bare in _PARTICLES and joined in _JOINED and joined in names.by_stem:
                run[-1] = (joined, part if part != bare else run[-1][1])
                live = _narrowed(names, [s for s, _ in run])
            else:
                run.append((s, part))
                found = names.by_stem.get(s)
                following = _PLURAL_PARTICLES.get(lows[j + 1], lows[j + 1]) if j + 1 < len(lows) else ""
                joinable = s + following in _JOINED and s + following in names.by_stem
                if found is None:
                    if joinable:  # "topped" of "topped up": the particle decides
                        live = live or set()
                        continue
                    return
                live = set(found) if live is None or (len(run) == 1) else live & set(found)
            if not live:
                if j + 1 < len(lows) and _PLURAL_PARTICLES.get(lows[j + 1], lows[j + 1]) in _PARTICLES:
                    continue
                return
        spoken = any(lows[k + 1] in _ARTICLES and _is_participle(lows[k]) for k in range(i, j - 1))
        for end, form, candidates in _fitting(names, live or set(), run, j + 1, lows):
            if form != "noun" or not spoken:  # "sent a referral" is no thing
                yield end, form, candidates


def _narrowed(names: Index, stems: Sequence[str]) -> set[int]:
    live: set[int] | None = None
    for s in stems:
        found = set(names.by_stem.get(s, ()))
        live = found if live is None else live & found
    return live or set()


def _fitting(
    names: Index, live: set[int], run: list[tuple[str, str]], end: int, lows: Sequence[str]
) -> Iterable[tuple[int, Form, list[Candidate]]]:
    said = [s for s, _ in run]
    grouped: dict[tuple[Form, Tier], list[Candidate]] = {}
    for n in sorted(live):
        name = names.events[n]
        matched = _matched(name, said)
        if matched is None:
            continue
        whole = len(matched) == len(name.stems)
        verb = bool(set(matched) & name.verbs)
        tier: Tier = "full" if whole else "partial" if verb else "noun"
        for form in _forms(name, run, matched, whole, verb):
            grouped.setdefault((form, tier), []).append(Candidate(name.event, tier, frozenset(matched)))
    after = end
    if end < len(lows) and lows[end] in lexicon.EVENT_WORDS:
        after = end + 1
    for (form, _), candidates in grouped.items():
        yield (after if form == "noun" else end), form, candidates
        if form == "noun" and after != end:
            yield end, form, candidates


def _matched(name: EventName, said: Sequence[str]) -> list[str] | None:
    """The name's own stems that the said ones stand for, each used once; None where one fits nothing."""
    left = list(name.stems)
    matched: list[str] = []
    for s in said:
        if s in left:
            left.remove(s)
            matched.append(s)
            continue
        other = next((o for o in left if s in lexicon.SYNONYM_STEMS.get(o, ())), None)
        if other is None:
            return None
        left.remove(other)
        matched.append(other)
    return matched


def _forms(name: EventName, run: list[tuple[str, str]], matched: list[str], whole: bool, verb: bool) -> Iterable[Form]:
    """The grammatical forms that a run of a name can have, from where its verb stands and how it is inflected."""
    if not whole and {"signup", "join"} & {s for s, _ in run} and "regist" in matched:
        return  # who signed up has not registered a warranty
    first_is_verb = matched[0] in name.verbs
    verb_word = next((word for (s, word), m in zip(run, matched, strict=True) if m in name.verbs), None)
    if run[0][1] in _SMALL or (run[-1][1] in _SMALL and not whole):
        return  # a name begins and ends with a word of content
    if not verb:
        denominal = len(name.stems) == 2 and name.verbs <= lexicon.LIGHT_STEMS
        acts = len(run) == 1 and (denominal or run[0][0] in lexicon.VERB_STEMS) and "receiv" not in name.verbs
        acts = acts and not name.verbs & lexicon.ALTERING_STEMS  # who subscribed has cancelled no subscription
        if any(_is_participle(word) for _, word in run):
            if acts:
                yield "verb"  # "purchased" of purchase-made, "tipped" of tip-given
            return
        if acts and denominal and run[0][1] in words_of(_apart(name.event)) and not run[0][1].endswith(_NOMINAL):
            yield "verb"  # "didn't recharge" of recharge-done
        own = {singular(word) for word in words_of(_apart(name.event))}
        if any(lexicon.is_agent(word) and singular(word) not in own for _, word in run):
            if acts:
                yield "agent"  # "wishlisters" did it, and are none of it
            return
        yield "tail"
        if f" by {run[-1][0]}" not in f" {' '.join(map(stem, words_of(_apart(name.event))))}":
            yield "noun"  # "companies" are no profile-viewed-by-company
        return
    assert verb_word is not None
    if any(
        m not in name.verbs and lexicon.is_agent(w) and not _written_in(name, w)
        for (_, w), m in zip(run, matched, strict=True)
    ):
        return  # "subscribers cancelled" did two things, and are no subscription that was cancelled
    # "visitors" alone are contacts; "lounge visitors" are those who visited one
    agent = lexicon.is_agent(verb_word) or (len(run) > 1 and verb_word in ("visitor", "visitors"))
    agent = agent and verb_word not in words_of(name.event)
    if agent and (whole or len(name.stems) == 1 or len(run) < len(name.stems)):
        yield "agent"
    if set(matched) <= lexicon.GENERAL_STEMS and not whole:
        return  # whatever is done is made or performed
    inflected = _is_participle(verb_word) or verb_word.endswith("ing")
    deed = verb_word.endswith(_DEEDS) and not _written_in(name, verb_word) and singular(verb_word) not in _ALSO_VERBS
    if first_is_verb and not agent and not deed:
        yield "verb"
    elif inflected and matched[-1] in name.verbs:
        yield "verb"  # the name as it is written: "ticket created"
    gerund = verb_word.endswith(("ing", "ings"))
    if (whole and not agent and (len(run) > 1 or not inflected)) or gerund or (not inflected and not agent):
        yield "noun"


def _written_in(name: EventName, word: str) -> bool:
    """Whether an event's name is written with a word itself, and not only with another form of it."""
    return singular(word) in _written(name.event)


@lru_cache(maxsize=4096)
def _written(event: str) -> frozenset[str]:
    return frozenset(map(singular, words_of(_apart(event))))


def alike(names: Index, said: Sequence[str], candidates: Sequence[Candidate]) -> list[Candidate]:
    """The events of a noun that is written in one's name ("donation" in donation-pledged), and only a form of another's
    verb ("fund-donated"): then neither goes before the other. What only altered or ended it does not count."""
    noun = said[-1]
    written = {e.event for e in names.events if _written_in(e, noun) and not e.verbs & lexicon.ALTERING_STEMS}
    if not any(c.tier == "noun" and c.event in written for c in candidates):
        return list(candidates)
    own = {e.event for e in names.events if _written_in(e, noun)}
    return [replace(c, tier="noun") if c.tier == "partial" and c.event not in own else c for c in candidates]


def _everyday(
    names: Index, lows: Sequence[str], i: int, occurring: frozenset[str]
) -> Iterable[tuple[int, Form, list[Candidate]]]:
    """Everyday words for the default events, where the event occurs or no other event's name has the word."""
    for phrase, form, event in lexicon.EVERYDAY.get(lows[i], ()):
        end = phrase_end(phrase, lows, i)
        if end is None or (phrase[0] in lexicon.PAYING and pays(names)):
            continue
        searches = () if event != "product-searched" or event in occurring else names.by_stem.get("search", ())
        if searches:  # "looked for a flight": the phonebook's own searches
            yield end, form, [Candidate(names.events[n].event, "everyday", frozenset()) for n in sorted(searches)]
            continue
        if event not in occurring and any(stem(w) in names.by_stem for w in phrase if w not in _PARTICLES and w != "_"):
            continue
        if form == "noun" and end < len(lows) and lows[end] in lexicon.EVENT_WORDS:
            yield end + 1, form, [Candidate(event, "everyday", frozenset())]
        yield end, form, [Candidate(event, "everyday", frozenset())]


_BETWEEN = lexicon.DETERMINERS - lexicon.DEMONSTRATIVES


def _alone(lows: Sequence[str], i: int) -> bool:
    """Whether word i is a thing, not the article of one: "added any to the cart"."""
    return lows[i] in ("any", "some") and not _INSIDE.isdisjoint(lows[i + 1 : i + 2])


def phrase_end(phrase: tuple[str, ...], lows: Sequence[str], i: int) -> int | None:
    """Where a phrase that starts at word i ends; determiners may stand between its words."""
    j = i
    for n, word in enumerate(phrase):
        while n and j < len(lows) and lows[j] != word and lows[j] in _BETWEEN and not _alone(lows, j):
            j += 1
        if j >= len(lows) or lows[j] != word:
            return None
        j += 1
    return j


def find_booleans(names: Index, lows: Sequence[str], i: int) -> tuple[int, tuple[Key, ...]] | None:
    """The longest run from word i that says a boolean attribute: "opted in to marketing" for marketing_opt_in."""
    best: tuple[int, tuple[Key, ...]] | None = None
    run: list[str] = []
    for j in range(i, min(len(lows), i + 7)):
        if j > i and (lows[j] in lexicon.DETERMINERS or (lows[j] in _LINKING and not _particle_here(run, lows[j]))):
            continue
        parts = words_of(lows[j])
        if not parts:
            break
        for part in parts:
            if len(parts) > 1 and part in _LINKING and not _particle_here(run, part):
                continue
            if run and part in _PARTICLES and run[-1] + part in _JOINED:
                run[-1] += part
            else:
                run.append(stem(part))
        found = names.booleans.get(tuple(sorted(run)))
        if found:
            best = (j + 1, found)
    return best


def pays(names: Index) -> bool:
    """Whether an event type is named by its paying, so that "paid" is no word for an order."""
    return any(form == "verb" for _, form, _ in _by_name(names, ("paid",), 0))


def agreed_to(names: Index, word: str) -> tuple[Key, ...]:
    """The one boolean attribute by which somebody agreed to what a word names: accepts_marketing."""
    found = [keys for said, keys in names.booleans.items() if stem(word) in said and _AGREED & set(said)]
    return found[0] if len(found) == 1 else ()


_AGREED = frozenset(
    map(stem, "accepts accepted allows allowed agreed consent opt optin wants receives permission".split())
)
_LINKING = ("to", "for", "with", "in", "into")  # "open to relocate", "opted in to marketing"


def _particle_here(run: Sequence[str], word: str) -> bool:
    return bool(run) and run[-1] + word in _JOINED


def boolean_stems(name: str) -> tuple[str, ...]:
    """The words of a boolean's name, by which it is found in any order."""
    words = [w for w in words_of(_apart(name)) if w not in ("is", "has", "was", "are", "flag", "status")]
    stems = _with_particles([stem(w) for w in words])
    return tuple(sorted(s for s in stems if s not in _LINKING or len(stems) == 1))
