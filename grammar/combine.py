"""A flat list of clauses to one condition: small rules, each a sentence of SEMANTICS, the same for both readers.

clauses, after coordinate ── sequences and references (section 7) ── and, or, but, either (section 11) ──► Condition
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest

from grammar import lexicon
from grammar.context import Context
from grammar.draft import Clause, EventDraft, Refused, Tree, refusal
from grammar.event_drafts import gaps_of, objects_apart, same_type
from grammar.events import Mention
from grammar.measures import in_currency, need_orders
from grammar.mentions import Edge, EventHit, everyday
from grammar.names import stem
from grammar.predicates import event_condition, objects_condition
from grammar.query import (
    ALWAYS,
    AT_LEAST_ONCE,
    All,
    Bound,
    Condition,
    Count,
    EventFilter,
    Events,
    Extreme,
    Filter,
    FromDate,
    Has,
    LedUp,
    Level,
    Property,
    Repeated,
    Rolling,
    Spend,
    Step,
    Text,
    Window,
    all_of,
    any_of,
    did,
    event_types,
    filters,
    negated,
    nodes,
)
from grammar.query import Sequence as Chain
from grammar.values import from_date, name_parts, one_or_two, sum_bound
from grammar.vocabulary import Key
from grammar.when import Lasting

# ── sequences and references ──────────────────────────────────────────────────────────────────────────────────────


def join_clauses(ctx: Context, clauses: list[Clause]) -> Condition:
    """The clauses as one condition."""
    for clause, after in zip_longest(clauses, clauses[1:]):
        if clause.both and (after is None or after.link.kind != "and"):
            raise refusal(clause, "Both what and what?")
    parts: list[tuple[Clause, Condition]] = []
    mentions: list[tuple[Clause, Mention]] = []
    _lead_up_to_again(ctx, clauses)
    _count_from_dates(ctx, clauses)
    i = 0
    gap_before = chained = False
    while i < len(clauses):
        chain = _chain_from(ctx, clauses, i)
        gaps = [edge for clause in chain if clause.event is not None for edge in gaps_of(clause.event)]
        alternative = chain[0].copied and len(chain) > 1
        if gaps and gap_before and not (chain[0].who or alternative):
            raise refusal(gaps[0], f'"{ctx.text(gaps[0])}": a second gap in one sequence is not read.', "unsupported")
        joined = chained and chain[0].link.kind in ("and", "but") and not chain[0].who
        if gaps and joined and not _is_timed(chain[0]):  # "viewed then bought and didn't review within 30 days"
            raise refusal(gaps[0], f'"{ctx.text(gaps[0])}": within so long of which?', "vague")
        chained = len(chain) > 1
        gap_before = bool(gaps) and chained
        if len(chain) > 1:
            parts.append((chain[0], _sequence(ctx, chain, mentions)))
        else:
            parts.append((clauses[i], _single(ctx, clauses, i, mentions, parts)))
        i += len(chain)
    parts = [p for p in parts if p[0].first >= 0]
    return _logic(parts)


def _is_timed(clause: Clause) -> bool:
    return clause.event is not None and bool(clause.event.time.windows)


def _lead_up_to_again(ctx: Context, clauses: list[Clause]) -> None:
    """ "bought in May and bought again": the second is later than the first, as if "then" stood before it."""
    for before, clause in pairwise(clauses):
        first, draft = before.event, clause.event
        if first is None or draft is None or not draft.again or clause.negation is not None:
            continue
        if before.negation is not None or clause.link.kind not in ("and", "but", "loose") or draft.time.within_of:
            continue
        if not _named(draft) & first.may_be():
            continue
        if first.said() - {"window", "again", "another"}:
            raise refusal(clause, f'"{ctx.text(clause)}": again after which?', "vague")
        clause.link = replace(clause.link, kind="then")
        if (
            first.time.windows
            and not draft.time.windows
            and (clause.who or ctx.choose((True, False), ctx.text(clause)))
        ):
            draft.time = replace(draft.time, ever=True)


def _named(draft: EventDraft) -> set[str]:
    """The event types that the words name, without those of which they are the noun alone, where there are others."""
    candidates = draft.hit.candidates if draft.hit is not None else ()
    verbal = {c.event for c in candidates if c.tier != "noun"}
    return verbal or draft.may_be()


def _count_from_dates(ctx: Context, clauses: list[Clause]) -> None:
    """ "signed up in March and bought within 14 days", "signed up, then bought": in time from the date of the contact.
    Of clauses in order, those that are no event have no time from which the others could count."""
    for n, clause in enumerate(clauses[1:], start=1):
        before, draft, link = clauses[n - 1], clause.event, clause.link.kind
        ordered = link in ("then", "after", "before")
        withins = draft.time.withins if draft is not None else ()
        gap = next(iter(gaps_of(draft)), None) if draft is not None else None
        counted = gap is not None and link in ("and", "but", "loose")
        same_day = draft.time.same_day if draft is not None and link in ("and", "but", "loose") else None
        if before.since is None or draft is None or not (ordered or counted or same_day is not None):
            if ordered and (before.event is None or draft is None):
                raise Refused("no place", before.first, clause.end, "Only events stand in a sequence.")
            if gap is not None and link == "or" and not before.who and n > 1 and clauses[n - 2].happens:
                raise refusal(clause, f'"{ctx.text(clause)}": within so long of which?', "vague")
            continue
        if counted and clause.who and ctx.choose((False, True), ctx.text(clause)):
            continue  # the last so much
        after = clauses[n + 1] if n + 1 < len(clauses) else None
        if before.negation is not None or (after is not None and after.link.kind in ("then", "after", "before")):
            raise Refused("unsupported", before.first, clause.end, "Such an order in time is not read.")
        if (gap is not None and (link == "after" or len(withins) > 1)) or (same_day is not None and ordered):
            raise refusal(clause, f'"{ctx.text(clause)}" would count from what is no event here.', "unsupported")
        within = gap.meaning.span if gap is not None else None
        if same_day is not None:
            near = FromDate(before.since, "on the day of")
        else:
            near = FromDate(before.since, "before" if link == "after" else "from", within)
        if ordered:
            clause.link = replace(clause.link, kind="and")
        draft.time = replace(draft.time, withins=(), same_day=None, near=(*draft.time.near, near))


def _chain_from(ctx: Context, clauses: list[Clause], i: int) -> list[Clause]:
    """The clauses from i on that make one sequence in time."""
    chain = [clauses[i]]
    if clauses[i].event is None:
        return chain
    j = i + 1
    while j < len(clauses) and clauses[j].event is not None and clauses[j].link.listed and not clauses[j].who:
        j += 1  # "viewed, carted and then bought": the list leads up to the then
    if j < len(clauses) and j > i + 1 and clauses[j].event is not None and clauses[j].link.kind == "then":
        chain = clauses[i:j]
    else:
        j = i + 1
    while j < len(clauses) and clauses[j].event is not None and clauses[j].link.kind in ("then", "after", "before"):
        chain.append(clauses[j])
        j += 1
    if len(chain) > 1:
        return chain
    # "A, B and C within N days", "A without B within N days": the last one's gap makes the list a sequence
    j = i + 1
    listed = [clauses[i]]
    while (
        j < len(clauses)
        and clauses[j].event is not None
        and (not clauses[j].who or _may_count_from(ctx, clauses, j))
        and (clauses[j].link.kind in ("and", "but") or clauses[j].who or _is_without(clauses[j]))
    ):
        if clauses[j].negation is not None and clauses[j].negation is clauses[i].negation:
            break  # neither of them
        listed.append(clauses[j])
        draft = clauses[j].event
        assert draft is not None
        if gaps_of(draft) and not draft.time.windows:
            if i and clauses[i - 1].happened and not clauses[i].who and clauses[i].link.kind != "or":
                raise refusal(clauses[j], f'"{ctx.text(clauses[j])}": within so long of which?', "vague")
            return listed
        if clauses[j].negation is not None:
            break
        j += 1
    return chain


def _may_count_from(ctx: Context, clauses: list[Clause], j: int) -> bool:
    """ "buyers who reviewed within 10 days": of having bought, or the last 10."""
    doers, draft = clauses[0].event, clauses[j].event
    if j != 1 or doers is None or draft is None or clauses[j].link.kind != "loose":
        return False
    return bool(gaps_of(draft)) and ctx.choose((True, False), ctx.text(clauses[j]))


def _is_without(clause: Clause) -> bool:
    """Whether it is "without B", right behind what it is said of."""
    return clause.link.kind == "loose" and clause.negation is not None and clause.negation.tense == "bare"


def _sequence(ctx: Context, chain: list[Clause], mentions: list[tuple[Clause, Mention]]) -> Condition:
    """Clauses in the order of time as one sequence; a window of one step is that of all, but where steps without one
    are said behind it, it may also be that step's alone."""
    ordered: list[Clause] = [chain[0]]
    for clause in chain[1:]:
        if clause.link.kind == "after":
            ordered.insert(len(ordered) - 1, clause)
        else:
            ordered.append(clause)
    spans = [e for c in chain for e in (c.event.time.withins if c.event is not None else [])]
    if len(spans) > 1:
        raise refusal(spans[1], "Two gaps in one sequence.")
    lasting = [c for c in chain if c.event is not None and c.negation is None and not c.event.none()]
    for edge in (e for c in lasting if c.event is not None for e in c.event.time.withins):
        if isinstance(edge.meaning, Lasting):  # "recharged for 30 days after a ticket"
            raise refusal(edge, f'"{ctx.text(edge)}" says how long something has not happened.')
    within = spans[0].meaning.span if spans else None
    windows: list[Window] = []
    found: list[Mention] = []
    for clause in chain:
        draft = clause.event
        assert draft is not None
        unfit = draft.said() & {"rhythm", "only", "prior", "sum"}
        if unfit or draft.which == "last" or draft.time.within_of is not None:
            raise refusal(draft, "Such an event is no step of a sequence.", "unsupported")
    whole_negation = ordered[0].negation is not None and ordered[0] is chain[0]
    from_first = False
    steps: list[Step] = []
    same: Property | None = None
    bound = set[int]()
    for clause in chain:
        draft = clause.event
        assert draft is not None
        if mentions and (draft.another or any(t.name == "another" for t in draft.objects)) and draft.hit is not None:
            before = [c for c in draft.hit.best() if c.event == mentions[-1][1].event]
            draft.hit = EventHit(tuple(before)) if before else draft.hit  # another is one more of the same
        if draft.again:
            others = set[str]().union(*(c.event.may_be() for c in chain if c is not clause and c.event is not None))
            others &= _named(draft)
            same_type(draft, others, refusal(draft, f'"{ctx.text(draft)}": again after what?', "vague"))
        mention = ctx.mention(draft, references=True)
        mention = _referred(ctx, mention, mentions, draft)
        found.append(mention)
        mentions.append((clause, mention))
        own = ctx.draft_window(draft)
        if own != ALWAYS:
            windows.append(own)
    distinct = list(dict.fromkeys(windows))
    reaches = len(distinct) == 1
    spoken = [clause.event for clause in chain if clause.event is not None]
    timed = [draft for draft in spoken if draft.time.after]
    if reaches and timed and any(not _settles(draft) for draft in spoken[spoken.index(timed[-1]) + 1 :]):
        reaches = ctx.choose((False, True), ctx.text(timed[-1].time.after[0]))
    led_up = _led_up(ctx, ordered, {id(c): m for c, m in zip(chain, found, strict=True)}, distinct, reaches)
    if led_up is not None:
        return led_up
    for clause in ordered:
        k = chain.index(clause)
        mention, draft = found[k], clause.event
        assert draft is not None
        if (
            len(mention.variants) != 1
            or mention.measure != "count"
            or (draft.times is not None and draft.times.bound != AT_LEAST_ONCE)
        ):
            raise refusal(draft, "A number or list in a sequence is not read.", "unsupported")
        if mention.bound != AT_LEAST_ONCE and not draft.none():
            raise refusal(draft, "A number in a sequence is not read.", "unsupported")
        absent = (clause.negation is not None and not (whole_negation and clause is ordered[0])) or (draft.none())
        if absent and clause is not ordered[-1]:
            raise refusal(draft, "Only the last step of a sequence may be what did not happen.", "unsupported")
        if draft.which == "first":
            if clause is not ordered[0]:
                raise refusal(draft, "Only the first step may be the first of its kind.", "unsupported")
            from_first = True
        own = ctx.draft_window(draft)
        if own == ALWAYS and reaches and not draft.time.ever and not (absent and within is not None):
            own = distinct[0]
        if mention.refers and mention.product is None:
            if not k:
                raise refusal(draft, "It refers to nothing in its sequence.", "unsupported")
            same = _shared_property(ctx, mention, found[k - 1], draft)
            bound |= {k - 1, k}
        elif mention.same is not None:
            partner = next((m for m in found if m is not mention), None)
            same = _shared_property(ctx, mention, partner, draft)
            bound |= {k, *(n for n, m in enumerate(found) if m is partner)}
        steps.append(Step(Events(mention.event, mention.variants[0], own), absent))
    if same is not None and len(bound) < len(chain):
        other = next(c for n, c in enumerate(chain) if n not in bound)
        raise refusal(other, f'"{ctx.text(other)}": of the same one too?', "vague")
    for n, clause in enumerate(ordered):
        types = [step.events.event for step in steps]
        if clause.event is not None and clause.event.again and types[n] not in types[:n]:
            raise refusal(clause, f'"{ctx.text(clause)}": again after what?', "vague")
    profile = [c for m in found for c in m.profile]
    chain_condition: Condition = Chain(tuple(steps), within, same, True, from_first)
    return all_of(negated(chain_condition) if whole_negation else chain_condition, *profile)


def _settles(draft: EventDraft) -> bool:
    """Whether an event's time is settled by its own words."""
    return draft.time.settled or draft.time.prior is not None


def _led_up(
    ctx: Context, steps: Sequence[Clause], found: Mapping[int, Mention], windows: Sequence[Window], reaches: bool
) -> Condition | None:
    """ "viewed it 3 times before buying it", "viewed 5 products before their first order": so many before some, or the
    first. None where neither a number nor a first is said so."""
    if len(steps) != 2:
        return None
    (counted, one), (to, two) = ((clause.event, found[id(clause)]) for clause in steps)
    assert counted is not None and to is not None
    bound = counted.times.bound if counted.times is not None else one.bound
    if to.which != "first" and bound == AT_LEAST_ONCE:
        return None
    plain = one.measure == two.measure == "count" and len(one.variants) == len(two.variants) == 1
    unfit = any(clause.negation is not None for clause in steps) or counted.none() or counted.which is not None
    said = (counted.said() | to.said()) - {"window", "number", "which"}
    if not plain or unfit or said or len(windows) > 1 or two.bound != AT_LEAST_ONCE or to.times is not None:
        raise refusal(counted, f'Not all of "{ctx.text(counted)}" is read before another event.', "unsupported")
    if windows and to.which == "first":
        raise refusal(to, f'"{ctx.text(to)}": the first ever, or in that time?', "vague")
    of, before = (
        Events(m.event, m.variants[0], windows[0] if reaches and not draft.time.ever else ctx.draft_window(draft))
        for m, draft in ((one, counted), (two, to))
    )
    refers = next((m for m in (one, two) if m.same is not None or (m.refers and m.product is None)), None)
    same = None if refers is None else _shared_property(ctx, refers, one if refers is two else two, to)
    condition = LedUp(of, bound, before, to.which == "first", same)
    return all_of(condition, *one.profile, *two.profile)


def _referred(ctx: Context, mention: Mention, mentions: Sequence[tuple[Clause, Mention]], draft: EventDraft) -> Mention:
    """ "it": the object of the nearest earlier clause that has one; without a value, or where this event does not hold
    that, the same one (product None)."""
    if not mention.refers:
        return mention
    for _, earlier in reversed(mentions):
        if earlier.product:
            if len(earlier.variants) != 1:
                raise refusal(draft, '"it" could be either of them.')
            if not (mention.such or _names_a_value(earlier.product)):
                if earlier is not mentions[-1][1]:
                    raise refusal(draft, f'"{ctx.text(draft)}" is about more than the event directly before it.')
                return replace(mention, product=None)  # "viewed a product over 100 and bought it": that very one
            keys = ctx.names.keys(mention.event or "")
            for part in earlier.product:
                names = [p for f in nodes(part) if isinstance(f, Filter) for p in f.properties]
                if not all(
                    any(k.name == p.name and (k.level == p.level or p.level == "order value") for k in keys)
                    for p in names
                ):
                    if earlier is mentions[-1][1] and _shared_id(keys, ctx.names.keys(earlier.event or "")) is not None:
                        return replace(mention, product=None)
                    sought = _sought(ctx, earlier, draft)
                    if sought is not None:
                        return sought
                    raise refusal(draft, f"{mention.event} does not have what it refers to.", "wrong key")
            where = filters(*mention.variants[0], *earlier.product)
            return replace(mention, variants=(where,), refers=False, product=earlier.product)
    if not mentions:
        raise refusal(draft, "It refers to nothing before it.")
    if mention.such:  # "viewed a product but never bought one": any
        mine, theirs = (ctx.names.keys(event or "") for event in (mention.event, mentions[-1][1].event))
        if _shared_id(mine, theirs) is None and not all(
            any(k.level == "item" for k in keys) for keys in (mine, theirs)
        ):
            raise refusal(draft, f"{mention.event} is not about the same kind of thing.", "wrong key")
        return replace(mention, refers=False)
    return replace(mention, product=None)


def _sought(ctx: Context, earlier: Mention, draft: EventDraft) -> Mention | None:
    """ "searched for a helmet but never bought one": what was looked for, where the data holds all its words as values
    of the event that refers to it."""
    match earlier.product:
        case (Filter(test=Text("contains", (text,), False)),):
            pass
        case _:
            return None
    at = ctx.names.lattice.at
    words = next((e for edges in at for e in edges.get("TEXT", {}).values() if e.meaning == text), None)
    found: list[Edge] = []
    i = words.first if words is not None else 0
    while words is not None and i < words.end:
        value = max(
            (e for e in at[i].get("VALUE", {}).values() if e.end <= words.end), key=lambda e: e.end, default=None
        )
        if value is None:
            return None
        found.append(value)
        i = value.end
    named = Tree("obj", (Tree("vlist", (Tree("vgroup", tuple(found)),)),)).fresh()
    return ctx.mention(draft.copy([named if t.name in ("ref", "one") else t for t in draft.objects])) if found else None


def _names_a_value(where: Collection[EventFilter]) -> bool:
    """Whether what something is called is said of it: not in what range its price lies."""
    return any(isinstance(f, Filter) and isinstance(f.test, Text) for part in where for f in nodes(part))


def _shared_property(ctx: Context, mention: Mention, partner: Mention | None, draft: EventDraft) -> Property:
    """The property that "the same …" or "it" holds alike in both events."""
    if partner is None:
        raise refusal(draft, "The same as what?")
    mine, theirs = ctx.names.keys(mention.event or ""), ctx.names.keys(partner.event or "")

    wanted = mention.same or "product"
    if wanted == "product":
        found = _common("product_id", mine, theirs) if mention.same else _shared_id(mine, theirs)
        if found is not None:
            return found
    elif wanted.startswith("?"):
        word = stem(wanted[1:].split()[-1])
        names = sorted(
            {k.name for k in mine if word in {stem(w) for w in name_parts(k.name)} and "object" not in k.holds}
            & {k.name for k in theirs}
        )
        ids = [n for e in ("id", "name") for n in names if name_parts(n)[-1] == e and len(name_parts(n)) > 1] or names
        if ids:
            shared = _common(ids[0], mine, theirs)
            if shared is not None:
                return shared
    else:
        found = _common(wanted, mine, theirs)
        if found is not None:
            return found
    raise refusal(draft, "The two events share no such key.", "wrong key")


def _shared_id(mine: Collection[Key], theirs: Collection[Key]) -> Property | None:
    """The id by which two events are about one thing: the product's, or the only one that both have."""
    found = _common("product_id", mine, theirs)
    shared = {k.name for k in mine} & {k.name for k in theirs}
    ids = sorted(name for name in shared if name.rsplit("_", 1)[-1].lower() in lexicon.ID_WORDS)
    return found if found is not None or len(ids) != 1 else _common(ids[0], mine, theirs)


def _common(name: str, mine: Collection[Key], theirs: Collection[Key]) -> Property | None:
    """The property of that name that both events have, of their line items or of their own."""
    levels: tuple[Level, ...] = ("item", "event")
    for level in levels:
        if all(any(k.name == name and k.level == level for k in keys) for keys in (mine, theirs)):
            return Property(name, level)
    return None


def _single(
    ctx: Context,
    clauses: list[Clause],
    i: int,
    mentions: list[tuple[Clause, Mention]],
    parts: list[tuple[Clause, Condition]],
) -> Condition:
    """One clause by itself, or with the clause before it that it refers to."""
    clause = clauses[i]
    if clause.condition is not None:
        return clause.condition
    if clause.spent is not None:
        return _spent(ctx, clause)
    if clause.window is not None:
        if ctx.counting and len(clauses) == 1:
            return did(Events(None, (), clause.window))
        raise refusal(clause, "This time has no verb to belong to.")
    draft = clause.event
    if draft is None:
        raise refusal(clause, "This is not read here.", "unsupported")
    if draft.again and draft.time.within_of is None:
        return _again(ctx, clauses, i, mentions, parts)
    if draft.time.within_of is not None or (draft.which is not None and draft.hit is None):
        return event_condition(ctx, draft, _window(ctx, clause, len(clauses) == 1), negation=clause.negation)
    before = clauses[i - 1] if i and clause.link.kind in ("and", "but") else None
    gap = next(iter(gaps_of(draft)), None)
    if gap is not None and before is not None and not clause.who and (before.happened or before.spent is not None):
        raise refusal(gap, f'"{ctx.text(gap)}" would count from what is no event here.', "unsupported")
    groupings = objects_apart(ctx.names, draft)
    if groupings:
        apart = ctx.choose(groupings, ctx.text(draft))
        window = _window(ctx, clause, len(clauses) == 1)
        condition, mention = objects_condition(ctx, draft, apart, window, clause.negation)
        mentions.append((clause, mention))
        return condition
    mention = ctx.mention(draft, references=True)
    mention = _referred(ctx, mention, mentions, draft)
    if mention.same is not None and draft.times is not None and clause.negation is None:
        return _repeated(ctx, clause, mention)
    if mention.same is not None or mention.refers or mention.another:
        return _with_partner(ctx, clause, mention, mentions, parts)
    mentions.append((clause, mention))
    window = _window(ctx, clause, len(clauses) == 1)
    return event_condition(ctx, draft, window, negation=clause.negation, mention=mention)


def _repeated(ctx: Context, clause: Clause, mention: Mention) -> Condition:
    """ "bought the same product twice": so many such events with one value."""
    draft = clause.event
    assert draft is not None
    assert draft.times is not None
    none = draft.times.bound.value == 0 or draft.times.bound.comparison in ("<", "<=", "!=")
    if none or len(mention.variants) != 1 or draft.said() - {"window", "number"}:
        raise refusal(draft, "Of the same one, so many times or more is read.", "unsupported")
    events = Events(mention.event, mention.variants[0], _window(ctx, clause))
    same = _shared_property(ctx, mention, mention, draft)
    return all_of(Repeated(events, same, draft.times.bound), *mention.profile)


def _again(
    ctx: Context,
    clauses: list[Clause],
    i: int,
    mentions: list[tuple[Clause, Mention]],
    parts: list[tuple[Clause, Condition]],
) -> Condition:
    """ "bought again": at least twice, or once more after what the question before was about. "Bought but didn't buy
    again": once only."""
    clause, draft = clauses[i], clauses[i].event
    assert draft is not None
    vague = refusal(clause, f'"{ctx.text(clause)}": again after which?', "vague")
    gap = next((edge.meaning.span for edge in gaps_of(draft)), None)
    if draft.time.near or draft.said() - {"again", "window", "gap"} or len(draft.time.withins) > (gap is not None):
        raise refusal(clause, f'Not all of "{ctx.text(clause)}" is read of doing it again.', "unsupported")
    given = ctx.before.of if isinstance(ctx.before, All) else (ctx.before,)
    known = [part for part in given if not draft.may_be().isdisjoint(event_types(part))]
    if known:
        same_type(draft, event_types(known[0]), vague)
    mention = _referred(ctx, ctx.mention(draft, references=True), mentions, draft)
    if len(mention.variants) != 1 or mention.bound != AT_LEAST_ONCE or mention.measure != "count" or mention.profile:
        raise refusal(clause, f'Not all of "{ctx.text(clause)}" is read of doing it again.', "unsupported")
    if mention.same is not None or mention.refers:
        raise refusal(clause, f'"{ctx.text(clause)}": the same as what?', "vague")
    events = Events(mention.event, mention.variants[0])
    window = _window(ctx, clause, len(clauses) == 1)
    if clause.negation is not None:
        return _only_once(clause, events, window, mentions, parts, vague)
    if len(known) > 1 or any(other.event is not None for other in clauses[:i]):
        raise vague
    later = Step(replace(events, window=window))
    match known:
        case []:
            if gap is not None:
                later = Step(replace(events, window=Window(Rolling(gap))))
            options: list[Condition] = [did(later.events, Bound(">=", 2))]
            if later.events.window != ALWAYS:
                options.append(Chain((Step(events), later)))
            if gap is not None:
                options.append(Chain((Step(events), Step(replace(events, window=window))), gap))
            return ctx.choose(options, ctx.text(clause))
        case [Has(Count(first), bound)] if bound == AT_LEAST_ONCE:
            return Chain((Step(first), later), gap)
        case [Extreme("first", first, _, ())]:
            return Chain((Step(first), later), gap, from_first=True)
        case _:
            raise vague


def _only_once(
    clause: Clause,
    events: Events,
    window: Window,
    mentions: list[tuple[Clause, Mention]],
    parts: list[tuple[Clause, Condition]],
    vague: Refused,
) -> Condition:
    """ "bought but didn't buy again": exactly once, in place of the clause before."""
    if not mentions or not parts or parts[-1][0] is not mentions[-1][0]:
        raise vague
    other, before = mentions[-1]
    draft = other.event
    assert draft is not None and clause.event is not None
    once = draft.times is None or draft.times.bound == Bound("=", 1)
    if draft.said() - {"number"} or draft.quant is not None or not once or other.negation is not None:
        raise vague
    if clause.event.said() != {"again"} or window != ALWAYS or clause.link.kind not in ("and", "but"):
        raise vague
    if before.event != events.event or before.variants != (events.where,) or before.bound != AT_LEAST_ONCE:
        raise vague
    parts.pop()
    clause.link = other.link
    mentions.append((clause, before))
    return all_of(did(events, Bound("=", 1)), *before.profile)


def _window(ctx: Context, clause: Clause, alone: bool = False) -> Window:
    """The window of a clause; `alone`: no other stands beside it."""
    assert clause.event is not None
    if clause.negation is not None and clause.negation.never and not clause.event.time.windows:
        head = ctx.default_window()
        if head == ALWAYS or alone:
            return head
        return ctx.choose((head, ALWAYS), ctx.text(clause))
    return ctx.draft_window(clause.event)


def _with_partner(
    ctx: Context,
    clause: Clause,
    mention: Mention,
    mentions: list[tuple[Clause, Mention]],
    parts: list[tuple[Clause, Condition]],
) -> Condition:
    """Two clauses that share a value, or "another" of a type: one sequence, which takes the earlier clause's place."""
    draft = clause.event
    assert draft is not None
    if not mentions or not parts or parts[-1][0] is not mentions[-1][0]:
        raise refusal(draft, "It refers to nothing directly before it.")
    other_clause, other = mentions[-1]
    earlier = other_clause.event
    assert earlier is not None
    opens = clause.who and len(parts) > 1  # a new condition, while the pair takes the place of the one before
    if clause.link.kind not in ("and", "but", "loose") or other_clause.negation is not None or opens:
        raise refusal(draft, "Such a reference is not read here.", "unsupported")
    for one, said in ((other, earlier), (mention, draft)):
        if len(one.variants) != 1 or one.bound != AT_LEAST_ONCE or said.said() - {"window", "another"}:
            raise refusal(draft, "A number in such a pair is not read.", "unsupported")
    first = Step(Events(other.event, other.variants[0], _window(ctx, other_clause)))
    second = Step(Events(mention.event, mention.variants[0], _window(ctx, clause)), absent=clause.negation is not None)
    if mention.another:
        if clause.negation is not None or other.event != mention.event:
            raise refusal(draft, "Another of which event?", "unsupported")
        pair: Condition = Chain((first, second))
    else:
        pair = Chain((first, second), None, _shared_property(ctx, mention, other, draft), ordered=False)
    before = parts.pop()[1]
    if before != all_of(did(first.events), *other.profile):  # a pair of its own, of which this is a third
        if not isinstance(before, Chain) or not isinstance(pair, Chain) or pair.same != before.same or pair.ordered:
            raise refusal(draft, "It is about more than the event directly before it.", "unsupported")
        pair = replace(before, steps=(*before.steps, second))
    clause.link = other_clause.link
    mentions.append((clause, mention))
    return all_of(pair, *other.profile, *mention.profile)


def _spent(ctx: Context, clause: Clause) -> Condition:
    """ "spent over 500 (on Nike) (in March)"; with an object that names another event, that event's money."""
    tree = clause.spent
    assert tree is not None
    bounds, together = one_or_two(ctx.names, tree)
    edge = bounds[0] if bounds else tree.edge("NUM", "NOTHING")
    if edge is None:
        raise refusal(tree, "It is not said how much was spent.", "incomplete")
    nothing = edge.category == "NOTHING"
    if nothing and clause.negation is not None:
        raise refusal(edge, "Two negations in one clause.")
    window = clause.window
    items: tuple[EventFilter, ...] = ()
    near = tuple(from_date(ctx.names, arg) for arg in tree.trees("near_date"))
    said = EventDraft(tree.first, tree.end, everyday("order-completed"), objects=tree.trees("has_property"))
    such = ctx.events(said, ALWAYS).where if said.objects else ()  # "without a coupon": in orders that have none
    edges: list[Edge] = []
    ever = False
    for arg in tree.trees("spentarg"):
        obj = next((t for t in arg.trees() if t.name not in ("late",)), None)
        if obj is not None:
            if obj.name != "obj" or items:
                raise refusal(obj, "Spend on this is not read.", "unsupported")
            draft = EventDraft(obj.first, obj.end, everyday("order-completed"))
            draft.objects.append(obj)
            mention = ctx.mention(draft, references=True, one=True)
            if mention.bound != AT_LEAST_ONCE or mention.refers:
                raise refusal(obj, "Spend on one list of products is read.", "unsupported")
            items = mention.variants[0]
        for late in arg.trees("late"):
            leaf = next(late.edges())
            if leaf.category == "WIN":
                edges.append(leaf)
            elif leaf.category == "EVER":
                ever = True
            elif leaf.category == "WITHIN":
                if leaf.meaning.span.amount == 1:
                    raise refusal(leaf, f'Is "{ctx.text(leaf)}" the last, or any?', "vague")
                window = Window(Rolling(leaf.meaning.span))
            else:
                raise refusal(leaf, "This has no part beside a sum.")
    need_orders(ctx, tree)
    if edges:
        window = ctx.windows(edges)
    if window is None:
        window = ALWAYS if ever else ctx.default_window()
    events = Events("order-completed", filters(*items, *such, *near), window)
    measure = Spend(events) if nothing else in_currency(ctx, Spend(events), edge)
    each = [Has(measure, Bound("=", 0) if nothing else sum_bound(one)) for one in bounds or [edge]]
    condition = all_of(*each) if together else any_of(*each)
    return negated(condition) if clause.negation is not None else condition


# ── and, or, but ──────────────────────────────────────────────────────────────────────────────────────────────────


def _logic(parts: list[tuple[Clause, Condition]]) -> Condition:
    """Section 11: a repeated who starts a new condition; and binds tighter than or; an or before a but is one group."""
    if len(parts) > 2 and _is_subject(parts[0][0], parts[1][0]):  # "which reviewers viewed or clicked?"
        return all_of(parts[0][1], _logic(parts[1:]))
    segments: list[list[tuple[Clause, Condition]]] = [[]]
    for clause, condition in parts:
        if segments[-1] and (clause.who or clause.excluded):
            segments.append([])
        segments[-1].append((clause, condition))
    wholes: list[tuple[str, Condition]] = []
    for segment in segments:
        wholes.append(("or" if segment[0][0].link.kind == "or" else "and", _segment(segment)))
    return _or_of_ands(wholes)


def _is_subject(clause: Clause, after: Clause) -> bool:
    """Whether it is whom the clauses behind it are said of: "reviewers who viewed or who clicked"."""
    noun = clause.event is not None and clause.event.noun and not (clause.verbal or clause.who)
    said = after.who or after.verbal or after.spent is not None or after.condition is not None
    return noun and clause.link.kind == "start" and after.link.kind == "loose" and said and not after.excluded


def _segment(segment: list[tuple[Clause, Condition]]) -> Condition:
    """One subject's conditions: parts at each but (or negated and), each part's ands within its ors."""
    pieces: list[list[tuple[Clause, Condition]]] = [[]]
    seen_or = False
    for n, (clause, condition) in enumerate(segment):
        link = clause.link.kind
        breaks = link == "but" or (link == "and" and clause.negation is not None and seen_or)
        if n and breaks:
            pieces.append([])
            seen_or = False
        seen_or = seen_or or link == "or"
        pieces[-1].append((clause, condition))
    return all_of(*(_piece(piece) for piece in pieces))


def _piece(piece: list[tuple[Clause, Condition]]) -> Condition:
    """Conditions joined by and and or: either … or groups, then and binds tighter."""
    joined: list[tuple[str, Condition]] = []
    n = 0
    while n < len(piece):
        clause, condition = piece[n]
        if clause.either:
            group = [condition]
            while n + 1 < len(piece) and piece[n + 1][0].link.kind == "or":
                n += 1
                group.append(piece[n][1])
            if len(group) == 1 and clause.link.kind != "or":
                raise refusal(clause, "Either which or which?")
            condition = any_of(*group)
        joined.append((clause.link.kind, condition))
        n += 1
    return _or_of_ands(joined)


def _or_of_ands(joined: Sequence[tuple[str, Condition]]) -> Condition:
    """Conditions, each with the joint before it: and binds tighter than or."""
    groups: list[list[Condition]] = [[]]
    for kind, condition in joined:
        if kind == "or" and groups[-1]:
            groups.append([])
        groups[-1].append(condition)
    alternatives = [all_of(*group) for group in groups]
    return alternatives[0] if len(alternatives) == 1 else any_of(*alternatives)
