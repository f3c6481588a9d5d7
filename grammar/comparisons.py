"""Measures compared: with a number, a share, a mean, another measure or another time; and ranks by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from grammar import lexicon
from grammar.context import Context
from grammar.draft import EventDraft, Refused, Tree, refusal
from grammar.event_drafts import (
    OBJECTS,
    done_to,
    enp_draft,
    event_draft,
    head_draft,
    plain,
    same_event,
    same_type,
    take_args,
    take_pre,
)
from grammar.measures import (
    MEASURES,
    counts,
    in_currency,
    in_unit,
    measure_of,
    money_of,
    need_orders,
    orders,
    rank_measure,
    summed,
    summing,
)
from grammar.mentions import Edge, EventHit, ValueHit
from grammar.names import Candidate, name_stems, stem
from grammar.numbers import Top
from grammar.profile import age_in_years
from grammar.query import (
    ALWAYS,
    ORDER_VALUE,
    Age,
    AgeInYears,
    Aggregate,
    Attribute,
    AttributeNumber,
    Bound,
    Condition,
    Count,
    Distinct,
    Events,
    Has,
    MeanOverContacts,
    MeanOverEvents,
    Measure,
    Not,
    Numeric,
    Property,
    Quantity,
    Rank,
    Spend,
    Versus,
)
from grammar.values import ORDER, duration_keys, negates, properties, same_unit, sum_bound
from grammar.vocabulary import singular


def measure_bound(ctx: Context, tree: Tree) -> Condition:
    """A measure compared with a number or a length of time."""
    edge = tree.leaf("BOUND", "DURATION", "NUM")
    bound: Bound = edge.meaning.bound
    inner = tree.part(*MEASURES)
    window = ctx.late(tree.trees("late"))
    measure = measure_of(ctx, inner, window)
    unit = tree.edge("UNITW")
    if isinstance(measure, (Aggregate, AttributeNumber)):
        same_unit(unit, measure.name if isinstance(measure, AttributeNumber) else measure.property.name)
    elif unit is not None:
        raise refusal(unit, f'"{ctx.text(unit)}" is no unit of that.')
    if edge.category != "DURATION":
        measure = in_currency(ctx, measure, edge)
    if edge.category == "DURATION":
        if not isinstance(measure, Aggregate):
            raise refusal(edge, "A length of time is compared with a duration only.")
        key = next((k for k in ctx.names.keys(measure.events.event or "") if k.name == measure.property.name), None)
        assert key is not None
        return Has(measure, in_unit(ctx, edge, key, summed=measure.how == "total"))
    if isinstance(measure, AgeInYears | AttributeNumber):
        if tree.has("BE") and negates(ctx.names, edge):  # is not over: the complement of over
            return Not(_own_number(measure, replace(bound, comparison=">" if bound.comparison == "<=" else "<")))
        return _own_number(measure, bound)
    summed = isinstance(measure, Spend) or (isinstance(measure, Aggregate) and measure.how == "total")
    return Has(measure, sum_bound(edge) if summed else bound)


def _own_number(measure: AgeInYears | AttributeNumber, bound: Bound) -> Condition:
    """A number of the contact's own, compared."""
    if isinstance(measure, AgeInYears):
        return Age(measure.name, bound, from_birth=True)
    if measure.name.lower() in lexicon.AGE_KEYS:
        return Age(measure.name, bound)
    return Attribute((measure.name,), Numeric(bound))


def measure_average(ctx: Context, tree: Tree) -> Condition:
    """A measure compared with its mean over all contacts."""
    measure = measure_of(ctx, tree.part(*MEASURES), ctx.late(tree.trees("late")))
    word = tree.edge("AVGOVER", "AVGUNDER")
    under = word is not None and word.category == "AVGUNDER"
    return Versus(measure, "<" if under else ">", MeanOverContacts(measure))


def measure_share(ctx: Context, tree: Tree) -> Condition:
    """A measure compared with so many percent of another."""
    edge = tree.leaf("SHAREOF")
    trees = tree.trees(*MEASURES)
    bound: Bound = edge.meaning.bound
    if bound.upper is not None or len(trees) != 2:
        raise refusal(edge, "One share is compared.")
    window = ctx.late(tree.trees("late"))
    return Versus(measure_of(ctx, trees[0], window), bound.comparison, measure_of(ctx, trees[1], window), bound.value)


def event_share(ctx: Context, tree: Tree) -> Condition:
    """ "an order at least 150% of their average order": the largest one is (of at most, the smallest)."""
    edge = tree.leaf("SHAREOF")
    bound: Bound = edge.meaning.bound
    window = ctx.late(tree.trees("late"))
    tree.own("WITH", "HAVE")
    events = ctx.events(plain(ctx.names, enp_draft(ctx.names, tree.part("enp", "enp_another"))), window)
    if events.event != ORDER or bound.upper is not None or bound.comparison == "=":
        raise refusal(edge, "An order that is more or less than a share of a measure is read.", "unsupported")
    how: Literal["highest", "lowest"] = "highest" if bound.comparison in (">", ">=") else "lowest"
    other = measure_of(ctx, tree.part(*MEASURES), window)
    return Versus(Aggregate(how, events, ORDER_VALUE), bound.comparison, other, bound.value)


def measure_than(ctx: Context, tree: Tree) -> Condition:
    """A measure compared with another of the same contact."""
    compared = tree.leaf("CMP")
    window = ctx.late(tree.trees("late"))
    left, right = (measure_of(ctx, t, window) for t in tree.trees(*MEASURES))
    return Versus(left, compared.meaning, right)


def measure_than_all(ctx: Context, tree: Tree) -> Condition:
    """A measure compared with the mean over all orders."""
    more, orders = tree.leaf("CMP"), tree.own("AOV")
    if orders[-1].meaning != "average":
        raise refusal(orders[-1], "Only the average of all is compared with.")
    window = ctx.late(tree.trees("late"))
    return Versus(
        measure_of(ctx, tree.part(*MEASURES), window),
        more.meaning,
        MeanOverEvents(Events(ORDER, (), window), ORDER_VALUE),
    )


def measure_versus(ctx: Context, tree: Tree) -> Condition:
    """A measure compared with itself in another time."""
    inner = tree.part(*MEASURES)
    left, right = (measure_of(ctx, inner, w) for w in ctx.two_windows(tree.own("WIN")))
    return Versus(left, tree.leaf("MORE").meaning, right)


def versus_windows(ctx: Context, core: Tree) -> Condition:
    """More of an event in one time than in another."""
    more = core.leaf("MORE")
    wins = ctx.two_windows(core.own("WIN"))
    draft = event_draft(ctx.names, core)
    if core.has("KEY"):
        verb = core.part("evhead").leaf("EV")
        draft.hit = summing(ctx, verb, core.leaf("KEY")).meaning
    draft.tails.extend(core.own("TAIL"))
    _is_led(ctx, core, draft, more)
    noun = core.edge("EN")
    if noun is not None:
        same_event(ctx.names, noun, draft)
    events = ctx.events(draft, ALWAYS)
    thing, key = core.edge("THING"), core.edge("KEY")
    if key is not None:  # "booked more nights in 2026 than in 2025"
        of = summed(ctx, key, events)
        first, second = (Aggregate("total", replace(events, window=w), of) for w in wins)
        return Versus(first, more.meaning, second)
    if thing is not None and ctx.text(thing).casefold() in _UNITS:  # "more units in 2026 than in 2025"
        if events.event not in lexicon.PRODUCT_EVENTS_QUANTITY:
            raise refusal(thing, f'{events.event} has no "{ctx.text(thing)}".', "wrong key")
        one, two = (Quantity(replace(events, window=w)) for w in wins)
        return Versus(one, more.meaning, two)
    counted = ctx.choose(counts(ctx, events, (*draft.tails, noun)), ctx.text(core))
    left, right = (replace(counted, events=replace(events, window=w)) for w in wins)
    return Versus(left, more.meaning, right)


_UNITS = frozenset({"unit", "units", "piece", "pieces"})


def _is_led(ctx: Context, core: Tree, draft: EventDraft, more: Edge) -> None:
    """ "applied for more jobs": the verb's own preposition. Refused where it has its noun already: "viewed jobs at more
    companies" compares companies."""
    led = [e for e in core.own("TO", "FOR", "ON", "AT", "IN") if e.end <= more.first]
    full = draft.hit is not None and draft.hit.candidates[0].tier == "full"
    if led and (full or draft.tails or draft.objects):
        raise refusal(led[0], f'"{ctx.text(led[0])}" more of what? Only events are compared.', "unsupported")


def versus_events(ctx: Context, core: Tree) -> Condition:
    """More of one event than of another."""
    more = core.leaf("MORE")
    heads = core.trees("evhead")
    first, second = head_draft(ctx.names, heads[0]), head_draft(ctx.names, heads[1])
    for pre in core.trees("evpre"):
        take_pre(ctx.names, first, pre)
    first.tails.extend(core.own("TAIL"))
    first.objects.extend(Tree("obj", (vlist,)) for vlist in core.trees("vlist"))
    args = [t for t in core.trees() if t.name not in ("evhead", "evpre", "vlist")]
    take_args(ctx.names, first, [t for t in args if t.first < more.first])
    take_args(ctx.names, second, [t for t in args if t.first > more.first])
    _is_led(ctx, core, first, more)
    nouns = {stem(word) for tail in first.tails for word in ctx.text(tail).casefold().split()}
    alone = not (second.objects or second.pre or second.tails)
    if second.hit is not None and nouns and alone:  # "cancelled more rides than they completed"
        such = tuple(c for c in second.hit.candidates if nouns <= set(name_stems(c.event)))
        if not such and second.hit.best()[0].tier != "full":  # "booked more huts than they cancelled"
            raise refusal(heads[1], f'"{ctx.text(heads[1])}" what? No such event is about that.', "vague")
        second.hit = EventHit(such) if such else second.hit
    if alone and all(t.name == "obj" for t in first.objects):  # "viewed more Corvino than bought": of it, too
        second.objects = list(first.objects)
    shared = ctx.draft_window(second)
    own = ctx.draft_window(first, use_default=False)
    if first.time.after and not second.time.settled and ctx.choose((True, False), ctx.text(first.time.after[0])):
        shared = own  # "logged in in March more often than they bought": in March, or ever
    left = Count(ctx.events(first, own if own != ALWAYS else shared, "window"))
    return Versus(left, more.meaning, Count(ctx.events(second, shared, "window")))


def versus_average(ctx: Context, core: Tree) -> Condition:
    """ "completed more levels than the average user"."""
    more, noun, head = core.leaf("MORE"), core.edge("EN"), core.tree("evhead")
    if head is None and noun is not None and noun.meaning.candidates[0].tier == "noun":
        raise refusal(noun, f'"{ctx.text(noun)}" is only a part of an event\'s name.')
    if head is not None:
        draft = head_draft(ctx.names, head)
        draft.tails.extend(core.own("TAIL"))
        if noun is not None:
            same_event(ctx.names, noun, draft)
    else:
        assert noun is not None
        draft = EventDraft(core.first, core.end, noun.meaning, noun=True)
    events = ctx.events(draft, ctx.late(core.trees("late")))
    measure = ctx.choose(counts(ctx, events, (*draft.tails, noun)), ctx.text(core))
    return Versus(measure, more.meaning, MeanOverContacts(measure))


def versus_distinct(ctx: Context, core: Tree) -> Condition:
    """ "looked at more distinct brands than they bought"."""
    more, key, thing = core.leaf("MORE"), core.edge("KEY"), core.edge("THING")
    core.edge("DISTINCT")
    window = ctx.late(core.trees("late"))
    sides: list[Measure] = []
    for head in core.trees("evhead"):
        events = ctx.events(head_draft(ctx.names, head), window)
        name = Property("product_id", "item")
        if key is not None:
            found = properties(k for k in key.meaning if k.event == events.event)
            if not found:
                raise refusal(key, f'{events.event} has no key "{ctx.text(key)}".', "wrong key")
            name = next((p for p in found if p.level == "item"), found[0])
        elif thing is None:
            raise refusal(core, "Different what?")
        sides.append(Distinct(events, name))
    return Versus(sides[0], more.meaning, sides[1])


def versus_nouns(ctx: Context, core: Tree) -> Condition:
    """ "did more searches than product views", "booked more hotels than flights"."""
    more = core.leaf("MORE")
    nouns = core.own("EN", "TAIL")
    verb, general = core.edge("EV"), core.edge("GENV")
    window = ctx.late(core.trees("late"))
    sides: list[Measure] = []
    said = {t.end: t for t in core.trees("vlist")}
    for noun in nouns:
        draft = EventDraft(noun.first, noun.end, noun.meaning, noun=True)
        if verb is not None:
            done = {c.event for c in verb.meaning.candidates}
            same_type(draft, done, refusal(noun, f'"{ctx.text(noun)}" is no event of that verb.'))
        assert draft.hit is not None
        draft.hit = EventHit(draft.hit.best())
        if general is not None:
            draft = done_to(ctx.names, general, draft)
        if noun.first in said:  # "more theft claims than crash claims"
            draft.pre.append(said[noun.first])
        sides.append(Count(ctx.events(draft, window)))
    return Versus(sides[0], more.meaning, sides[1])


def versus_values(ctx: Context, core: Tree) -> Condition:
    """ "bought more helmets than saddles", "ordered more on mobile than on desktop": the events of each."""
    core.own("OFTEN")
    more = core.leaf("MORE")
    if ctx.text(more).casefold() not in _OFTENER:  # "rated Nike higher than Puma"
        raise refusal(more, f'"{ctx.text(more)}" does not say how often.')
    things = {e.first for e in core.own("THING")}
    tails = core.own("TAIL")
    window = ctx.late(core.trees("late"))
    preps = {t.end: t for t in core.trees("prep")}
    sides: list[Count] = []
    vlists = core.trees("vlist")
    for vlist, other in zip(vlists, reversed(vlists), strict=True):
        if vlist.end not in things and _lacks_noun(vlist, other):
            raise refusal(vlist, f'"{ctx.text(vlist)}" what? Say it of both.', "vague")
        draft = head_draft(ctx.names, core.part("evhead"))
        draft.tails.extend(tails)
        if sides:
            same_type(draft, {sides[0].events.event}, refusal(vlist, "Of another event than the one before it."))
        prep = preps.get(vlist.first)
        draft.objects.append(Tree("obj", (vlist,)) if prep is None else Tree("prepared", (prep, vlist)))
        sides.append(Count(ctx.events(draft, window)))
    return Versus(sides[0], more.meaning, sides[1])


_OFTENER = frozenset({"more", "less", "fewer"})


def _lacks_noun(vlist: Tree, other: Tree) -> bool:
    """Whether a list ends with what stands before the noun of the other: "red" beside "black helmets"."""
    last, (*before, noun) = _keys_held(vlist)[-1], _keys_held(other)
    return last.isdisjoint(noun) and any(not last.isdisjoint(keys) for keys in before)


def _keys_held(vlist: Tree) -> list[set[str]]:
    """The names of the keys that each word of a list may be a value of; of a word that is none, no name."""
    words = [e for e in vlist.leaves() if e.category in ("VALUE", "QUOTED", "UNK")]
    return [{v.key.name for v in e.meaning.values} if isinstance(e.meaning, ValueHit) else set() for e in words]


def spent_event(ctx: Context, core: Tree) -> Condition:
    """ "spent over 2000 on flights": the sum of that event's one money property."""
    said, edge = core.leaf("EN", "TAIL"), core.leaf("BOUND", "NUM")
    return Has(in_currency(ctx, money_of(ctx, said, ctx.late(core.trees("late"))), edge), sum_bound(edge))


def lasted(ctx: Context, core: Tree) -> Condition:
    """ "watched over 90 minutes of films": the sum of that event's one duration property."""
    core.edge("EV", "GENV")
    edge = core.leaf("DURATION")
    noun = core.edge("EN", "TAIL")
    others = core.own("EV")
    vlist = core.tree("vlist")
    sum_word = core.edge("AGG")
    if sum_word is not None and sum_word.meaning != "total":
        raise refusal(sum_word, "Only a total of it is read here.")
    window = ctx.late(core.trees("late"))
    candidates: list[Candidate] = []
    named = [h.meaning.candidates for h in (noun, *others) if h is not None and isinstance(h.meaning, EventHit)]
    if not named:
        raise refusal(core, "It is not said of what.")
    for candidate in named[0]:
        if all(any(c.event == candidate.event for c in more) for more in named[1:]):
            candidates.append(candidate)
    options: list[Condition] = []
    for candidate in candidates:
        keys = duration_keys(ctx.names, candidate.event)
        draft = EventDraft(core.first, core.end, EventHit((candidate,)))
        if vlist is not None:
            draft.objects.append(Tree("obj", (vlist,)))
        try:
            events = ctx.events(draft, window)
        except Refused:
            continue
        options.extend(
            Has(Aggregate("total", events, Property(k.name)), in_unit(ctx, edge, k, summed=True)) for k in keys
        )
    if not options:
        raise refusal(edge, "No duration is known of it.", "wrong key")
    return ctx.choose(list(dict.fromkeys(options)), ctx.text(core))


def ranking(ctx: Context, tree: Tree, among: Condition) -> Rank:
    """The first or last so many of some contacts, by a measure."""
    top = tree.edge("TOPN", "NUM")
    chosen = Top(None)
    if top is not None:
        chosen = top.meaning if isinstance(top.meaning, Top) else Top(top.meaning.bound.value)
    most = tree.edge("MOST", "LEAST")
    if most is not None and [w.low for w in ctx.names.lattice.words[most.end : most.end + 1]] == ["of"]:
        raise refusal(most, f'"{ctx.text(most)} of" them are more than half: of line items, "mostly".', "unsupported")
    if most is not None and most.category == "LEAST":
        chosen = replace(chosen, bottom=True)
    best = tree.edge("AGG") if tree.name.startswith("rank_spenders") else None
    if best is not None:  # "the biggest spender"
        if best.meaning not in ("highest", "lowest"):
            raise refusal(best, f'"{ctx.text(best)}" of whom?', "vague")
        whom = ctx.text(tree.leaf("SPENDERS")).casefold()
        amount = chosen.amount if top is not None else 1 if singular(whom) == whom else None
        chosen = replace(chosen, amount=amount, bottom=best.meaning == "lowest")
    win = tree.edge("WIN")
    window = ctx.window(win) if win is not None else ALWAYS if tree.has("EVER") else ctx.default_window()
    match tree.name:
        case "rank_by" | "rank_bare":
            link, np = tree.edge("OF"), tree.tree("np")
            doers = np is not None and not np.part("nphead").trees() and not np.part("nphead").has("CONTACT")
            if link is not None and doers:  # "top 10 buyers of socks": what they buy is no number
                what = tree.edge("EN", "ANYEVENTS") or tree.part(*MEASURES)
                raise refusal(what, f'"{ctx.text(what)}" is what they did: ranked by what?', "vague")
            measure = rank_measure(ctx, tree, window)
        case "rank_age":
            word, contacts = tree.leaf("AGEST"), tree.leaf("CONTACT")
            if is_record(ctx, contacts) or by_time_too(ctx, word, contacts):
                raise refusal(word, f'"{ctx.text(word)}": of age, or longest here?', "vague")
            chosen = replace(chosen, bottom=word.meaning == "youngest")
            measure = age_in_years(ctx, word)
        case "rank_spenders" | "rank_spenders_of":
            need_orders(ctx, tree)
            measure = Spend(Events(ORDER, (), window))
        case "rank_most_spent":
            need_orders(ctx, tree)
            measure = Spend(orders(ctx, tree.tree(*OBJECTS), ctx.late(tree.trees("late"))))
        case "rank_most" | "rank_most_of":
            word, general, key = tree.leaf("EV", "EN"), tree.edge("GENV"), tree.edge("KEY")
            word = summing(ctx, word, key) if key is not None else word
            draft = EventDraft(word.first, tree.end, word.meaning, noun=word.category == "EN")
            draft = done_to(ctx.names, general, draft) if general is not None else draft
            take_args(ctx.names, draft, [t for t in tree.trees() if t.first > word.first])
            events = ctx.events(draft, ctx.draft_window(draft), "window")
            things = any(t.has("THING") for t in tree.trees("obj"))
            if key is not None:  # "booked the most nights"
                measure = Aggregate("total", events, summed(ctx, key, events))
            elif things and events.event in lexicon.PRODUCT_EVENTS_QUANTITY:  # "bought the most products"
                measure = Quantity(events)
            else:
                measure = ctx.choose(counts(ctx, events, (word, *draft.tails)), ctx.text(tree))
        case "rank_highest":
            measure = measure_of(ctx, tree.part(*MEASURES), ctx.late(tree.trees("late")))
            said = tree.edge("AGG")
            how = said.meaning if said is not None else measure.how if isinstance(measure, Aggregate) else None
            if most is not None:
                how = "highest" if most.category == "MOST" else "lowest"
            if how not in ("highest", "lowest"):
                raise refusal(tree.part(*MEASURES), "It is not said how much.", "incomplete")
            chosen = replace(chosen, bottom=how == "lowest")
        case _:
            raise refusal(
                tree,
                f'"{ctx.text(tree)}" does not say by what: spend, orders, an event, the total of a number.',
                "vague",
            )
    amount = chosen.amount
    if amount == 0 and top is not None:
        raise refusal(top, f'"{ctx.text(top)}" is nobody.')
    if amount is None:
        amount = 10
        ctx.warnings.append("No number was said: the first 10 are listed.")
    return Rank(measure, amount, chosen.percent, chosen.bottom, among)


def is_record(ctx: Context, contacts: Edge) -> bool:
    """Whether the word for contacts is one of a record, which has no age of its own: "accounts"."""
    return ctx.text(contacts).casefold() in _RECORDS


def by_time_too(ctx: Context, word: Edge, contacts: Edge) -> bool:
    """Whether the oldest may be those who came first: "oldest members", not "oldest people"."""
    return ctx.text(word).casefold() == "oldest" and ctx.text(contacts).casefold() in _JOINED


_RECORDS = frozenset({"account", "accounts", "profile", "profiles"})
_JOINED = frozenset(
    "user users customer customers member members client clients contact contacts visitor visitors".split()
)


def rank_share(ctx: Context, core: Tree) -> Condition:
    """Among the first or last so many of all contacts."""
    top = core.leaf("TOPN")
    chosen: Top = top.meaning
    inner = core.tree(*MEASURES)
    window = ctx.late(core.trees("late"))
    if inner is None:
        need_orders(ctx, core)
        measure: Measure = Spend(Events(ORDER, (), window))
    else:
        measure = measure_of(ctx, inner, window)
    if chosen.amount is None:
        raise refusal(top, "It is not said how many.", "incomplete")
    return Rank(measure, chosen.amount, chosen.percent, chosen.bottom)
