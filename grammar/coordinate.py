"""What belongs to which clause: small rules, each a sentence of SEMANTICS, the same for both readers.

clauses ── keyed conditions to their event ── gaps ── negation over lists ── shared objects ── windows (section 8)
        ──► the same clauses, each with all that is its own; see combine
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest

from grammar import lexicon
from grammar.context import Context
from grammar.draft import Clause, EventDraft, Link, Negation, Quant, Refused, Timing, Tree, refusal
from grammar.event_drafts import gaps_of, is_of_a_number, objects_apart, take_args
from grammar.events import Mention, rates, resolve_mention
from grammar.mentions import Edge, EventHit, ValueHit, every_one
from grammar.names import Candidate, stem
from grammar.predicates import abandoned
from grammar.profile import attribute_alternatives, attribute_bound, attribute_keyed, attribute_keys
from grammar.query import (
    ALWAYS,
    Attribute,
    Calendar,
    CameBack,
    Condition,
    Dates,
    During,
    Following,
    Known,
    Named,
    Not,
    Preceding,
    Rolling,
    Window,
    any_of,
    negated,
)
from grammar.values import name_parts, quant_bound
from grammar.vocabulary import singular
from grammar.when import Within, is_one

JOINTS = ("and", "or", "but", "comma")

# ── before windows: what belongs to which clause ──────────────────────────────────────────────────────────────────


def attach_windows(ctx: Context, clauses: list[Clause]) -> None:
    """Everything that moves words from one clause to another, windows last."""
    _all_of_them(ctx, clauses)
    _not_of_the_thing(ctx, clauses)
    _last_so_much(ctx, clauses)
    _attach_keyed(ctx, clauses)
    _count_twice(ctx, clauses)
    _spread_none(ctx, clauses)
    _count_alike(ctx, clauses)
    _count_each(ctx, clauses)
    _find_verbs(ctx, clauses)
    _fill_gaps(ctx, clauses)
    _place_following(ctx, clauses)
    _either_times(ctx, clauses)
    _other_times(clauses)
    _check_nor(clauses)
    _check_forms(ctx, clauses)
    _spread_negation(ctx, clauses)
    _share_objects(ctx, clauses)
    _refer_back(ctx, clauses)
    _share_same(clauses)
    _order_of_each(ctx, clauses)
    _reach_order(ctx, clauses)
    _settle_commas(clauses)
    _within_of_each(clauses)
    _place_prior(ctx, clauses)
    _reach_sign_ups(ctx, clauses)
    for run in _runs(ctx, clauses):
        _reach_rhythm(ctx, run)
        _reach(ctx, run)


def _all_of_them(ctx: Context, clauses: list[Clause]) -> None:
    """Refused where "all" or "every" stands before what was done, and something is said of it or denied: "not all
    orders on mobile", "every order over 500", "all their rides were cancelled"."""
    for clause in clauses:
        draft = clause.event
        if draft is None or draft.only is not None or not (draft.noun or draft.nominal or draft.tails):
            continue
        if not {"AGENT", "BUYERS"}.isdisjoint(ctx.names.lattice.at[draft.first]):
            continue  # "all viewers of saddles"
        word = every_one(ctx.names.lattice, draft.first)
        passive = bool(draft.tails) and draft.tails[0].first == draft.first
        if word is not None and (passive or clause.negation is not None or draft.pre or draft.objects):
            noun = max(ctx.names.lattice.at[draft.first].get("EN", {draft.first + 1: None}))
            raise Refused("vague", word, noun, f'"{ctx.names.lattice.text(word, noun)}": each one, or any?')


def _not_of_the_thing(ctx: Context, clauses: list[Clause]) -> None:
    """Refused where a noun without a verb may be an event, or what the thing before it had: "booked a room without
    breakfast", where a room is booked with its breakfast included."""
    for before, clause in pairwise(clauses):
        draft, model = clause.event, before.event
        if draft is None or model is None or draft.hit is None or model.hit is None or clause.verbal:
            continue
        best = draft.hit.best()
        more = bool(draft.objects or draft.pre) and clause.negation is None  # "without coupon CHAIN20" has neither
        if best[0].tier != "noun" or not draft.noun or more or draft.tails:
            continue
        said = best[0].stems
        for key in (k for c in model.hit.best() for k in ctx.names.keys(c.event, "event")):
            if said & {stem(part) for part in name_parts(key.name)} and best[0].event != key.event:
                what = f'"{ctx.text(clause)}": the {key.name} of {key.event}, or {best[0].event}?'
                raise refusal(clause, what, "vague")


def _last_so_much(ctx: Context, clauses: list[Clause]) -> None:
    """ "signed up but haven't viewed or bought in 30 days" = in the last 30 days; "within" may count from before."""
    perfect = False
    for clause in clauses:
        goes_on = clause.link.kind in ("or", "comma", "nor") and not clause.who
        if clause.negation is not None or not goes_on:
            perfect = clause.negation is not None and clause.negation.tense == "perfect"
        draft = clause.event
        if not perfect or draft is None:
            continue
        spans = [e for e in gaps_of(draft) if ctx.names.lattice.words[e.first].low == "in"]
        rest = tuple(e for e in draft.time.withins if e not in spans)
        draft.time = replace(draft.time.at(*_last_spans(spans)), withins=rest)
        for tree in (t for t in draft.objects if t.name == "duration_arg"):  # "haven't bought for 30 days"
            length = tree.leaf("DURATION").meaning
            if tree.has("FOR") and length.bare and length.unit in ("day", "week", "month", "year") and not draft.tails:
                raise refusal(tree, f'"{ctx.text(tree)}" says how long something has not happened.')


def _attach_keyed(ctx: Context, clauses: list[Clause]) -> None:
    """ "… whose topic is billing": a filter of the event before it, or an attribute of the contact."""
    kept: list[Clause] = []
    for clause in clauses:
        if clause.keyed is None:
            kept.append(clause)
            continue
        before = (
            kept[-1]
            if kept and kept[-1].event is not None and clause.link.kind in ("loose", "and", "start", "comma")
            else None
        )
        condition = _keyed_clause(ctx, clause, before)
        if condition is not None:
            clause.condition, clause.keyed = condition, None
            kept.append(clause)
    clauses[:] = kept


def _keyed_clause(ctx: Context, clause: Clause, event: Clause | None) -> Condition | None:
    """A keyed condition that stands as a clause: a filter of the event before it (then None), or an attribute."""
    assert clause.keyed is not None
    beside = clause.keyed.tree("beside")
    tree = Tree(clause.keyed.name, tuple(c for c in clause.keyed.children if c is not beside))
    key = tree.leaf("KEY", "PKEY")
    attribute = attribute_keys(key)
    draft = event.event if event is not None else None
    bare = draft is not None and not (draft.noun or draft.says_more())
    if bare and clause.link.kind == "and" and not clause.who and not attribute:
        raise refusal(clause, f'"{ctx.text(clause)}" is joined to nothing that is said of the event.')
    possible = draft is not None and (
        key.meaning == "product"
        or draft.hit is None
        or any(k.event == c.event for c in draft.hit.candidates for k in key.meaning)
    )
    if possible and attribute:
        word = ctx.text(key)
        last = draft.objects[-1] if draft is not None and draft.objects else None
        product = (  # "a product whose name …": of what stands beside it
            draft is not None
            and draft.end == tree.first - 1
            and (_names_a_thing(draft) or (last is not None and last.name == "obj"))
        )
        if product or ctx.choose((True, False), word):
            attribute = []
        else:
            possible = False
    if possible and draft is not None:
        draft.objects.append(tree)
        if beside is not None:  # "resolved a ticket whose priority is low on mobile this week"
            take_args(ctx.names, draft, beside.trees())
        draft.end = max(draft.end, clause.keyed.end)
        return None
    if not attribute:
        holders = sorted({k.event for k in key.meaning if k.event}) if key.meaning != "product" else []
        where = f"; it is a key of {', '.join(holders[:4])}" if holders else ""
        raise refusal(
            key, f'No attribute "{ctx.text(key)}" is known{where}.', "unknown key" if not holders else "wrong key"
        )
    if beside is not None:
        raise refusal(beside, f'"{ctx.text(beside)}" has no event to belong to.')
    if tree.name == "keyed_bound":
        bound = tree.leaf("BOUND", "NUM")
        return attribute_bound(ctx, key, attribute[0], bound.meaning.bound)
    return attribute_keyed(ctx, key, attribute[0], tree.trees()[-1], there=tree.has("WITH"))


def _find_verbs(ctx: Context, clauses: list[Clause]) -> None:
    """ "filed a Theft claim and a Fire claim": the event of the verb before, where the noun is a part of its name."""
    for before, clause in pairwise([None, *clauses]):
        assert clause is not None
        draft, model = clause.event, before.event if before is not None else None
        if not clause.verbless or draft is None or draft.hit is None:
            continue
        found: tuple[Candidate, ...] = ()
        said: set[str] = set()
        if before is not None and model is not None and model.hit is not None:
            said = {c.event for c in model.hit.best()}
            found = _done_again(ctx, before, draft, said, clause.link.kind in _ORDERED)
            others = tuple(c for c in draft.hit.candidates if c.event not in said)
            if model.noun and not found and draft.hit.candidates != others:  # "refunds but no orders"
                if not others:
                    raise refusal(clause, f'"{ctx.text(clause)}": of {", ".join(sorted(said))}, or of what?', "vague")
                draft.hit = EventHit(others)
        if found and (draft.says_more() or {c.event for c in found} != said):
            draft.hit = EventHit(found)
        elif draft.quant is None and clause.link.kind not in (*_ORDERED, "start") and not _goes_on_noun(before, draft):
            raise refusal(clause, f'"{ctx.text(clause)}" has no verb.')


def _done_again(
    ctx: Context, before: Clause, draft: EventDraft, said: set[str], ordered: bool
) -> tuple[Candidate, ...]:
    """Which events of a noun are what the words before it did. A verb goes on to a second object ("started a trial or a
    membership"); a noun before it only where both have the same noun at their head ("a theft claim and a crash
    claim")."""
    model = before.event
    assert model is not None and draft.hit is not None
    same = tuple(c for c in draft.hit.candidates if c.event in said)
    best = {c.event for c in draft.hit.best()}
    words = {stem(word.low) for word in ctx.names.lattice.words[model.first : model.end]}
    nouns = set().union(*(c.stems for c in draft.hit.candidates))
    spans = ctx.names.lattice.at[model.first : model.end] if model.noun else ()
    heads = [end for edges in spans for end in edges.get("EN", ()) if end <= model.end]
    if heads:
        head = stem(ctx.names.lattice.words[max(heads) - 1].low)
        return same if head in nouns and best & said else ()
    if not (before.verbal and (_names_a_thing(model) or model.objects or words & nouns)):
        return same if best & said else ()
    # "booked a test after a consultation" is after one of any kind; "added a lamp to the wishlist and cart" is of the
    # lamp, or not.
    if same or ordered or model.objects:
        return same
    verbs = set().union(*(ctx.names.verbs(event) for event in said))
    return tuple(c for c in draft.hit.candidates if c.event and ctx.names.verbs(c.event) & verbs)


def _goes_on_noun(before: Clause | None, draft: EventDraft) -> bool:
    """Whether an event's noun may go on with another one: "after a hut booking or a ride booking", "a refund and an
    order"."""
    told = draft.hit is not None and draft.hit.candidates[0].tier != "noun"
    if not told or before is None:
        return False
    model = before.event
    noun = model is not None and model.noun and not before.verbal and before.negation is None and not model.none()
    return noun or (before.verbless and before.link.kind in (*_ORDERED, "or", "comma"))


def _spread_none(ctx: Context, clauses: list[Clause]) -> None:
    """ "no hut booking or ride booking" is neither, as with a verb that is negated; so is "without an order or a
    refund"."""
    for i, head in enumerate(clauses):
        if head.event is None:
            continue
        without = head.negation is not None and head.event.noun and not head.verbal
        if not without and not head.event.none():
            continue
        listed: list[Clause] = []
        for clause in clauses[i + 1 :]:
            more = clause.verbless and clause.event is not None and clause.event.quant is None
            more = more and (without or not ctx.names.lattice.behind_article(clause.first))  # "no order or a booking"
            if (
                not more
                or clause.link.kind not in ("and", "or", "comma")
                or (listed and listed[-1].link.kind != "comma")
            ):
                break
            listed.append(clause)
        if without:
            if listed and listed[-1].link.kind == "or":
                for clause in listed:
                    clause.negation, clause.verbless, clause.link = head.negation, False, Link("and")
            continue
        if listed and listed[-1].link.kind != "or":
            raise refusal(listed[-1], f'"{ctx.text(listed[-1])}": none of it, or one?', "vague")
        for clause in listed:
            assert clause.event is not None
            clause.event.quant, clause.link = head.event.quant, Link("and")
        after = clauses[i + 1 + len(listed) :][:1]
        for clause in after:  # "no views or spend over 500"
            alone = clause.bare and clause.link.kind == "or" and _LEADS.isdisjoint(ctx.names.lattice.at[clause.first])
            if alone and clause.condition is not None and ctx.choose((True, False), ctx.text(clause)):
                clause.condition, clause.link = negated(clause.condition), Link("and")


_LEADS = frozenset("WITH WITHOUT IN ON OF FROM LIVEIN OUTSIDE NAMED TAGGED BORN AGEP SIGNUP CONTACT GENDER".split())


def _names_a_thing(draft: EventDraft) -> bool:
    """Whether an event was named with the noun of what it is about ("unlocked an achievement")."""
    if draft.noun or draft.tails or draft.about_product:
        return True
    best = draft.hit.candidates[0] if draft.hit is not None else None
    return best is not None and best.tier == "full" and len(best.stems) > 1


def _fill_gaps(ctx: Context, clauses: list[Clause]) -> None:
    """ "bought Nike but not Puma": the last event again, with the other object, negated."""
    for i, clause in enumerate(clauses):
        if clause.gap is None:
            continue
        before = next((c for c in reversed(clauses[:i]) if c.event is not None), None)
        if clause.gap.tree("quant") is not None and i and clauses[i - 1].spent is not None:
            clause.spent, clause.gap = _spent_again(ctx, clause, clauses[i - 1]), None
            continue
        if clause.gap.name == "timed":
            _is_timed_too(ctx, clause, clauses[i - 1] if i else None)
        vlist = clause.gap.tree("vlist")
        again, way = clause.gap.tree("obj"), clause.gap.tree("prepared")
        said = clause.gap.edge("NEG")
        if said is not None and said.meaning == ("simple", "not") and vlist is not None and not clause.gap.own(*_PREPS):
            raise refusal(clause, f'"{ctx.text(clause)}" has no verb.')  # "didn't" is of a verb: no "but didn't Puma"
        if before is None or before.event is None:
            if vlist is None:
                raise refusal(clause, "There is no event before that this could be about.")
            clause.condition = negated(any_of(*attribute_alternatives(ctx, vlist)))
            clause.gap = None
            continue
        model = before.event
        if said is not None and vlist is not None and before.negation is not None:
            raise refusal(clause, f'"{ctx.text(clause)}": neither of them, or not the first alone?', "vague")
        open_ = [c for c in clauses[:i] if c.event is not None and c is not before and not c.event.says_more()]
        if vlist is not None and open_ and before.link.kind in ("or", "and", "comma"):
            raise refusal(clause, f'"{ctx.text(clause)}": which of them?', "vague")  # "viewed or bought X but not Y"
        copied = EventDraft(clause.first, clause.end, model.hit, tails=list(model.tails))
        if clause.gap.has("AGAIN"):  # "bought once and never again"
            copied.objects, copied.pre, copied.again = list(model.objects), list(model.pre), True
            clause.event, clause.gap = copied, None
            continue
        late = [e for t in clause.gap.trees("late") for e in t.edges()]
        other = [e for e in late if e.category not in ("WIN", "EVER", "PRIOR")]
        if other:
            raise refusal(other[0], "This has no part after a negation.")
        prep = next(iter(clause.gap.own(*_PREPS)), None)
        if prep is None and vlist is not None and said is not None:
            prep = _led_alike(model, vlist)
        counted = clause.gap.tree("quant")
        if counted is not None:  # "booked two huts in 2025 and one in 2026"
            copied.objects = [_recounted(t, counted) for t in model.objects]
            edge = next(counted.edges())
            once = ctx.text(edge).casefold() == "one" and model.quant is None and copied.objects == model.objects
            if copied.objects == model.objects and not once:  # "booked a hut in 2025 and one in 2026": any
                copied.quant = Quant(quant_bound(edge), edge.category == "NONE", edge)
            copied.pre, copied.noun = list(model.pre), model.noun
            clause.verbal = before.verbal
        elif way is not None:  # "asked about returns and about delivery"
            led = next(way.part("prep").leaves())
            others = _led_otherwise(model, led)
            if len(others) == len(model.objects) or before is not clauses[i - 1]:
                raise refusal(clause, f'"{ctx.text(clause)}" has no verb.')
            copied.objects, copied.pre = [*others, way], list(model.pre)
        elif again is not None:  # "bought a product under 30 and a product over 300": the verb again
            if not model.says_more():  # "bought or product under 30"
                raise refusal(clause, f'"{ctx.text(clause)}" has no verb.')
            copied.objects = [again]
        elif vlist is None:  # "bought in 2025 but not in 2026": all of it again
            copied.objects, copied.pre = list(model.objects), list(model.pre)
            if clause.gap.has("NOTHING"):  # "bought two helmets in March and none in April"
                if any(t.name in ("keyed_bound", "amount") for t in model.objects):
                    raise refusal(clause, f'"{ctx.text(clause)}": none of what?', "vague")
                copied.objects = [_recounted(t, None) for t in model.objects if t.name != "counted_tail"]
                copied.tails += [e for t in model.objects if t.name == "counted_tail" for e in t.own("TAIL")]
            clause.contrast = True
        elif prep is not None:
            beside = Tree("prepared", (Tree("prep", (prep,)), vlist))
            # "bought helmets but not from Corvino": nothing from there, or no helmets from there
            lists = [t for t in (*model.objects, *model.pre) for v in (t, *t.trees("vlist")) if v.name == "vlist"]
            if any(leaf.category == "AND" for t in lists for leaf in t.leaves()):
                raise refusal(clause, f'"{ctx.text(clause)}": neither of them, or not both?', "vague")
            others = _led_otherwise(model, prep)
            other_way = len(others) < len(model.objects)  # "on mobile but not on desktop"
            same = other_way or (bool(model.objects or model.pre) and ctx.choose((False, True), ctx.text(clause)))
            copied.objects = [*others, beside] if same else [beside]
            copied.pre = list(model.pre) if same else []
        else:
            copied.objects = [Tree("obj", (vlist,))]
        prior = next((e for e in late if e.category == "PRIOR"), None)
        either = clause.gap.edge("EITHERWIN")  # "but not in June or July"
        timed = prior is not None or either is not None or any(e.category in ("WIN", "EVER") for e in late)
        wins = tuple(e for e in late if e.category == "WIN")
        kept = _kept_times(ctx, clause, model.time.windows, wins)
        if model.time.withins and not timed:
            raise refusal(clause, f'"{ctx.text(clause)}" in which time?', "vague")
        copied.time = Timing(
            before=model.time.before if prior is None and either is None and not wins else (),
            after=() if prior is not None or either is not None else (*kept, *wins) or model.time.after,
            ever=model.time.ever or any(e.category == "EVER" for e in late),
            prior=prior,
            within_of=None if timed else model.time.within_of,
            near=() if timed else model.time.near,
            either=either if timed else model.time.either,
        )
        clause.event, clause.gap = copied, None


def _kept_times(ctx: Context, clause: Clause, windows: Sequence[Edge], wins: Sequence[Edge]) -> tuple[Edge, ...]:
    """ "bought in the morning in April but not in May": the times of the verb before that the new one does not replace.
    Where it replaces none ("in the morning but not in May"), they may be meant or not."""
    if not windows or not wins:
        return ()
    new = [window for e in wins for window in e.meaning[:1]]
    kept: list[Edge] = []
    replaced = False
    for edge in windows:
        rest = [_without(w, new) for w in edge.meaning]
        replaced = replaced or rest != list(edge.meaning)
        if ALWAYS not in rest:
            kept.append(replace(edge, category="WIN", meaning=tuple(dict.fromkeys(rest))))
    anew = clause.gap is None or clause.gap.has("NOTHING")  # "and none in May": in the morning, or at all
    settled = replaced and not anew
    return tuple(kept) if kept and (settled or ctx.choose((True, False), ctx.text(clause))) else ()


def _without(window: Window, others: Sequence[Window]) -> Window:
    """A window without the parts that others say too."""
    return Window(
        None if any(w.period for w in others) else window.period,
        () if any(w.weekdays for w in others) else window.weekdays,
        None if any(w.hours for w in others) else window.hours,
    )


def _spent_again(ctx: Context, clause: Clause, before: Clause) -> Tree:
    """ "spent over 100 in Q1 and over 200 in Q2": the sum again, in its own time."""
    assert clause.gap is not None and before.spent is not None
    amount = next(clause.gap.part("quant").edges())
    others = [t for arg in before.spent.trees("spentarg") for t in arg.trees() if t.name != "late"]
    if amount.category not in ("BOUND", "NUM") or others or before.negation is not None or not _own(before):
        raise refusal(clause, f'"{ctx.text(clause)}": spent on what, and when?', "vague")
    return Tree("spent", (amount, *(Tree("spentarg", (late,)) for late in clause.gap.trees("late"))))


def _is_timed_too(ctx: Context, clause: Clause, before: Clause | None) -> None:
    """ "bought a helmet in July and a bell in August": the verb again, where each thing has its own time."""
    draft = before.event if before is not None else None
    plain = draft is not None and not draft.pre and all(t.name == "obj" for t in draft.objects)
    if before is None or draft is None or not plain or not draft.objects or not draft.time.windows or before.negation:
        raise refusal(clause, f'"{ctx.text(clause)}" has no verb.')


def _led_alike(model: EventDraft, vlist: Tree) -> Edge | None:
    """The preposition of what was said last of an event, where it holds a value of the same key: "logged in from Chrome
    but not Safari"."""
    last = model.objects[-1] if model.objects else None
    if last is None or last.name != "prepared":
        return None
    one, other = (
        {v.key for e in t.leaves() if isinstance(e.meaning, ValueHit) for v in e.meaning.values} for t in (last, vlist)
    )
    return next(last.part("prep").leaves()) if one & other else None


def _led_otherwise(draft: EventDraft, prep: Edge) -> list[Tree]:
    """The objects of a verb that another preposition, or none, leads to."""
    return [
        tree
        for tree in draft.objects
        if tree.name != "prepared" or next(tree.part("prep").leaves()).category != prep.category
    ]


def _recounted(tree: Tree, quant: Tree | None) -> Tree:
    """What was counted, with another number, or with none."""
    parts = (quant if isinstance(c, Tree) and c.name == "quant" else c for c in tree.children)
    return Tree(tree.name, tuple(part for part in parts if part is not None))


def _count_twice(ctx: Context, clauses: list[Clause]) -> None:
    """ "booked more than 2 but fewer than 5 rides": both numbers count the noun behind them."""
    for before, clause in pairwise(clauses):
        one, two = before.event, clause.event
        number = one.objects[-1] if one is not None and one.objects else None
        if one is None or two is None or number is None or number.name != "amount" or number.end != before.end:
            continue
        if not clause.verbless or clause.link.kind not in ("and", "but", "or") or one.hit is None or two.hit is None:
            continue
        edge = number.leaf("BOUND")
        done = {c.event for c in one.hit.candidates}
        noun = tuple(c for c in two.hit.candidates if c.event in done)
        counted = is_of_a_number(ctx.names, number) and edge.meaning.currency is None
        if not noun or not counted or before.negation is not None or len(one.objects) > 1 or one.said() - {"window"}:
            raise refusal(number, f'"{ctx.text(number)}": is it how many, or how much each?', "vague")
        two.hit = EventHit(noun)
        before.event = replace(two.copy(), first=one.first, end=one.end, quant=Quant(edge.meaning), time=one.time)


def _count_alike(ctx: Context, clauses: list[Clause]) -> None:
    """ "requested over 10 rides and cancelled over 3": behind a number of events, so is the next one's."""
    for before, clause in pairwise(clauses):
        one, two = before.event, clause.event
        number = two.objects[0] if two is not None and two.objects else None
        if one is None or two is None or number is None or number.name not in ("amount", "obj"):
            continue
        counted = one.quant is not None or any(t.name == "counted_tail" for t in one.objects)
        edge = next((e for e in number.leaves() if e.category == "BOUND"), None)
        alone = number.name == "amount" and not number.has("PRICED", "MONEYNOUN") and len(two.objects) == 1
        if counted and alone and edge is not None and not edge.meaning.currency and not two.noun and two.quant is None:
            two.objects, two.quant = [], Quant(number.leaf("BOUND").meaning)


def _count_each(ctx: Context, clauses: list[Clause]) -> None:
    """ "at least 2 orders or reviews", "booked more than 2 rides or huts", "bought or viewed 3 times": how many is said
    once, of each or only of what stands beside it."""
    for before, clause in pairwise(clauses):
        one, two = before.event, clause.event
        if one is None or two is None or clause.link.kind != "or" or before.negation or clause.negation or clause.who:
            continue
        noun = clause.verbless or _is_plural(ctx, two)
        number = _number_of(ctx, one)
        if number is not None and noun and not two.says_more() and not ctx.names.lattice.behind_article(clause.first):
            two.quant = number if ctx.choose((True, False), ctx.text(clause)) else None
    for k, clause in enumerate(clauses):
        times = clause.event.times if clause.event is not None and clause.link.kind == "or" else None
        run: list[EventDraft] = []
        for here, after in zip(reversed(clauses[:k]), reversed(clauses[1 : k + 1]), strict=True):
            if after.link.kind not in ("or", "comma") or after.who or here.event is None:
                break
            run.append(here.event)
        plain = not any(d.noun or d.says_more() or _own_nouns(ctx, d) for d in run) and clause.negation is None
        if times is not None and run and plain and ctx.choose((True, False), ctx.text(clause)):
            for draft in run:
                draft.times = times


def _number_of(ctx: Context, draft: EventDraft) -> Quant | None:
    """How many of an event there were, by its own noun."""
    if draft.quant is not None:
        return None if draft.none() else draft.quant
    for tree in draft.objects:
        edge = next((e for t in (tree, *tree.trees("quant")) for e in t.own("BOUND", "NUM")), None)
        if edge is not None and (tree.name == "counted_tail" or (tree.name == "amount" and draft.tails)):
            return Quant(quant_bound(edge))
    return None


def _is_plural(ctx: Context, draft: EventDraft) -> bool:
    """Whether a verb is the plural of a noun, too: "reviews"."""
    word = ctx.names.lattice.words[draft.first].low
    nouns = ctx.names.lattice.at[draft.first]
    return singular(word) != word and any(draft.first + 1 in nouns.get(c, {}) for c in ("EN", "TAIL"))


_PREPS = ("VIA", "WITH", "ON", "TO", "FROM", "IN", "FOR", "BY", "AT")


def _place_following(ctx: Context, clauses: list[Clause]) -> None:
    """ "bought in March and returned an order in the following month" is the month after March; "added to cart and
    bought in the following 3 days" is a gap; with both a time and another length, either may be meant."""
    for i, clause in enumerate(clauses):
        draft = clause.event
        edge = draft.time.following if draft is not None else None
        if draft is None or edge is None:
            continue
        told = _is_past(ctx, draft) or (clause.negation is not None and clause.negation.tense == "simple")
        joined = i and not clause.who and clause.link.kind in ("and", "but", "then")
        if not joined or (edge.category == "FUTURE" and not told) or draft.time.windows or draft.time.withins:
            continue  # refused: it follows nothing
        before = clauses[i - 1]
        if i > 1 and not before.who and before.link.kind not in ("start", "loose", "or") and clauses[i - 2].happens:
            raise refusal(edge, f'"{ctx.text(edge)}": following which?', "vague")
        span = edge.meaning.period.span if edge.category == "FUTURE" else edge.meaning.span
        windows = before.event.time.windows if before.event is not None else ()
        period = ctx.window(windows[0]).period if len(windows) == 1 else None
        ends = isinstance(period, Named | Dates) or (isinstance(period, Calendar) and period.back > 0)
        if before.event is None and (before.since is None or span.unit in ("month", "quarter", "year")):
            raise refusal(edge, f'"{ctx.text(edge)}": following what?', "vague")
        same_unit = span.amount == 1 and is_one(period, span.unit)
        if ends and period is not None and (same_unit or ctx.choose((True, False), ctx.text(edge))):
            window = Window(Following(span, period))
            draft.time = replace(draft.time.at(replace(edge, category="WIN", meaning=(window,))), following=None)
        else:
            if (
                ctx.names.lattice.words[edge.first].low == "the"
            ):  # "the next day": which day that is depends on the hour
                raise refusal(edge, f'"{ctx.text(edge)}": say within how long.', "vague")
            within = replace(edge, category="WITHIN", meaning=Within(span))
            draft.time = replace(draft.time, withins=(within,), ever=bool(windows), following=None)


def _either_times(ctx: Context, clauses: list[Clause]) -> None:
    """ "bought in June or July": in either; "didn't buy in June or July": in neither."""
    said = list(clauses)
    for clause in [c for c in said if c.event is not None and c.event.time.either is not None]:
        draft = clause.event
        assert draft is not None
        edge = draft.time.either
        assert edge is not None
        others = [c for c in said if c is not clause and c.event is not None and not _timeless(c) and not _own(c)]
        unclear = others or any(c.link.kind in ("or", "nor", *_ORDERED) for c in said)
        if unclear or draft.said() - {"either", "which"} or draft.quant is not None or clause.both or clause.either:
            raise refusal(edge, f'"{ctx.text(edge)}": in either, or in both together?', "vague")
        alternative = edge.category == "EITHERWIN"
        if not alternative and "both" not in ctx.text(edge).casefold().split():  # "in June and July"
            alternative = ctx.choose((False, True), ctx.text(edge))
        if not alternative and clause.negation is not None:
            raise refusal(edge, f'"{ctx.text(edge)}": in neither, or not in both?', "vague")
        copies: list[Clause] = []
        for n, readings in enumerate(edge.meaning):
            again = draft.copy()
            again.time = replace(draft.time, either=None, after=(replace(edge, category="WIN", meaning=readings),))
            link = clause.link if not n else Link("or" if alternative and clause.negation is None else "and")
            who, either = clause.who and not n, alternative and clause.negation is None and not n
            copies.append(replace(clause, link=link, event=again, who=who, either=either))
        at = next(i for i, c in enumerate(clauses) if c is clause)
        clauses[at : at + 1] = copies


def _other_times(clauses: list[Clause]) -> None:
    """ "bought in March or in May": the event again, in either time."""
    times = [c for c in clauses[1:] if c.window is not None and c.link.kind == "or"]
    for clause in times:
        before = clauses[clauses.index(clause) - 1]
        others = [c for c in clauses if c is not before and c not in times and not _timeless(c)]
        draft = before.event
        if (
            draft is None
            or len(draft.time.windows) != 1
            or draft.time.withins
            or before.negation is not None
            or not (before in times or before.link.kind in ("start", "and", "but"))
            or any(c.link.kind in ("or", "nor", *_ORDERED) or (c.event is not None and not _own(c)) for c in others)
        ):
            raise refusal(clause, "Or at this time: it is not clear which verb is meant.", "unsupported")
        edge = Edge("WIN", clause.first, clause.end, (clause.window,))
        again = draft.copy()
        again.time = replace(draft.time, before=(), after=(edge,))
        before.either = before not in times
        clause.event, clause.window = again, None


_ORDERED = ("then", "after", "before")


def _check_nor(clauses: list[Clause]) -> None:
    """ "nor" continues a negation."""
    for before, clause in pairwise(clauses):
        if clause.link.kind == "nor" and before.negation is None and before.link.kind != "nor":
            raise refusal(clause, '"nor" needs a negation before it.')


def _spread_negation(ctx: Context, clauses: list[Clause]) -> None:
    """Section 11: "didn't buy or review" is neither; "didn't buy and review" has readings. A sum, a sign-up and what
    somebody has are under a not as events are."""
    i = 0
    while i < len(clauses):
        head = clauses[i]
        if head.negation is not None and head.condition is not None:
            after = _spread_denial(ctx, clauses, i)
            if after > i + 1:
                i = after
                continue
        adverbial = head.event is not None and head.event.noun and not head.verbal
        if head.negation is None or (adverbial and head.negation.tense == "bare"):
            i += 1
            continue
        _counts_from_none(ctx, clauses, i)
        scope = [i]
        j = i + 1
        while j < len(clauses) and _in_scope(ctx, head, clauses[j]):
            scope.append(j)
            j += 1
        last = clauses[scope[-1]].link.kind
        if len(scope) > 1 and last in ("or", "nor"):
            ends = clauses[scope[-1]].event
            for k in scope[1:]:
                _deny(clauses[k], head.negation)
                clauses[k].link = Link("and")
            for one in (clauses[k].event for k in scope[:-1]):
                if one is not None and ends is not None and not one.time.withins:  # "within 30 days" of neither
                    one.time = replace(one.time, withins=ends.time.withins)
        elif len(scope) > 1:
            words = ctx.names.lattice.text(head.first, clauses[scope[-1]].end)
            gaps = [_gap(clauses[k]) for k in (i - 1 if i else i, *scope)]
            if any(gaps[2:]) or (i and gaps[0] and gaps[1]):
                gap = next(edge for edge in reversed(gaps) if edge is not None)
                raise refusal(gap, f'"{ctx.text(gap)}": within so long of which?', "vague")
            chosen = ctx.choose(("neither", "not both", "only the first not"), words)
            if chosen == "neither":
                for k in scope[1:]:
                    _deny(clauses[k], head.negation)
            elif chosen == "not both":
                for k in scope[1:]:
                    _deny(clauses[k], head.negation)
                    clauses[k].link = Link("or")
                head.either = True
                if head.link.kind == "comma":
                    head.link = replace(head.link, kind="and", comma=False, listed=True)
        i = j


def _counts_from_none(ctx: Context, clauses: list[Clause], i: int) -> None:
    """Refused where a gap may count from what did not happen, or from what did: "viewed, didn't buy and reviewed within
    7 days"."""
    after = clauses[i + 1] if i + 1 < len(clauses) else None
    if not i or not clauses[i - 1].happens or after is None or after.event is None or after.negation is not None:
        return
    if _counts_on(after) and _is_past(ctx, after.event):
        raise refusal(after, f'"{ctx.text(after)}": within so long of which?', "vague")


def _gap(clause: Clause) -> Edge | None:
    """The gap that is said of a clause: "within 7 days"."""
    return next(iter(clause.event.time.withins), None) if clause.event is not None else None


def _deny(clause: Clause, negation: Negation) -> None:
    """Under a negation that was said before it."""
    clause.negation = negation
    if clause.condition is not None:
        clause.condition = negated(clause.condition)


def _spread_denial(ctx: Context, clauses: list[Clause], i: int) -> int:
    """ "isn't gold or from Porto" is neither: the phrases behind a negated one that have no verb of their own are under
    its not. The clause that comes next."""
    j = i + 1
    while j < len(clauses) and clauses[j].bare and clauses[j].condition and clauses[j].link.kind in ("or", "comma"):
        j += 1
    if j == i + 1 or clauses[j - 1].link.kind != "or":
        return i + 1
    if j < len(clauses) and clauses[j].bare:
        raise refusal(clauses[j], f'Is "{ctx.text(clauses[j])}" under the negation too?', "vague")
    for clause in clauses[i + 1 : j]:
        if clause.condition is not None:
            clause.condition = negated(clause.condition)
        clause.negation, clause.link = clauses[i].negation, Link("and")
    return j


def _in_scope(ctx: Context, head: Clause, clause: Clause) -> bool:
    """Whether a verb after a negated one is in its reach: no new subject, auxiliary or negation, and a fitting form."""
    negation = head.negation
    assert negation is not None
    if clause.event is None and clause.spent is None and clause.condition is None:
        return False
    adverbial = clause.event is not None and clause.event.noun and not (clause.verbal or clause.verbless)
    if clause.who or clause.negation is not None or clause.perfect or adverbial:  # "with a booking"
        return clause.link.kind == "nor" and clause.negation is None
    if clause.link.kind == "nor":
        return True
    if (
        clause.link.kind not in ("and", "or", "comma")
        or clause.link.also
        or (clause.link.comma and clause.link.kind == "and")
    ):
        return False
    if head.condition is not None and negation.tense in ("be", "bare"):
        return False  # "isn't gold or bought", "not from Porto and bought"
    if clause.event is None:
        return _denied_so(ctx, head, clause)
    if clause.event.time.withins and clause.link.kind == "and":
        return False
    if negation.tense != "simple" or negation.never:
        return True
    return clause.verbless or not _is_past(ctx, clause.event)


def _denied_so(ctx: Context, head: Clause, clause: Clause) -> bool:
    """Whether what is no event is under a not before it, by the form of its verb: "didn't view or spend over 500",
    "never viewed or spent over 500". What somebody is or has may be said anew: "didn't view or live in Porto"."""
    negation, word = head.negation, ctx.names.lattice.words[clause.first].low
    assert negation is not None
    if clause.bare and word in ("spend", "spending") and clause.link.kind != "comma" and negation.tense != "be":
        raise refusal(clause, f'"{ctx.text(clause)}" is a verb here.')
    if clause.bare or clause.excluded or negation.tense == "be" or word in _FINITE:
        return False
    past, participle = in_the_past(word), word.endswith("ing")
    if negation.tense == "bare":
        return participle
    if past or participle or singular(word) != word:
        # "never redeemed a coupon and spent over 500": they did spend it.
        return past and (negation.never or negation.tense == "perfect") and clause.link.kind != "and"
    happens = clause.spent is not None or clause.happened
    if negation.tense == "simple" and not negation.never and (happens or head.condition is not None):
        return happens or clause.link.kind != "and"
    return clause.link.kind != "and" and ctx.choose((True, False), ctx.text(clause))


_FINITE = frozenset("is are was were has had am".split())


def _is_past(ctx: Context, draft: EventDraft) -> bool:
    """Whether the verb has a past form."""
    return in_the_past(ctx.names.lattice.words[draft.first].low)


def in_the_past(word: str) -> bool:
    """Whether a word is a verb in the past: "bought", "logged"."""
    if word.endswith(_OF_NOUNS):
        return False
    irregular = word in lexicon.IRREGULAR_STEMS and lexicon.IRREGULAR_STEMS[word] != word and stem(word) != word
    return word.endswith("ed") or irregular


_OF_NOUNS = ("ing", "s", "ion", "al", "er", "y")


def _check_forms(ctx: Context, clauses: list[Clause]) -> None:
    """ "added it to their wishlist and cart": after a verb in the past, a bare word that is a noun too is no verb."""
    for before, clause in pairwise(clauses):
        draft = clause.event
        if draft is None or before.event is None or clause.negation or clause.who or clause.link.kind not in JOINTS:
            continue
        here = ctx.names.lattice.at[draft.first]
        noun = draft.end == draft.first + 1 and any(draft.end in here.get(c, {}) for c in ("EN", "TAIL"))
        if (
            noun
            and not draft.noun
            and before.negation is None
            and _is_past(ctx, before.event)
            and not _is_past(ctx, draft)
        ):
            raise refusal(clause, f'"{ctx.text(clause)}" is no verb here.')


def _share_objects(ctx: Context, clauses: list[Clause]) -> None:
    """Section 5: two verbs that share an object share its filter ("viewed but did not buy the Red Shirt"). Where
    something stands between a verb that needs an object and the next ("viewed twice and bought the Red Shirt"), it may
    be its own."""
    for i in range(len(clauses) - 2, -1, -1):
        here, after = clauses[i], clauses[i + 1]
        if here.event is None or after.event is None or after.who:
            continue
        draft = here.event
        if after.link.kind == "or" and here.negation is None and _is_passive(ctx, draft):
            _share_ways(ctx, here, after)  # "a ride booked or cancelled on mobile"
        if draft.noun or draft.pre or draft.tails:
            continue
        near = after.link.kind in (*JOINTS, "then", "nor") and not after.link.also
        open_ = near and not draft.objects and not draft.said() - {"only"}
        if not open_ and not _lacks_object(draft):
            continue
        if after.event.noun or draft.hit is None or draft.hit.candidates[0].tier == "full":
            continue  # a name in full has its object already
        nouns = _own_nouns(ctx, after.event)
        if nouns:  # "opened but never closed a support request": the object stands inside the name
            fitting = tuple(h for h in draft.hit.candidates if nouns <= set(ctx.names.stems(h.event)))
            if fitting:
                draft.hit = EventHit(fitting)
        if (
            not nouns
            and not after.event.tails
            and not any(
                (t.name == "obj" and (t.tree("vlist") is not None or _costs(after.event, t)))
                or (t.name == "ref" and _has_items(ctx, draft.hit))
                for t in after.event.objects
            )
        ):
            if open_ and not (after.event.noun or nouns):
                _share_ways(ctx, here, after)
            continue
        if not nouns and _takes_none(ctx, draft, after.event):
            continue
        shared = [t for t in after.event.objects if t.name in _SHARED and not (draft.objects and t.name == "prepared")]
        shared = [t for t in shared if t.name != "amount" or not after.event.summed]  # a sum is of what was summed up
        if rates(ctx.names, after.event) != rates(ctx.names, draft):  # "viewed and rated the lamp below 3"
            numbered = any(t.name == "amount" for t in shared)
            things = (t for t in shared if t.edge("THING") is not None and (numbered or t.trees("objpost")))
            of_things = next(things, None)
            if rates(ctx.names, draft):  # "rated and viewed the lamp below 3"
                of_things = next((t for t in shared if t.name == "amount" or t.trees("objpost", "score")), None)
            if of_things is not None:
                raise refusal(of_things, f'"{ctx.text(of_things)}": what they cost, or what they were rated?', "vague")
            shared = [t.without("objpost", "score") for t in shared if t.name not in ("amount", "score", "stars")]
        mine = {h.event for h in draft.hit.candidates}
        theirs = [t for t in after.event.tails if mine.isdisjoint(c.event for c in t.meaning.candidates)]
        if theirs or (nouns and not nouns <= set().union(*(ctx.names.stems(event) for event in mine))):
            shared = [t for t in shared if t.name in ("obj", "ref")]  # "donated and attended an event in Leeds"
        if not shared and not after.event.tails and not nouns:
            continue
        tails = [
            t
            for t in after.event.tails
            if any(c.event in {h.event for h in draft.hit.candidates} for c in t.meaning.candidates)
        ]
        given = _that_fit(ctx, draft, shared, tails)
        if given is None:
            continue
        shared, tried, apart = given
        if all(mention.profile for mention in tried):
            continue  # a place of the contact is no object
        if apart:
            raise refusal(here, f'"{ctx.text(here)}" what? Several things stand behind the next verb.', "vague")
        if open_ or ctx.choose((True, False), ctx.text(here)):
            draft.objects, draft.tails = [*draft.objects, *shared], [*draft.tails, *tails]


def _takes_none(ctx: Context, draft: EventDraft, after: EventDraft) -> bool:
    """Whether a verb cannot share the object of the next one: it is the same again ("bought but not Corvino"), passive
    ("was refunded"), has none ("checked out", "searched") or one of its own ("placed an order")."""
    assert draft.hit is not None
    if {c.event for c in draft.hit.best()} == {c.event for c in (after.hit or draft.hit).best()}:
        return True
    words = [word.low for word in ctx.names.lattice.words[: draft.end]]
    verb, before = words[draft.first :], [word for word in words[: draft.first] if word not in _ADVERBS]
    said = before[-1:] if before[-2:-1] != ["there"] else []  # but "there are"
    passive = bool(_PASSIVE & {verb[0], *said})
    return passive or " ".join(verb) in lexicon.NO_OBJECT or (len(verb) > 1 and verb[-1] in lexicon.OWN_OBJECT)


_PASSIVE = frozenset({"was", "were", "been", "being", "is", "are", "got"})
_ADVERBS = frozenset({"not", "also", "never", "ever", "just", "only", "already", "both", "either", "neither"})


def _costs(draft: EventDraft, thing: Tree) -> bool:
    """Whether it is said what a thing costs: "a product under 50"."""
    return bool(thing.trees("objpost")) or (not draft.summed and any(t.name == "amount" for t in draft.objects))


def _that_fit(
    ctx: Context, draft: EventDraft, shared: list[Tree], tails: list[Edge]
) -> tuple[list[Tree], list[Mention], bool] | None:
    """What a verb takes of the phrases behind the next one: all of them, or the object with those of its filters that
    this event can have ("viewed and bought a saddle with a coupon"). With them what it then is, and whether its objects
    stand apart; None where not even the object fits."""

    def tried(objects: list[Tree]) -> tuple[list[Tree], list[Mention], bool] | None:
        trial = replace(draft, objects=[*draft.objects, *objects], tails=list(tails))
        apart = objects_apart(ctx.names, trial)
        try:
            return objects, resolve_mention(ctx.names, apart[0][0][0] if apart else trial, ctx.window), bool(apart)
        except Refused:
            return None

    whole = tried(shared)
    objects = [t for t in shared if t.name in ("obj", "ref")]
    if whole is not None or not (objects or tails):
        return whole
    bare = [t.without("objpost", "score") for t in objects]
    found = tried(objects) or tried(bare)
    for tree in shared:
        more = tried([*found[0], tree]) if found is not None and tree not in objects else None
        found = more or found
    return found


def _is_passive(ctx: Context, draft: EventDraft) -> bool:
    """Whether the noun of an event stands before its verb: "a ride booked"."""
    words = ctx.names.lattice.words[draft.first : draft.end]
    return len(words) > 1 and in_the_past(words[-1].low)


def _share_ways(ctx: Context, here: Clause, after: Clause) -> None:
    """ "viewed or bought on mobile", "upgraded or downgraded to Basic": how it was done, behind the last of bare verbs,
    may be said of each of them, where it fits them all."""
    draft, last = here.event, after.event
    if draft is None or last is None or draft.objects or draft.said() - {"only"}:
        return
    if draft.hit is not None and last.hit is not None and draft.hit.best() == last.hit.best():
        return  # "bought but not on mobile": the same verb is not both
    ways = [t for t in last.objects if t.name in _WAYS]
    if not ways or len(ways) < len(last.objects) or after.link.also:
        return
    try:
        tried = resolve_mention(ctx.names, replace(draft, objects=list(ways)), ctx.window)
    except Refused:
        return
    if not any(mention.profile for mention in tried) and ctx.choose((True, False), ctx.text(after)):
        draft.objects = list(ways)


_WAYS = frozenset({"prepared", "value_key", "keyed", "keyed_bound", "has_property", "amount"})


def _refer_back(ctx: Context, clauses: list[Clause]) -> None:
    """ "viewed a helmet but did not buy the product": the product is the one named before, as "it" would be."""
    for before, clause in pairwise(clauses):
        draft = clause.event
        if draft is None or before.event is None:
            continue
        for n, tree in enumerate(draft.objects):
            thing = tree.children[0] if tree.name == "obj" and len(tree.children) == 1 else None
            if (
                not isinstance(thing, Edge)
                or thing.category != "THING"
                or thing.meaning != "product"
                or not thing.first
            ):
                continue
            said = [word.low for word in ctx.names.lattice.words[thing.first - 1 : thing.end]]
            if said in (["the", "product"], ["the", "item"]):
                draft.objects[n] = Tree("ref", (thing,))


def _share_same(clauses: list[Clause]) -> None:
    """ "viewed, carted and bought the same product": all three of one."""
    for before, here, after in reversed(list(zip(clauses, clauses[1:], clauses[2:], strict=False))):
        listed = here.link.kind in JOINTS and after.link.kind in JOINTS and not (here.who or after.who)
        if not listed or before.event is None or here.event is None or after.event is None:
            continue
        same = [t for t in after.event.objects if t.name == "same"]
        if same and not here.event.noun and not here.event.says_more():
            here.event.objects.extend(same)


def _order_of_each(ctx: Context, clauses: list[Clause]) -> None:
    """ "bought after viewing or carting": after either of them. What has the form of the verb behind "after", or is a
    noun, goes on with it; a verb with a subject ("after they viewed or carted") may open its own condition."""
    for before, clause in pairwise(clauses):
        near = before.event is not None and (before.event.time.within_of is not None or bool(before.event.time.near))
        if near and _goes_on(clause) and clause.negation is None and _form(ctx, clause) == "participle":
            raise refusal(clause, f'"{ctx.text(clause)}": within the same time?', "vague")
    for k in range(len(clauses) - 1, 0, -1):
        head = clauses[k]
        more = _alternatives(clauses, k)
        if head.link.kind not in _ORDERED or head.event is None or not more:
            continue
        form = _form(ctx, head)
        alike = [clause.verbless or _form(ctx, clause) == form for clause in more]
        joints = {clause.link.kind for clause in more} - {"comma"}
        denied = more[0].negation is not None
        open_ = not denied and form == "finite" and not any(clause.verbless for clause in more)
        s = k - 1
        while s and clauses[s].link.kind in _ORDERED:
            s -= 1
        plain = clauses[s].negation is None or any(c.event is None or _is_past(ctx, c.event) for c in more)
        if plain and (not all(alike) or (open_ and head.link.kind == "then" and joints != {"or"})):
            continue  # but "didn't view then click or review"
        first, end = clauses[s], k + 1 + len(more)
        words = ctx.names.lattice.text(head.first, more[-1].end)
        coordinated = s and _goes_on(first) and clauses[s - 1].happens
        ordered_on = end < len(clauses) and clauses[end].link.kind in _ORDERED
        gaps = [c for c in clauses[s:end] if c.event is not None and c.event.time.withins]
        unclear = coordinated or ordered_on or len(joints) != 1 or (denied and gaps) or first.negation is not None
        if first.event is None or first.either or unclear:
            raise Refused("vague", head.first, more[-1].end, f'"{words}": which of them, and when?')
        if open_ and not ctx.choose((True, False), words):
            continue
        (joint,) = joints
        last = more[-1].event
        if gaps and joint == "or" and last is not None and gaps == [more[-1]]:
            for alternative in (head, *more[:-1]):
                if alternative.event is not None and not _own(alternative):
                    alternative.event.time = replace(alternative.event.time, withins=last.time.withins)
        if gaps and joint == "and":
            raise Refused("unsupported", head.first, more[-1].end, f'"{words}" within one time is not read.')
        first.either = joint == "or"
        found = clauses[s : k + 1]
        for clause in more:
            again = [replace(c, event=c.event.copy()) for c in clauses[s:k] if c.event is not None]
            again[0] = replace(
                again[0], link=Link("or" if joint == "or" else "and"), who=False, either=False, copied=True
            )
            found += [*again, replace(clause, link=head.link)]
        clauses[s:end] = found


def _alternatives(clauses: list[Clause], k: int) -> list[Clause]:
    """The events behind one that are joined to it by and or or, with its own negation or none."""
    found: list[Clause] = []
    for clause in clauses[k + 1 :]:
        if not _goes_on(clause) or clause.event is None or clause.negation is not clauses[k].negation:
            break
        found.append(clause)
    return found


def _form(ctx: Context, clause: Clause) -> str:
    """The form of what says an event: a participle ("viewing"), a noun by itself, or a verb that has a subject."""
    draft = clause.event
    if draft is None or clause.perfect:
        return "finite"
    if ctx.names.lattice.words[draft.first].low.endswith("ing"):
        return "participle"
    return "noun" if draft.noun and not clause.verbal else "finite"


def _reach_order(ctx: Context, clauses: list[Clause]) -> None:
    """ "neither viewed nor bought after a refund", "viewed and bought a helmet after a ride": of verbs that share an
    object or a negation, the order in time is said of each; of others it may be of the last alone."""
    found: list[Clause] = []
    for clause, after in zip_longest(clauses, clauses[1:]):
        single = after is None or after.link.kind not in _ORDERED
        last = found[-1].event if found else None
        alternative = bool(found) and found[-1].link.kind == "or"
        ordered = clause.link.kind in ("after", "before") or (clause.link.kind == "then" and alternative)
        gap = _counts_on(clause) and alternative and (clause.link.kind == "but" or clause.negation is not None)
        ordered = ordered or gap  # "viewed or carted but didn't buy within 7 days"
        if clause.event is None or last is None or not ordered or not single:
            found.append(clause)
            continue
        first = len(found) - 1
        while first and _goes_on(found[first]) and found[first - 1].event is not None and not _own(found[first - 1]):
            first -= 1
        run, behind = found[first:-1], found[-1]
        theirs = [t for c in run if c.event is not None for t in (*c.event.objects, *c.event.tails)]
        shared = all(any(t is o for o in (*last.objects, *last.tails)) for t in theirs)
        shared = shared and not any(c.event.noun or _own_nouns(ctx, c.event) for c in run if c.event is not None)
        denied = behind.negation is not None and all(c.negation is behind.negation for c in run)
        if run and (shared or denied or gap or ctx.choose((True, False), ctx.text(clause))):
            for c in found[first + 1 :] if gap else ():
                c.copied = True
            pairs = [(c, replace(clause, event=clause.event.copy())) for c in run]
            found[first:] = [*(c for pair in pairs for c in pair), behind]
        found.append(clause)
    clauses[:] = found


def _counts_on(clause: Clause) -> bool:
    """Whether a clause, joined by and or but, has a gap that counts from what came before it: "within 7 days"."""
    draft = clause.event
    if draft is None or clause.who or clause.link.kind not in ("and", "but") or draft.time.windows:
        return False
    return bool(gaps_of(draft))


def _goes_on(clause: Clause) -> bool:
    """Whether a clause is one more verb of a coordination, and opens nothing new."""
    link = clause.link
    plain = link.kind == "comma" or (link.kind in ("and", "or", "nor") and not link.comma)
    return plain and not (clause.who or link.also or clause.contrast or clause.either or clause.copied)


def _lacks_object(draft: EventDraft) -> bool:
    """Whether a verb that never stands without an object has none: "viewed on mobile"."""
    said = {c.event for c in draft.hit.best()} if draft.hit is not None else set()
    return (
        bool(said)
        and said <= lexicon.NEED_OBJECT
        and all(t.name == "prepared" for t in draft.objects)
        and not draft.said() - {"only", "number", "window", "again"}
        and draft.quant is None
    )


def _has_items(ctx: Context, hit: EventHit) -> bool:
    """Whether an event is about products, so that "it" can be one of them."""
    return any(ctx.names.keys(c.event, "item") for c in hit.candidates)


def _own_nouns(ctx: Context, draft: EventDraft) -> set[str]:
    """The nouns of an event that was named in full by more than its verb."""
    if draft.hit is None or draft.hit.candidates[0].tier != "full":
        return set()
    event = draft.hit.candidates[0].event
    return set(ctx.names.stems(event)) - ctx.names.verbs(event)


_SHARED = frozenset("obj ref amount keyed keyed_bound prepared value_key has_property named_thing dated".split())


def _settle_commas(clauses: list[Clause]) -> None:
    """ "A, B or C" is one or: a list comma takes the joint that the list ends with; commas alone are an and."""
    for i, clause in enumerate(clauses):
        if clause.link.kind != "comma":
            continue
        following = next((c for c in clauses[i + 1 :] if c.link.kind != "comma" or c.who != clause.who), None)
        alternative = following is not None and following.link.kind == "or" and following.who >= clause.who
        clause.link = replace(clause.link, kind="or" if alternative else "and", comma=False, listed=True)


def _within_of_each(clauses: list[Clause]) -> None:
    """ "viewed or bought within 30 days": either of them in the last so many."""
    for i in range(len(clauses) - 1, 0, -1):
        here, after = clauses[i - 1], clauses[i]
        if here.event is None or after.event is None or after.link.kind != "or" or after.who or after.copied:
            continue
        apart = _own(here) or _timeless(here) or here.link.kind in _ORDERED
        if after.event.time.withins and not after.event.time.windows and not here.event.time.withins and not apart:
            here.event.time = replace(here.event.time, withins=after.event.time.withins)


def _place_prior(ctx: Context, clauses: list[Clause]) -> None:
    """ "the 30 days prior": just before the window that was named before."""
    for i, clause in enumerate(clauses):
        draft = clause.event
        prior = draft.time.prior if draft is not None else None
        if draft is None or prior is None:
            continue
        named = next(
            (e for c in reversed(clauses[:i]) if c.event is not None for e in reversed(c.event.time.windows)), None
        )
        period = ctx.window(named).period if named is not None else None
        if period is None:
            raise refusal(prior, "There is no window before that this could precede.")
        window = Window(Preceding(prior.meaning.span, period))
        edge = replace(prior, category="WIN", meaning=(window,))
        draft.time = replace(draft.time.at(edge), prior=None)


# ── windows ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _runs(ctx: Context, clauses: list[Clause]) -> list[list[Clause]]:
    """Coordinations: verbs with times, up to a repeated "who" or a condition of another kind; a time that is set off by
    a comma at the end is that of all."""
    runs: list[list[Clause]] = [[]]
    last = clauses[-1].event if clauses else None
    whole = last is not None and last.time.set_off
    if not whole and any(c.who and c.link.listed for c in clauses[:-1]) and clauses[-1].who and _after(clauses[-1]):
        whole = ctx.choose((True, False), ctx.text(clauses[-1]))  # "who viewed, who clicked or who bought in May"
    for clause in clauses:
        if clause.who and runs[-1] and not (whole and clause.link.kind in JOINTS):
            runs.append([])
        if clause.event is not None or clause.spent is not None or clause.late:
            runs[-1].append(clause)
    return [run for run in runs if run]


def _own(clause: Clause) -> bool:
    """Whether a clause has a time of its own; never and ever are one."""
    if clause.window is not None or clause.late:
        return True
    if clause.spent is not None:
        return any(e.category in ("WIN", "EVER", "WITHIN") for t in clause.spent.trees("spentarg") for e in t.leaves())
    draft = clause.event
    assert draft is not None
    return (
        draft.time.settled
        or draft.time.either is not None
        or (draft.regular is not None and draft.regular.meaning.how == "blocks")
    )


def _timeless(clause: Clause) -> bool:
    return clause.negation is not None and clause.negation.never


def _after(clause: Clause) -> list[Edge]:
    """The windows that stand after a clause's verb."""
    if clause.spent is not None:
        return [
            e
            for t in clause.spent.trees("spentarg")
            for late in t.trees("late")
            for e in late.leaves()
            if e.category == "WIN"
        ]
    return list(clause.event.time.after if clause.event is not None else clause.late)


def _last_so_many(clause: Clause) -> list[Edge]:
    """ "viewed within 30 days": what is said so of a verb that follows no other is in the last so many."""
    draft = clause.event
    if draft is None or clause.link.kind not in ("start", "loose") or draft.time.within_of is not None:
        return []
    return _last_spans(gaps_of(draft))


def _last_spans(gaps: Sequence[Edge]) -> list[Edge]:
    """Gaps as the time before now: "in 30 days" as the last 30 days."""
    return [replace(e, category="WIN", meaning=(Window(Rolling(e.meaning.span)),)) for e in gaps]


def _before(clause: Clause) -> list[Edge]:
    return list(clause.event.time.before) if clause.event is not None else []


def _chained(clause: Clause) -> bool:
    return clause.link.kind in _ORDERED or (
        clause.event is not None
        and bool(clause.event.time.withins)
        and isinstance(clause.event.time.withins[0].meaning, Within)
    )


def reach_over_list(ctx: Context, clauses: list[Clause]) -> None:
    """ "at least two of: A, B, C, in 2026": a time at the end is that of all that have none; without the comma before
    it, it may be the last one's."""
    timed = [clause for clause in clauses if clause.event is not None or clause.spent is not None]
    last = timed[-1].event if timed else None
    edges = _after(timed[-1]) if len(timed) > 1 and not all(map(_own, timed[:-1])) else []
    apart = last is not None and last.time.set_off
    if edges and (apart or ctx.choose((True, False), ctx.text(edges[0]))):
        _reach(ctx, timed)


def _reach_rhythm(ctx: Context, run: list[Clause]) -> None:
    """ "viewed and reviewed in each of the last 3 weeks": how regularly, at the end, may be said of each verb."""
    last = run[-1]
    regular = last.event.regular if last.event is not None else None
    reached: list[EventDraft] = []
    for here, after in zip(reversed(run[:-1]), reversed(run[1:]), strict=True):
        draft, alike = here.event, here.negation is last.negation
        if draft is None or draft.said() or draft.noun or not alike or not _goes_on(after):
            break
        reached.append(draft)
    if regular is not None and reached and ctx.choose((True, False), ctx.text(regular)):
        for draft in reached:
            draft.regular = regular


def _reach(ctx: Context, run: list[Clause]) -> None:
    """Section 8: which verbs of a coordination a window reaches."""
    given: dict[int, list[Edge]] = {}
    if _before(run[0]):
        for clause in run[1:]:
            if not _own(clause) and not _timeless(clause):
                given[id(clause)] = _before(run[0])
    for k in range(len(run) - 1, 0, -1):
        edges = _after(run[k])
        if not edges or run[k].contrast or (run[k].late and (run[k].link.kind == "loose" or not run[k].happened)):
            continue
        last = run[k].event
        set_off = last is not None and last.time.set_off
        for i in range(k - 1, -1, -1):
            here = run[i]
            if _own(here) or id(here) in given:
                break
            if _timeless(here) and here.negation is not run[k].negation:
                continue
            link = run[i + 1].link
            if here.event is not None and here.event.noun and not here.verbal and link.kind in ("start", "loose"):
                break  # "petition signers donated in May"
            if _chained(run[i + 1]):
                given[id(here)] = edges
                continue
            if i == 0 and here.event is not None and here.event.time.withins:
                break  # "placed 2 orders in 7 days but none in 2025": of what comes first it is its own time
            if not set_off:
                if link.also and link.comma:
                    break
                bound = link.comma and link.kind in ("and", "but", "or") and len(run) == 2
                if bound and not ctx.choose((True, False), ctx.text(edges[0])):
                    break
            if _needs_readings(here, run[k]) and not ctx.choose((True, False), ctx.text(edges[0])):
                continue
            given[id(here)] = edges
    for i in range(len(run) - 1):
        first, second = run[i], run[i + 1]
        edges = _after(first) or _last_so_many(first)
        negation = second.negation
        if not edges or not _denies(second) or _own(second) or id(second) in given or _chained(second):
            continue
        if first.since is not None:  # "signed up in May but didn't review": a sign-up is only once
            continue
        if second.link.kind in ("and", "but", "loose") and ctx.choose((True, False), ctx.text(edges[0])):
            given[id(second)] = edges
            for other in run[i + 2 :]:
                if negation is not None and other.negation is negation and not _own(other):
                    given[id(other)] = edges
    _reach_of_dates(ctx, run, given)
    for clause in run:
        edges = given.get(id(clause), [])
        if edges and clause.event is not None:
            clause.event.time = clause.event.time.at(*edges)
        elif edges:
            clause.window = ctx.windows(edges)


def _denies(clause: Clause) -> bool:
    """Whether it says that there was none, and no never: "did not buy", "without a review", "bought no helmet"."""
    if clause.negation is not None:
        return not clause.negation.never
    draft = clause.event
    return draft is not None and (
        draft.none() or any(quant.has("NONE") for obj in draft.objects for quant in obj.trees("quant"))
    )


def _reach_sign_ups(ctx: Context, clauses: list[Clause]) -> None:
    """ "signed up and bought in March": a sign-up without a time of its own lies in that at the end, too; so does an
    abandoned cart, and a return."""
    for i, clause in enumerate(clauses):
        never = clause.negation is not None and clause.negation.never
        if clause.condition is None or never or _in_time(clause, clause.condition, ALWAYS) is None:
            continue
        for later in clauses[i + 1 :]:
            link = later.link
            if later.who or link.also or link.kind in ("after", "loose"):
                break
            edges = _after(later)
            unclear = _needs_readings(clause, later) or (link.comma and link.kind in ("and", "but"))
            if edges and (not unclear or ctx.choose((True, False), ctx.text(edges[0]))):
                clause.condition = _in_time(clause, clause.condition, ctx.windows(edges)) or clause.condition
            if edges:
                break


def _in_time(clause: Clause, condition: Condition, window: Window) -> Condition | None:
    """What happened at any time, in a window; None where it is something else, or has a time of its own."""
    match condition:
        case Not(of):
            inner = _in_time(clause, of, window)
            return negated(inner) if inner is not None else None
        case Attribute((name,), Known(known)) if name == clause.since:
            during = Attribute((name,), During(window))
            return during if known else negated(during)
        case CameBack(window=own) if clause.happened and own == ALWAYS:
            return replace(condition, window=window)
        case _ if clause.happened and condition == abandoned(ALWAYS):
            return abandoned(window)
    return None


def _reach_of_dates(ctx: Context, run: list[Clause], given: dict[int, list[Edge]]) -> None:
    """ "viewed and bought within 7 days of signing up": the second, or both."""
    for k in range(len(run) - 1, 0, -1):
        last = run[k].event
        if last is None or not last.time.near or run[k].contrast:
            continue
        reached: list[EventDraft] = []
        for i in range(k - 1, -1, -1):
            here, link = run[i], run[i + 1].link
            if here.event is None or _own(here) or id(here) in given or link.also or link.comma:
                break
            if not _timeless(here):
                reached.append(here.event)
        both = ctx.choose((False, True), ctx.text(run[k])) if reached else False
        for draft in reached if both else ():
            draft.time = replace(draft.time, near=last.time.near)


def _needs_readings(here: Clause, last: Clause) -> bool:
    """A perfect negation on one side of a window only: all time, or the same window."""
    if last.negation is not None and last.negation.tense == "perfect" and here.negation is None:
        return True
    return here.negation is not None and here.negation.tense == "perfect" and last.negation is None
