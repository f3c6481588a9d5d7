"""A flat list of clauses to one condition: small rules, each a sentence of SEMANTICS, the same for both readers.

clauses ── keyed conditions to their event ── gaps, shared objects ── negation over lists ── windows (section 8)
        ── sequences and references (section 7) ── and, or, but, either (section 11) ──► Condition
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from grammar import lexicon
from grammar.draft import Clause, EventDraft, Link, Negation, Refused, Tree
from grammar.events import Mention, resolve_mention, sum_bound, vlist_groups
from grammar.mentions import EventHit, everyday
from grammar.names import stem
from grammar.query import (
    ALWAYS,
    AT_LEAST_ONCE,
    Condition,
    Count,
    EventFilter,
    Events,
    Filter,
    Has,
    Level,
    Preceding,
    Property,
    Rolling,
    Spend,
    Step,
    Window,
    all_of,
    any_of,
    negated,
    nodes,
)
from grammar.query import Sequence as Chain
from grammar.when import Within

if TYPE_CHECKING:
    from grammar.mentions import Edge
    from grammar.resolve import _Resolver

JOINTS = ("and", "or", "but", "comma")


# ── before windows: what belongs to which clause ──────────────────────────────────────────────────────────────────


def attach_windows(clauses: list[Clause], resolver: _Resolver) -> None:
    """Everything that moves words from one clause to another, windows last."""
    _attach_keyed(clauses, resolver)
    _fill_gaps(clauses, resolver)
    _check_nor(clauses)
    _spread_negation(clauses, resolver)
    _share_objects(clauses, resolver)
    _settle_commas(clauses)
    _place_prior(clauses, resolver)
    for run in _runs(clauses):
        _reach(run, resolver)


def _attach_keyed(clauses: list[Clause], resolver: _Resolver) -> None:
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
        condition = resolver.keyed_clause(clause, before)
        if condition is not None:
            clause.condition, clause.keyed = condition, None
            kept.append(clause)
    clauses[:] = kept


def _fill_gaps(clauses: list[Clause], resolver: _Resolver) -> None:
    """ "bought Nike but not Puma": the last event again, with the other object, negated."""
    for i, clause in enumerate(clauses):
        if clause.gap is None:
            continue
        before = next((c for c in reversed(clauses[:i]) if c.event is not None), None)
        vlist = clause.gap.tree("vlist")
        again = clause.gap.tree("obj")
        if before is None or before.event is None:
            if vlist is None:
                raise Refused(
                    "no place", clause.first, clause.end, "There is no event before that this could be about."
                )
            groups, joint = vlist_groups(vlist)
            clause.condition = negated(resolver.attribute_list(vlist, groups, "or" if joint else ""))
            clause.gap = None
            continue
        model = before.event
        copied = EventDraft(clause.first, clause.end, model.hit, tails=list(model.tails))
        late = [e for t in clause.gap.trees("late") for e in t.edges()]
        other = [e for e in late if e.category not in ("WIN", "EVER", "PRIOR")]
        if other:
            raise Refused("no place", other[0].first, other[0].end, "This has no part after a negation.")
        prep = next(iter(clause.gap.own(*_PREPS)), None)
        if again is not None:  # "bought a product under 30 and a product over 300": the verb again
            copied.objects = [again]
        elif vlist is None:  # "bought in 2025 but not in 2026": all of it again
            copied.objects, copied.pre = list(model.objects), list(model.pre)
        elif prep is not None:
            copied.objects = [Tree("prepared", (Tree("prep", (prep,)), vlist))]
        else:
            copied.objects = [Tree("obj", (vlist,))]
        copied.windows = [(e, False) for e in late if e.category == "WIN"] or list(model.windows)
        copied.prior = next((e for e in late if e.category == "PRIOR"), None)
        if copied.prior is not None:
            copied.windows = []
        copied.ever = any(e.category == "EVER" for e in late) or model.ever
        clause.event, clause.gap = copied, None


_PREPS = ("VIA", "WITH", "ON", "TO", "FROM", "IN", "FOR")


def _spread_negation(clauses: list[Clause], resolver: _Resolver) -> None:
    """Section 11: "didn't buy or review" is neither; "didn't buy and review" has readings."""
    i = 0
    while i < len(clauses):
        head = clauses[i]
        if head.negation is None or head.event is None or head.event.noun:
            i += 1
            continue
        scope = [i]
        j = i + 1
        while j < len(clauses) and _in_scope(head.negation, clauses[j], resolver):
            scope.append(j)
            j += 1
        last = clauses[scope[-1]].link.kind
        if len(scope) > 1 and last in ("or", "nor"):
            for k in scope[1:]:
                clauses[k].negation = head.negation
                clauses[k].link = Link("and")
        elif len(scope) > 1:
            words = resolver.names.lattice.text(head.first, clauses[scope[-1]].end)
            chosen = resolver.chooser.choose(("neither", "not both", "only the first not"), words)
            if chosen == "neither":
                for k in scope[1:]:
                    clauses[k].negation = head.negation
            elif chosen == "not both":
                for k in scope[1:]:
                    clauses[k].negation = head.negation
                    clauses[k].link = Link("or")
                head.either = True
        i = j


def _in_scope(negation: Negation, clause: Clause, resolver: _Resolver) -> bool:
    """Whether a verb after a negated one is in its reach: no new subject, auxiliary or negation, and a fitting form."""
    if clause.who or clause.negation is not None or clause.perfect or clause.event is None or clause.event.noun:
        return clause.link.kind == "nor" and clause.event is not None
    if clause.link.kind == "nor":
        return True
    if (
        clause.link.kind not in ("and", "or", "comma")
        or clause.link.also
        or (clause.link.comma and clause.link.kind == "and")
    ):
        return False
    if clause.event.withins:
        return False
    if negation.tense != "simple" or negation.never:
        return True
    word = resolver.names.lattice.words[clause.event.first].low
    return not (
        word.endswith("ed")
        or (word in lexicon.IRREGULAR_STEMS and lexicon.IRREGULAR_STEMS[word] != word and stem(word) != word)
    )


def _share_objects(clauses: list[Clause], resolver: _Resolver) -> None:
    """Section 5: two verbs that share an object share its filter ("viewed but did not buy the Red Shirt")."""
    for i in range(len(clauses) - 2, -1, -1):
        here, after = clauses[i], clauses[i + 1]
        if here.event is None or after.event is None or after.who or after.link.kind not in JOINTS or after.link.also:
            continue
        draft = here.event
        if (
            draft.noun
            or draft.objects
            or draft.pre
            or draft.tails
            or draft.times
            or draft.windows
            or draft.ever
            or draft.regular
            or draft.withins
            or draft.which
        ):
            continue
        if after.event.noun or draft.hit is None or draft.hit.candidates[0].tier == "full":
            continue  # a name in full has its object already
        nouns = _own_nouns(after.event, resolver)
        if nouns:  # "opened but never closed a support request": the object stands inside the name
            fitting = tuple(h for h in draft.hit.candidates if nouns <= set(_stems(h.event, resolver)))
            if fitting:
                draft.hit = EventHit(fitting)
        if (
            not nouns
            and not after.event.tails
            and not any(t.name == "obj" and t.tree("vlist") is not None for t in after.event.objects)
        ):
            continue
        shared = [t for t in after.event.objects if t.name in _SHARED]
        if not shared and not after.event.tails and not nouns:
            continue
        tails = [
            t
            for t in after.event.tails
            if any(c.event in {h.event for h in draft.hit.candidates} for c in t.meaning.candidates)
        ]
        trial = replace(draft, objects=list(shared), windows=[], withins=[], tails=list(tails), pre=[])
        try:
            resolve_mention(resolver.names, trial, resolver.window)
        except Refused:
            continue
        draft.objects, draft.tails = list(shared), list(tails)


def _stems(event: str, resolver: _Resolver) -> tuple[str, ...]:
    return next((e.stems for e in resolver.names.index.events if e.event == event), ())


def _own_nouns(draft: EventDraft, resolver: _Resolver) -> set[str]:
    """The nouns of an event that was named in full by more than its verb."""
    if draft.hit is None or draft.hit.candidates[0].tier != "full":
        return set()
    name = next((e for e in resolver.names.index.events if e.event == draft.hit.candidates[0].event), None)
    return set(name.stems) - set(name.verbs) if name is not None else set()


_SHARED = ("obj", "keyed", "keyed_bound", "prepared", "value_key", "has_property", "named_thing", "dated")


def _settle_commas(clauses: list[Clause]) -> None:
    """ "A, B or C" is one or: a list comma takes the joint that the list ends with; commas alone are an and."""
    for i, clause in enumerate(clauses):
        if clause.link.kind != "comma":
            continue
        following = next((c.link.kind for c in clauses[i + 1 :] if c.link.kind != "comma" or c.who), "and")
        clause.link = replace(
            clause.link, kind="or" if following == "or" and not clause.who else "and", comma=False, listed=True
        )


def _place_prior(clauses: list[Clause], resolver: _Resolver) -> None:
    """ "the 30 days prior": just before the window that was named before."""
    for i, clause in enumerate(clauses):
        draft = clause.event
        if draft is None or draft.prior is None:
            continue
        named = next(
            (e for c in reversed(clauses[:i]) if c.event is not None for e, _ in reversed(c.event.windows)), None
        )
        period = resolver.window(named).period if named is not None else None
        if period is None:
            raise Refused(
                "no place", draft.prior.first, draft.prior.end, "There is no window before that this could precede."
            )
        window = Window(Preceding(draft.prior.meaning.span, period))
        draft.windows.append((replace(draft.prior, category="WIN", meaning=(window,)), False))
        draft.prior = None


# ── windows ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _runs(clauses: list[Clause]) -> list[list[Clause]]:
    """Coordinations: verbs with times, up to a repeated "who" or a condition of another kind."""
    runs: list[list[Clause]] = [[]]
    for clause in clauses:
        if clause.who and runs[-1]:
            runs.append([])
        if clause.event is not None or clause.spent is not None:
            runs[-1].append(clause)
    return [run for run in runs if run]


def _own(clause: Clause) -> bool:
    """Whether a clause has a time of its own; never and ever are one."""
    if clause.window is not None:
        return True
    if clause.spent is not None:
        return any(e.category in ("WIN", "EVER", "WITHIN") for t in clause.spent.trees("spentarg") for e in t.leaves())
    draft = clause.event
    assert draft is not None
    return bool(draft.windows) or draft.ever or (draft.regular is not None and draft.regular.meaning.how == "blocks")


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
    return [e for e, before in clause.event.windows if not before] if clause.event is not None else []


def _before(clause: Clause) -> list[Edge]:
    return [e for e, before in clause.event.windows if before] if clause.event is not None else []


def _chained(clause: Clause) -> bool:
    return clause.link.kind in ("then", "after", "before") or (
        clause.event is not None and bool(clause.event.withins) and isinstance(clause.event.withins[0].meaning, Within)
    )


def _reach(run: list[Clause], resolver: _Resolver) -> None:
    """Section 8: which verbs of a coordination a window reaches."""
    given: dict[int, list[Edge]] = {}
    if _before(run[0]):
        for clause in run[1:]:
            if not _own(clause) and not _timeless(clause):
                given[id(clause)] = _before(run[0])
    for k in range(len(run) - 1, 0, -1):
        edges = _after(run[k])
        if not edges:
            continue
        last = run[k].event
        set_off = last is not None and last.set_off
        for i in range(k - 1, -1, -1):
            here = run[i]
            if _own(here) or id(here) in given:
                break
            if _timeless(here):
                continue
            link = run[i + 1].link
            if _chained(run[i + 1]):
                given[id(here)] = edges
                continue
            if not set_off:
                if link.also:
                    break
                bound = link.comma and link.kind in ("and", "but") and len(run) == 2
                if bound and not resolver.chooser.choose((True, False), resolver.text(edges[0])):
                    break
            if _needs_readings(here, run[k]) and not resolver.chooser.choose((True, False), resolver.text(edges[0])):
                continue
            given[id(here)] = edges
    for i in range(len(run) - 1):
        first, second = run[i], run[i + 1]
        edges = _after(first)
        negation = second.negation
        if not edges or negation is None or negation.never or _own(second) or id(second) in given or _chained(second):
            continue
        if second.link.kind in ("and", "but") and resolver.chooser.choose((True, False), resolver.text(edges[0])):
            given[id(second)] = edges
    for clause in run:
        edges = given.get(id(clause), [])
        if edges and clause.event is not None:
            clause.event.windows.extend((e, False) for e in edges)
        elif edges:
            clause.window = resolver.windows(edges)


def _needs_readings(here: Clause, last: Clause) -> bool:
    """A perfect negation on one side of a window only: all time, or the same window."""
    if last.negation is not None and last.negation.tense == "perfect" and here.negation is None:
        return True
    return here.negation is not None and here.negation.tense == "perfect" and last.negation is None


# ── sequences and references ──────────────────────────────────────────────────────────────────────────────────────


def join_clauses(clauses: list[Clause], resolver: _Resolver) -> Condition:
    """The clauses as one condition."""
    resolver.alone = len(clauses) == 1
    parts: list[tuple[Clause, Condition]] = []
    mentions: list[tuple[Clause, Mention]] = []
    i = 0
    while i < len(clauses):
        chain = _chain_from(clauses, i, resolver)
        if len(chain) > 1:
            parts.append((chain[0], _sequence(chain, resolver, mentions)))
        else:
            parts.append((clauses[i], _single(clauses, i, resolver, mentions, parts)))
        i += len(chain)
    parts = [p for p in parts if p[0].first >= 0]
    return _logic(parts)


def _check_nor(clauses: list[Clause]) -> None:
    """ "nor" continues a negation."""
    for before, clause in pairwise(clauses):
        if clause.link.kind == "nor" and before.negation is None:
            raise Refused("no place", clause.first, clause.end, '"nor" needs a negation before it.')


def _chain_from(clauses: list[Clause], i: int, resolver: _Resolver) -> list[Clause]:
    """The clauses from i on that make one sequence in time."""
    chain = [clauses[i]]
    if clauses[i].event is None:
        if i + 1 < len(clauses) and clauses[i + 1].link.kind in ("then", "after", "before"):
            raise Refused("no place", clauses[i].first, clauses[i + 1].end, "Only events stand in a sequence.")
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
    # "A, B and C within N days", "A but not B within N days": the last one's gap makes the list a sequence
    j = i + 1
    listed = [clauses[i]]
    while (
        j < len(clauses)
        and clauses[j].event is not None
        and not clauses[j].who
        and clauses[j].link.kind in ("and", "but")
    ):
        listed.append(clauses[j])
        draft = clauses[j].event
        assert draft is not None
        if draft.withins and isinstance(draft.withins[0].meaning, Within) and not draft.windows:
            return listed
        if clauses[j].negation is not None:
            break
        j += 1
    return chain


def _sequence(chain: list[Clause], resolver: _Resolver, mentions: list[tuple[Clause, Mention]]) -> Condition:
    """Clauses in the order of time as one sequence; a window of one step is that of all."""
    ordered: list[Clause] = [chain[0]]
    for clause in chain[1:]:
        if clause.link.kind == "after":
            ordered.insert(len(ordered) - 1, clause)
        else:
            ordered.append(clause)
    spans = [e for c in chain for e in (c.event.withins if c.event is not None else [])]
    if len(spans) > 1:
        raise Refused("no place", spans[1].first, spans[1].end, "Two gaps in one sequence.")
    within = spans[0].meaning.span if spans else None
    windows: list[Window] = []
    found: list[Mention] = []
    for clause in chain:
        draft = clause.event
        assert draft is not None
        if draft.regular or draft.which == "last" or draft.only or draft.prior or draft.within_of:
            raise Refused("unsupported", draft.first, draft.end, "Such an event is no step of a sequence.")
    whole_negation = ordered[0].negation is not None and ordered[0] is chain[0]
    from_first = False
    steps: list[Step] = []
    same: Property | None = None
    for clause in chain:
        draft = clause.event
        assert draft is not None
        if mentions and (draft.another or any(t.name == "another" for t in draft.objects)) and draft.hit is not None:
            best = [c for c in draft.hit.candidates if c.tier == draft.hit.candidates[0].tier]
            before = [c for c in best if c.event == mentions[-1][1].event]
            draft.hit = EventHit(tuple(before)) if before else draft.hit  # another is one more of the same
        mention = resolver.mention(draft, references=True)
        mention = _referred(mention, mentions, draft, resolver)
        found.append(mention)
        mentions.append((clause, mention))
        own = resolver.draft_window(draft)
        if own != ALWAYS:
            windows.append(own)
    distinct = list(dict.fromkeys(windows))
    for clause in ordered:
        k = chain.index(clause)
        mention, draft = found[k], clause.event
        assert draft is not None
        if (
            len(mention.variants) != 1
            or mention.measure != "count"
            or (draft.times is not None and draft.times.bound != AT_LEAST_ONCE)
        ):
            raise Refused("unsupported", draft.first, draft.end, "A number or list in a sequence is not read.")
        if mention.bound != AT_LEAST_ONCE and not (draft.quant is not None and draft.quant.none):
            raise Refused("unsupported", draft.first, draft.end, "A number in a sequence is not read.")
        absent = (clause.negation is not None and not (whole_negation and clause is ordered[0])) or (
            draft.quant is not None and draft.quant.none
        )
        if absent and clause is not ordered[-1]:
            raise Refused(
                "unsupported", draft.first, draft.end, "Only the last step of a sequence may be what did not happen."
            )
        if draft.which == "first":
            if clause is not ordered[0]:
                raise Refused(
                    "unsupported", draft.first, draft.end, "Only the first step may be the first of its kind."
                )
            from_first = True
        own = resolver.draft_window(draft)
        if own == ALWAYS and len(distinct) == 1 and not draft.ever and not (absent and within is not None):
            own = distinct[0]
        if mention.same is not None or (mention.refers and mention.product is None):
            partner = next((m for m in found if m is not mention), None)
            same = _shared_property(mention, partner, draft, resolver)
        steps.append(Step(Events(mention.event, mention.variants[0], own), absent))
    profile = [c for m in found for c in m.profile]
    chain_condition: Condition = Chain(tuple(steps), within, same, True, from_first)
    return all_of(negated(chain_condition) if whole_negation else chain_condition, *profile)


def _referred(
    mention: Mention, mentions: Sequence[tuple[Clause, Mention]], draft: EventDraft, resolver: _Resolver
) -> Mention:
    """ "it": the object of the nearest earlier clause that has one; without a value, the same one (product None)."""
    if not mention.refers:
        return mention
    for _, earlier in reversed(mentions):
        if earlier.product:
            if len(earlier.variants) != 1:
                raise Refused("no place", draft.first, draft.end, '"it" could be either of them.')
            keys = resolver.names.keys(mention.event or "")
            for part in earlier.product:
                names = [p for f in nodes(part) if isinstance(f, Filter) for p in f.properties]
                if not all(
                    any(k.name == p.name and (k.level == p.level or p.level == "order value") for k in keys)
                    for p in names
                ):
                    raise Refused(
                        "wrong key", draft.first, draft.end, f"{mention.event} does not have what it refers to."
                    )
            where = tuple(sorted(dict.fromkeys((*mention.variants[0], *earlier.product)), key=repr))
            return replace(mention, variants=(where,), refers=False, product=earlier.product)
    if not mentions:
        raise Refused("no place", draft.first, draft.end, "It refers to nothing before it.")
    return replace(mention, product=None)


def _shared_property(mention: Mention, partner: Mention | None, draft: EventDraft, resolver: _Resolver) -> Property:
    """The property that "the same …" or "it" holds alike in both events."""
    if partner is None:
        raise Refused("no place", draft.first, draft.end, "The same as what?")
    mine, theirs = resolver.names.keys(mention.event or ""), resolver.names.keys(partner.event or "")

    def common(name: str) -> Property | None:
        levels: tuple[Level, ...] = ("item", "event")
        for level in levels:
            if any(k.name == name and k.level == level for k in mine) and any(
                k.name == name and k.level == level for k in theirs
            ):
                return Property(name, level)
        return None

    wanted = mention.same or "product"
    if wanted == "product":
        found = common("product_id")
        if found is not None:
            return found
        ids = sorted({k.name for k in mine if k.name.endswith("_id") or k.name == "id"} & {k.name for k in theirs})
        if mention.same is None and len(ids) == 1:
            shared = common(ids[0])
            if shared is not None:
                return shared
    elif wanted.startswith("?"):
        word = stem(wanted[1:].split()[-1])
        names = sorted(
            {k.name for k in mine if word in {stem(w) for w in k.name.split("_")}} & {k.name for k in theirs}
        )
        ids = [n for n in names if n.endswith("_id")] or names
        if ids:
            shared = common(ids[0])
            if shared is not None:
                return shared
    else:
        found = common(wanted)
        if found is not None:
            return found
    raise Refused("wrong key", draft.first, draft.end, "The two events share no such key.")


def _single(
    clauses: list[Clause],
    i: int,
    resolver: _Resolver,
    mentions: list[tuple[Clause, Mention]],
    parts: list[tuple[Clause, Condition]],
) -> Condition:
    """One clause by itself, or with the clause before it that it refers to."""
    clause = clauses[i]
    if clause.condition is not None:
        return clause.condition
    if clause.spent is not None:
        return _spent(clause, resolver)
    if clause.window is not None:
        if resolver.counting and len(clauses) == 1:
            return Has(Count(Events(None, (), clause.window)), AT_LEAST_ONCE)
        raise Refused("no place", clause.first, clause.end, "This time has no verb to belong to.")
    draft = clause.event
    if draft is None:
        raise Refused("unsupported", clause.first, clause.end, "This is not read here.")
    if draft.within_of is not None or (draft.which is not None and draft.hit is None):
        return resolver.event_condition(draft, _window(clause, resolver), negation=clause.negation)
    mention = resolver.mention(draft, references=True)
    mention = _referred(mention, mentions, draft, resolver)
    if mention.same is not None or mention.refers or mention.another:
        return _with_partner(clause, mention, mentions, parts, resolver)
    mentions.append((clause, mention))
    return resolver.event_condition(draft, _window(clause, resolver), negation=clause.negation, mention=mention)


def _window(clause: Clause, resolver: _Resolver) -> Window:
    assert clause.event is not None
    if clause.negation is not None and clause.negation.never and not clause.event.windows:
        head = resolver.default_window()
        if head == ALWAYS or resolver.alone:
            return head
        return resolver.chooser.choose((head, ALWAYS), resolver.text(clause))
    return resolver.draft_window(clause.event)


def _with_partner(
    clause: Clause,
    mention: Mention,
    mentions: list[tuple[Clause, Mention]],
    parts: list[tuple[Clause, Condition]],
    resolver: _Resolver,
) -> Condition:
    """Two clauses that share a value, or "another" of a type: one sequence, which takes the earlier clause's place."""
    draft = clause.event
    assert draft is not None
    if not mentions or not parts or parts[-1][0] is not mentions[-1][0]:
        raise Refused("no place", draft.first, draft.end, "It refers to nothing directly before it.")
    other_clause, other = mentions[-1]
    earlier = other_clause.event
    assert earlier is not None
    if clause.link.kind not in ("and", "but") or other_clause.negation is not None or clause.who:
        raise Refused("unsupported", draft.first, draft.end, "Such a reference is not read here.")
    for one, said in ((other, earlier), (mention, draft)):
        if (
            len(one.variants) != 1
            or one.bound != AT_LEAST_ONCE
            or said.times is not None
            or said.regular
            or said.which
            or said.only
            or said.prior
        ):
            raise Refused("unsupported", draft.first, draft.end, "A number in such a pair is not read.")
    first = Step(Events(other.event, other.variants[0], _window(other_clause, resolver)))
    second = Step(
        Events(mention.event, mention.variants[0], _window(clause, resolver)), absent=clause.negation is not None
    )
    if mention.another:
        if clause.negation is not None or other.event != mention.event:
            raise Refused("unsupported", draft.first, draft.end, "Another of which event?")
        pair: Condition = Chain((first, second))
    else:
        pair = Chain((first, second), None, _shared_property(mention, other, draft, resolver), ordered=False)
    parts.pop()
    clause.link = other_clause.link
    mentions.append((clause, mention))
    return all_of(pair, *other.profile, *mention.profile)


def _spent(clause: Clause, resolver: _Resolver) -> Condition:
    """ "spent over 500 (on Nike) (in March)"; with an object that names another event, that event's money."""
    tree = clause.spent
    assert tree is not None
    edge = tree.edge("BOUND", "NUM")
    if edge is None:
        raise Refused("incomplete", tree.first, tree.end, "It is not said how much was spent.")
    bound = sum_bound(edge)
    window = clause.window
    filters: tuple[EventFilter, ...] = ()
    edges: list[Edge] = []
    ever = False
    for arg in tree.trees("spentarg"):
        obj = next((t for t in arg.trees() if t.name not in ("late",)), None)
        if obj is not None:
            if obj.name != "obj" or filters:
                raise Refused("unsupported", obj.first, obj.end, "Spend on this is not read.")
            draft = EventDraft(obj.first, obj.end, everyday("order-completed"))
            draft.objects.append(obj)
            mention = resolver.mention(draft, references=True)
            if len(mention.variants) != 1 or mention.bound != AT_LEAST_ONCE or mention.refers:
                raise Refused("unsupported", obj.first, obj.end, "Spend on one list of products is read.")
            filters = mention.variants[0]
        for late in arg.trees("late"):
            leaf = next(late.edges())
            if leaf.category == "WIN":
                edges.append(leaf)
            elif leaf.category == "EVER":
                ever = True
            elif leaf.category == "WITHIN":
                window = Window(Rolling(leaf.meaning.span))
            else:
                raise Refused("no place", leaf.first, leaf.end, "This has no part beside a sum.")
    resolver.need_orders(tree)
    if edges:
        window = resolver.windows(edges)
    if window is None:
        window = ALWAYS if ever else resolver.default_window()
    measure = resolver.in_currency(Spend(Events("order-completed", filters, window)), edge)
    condition: Condition = Has(measure, bound)
    return negated(condition) if clause.negation is not None else condition


# ── and, or, but ──────────────────────────────────────────────────────────────────────────────────────────────────


def _logic(parts: list[tuple[Clause, Condition]]) -> Condition:
    """Section 11: a repeated who starts a new condition; and binds tighter than or; an or before a but is one group."""
    segments: list[list[tuple[Clause, Condition]]] = [[]]
    for clause, condition in parts:
        if segments[-1] and (clause.who or clause.excluded):
            segments.append([])
        segments[-1].append((clause, condition))
    wholes: list[tuple[str, Condition]] = []
    for segment in segments:
        wholes.append(("or" if segment[0][0].link.kind == "or" else "and", _segment(segment)))
    return _or_of_ands(wholes)


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
