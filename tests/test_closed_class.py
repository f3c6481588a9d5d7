"""The closed classes of English, audited: every function word and light verb stands in the language's tables or is refused
by name, and none that stands there is read over, but for those whose emptiness has a reason."""

# ruff: noqa: E501 - tables: a row is a line

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from readings import FILLERS, inserted, outcome, said, same, shown, understood

from grammar import lexicon
from grammar.closed import CLOSED, LEADS
from grammar.errors import NotUnderstood
from grammar.names import stem
from grammar.reader import Read

GRAMMAR = Path(__file__).parent.parent / "grammar"
CONSUMERS = """outputs populations conditions comparisons measures predicates profile event_drafts events values coordinate
combine""".split()

FUNCTION_WORDS = {
    "personal": "i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it its itself they them their theirs themselves one oneself",
    "demonstrative": "this that these those such here there",
    "relative": "who whom whose which what where when whoever whomever whichever whatever wherever whenever how why whereby wherein",
    "determiner": "a an the any all both each every either neither no none some many much more most few fewer little less least several enough plenty half double various certain another other others same own only else multiple numerous single",
    "indefinite": "anyone anybody anything anywhere someone somebody something somewhere everyone everybody everything everywhere nobody nothing nowhere",
    "conjunction": "and or but nor yet so for because since although though while whereas whilst if unless until once than whether lest provided except as also however therefore otherwise moreover furthermore nevertheless nonetheless instead hence thus besides then plus minus",
    "preposition": "about above across after against along alongside amid among amongst around at atop before behind below beneath beside between beyond by despite down during excluding following from in including inside into like near of off on onto opposite out outside over past per regarding concerning round through throughout thru till to toward towards under underneath unlike up upon versus via with within without",
    "auxiliary": "am is are was were be been being have has had having do does did doing done will would shall should can could may might must ought need dare used cannot",
    "negation": "not never hardly scarcely barely rarely seldom isn't aren't wasn't weren't haven't hasn't hadn't don't doesn't didn't won't wouldn't can't couldn't shouldn't",
    "time": "now today yesterday tomorrow tonight ago already still ever always often sometimes usually frequently occasionally lately recently soon later earlier previously formerly afterwards first last next again twice thrice daily weekly monthly yearly annually currently presently eventually finally meanwhile immediately",
    "degree": "very really quite rather too just even almost nearly approximately roughly exactly precisely mostly mainly largely partly merely simply especially particularly actually basically literally definitely probably possibly maybe perhaps certainly overall altogether together apart away back",
    "courtesy": "please kindly thanks hi hello hey ok okay well sorry",
    "ordinal": "second third final",
}  # fmt: skip

# Verbs that say little without their noun, with their past forms.
LIGHT_VERBS = """add added, attempt attempted, bring brought, buy bought, call called, carry carried, check checked, choose chose, come came,
complete completed, conduct conducted, do did, end ended, engage engaged, experience experienced, fall fell, feel felt, file filed, find found,
finish finished, fire fired, gain gained, generate generated, get got, give gave, go went, happen happened, have had, hear heard, hit hit,
hold held, initiate initiated, keep kept, leave left, look looked, lose lost, make made, move moved, offer offered, open opened, own owned,
pay paid, perform performed, pick picked, place placed, post posted, put put, raise raised, receive received, record recorded,
return returned, run ran, save saved, say said, see saw, seem seemed, sell sold, send sent, set set, sign signed, spend spent, start started,
stay stayed, stop stopped, submit submitted, take took, talk talked, think thought, touch touched, trigger triggered, try tried, turn turned,
undergo underwent, use used, visit visited, want wanted, watch watched, work worked, write wrote"""

# Words that the language leaves out on purpose: a question that uses one is refused, and it is quoted.
REFUSED = {
    **dict.fromkeys(
        """almost nearly approximately roughly quite rather merely simply especially particularly partly literally definitely
        probably possibly maybe perhaps certainly barely hardly scarcely seldom""".split(),
        "a hedge: it says that the number or the fact is not meant as it stands",
    ),
    **dict.fromkeys(
        "if unless whether lest despite whereby whilst why".split(), "a condition or a cause is no selection of contacts"
    ),
    **dict.fromkeys(
        "therefore otherwise moreover furthermore nevertheless nonetheless instead hence meanwhile finally".split(),
        "a link between sentences; a question is one",
    ),
    **dict.fromkeys(
        "alongside amid atop behind beneath beside near opposite round underneath unlike".split(),
        "a place that no data knows",
    ),
    **dict.fromkeys(
        "anywhere somewhere everywhere nowhere here everything nobody others oneself himself herself itself myself ourselves yourself "
        "yourselves him hers mine ours yours whomever whichever whatever wherever whenever".split(),
        "a pronoun without anything to stand for",
    ),
    **dict.fromkeys(
        "annually currently presently formerly immediately tonight".split(),
        "a time or a rhythm without a number (section 14 says how)",
    ),
    **dict.fromkeys("little double certain".split(), "an amount without a number"),
    **dict.fromkeys("shall might ought dare cannot".split(), "a mood: the past is asked, not what may be"),
    "sorry": "not a filler yet",
}  # fmt: skip
REFUSED_VERBS = frozenset(
    "choose conduct feel gain happen hear hit keep lose move offer say seem sign stay talk think touch try turn work".split()
)

FRAMES = (
    "users {} bought seeds last week",
    "users who bought {} seeds last week",
    "users who bought seeds {}",
    "{} users who bought seeds",
)

# Words of the tables that may be inserted without changing a query, each with the reason.
EMPTY = {
    **dict.fromkeys(LEADS - {"only", "in", "over", "of"}, "an opening (grammar.closed.LEADS)"),
    **dict.fromkeys(
        "am is are was were be been being have has had having do does did doing done will would can could hold own".split(),
        "an auxiliary beside a verb: the tense of a question is the past",
    ),
    **dict.fromkeys("fall fell".split(), "falls in = is in"),
    "called": "is called = is",
    **dict.fromkeys("finish finished complete completed placed".split(), "of orders: all of them are"),
    **dict.fromkeys("already ever previously before yet still once".split(), "section 2: no limit"),
    **dict.fromkeys("also both even too however either though although while whereas so".split(), "a link without a meaning of its own"),
    **dict.fromkeys("this that these those such its their theirs them one every another second again any".split(), "a determiner"),
    **dict.fromkeys("who which that whoever whose he she they".split(), "the same contact, once more"),
    **dict.fromkeys("anyone anybody everyone everybody someone somebody".split(), "a contact word"),
    **dict.fromkeys("anything something nothing".split(), "anything, of an event"),
    **dict.fromkeys("and but plus nor or along".split(), "a conjunction between conditions that are and-ed anyway"),
    **dict.fromkeys(
        """about across among amongst around as at by concerning during for from in inside into of on onto past regarding since through throughout thru
        to toward towards upon via with within over""".split(),
        "a preposition that the frame implies",
    ),
    **dict.fromkeys("overall altogether together total exactly then later eventually afterwards next after".split(), "said of a number or an order that is so anyway"),
}  # fmt: skip
# Generic verbs take an event's name as object (section 3), "booked workshop" too.
GENERIC = frozenset(word for word, senses in CLOSED.items() if any(category == "GENV" for category, _ in senses))
# Where a word is the nursery's own: the key beside its value.
KEYS = {"place": ("Ghent place", "place Ghent")}
ASKED = (
    "users who bought seeds last week",
    "women from Sweden with more than 2 orders",
    "users whose tier is bloom",
    "who booked a workshop in Ghent",
)


def words(*classes: str) -> list[str]:
    return sorted({word for name in classes or FUNCTION_WORDS for word in FUNCTION_WORDS[name].split()})


def verbs() -> dict[str, str]:
    return dict(pair.split() for pair in LIGHT_VERBS.replace("\n", " ").split(","))


@cache
def tables() -> frozenset[str]:
    """Every word that stands in a table of the language: closed classes, lexicon, numbers and times."""
    found = {*LEADS, *lexicon.NUMBERS, *lexicon.SCALES, *lexicon.CONTRACTIONS, *lexicon.DETERMINERS, *lexicon.VAGUE}
    for phrase in (*CLOSED, *lexicon.COMPARISONS):
        found.update(phrase.split())
    for rows in lexicon.EVERYDAY.values():
        for said_, _, _ in rows:
            found.update(said_)
    for room in ("when.py", "numbers.py"):
        tree = ast.parse((GRAMMAR / room).read_text())
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                found.update(re.findall(r"[a-z']+", node.value))
    return frozenset(found)


def in_tables(word: str) -> bool:
    return word in tables() or (word.endswith("n't") and word[:-3] in {*tables(), "wo", "ca"})


def test_the_tables_of_this_test_are_whole() -> None:
    assert len(words()) >= 300
    assert len(verbs()) >= 60
    assert not set(REFUSED) - set(words())
    assert not REFUSED_VERBS - set(verbs())


def test_every_function_word_has_a_class_or_is_refused() -> None:
    neither = [word for word in words() if not in_tables(word) and word not in REFUSED]
    both = [word for word in REFUSED if in_tables(word)]
    assert not neither, "a hole: give them a class in grammar.closed, or refuse them here"
    assert not both, "these have a class now: take them out of REFUSED"


def test_every_light_verb_has_a_class_or_is_refused() -> None:
    def known(verb: str) -> bool:
        return any(form in tables() for form in (verb, verbs()[verb])) or stem(verb) in lexicon.VERB_STEMS

    neither = [verb for verb in verbs() if not known(verb) and verb not in REFUSED_VERBS]
    both = [verb for verb in REFUSED_VERBS if known(verb)]
    assert not neither
    assert not both


@pytest.mark.parametrize("word", sorted(REFUSED))
def test_a_refused_word_is_quoted(word: str) -> None:
    for frame in FRAMES:
        one = outcome(frame.format(word))
        assert isinstance(one, NotUnderstood), said(one)
        assert any(word in quoted.casefold().split() for quoted in one.words), said(one)


@pytest.mark.parametrize("verb", sorted(REFUSED_VERBS))
def test_a_refused_verb_is_quoted(verb: str) -> None:
    for form in (verb, verbs()[verb]):
        one = outcome(f"users who {form} a Rubber Fig last week")
        assert isinstance(one, NotUnderstood), said(one)
        assert any(form in quoted.casefold().split() for quoted in one.words), said(one)


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_a_light_verb_with_an_events_name_is_that_event_or_refused(verb: str) -> None:
    """A light verb never makes another event out of an event's name, and never swallows it."""
    for form in (verb, verbs()[verb]):
        one = outcome(f'users who {form} "ticket-opened" twice')
        assert not isinstance(one, Read) or "ticket-opened" in one.query.to_json(), said(one)


def read_over(asked: tuple[str, ...], inserted_words: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for question in asked:
        for word in inserted_words:
            if word in FILLERS or word in EMPTY:
                continue
            for changed in inserted(question, word):
                if (word in GENERIC and f"{word} booked" in changed) or any(
                    pair in changed for pair in KEYS.get(word, ())
                ):
                    continue
                if same(outcome(changed), understood()[question]):
                    found.setdefault(word, []).append(changed)
    return found


def test_no_function_word_is_read_over() -> None:
    found = read_over(("users whose tier is bloom",), words()[::2])
    assert not found, shown(found)


@pytest.mark.laws
@pytest.mark.parametrize("question", ASKED)
def test_no_function_word_or_light_verb_is_read_over_anywhere(question: str) -> None:
    found = read_over((question,), [*words(), *verbs(), *verbs().values()])
    assert not found, shown(found)


def test_every_category_of_the_grammar_is_made_and_every_one_that_is_made_has_a_place() -> None:
    """A rule over a category that no words can be is dead, and so are words of a category without a rule."""
    rules = "\n".join(line.split("//")[0] for line in (GRAMMAR / "english.lark").read_text("utf-8").splitlines())
    wanted = set(re.findall(r"\b[A-Z]{2,}\b", rules))
    closed = {category for senses in CLOSED.values() for category, _ in senses}
    code = "".join((GRAMMAR / name).read_text("utf-8") for name in ("mentions.py", "numbers.py"))
    assert wanted <= closed | set(re.findall(r'"([A-Z]{2,})"', code))
    assert closed - {"FILL"} <= wanted


def test_every_rule_of_the_grammar_has_a_consumer() -> None:
    """The reader has a case for the name of each rule, but for a rank without a measure, which falls to the last case."""
    rules = "\n".join(line.split("//")[0] for line in (GRAMMAR / "english.lark").read_text("utf-8").splitlines())
    code = "".join((GRAMMAR / f"{name}.py").read_text("utf-8") for name in CONSUMERS)
    names = set(re.findall(r"\b[a-z_]+\b", code))
    assert set(re.findall(r"-> ([a-z_]+)", rules)) - names == {"rank_vague"}
