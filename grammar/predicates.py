"""Event drafts to conditions: did it so often; first, last, only, in a rhythm, within a gap; inactive, lapsed, new."""

from __future__ import annotations

from dataclasses import replace

from grammar import lexicon
from grammar.context import Context
from grammar.draft import EventDraft, Negation, Refused, Tree, refusal
from grammar.event_drafts import Alternatives, enp_draft, first_or_last, plain, said_event, same_type, take_args
from grammar.events import Mention
from grammar.mentions import Edge, EventHit, everyday
from grammar.names import stem
from grammar.numbers import Regularity
from grammar.query import (
    ALWAYS,
    AT_LEAST_ONCE,
    NEVER,
    ActiveBlocks,
    ActivePeriods,
    Aggregate,
    Attribute,
    Between,
    Bound,
    Calendar,
    Condition,
    Distinct,
    During,
    EventFilter,
    Events,
    EveryItem,
    EveryPeriod,
    Extreme,
    Favourite,
    Filter,
    FromDate,
    Has,
    LongestRun,
    Numeric,
    Only,
    Property,
    Quantity,
    Rolling,
    Shares,
    Span,
    Spend,
    Step,
    Text,
    Window,
    all_of,
    any_of,
    did,
    filters,
    negated,
)
from grammar.query import Sequence as Chain
from grammar.values import BASKETS, ORDER, key_values, properties, signup_key
from grammar.when import Lasting, Within, is_one, merge


def event_condition(
    ctx: Context,
    draft: EventDraft,
    window: Window,
    *,
    negation: Negation | None = None,
    mention: Mention | None = None,
) -> Condition:
    """Did such events so many times, in the window; with first, last, only, a rhythm."""
    if draft.none_of is not None:
        return _none_of(ctx, draft, window, negation)
    if draft.time.within_of is not None:
        return _within_of(ctx, draft, window, negation)
    if draft.again:
        raise refusal(draft, f'"{ctx.text(draft)}": again after what?', "vague")
    if draft.time.prior is not None:
        raise refusal(draft.time.prior, f'"{ctx.text(draft.time.prior)}" needs a window before it.')
    mention = mention or ctx.mention(draft)
    for edge in draft.time.withins:
        in_any = _may_be_any_one(ctx, draft, mention, edge)
        if in_any and negation is not None:
            raise refusal(edge, f'Is "{ctx.text(edge)}" the last, or any?', "vague")
        if in_any and ctx.choose((False, True), ctx.text(edge)):  # "filed 2 claims in one day"
            draft = replace(
                draft,
                regular=replace(edge, category="REG", meaning=Regularity("any", edge.meaning.span.unit, AT_LEAST_ONCE)),
            )
            continue
        if isinstance(edge.meaning, Lasting) and negation is None and not draft.none():
            raise refusal(edge, f'"{ctx.text(edge)}" says how long something has not happened.')
        if negation is None and isinstance(edge.meaning, Within) and _may_be_how_long(ctx, edge):
            raise refusal(edge, f'"{ctx.text(edge)}": how long it took, or in the last so much?', "vague")
        joined = merge(window, Window(Rolling(edge.meaning.span)))
        if joined is None:
            raise refusal(edge, f'"{ctx.text(edge)}" is a second time for the same thing.')
        window = joined
    if mention.refers or mention.same is not None:
        raise refusal(draft, f'"{ctx.text(draft)}" refers to nothing before it.')
    bound = mention.bound
    if draft.times is not None:
        if mention.bound != AT_LEAST_ONCE or mention.measure != "count":
            raise refusal(draft, "Two numbers count the same thing.")
        bound = AT_LEAST_ONCE if negation is not None and draft.times.bare else draft.times.bound
    elif negation is not None and _a_single_one(ctx, draft):  # "never missed a single class"
        bound = AT_LEAST_ONCE
    if mention.another:
        raise refusal(draft, '"another" needs an event before it.')
    if draft.summed:
        if bound != AT_LEAST_ONCE and (negation is not None or mention.measure != "count"):
            raise refusal(draft, "So many, and so much in total: not that is not read.", "unsupported")
        summed = _in_total(draft, mention, window, bound)
        return all_of(negated(summed) if negation is not None else summed, *mention.profile)
    parts: list[Condition] = []
    for where in mention.variants:
        events = Events(mention.event, where, window)
        parts.append(_one_event(ctx, draft, mention, events, bound))
    if len(parts) > 1 and mention.joint == "or" and bound != AT_LEAST_ONCE:
        raise refusal(draft, "A count over such alternatives is not read.", "unsupported")
    condition = parts[0] if len(parts) == 1 else all_of(*parts) if mention.joint == "and" else any_of(*parts)
    if negation is not None:
        if len(parts) > 1 and mention.joint == "and":
            raise refusal(draft, "Not both, or neither? Say it in two clauses.", "unsupported")
        condition = negated(condition)
    return all_of(condition, *mention.profile)


def _a_single_one(ctx: Context, draft: EventDraft) -> bool:
    """Whether "a single" stands before what was done: under a not it is none at all."""
    quants = [q for tree in draft.objects for q in tree.trees("quant")]
    words = [e for q in quants for e in q.leaves()] + ([draft.quant.word] if draft.quant and draft.quant.word else [])
    return any(e.category == "SINGLE" and "single" in ctx.text(e).casefold().split() for e in words)


def _may_be_any_one(ctx: Context, draft: EventDraft, mention: Mention, edge: Edge) -> bool:
    """Whether "in one day", beside a number, may be any one day, and not the last."""
    counted = draft.times is not None or mention.bound != AT_LEAST_ONCE
    if not counted or edge.meaning.span.amount != 1 or draft.none() or draft.regular is not None:
        return False
    if mention.measure != "count":
        raise refusal(edge, f'Is "{ctx.text(edge)}" the last, or any?', "vague")
    return True


def _may_be_how_long(ctx: Context, span: Edge) -> bool:
    """Whether a length of time is compared, so that it may be how long something took: "resolved in under 24 hours"."""
    words = [word.low for word in ctx.names.lattice.words[span.first : span.end]]
    compared = any(" ".join(words[1 : 1 + n]) in lexicon.COMPARISONS for n in (1, 2, 3))
    return words[0] == "in" and (compared or words[-2:] in (["or", "less"], ["or", "fewer"]))


def objects_condition(
    ctx: Context, draft: EventDraft, apart: Alternatives, window: Window, negation: Negation | None
) -> tuple[Condition, Mention]:
    """One verb of several objects, each with its own number and filters; and the mention that "it" may not refer to,
    since it could be any of them."""
    if negation is not None and any(len(together) > 1 for together in apart):
        raise refusal(draft, "Not both, or neither? Say it in two clauses.", "unsupported")
    told: list[Mention] = []
    either: list[Condition] = []
    for together in apart:
        found = [ctx.mention(part) for part in together]
        each = zip(together, found, strict=True)
        either.append(all_of(*(event_condition(ctx, part, window, mention=mention) for part, mention in each)))
        told.extend(found)
    condition = any_of(*either)
    all_alike = replace(
        told[0],
        variants=tuple(where for mention in told for where in mention.variants),
        product=next((mention.product for mention in told if mention.product), None),
    )
    return negated(condition) if negation is not None else condition, all_alike


def _in_total(draft: EventDraft, mention: Mention, window: Window, bound: Bound) -> Condition:
    """ "redeemed more than 500 points in total": the number is that of all such events together. The bound is of how
    many there were: "recharged at least 3 times for over 1000 in total"."""
    where = mention.variants[0]
    numbers = [f for f in where if isinstance(f, Filter) and isinstance(f.test, Numeric)]
    if draft.said() - {"sum", "window", "gap", "number"} or len(mention.variants) != 1 or len(numbers) != 1:
        raise refusal(draft, "Which number is added up?", "unsupported")
    number = numbers[0]
    assert isinstance(number.test, Numeric)
    if len(number.properties) != 1:
        raise refusal(draft, "Which number is added up?", "unsupported")
    bare = any(
        e.category == "NUM" or e.meaning.bare
        for t in draft.objects
        for e in (t.leaves() if t.name != "counted_tail" else ())
        if e.category in ("NUM", "BOUND", "DURATION")
    )
    much = replace(number.test.bound, comparison=">=") if bare else number.test.bound  # as for what was spent
    events = Events(mention.event, tuple(f for f in where if f is not number), window)
    measure: Spend | Aggregate = Aggregate("total", events, number.properties[0])
    if number.properties == (Property("price", "item"),):  # each as often as it was bought
        if mention.event != ORDER:
            raise refusal(draft, "Only what was bought is added up.", "unsupported")
        measure = Spend(events)
    total = Has(measure, much)
    return total if bound == AT_LEAST_ONCE else all_of(did(events, bound), total)


def _one_event(ctx: Context, draft: EventDraft, mention: Mention, events: Events, bound: Bound) -> Condition:
    if draft.only:
        if mention.joint == "and" and len(mention.variants) > 1:
            said = draft.objects[-1] if draft.objects else draft
            raise refusal(said, "Only both of them, or only any of them? Say it with or.", "vague")
        if draft.time.near:
            raise refusal(draft, "Only such ones, or such ones only then?", "vague")
        if not events.where or draft.regular or draft.which or bound != AT_LEAST_ONCE:
            if draft.times is None and not events.where:
                raise refusal(draft, "Only what? Name a value.", "incomplete")
            raise refusal(draft, "This use of only is not read.", "unsupported")
        items = tuple(f for f in events.where if isinstance(f, Filter) and any(p.level == "item" for p in f.properties))
        if items and events.event in BASKETS and draft.only != "always" and ctx.choose((True, False), "only"):
            others = tuple(f for f in events.where if f not in items)  # only (of an order): all of its items do
            return Only(replace(events, where=()), filters(EveryItem(items), *others))
        return Only(replace(events, where=()), events.where)
    if draft.regular is not None:
        if mention.measure != "count":
            raise refusal(draft.regular, "A number of things in a rhythm is not read; of events it is.", "unsupported")
        if draft.which:
            raise refusal(draft, "A rhythm of first or last events is not read.", "unsupported")
        return _rhythm(ctx, draft.regular, events, bound, draft)
    if draft.which is not None:
        if bound != AT_LEAST_ONCE:
            raise refusal(draft, "A number of first or last events is not read.", "unsupported")
        near = tuple(f for f in events.where if isinstance(f, FromDate))
        if events.window == ALWAYS and not near:
            raise refusal(draft, "It is not said when the first or last one was.", "incomplete")
        such = tuple(f for f in events.where if f not in near)
        return Extreme(draft.which, Events(events.event, such), events.window, near)
    match mention.measure:
        case "quantity":
            return Has(Quantity(events), bound)
        case "distinct":
            assert mention.distinct is not None
            return Has(Distinct(events, mention.distinct), bound)
        case _:
            return did(events, bound)


def _rhythm(ctx: Context, edge: Edge, events: Events, bound: Bound, draft: EventDraft) -> Condition:
    said: Regularity = edge.meaning
    each = said.each
    exact = not {"exactly", "only", "just", "precisely"}.isdisjoint(ctx.text(edge).casefold().split())
    if said.how == "periods" and said.needed == Bound("=", 1) and bound != AT_LEAST_ONCE and not exact:
        said = replace(said, how="any")  # "2 orders in one calendar month"
    if bound != AT_LEAST_ONCE:
        if bound.upper is not None or bound.comparison not in (">=", ">", "=") or each != 1:
            raise refusal(edge, "This number of times in a rhythm is not read.")
        if bound.comparison == "=" and said.how != "any":
            raise refusal(edge, "Say at least how often in each of them.")
        each = int(bound.value) + (1 if bound.comparison == ">" else 0)
    match said.how:
        case "blocks":
            if events.window != ALWAYS and events.window.period is not None:
                raise refusal(edge, "A rhythm with a second time is not read.")
            return Has(ActiveBlocks(events, said.unit, said.of, each, said.calendar), said.needed)
        case "periods":
            return Has(ActivePeriods(events, said.unit, each), said.needed)
        case "run":
            return Has(
                LongestRun(events, said.unit, each),
                said.needed if said.needed.comparison != "=" else Bound(">=", said.needed.value),
            )
        case "any":
            if each == 1:
                raise refusal(edge, f'How often in "{ctx.text(edge)}"?', "vague")
            return Has(ActivePeriods(events, said.unit, each), Bound(">=", 1))
        case "every":
            if events.window.period is None:
                raise refusal(edge, f'"{ctx.text(edge)}" of what time?', "incomplete")
            return EveryPeriod(events, said.unit, each)
    raise refusal(edge, "This rhythm is not read.", "unsupported")


def _none_of(ctx: Context, draft: EventDraft, window: Window, negation: Negation | None) -> Condition:
    """ "bought neither Nike nor Puma": none with any of them."""
    tree = draft.none_of
    assert tree is not None
    if negation is not None:
        raise refusal(tree, "Two negations in one clause.")
    draft.none_of = None
    parts: list[Condition] = []
    for group in tree.trees("vgroup"):
        one = replace(draft, objects=[*draft.objects, Tree("obj", (Tree("vlist", (group,)),))])
        parts.append(negated(event_condition(ctx, one, window)))
    return all_of(*parts)


def _within_of(ctx: Context, draft: EventDraft, window: Window, negation: Negation | None) -> Condition:
    """ "B within N days of (their first) A"."""
    tree = draft.time.within_of
    assert tree is not None
    gap = tree.leaf("WITHIN")
    anchor = said_event(ctx.names, tree)
    first = anchor.which == "first"
    if anchor.which == "last":
        raise refusal(tree, "Within some time of the last one is not read.", "unsupported")
    if draft.which is not None:
        raise refusal(draft, "Only the event that the time counts from may be the first of its kind.", "unsupported")
    if draft.time.withins:
        raise refusal(tree, "Two gaps in one clause.")
    one = ctx.events(anchor, window, "which")
    if draft.again:
        vague = refusal(draft, f'"{ctx.text(draft)}": again after what?', "vague")
        same_type(draft, {one.event}, vague)
    two = ctx.events(draft, window, "gap", "window", "again")
    chain = Chain((Step(one), Step(two)), within=gap.meaning.span, from_first=first)
    return negated(chain) if negation is not None else chain


def _tells(arg: Tree) -> bool:
    """Whether a key says how it was: "whose first booking's plan was Basic"."""
    return arg.name == "keyed" and any(leaf.category == "BE" for leaf in arg.leaves())


def whose_extreme(ctx: Context, tree: Tree) -> Condition:
    """ "whose first order was over 100": what the first or last of all such events is, or when it was."""
    which = first_or_last(tree.leaf("FIRST", "LASTEV"))
    enp = tree.part("enp", "enp_another")
    be = tree.edge("BE", "HAVE", "NEG", "CONTAINS")
    draft = enp_draft(ctx.names, enp)
    args = [t for t in tree.trees() if t is not enp]
    inside = [t for t in args if be is None or t.end <= be.first]
    said = [t for t in args if t not in inside]
    if be is None:
        said = [t for t in inside if t.name in ("window", "lasting", "within") or _tells(t)]
        inside = [t for t in inside if t not in said]
    take_args(ctx.names, draft, inside)
    events = ctx.events(draft, ALWAYS)
    about = EventDraft(tree.first, tree.end, draft.hit, nominal=True)
    take_args(ctx.names, about, said)
    if about.hit is not None:
        about.hit = EventHit(tuple(c for c in about.hit.candidates if c.event == events.event))
    either = about.time.either
    about.time = replace(about.time, either=None)
    if either is not None and not plain(ctx.names, about).objects and be is not None and be.category != "NEG":
        return any_of(*(Extreme(which, events, window) for window in ctx.each_window(either)))
    about.time = replace(about.time, either=either)
    window = ctx.draft_window(plain(ctx.names, about, "window", "gap"), rolling=True)
    has: tuple[EventFilter, ...] = ()
    if about.objects or about.time.near:
        told = ctx.mention(about)
        if len(told.variants) != 1 or told.measure != "count" or told.bound != AT_LEAST_ONCE:
            raise refusal(tree, "This is not read of a first or last event.")
        has = told.variants[0]
    if be is not None and be.category == "CONTAINS" and not ctx.names.keys(events.event or "", "item"):
        raise refusal(be, f"{events.event} has no items that it could contain.", "unsupported")
    if be is not None and be.category == "NEG":
        has = _another_value(be, has)
    if window == ALWAYS and not has:
        raise refusal(tree, "It is not said what the first or last one is.", "incomplete")
    return Extreme(which, events, window, has)


_PASSIVE = frozenset("is are was were been got gets".split())


def fate(ctx: Context, tree: Tree) -> Condition:
    """ "whose last order was cancelled", "cancelled their last order": a later kind of event has the same id."""
    verb, which, enp = tree.leaf("EV"), first_or_last(tree.leaf("FIRST", "LASTEV")), tree.part("enp", "enp_another")
    negation = tree.edge("NEG")
    passive = tree.has("BE", "GOT") or negation is not None or ctx.text(verb).split()[0].casefold() in _PASSIVE
    tree.has("HAVE")
    if tree.name == "whose_fate" and not passive:
        raise refusal(verb, f'"{ctx.text(verb)}": by whom?', "no place")
    if negation is not None and negation.meaning[0] != "be":
        raise refusal(negation, f'"{ctx.text(negation)}" has no part here.')
    draft = enp_draft(ctx.names, enp)
    named = {c.event for c in draft.hit.best()} if draft.hit is not None else set()
    if tree.name != "whose_fate" and any(c.event in named for c in verb.meaning.candidates):
        raise refusal(tree, "It is not said when the first or last one was.", "incomplete")  # "filed their first claim"
    events = ctx.events(draft, ALWAYS)
    noun = stem(ctx.names.lattice.words[enp.end - 1].low)
    found = [
        Shares(Property(name), c.event, negation is not None)
        for c in verb.meaning.best()
        if c.event != events.event
        for name in _ids_of(ctx, events.event or "", noun, c.event)
    ]
    if not found:
        raise refusal(verb, f'No id says which {events.event} "{ctx.text(verb)}" is said of.', "wrong key")
    return Extreme(which, events, has=(ctx.choose(found, ctx.text(tree)),))


def _ids_of(ctx: Context, event: str, noun: str, other: str) -> list[str]:
    """The ids that two events share of the thing that the first is called by: an order's id, not the product's."""
    nouns = {noun, "order"} if event == ORDER else {noun}
    mine, theirs = ({k.name for k in ctx.names.keys(one, "event")} for one in (event, other))
    parts = [(name, name.lower().rsplit("_", 1)) for name in sorted(mine & theirs)]
    return [name for name, said in parts if len(said) == 2 and stem(said[0]) in nouns and said[1] in lexicon.ID_WORDS]


def _another_value(negation: Edge, has: tuple[EventFilter, ...]) -> tuple[EventFilter, ...]:
    """ "whose last booking was not X": a last one that has the property with another value."""
    only = has[0] if len(has) == 1 else None
    items = isinstance(only, Filter) and any(p.level == "item" for p in only.properties)
    if not isinstance(only, Filter) or items or not isinstance(only.test, Text) or negation.meaning != ("be", "not"):
        raise refusal(negation, "Such a negation is not read of a first or last event.", "unsupported")
    return (replace(only, test=replace(only.test, negated=not only.test.negated)),)


def favourite(ctx: Context, tree: Tree) -> Condition:
    """A value is among the most frequent of what was bought, or of another verb."""
    key, vlist = tree.leaf("KEY", "PKEY"), tree.part("vlist")
    verb = tree.edge("EV")
    hit = verb.meaning if verb is not None else everyday(ORDER)
    failure: Refused | None = None
    for candidate in hit.candidates:
        if key.meaning == "product":
            found = [k for k in ctx.names.keys(candidate.event, "item") if k.name == "name"]
            if not found:
                failure = refusal(key, f"{candidate.event} is not about products.", "wrong key")
                continue
            prop = Property("name", "item")
        else:
            found = [k for k in key.meaning if k.event == candidate.event]
            if not found:
                failure = refusal(key, f'{candidate.event} has no key "{ctx.text(key)}".', "wrong key")
                continue
            props = properties(found)
            prop = next((p for p in props if p.level == "item"), props[0])
        texts, warnings = key_values(ctx.names, vlist, found)
        ctx.warnings.extend(warnings)
        window = ctx.late(tree.trees("late"))
        return Favourite(Events(candidate.event, (), window), prop, texts)
    assert failure is not None
    raise failure


def mostly(ctx: Context, core: Tree) -> Condition:
    """More than half of the events have one value."""
    draft = said_event(ctx.names, core)
    mention = ctx.mention(plain(ctx.names, draft, "window"))
    if len(mention.variants) != 1 or len(mention.variants[0]) != 1 or mention.bound != AT_LEAST_ONCE:
        raise refusal(core, "Mostly is read of one value.")
    only = mention.variants[0][0]
    if (
        not isinstance(only, Filter)
        or len(only.properties) != 1
        or not isinstance(only.test, Text)
        or only.test.how != "is"
    ):
        raise refusal(core, "Mostly is read of one value of one key.")
    return Favourite(
        Events(mention.event, (), ctx.draft_window(draft)), only.properties[0], only.test.values, mostly=True
    )


def stopped(ctx: Context, core: Tree) -> Condition:
    """Did it before, and not in the last so much."""
    verb = core.leaf("EV", "EN")
    if verb.category == "EN" and verb.end in ctx.names.lattice.at[verb.first].get("EV", {}):
        raise refusal(verb, f'"{ctx.text(verb)}" is a verb here.')
    draft = said_event(ctx.names, core)
    spans = (*draft.time.windows, *draft.time.withins)
    if len(spans) != 1:
        raise refusal(core, f'"{ctx.text(core)}" needs a number of days.', "vague")
    draft.time = replace(draft.time, before=(), after=(), withins=())
    return did_before(ctx, spans[0], ctx.events(draft, ALWAYS), ctx.span_window(spans[0]))


def abandoned(window: Window) -> Condition:
    """Something was put in the cart in the window, and nothing was ordered after it."""
    return Chain((Step(Events("add-to-cart", (), window)), Step(Events(ORDER), absent=True)))


def inactive(ctx: Context, tree: Tree) -> Condition:
    """No event of any type."""
    edge = tree.edge("WIN", "LASTING", "WITHIN")
    return did(Events(None, (), ctx.span_window(edge) if edge is not None else ctx.default_window()), NEVER)


def activity(ctx: Context, word: Edge, wins: list[Edge]) -> Condition:
    """ "active users in W": any event in it; "inactive users (in W)": none. "monthly active users" are those of this
    month, or of the last."""
    if word.category == "ACTIVEADJ" and word.meaning is not None:
        now = (Window(Calendar(word.meaning, 0)), Window(Rolling(Span(1, word.meaning))))
        window = ctx.windows(wins) if wins else ctx.choose(now, ctx.text(word))
        if window.weekdays or window.hours or not is_one(window.period, word.meaning):
            raise refusal(word, f"Of one {word.meaning}? Or how many were active by {word.meaning}?", "vague")
        return did(Events(None, (), window))
    if word.category == "ACTIVEADJ" and not wins:
        raise refusal(word, '"active" needs a time: active in the last 30 days.', "vague")
    events = Events(None, (), ctx.windows(wins) if wins else ALWAYS)
    return did(events, AT_LEAST_ONCE if word.category == "ACTIVEADJ" else NEVER)


def newcomers(ctx: Context, edge: Edge, wins: list[Edge]) -> Condition:
    """ "new customers in W" has readings: first bought, signed up, or first seen in it."""
    if not wins:
        raise refusal(
            edge, '"new" could mean first bought, signed up or first seen: say which, and since when.', "vague"
        )
    window = ctx.windows(wins)
    options: list[Condition] = []
    if ORDER in ctx.names.types:
        options.append(Extreme("first", Events(ORDER), window))
    signed_up = signup_key(ctx.names)
    if signed_up is not None:
        options.append(Attribute((signed_up.name,), During(window)))
    options.append(Extreme("first", Events(None), window))
    return ctx.choose(options, ctx.text(edge))


def first_doers(ctx: Context, word: Edge, draft: EventDraft) -> Condition:
    """ "new buyers in W": the first event ever of that kind lies in it."""
    window = ctx.draft_window(draft)
    if window == ALWAYS:
        raise refusal(word, "Say since when they are new.", "vague")
    return Extreme("first", ctx.events(draft, ALWAYS, "window"), window)


def lapsed_buyers(ctx: Context, edge: Edge, wins: list[Edge]) -> Condition:
    """Those who bought once, and not in the window."""
    return lapsed(ctx, edge, _lapse(ctx, edge, wins))


def lapsed_doers(ctx: Context, edge: Edge, wins: list[Edge], draft: EventDraft) -> Condition:
    """ "lapsed renewers (90 days)": those who did it once, and not in the window. Of "lapsed Corvino buyers" it may be
    that they bought no such thing since, or nothing."""
    window = _lapse(ctx, edge, wins)
    if draft.said():
        raise refusal(edge, f'"{ctx.text(edge)}" beside a number or a time is not read.', "unsupported")
    events = ctx.events(draft, ALWAYS)
    since = ctx.choose((events, replace(events, where=())), ctx.text(edge)) if events.where else events
    return all_of(did(events), _none_since(ctx, edge, since, window))


def _lapse(ctx: Context, edge: Edge, wins: list[Edge]) -> Window:
    """The one time since which somebody has lapsed."""
    if len(wins) != 1:
        raise refusal(edge, f'"{ctx.text(edge)}" needs a number of days: lapsed customers (90 days).', "vague")
    return ctx.span_window(wins[0])


def lapsed(ctx: Context, word: Edge, window: Window) -> Condition:
    """Bought once, and not in the window. Refused where nobody's orders are known."""
    if ORDER not in ctx.names.types:
        raise refusal(word, f'"{ctx.text(word)}" from what? The phonebook has no order-completed.', "unsupported")
    return did_before(ctx, word, Events(ORDER), window)


def basket(ctx: Context, tree: Tree) -> Condition:
    """ "with 10 or more items in a single order"."""
    quant, vlist, thing = tree.part("quant"), tree.tree("vlist"), tree.leaf("THING")
    draft = EventDraft(tree.first, tree.end, everyday(ORDER), in_one=True)
    draft.objects.append(Tree("obj", (quant, vlist, thing) if vlist is not None else (quant, thing)))
    return event_condition(ctx, draft, ctx.default_window())


def did_before(ctx: Context, said: Tree | Edge, events: Events, window: Window) -> Condition:
    """Did such events once, and none in the window."""
    return all_of(did(events), _none_since(ctx, said, events, window))


def _none_since(ctx: Context, said: Tree | Edge, events: Events, window: Window) -> Condition:
    """None of such events in a window that reaches to now: who "stopped in May" may have begun again in June."""
    match window:
        case Window(Calendar(unit="day")):
            pass
        case Window(Rolling() | Calendar(back=0) | Between(end=None)) if not window.weekdays and not window.hours:
            return did(replace(events, window=window), NEVER)
    raise refusal(said, f'"{ctx.text(said)}": in the last how many days, or since when?', "vague")
