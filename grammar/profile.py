"""What is known of a contact, as it is said: attributes by key or by value, age, gender, birthday, names, tags."""

from __future__ import annotations

from collections.abc import Sequence

from grammar import lexicon
from grammar.context import Context
from grammar.draft import EventDraft, Refused, Tree, refusal
from grammar.mentions import Edge, ValueHit
from grammar.names import boolean_stems
from grammar.query import (
    ALWAYS,
    Age,
    AgeInYears,
    Attribute,
    AttributeNumber,
    Birthday,
    Bound,
    Calendar,
    Condition,
    During,
    Events,
    Known,
    Named,
    Not,
    Numeric,
    Text,
    Truth,
    all_of,
    any_of,
    did,
    negated,
)
from grammar.values import (
    attribute_conditions,
    beside_its_key,
    is_number,
    key_test,
    key_values,
    name_parts,
    negates,
    not_elsewhere,
    one_or_two,
    said_text,
    signup_key,
    unknown,
    vlist_groups,
)
from grammar.vocabulary import Key, fold, singular


def attribute_keys(edge: Edge) -> list[Key]:
    """The attributes that a key's words may name."""
    if edge.meaning == "product":
        return []
    return [k for k in edge.meaning if k.level == "attribute"]


def attribute_list(ctx: Context, vlist: Tree) -> Condition:
    """Values by themselves, as attributes. Of one attribute they are any of the list ("gold and silver members"), or
    all of it where it is a list; of several attributes, "and" asks each."""
    shared, alternatives = _listed(ctx, vlist)
    if vlist.has("OR") or not all(isinstance(c, Attribute) for c in alternatives):
        return all_of(*shared, any_of(*alternatives))
    lists = {k.name for k in ctx.names.attributes if "list" in k.holds}
    asked: dict[tuple[str, ...], list[Condition]] = {}
    for one in alternatives:
        asked.setdefault(_asks(one), []).append(one)
    joined = [all_of(*of) if set(names) & lists else any_of(*of) for names, of in asked.items()]
    if len(joined) > 1 and any(_is_noun(ctx, group) for group in vlist.trees("vgroup")[:-1]):
        return ctx.choose([all_of(*joined), any_of(*joined)], ctx.text(vlist))  # "teachers and gold members"
    return all_of(*shared, *joined)


def attribute_alternatives(ctx: Context, vlist: Tree) -> list[Condition]:
    """The conditions of a list of values by themselves, one a member."""
    shared, alternatives = _listed(ctx, vlist)
    return [all_of(*shared, one) for one in alternatives]


def _listed(ctx: Context, vlist: Tree) -> tuple[list[Condition], list[Condition]]:
    """What is said of all members of a list of values, and the members. Before the first or behind the last of values
    of one attribute it is said of all: "Porto gold or silver members"."""
    groups, _ = vlist_groups(vlist)
    said: list[list[Condition]] = []
    for group in groups:  # of several attributes that hold the first, one is meant of all
        alike = said[0] if said and len(said[0]) == len(group) else [None] * len(group)
        said.append([attribute_value(ctx, edge, as_of) for edge, as_of in zip(group, alike, strict=True)])
    before, behind = said[0][:-1], said[-1][1:]
    if len(said) > 1 and bool(before) != bool(behind):
        inner = [said[0][-1], *(c for one in said[1:-1] for c in one), said[-1][0]]
        if len(inner) == len(said) and len({_asks(one) for one in inner}) == 1:
            return [*before, *behind], inner
    return [], [all_of(*one) for one in said]


def _asks(condition: Condition) -> tuple[str, ...]:
    return condition.names if isinstance(condition, Attribute) else ()


def _is_noun(ctx: Context, group: Tree) -> bool:
    """Whether the last word of some values is a plural, and so may name contacts by itself."""
    word = ctx.text(group).casefold().split()[-1]
    return singular(word) != word


def attribute_value(ctx: Context, edge: Edge, like: Condition | None = None) -> Condition:
    """A value by itself; the attributes that hold it are a choice, but for that of another in its list."""
    found = attribute_conditions(ctx.names, edge) if edge.category != "UNK" else []
    if not found:
        raise unknown(ctx.names, edge, None, ctx.names.attributes)
    same = [one for one in found if like is not None and _asks(one) == _asks(like) != ()]
    return same[0] if same else ctx.choose(found, ctx.text(edge))


def known_attribute(ctx: Context, key: Edge) -> Key:
    """The attribute that a key names. Refused where it names none."""
    keys = attribute_keys(key)
    if not keys:
        raise refusal(key, f'No attribute "{ctx.text(key)}" is known.', "unknown key")
    return keys[0]


def boolean(word: Edge) -> Condition:
    """An attribute that is true of those whom its name calls so ("verified users", "admins")."""
    return Attribute((word.meaning[0].name,), Truth(True))


def attribute_condition(ctx: Context, tree: Tree) -> Condition:
    """ "with an email", "has a garden size over 100": what is said of an attribute by its key."""
    key = tree.leaf("KEY")
    attribute = known_attribute(ctx, key)
    names = (attribute.name,)
    booleans = "boolean" in attribute.holds
    match tree.name:
        case "has_key":
            if ctx.text(tree).casefold().startswith("with their "):
                raise refusal(tree, f'"{ctx.text(tree)}" is what is shown of them, and no condition.')
            known = Attribute(names, Truth(True) if booleans else Known(True))
            return ctx.choose((known, _some_of(attribute)), ctx.text(tree)) if _counts(ctx, key, attribute) else known
        case "lacks_key":
            none = tree.edge("NONE")
            lacks = Not(Attribute(names, Truth(True))) if booleans else Attribute(names, Known(False))
            if not _counts(ctx, key, attribute):
                return lacks
            zero = Attribute(names, Numeric(Bound("=", 0)))
            if none is not None and ctx.text(none).casefold() in ("0", "zero"):
                return zero
            return ctx.choose((lacks, zero), ctx.text(tree))
        case "bound_key":
            bound = tree.leaf("BOUND")
            return attribute_bound(ctx, key, attribute, bound.meaning.bound)
    return attribute_keyed(ctx, key, attribute, tree.trees()[-1], there=True)


def _counts(ctx: Context, key: Edge, attribute: Key) -> bool:
    """Whether an attribute tells how many there are: "dependents" holds numbers, of which 0 is none."""
    word = ctx.text(key).casefold().split()[-1]
    return attribute.holds == {"number"} and is_number(attribute) and singular(word) != word


def _some_of(attribute: Key) -> Attribute:
    return Attribute((attribute.name,), Numeric(Bound(">", 0)))


def attribute_bound(ctx: Context, key: Edge, attribute: Key, bound: Bound) -> Condition:
    """A number of the contact's own, compared."""
    if not is_number(attribute):
        raise refusal(key, f'"{ctx.text(key)}" holds no numbers.', "wrong key")
    return Attribute((attribute.name,), Numeric(bound))


def attribute_keyed(ctx: Context, key: Edge, attribute: Key, cond: Tree, there: bool = False) -> Condition:
    """What stands beside an attribute's key: a value, a bound, a text, a time. `there`: it is said that there is one
    ("with a tier other than gold")."""
    if cond.name == "bounds":
        edges, together = one_or_two(ctx.names, cond)
        each = [attribute_keyed(ctx, key, attribute, Tree("bound", (edge,)), there) for edge in edges]
        return all_of(*each) if together else any_of(*each)
    flag = _flag_of(ctx, key, cond)
    if flag is not None:
        return Not(flag) if cond.has("NEG") else flag
    _not_compared(ctx, cond, there)
    if attribute.name.lower() in lexicon.AGE_KEYS and cond.name in ("bound", "number"):
        edge = cond.leaf("BOUND", "NUM")
        age_is = Age(attribute.name, edge.meaning.bound)
        return Not(age_is) if cond.has("NEG") else age_is
    if (
        attribute.name.lower() in lexicon.BIRTH_KEYS
        and cond.name == "during"
        and "birthday" in ctx.text(key).casefold()
    ):
        neg = cond.edge("NEG")
        if neg is not None and neg.meaning[1] == "never":
            raise refusal(neg, "A birthday comes every year.")
        falls = birthday(ctx, Tree("birth", tuple(e for e in cond.edges() if e.category in ("WIN", "FUTURE"))))
        return falls if neg is None else Not(falls)
    if (
        attribute.name.lower() in lexicon.BIRTH_KEYS
        and cond.name == "during"
        and cond.has("WIN")
        and cond.edge("NEG") is None
    ):
        return _birth_in(ctx, attribute.name, cond.leaf("WIN"))
    test, warnings = key_test(ctx.names, cond, [attribute], ctx.window, attribute=True)
    called = isinstance(test, Text) and test.how == "is" and attribute.name.lower() in lexicon.NAME_KEYS
    called = called and cond.name in ("is_", "is_not") and not cond.has("EQ")
    ctx.warnings.extend(warnings if not called else ())
    condition: Condition = Attribute((attribute.name,), test)
    negative = cond.name == "is_not" or (
        cond.has("NEG") and cond.name in ("is_", "number", "bound", "contains", "starts", "ends", "truth")
    )
    if cond.name == "is_not" and there:
        if "list" in attribute.holds:
            raise refusal(cond, f'Is there another one, or is it none of them: "{ctx.text(cond)}"?', "vague")
        return all_of(Attribute((attribute.name,), Known(True)), Not(condition))
    if called and isinstance(test, Text):
        keys = _name_keys(ctx) if ctx.text(key).casefold() == "name" else [attribute.name]
        condition = any_of(*(_called_so(ctx, keys, said) for said in test.values))
    elif isinstance(test, Text) and cond.name in ("is_", "includes"):
        condition = _holding(attribute, cond.part("vlist"), test)
    return negated(condition) if negative else condition


def _flag_of(ctx: Context, key: Edge, cond: Tree) -> Attribute | None:
    """ "whose email is verified", where that is a boolean of its own: email_verified."""
    vlist = cond.tree("vlist")
    said = list(vlist.leaves()) if vlist is not None else []
    if cond.name != "is_" or len(said) != 1 or said[0].category != "UNK":
        return None
    found = ctx.names.index.booleans.get(boolean_stems(f"{ctx.text(key)} {ctx.text(said[0])}"))
    if not found:
        return None
    cond.own("BE", "EQ")
    said[0].used.append(None)
    return Attribute((found[0].name,), Truth(True))


def _holding(attribute: Key, vlist: Tree, test: Text) -> Condition:
    """An attribute of these values: any of them, or all where it is a list and they are joined by and."""
    _, joint = vlist_groups(vlist)
    if joint == "and" and "list" in attribute.holds:
        vlist.has("BOTH")
        return all_of(*(Attribute((attribute.name,), Text("is", (value,))) for value in test.values))
    return Attribute((attribute.name,), test)


def _not_compared(ctx: Context, cond: Tree, there: bool) -> None:
    """ "is not over 700" is the complement of "is over 700", "with a score not over 700" has one of at most 700: each
    has its own tree, and this one is refused where it is the other's."""
    bound = cond.edge("BOUND") if cond.name == "bound" else None
    if bound is None:
        return
    within = cond.has("BE") and negates(ctx.names, bound)
    if within or (there and cond.has("NEG")):
        raise refusal(cond, f'"{ctx.text(cond)}" is a negation.')


def value_key_is(ctx: Context, tree: Tree) -> Condition:
    """ "on the pro plan": an attribute with its value before it."""
    key, vlist = tree.leaf("KEY"), tree.part("vlist")
    attribute = known_attribute(ctx, key)
    if tree.edge("AS") is None:  # "have gold as their tier"
        beside_its_key(ctx.names, vlist, key)
        at = ctx.names.lattice.at[key.first]
        whole = any(end > key.end for c in ("EN", "EV") for end in at.get(c, {}))
        if whole and any(e.category == "UNK" for e in vlist.leaves()):  # "free trainer sessions"
            raise refusal(key, f'"{ctx.text(key)}" is part of the name of an event.')
    not_elsewhere(ctx.names, vlist, [attribute])
    texts, warnings = key_values(ctx.names, vlist, [attribute])
    partial = [text for text in texts if "@" not in text] if "email" in attribute.name.lower() else []
    if partial and warnings:
        reason = f'"{partial[0]}" is no whole {attribute.name}: say what it contains or ends with.'
        raise refusal(vlist, reason, "unknown value")
    ctx.warnings.extend(warnings)
    return _holding(attribute, vlist, Text("is", texts))


def gender(ctx: Context, edge: Edge) -> Condition:
    """ "women", "male": the attribute of gender, in the form in which the data has it."""
    keys = [k for k in ctx.names.attributes if k.name.lower() in lexicon.GENDER_KEYS]
    if not keys:
        raise refusal(edge, "The phonebook has no attribute of gender.", "unknown key")
    forms = lexicon.GENDERS[edge.meaning]
    found = ctx.names.vocabulary.values([fold(f) for f in forms])
    texts = {v.text.strip().casefold() for values in found.values() for v in values if v.key in keys}
    return Attribute(tuple(k.name for k in keys), Text("is", tuple(sorted(texts)) or (edge.meaning,)))


def age(ctx: Context, node: Tree | Edge, bound: Bound) -> Condition:
    """So many years old."""
    name, from_birth = _age_key(ctx, node)
    return Age(name, bound, from_birth)


def age_in_years(ctx: Context, word: Edge) -> AttributeNumber | AgeInYears:
    """The age as a number of the contact."""
    name, from_birth = _age_key(ctx, word)
    return AgeInYears(name) if from_birth else AttributeNumber(name)


def _age_key(ctx: Context, node: Tree | Edge) -> tuple[str, bool]:
    """The attribute of age, else the one that holds a birth date, and whether it is that."""
    for key in ctx.names.attributes:
        if key.name.lower() in lexicon.AGE_KEYS and "number" in key.holds:
            return key.name, False
    for key in ctx.names.attributes:
        if key.name.lower() in lexicon.BIRTH_KEYS:
            return key.name, True
    raise refusal(node, "The phonebook has neither ages nor birth dates.", "unknown key")


def _birth_date(ctx: Context, tree: Tree) -> str:
    """The attribute that holds a birth date."""
    for key in ctx.names.attributes:
        if key.name.lower() in lexicon.BIRTH_KEYS:
            return key.name
    raise refusal(tree, "The phonebook has no birth dates.", "unknown key")


OLDEST = 120  # years: a greater number is nobody's age


def age_bare(ctx: Context, tree: Tree) -> Condition:
    """ "women over 30": a bare number of a person is the age, if it can be one."""
    edges, together = one_or_two(ctx.names, tree)
    for edge in edges:
        if edge.meaning.currency or edge.meaning.bound.value > OLDEST:
            raise refusal(edge, f'It is not said what "{ctx.text(edge)}" measures.', "vague")
    ages = [_aged_so(ctx, tree, edge) for edge in edges]
    return all_of(*ages) if together else any_of(*ages)


def _aged_so(ctx: Context, tree: Tree, edge: Edge) -> Condition:
    """A bare number as the age; "women not over 40" are those who are not over 40, whose age may be unknown."""
    bound: Bound = edge.meaning.bound
    if not negates(ctx.names, edge) or bound.comparison not in ("<=", ">="):
        return age(ctx, tree, bound)
    return Not(age(ctx, tree, Bound(">" if bound.comparison == "<=" else "<", bound.value)))


def birthday(ctx: Context, tree: Tree) -> Condition:
    """The day and month of a birth date fall into a time."""
    key = _birth_date(ctx, tree)
    edge = tree.leaf("WIN", "FUTURE")
    if edge.category == "FUTURE":
        return Birthday(key, edge.meaning.period)
    window = ctx.window(edge)
    if window.period is None or window.weekdays or window.hours:
        raise refusal(edge, "A birthday falls into days, months or a stretch of them.")
    return Birthday(key, window.period)


def born(ctx: Context, tree: Tree) -> Condition:
    """ "born in 1990", "born after March 1985"; a month or a day without a year is that of each year."""
    return _birth_in(ctx, _birth_date(ctx, tree), tree.leaf("WIN"))


def _birth_in(ctx: Context, key: str, edge: Edge) -> Condition:
    """A birth date in a time: the birthday, where that has no year, which "this month" may have or not."""
    window = ctx.window(edge)
    period = window.period
    birth: Condition = Attribute((key,), During(window))
    if period is None or window.weekdays or window.hours:
        return birth
    day: Condition = Birthday(key, period)
    if isinstance(period, Named):
        return day
    if isinstance(period, Calendar) and period.unit not in ("year", "quarter"):
        return ctx.choose((day, birth), ctx.text(edge))
    return birth


def has_values(ctx: Context, tree: Tree) -> Condition:
    """ "has a tablet and a phone": values of a list of the contact."""
    lists = {k for k in ctx.names.attributes if "list" in k.holds}
    return _values_of(ctx, tree.part("vlist"), lists, "nothing that contacts have")


def on_plan(ctx: Context, tree: Tree) -> Condition:
    """ "members on Pro": the attribute of what they are on."""
    plans = {k for k in ctx.names.attributes if lexicon.PLAN_WORDS & set(name_parts(k.name))}
    return _values_of(ctx, tree.part("vlist"), plans, "no plan")


def _values_of(ctx: Context, vlist: Tree, keys: set[Key], otherwise: str) -> Condition:
    for edge in vlist.leaves():
        if isinstance(edge.meaning, ValueHit) and keys.isdisjoint(v.key for v in edge.meaning.values):
            raise refusal(edge, f'"{ctx.text(edge)}" is {otherwise}.')
    return attribute_list(ctx, vlist)


def tagged(ctx: Context, tree: Tree) -> Condition:
    """A list attribute holds the tags. One that it does not hold is refused, but for one in quotes."""
    vlist = tree.part("vlist")
    keys = [k for k in ctx.names.attributes if "list" in k.holds] or [
        k for k in ctx.names.attributes if k.name.lower() in ("tag", "tags")
    ]
    if not keys:
        raise refusal(tree, "The phonebook has no tags.", "unknown key")
    tags = [k for k in keys if "tag" in k.name.lower()] or keys
    groups, joint = vlist_groups(vlist)
    conditions: list[Condition] = []
    for group in groups:
        said = said_text(ctx.names, group)
        held = ctx.names.held(said, tags)
        if not held:
            if group[0].category != "QUOTED":
                near = ctx.names.vocabulary.near(said, tags, 3)
                raise Refused(
                    "unknown value",
                    group[0].first,
                    group[-1].end,
                    f'No tag "{said}" is known.',
                    tuple(v.text for v in near),
                )
            ctx.warnings.append(f'No tag is "{said}".')
        texts = tuple(sorted({v.text.strip().casefold() for v in held})) or (said.casefold(),)
        conditions.append(Attribute(tuple(sorted({v.key.name for v in held})) or (tags[0].name,), Text("is", texts)))
    if joint == "and":
        vlist.has("BOTH")
    return all_of(*conditions) if joint == "and" else any_of(*conditions)


def named(ctx: Context, tree: Tree) -> Condition:
    """The contact's name, or a word of it."""
    text = tree.part("text")
    keys = _name_keys(ctx)
    if not keys:
        raise refusal(tree, "The phonebook has no names.", "unknown key")
    vlist = tree.tree("vlist")
    groups, joint = vlist_groups(vlist) if vlist is not None else ([], "")
    if vlist is not None and joint == "and":
        raise refusal(vlist, f'"{ctx.text(vlist)}": who is called both?', "vague")
    each = [said_text(ctx.names, edges).strip().casefold() for edges in [list(text.edges()), *groups]]
    is_named = any_of(*(_called_so(ctx, keys, said) for said in each))
    if vlist is not None:
        return is_named
    events = _called(ctx, tree, text)
    return is_named if events is None else ctx.choose((is_named, did(events)), ctx.text(tree))


def _name_keys(ctx: Context) -> list[str]:
    """The attributes that hold what a contact is called."""
    return sorted(k.name for k in ctx.names.attributes if k.name.lower() in lexicon.NAME_KEYS)


def _called_so(ctx: Context, keys: Sequence[str], said: str) -> Condition:
    """Whose name is that, or has it as a word; a name that nobody has is kept, with a warning."""
    if not ctx.names.vocabulary.contains([k for k in ctx.names.attributes if k.name in keys], said):
        ctx.warnings.append(f'No name has "{said}".')
    return Attribute(tuple(keys), Text("has word" if " " not in said else "is", (said,)))


def _called(ctx: Context, tree: Tree, text: Tree) -> Events | None:
    """ "called Mark Price", where an event is of calling somebody, and of one who is so called."""
    lattice, end = ctx.names.lattice, tree.leaf("NAMED").end
    verb = lattice.at[tree.first].get("EV", {}).get(end)
    here = lattice.at[text.first]
    value = here.get("VALUE", here.get("QUOTED", {})).get(text.end)
    if verb is None or value is None or (tree.first and "BE" in lattice.at[tree.first - 1]):
        return None
    draft = EventDraft(tree.first, tree.end, verb.meaning)
    draft.objects.append(Tree("obj", (Tree("vlist", (Tree("vgroup", (value,)),)),)))
    try:
        return ctx.events(draft, ctx.default_window())
    except Refused:
        return None


def signed_up(ctx: Context, core: Tree) -> Condition:
    """The profile's sign-up date lies in the window."""
    key = signup_key(ctx.names)
    if key is None:
        raise refusal(core, "Neither a sign-up date nor a sign-up event is known.", "unknown key")
    either = core.edge("EITHERWIN")
    if either is not None:
        return any_of(*(Attribute((key.name,), During(window)) for window in ctx.each_window(either)))
    window = ctx.late(core.trees("late"))
    return Attribute((key.name,), Known(True) if window == ALWAYS else During(window))
