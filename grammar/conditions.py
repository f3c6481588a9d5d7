"""Phrases that are conditions by themselves, wherever they stand: after a verb, a noun or whose. One case a rule."""

from __future__ import annotations

from dataclasses import replace

from grammar.comparisons import (
    event_share,
    lasted,
    measure_average,
    measure_bound,
    measure_share,
    measure_than,
    measure_than_all,
    measure_versus,
    rank_share,
    spent_event,
    versus_average,
    versus_distinct,
    versus_events,
    versus_nouns,
    versus_values,
    versus_windows,
)
from grammar.context import Context
from grammar.draft import EventDraft, Tree, refusal
from grammar.event_drafts import OBJECTS, done_to
from grammar.measures import money_of, need_orders, orders
from grammar.predicates import (
    abandoned,
    basket,
    event_condition,
    fate,
    favourite,
    inactive,
    lapsed,
    mostly,
    stopped,
    whose_extreme,
)
from grammar.profile import (
    age,
    age_bare,
    attribute_condition,
    birthday,
    boolean,
    born,
    has_values,
    named,
    on_plan,
    signed_up,
    tagged,
    value_key_is,
)
from grammar.query import (
    ALWAYS,
    Aggregate,
    CameBack,
    Condition,
    Count,
    Events,
    MeanOverContacts,
    Member,
    Not,
    Spend,
    Versus,
    all_of,
    any_of,
    negated,
)
from grammar.values import ORDER, place_condition


def condition_of(ctx: Context, core: Tree) -> Condition:
    """A phrase that is a condition by itself, wherever it stands: after a verb, a noun or whose."""
    match core.name:
        case "versus_windows":
            return versus_windows(ctx, core)
        case "versus_events":
            return versus_events(ctx, core)
        case "versus_noun_windows":
            more, noun = core.leaf("MORE"), core.leaf("EN")
            draft = EventDraft(noun.first, noun.end, noun.meaning, noun=True)
            general = core.edge("GENV")
            events = ctx.events(done_to(ctx.names, general, draft) if general is not None else draft, ALWAYS)
            one, two = (Count(replace(events, window=w)) for w in ctx.two_windows(core.own("WIN")))
            return Versus(one, more.meaning, two)
        case "versus_values":
            return versus_values(ctx, core)
        case "versus_average":
            return versus_average(ctx, core)
        case "versus_distinct":
            return versus_distinct(ctx, core)
        case "spent_versus_events":
            more = core.leaf("MORE")
            window = ctx.late(core.trees("late"))
            sides = [money_of(ctx, noun, window) for noun in core.own("EN", "TAIL")]
            return Versus(sides[0], more.meaning, sides[1])
        case "spent_versus":
            more = core.leaf("MORE")
            paid, bought = core.edge("EN", "TAIL"), core.tree(*OBJECTS)
            if paid is None:
                need_orders(ctx, core)
            wins = ctx.two_windows(core.own("WIN"))
            sum_ = money_of(ctx, paid, ALWAYS) if paid is not None else Spend(orders(ctx, bought, ALWAYS))
            assert isinstance(sum_, Aggregate | Spend)
            left, right = (replace(sum_, events=replace(sum_.events, window=w)) for w in wins)
            return Versus(left, more.meaning, right)
        case "spent_average":
            need_orders(ctx, core)
            word = core.edge("AVGUNDER", "AVGOVER", "MORE")
            under = word is not None and (word.category == "AVGUNDER" or word.meaning == "<")
            spend = Spend(Events(ORDER, (), ctx.late(core.trees("late"))))
            return Versus(spend, "<" if under else ">", MeanOverContacts(spend))
        case "abandoned":
            return abandoned(ctx.late(core.trees("late")))
        case "inactive":
            return inactive(ctx, core)
        case "boolean":
            return boolean(core.leaf("BOOL"))
        case "came_back":
            edge = core.leaf("SPANBOUND")
            sign, span = edge.meaning
            if sign not in (">", ">="):
                raise refusal(edge, "Coming back is read after more than some time.")
            return CameBack(span, ctx.late(core.trees("late")))
        case "in_segment":
            segment, _ = core.leaf("INSEGMENT").meaning
            return Member(segment)
        case "moved_segment":
            segment, how = core.leaf("MOVED").meaning
            return Member(segment, how, ctx.late(core.trees("late")))
        case "signed_up":
            return signed_up(ctx, core)
        case "spent_event":
            return spent_event(ctx, core)
        case "lasted":
            return lasted(ctx, core)
        case "versus_nouns":
            return versus_nouns(ctx, core)
        case "value_key_is":
            return value_key_is(ctx, core)
        case "stopped":
            return stopped(ctx, core)
        case "has_keys" | "lacks_keys":
            core.own("BOTH", "NONE", "NEITHER", "NOR")
            each = core.name.removesuffix("s")
            return all_of(*(attribute_condition(ctx, Tree(each, (key,))) for key in core.own("KEY")))
        case "any_keys":
            core.own("EITHER")
            return any_of(*(attribute_condition(ctx, Tree("has_key", (key,))) for key in core.own("KEY")))
        case "lacks_all":  # "without an email and a phone": neither, or not both
            lacking = [attribute_condition(ctx, Tree("lacks_key", (key,))) for key in core.own("KEY")]
            return ctx.choose([all_of(*lacking), any_of(*lacking)], ctx.text(core))
        case "value_key_not":
            return negated(value_key_is(ctx, core))
        case "has_key" | "lacks_key" | "key_cond" | "bound_key":
            return attribute_condition(ctx, core)
        case "measure_bound":
            return measure_bound(ctx, core)
        case "measure_average" | "whose_average":
            return measure_average(ctx, core)
        case "measure_share":
            return measure_share(ctx, core)
        case "event_share":
            return event_share(ctx, core)
        case "measure_than":
            return measure_than(ctx, core)
        case "measure_than_all":
            return measure_than_all(ctx, core)
        case "measure_versus":
            return measure_versus(ctx, core)
        case "place":
            vlist = core.part("vlist")
            return place_condition(ctx.names, vlist)
        case "has_values":
            return has_values(ctx, core)
        case "on_plan":
            return on_plan(ctx, core)
        case "born":
            return born(ctx, core)
        case "lapsed":
            word, span = core.leaf("LAPSED"), core.leaf("WIN", "LASTING", "WITHIN")
            return lapsed(ctx, word, ctx.span_window(span))
        case "age":
            core.own("OR")
            ages = [age(ctx, core, edge.meaning) for edge in core.own("AGEP")]
            return any_of(*ages, age_bare(ctx, core)) if core.has("BOUND") else any_of(*ages)
        case "age_bare":
            return age_bare(ctx, core)
        case "place_outside":
            return negated(place_condition(ctx.names, core.part("vlist")))
        case "place_aged":
            return all_of(place_condition(ctx.names, core.part("vlist")), age_bare(ctx, core))
        case "tagged":
            return tagged(ctx, core)
        case "named":
            return named(ctx, core)
        case "boolean_not":
            return Not(boolean(core.leaf("BOOL")))
        case "favourite" | "most_done":
            return favourite(ctx, core)
        case "whose_extreme":
            return whose_extreme(ctx, core)
        case "whose_fate" | "fate":
            return fate(ctx, core)
        case "birth" | "birthday":
            return birthday(ctx, core)
        case "basket":
            return basket(ctx, core)
        case "rank_in_share":
            outside = core.edge("OUTSIDE") is not None
            return negated(rank_share(ctx, core)) if outside else rank_share(ctx, core)
        case "neither_tails":  # "booked neither a hut nor a ride"
            window, verb = ctx.late(core.trees("late")), core.leaf("EV")
            core.own("NEITHER", "NOR")
            things = [EventDraft(core.first, core.end, verb.meaning, tails=[tail]) for tail in core.own("TAIL")]
            return all_of(*(negated(event_condition(ctx, thing, window)) for thing in things))
        case "mostly":
            return mostly(ctx, core)
    raise refusal(core, f'"{ctx.text(core)}" is not read here.', "unsupported")
