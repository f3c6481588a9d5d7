"""What is asked of a population: its contacts, their number, a share, a value, a breakdown, columns, an order."""

from __future__ import annotations

from dataclasses import replace

from grammar import lexicon
from grammar.amounts import amount_done, doers, times_done, values_done
from grammar.breakdowns import (
    NUMBERS,
    by_key,
    in_window,
    largest,
    mentioned,
    number_of,
    per_time,
    per_value,
    rows_of,
    whom,
)
from grammar.comparisons import by_time_too, is_record
from grammar.context import Context, Head
from grammar.draft import EventDraft, Tree, refusal
from grammar.event_drafts import done_to, enp_draft, first_or_last, plain, same_event, take_args
from grammar.measures import (
    check_any,
    measure_of,
    need_orders,
    own_number,
    rank_measure,
)
from grammar.mentions import Edge, EventHit, ValueHit
from grammar.names import name_stems, stem
from grammar.populations import (
    NMODS,
    POPULATIONS,
    RANKED_SO,
    RELATIVES,
    RESTS,
    VPS,
    claimed_by,
    combined,
    described,
    is_finite,
    noun_phrase,
    population_of,
)
from grammar.profile import age_in_years, attribute_keys, attribute_list, known_attribute
from grammar.query import (
    ALWAYS,
    AgeInYears,
    Attribute,
    AttributeBreakdown,
    AttributeColumn,
    AttributeNumber,
    Column,
    Condition,
    Count,
    CountEvents,
    CountUsers,
    Elapsed,
    Events,
    Everyone,
    Measure,
    MeasureColumn,
    MomentColumn,
    Order,
    Output,
    Percentage,
    Pooled,
    Query,
    Rank,
    Row,
    Rows,
    Spend,
    Text,
    TimeBreakdown,
    Users,
    Value,
    Window,
    all_of,
    any_of,
    did,
    event_types,
    nodes,
)
from grammar.values import ORDER, key_noun, signup_key
from grammar.vocabulary import singular
from grammar.when import Within

_TAILS = frozenset({"per", "per_time", "sort", "direction", "limit", "show", "show_with"})


def _ranked_inside(ctx: Context, tree: Tree, inside: bool = False) -> None:
    """Refused where those who are excepted are ranked, and those before them may be meant: "users except gold members
    who spent the most"."""
    for one in tree.trees():
        if inside and one.name in RANKED_SO:
            raise refusal(one, f'"{ctx.text(one)}": are these ranked, or those before them?', "vague")
        _ranked_inside(ctx, one, inside or one.name in ("except", "be_np", "rank_in"))


def query_of(ctx: Context, tree: Tree) -> Query:
    """The query of a whole question."""
    _ranked_inside(ctx, tree)
    tag, label = tree.edge("TAG"), next((leaf for leaf in tree.leaves() if leaf.category == "LABEL"), None)
    ask = next(t for t in tree.trees() if t.name != "tail" and t.name not in _TAILS)
    tails = [t for t in tree.trees() if t is not ask]
    head = ask.tree("headtime")
    if head is not None:  # "last month, how many people bought"
        ctx = replace(ctx, head=Head(ctx.window(head.leaf("WIN"))))
        ask = Tree(ask.name, tuple(c for c in ask.children if c is not head))
    if ask.name in ("count_in_each", "count_from_each"):
        ask, per = _of_each_kind(ctx, ask)
        tails.append(per)
    each = next((t for t in tails if t.name in ("per", "per_time")), None)
    population, output = _asked(ctx, _counted(ctx, ask, each) if each is not None else ask)
    if each is not None:
        rhythm = next((leaf for leaf in ask.leaves() if leaf.category == "REG"), None)
        if rhythm is not None and isinstance(output, CountUsers) and ctx.text(rhythm).casefold().startswith("each"):
            raise refusal(rhythm, f'"{ctx.text(rhythm)}": on each of them, or for each of them?', "vague")
        population, output = _for_each(ctx, each, population, output)
        tails.remove(each)
    if tag is not None and any(w in ctx.text(tag) for w in ("buyer", "purchaser")):
        population = all_of(population, did(Events(ORDER)))
    number = ask.edge("NUM") if ask.name == "first_users" else None
    if number is not None and not any(tail.name == "sort" for tail in tails):
        raise refusal(number, f'"{ctx.text(number)}": which of them? Say in what order.', "incomplete")
    for tail in tails:
        output = _with_tail(ctx, tail, population, output)
    if label is not None:
        label.used.append(None)
    if head is not None and not ctx.head.used:
        raise refusal(head, f'"{ctx.text(head)}" has no verb to belong to.')
    return Query(population, output, ctx.text(label) if label is not None else None)


def _of_each_kind(ctx: Context, ask: Tree) -> tuple[Tree, Tree]:
    """ "how many people from each country bought" as how many people bought, and for each country of theirs."""
    ask.own("BE", "THERE")
    word, key = ask.leaf("PER"), ask.leaf("KEY")
    theirs = replace(key, meaning=(known_attribute(ctx, key),))
    population = Tree("population", tuple(ask.trees()))
    return Tree("count_users", (ask.leaf("HOWMANY"), population)), Tree("per", (word, theirs))


def _counted(ctx: Context, ask: Tree, each: Tree) -> Tree:
    """ "orders per month", "orders by city": a noun of an event by itself counts the events. "orders every month for
    the last 3 months" is a rhythm of those who ordered (section 14)."""
    population = ask.tree(*POPULATIONS)
    if population is None:
        return ask
    if each.name == "per_time" and each.has("EACHPART") and "REG" in ctx.names.lattice.at[each.first]:
        return ask
    bare = population.tree("bare") if ask.name == "users" else None
    if bare is None:
        return ask
    if len(population.children) > 1:
        raise refusal(ask, f'"{ctx.text(ask)}": events, or those who did them?', "vague")
    return Tree("count_events", bare.children)


def _for_each(ctx: Context, tree: Tree, population: Condition, output: Output) -> tuple[Condition, Output]:
    if tree.name == "per_time":
        return per_time(ctx, tree, population, output)
    key = tree.leaf("KEY", "PKEY")
    if isinstance(population, Rank) and tree.edge("BY") is None and ctx.text(tree.leaf("PER")).casefold() != "by":
        raise refusal(tree, f'The first of each ("{ctx.text(tree)}") are not read.', "unsupported")
    if isinstance(output, Users) and output.limit is not None:
        return population, replace(output, order=_in_order_of(ctx, tree, key))
    if ctx.names.lattice.behind_article(key.first):
        raise refusal(tree, f'"{ctx.text(tree)}" names one of them.')  # "were called by an agent"
    if _by_which_way(ctx, tree, key, population, output):
        raise refusal(tree, f'"{ctx.text(tree)}": how it was done, or for each {ctx.text(key)}?', "vague")
    return per_value(ctx, tree, population, output)


def _in_order_of(ctx: Context, tree: Tree, key: Edge) -> Order:
    """ "the first 10 members by name": in that order."""
    if tree.edge("BY") is None or key.meaning == "product":
        raise refusal(tree, f'"{ctx.text(tree)}": in what order are the first of them taken?', "vague")
    attribute = known_attribute(ctx, key)
    if "number" in attribute.holds:
        raise refusal(tree, f'"{ctx.text(tree)}": the highest or the lowest?', "vague")
    return Order(AttributeColumn(attribute.name), False)


def _asked(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    match tree.name:
        case "users":
            return population_of(ctx, tree.trees()[0]), Users()
        case "claimed":  # "rented a bike: women from Porto", where the words before the colon are no label
            tree.own("COLON", "LP", "RP")
            return claimed_by(ctx, *tree.trees()), Users()
        case "first_users":
            limit, of_whom = tree.leaf("FIRSTN", "NUM"), tree.part(*POPULATIONS)
            if of_whom.tree("np") is None and of_whom.name != "value_population":
                raise refusal(limit, "The first of whom? Only contacts are limited.")
            amount = limit.meaning if limit.category == "FIRSTN" else limit.meaning.bound.value
            if not isinstance(amount, int) or (limit.category == "NUM" and limit.meaning.currency):
                raise refusal(limit, f'"{ctx.text(limit)}" is no number of contacts.')
            return population_of(ctx, of_whom), Users(limit=amount)
        case "longest_here":
            return _longest_here(ctx, tree)
        case "among" | "count_among":
            output = Users() if tree.name == "among" else CountUsers()
            parts = tree.trees()
            asked = next(n for n, part in enumerate(parts) if part.name in VPS)
            _within_what(ctx, parts[0], [t for t in parts[1:asked] if t.name in RELATIVES], parts[asked])
            ranked = isinstance(tree.part("np").part("nphead").children[0], Tree)
            return (_among_ranked(ctx, tree) if ranked else population_of(ctx, _among(tree))), output
        case "spent_by":  # "how much did gold members spend in 2026"
            who = described(ctx, tree.part("np"), tree.trees())
            need_orders(ctx, tree.leaf("SPENT"))
            spend = Spend(Events(ORDER, (), ctx.late(tree.trees("late"))))
            return who, Value("total", spend)
        case "times_done" | "times_so":
            return times_done(ctx, tree)
        case "count_users":
            asked_last = tree.leaf("HOWMANY")
            if asked_last.first > tree.first and not (
                tree.has("COMMA") or ctx.text(asked_last).casefold() == "how many"
            ):
                raise refusal(asked_last, f'"{ctx.text(asked_last)}" of what?')
            of_what = tree.tree("asked")
            if of_what is not None and isinstance(of_what.children[0], Edge):  # "how many did women buy"
                raise refusal(of_what, f'"{ctx.text(of_what)}": how many of what?', "incomplete")
            done = values_done(ctx, tree)
            if done is not None and (_is_passive(tree) or ctx.choose((True, False), ctx.text(tree))):
                return Everyone(), done
            return _whom_counted(ctx, tree), CountUsers()
        case "amount_done":
            return amount_done(ctx, tree)
        case "count_events":
            return _count_events(ctx, tree)
        case "count_any":
            return _count_any_events(ctx, tree)
        case "count_actives":
            actives = tree.leaf("ACTIVES")
            before, head = replace(actives, category="ACTIVEADJ"), replace(actives, category="CONTACT")
            users = Tree("np", (Tree("npre", (before,)), Tree("nphead", (head,))))
            return noun_phrase(ctx, users, tree.trees()), CountUsers()
        case "percentage":
            return _percentage_of(ctx, tree)
        case "value" | "value_all":
            population, number = _value_of(ctx, tree)
            return _timely(ctx, tree, population, number)
        case "value_versus":
            return _value_of_each(ctx, tree)
        case "count_each":
            return _for_each_of_its(ctx, tree)
        case "value_per":
            return _per_contact(ctx, tree)
        case "versus":
            return _rows_of(ctx, tree)
        case "count_versus":
            return _counts_of(ctx, tree)
        case "with_columns":
            listed = tree.part("columns")
            if not any(map(_of_each, listed.trees("shown"))):
                raise refusal(listed, f'"{ctx.text(listed)}": of each of them, or of all together?', "vague")
            return population_of(ctx, tree.part(*POPULATIONS)), Users(_columns(ctx, listed))
        case "top_values":
            return _top_values(ctx, tree)
        case "best_sold" | "top_by" | "most_done" | "least_done" | "most_used" | "most_of" | "most_spent":
            return largest(ctx, tree)
        case "come_from":
            tree.leaf("COMEFROM", "IN", "FROM")
            found = whom(ctx, tree)
            return found, AttributeBreakdown(known_attribute(ctx, tree.leaf("KEY")).name)
        case "everyone_by":
            return Everyone(), by_key(ctx, tree.leaf("KEY"), Everyone(), Users())
    raise refusal(tree, "Such a question is not read.", "unsupported")


def _longest_here(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    """ "the 10 newest members", "oldest accounts": by when they signed up, first bought or were first seen, which are
    readings; the oldest, where they may be persons, by age too."""
    tree.own("WHO", "BE")
    word, contacts, number = tree.leaf("NEWEST", "AGEST"), tree.leaf("CONTACT"), tree.edge("NUM")
    by_age = word.category == "AGEST" and not is_record(ctx, contacts)
    if by_age and not by_time_too(ctx, word, contacts):
        raise refusal(word, f'"{ctx.text(word)}" is of their age.')
    np = Tree("np", (*tree.trees("npre"), Tree("nphead", (contacts,))))
    beside = (t for t in tree.trees() if t.name != "npre")
    population = population_of(ctx, Tree("population", (np, *beside)))
    one = number is None and singular(ctx.text(contacts).casefold()) == ctx.text(contacts).casefold()
    limit = 1 if one else 10 if number is None else number.meaning.bound.value
    if limit != int(limit) or limit < 1:
        raise refusal(tree, f'"{ctx.text(tree)}": how many of them?', "vague")
    if number is None and not one:
        ctx.warnings.append("No number was said: the first 10 are listed.")
    options: list[tuple[Condition, Output]] = []
    if by_age:
        options.append((Rank(age_in_years(ctx, word), limit, among=population), Users()))
    descending = word.meaning in ("newest", "youngest")
    signed_up = signup_key(ctx.names)
    columns: list[Column] = [AttributeColumn(signed_up.name)] if signed_up is not None else []
    columns += [MomentColumn("first", Events(ORDER))] if ORDER in ctx.names.types else []
    columns.append(MomentColumn("first", Events(None)))
    options += [(population, Users(order=Order(column, descending), limit=limit)) for column in columns]
    return ctx.choose(options, ctx.text(word))


def _for_each_of_its(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    """ "how many customers booked each hut": for each value of a key of what they did."""
    np, head, key = tree.part("np"), tree.part("evhead"), tree.leaf("KEY", "PKEY")
    tree.edge("EACHOF")
    verb = head.children[0]
    if isinstance(verb, Edge) and key.meaning != "product":
        having = {k.event for k in key.meaning}
        kept = tuple(c for c in verb.meaning.candidates if c.event in having)
        head = Tree("evhead", (replace(verb, meaning=EventHit(kept)),)) if kept else head
    whose = [t for t in tree.trees() if t.name in (*NMODS, *RELATIVES)]
    args = [t for t in tree.trees() if t.first > head.first and t.name != "late"]
    late = [Tree("window", t.children) for t in tree.trees("late")]
    vp = Tree("vp", (Tree("event", (head, *args, *late)),))
    whom = population_of(ctx, Tree("population", (np, *whose, vp)))
    return whom, by_key(ctx, key, whom, CountUsers())


def _among_ranked(ctx: Context, tree: Tree) -> Condition:
    """ "of the top 20 by spend, who bought a bell": those of them who did, not the top of those who did."""
    rank, *parts = tree.trees()
    of_rank = [t for t in parts if t.name in NMODS and not is_finite(ctx, t)]
    clauses = [t for t in parts if t.name not in RESTS and t not in of_rank]
    return all_of(noun_phrase(ctx, rank, of_rank), combined(ctx, clauses, [t for t in parts if t.name in RESTS]))


def _among(tree: Tree) -> Tree:
    """ "of the people who did A, who did B": those who did A, and who did B."""
    parts = tree.trees()
    asked = next(n for n, part in enumerate(parts) if part.name in VPS)
    for part in parts[asked + 1 :]:
        unit = part.tree("unit")
        if part.tree("or_") is not None and unit is not None and unit.tree("who") is not None:
            raise refusal(part, "Or of those people, or of all?")
    who = Tree("linked", (Tree("and_", ()), Tree("unit", (Tree("who", (parts[asked],)),))))
    given = (t if t.name not in RELATIVES else Tree("loose", (t,)) for t in parts[:asked])
    return Tree("population", (*given, who, *parts[asked + 1 :]))


def _count_events(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    enp = tree.part("enp", "enp_another")
    draft = enp_draft(ctx.names, enp)
    args = [t for t in tree.trees() if t is not enp and t.name != "late" and not t.name.startswith("done_")]
    take_args(ctx.names, draft, args)
    if draft.quant is not None:
        raise refusal(enp, "A number inside a count has no part.")
    noun = enp.leaf("EN")
    keys = ctx.names.lattice.at[noun.first].get("KEY", {}).get(noun.end)
    texts = (
        [k for k in keys.meaning if k.level != "attribute"] if keys is not None and keys.meaning != "product" else []
    )
    part = noun.meaning.candidates[0].tier == "noun" and len(tree.trees()) == 1
    if part and all(ctx.names.verbs(c.event) & lexicon.NEVER_DONE_STEMS for c in noun.meaning.candidates):
        raise refusal(noun, f'"{ctx.text(noun)}" does not say what was done to them.', "incomplete")
    if part and keys is not None and all("text" in k.holds for k in texts):  # "how many trainers"
        raise refusal(noun, f'"{ctx.text(noun)}": how many different ones, or how many events?', "vague")
    population = _by_whom(ctx, tree, draft)
    mention = ctx.mention(plain(ctx.names, draft, "window"), one=True)
    if mention.measure == "distinct":
        raise refusal(tree, "Only events of one kind are counted.")
    window = ctx.draft_window(draft)
    if mention.profile:
        population = all_of(population, *mention.profile)
    events, timely = Events(mention.event, mention.variants[0], window), tree.edge("TIMELY")
    if timely is None:
        options: list[Output] = [CountEvents(events)]
        number = own_number(ctx, enp.leaf("EN"), events)
        if number is not None:
            options.append(Pooled("total", events, number))
        return population, ctx.choose(options, ctx.text(enp))
    held = ctx.names.lattice.at[timely.first].get("VALUE", {}).get(timely.end)
    if held is not None and any(v.key.event in (None, mention.event) for v in held.meaning.values):
        raise refusal(timely, f'"{ctx.text(timely)}" is a value too.', "vague")
    return population, TimeBreakdown(timely.meaning, events)


def _count_any_events(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    """ "how many events did gold members trigger last month": of any type."""
    check_any(ctx, tree.leaf("ANYEVENTS"))
    draft = EventDraft(tree.first, tree.end, None)
    take_args(ctx.names, draft, [t for t in tree.trees() if t.name != "late" and not t.name.startswith("done_")])
    population = _by_whom(ctx, tree, draft)
    return population, CountEvents(ctx.events(draft, ctx.draft_window(draft), "window"))


def _by_whom(ctx: Context, tree: Tree, draft: EventDraft) -> Condition:
    """Who did the events that are counted: "by women", "did gold members place"; when, is taken by their draft."""
    done = tree.tree("done_of", "done_did", "done_by")
    population: Condition = Everyone()
    for one in (*(done.trees("late") if done is not None else ()), *tree.trees("late")):
        edge = next(one.edges())
        if edge.category == "WIN":
            draft.time = draft.time.at(edge)
        elif edge.category == "EVER":
            draft.time = replace(draft.time, ever=True)
        else:
            raise refusal(edge, f'"{ctx.text(edge)}" has no part in a count of events.')
    if done is not None:
        verb, general = done.edge("EV"), done.edge("GENV")
        if verb is not None and draft.hit is None:
            raise refusal(verb, f'Events of any type, or only those with "{ctx.text(verb)}"?', "vague")
        if verb is not None:
            same_event(ctx.names, verb, draft)
        elif general is not None and draft.hit is not None:
            done_to(ctx.names, general, draft)
        inner, word = done.tree(*POPULATIONS), verb or general or done.edge("THERE")
        beside = [t for t in done.trees() if word is not None and t.first > word.first and t is not inner]
        args = [t for t in beside if t.name not in (*RESTS, "late", "np")]
        take_args(ctx.names, draft, args)
        if inner is not None and done.name == "done_of" and done.has("BY") and _is_each(ctx, inner):
            raise refusal(inner, f'For each "{ctx.text(inner)}" it is not read.', "unsupported")
        if inner is not None:
            population = doers(ctx, draft, inner)
        elif (np := done.tree("np")) is not None:
            rest = [t for t in done.trees() if t.name in RESTS]
            if rest:
                raise refusal(rest[0], "A further condition after the verb is not read here.")
            population = described(ctx, np, [t for t in done.trees() if t not in args])
    return population


def _percentage_of(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    np = tree.part("np")
    base = described(ctx, np, tree.trees())
    main = tree.part("main_np", "main_vp")
    _within_what(ctx, np, [t for t in tree.trees() if t.name in RELATIVES], main)
    said = main.trees()[0]
    if main.name == "main_np":
        said = Tree("vp_be", (*main.own("BE", "NEG"), Tree("be_np", tuple(main.trees()))))
    return combined(ctx, [said], [t for t in tree.trees() if t.name in RESTS]), Percentage(base)


def _within_what(ctx: Context, np: Tree, relatives: list[Tree], main: Tree) -> None:
    """Refused where a gap may count from what the others did: "what percentage of buyers reviewed within 7 days"."""
    gap = next((e for e in main.leaves() if e.category == "WITHIN" and isinstance(e.meaning, Within)), None)
    done = (e for t in (np, *relatives) for e in t.leaves() if e.category in ("EV", "AGENT", "BUYERS"))
    if gap is not None and next(done, None) is not None and main.tree("within_of", "near_date") is None:
        raise refusal(gap, f'"{ctx.text(gap)}" of that, or the last so much?', "vague")


def _value_of(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    measure_tree = tree.part(*NUMBERS)
    population_tree = tree.tree(*POPULATIONS)
    edge = tree.edge("WIN")
    window = ctx.window(edge) if edge is not None else ALWAYS
    population: Condition = Everyone()
    if population_tree is not None:
        if population_tree.tree("bare") is not None:
            return _value_of_events(ctx, measure_tree, population_tree, window)
        link, first = tree.part("whom").child(), next(population_tree.leaves())
        if isinstance(link, Edge) and link.category == "BY" and first.category in ("KEY", "PKEY"):
            raise refusal(population_tree, f'For each "{ctx.text(first)}", or of whom?', "vague")
        if isinstance(link, Edge) and link.category == "BY" and _is_each(ctx, population_tree):
            raise refusal(population_tree, f'For each "{ctx.text(first)}" it is not read.', "unsupported")
        if first.category == "EV" and "EN" in ctx.names.lattice.at[first.first]:
            raise refusal(first, f'"{ctx.text(first)}" are events here.')
        led = isinstance(link, Edge) and link.category in ("IN", "FROM", "WITH", "OF", "FOR")
        if led and population_tree.name == "value_population":
            _not_of_event(ctx, measure_tree, population_tree)
        opening = population_tree.tree("opening")
        if opening is not None and edge is None and opening.edge("WIN") is not None:
            window = ctx.window(next(e for e in opening.edges() if e.category == "WIN"))
            rest = tuple(c for c in population_tree.children if c is not opening)
            population_tree, edge = Tree(population_tree.name, rest), opening.edge("WIN")
        last = population_tree.children[-1]
        if isinstance(last, Tree) and last.name == "when" and last.edge("WIN") is not None and edge is None:
            # "total spend of customers from Pune in 2025": the window at the end is that of the number
            window = ctx.window(next(last.edges()))
            population_tree = Tree(population_tree.name, population_tree.children[:-1])
        population = population_of(ctx, population_tree)
    number = number_of(ctx, measure_tree, window)
    if population_tree is not None and population_tree.name == "value_population":
        _of_what_was_done(ctx, number, population_tree)
    return population, number


def _is_each(ctx: Context, population: Tree) -> bool:
    """Whether a population is one word for a contact: "total spend by user"."""
    leaves = list(population.leaves())
    word = ctx.text(leaves[0]).casefold()
    return len(leaves) == 1 and leaves[0].category == "CONTACT" and singular(word) == word and word not in _ALL_OF_THEM


_ALL_OF_THEM = frozenset("everyone everybody anyone anybody people folks".split())


def _of_what_was_done(ctx: Context, number: Output, tree: Tree) -> None:
    """Refused where values by themselves may be those of the events of a number: "average reading minutes of Sport"."""
    done = {e.event for e in nodes(number) if isinstance(e, Events)}
    for edge in tree.leaves():
        held = [v.key for v in edge.meaning.values] if isinstance(edge.meaning, ValueHit) else []
        if any(key.event in done and key.level != "context" for key in held if key.event is not None):
            raise refusal(edge, f'"{ctx.text(edge)}": of what was done, or of the contacts?', "vague")


def _not_of_event(ctx: Context, measure: Tree, tree: Tree) -> None:
    """Refused where a value behind the events of a number is theirs: "average score of tests taken in French", "average
    minutes of Comedy"."""
    done = {c.event for e in measure.leaves() if e.category in ("EN", "EV") for c in e.meaning.candidates}
    if not done:
        done = {k.event for e in measure.leaves() if e.category == "KEY" for k in e.meaning if k.level == "event"}
    values = [v for e in tree.leaves() if isinstance(e.meaning, ValueHit) for v in e.meaning.values]
    if any(v.key.event in done for v in values):
        raise refusal(tree, f'"{ctx.text(tree)}" is said of what they did.')


def _value_of_events(ctx: Context, measure: Tree, tree: Tree, window: Window) -> tuple[Condition, Output]:
    """ "average order value of orders over 500": a number of events, of some of them."""
    bare = tree.part("bare")
    population, such = _count_events(ctx, Tree("count_events", bare.children))
    number = number_of(ctx, measure, window)
    if len(tree.children) == 1 and isinstance(such, CountEvents):
        match number:
            case Pooled(events=events) if events == Events(such.events.event, (), window):
                return population, replace(number, events=in_window(bare, such.events, window))
            case Value("total", Spend(events, False)) if events == Events(such.events.event, (), window):
                return population, Value("total", Spend(in_window(bare, such.events, window)))
            case _:
                pass
    raise refusal(tree, "A number is asked of people, or of the events beside it.")


def _per_contact(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    """ "average spend per customer", "average orders per gold member": the average over those contacts."""
    per, noun = tree.leaf("PER"), tree.edge("EN")
    if ctx.text(per).casefold() not in ("per", "for each", "for every", "by each"):
        raise refusal(per, f'"{ctx.text(per)}": say for whom it is the average.')
    population = described(ctx, tree.part("np"), tree.trees())
    window = ctx.late(tree.trees("late"))
    if noun is not None:
        how = tree.leaf("AGG").meaning
        events = ctx.events(EventDraft(noun.first, noun.end, noun.meaning, noun=True), window)
        number: Output = Value(how, Count(events))
    else:
        number = number_of(ctx, tree.part(*NUMBERS), window)
        how = number.how if isinstance(number, Value) else None
    if how != "average":
        raise refusal(tree, f'"{ctx.text(per)}" each of them? Say of what it is the average.', "vague")
    return population, number


def _timely(ctx: Context, tree: Tree, population: Condition, number: Output) -> tuple[Condition, Output]:
    """ "monthly revenue": the number for each month."""
    timely = tree.edge("TIMELY")
    return (population, number) if timely is None else per_time(ctx, Tree("per_time", (timely,)), population, number)


def _rows_of(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    rows = []
    parts = tree.trees()
    last = parts[-1].tree("np")
    labelled = parts
    if parts[0].name == "value_population" and last is not None and len(parts[0].children) == 1:
        head = last.part("nphead")
        vlist = parts[0].part("vlist", "vkey")
        shared = Tree("np", (Tree("npre", (vlist,)), head.fresh()))
        parts = [Tree("population", (shared, *(t.fresh() for t in parts[-1].trees() if t is not last))), parts[-1]]
    elif last is not None and [t.name for t in parts[0].trees()] == ["np"] and len(parts[-1].children) > 1:
        labelled = [parts[0], last]  # "women vs men who bought a phone": said of both
        both = tuple(t.fresh() for t in parts[-1].trees() if t is not last)
        parts = [Tree("population", (*parts[0].children, *both)), parts[-1]]
    elif last is not None and [t.name for t in parts[0].trees()] == ["np"] and last.tree("agebare") is not None:
        raise refusal(last, f'Is all of "{ctx.text(last)}" said of both?')
    told = any(t.name not in ("np", "vlist", "vkey") for t in parts[0].trees())
    if parts[-1].name == "value_population" and len(parts[-1].trees()) == 1 and told:  # "rode in Porto vs Faro"
        raise refusal(parts[-1], f'Is all of "{ctx.text(parts[0])}" said of "{ctx.text(parts[-1])}" too?', "vague")
    more = parts[-1].tree("bare") is not None or (parts[-1].name == "value_population" and len(parts[-1].trees()) > 1)
    if parts[0].name == "value_population" and len(parts[0].trees()) == 1 and more:  # "yoga vs boxing workouts"
        raise refusal(parts[-1], f'Is all of "{ctx.text(parts[-1])}" said of both?', "vague")
    alone = parts[0].tree("bare") if len(parts[0].children) == 1 else None
    done = parts[-1].tree("bare")
    if alone is not None and done is not None and done.tree("enp") is not None and done.part("enp").trees("enpre"):
        held = ctx.names.lattice.at[alone.first].get("VALUE", {}).get(alone.end)
        if held is not None:  # "app vs web recharges", where an event is of the app too
            raise refusal(parts[-1], f'Is all of "{ctx.text(parts[-1])}" said of both?', "vague")
    for part, said in zip(parts, labelled, strict=True):
        values = [leaf for leaf in said.leaves() if leaf.category in ("VALUE", "QUOTED", "GENDER")]
        label = ctx.names.lattice.text(values[0].first, values[-1].end) if values else ctx.text(said)
        whom = population_of(ctx, part)
        if isinstance(whom, Everyone):
            raise refusal(said, f'"{label}" are all contacts: compared with whom?', "vague")
        rows.append(Row(label, whom))
    return Everyone(), Rows(tuple(rows))


def _value_of_each(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    """ "average spend of gold vs silver members": the number for each of two values of an attribute."""
    first, second = sides = tree.trees("np", "vlist")
    last = second.tree("nphead")
    if first.name == "vlist" and last is not None:
        sides = [Tree("np", (Tree("npre", (first,)), last.fresh())), second]
    found = [noun_phrase(ctx, t, []) if t.name == "np" else attribute_list(ctx, t) for t in sides]
    named = [c.names for c in found if isinstance(c, Attribute) and isinstance(c.test, Text) and c.test.how == "is"]
    lists = {k.name for k in ctx.names.attributes if "list" in k.holds}
    if len(named) != 2 or named[0] != named[1] or len(named[0]) != 1 or lists.intersection(named[0]):
        between = f'"{ctx.names.lattice.text(first.first, second.end)}"'
        raise refusal(second, f"{between}: only values of one attribute are compared in a number.", "unsupported")
    times = tree.own("WIN", "EVER")
    if len(times) > 1:
        raise refusal(times[-1], "Two times for one number.")
    number = number_of(ctx, tree.part(*NUMBERS), ctx.window(times[0]) if tree.has("WIN") else ALWAYS)
    if not isinstance(number, CountEvents | Value | Pooled):
        raise refusal(tree, "Only a number is told of each.", "unsupported")
    return any_of(*found), AttributeBreakdown(named[0][0], False, None, number)


def _is_passive(tree: Tree) -> bool:
    """Whether "were" stands before the verb."""
    return any(leaf.category == "BE" for leaf in tree.leaves())


def _whom_counted(ctx: Context, tree: Tree) -> Condition:
    """The contacts that are counted. Refused where events are."""
    population = tree.part(*POPULATIONS)
    if population.tree("befell") is not None:
        raise refusal(population, f'"{ctx.text(population)}" counts the events.')  # "how many huts were booked"
    first = next(population.leaves())
    word = ctx.names.lattice.words[first.end - 1 if first.category == "EN" else first.first].low
    if first.category in ("EV", "EN") and word.endswith("s") and "EN" in ctx.names.lattice.at[first.first]:
        raise refusal(first, f'"{ctx.text(first)}" are no contacts: how many users with them?')
    at = ctx.names.lattice.words[first.first].low
    if first.category == "CONTACT" and at.startswith(("guest", "profile", "account")) and not _told_of(population):
        events = ctx.names.index.events
        named = [e.event for e in events if stem(at) in e.stems and not e.verbs & lexicon.NEVER_DONE_STEMS]
        if named:  # "how many guests" of guest-invited
            raise refusal(first, f'Are "{ctx.text(first)}" the contacts, or those of {named[0]}?', "vague")
    if first.category == "CONTACT" and _are_done(ctx, first):
        raise refusal(first, f'Is "{ctx.text(first)}" who they are, or what was done?', "vague")
    np = population.tree("np")
    head = np.part("nphead").children[0] if np is not None else None
    said_more = [t for t in population.trees() if t.name in (*VPS, *RESTS) or is_finite(ctx, t)]
    if isinstance(head, Tree) and said_more and population.tree("opening") is None:  # "how many of the top 20 bought"
        return _among_ranked(ctx, Tree("count_among", population.children))
    return population_of(replace(ctx, counting=True), population)


def _told_of(population: Tree) -> bool:
    """Whether more is said of those who are counted than when."""
    return any(t.name not in ("np", "when") for t in population.trees())


def _are_done(ctx: Context, noun: Edge) -> bool:
    """Whether a word for contacts is the noun of the event behind it: "profiles were created" of profile-created."""
    lattice = ctx.names.lattice
    at = noun.end
    while at < len(lattice.at) and lattice.at[at].keys() & {"BE", "HAVE"}:
        at += 1
    verbs = lattice.at[at].get("EV", {}).values() if noun.end < at < len(lattice.at) else ()
    named = {stem(lattice.words[noun.end - 1].low)}
    return any(named <= set(name_stems(c.event)) for verb in verbs for c in verb.meaning.candidates)


def _counts_of(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    """ "how many users bought, gold vs silver": those of either value of an attribute."""
    said = _whom_counted(ctx, tree)
    events = {events.event for events in mentioned(said)}
    vlists = tree.trees("vlist")
    hits = [e.meaning for vlist in vlists for e in vlist.leaves()]
    if all(isinstance(hit, ValueHit) and any(v.key.event in events for v in hit.values) for hit in hits):
        raise refusal(vlists[-1], "Is it said of the contacts, or of what they did?", "vague")
    return Everyone(), Rows(tuple(Row(ctx.text(one), all_of(said, attribute_list(ctx, one))) for one in vlists))


def _top_values(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    tree.edge("HOWMANY")
    np, rest = tree.tree("np"), [t for t in tree.trees() if t.name in RESTS]
    population: Condition = Everyone()
    if np is not None:
        population = noun_phrase(ctx, np, [t for t in tree.trees() if t.name in NMODS])
    if rest:
        population = all_of(population, combined(ctx, [], rest))
    limit = rows_of(ctx, tree.leaf("TOPN"))
    return population, AttributeBreakdown(known_attribute(ctx, tree.leaf("KEY")).name, True, limit)


def _with_tail(ctx: Context, tree: Tree, population: Condition, output: Output) -> Output:
    match tree.name:
        case "sort":
            if not isinstance(output, Users) or output.order is not None:
                raise refusal(tree, "Only contacts are sorted.")
            column = _column(ctx, tree.part("shown"))
            direction = tree.edge("DIRECTION")
            most = tree.edge("AGG")
            if most is not None and most.meaning not in ("highest", "lowest"):
                raise refusal(most, "Sorting is by the highest or the lowest.")
            descending = most is not None and most.meaning == "highest"
            if direction is not None:
                descending = _descends(ctx, direction, column)
            return replace(output, order=Order(column, descending))
        case "direction":
            edge = tree.leaf("DIRECTION")
            if not isinstance(output, Users) or output.order is None:
                raise refusal(tree, "It is not said by what to sort.")
            return replace(output, order=replace(output.order, descending=_descends(ctx, edge, output.order.by)))
        case "limit":
            edge = tree.leaf("FIRSTN")
            if not isinstance(output, Users) or output.limit is not None:
                raise refusal(tree, "Only contacts are limited.")
            return replace(output, limit=edge.meaning)
        case "show" | "show_with":
            if not isinstance(output, Users):
                raise refusal(tree, "Columns are shown of contacts only.")
            own = _own_of_two(ctx, tree, population)
            if own is not None:
                raise refusal(own, "An event's property is not compared with an attribute.", "unsupported")
            word = ctx.text(tree.leaf("SHOW")).casefold() if tree.name == "show" else ""
            before = {ctx.names.lattice.words[i].low for t in tree.trees("shown") for i in (t.first - 1, t.first)}
            together = word in ("along with", "together with") and before.isdisjoint(lexicon.POSSESSIVE)
            if (word == "with their" or together) and any(_is_had(shown) for shown in tree.trees("shown")):
                raise refusal(tree, f'"{ctx.text(tree)}": to be shown, or to be had?', "vague")
            if tree.name == "show_with" and isinstance(tree.part("shown").part("sortkey").children[0], Edge):
                raise refusal(tree, f'"{ctx.text(tree)}": to be shown, or to be known?', "vague")
            return replace(output, columns=output.columns + _columns(ctx, tree))
    raise refusal(tree, "This ending is not read.", "unsupported")


def _descends(ctx: Context, word: Edge, column: Column) -> bool:
    """Whether a direction begins with the highest. Who is old has a high age and an early birth date, and an early date
    is old too; nothing else is old or new."""
    if word.meaning in ("asc", "desc"):
        return bool(word.meaning == "desc")
    name = column.name if isinstance(column, AttributeColumn) else ""
    key = next((k for k in ctx.names.attributes if k.name == name), None)
    aged = isinstance(column, MeasureColumn) and isinstance(column.measure, AgeInYears)
    if (aged or name.lower() in lexicon.AGE_KEYS) and word.meaning in ("oldest", "youngest"):
        return bool(word.meaning == "oldest")
    dated = isinstance(column, MomentColumn) or (key is not None and "date" in key.holds)
    if dated and word.meaning != "youngest":
        return bool(word.meaning == "newest")
    if dated and name.lower() in lexicon.BIRTH_KEYS:
        return True
    raise refusal(word, f'"{ctx.text(word)}" is said of an age or a date: the highest or the lowest first?', "vague")


def _columns(ctx: Context, tree: Tree) -> tuple[Column, ...]:
    """What is listed to be shown. As in section 8, a window reaches back over the numbers that have none."""
    columns: list[Column] = []
    reach = ALWAYS
    for shown in reversed(tree.trees("shown")):
        if tree.name != "show" and _is_had(shown):
            raise refusal(shown, f'"{ctx.text(shown)}": to be shown, or to be had?', "vague")
        column = _column(ctx, shown)
        measure = column.measure if isinstance(column, MeasureColumn) else None
        if isinstance(column, MomentColumn) or isinstance(measure, Elapsed):
            if reach != ALWAYS:
                raise refusal(shown, f'"{ctx.text(shown)}": ever, or in that time?', "vague")
        elif measure is not None and not isinstance(measure, AttributeNumber | AgeInYears):
            if measure.events.window != ALWAYS:
                reach = measure.events.window
            elif not any(e.category == "EVER" or e.meaning == "lifetime" for e in shown.leaves()):
                column = MeasureColumn(replace(measure, events=replace(measure.events, window=reach)))
        columns.append(column)
    return tuple(reversed(columns))


def _is_had(shown: Tree) -> bool:
    """Whether it may be something that contacts have: "orders", "a last order" but no date of it."""
    inner = shown.part("sortkey").children[0]
    return inner.category == "EN" if isinstance(inner, Edge) else inner.name == "moment" and not inner.has("DATEW")


def _of_each(shown: Tree) -> bool:
    """Whether a group as such has no such thing: an attribute, or when the last one was."""
    inner = shown.part("sortkey").children[0]
    return isinstance(inner, Edge) or inner.name in ("moment", "age_of")


def _column(ctx: Context, shown: Tree) -> Column:
    tree, late = shown.part("sortkey"), shown.trees("late")
    window = ctx.late(late)
    inner = tree.child()
    if isinstance(inner, Edge) and inner.category == "EN":
        return MeasureColumn(rank_measure(ctx, tree, window))
    if late and (isinstance(inner, Edge) or inner.name in ("moment", "days_since")):
        raise refusal(late[0], f'"{ctx.text(late[0])}" has no number to belong to.')
    if isinstance(inner, Edge):
        return AttributeColumn(known_attribute(ctx, inner).name)
    if inner.name == "moment":
        inner.edge("DATEW")
        draft = enp_draft(ctx.names, inner.part("enp", "enp_another"))
        return MomentColumn(first_or_last(inner.leaf("FIRST", "LASTEV")), ctx.events(draft, ALWAYS))
    return _column_of(measure_of(ctx, inner, window))


def _column_of(measure: Measure) -> Column:
    return AttributeColumn(measure.name) if isinstance(measure, AttributeNumber) else MeasureColumn(measure)


def _by_which_way(ctx: Context, tree: Tree, key: Edge, population: Condition, output: Output) -> bool:
    """Whether "by email" after a verb may say how it was done: a property of the event holds it; or contacts are asked
    for, not their number, and it is a value of others or a way to reach people."""
    done = {events.event for events in mentioned(population)}
    if isinstance(output, CountEvents):
        done.add(output.events.event)
    word = tree.edge("PER", "BY")
    if not done or word is None or ctx.text(word).casefold() not in ("by", "by their") or key.meaning == "product":
        return False
    held = ctx.names.lattice.at[key.first].get("VALUE", {}).get(key.end)
    if held is not None and any(v.key.event in done for v in held.meaning.values):
        return True
    reached = any(k.name.lower() in lexicon.CHANNEL_KEYS for k in attribute_keys(key))
    return isinstance(output, Users | CountEvents) and (held is not None or reached)


def _own_of_two(ctx: Context, tree: Tree, population: Condition) -> Edge | None:
    """In "booked an appointment with their family doctor" the key, where the event has a doctor too: then a column may
    not be meant."""
    word = tree.leaf("SHOW", "WITH")
    if ctx.text(word).casefold() != "with their":
        return None
    theirs = {key_noun(k) for event in event_types(population) for k in ctx.names.keys(event) if k.level != "item"}
    edges = [e for t in tree.trees("shown") for e in t.part("sortkey").own("KEY")]
    return next((e for e in edges if any(key_noun(k) in theirs for k in attribute_keys(e))), None)
