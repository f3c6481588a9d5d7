"""The door of the language: a question and a vocabulary to one Query, or a refusal, or readings to choose from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from grammar import lexicon
from grammar.canonical import read_canonical
from grammar.chart import NoTree, TooTangled
from grammar.describe import describe
from grammar.draft import Refused, Tree
from grammar.english import trees
from grammar.errors import Ambiguous, NotUnderstood, Reading
from grammar.limits import limit
from grammar.mentions import Edge, Lattice, lattice, tokens
from grammar.proposal import Proposal, Rejected, Restated, Sheet, Veiled, is_foreign, restated, sheet
from grammar.query import Attribute, Condition, Events, Favourite, Filter, Query, Term, Text, Users, nodes
from grammar.resolve import Resolved, resolve
from grammar.terms import as_synonym
from grammar.values import Names, names_of
from grammar.vocabulary import Value, Vocabulary, fold

if TYPE_CHECKING:
    from grammar.model import Failed as ModelFailed
    from grammar.model import ModelUsage, Outcome, Passed, Server
    from grammar.model import Refused as ModelRefused

LONGEST_QUOTE = 60  # characters of a word that is quoted back
NEAR = 82  # percent of likeness from which a value is offered for words that are none
LONGEST_WORD = 200  # characters of a word that is read, but in quotes
LONGEST = 100  # words; more are refused unread
_MISPLACED = frozenset({"no place", "incomplete", "unknown value", "unknown key"})  # may be a phrase that is not asked
_LACKING = frozenset({"incomplete", "unsupported"})  # the sentence stands, but no answer follows from it


@dataclass(frozen=True, slots=True)
class Grounded:
    """What some words of the question were taken for: a name or value of the data, and how often it occurs."""

    words: str
    meaning: str
    count: int


@dataclass(frozen=True, slots=True)
class Read:
    """What was read: the query, what is said beside it, what its words were taken for, and which reader gave it."""

    query: Query
    warnings: tuple[str, ...] = ()
    grounding: tuple[Grounded, ...] = ()
    parser: Literal["grammar", "model"] = "grammar"
    usage: ModelUsage | None = None


def read(question: str, vocabulary: Vocabulary, before: Condition | None = None) -> Read:
    """The one meaning of a question. `before`: whom the question before was about, if this one leans on it.

    Raises NotUnderstood where a word has no part in any reading, and Ambiguous where two readings differ.
    """
    settled = _settled(question, vocabulary)
    if settled is not None:
        return settled
    return _one(lattice(question, vocabulary), vocabulary, before)


def _settled(question: str, vocabulary: Vocabulary) -> Read | None:
    """What needs no reader: canonical English, and a question whose reading was chosen before. Raises NotUnderstood for
    what no reader is given."""
    canonical = read_canonical(question)
    if canonical is not None:
        return Read(canonical)
    chosen = vocabulary.terms().get(fold(question)) if question.strip() else None
    if chosen is not None:  # a reading of this very question that was chosen before
        return Read(Query(Term(fold(question), chosen)))
    words = tokens(question)
    if not words:
        raise NotUnderstood("empty", [], "Nothing was asked.")
    if len(words) > LONGEST:
        first = question[words[LONGEST].start :][:40]
        raise NotUnderstood(
            "too long",
            [first],
            f"The question has {len(words)} words; {LONGEST} are read.",
            position=words[LONGEST].start,
        )
    endless = next((word for word in words if len(word.raw) > LONGEST_WORD and not word.quoted), None)
    if endless is not None:
        start = endless.raw[:LONGEST_QUOTE]
        raise NotUnderstood("too long", [start], f'"{start}…" is too long for a word.', position=endless.start)
    return None


def meaning(text: str, vocabulary: Vocabulary) -> Condition:
    """What a term is to mean: contacts ("users who spent over 10000"), or values of the data ("category Shoes",
    "Shoes").

    Raises NotUnderstood or Ambiguous where the text is neither.
    """
    try:
        said = read(text, vocabulary).query
    except NotUnderstood:
        values = _values(text, vocabulary)
        if not values:
            raise
        return as_synonym(values)
    if said.output != Users():
        raise NotUnderstood("unsupported", [text], "A term means contacts, not a number or a list of columns.")
    return said.population


def _values(text: str, vocabulary: Vocabulary) -> tuple[Value, ...]:
    """The values that "category Shoes" or "Shoes" names."""
    words = lattice(text, vocabulary)
    end = len(words.words)
    starts = {0: None} | {k.end: k.meaning for k in words.at[0].get("KEY", {}).values()} if end else {}
    for first, keys in sorted(starts.items(), reverse=True):
        for category in ("VALUE", "QUOTED"):
            edge = words.at[first].get(category, {}).get(end) if first < end else None
            held = edge.meaning.values if edge is not None else ()
            found = tuple(v for v in held if v.key.level != "attribute" and (keys is None or v.key in keys))
            if found:
                return found
    return ()


# ── two readers ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ModelReader:
    """A language model as a reader, and how it is used.

    Attributes:
        server: where it is.
        use: "always" beside the grammar, or "when-needed": only where the grammar does not understand.
        private: keys whose values it never sees, as `grammar.proposal.private_name` folds them.
        recall: the proposal that was kept under this key, or None.
        keep: keeps a proposal that passed the gate under this key.
    """

    server: Server
    use: Literal["always", "when-needed"]
    private: Collection[str]
    recall: Callable[[str], str | None]
    keep: Callable[[str, str], None]


def read_with(
    question: str, vocabulary: Vocabulary, helper: ModelReader, parser: Literal["auto", "model"] = "auto"
) -> Read:
    """The one meaning of a question, read by the grammar and by a language model: `parser` "model" takes the model's
    reading where it has one; "auto" answers where both agree or only one understands, and shows both readings where
    they differ. A model that fails leaves the grammar's outcome, with a warning.

    Raises NotUnderstood and Ambiguous as `read` does.
    """
    settled = _settled(question, vocabulary)
    if settled is not None:
        return settled
    if parser == "auto" and helper.use == "when-needed":
        grammars = _outcome(question, vocabulary)
        if not isinstance(grammars, NotUnderstood):
            return _given(grammars)
        asked = _ask(question, vocabulary, helper)
    else:
        asked = _ask(question, vocabulary, helper)
        grammars = _outcome(question, vocabulary)
    got, usage = asked()
    return _given(_settle(parser, grammars, got, usage))


_Readings = Read | Ambiguous


def _outcome(question: str, vocabulary: Vocabulary) -> Read | NotUnderstood | Ambiguous:
    """What the grammar makes of a question, as a value."""
    try:
        return _one(lattice(question, vocabulary), vocabulary)
    except (NotUnderstood, Ambiguous) as refusal:
        return refusal


def _given(outcome: Read | NotUnderstood | Ambiguous) -> Read:
    if isinstance(outcome, Read):
        return outcome
    raise outcome


def _ask(
    question: str, vocabulary: Vocabulary, helper: ModelReader
) -> Callable[[], tuple[Passed[_Readings] | ModelRefused | ModelFailed, Callable[[Outcome], ModelUsage]]]:
    """Begins to ask the model, and gives what waits for its outcome: so the grammar reads meanwhile."""
    from grammar import model

    if len(question) > model.LONGEST_QUESTION:
        unasked = model.ModelUsage(helper.server.model, "refused", 0, 0, 0, 0.0)
        why = f"is not asked a question of more than {model.LONGEST_QUESTION:,} characters"
        return lambda: (model.Refused(why), lambda outcome: replace(unasked, outcome=outcome))
    paper = sheet(question, vocabulary, helper.private)
    key = "\n".join((question, vocabulary.version, helper.server.model, helper.server.url, model.edition()))

    def gate(proposal: Proposal) -> _Readings:
        return _proposed(paper, proposal)

    known = helper.recall(key)
    if known is not None:
        try:
            passed = model.Passed(gate(model.proposal_of(known)), known)
        except (Rejected, ValueError):
            pass  # kept by an earlier release, whose gate was another
        else:
            free = model.ModelUsage(helper.server.model, "read", 0, 0, 0, 0.0, cached=True)
            return lambda: (passed, lambda outcome: replace(free, outcome=outcome))
    exchange = model.Exchange(helper.server, paper)

    def wait() -> tuple[Passed[_Readings] | ModelRefused | ModelFailed, Callable[[Outcome], ModelUsage]]:
        got = exchange.outcome(gate)
        if isinstance(got, model.Passed):
            helper.keep(key, got.proposal)
        return got, exchange.usage

    return wait


def _proposed(paper: Sheet, proposal: Proposal) -> _Readings:
    """What a model's proposal says: restated in plain English and read as any question is. Raises Rejected where it
    breaks a rule of the gate, or the English is not understood."""
    said = restated(paper, proposal)
    outcome = _read_words(said.text, Veiled(paper.vocabulary, said, paper.question))
    if isinstance(outcome, NotUnderstood):
        guessed = _read_words(said.text, paper.vocabulary) if said.given else outcome
        instead = () if isinstance(guessed, NotUnderstood) else (said.text,)
        words = ", ".join(f'"{word}"' for word in outcome.words)
        # Without the reason, which may quote values of the data.
        raise Rejected(f'the English "{said.text}" is not understood ({outcome.code}: {words})', instead=instead)
    for query in [outcome.query] if isinstance(outcome, Read) else [reading.query for reading in outcome.readings]:
        _check_words(query, said, paper)
    if isinstance(outcome, Ambiguous):
        asked = fold(paper.question)
        return Ambiguous(outcome.readings, [word for word in outcome.words if fold(word) in asked])
    taken = [f'The language model took "{words}" for {meaning}.' for words, meaning in said.taken]
    return Read(outcome.query, (*taken, *outcome.warnings), outcome.grounding, "model")


def _read_words(text: str, vocabulary: Vocabulary) -> Read | NotUnderstood | Ambiguous:
    if len(tokens(text)) > LONGEST:
        return NotUnderstood("too long", [], f"More than {LONGEST} words.")
    return _outcome(text, vocabulary)


def _check_words(query: Query, said: Restated, paper: Sheet) -> None:
    """Every text in the query is the question's own or a value of the data, and every chosen name is in it."""
    asked = f" {fold(paper.question)} "
    chosen = {fold(offer.text) for offer in said.named}
    texts = {text for _, text in _named(query)[1]}
    held = paper.vocabulary.values([fold(text) for text in texts])
    free = [t for t in texts if f" {fold(t)} " not in asked and fold(t) not in chosen and fold(t) not in held]
    if free:
        raise Rejected(f"{free} are not words of the question")
    if query.label is not None and fold(query.label) not in asked:
        raise Rejected("the question has no such label")
    plain = query.to_json()
    for offer in said.named:
        if offer.kind in ("event", "key") and f'"{offer.text}"' not in plain:
            raise Rejected(f'"{offer.text}" was not taken for the {offer.kind}')


def _settle(
    parser: Literal["auto", "model"],
    grammars: Read | NotUnderstood | Ambiguous,
    got: Passed[_Readings] | ModelRefused | ModelFailed,
    usage: Callable[[Outcome], ModelUsage],
) -> Read | NotUnderstood | Ambiguous:
    """What two readers say together."""
    from grammar import model

    if not isinstance(got, model.Passed):
        failed = isinstance(got, model.Failed)
        warning = f"The language model {got.why}; the grammar read the question alone."
        spent = usage("failed" if failed else "refused")
        if isinstance(grammars, Read):
            return replace(grammars, warnings=(*grammars.warnings, warning), usage=spent)
        grammars.warnings, grammars.model_usage = (warning,), spent
        if isinstance(got, model.Refused) and isinstance(grammars, NotUnderstood):
            grammars.suggestions = [*grammars.suggestions, *got.instead]
        return grammars
    models = got.value
    if parser == "model" or isinstance(grammars, NotUnderstood):
        agreed = isinstance(models, Read) and isinstance(grammars, Read) and models.query == grammars.query
        spent = usage("agreed" if agreed else "read")
        if isinstance(models, Read):
            return replace(models, usage=spent)
        models.model_usage = spent
        return models
    if isinstance(grammars, Read) and isinstance(models, Read) and models.query == grammars.query:
        return replace(grammars, usage=usage("agreed"))
    theirs = _readings(models)
    ours = _readings(grammars)
    if isinstance(grammars, Ambiguous) and {r.query for r in theirs} <= {r.query for r in ours}:
        grammars.model_usage = usage("agreed")
        return grammars
    both = list({r.query: r for r in (*ours, *theirs)}.values())
    words = grammars.words if isinstance(grammars, Ambiguous) else []
    differ = Ambiguous(both, words)
    different = "The grammar and the language model read the question differently: the grammar's reading is the first."
    differ.warnings = (different, *(models.warnings if isinstance(models, Read) else ()))
    differ.model_usage = usage("differed")
    return differ


def _readings(outcome: _Readings) -> list[Reading]:
    if isinstance(outcome, Read):
        return [Reading(describe(outcome.query), outcome.query)]
    return outcome.readings


# ── the grammar ───────────────────────────────────────────────────────────────────────────────────────────────────


def _one(words: Lattice, vocabulary: Vocabulary, before: Condition | None = None) -> Read:
    try:
        candidates = trees(words)
    except TooTangled:
        raise NotUnderstood(
            "too long", [words.question[:40]], "The question has too many ways to be read; say it in shorter sentences."
        ) from None
    except NoTree as nothing:
        raise _misplaced(words, nothing, vocabulary) from None
    names = names_of(words, vocabulary)
    resolved: dict[Query, tuple[tuple[int, ...], Resolved]] = {}
    failures: list[tuple[tuple[int, ...], Refused]] = []
    ordinary = _ordinary(words)
    for tree in candidates:
        rank = _rank(tree, ordinary)
        adjective = _ordinary_value(words, tree, ordinary) if rank[1] else None
        if adjective is not None:
            reason = f'Is "{words.text(adjective.first, adjective.end)}" meant as a name? Then it is written in quotes.'
            failures.append((rank, Refused("vague", adjective.first, adjective.end, reason)))
            continue
        try:
            for one in resolve(tree, names, before):
                if one.query not in resolved or rank < resolved[one.query][0]:
                    resolved[one.query] = (rank, one)
        except Refused as refused:
            failures.append((rank, refused))
    if not resolved:
        raise _refusal(words, failures, vocabulary)
    best = min(rank for rank, _ in resolved.values())
    lacking = [f for f in failures if f[0][:2] < best[:2] and f[1].code in _LACKING]
    if (
        best[1] and lacking and not _capital(words, ordinary)
    ):  # "made their first order", where a coupon is called First
        raise _refusal(words, lacking, vocabulary)
    chosen = [one for rank, one in resolved.values() if rank == best]
    if best[1] == 0 and _capital(words, ordinary):  # "bought Today": with a capital, it may be meant as a name
        named = min((rank for rank, _ in resolved.values() if rank[0] == best[0] and rank[1]), default=None)
        chosen += [one for rank, one in resolved.values() if rank == named]
    for labelled in (True, False):  # "gold members: …": a name for them, or who they are
        other = [rank for rank, one in resolved.values() if (one.query.label is not None) is labelled]
        if other and "LABEL" in words.at[0] and not any((o.query.label is not None) is labelled for o in chosen):
            chosen += [one for rank, one in resolved.values() if rank == min(other) and rank[0] == best[0]]
    corrected = tuple(f'"{wrong}" was read as "{right}".' for wrong, right in words.corrections)
    if len(chosen) == 1:
        events, texts = _named(chosen[0].query)
        said_beside = (*corrected, *chosen[0].warnings, *_absent(events, names))
        return Read(chosen[0].query, said_beside, _grounding(events, texts, words, vocabulary))
    readings = [Reading(describe(one.query), one.query) for one in chosen]
    said = list(dict.fromkeys(word for one in chosen for word in one.chosen))
    raise Ambiguous(readings, said)


def _absent(events: Set[str], names: Names) -> list[str]:
    """That an event type of the query never occurred: then "bought nothing" is true of all."""
    return [f'No event "{event}" has been stored.' for event in sorted(events - names.types.keys())]


def _grounding(
    events: Set[str], texts: Set[tuple[str, str]], words: Lattice, vocabulary: Vocabulary
) -> tuple[Grounded, ...]:
    """Which event types and values the words of the question were taken for."""
    counts = {e.name: e.count for e in vocabulary.event_types()}
    found: dict[tuple[int, int], Grounded] = {}
    for edges in words.at:
        for category in ("EV", "EN", "AGENT"):
            for edge in edges.get(category, {}).values():
                named = next((c.event for c in edge.meaning.candidates if c.event in events), None)
                if named is not None:
                    found[edge.first, edge.end] = Grounded(
                        words.text(edge.first, edge.end), f"event {named}", counts.get(named, 0)
                    )
        for category in ("VALUE", "QUOTED"):
            for edge in edges.get(category, {}).values():
                held = [v for v in edge.meaning.values if (v.key.name, v.text.strip().casefold()) in texts]
                held = [v for v in held if v.key.event is None or v.key.event in events] or held
                if held:
                    key, count = held[0].key, sum(v.count for v in held if v.key == held[0].key)
                    what = f"{'attribute' if key.event is None else key.event} {key.name}"
                    found[edge.first, edge.end] = Grounded(words.text(edge.first, edge.end), what, count)
    whole = [g for at, g in found.items() if not any(o != at and o[0] <= at[0] and at[1] <= o[1] for o in found)]
    return tuple(whole)


def _named(query: Query) -> tuple[set[str], set[tuple[str, str]]]:
    """The event types in a query, and its texts by the property or attribute that they are compared with."""
    events: set[str] = set()
    texts: set[tuple[str, str]] = set()
    for node in nodes(query):
        match node:
            case Events(event=str(name)):
                events.add(name)
            case Filter(test=Text(values=values)):
                texts.update((p.name, value) for p in node.properties for value in values)
            case Attribute(test=Text(values=values)):
                texts.update((name, value) for name in node.names for value in values)
            case Favourite(values=values):
                texts.update((node.property.name, value) for value in values)
    return events, texts


def _rank(tree: Tree, ordinary: frozenset[int]) -> tuple[int, ...]:
    """The tiers by which one tree goes before another: no unknown word, closed-class words in their own sense, longer
    names, then fewer clauses and phrases. Each is a sentence of SEMANTICS or of plain English; they are never added
    up."""
    unknown = closed = names = phrases = 0
    stack: list[Tree] = [tree]
    while stack:
        node = stack.pop()
        phrases += 1
        for child in node.children:
            if isinstance(child, Tree):
                stack.append(child)
                continue
            if child.category == "UNK":
                unknown += child.end - child.first
            elif child.category in ("VALUE", "KEY") and ordinary.issuperset(range(child.first, child.end)):
                closed += 1
            if child.category in ("EV", "EN", "AGENT", "VALUE", "KEY", "TAIL", "BOOL"):
                names += 1
    return (unknown, closed, names, phrases)


def _ordinary_value(words: Lattice, tree: Tree, ordinary: frozenset[int]) -> Edge | None:
    """A word of counting in small letters that is taken for a value without its key: "3 first saddles", where a coupon
    is called FIRST."""
    for child in tree.children:
        if isinstance(child, Tree):
            found = _ordinary_value(words, child, ordinary) if child.name not in _WITH_KEY else None
            if found is not None:
                return found
        elif child.category == "VALUE" and ordinary.issuperset(range(child.first, child.end)):
            senses = {category for edges in words.at[child.first : child.end] for category in edges}
            if senses & _COUNTING and words.text(child.first, child.end).islower():
                return child
    return None


_WITH_KEY = frozenset({"keyed", "whose_key", "key_cond"})
_COUNTING = frozenset({"FIRST", "LASTEV", "NONE", "SINGLE", "ANOTHER", "AGAIN", "ONLY", "DISTINCT", "TIMES", "REPEAT"})


def _capital(words: Lattice, ordinary: frozenset[int]) -> bool:
    """Whether some ordinary word inside the question that a name begins with has a capital."""
    return not words.question.isupper() and any(
        i
        and word.raw[:1].isupper()
        and not word.quoted
        and i in ordinary
        and not words.at[i].keys().isdisjoint(_NAMING)
        for i, word in enumerate(words.words)
    )


def _ordinary(words: Lattice) -> frozenset[int]:
    """The words that have a closed-class sense too, by themselves or in a phrase."""
    return frozenset(
        i
        for edges in words.at
        for category, found in edges.items()
        if category not in _OPEN
        for edge in found.values()
        for i in range(edge.first, edge.end)
    )


_NAMING = ("VALUE", "KEY")
_OPEN = frozenset("VALUE UNK KEY EV EN TAIL AGENT LEAD QUOTED LABEL TEXT WORDS BOOL BOOLNOUN EQ".split())
_WHOLE = frozenset("WIN WITHIN LASTING FUTURE VALUE EV EN KEY TIMES BOUND REG TOPN".split())  # quoted as one


def _unknown(words: Lattice) -> list[int]:
    return [i for i, edges in enumerate(words.at) if "UNK" in edges]


def _misplaced(words: Lattice, nothing: NoTree, vocabulary: Vocabulary) -> NotUnderstood:
    """The grammar had no place for a word: the unknown words, if there are any, else that word."""
    unknown = _unknown(words)
    at = min(nothing.position, len(words.words) - 1)
    beyond = limit(words, unknown[0] if unknown else at)
    if beyond is not None and all(beyond.first <= i < beyond.end for i in unknown):
        return _refusal(words, [((), beyond)], vocabulary)
    if unknown:
        return _unknown_words(words, unknown, vocabulary)
    vague = [i for i in (at - 1, at) if i >= 0 and words.words[i].low in lexicon.VAGUE and "VALUE" not in words.at[i]]
    vague = [i for i in vague if words.words[max(0, i - 1)].low not in ("how", "as")]
    if vague:  # "our best customers": the grammar knows the word, but not of customers
        return _unknown_words(words, vague, vocabulary)
    ends = [end for category, found in words.at[at].items() if category in _WHOLE for end in found]
    first = at
    while first and words.at[first - 1] and words.at[first - 1].keys() <= {"GENV", "HAVE", "DO", "CMP"}:
        first -= 1  # a light verb without its noun is part of the trouble, and a comparison without its number
    text = words.text(first, max(ends, default=at + 1))
    if nothing.position >= len(words.words):
        return NotUnderstood(
            "incomplete", [text], f'Something is missing after "{text}".', position=words.words[at].start
        )
    return NotUnderstood(
        "no place", [text], f'"{text}" has no place in the question as it stands.', position=words.words[at].start
    )


def _unknown_words(words: Lattice, unknown: list[int], vocabulary: Vocabulary) -> NotUnderstood:
    """The refusal of words that are nothing at all: with the nearest value of the data, if they or the words round
    them look like one."""
    said = [words.words[i].raw[:LONGEST_QUOTE] for i in unknown]
    vague = [w for w in said if w.casefold() in lexicon.VAGUE]
    quoted = ", ".join(f'"{w}"' for w in said)
    position = words.words[unknown[0]].start
    if vague and len(vague) == len(said):
        measures = "spend, number of orders, number of an event, days since the last one"
        return NotUnderstood(
            "vague", said, f"{quoted} could mean several things: say it with a number ({measures}).", position=position
        )
    reason = f"{quoted} {'are' if len(said) > 1 else 'is'} not known."
    foreign = sum(is_foreign(word) for word in said)
    if 2 * foreign > sum(any(ch.isalpha() for ch in word.low) for word in words.words):
        reason += " The grammar reads English; a language model (PERSONA_MODEL) can read other languages."
    found = _nearest(words, unknown, vocabulary)
    if found is None:
        return NotUnderstood("unknown word", said, reason, position=position)
    first, end, value = found
    start, stop = words.words[first].start, words.words[end - 1].end
    suggestion = words.question[:start] + value.text.strip() + words.question[stop:]
    asked = words.text(first, end)
    reason = f'No {value.key.name} is "{asked}"; did you mean "{value.text.strip()}"?'
    return NotUnderstood("unknown value", said, reason, [suggestion], position)


def _nearest(words: Lattice, unknown: list[int], vocabulary: Vocabulary) -> tuple[int, int, Value] | None:
    """The value of the data that an unknown word, with some of its neighbours, is most like."""
    from rapidfuzz import fuzz

    first = end = unknown[0]
    while end + 1 in unknown:
        end += 1
    end += 1
    best: tuple[float, int, int, Value] | None = None
    for before in range(min(3, first + 1)):
        for after in range(min(3, len(words.words) - end + 1)):
            text = fold(words.text(first - before, end + after))
            for value in vocabulary.near(text, None, 1):
                score = fuzz.ratio(text, fold(value.text))
                if score >= NEAR and (best is None or score > best[0]):
                    best = (score, first - before, end + after, value)
    return best[1:] if best else None


def _refusal(words: Lattice, failures: list[tuple[tuple[int, ...], Refused]], vocabulary: Vocabulary) -> NotUnderstood:
    """The reason of the derivation that got furthest, with corrected questions."""
    _, worst = min(failures, key=lambda f: (f[0], -f[1].first))
    if worst.code in _MISPLACED:
        worst = limit(words, worst.first) or worst
    unknown = [i for i in _unknown(words) if not worst.first <= i < worst.end]
    if unknown and not worst.near:
        return _unknown_words(words, _unknown(words), vocabulary)
    said = words.text(worst.first, worst.end)
    start = words.words[worst.first].start if worst.first < len(words.words) else None
    stop = words.words[worst.end - 1].end if worst.end <= len(words.words) and worst.end else None
    suggestions = []
    if worst.near and start is not None and stop is not None:
        suggestions = [words.question[:start] + near + words.question[stop:] for near in worst.near]
    return NotUnderstood(worst.code, [said, *(words.words[i].raw for i in unknown)], worst.reason, suggestions, start)
