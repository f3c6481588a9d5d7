"""Values and keys of the data as words stand for them: which filters a value can be, what stands beside a key."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from grammar import lexicon
from grammar.closed import CLOSED
from grammar.draft import Part, Refused, Tree, refusal
from grammar.mentions import Edge, Lattice, ValueHit
from grammar.names import Index, index, stem
from grammar.numbers import Amount, Duration
from grammar.query import (
    Attribute,
    Bound,
    Condition,
    During,
    Filter,
    FromDate,
    Known,
    Numeric,
    Property,
    Test,
    Text,
    Truth,
    Window,
    all_of,
    any_of,
)
from grammar.vocabulary import EventType, Key, Value, Vocabulary, fold, singular, words_of

ORDER = "order-completed"
ORDER_EVENTS = frozenset({"order-completed", "order-updated", "order-cancelled", "order-refunded"})
BASKETS = ORDER_EVENTS | {"product-list-viewed"}  # events of several line items


@dataclass(frozen=True, slots=True)
class Names:
    """The names and values of the phonebook, as a mention asks for them."""

    lattice: Lattice
    vocabulary: Vocabulary
    index: Index
    types: dict[str, EventType]
    attributes: tuple[Key, ...]
    _found_near: dict[tuple[str, tuple[Key, ...] | None], tuple[Value, ...]] = field(default_factory=dict)

    def keys(self, event: str, level: str | None = None) -> tuple[Key, ...]:
        """The keys of an event type, at one level or all."""
        known = self.types.get(event)
        return tuple(k for k in known.keys if level is None or k.level == level) if known else ()

    def stems(self, event: str) -> tuple[str, ...]:
        """The words of an event's name, as stems."""
        return next((name.stems for name in self.index.events if name.event == event), ())

    def verbs(self, event: str) -> frozenset[str]:
        """The words of an event's name that carry the action, as stems."""
        return next((name.verbs for name in self.index.events if name.event == event), frozenset())

    def product_keys(self, event: str) -> list[Key]:
        """The keys by which an event's line items are named: product name, id, sku."""
        return [k for k in self.keys(event, "item") if k.name in ("name", "product_id", "sku")]

    def text(self, part: Part) -> str:
        """The question's own words that a part stands for."""
        return self.lattice.text(part.first, part.end)

    def counts(self, number: Edge, noun: Edge | None = None) -> None:
        """Refused where a number may be no count: "a 420 pizza", "over 500 premium" of an event that has money."""
        words = self.lattice.words
        article = self.lattice.behind_article(number.first) and words[number.first].low.isdigit()
        named = [c.event for c in noun.meaning.candidates] if noun is not None else []
        one = noun is not None and all(singular(w.low) == w.low for w in words[noun.first : noun.end])
        much = (
            number.category == "BOUND"
            and number.meaning.bound.value > 1
            and one
            and any(money_keys(self, event) for event in named)
        )
        if article or much:
            raise Refused(
                "vague", number.first, number.end, f'It is not said what "{self.text(number)}" counts or measures.'
            )

    def near(self, text: str, keys: tuple[Key, ...] | None) -> tuple[Value, ...]:
        """The values most like a text, of these keys or of any; looked for once, though many trees have the text."""
        if (text, keys) not in self._found_near:
            self._found_near[text, keys] = self.vocabulary.near(text, keys, 3)
        return self._found_near[text, keys]

    def held(self, text: str, keys: Collection[Key]) -> list[Value]:
        """The values of these keys that a text is."""
        return [v for v in self.vocabulary.values([fold(text)]).get(fold(text), ()) if v.key in keys]


def names_of(lattice: Lattice, vocabulary: Vocabulary) -> Names:
    """The names that a question is resolved with."""
    types = vocabulary.event_types()
    return Names(
        lattice, vocabulary, index(types, vocabulary.attributes()), {t.name: t for t in types}, vocabulary.attributes()
    )


def properties(keys: Iterable[Key]) -> tuple[Property, ...]:
    """Keys of an event as properties, in one order."""
    found = {Property(k.name, k.level): None for k in keys if k.level != "attribute"}
    return tuple(sorted(found, key=repr))


def canonical(values: Iterable[str]) -> tuple[str, ...]:
    """Texts as they are compared: lower-case, trimmed, once each, in order."""
    return tuple(sorted({v.strip().casefold() for v in values}))


# ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────


def value_options(names: Names, event: str | None, edge: Edge, prep: str | None) -> list[Filter]:
    """The readings of one value word beside an event, best look-up tier only: none, one, or several that differ."""
    hit: ValueHit = edge.meaning
    if event is None:
        return _grouped([v for v in hit.values if v.key.level == "context"])
    here = [v for v in hit.values if v.key.event == event]
    for name in lexicon.PRODUCT_LOOKUP:
        found = [v for v in here if v.key.level == "item" and v.key.name == name]
        if found:
            if name in ("name", "product_id", "sku"):
                found += [
                    v for v in here if v.key.level == "item" and v.key.name in ("product_id", "sku") and v not in found
                ]
            return [_one(found)]
    own = [v for v in here if v.key.level in ("event", "item")]
    if own:
        return _by_preposition(_grouped(own), prep)
    return _by_preposition(_grouped([v for v in here if v.key.level == "context"]), prep)


def _one(values: Sequence[Value]) -> Filter:
    return Filter(properties(v.key for v in values), Text("is", canonical(v.text for v in values)))


_ALIKE = (
    frozenset({"title", "name"}),
    frozenset({"name", "label"}),
    frozenset({"title", "label"}),
    frozenset({"title", "page"}),
    frozenset({"os", "platform"}),
)


def _grouped(values: Sequence[Value]) -> list[Filter]:
    """One filter a key; keys that name the same thing (a page's title and name) together."""
    by_key: dict[tuple[str, str], list[Value]] = {}
    for v in values:
        by_key.setdefault((v.key.level, v.key.name), []).append(v)
    groups: list[list[Value]] = []
    for (_, name), found in by_key.items():
        home = next(
            (g for g in groups if any(frozenset({name, v.key.name}) in _ALIKE or name == v.key.name for v in g)), None
        )
        if home is None:
            groups.append(list(found))
        else:
            home.extend(found)
    return [_one(group) for group in groups]


def _by_preposition(options: list[Filter], prep: str | None) -> list[Filter]:
    """Of several properties that hold the value, those that the preposition points at."""
    if len(options) < 2 or prep is None:
        return options
    wanted = lexicon.TO_KEYS if prep == "TO" else lexicon.FROM_KEYS if prep == "FROM" else ()

    def points(option: Filter) -> bool:
        return any(p.name.lower().split("_")[0].split(".")[-1] in wanted for p in option.properties)

    chosen = [o for o in options if points(o)]
    return chosen or options


def vlist_groups(tree: Tree) -> tuple[list[list[Edge]], str]:
    """A value list as groups of adjacent value words, and how they are joined: "or", "and", "" (one group)."""
    groups = [list(group.edges()) for group in tree.trees("vgroup")]
    joint = "or" if tree.has("OR") else "and" if len(groups) > 1 else ""
    if joint == "or" and tree.has("AND"):
        raise Refused(
            "vague", tree.first, tree.end, "Which of these go together? There is an and and an or in one list."
        )
    of_them = tree.edge("ANYOF")
    if of_them is not None and len(groups) < 2:
        raise Refused("incomplete", of_them.first, tree.end, "Of one value there is no choice.")
    if of_them is not None:
        tree.has("AND")
        joint = of_them.meaning
    return groups, joint


def unknown(names: Names, edge: Edge, event: str | None, keys: Sequence[Key] | None = None) -> Refused:
    """The refusal of a value that the data does not hold there, with the nearest that it does hold."""
    text = edge.meaning.text if isinstance(edge.meaning, ValueHit) else names.text(edge)
    where = tuple(keys) if keys is not None else names.keys(event) if event else None
    near = names.near(text, where)
    country = fold(lexicon.DEMONYMS.get(text.casefold(), ""))  # "Spanish users"
    forms = {country, *lexicon.COUNTRY_FORMS.get(country, ())} - {""}
    named = [v for held in names.vocabulary.values(sorted(forms)).values() for v in held if v.key in place_keys(names)]
    named = named if event is None or not near else []
    near = (*named, *near)
    offered = tuple(dict.fromkeys(v.text.strip() for v in near if fold(v.text) != fold(text)))
    on = f" on {event}" if event else ""
    what = "property" if event or keys is None else "attribute"
    if text.casefold() in lexicon.VAGUE:
        return Refused(
            "vague", edge.first, edge.end, f'"{text}" could mean several things: say it with a number or a time.'
        )
    if isinstance(edge.meaning, ValueHit) and edge.meaning.values:
        held = next((v.key for v in edge.meaning.values if v.key.event == event), edge.meaning.values[0].key)
        if keys and event and held.event == event:
            return Refused(
                "wrong key", edge.first, edge.end, f'"{text}" is a value of {held.name} of {event}, no {keys[0].name}.'
            )
        if keys and held.event is None:
            reason = f'No {" or ".join(k.name for k in keys[:3])} is "{text}"; it is a value of {held.name}.'
            return Refused("unknown value", edge.first, edge.end, reason)
        place = f"the {held.name} of {held.event}" if held.event else f"the attribute {held.name}"
        return Refused(
            "unknown value", edge.first, edge.end, f'No {what}{on} holds "{text}"; it is a value of {place}.'
        )
    key = f"the {named[0].key.name} " if named else ""
    hint = f' Did you mean {key}"{offered[0]}"?' if offered else ""
    return Refused("unknown value", edge.first, edge.end, f'No value "{text}" is known{on}.{hint}', offered)


# ── tests beside a key ────────────────────────────────────────────────────────────────────────────────────────────


def beside_its_key(names: Names, vlist: Tree, key: Edge) -> None:
    """Refused where a word stands between a value and the key behind it."""
    if vlist.end != key.first:
        raise Refused("no place", vlist.first, key.end, f'A word stands between "{names.text(vlist)}" and its key.')
    for edge in vlist.leaves():
        said = names.text(edge)
        odd = said.endswith("ed") or said in lexicon.OF_WHICH | lexicon.QUANTIFIERS
        if edge.category == "UNK" and said.islower() and said in lexicon.NO_NAMES:
            raise refusal(edge, f'"{said}" could mean several things: say which.', "vague")
        if edge.category == "UNK" and said.islower() and (odd or _several_of(names, key)):
            raise unknown(names, edge, None)  # "changed plan", "the old plan": which of them it is


def _several_of(names: Names, key: Edge) -> bool:
    """Whether a key's words are a plural that its name is not: "in coastal states" tells of no state so called."""
    word = names.text(key).casefold().split()[-1]
    return singular(word) != word and not any(k.name.casefold().endswith(word) for k in key.meaning)


def no_key_inside(names: Names, groups: Sequence[Sequence[Edge]]) -> None:
    """Refused where a key with its value is taken for one more value: "in Porto and tier gold"."""
    for first, *rest in groups:
        key = names.lattice.at[first.first].get("KEY", {}).get(first.end)
        after = names.lattice.at[first.end] if first.end < len(names.lattice.at) else {}
        follows = after.get("VALUE", {})
        held = key is not None and any(v.key in key.meaning for e in follows.values() for v in e.meaning.values)
        if key is not None and (rest or held):
            raise Refused("no place", first.first, first.end, f'"{names.text(first)}" is a key here.')


def said_text(names: Names, edges: Sequence[Edge]) -> str:
    """The words of some leaves as text: what was in the quotes, else as written."""
    if len(edges) == 1 and edges[0].category == "QUOTED":
        return str(edges[0].meaning.text)
    return names.lattice.text(edges[0].first, edges[-1].end)


def key_test(
    names: Names, cond: Tree, keys: Sequence[Key], windows: Callable[[Edge], Window], *, attribute: bool = False
) -> tuple[Test, tuple[str, ...]]:
    """The test that stands beside a key, and warnings (a value that the key does not hold). Refused where types
    disagree."""
    negated = cond.has("NEG")
    holds = frozenset(h for k in keys for h in k.holds)
    key = keys[0].name
    match cond.name:
        case "is_":
            tree = cond.part("vlist")
            explicit = cond.has("EQ", "BE") or negated
            unknown_word = next((e for e in tree.leaves() if e.category == "UNK"), None)
            if unknown_word is not None and not explicit:
                raise unknown(names, unknown_word, keys[0].event, keys)
            if not explicit:
                not_elsewhere(names, tree, keys)
            texts, warnings = key_values(names, tree, keys)
            return Text("is", texts, negated and not attribute), warnings
        case "is_not":
            tree, word = cond.part("vlist"), cond.leaf("EXCEPT")
            if not cond.has("BE") and names.text(word).casefold() == "but not":  # "a Pro plan but not Basic"
                raise refusal(cond, f'"{names.text(cond)}" is another one.')
            texts, warnings = key_values(names, tree, keys)
            return Text("is", texts, not attribute), warnings
        case "bound":
            edge = cond.leaf("BOUND")
            same_unit(cond.edge("UNITW"), key)
            if negated and not attribute:
                raise Refused(
                    "unsupported", edge.first, edge.end, "A negated comparison is not read; say the opposite one."
                )
            if not any(map(is_number, keys)):
                raise Refused("wrong key", edge.first, edge.end, f'"{key}" holds no numbers to compare.')
            noun = cond.edge("MONEYNOUN")
            if noun is not None and asks_sum(names, noun):
                raise Refused("vague", noun.first, noun.end, f'"{names.text(noun)}": of each, or all together?')
            return Numeric(edge.meaning.bound), ()
        case "number":
            edge = cond.leaf("NUM")
            same_unit(cond.edge("UNITW"), key)
            if negated and not attribute:
                return Text("is", (f"{edge.meaning.bound.value:g}",), True), ()
            if "number" in holds:
                return Numeric(edge.meaning.bound), ()
            said = names.text(edge)
            if not names.held(said, keys):
                raise Refused("wrong key", edge.first, edge.end, f'"{key}" holds no numbers.')
            return Text("is", (said.casefold(),)), ()
        case "duration":
            edge = cond.leaf("DURATION")
            if not any(map(is_number, keys)):
                raise Refused("wrong key", edge.first, edge.end, f'"{key}" holds no numbers to compare.')
            bound = converted(edge, keys[0])
            said = f'"{names.text(edge)}" was taken as {bound.value:,g} in the unit of {key}.'
            return Numeric(bound), (said,) if bound != edge.meaning.bound else ()
        case "includes":
            tree = cond.part("vlist")
            if "list" not in holds or negated:
                raise Refused("no place", cond.first, cond.end, f'"{key}" is no list.')
            texts, warnings = key_values(names, tree, keys)
            return Text("is", texts), warnings
        case "numbers":
            said_numbers = cond.own("NUM")
            if any(e.meaning.currency for e in said_numbers):
                raise Refused("unsupported", cond.first, cond.end, "A list of amounts is not read.")
            return Text(
                "is", tuple(sorted(f"{e.meaning.bound.value}" for e in said_numbers)), negated and not attribute
            ), ()
        case "contains" | "starts" | "ends":
            text = cond.part("text")
            how = {"contains": "contains", "starts": "starts with", "ends": "ends with"}[cond.name]
            said = said_text(names, list(text.edges())).strip().casefold()
            vlist = cond.tree("vlist")
            groups, joint = vlist_groups(vlist) if vlist is not None else ([], "")
            if vlist is not None and joint == "and":
                raise refusal(vlist, f'"{names.text(vlist)}": all of them, or any?', "vague")
            warnings = ()
            if how == "contains" and not names.vocabulary.contains(keys, said):
                warnings = (f'No {key} contains "{said}".',)
            texts = canonical([said, *(said_text(names, group) for group in groups)])
            return Text(how, texts, negated and not attribute), warnings  # type: ignore[arg-type]
        case "missing":
            return Known(negated), ()
        case "present":
            return Known(not negated), ()
        case "truth":
            edge = cond.leaf("TRUTH")
            if "boolean" not in holds and not names_truth(names, keys):
                raise Refused("wrong key", edge.first, edge.end, f'"{key}" is neither true nor false.')
            return Truth(bool(edge.meaning) != (negated and not attribute)), ()
        case "during":
            edge = cond.leaf("WIN", "FUTURE")
            if "date" not in holds:
                raise Refused("wrong key", edge.first, edge.end, f'"{key}" holds no dates.')
            if negated:
                raise Refused("unsupported", edge.first, edge.end, "A negated date is not read here.")
            return During(windows(edge)), ()
    raise Refused("unsupported", cond.first, cond.end, "This comparison is not read.")


def one_or_two(names: Names, tree: Tree) -> tuple[list[Edge], bool]:
    """A comparison, or two that leave something between them ("over 25 and under 35"), or something on either side of
    what they leave out ("under 25 or over 35"); and whether both hold."""
    tree.own("BE", "AND", "BUT")
    together = not tree.has("OR")
    edges = tree.own("BOUND")
    if len(edges) < 2:
        return edges, True
    said = sorted((edge.meaning.bound for edge in edges), key=lambda bound: bound.value)
    signs = [">", "<"] if together else ["<", ">"]
    apart = said[0].value < said[1].value and [bound.comparison[0] for bound in said] == signs
    single = all(bound.upper is None for bound in said)
    if not (apart and single) or any(negates(names, edge) for edge in edges):
        raise Refused("no place", tree.first, tree.end, f'"{names.text(tree)}" is no range.')
    return edges, together


def is_number(key: Key) -> bool:
    """Whether a key holds numbers that measure something. The digits of a telephone number, a reference or a postcode
    tell one from others; they are neither compared nor added up."""
    parts = [part for part in name_parts(key.name) if part not in ("number", "no", "num", "code")]
    names_one = parts == ["mobile"] or not {*parts[-1:]}.isdisjoint(lexicon.DIGIT_WORDS | lexicon.ID_WORDS)
    return "number" in key.holds and not names_one


def key_noun(key: Key) -> str:
    """The noun of a key's name, as a stem: doctor of family_doctor."""
    return stem(name_parts(key.name)[-1])


def name_parts(name: str) -> list[str]:
    """The words of a key's name: shipping.net_total is shipping, net, total."""
    return name.lower().replace(".", "_").split("_")


def same_unit(unit: Edge | None, name: str) -> None:
    """A unit word beside a number is that of the key's suffix, or the key names none; else it is refused."""
    if unit is None:
        return
    parts = set(name_parts(name))
    of_key = {lexicon.UNITS.get(part, part) for part in parts & {*lexicon.UNITS, *lexicon.DURATION_SUFFIXES}}
    if of_key - {unit.meaning} or not lexicon.MONEY_WORDS.isdisjoint(parts):
        raise Refused("wrong key", unit.first, unit.end, f'"{name}" is not measured in {unit.meaning}.')


_SECONDS = {"millisecond": 0.001, "second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_MONTHS = {"month": 1, "year": 12}


def converted(edge: Edge, key: Key) -> Bound:
    """A bound on a duration in the unit of the property's suffix; without one, the unit as it was said."""
    said: Duration = edge.meaning
    parts = name_parts(key.name)
    suffix = next(
        (lexicon.DURATION_SUFFIXES[part] for part in reversed(parts) if part in lexicon.DURATION_SUFFIXES), None
    )
    if suffix is None and not {*lexicon.UNITS, *lexicon.MONEY_WORDS}.isdisjoint(parts):
        raise Refused("wrong key", edge.first, edge.end, f'"{key.name}" is no length of time.')
    if suffix is None or suffix == said.unit:
        return said.bound
    lengths = next((lengths for lengths in (_SECONDS, _MONTHS) if {said.unit, suffix} <= lengths.keys()), None)
    if lengths is None:
        raise Refused("wrong key", edge.first, edge.end, f'"{key.name}" is in {suffix}s, and not in {said.unit}s.')
    factor = lengths[said.unit] / lengths[suffix]

    def scaled(value: float) -> float | int:
        number = value * factor
        return int(number) if float(number).is_integer() else number

    return replace(
        said.bound, value=scaled(said.bound.value), upper=None if said.bound.upper is None else scaled(said.bound.upper)
    )


def duration_keys(names: Names, event: str) -> list[Key]:
    """The numeric properties of an event that hold a length of time, by their names."""
    lengths = {"duration", *lexicon.DURATION_SUFFIXES}
    return [k for k in names.keys(event, "event") if "number" in k.holds and not lengths.isdisjoint(name_parts(k.name))]


def names_truth(names: Names, keys: Sequence[Key]) -> bool:
    """Whether the keys hold "true" or "false" as text."""
    found = names.vocabulary.values(["true", "false"])
    return any(v.key in keys for values in found.values() for v in values)


def key_values(names: Names, tree: Tree, keys: Sequence[Key]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The texts that a list of values beside a key stands for; what the key does not hold is kept, with a warning."""
    if not keys:
        raise Refused("wrong key", tree.first, tree.end, "There is no such key here.")
    groups, joint = vlist_groups(tree)
    no_key_inside(names, groups)
    if joint == "and" and not any("list" in k.holds for k in keys) and len(groups) > 1:
        joint = "or"
    texts: list[str] = []
    warnings: list[str] = []
    for group in groups:
        said = said_text(names, group).strip()
        held = [
            v
            for e in group
            if isinstance(e.meaning, ValueHit) and len(group) == 1
            for v in e.meaning.values
            if v.key in keys
        ]
        if not held:
            held = names.held(said, keys)
        if held:
            texts.extend(v.text for v in held)
        elif not any(h in ("text", "list") for k in keys for h in k.holds):
            raise unknown(names, group[0], keys[0].event, keys)
        elif qualified := _qualified(names, group, keys):
            reason = f'No {keys[0].name} is "{said}"; it has "{qualified}".'
            raise Refused("unknown value", group[0].first, group[-1].end, reason, (qualified,))
        else:
            texts.append(said)
            near = names.vocabulary.near(said, list(keys), 1)
            hint = f' The nearest is "{near[0].text}".' if near else ""
            warnings.append(f'No {keys[0].name} is "{said}".{hint}')
    return canonical(texts), tuple(warnings)


def not_elsewhere(names: Names, tree: Tree, keys: Sequence[Key]) -> None:
    """Refused where a word right beside a key is no value of it, though the data holds it of something else: "hut
    lights" is no hut of that name."""
    for group in vlist_groups(tree)[0]:
        said = names.held(said_text(names, group), keys)
        other = next((e for e in group if e.category == "VALUE" and not _holds(e, keys)), None)
        if other is not None and not said:
            raise unknown(names, other, keys[0].event if keys else None, keys)


def _holds(edge: Edge, keys: Sequence[Key]) -> bool:
    """Whether one of the keys has the value."""
    return any(v.key in keys for v in edge.meaning.values)


def _qualified(names: Names, group: Sequence[Edge], keys: Sequence[Key]) -> str | None:
    """The value in "almost gold" or "gold currently": beside other small words, a value of these very keys is no part
    of a name."""
    plain = any(e.category == "UNK" and names.text(e).islower() for e in group)
    held = (v for e in group if e.category == "VALUE" for v in e.meaning.values if v.key in keys)
    return next((v.text.strip() for v in held), None) if plain else None


def currency_filter(names: Names, event: str | None, edge: Edge) -> tuple[Filter | None, str | None]:
    """Section 6: a currency word filters where the events carry differing currencies; elsewhere it is read over.
    Without a word the numbers are added as they stand, and that is said."""
    if event is None or not any(k.name == "currency" and k.level == "event" for k in names.keys(event)):
        return None, None
    held = names.vocabulary.values([code.casefold() for code in set(lexicon.CURRENCIES.values())])
    codes = {
        v.text.strip().casefold()
        for values in held.values()
        for v in values
        if v.key.event == event and v.key.name == "currency"
    }
    if len(codes) < 2:
        return None, None
    said = edge.meaning.currency
    words = names.text(edge).casefold()
    rest = re.sub(r"[0-9.,]+[a-z]*", "", words.replace(_bound_words(words), ""))
    dollars = "$" in rest and len(codes & _DOLLARS) > 1  # the sign of several of them
    by_sign = said is not None and said.casefold() in codes and not dollars
    if said is None or not (by_sign or any(c.isalpha() for c in rest)):
        return None, f"The events of {event} carry several currencies; their numbers are taken as they stand."
    if said.casefold() not in codes:
        raise Refused("unknown value", edge.first, edge.end, f"No {event} is in {said}.")
    return Filter((Property("currency"),), Text("is", (said.casefold(),))), None


_DOLLARS = frozenset({"usd", "aud", "cad", "sgd", "nzd", "hkd"})


def _bound_words(words: str) -> str:
    """The words of comparison at the start of an amount."""
    return next((c for c in sorted(lexicon.COMPARISONS, key=len, reverse=True) if words.startswith(c + " ")), "")


def asks_sum(names: Names, noun: Edge) -> bool:
    """Whether a word behind an amount asks for all of them together: "over 500 in total"."""
    return any(category == "TOTALLY" for category, _ in CLOSED.get(names.text(noun).casefold(), ()))


def is_sum(names: Names, amount: Tree) -> bool:
    """Whether an amount is that of several things together: "premiums totalling over 500"."""
    word = amount.edge("PRICED")
    return word is not None and names.text(word).casefold() in lexicon.SUMS


def negates(names: Names, bound: Edge) -> bool:
    """Whether a comparison is a negated one ("not over 700")."""
    return names.lattice.words[bound.first].low == "not"


def quant_bound(edge: Edge) -> Amount:
    """The bound that a quantity word stands for."""
    match edge.category:
        case "BOUND" | "NUM":
            amount: Amount = edge.meaning
            return amount
        case "NONE":
            return Amount(Bound("=", 0))
        case _:
            return Amount(Bound("=", 1))


def sum_bound(edge: Edge) -> Bound:
    """The bound on a sum: a bare amount is at least so much."""
    bound: Bound = edge.meaning.bound
    if edge.meaning.bare and bound.value == 0:
        raise Refused("vague", edge.first, edge.end, "Exactly 0, or at least 0?")
    return replace(bound, comparison=">=") if edge.meaning.bare else bound


def search_key(names: Names, event: str | None) -> str | None:
    """The key of a search's own text; None where an event is no search."""
    if event is None or "search" not in event:
        return None
    held = {k.name for k in names.keys(event, "event")}
    found = next((name for name in lexicon.SEARCH_KEYS if name in held), None)
    return found or ("query" if event == "product-searched" else None)


def money_keys(names: Names, event: str) -> list[Property]:
    """The numeric properties of an event that hold money, by their names."""
    return [
        Property(k.name)
        for k in names.keys(event, "event")
        if "number" in k.holds and not lexicon.MONEY_WORDS.isdisjoint(name_parts(k.name))
    ]


# ── profile values ────────────────────────────────────────────────────────────────────────────────────────────────


def place_keys(names: Names) -> list[Key]:
    """The attributes of place that the phonebook has."""
    return [k for k in names.attributes if _is_place(k.name)]


def _is_place(name: str) -> bool:
    *before, last = words_of(name.lower().rsplit(".", 1)[-1])
    return last in lexicon.PLACE_KEYS and lexicon.DWELLING.issuperset(before)


def place_condition(names: Names, vlist: Tree) -> Condition:
    """Contacts of any of these places. A place that the data does not hold is refused."""
    keys = place_keys(names)
    groups, _ = vlist_groups(vlist)
    held: list[list[Value]] = []
    for group in groups:
        said = said_text(names, group)
        forms = [fold(f) for f in lexicon.COUNTRY_FORMS.get(fold(said), (said,))]
        found = [v for values in names.vocabulary.values(forms).values() for v in values if v.key in keys]
        if not found:
            if len(group) == 1 and isinstance(group[0].meaning, ValueHit):
                raise unknown(names, group[0], None, keys)
            near = names.vocabulary.near(said, keys, 3)
            offered = tuple(dict.fromkeys(v.text for v in near))
            raise Refused("unknown value", group[0].first, group[-1].end, f'No place "{said}" is known.', offered)
        held.append(found)
    called = tuple(sorted(k.name for k in keys))
    wholes = places_within(vlist, [[v.key.name for v in place] for place in held])
    if len(wholes) == len(held):
        return Attribute(called, Text("is", canonical(v.text for place in held for v in place)))
    one = [Attribute(called, Text("is", canonical(v.text for v in place))) for place in held]
    return any_of(*(all_of(*(one[n] for n in whole)) for whole in wholes))


def places_within(vlist: Tree, keys: Sequence[Sequence[str]]) -> list[list[int]]:
    """Which members of a list of places are one place ("London, UK"): behind a comma alone, one that is of a wider kind
    by the keys that hold each. Refused where it may be a list as well."""
    links = [c for c in vlist.children if isinstance(c, Edge) and c.category in ("COMMA", "AND", "OR")]
    listed = any(link.category != "COMMA" for link in links)
    wholes: list[list[int]] = []
    before = None
    for n, group in enumerate(vlist.trees("vgroup")):
        between = [link.category for link in links if before is not None and before <= link.first < group.first]
        before = group.end
        wider = n > 0 and min(map(_breadth, keys[n - 1])) < min(map(_breadth, keys[n]))
        if between == ["COMMA"] and wider:
            wholes[-1].append(n)
        else:
            wholes.append([n])
    apart = any(len(whole) > 1 for whole in wholes)
    if apart and (len(wholes[-1]) == 1 if listed else len(wholes) > 1):  # "London, France or Spain"
        raise refusal(vlist, "Is one of these places in the other, or is it a list of them?", "vague")
    return wholes


def _breadth(name: str) -> int:
    """How wide a kind of place is, by the last word of its key."""
    last = words_of(name.lower().rsplit(".", 1)[-1])[-1:]
    return next((n for n, kinds in enumerate(lexicon.PLACES_WIDER) if last and last[0] in kinds), 0)


def attribute_conditions(names: Names, edge: Edge) -> list[Condition]:
    """The attributes that hold this value as a whole, one condition each; places together. Names of people are none."""
    hit: ValueHit = edge.meaning
    found: dict[str, list[Value]] = {}
    places = {k.name for k in place_keys(names)}
    for v in hit.values:
        if v.key.level == "attribute" and v.key.name.lower() not in lexicon.NAME_KEYS:
            found.setdefault("?place" if v.key.name in places else v.key.name, []).append(v)
    others = [words_of(name)[-1] for name in found if name != "?place"]
    if "?place" in found and all(singular(last) in lexicon.PLACE_KEYS for last in others):
        found = {"?place": found["?place"]}  # where they are, not where they pay or would like to be
    conditions: list[Condition] = []
    for name, values in found.items():
        keys = tuple(sorted(places)) if name == "?place" else (name,)
        conditions.append(Attribute(keys, Text("is", canonical(v.text for v in values))))
    return conditions


def signup_key(names: Names) -> Key | None:
    """The attribute that holds when the contact signed up."""
    return next((k for k in names.attributes if k.name.lower() in lexicon.SIGNUP_KEYS and "date" in k.holds), None)


def signup_event(names: Names) -> str | None:
    """The event type of a sign-up."""
    whose = {"user", "account", "customer", "member", "complet", "profil", "new"}
    return next(
        (e.event for e in names.index.events if set(e.stems) & _SIGNED_UP and set(e.stems) <= _SIGNED_UP | whose),
        None,
    )


_SIGNED_UP = {"signup", "regist", "join"}  # of no other thing: a warranty may be registered too


def from_date(names: Names, tree: Tree) -> FromDate:
    """ "within 7 days of signing up", "after their renewal date": so in time to a date of the contact. A sign-up
    happened at some time of its day, so that "after signing up" takes the day in; after a date is later than that."""
    span = tree.edge("WITHIN")
    word = tree.leaf("OF", "AFTER", "FROM", "SINCE", "BEFORE", "ONDAY", "ON")
    event, key = tree.edge("SIGNUP", "SIGNUPN"), tree.edge("KEY")
    dated = tree.has("DATEW") or names.lattice.words[tree.end - 1].low in ("date", "day")
    found = signup_key(names) if event is not None else _date_key(names, key)
    if found is None:
        words = event or key or tree
        raise refusal(words, f'No date of the contacts is "{names.text(words)}".', "unknown key")
    if word.category == "ON" and not dated:
        raise refusal(tree, f'"{names.text(tree)}": on the day of it, or after it?', "vague")
    within = span.meaning.span if span is not None else None
    match word.category:
        case "BEFORE":
            return FromDate(found.name, "before", within)
        case "ON" | "ONDAY":
            return FromDate(found.name, "on the day of")
        case "AFTER" if within is None and (dated or event is None):
            return FromDate(found.name, "after")
    return FromDate(found.name, "from", within)


def _date_key(names: Names, key: Edge | None) -> Key | None:
    """The one date of the contacts that a key's words name."""
    known = [] if key is None or key.meaning == "product" else key.meaning
    dates = [k for k in known if k.level == "attribute" and "date" in k.holds]
    if key is not None and any(k.name.lower() in lexicon.BIRTH_KEYS for k in dates):
        raise refusal(key, "A birthday comes every year.", "vague")
    if key is not None and len(dates) > 1:
        raise refusal(key, f"Is it {' or '.join(k.name for k in dates)}?", "vague")
    return dates[0] if dates else None
