"""Drafts to queries: chooses names by type, joins clauses, and accounts for every word or refuses.

    tree ── clauses (flat, in order) ── combine: sequences, windows, negation, and/or ──► Condition
         ── head and tails ──► Output

A choice that the page leaves open is a choice point: the tree is read once for each way of choosing, and each way is a
reading. A rule without a case here is refused: nothing is read over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

from grammar import lexicon
from grammar.combine import attach_windows, join_clauses
from grammar.draft import Clause, EventDraft, Link, Negation, Part, Quant, Refused, Tree
from grammar.events import (
    ORDER_EVENTS,
    Mention,
    Names,
    attribute_value,
    converted,
    currency_filter,
    duration_keys,
    key_test,
    key_values,
    money_keys,
    place_condition,
    properties,
    quant_bound,
    resolve_mention,
    said_text,
    sum_bound,
    unknown,
    vlist_groups,
)
from grammar.mentions import Edge, EventHit, Lattice, everyday
from grammar.names import Candidate, stem
from grammar.numbers import Amount, Regularity, Top
from grammar.query import (
    ALWAYS,
    AT_LEAST_ONCE,
    ORDER_VALUE,
    ActiveBlocks,
    ActivePeriods,
    Age,
    Aggregate,
    Aggregation,
    Attribute,
    AttributeBreakdown,
    AttributeColumn,
    AttributeNumber,
    Birthday,
    Bound,
    CameBack,
    Column,
    Condition,
    Count,
    CountEvents,
    CountUsers,
    Distinct,
    During,
    Elapsed,
    EventBreakdown,
    EventFilter,
    Events,
    EveryItem,
    Everyone,
    EveryPeriod,
    Extreme,
    Favourite,
    Filter,
    Has,
    Known,
    LongestRun,
    MeanOverContacts,
    MeanOverEvents,
    Measure,
    MeasureColumn,
    MomentColumn,
    Not,
    Numeric,
    Only,
    Order,
    Output,
    Percentage,
    Pooled,
    Property,
    Quantity,
    Query,
    Rank,
    Rolling,
    Row,
    Rows,
    Several,
    Spend,
    Step,
    Term,
    Text,
    Truth,
    Users,
    Value,
    Versus,
    Window,
    all_of,
    any_of,
    filters,
    negated,
    nodes,
)
from grammar.query import (
    Sequence as Chain,
)
from grammar.vocabulary import Key, fold
from grammar.when import Lasting, merge

T = TypeVar("T")
ORDER = "order-completed"
MOST_RUNS = 24  # ways of choosing that are followed before a tree is too tangled


@dataclass(frozen=True, slots=True)
class Resolved:
    """A query that a tree gives, what is said beside it, and the words on which a choice was made."""

    query: Query
    warnings: tuple[str, ...]
    chosen: tuple[str, ...]


class Chooser:
    """Choice points by replay: a tree is resolved once for each path through the choices it meets."""

    def __init__(self) -> None:
        self.script: list[int] = []
        self.sizes: list[int] = []
        self.met = 0
        self.words: list[str] = []

    def choose(self, options: Sequence[T], words: str) -> T:
        """One of the options; the others on later runs."""
        if len(options) == 1:
            return options[0]
        if self.met == len(self.script):
            self.script.append(0)
            self.sizes.append(len(options))
        chosen = options[self.script[self.met]]
        self.met += 1
        self.words.append(words)
        return chosen

    def next(self) -> bool:
        """Whether there is another path; prepares it."""
        while self.script and self.script[-1] + 1 >= self.sizes[-1]:
            self.script.pop()
            self.sizes.pop()
        self.met, self.words = 0, []
        if not self.script:
            return False
        self.script[-1] += 1
        return True


def resolve(tree: Tree, names: Names) -> list[Resolved]:
    """The readings of a tree, one for each way of choosing. Refused where it has none."""
    chooser = Chooser()
    found: dict[Query, Resolved] = {}
    failure: Refused | None = None
    for _ in range(MOST_RUNS):
        try:
            resolver = _Resolver(names, chooser)
            current = tree.fresh()
            query = resolver.start(current)
            _account(current, names.lattice)
            found.setdefault(query, Resolved(query, tuple(dict.fromkeys(resolver.warnings)), tuple(chooser.words)))
        except Refused as refused:
            failure = failure if failure and failure.first > refused.first else refused
        if not chooser.next():
            break
    else:
        raise Refused("too long", 0, len(names.lattice.words), "The question can be read in too many ways.")
    if not found:
        assert failure is not None
        raise failure
    return list(found.values())


# Leaves that say which rule it is and no more: the rule's meaning is theirs.
_GLUE = frozenset(
    """LEAD COMMA COLON LP RP AND OR BUT THEN NOR WHO WHOSE POSS BYWHOM PRON HAVE BE DO ALSO EITHER NEITHER EQ WITH IN
    FROM LIVEIN TO ON VIA FOR ABOUT OF BY AT WHERE AWAY MONEYNOUN THAN OFTEN GENERATE MATCHING CONTACT TAG SORT PER
    SHOW VERSUS HOWMANY PCT COUNTOF COUNTW AFTER BEFORE CAMEBACK STOPPED ABANDON ABANDONER SIGNUP ACTIVE BIRTHDAY
    NAMED TAGGED MOST MOSTLY FAV SPENT SPENDERS BUYERS DURWORD EXCEPT WITHOUT CONTAINS STARTS ENDS MISSING PRESENT
    PRICED GENV INACTIVE AVGCONTACT TOTALLY INONE REF THING SAME ONLY FUTURE EVER""".split()
)


def _account(tree: Tree, lattice: Lattice) -> None:
    """Every leaf was made use of, or the reading is none: no word is read over."""
    for leaf in tree.leaves():
        if not leaf.used and leaf.category not in _GLUE:
            raise Refused("no place", leaf.first, leaf.end, f'"{lattice.text(leaf.first, leaf.end)}" has no part here.')


class _Resolver:
    """One run over one tree."""

    def __init__(self, names: Names, chooser: Chooser) -> None:
        self.names = names
        self.chooser = chooser
        self.warnings: list[str] = []
        self.head_window: list[Window] = []
        self.head_used = False
        self.label: str | None = None
        self.counting = False
        self.alone = True  # whether the clause that is read has no other beside it

    # ── small helpers ──

    def text(self, part: Part) -> str:
        return self.names.text(part)

    def no(self, node: Tree | Edge, reason: str, code: Any = "no place") -> Refused:
        return Refused(code, node.first, node.end, reason)

    def window(self, edge: Edge) -> Window:
        """The window of a WIN edge; its readings are a choice."""
        if edge.category == "FUTURE":
            raise self.no(edge, "The future is not known.", "unsupported")
        readings: tuple[Window, ...] = edge.meaning
        return self.chooser.choose(readings, self.text(edge))

    def span_window(self, edge: Edge) -> Window:
        """A window, or the last so much that a length of time stands for."""
        return self.window(edge) if edge.category == "WIN" else Window(Rolling(edge.meaning.span))

    def windows(self, edges: Sequence[Edge]) -> Window:
        """Several windows of one clause as one ("on weekends in 2026")."""
        window = ALWAYS
        for edge in edges:
            joined = merge(window, self.window(edge))
            if joined is None:
                raise self.no(edge, f'"{self.text(edge)}" is a second time for the same thing.')
            window = joined
        return window

    def late(self, trees: Sequence[Tree]) -> Window:
        """The window that trails a measure or rank."""
        edges: list[Edge] = []
        for tree in trees:
            edge = next(tree.edges())
            if edge.category == "EVER":
                continue
            if edge.category == "WITHIN":
                span = edge.meaning.span
                edges.append(replace(edge, category="WIN", meaning=(Window(Rolling(span)),)))
                continue
            if edge.category != "WIN":
                raise self.no(edge, f'"{self.text(edge)}" has no part here.')
            edges.append(edge)
        return self.windows(edges) if edges else self.default_window()

    def default_window(self) -> Window:
        """The window at the head of the question, for what has none of its own."""
        self.head_used = True
        return self.head_window[0] if self.head_window else ALWAYS

    def mention(self, draft: EventDraft, references: bool = False) -> Mention:
        """The mention's event and filters; where several are right, a choice. `references`: "it", "the same", "another"
        are taken by the caller; elsewhere they refer to nothing."""
        found = resolve_mention(self.names, draft, self.window)
        words = self.text(draft)
        mention = self.chooser.choose(found, words)
        if not references and (mention.refers or mention.same is not None or mention.another):
            raise Refused("no place", draft.first, draft.end, f'"{words}" refers to nothing before it.')
        self.warnings.extend(mention.warnings)
        return mention

    # ── the whole question ──

    def start(self, tree: Tree) -> Query:
        tag = tree.edge("TAG")
        ask = next(t for t in tree.trees() if t.name != "tail" and t.name not in _TAILS)
        tails = [t for t in tree.trees() if t is not ask]
        population, output = self.ask(ask)
        if tag is not None and any(w in self.text(tag) for w in ("buyer", "purchaser")):
            population = all_of(population, Has(Count(Events(ORDER)), AT_LEAST_ONCE))
        for tail in tails:
            output = self.tail(tail, population, output)
        return Query(population, output, self.label)

    def ask(self, tree: Tree) -> tuple[Condition, Output]:
        match tree.name:
            case "users":
                return self.population(self.only(tree)), Users()
            case "count_users":
                self.counting = True
                return self.population(self.only(tree)), CountUsers()
            case "count_events":
                return self.count_events(tree)
            case "percentage":
                return self.percentage(tree)
            case "value" | "value_all":
                return self.value(tree)
            case "versus":
                return self.versus(tree)
            case "with_columns":
                columns = tree.tree("columns")
                assert columns is not None
                population = tree.tree(*_POPULATIONS)
                assert population is not None
                return self.population(population), Users(
                    tuple(self.column_of_key(e) for e in columns.edges() if e.category == "KEY")
                )
            case "top_values":
                return self.top_values(tree)
            case "everyone_by":
                key = tree.edge("KEY")
                assert key is not None
                return Everyone(), self.breakdown(key, Everyone(), Users())
        raise self.no(tree, "Such a question is not read.", "unsupported")

    def only(self, tree: Tree) -> Tree:
        return tree.trees()[0]

    # ── outputs ──

    def count_events(self, tree: Tree) -> tuple[Condition, Output]:
        enp = tree.tree("enp", "enp_another")
        assert enp is not None
        draft = self.enp_draft(enp)
        if draft.quant is not None:
            raise self.no(enp, "A number inside a count has no part.")
        self.take_args(draft, [t for t in tree.trees() if t is not enp and not t.name.startswith("done_")])
        done = tree.tree("done_of", "done_did", "done_by")
        population: Condition = Everyone()
        if done is not None:
            late = done.trees("late")
            for one in late:
                edge = next(one.edges())
                if edge.category == "WIN":
                    draft.windows.append((edge, False))
                elif edge.category == "EVER":
                    draft.ever = True
                else:
                    raise self.no(edge, f'"{self.text(edge)}" has no part in a count of events.')
            verb = done.edge("EV")
            if verb is not None and draft.hit is not None:
                self.same_event(verb, draft)
            inner = done.tree(*_POPULATIONS)
            if inner is not None:
                trailing = inner.children[-1]
                if isinstance(trailing, Tree) and trailing.name == "when" and not draft.windows:
                    # "how many orders were placed by women in August": the window at the end is that of the events
                    draft.windows.extend((e, False) for e in trailing.own("WIN"))
                    draft.ever = draft.ever or trailing.has("EVER")
                    inner = Tree(inner.name, inner.children[:-1])
                population = self.population(inner)
            elif done.tree("np") is not None:
                rest = [t for t in done.trees() if t.name in _RESTS]
                if rest:
                    raise self.no(rest[0], "A further condition after the verb is not read here.")
                population = self.noun_phrase(done.tree("np"), [t for t in done.trees() if t.name in _NMODS])  # type: ignore[arg-type]
        mention = self.mention(self.plain(draft, "window"))
        if mention.measure == "distinct" or len(mention.variants) != 1:
            raise self.no(tree, "Only events of one kind are counted.")
        window = self.draft_window(draft)
        if mention.profile:
            population = all_of(population, *mention.profile)
        return population, CountEvents(Events(mention.event, mention.variants[0], window))

    def same_event(self, verb: Edge, draft: EventDraft) -> None:
        assert draft.hit is not None
        mine = {c.event for c in draft.hit.candidates}
        kept = tuple(c for c in verb.meaning.candidates if c.event in mine)
        if not kept:
            raise self.no(verb, f'"{self.text(verb)}" is another event than the one counted.')
        draft.hit = EventHit(tuple(c for c in draft.hit.candidates if c.event in {k.event for k in kept}))

    def percentage(self, tree: Tree) -> tuple[Condition, Output]:
        np = tree.tree("np")
        assert np is not None
        base = self.noun_phrase(np, [t for t in tree.trees() if t.name in _NMODS])
        relatives = [t for t in tree.trees() if t.name in _CLAUSES]
        if relatives:
            base = all_of(base, self.clauses(relatives, []))
        main = tree.tree("main_np", "main_vp")
        assert main is not None
        if main.name == "main_np":
            inner = main.tree("np")
            assert inner is not None
            condition = self.noun_phrase(inner, [t for t in main.trees() if t.name in _NMODS])
            if main.has("NEG"):
                condition = negated(condition)
            rest = [t for t in tree.trees() if t.name in _RESTS]
            if rest:
                condition = all_of(condition, self.clauses([], rest))
        else:
            condition = self.clauses([main.trees()[0]], [t for t in tree.trees() if t.name in _RESTS])
        return condition, Percentage(base)

    def value(self, tree: Tree) -> tuple[Condition, Output]:
        measure_tree = tree.tree(*_MEASURES)
        assert measure_tree is not None
        population_tree = tree.tree(*_POPULATIONS)
        edge = tree.edge("WIN")
        window = self.window(edge) if edge is not None else ALWAYS
        population: Condition = Everyone()
        if population_tree is not None:
            if population_tree.tree("bare") is not None:
                raise self.no(population_tree, "A number is asked of people, or of the events beside it.")
            opening = population_tree.tree("opening")
            if opening is not None and edge is None and opening.edge("WIN") is not None:
                window = self.window(next(e for e in opening.edges() if e.category == "WIN"))
                rest = tuple(c for c in population_tree.children if c is not opening)
                population_tree, edge = Tree(population_tree.name, rest), opening.edge("WIN")
            last = population_tree.children[-1]
            if isinstance(last, Tree) and last.name == "when" and last.edge("WIN") is not None and edge is None:
                # "total spend of customers from Pune in 2025": the window at the end is that of the number
                window = self.window(next(last.edges()))
                population_tree = Tree(population_tree.name, population_tree.children[:-1])
            population = self.population(population_tree)
        agg = measure_tree.edge("AGG")
        match measure_tree.name:
            case "spend":
                spend = measure_tree.edge("SPEND")
                assert spend is not None
                self.need_orders(spend)
                return population, Value("total", self.spend(measure_tree, window))
            case "average_spend":
                spend = measure_tree.edge("SPEND")
                assert spend is not None and agg is not None
                self.need_orders(spend)
                return population, Value(agg.meaning, self.spend(measure_tree, window))
            case "order_value":
                edge = measure_tree.edge("AOV")
                assert edge is not None
                self.need_orders(edge)
                return population, Pooled(edge.meaning, Events(ORDER, (), window), ORDER_VALUE)
            case "count_of":
                draft, mention = self.measured_event(measure_tree)
                how: Aggregation = agg.meaning if agg is not None else "total"
                if how == "total":
                    return population, CountEvents(Events(mention.event, mention.variants[0], self.join(draft, window)))
                return population, Value(
                    how, Count(Events(mention.event, mention.variants[0], self.join(draft, window)))
                )
            case "aggregate" | "aggregate_event":
                assert agg is not None
                key = measure_tree.edge("KEY")
                assert key is not None
                attribute = self.attribute_keys(key)
                if (
                    measure_tree.name == "aggregate"
                    and attribute
                    and not measure_tree.trees()
                    and measure_tree.edge("EV") is None
                ):
                    if not any("number" in k.holds for k in attribute):
                        raise self.no(key, f'"{self.text(key)}" holds no numbers.', "wrong key")
                    return population, Value(agg.meaning, AttributeNumber(attribute[0].name))
                events, prop = self.aggregated(measure_tree, window)
                return population, Pooled(agg.meaning, events, prop)
        raise self.no(measure_tree, "Such a number is not asked of a group.", "unsupported")

    def versus(self, tree: Tree) -> tuple[Condition, Output]:
        rows = []
        parts = tree.trees()
        last = parts[-1].tree("np")
        if parts[0].name == "value_population" and last is not None and len(parts[0].children) == 1:
            head = last.tree("nphead")
            vlist = parts[0].tree("vlist")
            assert head is not None and vlist is not None
            shared = Tree("np", (Tree("npre", (vlist,)), head.fresh()))
            parts = [Tree("population", (shared, *(t.fresh() for t in parts[-1].trees() if t is not last))), parts[-1]]
        for part in parts:
            values = [leaf for leaf in part.leaves() if leaf.category in ("VALUE", "QUOTED", "GENDER")]
            label = self.names.lattice.text(values[0].first, values[-1].end) if values else self.text(part)
            rows.append(Row(label, self.population(part)))
        return Everyone(), Rows(tuple(rows))

    def top_values(self, tree: Tree) -> tuple[Condition, Output]:
        top, key = tree.edge("TOPN"), tree.edge("KEY")
        assert top is not None and key is not None
        chosen: Top = top.meaning
        if chosen.percent or chosen.bottom:
            raise self.no(top, "Only the largest so many are listed.")
        rest = [t for t in tree.trees() if t.name in _RESTS]
        population = self.clauses([], rest) if rest else Everyone()
        attribute = self.attribute_keys(key)
        amount = int(chosen.amount) if chosen.amount is not None else 10
        if attribute:
            return population, AttributeBreakdown(attribute[0].name, True, amount)
        raise self.no(key, f'No attribute "{self.text(key)}" is known.', "unknown key")

    def tail(self, tree: Tree, population: Condition, output: Output) -> Output:
        match tree.name:
            case "per":
                key = tree.edge("KEY")
                assert key is not None
                return self.breakdown(key, population, output)
            case "sort":
                if not isinstance(output, Users) or output.order is not None:
                    raise self.no(tree, "Only contacts are sorted.")
                sortkey = tree.tree("sortkey")
                assert sortkey is not None
                column = self.sort_column(sortkey)
                direction = tree.edge("DIRECTION")
                most = tree.edge("AGG")
                if most is not None and most.meaning not in ("highest", "lowest"):
                    raise self.no(most, "Sorting is by the highest or the lowest.")
                descending = most is not None and most.meaning == "highest"
                if direction is not None:
                    descending = direction.meaning == "desc"
                return replace(output, order=Order(column, descending))
            case "direction":
                edge = tree.edge("DIRECTION")
                assert edge is not None
                if not isinstance(output, Users) or output.order is None:
                    raise self.no(tree, "It is not said by what to sort.")
                return replace(output, order=replace(output.order, descending=edge.meaning == "desc"))
            case "limit":
                edge = tree.edge("FIRSTN")
                assert edge is not None
                if not isinstance(output, Users) or output.limit is not None:
                    raise self.no(tree, "Only contacts are limited.")
                return replace(output, limit=edge.meaning)
            case "show":
                if not isinstance(output, Users):
                    raise self.no(tree, "Columns are shown of contacts only.")
                return replace(
                    output, columns=output.columns + tuple(self.sort_column(t) for t in tree.trees("sortkey"))
                )
        raise self.no(tree, "This ending is not read.", "unsupported")

    def breakdown(self, key: Edge, population: Condition, output: Output) -> Output:
        if not isinstance(output, (CountUsers, Users)):
            raise self.no(key, "Only contacts are broken down.")
        attribute = self.attribute_keys(key)
        if attribute:
            return AttributeBreakdown(attribute[0].name)
        if key.meaning == "product":
            raise self.no(key, "Say by which key of the product.", "vague")
        for events in _mentioned(population):
            found = [k for k in key.meaning if k.event == events.event]
            if found:
                props = properties(found)
                own = [p for p in props if p.level != "context"] or list(props)
                return EventBreakdown(own[0], events)
        raise self.no(key, f'"{self.text(key)}" is no attribute, and no event in the question has it.', "unknown key")

    def column_of_key(self, key: Edge) -> Column:
        attribute = self.attribute_keys(key)
        if not attribute:
            raise self.no(key, f'No attribute "{self.text(key)}" is known.', "unknown key")
        return AttributeColumn(attribute[0].name)

    def sort_column(self, tree: Tree) -> Column:
        inner = tree.child()
        if isinstance(inner, Edge) and inner.category == "EN":
            return MeasureColumn(self.rank_measure(tree, ALWAYS))
        if isinstance(inner, Edge):
            return self.column_of_key(inner)
        if inner.name == "moment":
            enp = inner.tree("enp", "enp_another")
            assert enp is not None
            draft = self.enp_draft(enp)
            inner.edge("DATEW")
            mention = self.mention(self.plain(draft))
            word = inner.edge("FIRST", "LASTEV")
            which = "first" if word is not None and word.category == "FIRST" else "last"
            return MomentColumn(which, Events(mention.event, mention.variants[0], ALWAYS))  # type: ignore[arg-type]
        measure = self.measure(inner, ALWAYS)
        if isinstance(measure, AttributeNumber):
            return AttributeColumn(measure.name)
        return MeasureColumn(measure)

    # ── populations ──

    def population(self, tree: Tree) -> Condition:
        if tree.name == "asked":
            tree = Tree("population", tuple(c for c in tree.children if isinstance(c, Tree)))
        if tree.name == "bracketed":
            label = tree.edge("LABEL")
            assert label is not None
            self.label = self.text(label)
            return self.population(tree.trees()[0])
        before = list(self.head_window)
        opening = tree.tree("opening")
        if opening is not None:
            label, win = opening.edge("LABEL"), opening.edge("WIN")
            if label is not None:
                self.label = self.text(label)
            if win is not None:
                self.head_window = [self.window(win)]
                self.head_used = False
        parts = [t for t in tree.trees() if t is not opening]
        both = self.two_subjects(tree)
        if both is not None:
            self.head_window = before
            return both
        if tree.has("EITHER"):
            raise self.no(tree, "Either which or which?")
        np = next((t for t in parts if t.name == "np"), None)
        nmods = [t for t in parts if t.name in _NMODS]
        first = [t for t in parts if t.name in _VPS]
        rest = [t for t in parts if t.name in _RESTS]
        several = next((t for t in parts if t.name == "nofpart"), None)
        if tree.name == "value_population":
            vlist = next(t for t in parts if t.name == "vlist")
            np = Tree("np", (Tree("npre", (vlist,)), Tree("nphead", (Edge("CONTACT", vlist.end, vlist.end),))))
            tree = Tree("population", tuple(np if child is vlist else child for child in tree.children))
        clauses = [t for t in parts if t.name in (*_CLAUSES, "bare")]
        self.all_used(tree, [*nmods, *first, *rest, *clauses, opening, np, several])
        conditions: list[Condition] = []
        about: list[Clause] = []
        for earlier, later in pairwise(nmods):
            if later.name == "place" and earlier.name in _EVENT_NMODS:
                raise self.no(later, "After an event a place is the event's.")
        moved = [t for t in nmods if t.name in _EVENT_NMODS and np is not None and rest]
        nmods = [t for t in nmods if t not in moved]
        alternative = bool(rest) and not first and rest[0].name == "linked" and rest[0].trees()[0].name == "or_"
        if np is not None:
            subject = self.noun_phrase(np, nmods, None if alternative else about)
            if rest and not first and not about and not moved and subject == Everyone() and rest[0].name == "linked":
                raise self.no(rest[0], f'"{self.text(rest[0].trees()[0])}" joins nothing.')
            if alternative and not about and not moved:  # "users from Oslo or who bought Nike"
                about.append(Clause(Link("start"), False, None, False, np.first, np.end, condition=subject))
            else:
                conditions.append(subject)
            nmods = []
        if first or rest or nmods or moved or clauses or about:
            conditions.append(self.clauses([*moved, *nmods, *first, *clauses], rest, about))
        if several is not None:
            conditions.append(self.several(several))
        if opening is not None and opening.edge("WIN") is not None and not self.head_used:
            raise self.no(opening, f'"{self.text(opening)}" has no verb to belong to.')
        self.head_window = before
        if len(conditions) == 1:
            return conditions[0]
        return self.under_rank(conditions)

    def two_subjects(self, tree: Tree) -> Condition | None:
        """Two noun phrases joined by or or and: "gold members or people who …". Each goes with its own conditions, and
        where only the second has any, they may be meant for both."""
        rests = [t for t in tree.trees() if t.name in _RESTS]
        for k, rest in enumerate(rests):
            unit = rest.tree("unit")
            np = unit.tree("np") if unit is not None else None
            link = rest.trees()[0].name
            if rest.name != "linked" or unit is None or np is None or link not in ("or_", "and_"):
                continue
            first = next((t for t in tree.trees() if t.name in ("np", "vlist")), None)
            if first is None or any(t.tree("except") is not None or t.tree("without") is not None for t in rests[:k]):
                return None
            tree.edge("EITHER")
            for leaf in rest.trees()[0].leaves():
                leaf.used.append(None)
            opening = tree.tree("opening")
            shared = (opening,) if opening is not None else ()
            at = next(i for i, c in enumerate(tree.children) if c is rest)
            before = tuple(c for c in tree.children[:at] if not _either(c))
            after = tree.children[at + 1 :]
            own = [c for c in before if c is not opening and c is not first]
            left, right = Tree(tree.name, before), Tree("population", (*shared, *unit.trees(), *after))
            words = self.text(tree)
            reach = after and not own and not tree.has("EITHER") and self.chooser.choose((True, False), words)
            if reach:
                left = Tree(tree.name, (*before, *after))
            one, two = self.population(left), self.population(right)
            if link == "or_" or _of_one_attribute(one, two):
                return any_of(one, two)
            return self.chooser.choose([any_of(one, two), all_of(one, two)], words)
        return None

    def all_used(self, tree: Tree, used: Sequence[Tree | Edge | None]) -> None:
        """Each child of a tree has a consumer, or the question is refused: nothing is read over."""
        for child in tree.children:
            if not any(child is one for one in used):
                raise self.no(child, f'"{self.text(child)}" has no part here.')

    def under_rank(self, conditions: list[Condition]) -> Condition:
        """A rank at the head ranks those who meet the conditions."""
        if not conditions:
            raise Refused("incomplete", 0, 1, "It is not said who is meant.")
        head = conditions[0]
        if isinstance(head, Rank):
            return replace(head, among=all_of(head.among, *conditions[1:]))
        return all_of(*conditions)

    def noun_phrase(self, np: Tree, nmods: list[Tree], about: list[Clause] | None = None) -> Condition:
        """Whom a noun phrase means: its head, what stands before it, and what stands after it without a link.

        The event of an agent noun ("Nike buyers") goes to `about`, where a clause may refer to it, if that is given.
        """
        head = np.tree("nphead")
        assert head is not None
        child = head.child()
        conditions: list[Condition] = []
        rank: Rank | None = None
        vlists: list[Tree] = []
        events: EventDraft | None = None
        repeat: Edge | None = None
        newcomer: Edge | None = None
        lapsed: Edge | None = None
        activity: Edge | None = None
        adjectives: list[Edge] = []
        for pre in np.trees("npre"):
            inner = pre.child()
            if isinstance(inner, Tree):
                vlists.append(inner)
                continue
            match inner.category:
                case "TERM":
                    conditions.append(Term(*inner.meaning))
                case "GENDER":
                    conditions.append(self.gender(inner))
                case "BOOLNOUN":
                    conditions.append(Attribute((inner.meaning[0].name,), Truth(True)))
                case "WINADJ":
                    adjectives.append(replace(inner, category="WIN"))
                case "ACTIVEADJ" | "INACTIVE":
                    activity = inner
                case "REPEAT":
                    repeat = inner
                case "NEWW":
                    newcomer = inner
                case "LAPSED":
                    lapsed = inner
                case "AGEP":
                    conditions.append(self.age(inner, inner.meaning))
                case "BOOL":
                    conditions.append(Attribute((inner.meaning[0].name,), Truth(True)))
                case "AGENT":
                    raise self.no(inner, f'"{self.text(inner)}" is no value of an attribute.', "unknown value")
                case _:
                    raise self.no(inner, f'"{self.text(inner)}" is vague here: say a number of days.', "vague")
        if isinstance(child, Tree):
            if child.name == "group":
                conditions.append(self.population(child.trees()[0]))
            else:
                rank = self.rank(child)
        else:
            match child.category:
                case "CONTACT":
                    pass
                case "AGENOUN":
                    conditions.append(self.age(child, child.meaning))
                case "TERM":
                    conditions.append(Term(*child.meaning))
                case "GENDER":
                    conditions.append(self.gender(child))
                case "BOOLNOUN":
                    conditions.append(Attribute((child.meaning[0].name,), Truth(True)))
                case "BUYERS":
                    hit = everyday(ORDER)
                    events = EventDraft(child.first, child.end, hit, noun=True)
                case "AGENT":
                    events = EventDraft(child.first, child.end, child.meaning, noun=True)
                case "ABANDONER":
                    events = None
                    window = self.default_window()
                    edges = [e for t in nmods for e in t.edges() if t.name == "when"]
                    if edges:
                        window = self.windows(edges)
                        nmods = [t for t in nmods if t.name != "when"]
                    conditions.append(self.abandoned(window))
                case _:
                    raise self.no(child, f'"{self.text(child)}" names nobody.')
        conditions.extend(self.values_before(vlists, events))
        if events is None and newcomer is not None:
            conditions.append(self.newcomers(newcomer, nmods))
            nmods = [t for t in nmods if t.name != "when"]
            repeat = newcomer = None
        if repeat is not None or newcomer is not None:
            word = repeat or newcomer
            assert word is not None
            if events is None and not (isinstance(child, Edge) and child.category == "CONTACT"):
                raise self.no(word, f'"{self.text(word)}" needs an event: repeat buyers, one-time buyers.', "vague")
        if activity is not None:
            conditions.append(self.activity(activity, nmods))
            nmods = [t for t in nmods if t.name != "when"]
        if repeat is not None and events is None and isinstance(child, Edge) and child.category == "CONTACT":
            hit = everyday(ORDER)  # repeat customers are repeat buyers
            events = EventDraft(child.first, child.end, hit, noun=True)
        if adjectives and events is None:
            raise self.no(adjectives[0], f'"{self.text(adjectives[0])}" has no event to belong to.')
        times: Bound | None = None
        if repeat is not None:
            times = Bound(">=", 2) if repeat.meaning == 2 else Bound("=", 1)
        if lapsed is not None:
            conditions.append(self.lapsed(lapsed, nmods))
            nmods = [t for t in nmods if t.name != "when"]
        if events is not None:
            events.windows.extend((e, False) for e in adjectives)
            for tree in [t for t in nmods if t.name in ("keyed", "keyed_bound", "has_key")]:
                if self.of_event(tree, events):
                    nmods = [t for t in nmods if t is not tree]
                    events.objects.append(tree if tree.name != "has_key" else Tree("has_property", tree.children))
            own = [
                t for t in nmods if t.name in ("when", "of_object") or (t.name == "place" and self.belongs(t, events))
            ]
            nmods = [t for t in nmods if t not in own]
            for tree in own:
                if tree.name == "of_object":
                    self.take_args(events, tree.trees())
                elif tree.name == "when":
                    for e in tree.edges():
                        if e.category == "WIN":
                            events.windows.append((e, False))
                        else:
                            events.ever = True
                else:
                    prep = next(e for e in tree.edges() if e.category in ("FROM", "IN", "OF"))
                    vlist = tree.tree("vlist")
                    assert vlist is not None
                    events.objects.append(Tree("prepared", (Tree("prep", (prep,)), vlist)))
            clause_window = self.draft_window(events)
            if newcomer is not None:
                mention = self.mention(events)
                conditions.append(Extreme("first", Events(mention.event, mention.variants[0], ALWAYS), clause_window))
                if clause_window == ALWAYS:
                    raise self.no(newcomer, "Say since when they are new.", "vague")
            elif about is not None:
                if times is not None:
                    events.times = Amount(times)
                about.append(Clause(Link("start"), False, None, False, events.first, events.end, event=events))
            else:
                conditions.append(self.event_condition(events, clause_window, times=times))
        if nmods:
            conditions.append(self.clauses(nmods, []))
        bare = np.tree("agebare")
        if bare is not None:
            if events is not None or not isinstance(child, Edge):
                raise self.no(bare, f'It is not said what "{self.text(bare)}" measures.', "vague")
            conditions.append(self.age_bare(bare))
        found = all_of(*conditions)
        if rank is not None:
            return replace(rank, among=all_of(rank.among, found))
        return found

    def of_event(self, tree: Tree, draft: EventDraft) -> bool:
        """Whether a key beside an agent noun is one of its event's, and no attribute."""
        keys = [e.meaning for e in tree.leaves() if e.category in ("KEY", "PKEY")]
        if draft.hit is None or not keys:
            return False
        if keys[0] == "product":
            return True
        events = {c.event for c in draft.hit.candidates}
        return not any(k.level == "attribute" for k in keys[0]) and any(k.event in events for k in keys[0])

    def activity(self, word: Edge, nmods: list[Tree]) -> Condition:
        """ "active users in W": any event in it; "inactive users (in W)": none."""
        wins = [e for t in nmods if t.name == "when" for e in t.own("WIN")]
        if word.category == "ACTIVEADJ" and not wins:
            raise self.no(word, '"active" needs a time: active in the last 30 days.', "vague")
        events = Events(None, (), self.windows(wins) if wins else ALWAYS)
        return Has(Count(events), AT_LEAST_ONCE if word.category == "ACTIVEADJ" else Bound("=", 0))

    def belongs(self, place: Tree, draft: EventDraft) -> bool:
        """Whether a place after an agent noun is a value of its event, and no place of the profile."""
        vlist = place.tree("vlist")
        assert vlist is not None
        try:
            place_condition(self.names, vlist, False)
        except Refused:
            return not place.has("NEG", "LIVEIN")  # people live somewhere, events do not
        return False

    def newcomers(self, edge: Edge, nmods: list[Tree]) -> Condition:
        """ "new customers in W" has readings: first bought, signed up, or first seen in it."""
        wins = [e for t in nmods if t.name == "when" for e in t.edges() if e.category == "WIN"]
        if not wins:
            raise self.no(
                edge, '"new" could mean first bought, signed up or first seen: say which, and since when.', "vague"
            )
        window = self.windows(wins)
        options: list[Condition] = []
        if ORDER in self.names.types:
            options.append(Extreme("first", Events(ORDER), window))
        for key in self.names.attributes:
            if key.name.lower() in lexicon.SIGNUP_KEYS and "date" in key.holds:
                options.append(Attribute((key.name,), During(window)))
                break
        options.append(Extreme("first", Events(None), window))
        return self.chooser.choose(options, self.text(edge))

    def values_before(self, vlists: list[Tree], events: EventDraft | None) -> list[Condition]:
        """Values before the noun: attributes of the contact, or filters of the agent noun's event."""
        conditions: list[Condition] = []
        for vlist in vlists:
            groups, joint = vlist_groups(vlist)
            if events is not None:
                try:
                    conditions.append(self.attribute_list(vlist, groups, joint))
                    continue
                except Refused:
                    events.pre.append(vlist)
                    continue
            conditions.append(self.attribute_list(vlist, groups, joint))
        return conditions

    def attribute_list(self, vlist: Tree, groups: list[list[Edge]], joint: str) -> Condition:
        alternatives: list[Condition] = []
        for group in groups:
            alternatives.append(all_of(*(self.attribute_value(edge) for edge in group)))
        if joint == "and" and not self.list_attribute(alternatives):
            joint = "or"  # one value cannot be two: "gold and silver members" are either
        return (
            all_of(*alternatives)
            if joint == "and"
            else any_of(*alternatives)
            if len(alternatives) > 1
            else alternatives[0]
        )

    def list_attribute(self, conditions: list[Condition]) -> bool:
        lists = {k.name for k in self.names.attributes if "list" in k.holds}
        return all(isinstance(c, Attribute) and set(c.names) & lists for c in conditions)

    def attribute_value(self, edge: Edge) -> Condition:
        if edge.category == "UNK":
            raise unknown(self.names, edge, None, self.names.attributes)
        found = attribute_value(self.names, edge)
        if not found:
            raise unknown(self.names, edge, None, self.names.attributes)
        return self.chooser.choose(found, self.text(edge))

    def age_bare(self, tree: Tree) -> Condition:
        """ "women over 30": a bare number of a person is the age, if it can be one."""
        edge = tree.edge("BOUND")
        assert edge is not None
        if edge.meaning.currency or edge.meaning.bound.value > 120:
            raise self.no(edge, f'It is not said what "{self.text(edge)}" measures.', "vague")
        return self.age(tree, edge.meaning.bound)

    def gender(self, edge: Edge) -> Condition:
        keys = [k for k in self.names.attributes if k.name.lower() in lexicon.GENDER_KEYS]
        if not keys:
            raise self.no(edge, "The phonebook has no attribute of gender.", "unknown key")
        forms = lexicon.GENDERS[edge.meaning]
        found = self.names.vocabulary.values([fold(f) for f in forms])
        texts = {v.text.strip().casefold() for values in found.values() for v in values if v.key in keys}
        return Attribute(tuple(k.name for k in keys), Text("is", tuple(sorted(texts)) or (edge.meaning,)))

    def age(self, node: Tree | Edge, bound: Bound) -> Condition:
        for key in self.names.attributes:
            if key.name.lower() in lexicon.AGE_KEYS and "number" in key.holds:
                return Age(key.name, bound)
        for key in self.names.attributes:
            if key.name.lower() in lexicon.BIRTH_KEYS:
                return Age(key.name, bound, from_birth=True)
        raise self.no(node, "The phonebook has neither ages nor birth dates.", "unknown key")

    # ── clauses ──

    def clauses(self, first: list[Tree], rest: list[Tree], about: Sequence[Clause] = ()) -> Condition:
        """A flat list of clauses, combined."""
        found: list[Clause] = list(about)
        for tree in first:
            found.extend(self.clause(tree, Link("start" if not found else "loose"), False))
        for tree in rest:
            more = self.rest_clause(tree)
            before = found[-1] if found else None
            listed = (
                before is not None
                and before.excluded
                and more[0].simple_noun
                and more[0].link.kind in ("and", "or", "comma")
            )
            if listed and before is not None and before.condition is not None and more[0].condition is not None:
                # a list after except is an or under the not
                before.condition = negated(any_of(negated(before.condition), more[0].condition))
                continue
            found.extend(more)
        if found and found[0].link.kind in ("then", "after", "before"):
            raise Refused("no place", found[0].first, found[0].end, "There is no event before that this could follow.")
        if found and found[0].link.kind != "start":
            found[0].link = Link("start")
        attach_windows(found, self)
        return join_clauses(found, self)

    def rest_clause(self, tree: Tree) -> list[Clause]:
        if tree.name == "loose":
            return self.clause(tree.trees()[0], Link("loose"), False)
        link_tree, unit = tree.trees()[0], tree.trees()[1]
        kinds = {
            "and_": "and",
            "or_": "or",
            "but_": "but",
            "comma": "comma",
            "nor_": "nor",
            "then": "then",
            "after": "after",
            "before": "before",
        }
        comma = link_tree.edge("COMMA") is not None
        also = link_tree.edge("ALSO") is not None
        link = Link(kinds[link_tree.name], comma, also)  # type: ignore[arg-type]
        inner = unit.trees()
        if inner[0].name == "np":
            return [
                Clause(
                    link,
                    False,
                    None,
                    False,
                    unit.first,
                    unit.end,
                    condition=self.noun_phrase(inner[0], inner[1:]),
                    simple_noun=True,
                )
            ]
        if inner[0].name == "step":
            if link.kind not in ("then", "after", "before"):
                raise self.no(unit, f'"{self.text(unit)}" has no verb.')
            draft = self.said_event(inner[0])
            return [Clause(link, False, None, False, unit.first, unit.end, event=draft)]
        if inner[0].name == "again":
            return [
                Clause(
                    link, False, None, False, unit.first, unit.end, gap=Tree("again", (Tree("obj", inner[0].children),))
                )
            ]
        found = self.clause(inner[0], link, False)
        if link_tree.edge("EITHER") is not None:
            found[0].either = True
        return found

    def clause(self, tree: Tree, link: Link, who: bool) -> list[Clause]:
        """The clauses that a unit gives: one, but for lists under one relative."""
        match tree.name:
            case "who":
                inner = tree.trees()[0]
                found = self.clause(inner, link, True)
                win, ever = tree.edge("WIN"), tree.edge("EVER")
                if win is not None and found[0].event is not None:
                    found[0].event.windows.insert(0, (win, True))
                elif win is not None:
                    raise self.no(win, f'"{self.text(win)}" has no verb to belong to.')
                if ever is not None and found[0].event is not None:
                    found[0].event.ever = True
                return found
            case "whose_":
                return self.whose(tree.trees()[0], link)
            case "vp" | "vp_be" | "vp_either" | "vp_neither":
                return self.verb_phrase(tree, link, who)
            case "gap":
                return [Clause(link, who, self.negation(tree.edge("NEG")), False, tree.first, tree.end, gap=tree)]
            case "except":
                excepted = tree.trees()
                if excepted[0].name == "np":
                    condition = self.noun_phrase(excepted[0], excepted[1:])
                elif excepted[0].name == "vlist":
                    groups, _ = vlist_groups(excepted[0])
                    condition = any_of(*(all_of(*(self.attribute_value(e) for e in g)) for g in groups))
                else:
                    condition = self.clauses([excepted[0]], [])
                return [
                    Clause(link, who, None, False, tree.first, tree.end, condition=negated(condition), excluded=True)
                ]
            case "group":
                return [
                    Clause(link, who, None, False, tree.first, tree.end, condition=self.population(tree.trees()[0]))
                ]
            case "nofpart":
                return [Clause(link, who, None, False, tree.first, tree.end, condition=self.several(tree))]
            case "bare":
                draft = self.said_event(tree)
                return [Clause(link, who, None, False, tree.first, tree.end, event=draft)]
            case "bywhom":
                event, tail, quant = tree.edge("EV"), tree.edge("TAIL"), tree.tree("quant")
                assert event is not None
                draft = EventDraft(tree.first, tree.end, event.meaning)
                if tail is not None:
                    draft.tails.append(tail)
                if quant is not None:
                    word = next(quant.edges())
                    draft.quant = Quant(quant_bound(word), word.category == "NONE")
                prep, vlists = tree.tree("prep"), tree.trees("vlist")
                if prep is not None:
                    draft.objects.append(Tree("prepared", (prep, vlists[-1])))
                    vlists = vlists[:-1]
                draft.objects.extend(Tree("obj", (v,)) for v in vlists)
                self.take_args(draft, [t for t in tree.trees() if t.name not in ("quant", "prep", "vlist")])
                return [Clause(link, True, None, False, tree.first, tree.end, event=draft)]
        if tree.name in _NMODS:
            return [self.modifier(tree, link, who)]
        raise self.no(tree, f'"{self.text(tree)}" is not read here.', "unsupported")

    def negation(self, edge: Edge | None) -> Negation | None:
        if edge is None:
            return None
        tense, word = edge.meaning
        return Negation(tense, word == "never")

    def whole(
        self, tree: Tree, link: Link, who: bool, condition: Condition, negation: Negation | None = None
    ) -> Clause:
        if negation is not None:
            condition = negated(condition)
        return Clause(link, who, negation, False, tree.first, tree.end, condition=condition)

    def verb_phrase(self, tree: Tree, link: Link, who: bool) -> list[Clause]:
        neg = tree.edge("NEG")
        negation = self.negation(neg)
        auxiliaries = [e for t in tree.trees("aux") for e in t.edges()]
        perfect = any(e.category == "HAVE" for e in auxiliaries)
        if (
            neg is not None
            and any(e.category == "HAVE" and e.end <= neg.first for e in auxiliaries)
            and negation is not None
        ):
            negation = replace(negation, tense="perfect")
        also = any(e.category == "ALSO" for e in auxiliaries) or tree.has("ALSO")
        if tree.name == "vp_be":
            auxiliaries = [*auxiliaries, *(e for e in tree.children if isinstance(e, Edge))]
        if also or (auxiliaries and link.comma and link.kind in ("and", "but")):
            link = replace(link, also=True)
        core = tree.trees()[-1]
        said = any(e.category == "BE" for e in tree.children if isinstance(e, Edge))
        if tree.name == "vp_be" and not said and (negation is None or negation.tense != "be"):
            raise self.no(core, f'"{self.text(core)}" has no verb.')
        either = tree.name == "vp_either"
        if tree.name == "vp_neither":
            negation = Negation("simple", False)
        clause = self.core(core, link, who, negation, perfect)
        clause.perfect = perfect
        clause.either = either or tree.has("EITHER")
        clause.first, clause.end = tree.first, tree.end
        return [clause]

    def core(self, core: Tree, link: Link, who: bool, negation: Negation | None, perfect: bool = True) -> Clause:
        match core.name:
            case "event":
                draft = self.event_draft(core)
                head = core.tree("evhead")
                if head is not None and self.text(head).casefold() == "seen" and not perfect:
                    raise self.no(head, "Seen by us, or seen by them?")
                return Clause(link, who, negation, False, core.first, core.end, event=draft)
            case "with_event":
                draft = self.said_event(core)
                return Clause(link, who, negation, False, core.first, core.end, event=draft)
            case "active":
                word = core.edge("ACTIVE")
                timed = any(e.category in ("WIN", "EVER", "REG", "TIMES", "LASTING", "WITHIN") for e in core.leaves())
                vague = word is not None and self.text(word).casefold().split()[-1] == "active"
                if vague and not timed and not self.head_window and negation is None:
                    raise self.no(core, '"active" needs a time: active in the last 30 days.', "vague")
                return self.active(core, link, who, negation)
            case "spent":
                return Clause(link, who, negation, False, core.first, core.end, spent=core)
            case "be_np":
                np = core.tree("np")
                assert np is not None
                condition = self.noun_phrase(np, [t for t in core.trees() if t is not np])
                return self.whole(core, link, who, condition, negation)
            case "be_values":
                vlist = core.tree("vlist")
                assert vlist is not None
                groups, joint = vlist_groups(vlist)
                return self.whole(core, link, who, self.attribute_list(vlist, groups, joint), negation)
            case "be_nmod":
                inner_tree = core.trees()[0]
                clause = self.modifier(inner_tree, link, who)
                if negation is not None:
                    if clause.negation is not None:
                        raise self.no(core, "Two negations in one clause.")
                    if clause.condition is not None:
                        clause.condition = negated(clause.condition)
                    clause.negation = negation
                return clause
        return self.whole(core, link, who, self.condition(core), negation)

    def condition(self, core: Tree) -> Condition:
        """A phrase that is a condition by itself, wherever it stands: after a verb, a noun or whose."""
        match core.name:
            case "versus_windows":
                return self.versus_windows(core)
            case "versus_events":
                return self.versus_events(core)
            case "versus_noun_windows":
                more, noun = core.edge("MORE"), core.edge("EN")
                assert more is not None and noun is not None
                mention = self.mention(EventDraft(noun.first, noun.end, noun.meaning, noun=True))
                one, two = (Count(Events(mention.event, mention.variants[0], self.window(w))) for w in core.own("WIN"))
                return Versus(one, more.meaning, two)
            case "versus_average":
                return self.versus_average(core)
            case "versus_distinct":
                return self.versus_distinct(core)
            case "spent_versus_events":
                more = core.edge("MORE")
                assert more is not None
                window = self.late(core.trees("late"))
                sides = [self.money_of(noun, window) for noun in core.own("EN", "TAIL")]
                return Versus(sides[0], more.meaning, sides[1])
            case "spent_versus":
                more = core.edge("MORE")
                wins = core.own("WIN")
                assert more is not None
                self.need_orders(core)
                left, right = (Spend(Events(ORDER, (), self.window(w))) for w in wins)
                return Versus(left, more.meaning, right)
            case "spent_average":
                self.need_orders(core)
                word = core.edge("AVGUNDER", "AVGOVER", "MORE")
                under = word is not None and (word.category == "AVGUNDER" or word.meaning == "<")
                spend = Spend(Events(ORDER, (), self.late(core.trees("late"))))
                return Versus(spend, "<" if under else ">", MeanOverContacts(spend))
            case "abandoned":
                return self.abandoned(self.late(core.trees("late")))
            case "inactive":
                return self.inactive(core)
            case "boolean":
                edge = core.edge("BOOL")
                assert edge is not None
                return Attribute((edge.meaning[0].name,), Truth(True))
            case "came_back":
                edge = core.edge("SPANBOUND")
                assert edge is not None
                sign, span = edge.meaning
                if sign not in (">", ">="):
                    raise self.no(edge, "Coming back is read after more than some time.")
                return CameBack(span, self.late(core.trees("late")))
            case "signed_up":
                return self.signed_up(core)
            case "spent_event":
                return self.spent_event(core)
            case "lasted":
                return self.lasted(core)
            case "versus_nouns":
                return self.versus_nouns(core)
            case "value_key_is":
                return self.value_key_is(core)
            case "stopped":
                return self.stopped(core)
            case "has_key" | "lacks_key" | "key_cond" | "bound_key":
                return self.attribute_condition(core)
            case "measure_bound":
                return self.measure_bound(core)
            case "measure_average" | "whose_average":
                return self.measure_average(core)
            case "measure_share":
                return self.measure_share(core)
            case "measure_than":
                return self.measure_than(core)
            case "measure_than_all":
                return self.measure_than_all(core)
            case "measure_versus":
                return self.measure_versus(core)
            case "place":
                vlist = core.tree("vlist")
                assert vlist is not None
                return place_condition(self.names, vlist, False)
            case "lapsed":
                core.edge("LAPSED")
                edge = core.edge("WIN", "LASTING", "WITHIN")
                assert edge is not None
                return _stopped(Events(ORDER), self.span_window(edge))
            case "age":
                edge = core.edge("AGEP")
                assert edge is not None
                return self.age(core, edge.meaning)
            case "age_bare":
                return self.age_bare(core)
            case "tagged":
                return self.tagged(core)
            case "named":
                return self.named(core)
            case "boolean_not":
                edge = core.edge("BOOL")
                assert edge is not None
                return Not(Attribute((edge.meaning[0].name,), Truth(True)))
            case "favourite" | "most_done":
                return self.favourite(core)
            case "whose_extreme":
                return self.whose_extreme(core)
            case "neither_mods":
                return all_of(*(negated(self.clauses([t], [])) for t in core.trees()))
            case "birth" | "birthday":
                return self.birthday(core)
            case "basket":
                return self.basket(core)
            case "rank_in":
                return self.rank(core.trees()[0])
            case "rank_in_share":
                return self.rank_share(core)
            case "mostly":
                return self.mostly(core)
        raise self.no(core, f'"{self.text(core)}" is not read here.', "unsupported")

    # ── modifiers ──

    def modifier(self, tree: Tree, link: Link, who: bool) -> Clause:
        match tree.name:
            case "with_event":
                draft = self.said_event(tree)
                return Clause(link, who, None, False, tree.first, tree.end, event=draft)
            case "without_event":
                return self.without_event(tree, link, who)
            case "active":
                return self.active(tree, link, who, None)
            case "keyed" | "keyed_bound":
                return Clause(link, who, None, False, tree.first, tree.end, keyed=tree)
            case "when":
                edge = tree.edge("WIN")
                if edge is None:
                    raise self.no(tree, f'"{self.text(tree)}" has nothing to belong to.')
                return Clause(link, who, None, False, tree.first, tree.end, window=self.window(edge))
        return self.whole(tree, link, who, self.condition(tree), self.negation(tree.edge("NEG")))

    def active(self, tree: Tree, link: Link, who: bool, negation: Negation | None) -> Clause:
        """ "was active last week": any event."""
        if link.comma and self.text(tree).casefold().startswith(("was ", "were ", "been ")):
            link = replace(link, also=True)
        draft = EventDraft(tree.first, tree.end, None)
        for pre in tree.trees("evpre"):
            self.take_pre(draft, pre)
        self.take_args(draft, [t for t in tree.trees() if t.name != "evpre"])
        return Clause(link, who, negation, False, tree.first, tree.end, event=draft)

    def without_event(self, tree: Tree, link: Link, who: bool) -> Clause:
        draft = self.said_event(tree)
        if draft.quant is not None:
            raise self.no(tree, "Without a number of them? Say how many at most.")
        return Clause(link, who, Negation("bare", False), False, tree.first, tree.end, event=draft)

    def tagged(self, tree: Tree) -> Condition:
        vlist = tree.tree("vlist")
        assert vlist is not None
        keys = [k for k in self.names.attributes if "list" in k.holds] or [
            k for k in self.names.attributes if k.name.lower() in ("tag", "tags")
        ]
        if not keys:
            raise self.no(tree, "The phonebook has no tags.", "unknown key")
        tags = [k for k in keys if "tag" in k.name.lower()] or keys
        groups, joint = vlist_groups(vlist)
        conditions: list[Condition] = []
        for group in groups:
            said = said_text(self.names, group)
            held = self.names.held(said, tags)
            if not held:
                if group[0].category != "QUOTED":
                    near = self.names.vocabulary.near(said, tags, 3)
                    raise Refused(
                        "unknown value",
                        group[0].first,
                        group[-1].end,
                        f'No tag "{said}" is known.',
                        tuple(v.text for v in near),
                    )
                self.warnings.append(f'No tag is "{said}".')
            texts = tuple(sorted({v.text.strip().casefold() for v in held})) or (said.casefold(),)
            conditions.append(
                Attribute(tuple(sorted({v.key.name for v in held})) or (tags[0].name,), Text("is", texts))
            )
        return all_of(*conditions) if joint == "and" else any_of(*conditions)

    def named(self, tree: Tree) -> Condition:
        text = tree.tree("text")
        assert text is not None
        keys = [k.name for k in self.names.attributes if k.name.lower() in lexicon.NAME_KEYS]
        if not keys:
            raise self.no(tree, "The phonebook has no names.", "unknown key")
        said = said_text(self.names, list(text.edges())).strip().casefold()
        return Attribute(tuple(sorted(keys)), Text("has word" if " " not in said else "is", (said,)))

    def birthday(self, tree: Tree) -> Condition:
        keys = [k.name for k in self.names.attributes if k.name.lower() in lexicon.BIRTH_KEYS]
        if not keys:
            raise self.no(tree, "The phonebook has no birth dates.", "unknown key")
        edge = tree.edge("WIN", "FUTURE")
        assert edge is not None
        if edge.category == "FUTURE":
            return Birthday(keys[0], edge.meaning.period)
        window = self.window(edge)
        if window.period is None or window.weekdays or window.hours:
            raise self.no(edge, "A birthday falls into days, months or a stretch of them.")
        return Birthday(keys[0], window.period)

    def inactive(self, tree: Tree) -> Condition:
        edge = tree.edge("WIN", "LASTING", "WITHIN")
        if edge is None:
            return Has(Count(Events(None, (), self.default_window())), Bound("=", 0))
        return Has(Count(Events(None, (), self.span_window(edge))), Bound("=", 0))

    def abandoned(self, window: Window) -> Condition:
        return Chain((Step(Events("add-to-cart", (), window)), Step(Events(ORDER), absent=True)))

    def lapsed(self, edge: Edge, nmods: list[Tree]) -> Condition:
        wins = [e for t in nmods if t.name == "when" for e in t.edges()]
        if len(wins) != 1 or wins[0].category != "WIN":
            raise self.no(edge, f'"{self.text(edge)}" needs a number of days: lapsed customers (90 days).', "vague")
        return _stopped(Events(ORDER), self.window(wins[0]))

    def basket(self, tree: Tree) -> Condition:
        """ "with 10 or more items in a single order"."""
        quant, vlist, thing = tree.tree("quant"), tree.tree("vlist"), tree.edge("THING")
        assert quant is not None and thing is not None
        draft = EventDraft(tree.first, tree.end, everyday(ORDER), in_one=True)
        draft.objects.append(Tree("obj", (quant, vlist, thing) if vlist is not None else (quant, thing)))
        return self.event_condition(draft, self.default_window())

    def signed_up(self, core: Tree) -> Condition:
        """The profile's sign-up date lies in the window, else the sign-up event does."""
        window = self.late(core.trees("late"))
        for key in self.names.attributes:
            if key.name.lower() in lexicon.SIGNUP_KEYS and "date" in key.holds:
                return Attribute((key.name,), Known(True) if window == ALWAYS else During(window))
        for name in self.names.index.events:
            if set(name.stems) & {"signup", "regist", "join"}:
                return Has(Count(Events(name.event, (), window)), AT_LEAST_ONCE)
        raise self.no(core, "Neither a sign-up date nor a sign-up event is known.", "unknown key")

    def spent_event(self, core: Tree) -> Condition:
        """ "spent over 2000 on flights": the sum of that event's one money property."""
        said, edge = core.edge("EN", "TAIL"), core.edge("BOUND", "NUM")
        assert said is not None and edge is not None
        return Has(self.in_currency(self.money_of(said, self.late(core.trees("late"))), edge), sum_bound(edge))

    def money_of(self, said: Edge, window: Window) -> Measure:
        """The sum of the one money property of an event that a noun names."""
        options: list[Measure] = [
            Aggregate("total", Events(c.event, (), window), money)
            for c in said.meaning.candidates
            for money in money_keys(self.names, c.event)
        ]
        if not options:
            raise self.no(said, f'"{self.text(said)}" has no amount of money.', "wrong key")
        return self.chooser.choose(list(dict.fromkeys(options)), self.text(said))

    def versus_average(self, core: Tree) -> Condition:
        """ "completed more levels than the average user"."""
        more, noun, head = core.edge("MORE"), core.edge("EN"), core.tree("evhead")
        assert more is not None
        if head is None and noun is not None and noun.meaning.candidates[0].tier == "noun":
            raise self.no(noun, f'"{self.text(noun)}" is only a part of an event\'s name.')
        if head is not None:
            draft = self.head_draft(head)
            draft.tails.extend(core.own("TAIL"))
            if noun is not None:
                self.same_event(noun, draft)
        else:
            assert noun is not None
            draft = EventDraft(core.first, core.end, noun.meaning, noun=True)
        mention = self.mention(draft)
        measure = Count(Events(mention.event, mention.variants[0], self.late(core.trees("late"))))
        return Versus(measure, more.meaning, MeanOverContacts(measure))

    def versus_distinct(self, core: Tree) -> Condition:
        """ "looked at more distinct brands than they bought"."""
        more, key, thing = core.edge("MORE"), core.edge("KEY"), core.edge("THING")
        assert more is not None
        core.edge("DISTINCT")
        window = self.late(core.trees("late"))
        sides: list[Measure] = []
        for head in core.trees("evhead"):
            mention = self.mention(self.head_draft(head))
            name = Property("product_id", "item")
            if key is not None:
                found = properties(k for k in key.meaning if k.event == mention.event)
                if not found:
                    raise self.no(key, f'{mention.event} has no key "{self.text(key)}".', "wrong key")
                name = next((p for p in found if p.level == "item"), found[0])
            elif thing is None:
                raise self.no(core, "Different what?")
            sides.append(Distinct(Events(mention.event, mention.variants[0], window), name))
        return Versus(sides[0], more.meaning, sides[1])

    def lasted(self, core: Tree) -> Condition:
        """ "watched over 90 minutes of films": the sum of that event's one duration property."""
        verb, edge = core.edge("EV", "GENV"), core.edge("DURATION")
        noun = core.edge("EN", "TAIL")
        others = core.own("EV")
        vlist = core.tree("vlist")
        assert verb is not None and edge is not None
        sum_word = core.edge("AGG")
        if sum_word is not None and sum_word.meaning != "total":
            raise self.no(sum_word, "Only a total of it is read here.")
        window = self.late(core.trees("late"))
        candidates: list[Candidate] = []
        named = [h.meaning.candidates for h in (noun, *others) if h is not None and isinstance(h.meaning, EventHit)]
        if not named:
            raise self.no(core, "It is not said of what.")
        for candidate in named[0]:
            if all(any(c.event == candidate.event for c in more) for more in named[1:]):
                candidates.append(candidate)
        options: list[Condition] = []
        for candidate in candidates:
            keys = duration_keys(self.names, candidate.event)
            where: tuple[EventFilter, ...] = ()
            if vlist is not None:
                draft = EventDraft(core.first, core.end, EventHit((candidate,)))
                draft.objects.append(Tree("obj", (vlist,)))
                try:
                    where = self.mention(draft).variants[0]
                except Refused:
                    continue
            options.extend(
                Has(
                    Aggregate("total", Events(candidate.event, where, window), Property(key.name)),
                    self.in_unit(edge, key),
                )
                for key in keys
            )
        if not options:
            raise self.no(edge, "No duration is known of it.", "wrong key")
        return self.chooser.choose(list(dict.fromkeys(options)), self.text(core))

    def versus_nouns(self, core: Tree) -> Condition:
        """ "did more searches than product views", "booked more hotels than flights"."""
        more = core.edge("MORE")
        assert more is not None
        nouns = core.own("EN", "TAIL")
        verb = core.edge("EV")
        window = self.late(core.trees("late"))
        sides: list[Measure] = []
        for noun in nouns:
            found = [
                c
                for c in noun.meaning.candidates
                if verb is None or any(v.event == c.event for v in verb.meaning.candidates)
            ]
            best = [c for c in found if c.tier == found[0].tier]
            if not best:
                raise self.no(noun, f'"{self.text(noun)}" is no event of that verb.')
            event = self.chooser.choose(sorted({c.event for c in best}), self.text(noun))
            sides.append(Count(Events(event, (), window)))
        return Versus(sides[0], more.meaning, sides[1])

    def value_key_is(self, tree: Tree) -> Condition:
        """ "on the pro plan": an attribute with its value before it."""
        key, vlist = tree.edge("KEY"), tree.tree("vlist")
        assert key is not None and vlist is not None
        keys = self.attribute_keys(key)
        if not keys:
            raise self.no(key, f'No attribute "{self.text(key)}" is known.', "unknown key")
        texts, warnings = key_values(self.names, vlist, keys[:1])
        self.warnings.extend(warnings)
        return Attribute((keys[0].name,), Text("is", texts))

    def measure_than(self, tree: Tree) -> Condition:
        compared = tree.edge("CMP")
        assert compared is not None
        window = self.late(tree.trees("late"))
        left, right = (self.measure(t, window) for t in tree.trees(*_MEASURES))
        return Versus(left, compared.meaning, right)

    def measure_than_all(self, tree: Tree) -> Condition:
        more, orders = tree.edge("CMP"), tree.own("AOV")
        assert more is not None
        if orders[-1].meaning != "average":
            raise self.no(orders[-1], "Only the average of all is compared with.")
        window = self.late(tree.trees("late"))
        return Versus(
            self.measure(self.measure_tree(tree), window),
            more.meaning,
            MeanOverEvents(Events(ORDER, (), window), ORDER_VALUE),
        )

    def stopped(self, core: Tree) -> Condition:
        verb = core.edge("EV", "EN")
        assert verb is not None
        if verb.category == "EN" and verb.end in self.names.lattice.at[verb.first].get("EV", {}):
            raise self.no(verb, f'"{self.text(verb)}" is a verb here.')
        draft = self.said_event(core)
        spans = [e for e, _ in draft.windows]
        window = None
        if len(spans) == 1:
            window = self.window(spans[0])
        elif len(draft.withins) == 1:
            window = Window(Rolling(draft.withins[0].meaning.span))
        if window is None:
            raise self.no(core, f'"{self.text(core)}" needs a number of days.', "vague")
        draft.windows, draft.withins = [], []
        mention = self.mention(self.plain(draft))
        events = Events(mention.event, mention.variants[0], ALWAYS)
        return _stopped(events, window)

    def mostly(self, core: Tree) -> Condition:
        draft = self.said_event(core)
        if draft.times or draft.regular or draft.which or draft.only or draft.withins or draft.within_of or draft.prior:
            raise self.no(core, "Mostly is read of one value.")
        mention = self.mention(draft)
        if len(mention.variants) != 1 or len(mention.variants[0]) != 1:
            raise self.no(core, "Mostly is read of one value.")
        only = mention.variants[0][0]
        if (
            not isinstance(only, Filter)
            or len(only.properties) != 1
            or not isinstance(only.test, Text)
            or only.test.how != "is"
        ):
            raise self.no(core, "Mostly is read of one value of one key.")
        if mention.bound != AT_LEAST_ONCE:
            raise self.no(core, "Mostly is read of one value.")
        return Favourite(
            Events(mention.event, (), self.draft_window(draft)), only.properties[0], only.test.values, mostly=True
        )

    # ── attributes by key ──

    def attribute_keys(self, edge: Edge) -> list[Key]:
        if edge.meaning == "product":
            return []
        return [k for k in edge.meaning if k.level == "attribute"]

    def attribute_condition(self, tree: Tree) -> Condition:
        key = tree.edge("KEY")
        assert key is not None
        keys = self.attribute_keys(key)
        if not keys:
            raise self.no(key, f'No attribute "{self.text(key)}" is known.', "unknown key")
        names = (keys[0].name,)
        booleans = "boolean" in keys[0].holds
        match tree.name:
            case "has_key":
                return Attribute(names, Truth(True) if booleans else Known(True))
            case "lacks_key":
                tree.edge("NONE")
                return Not(Attribute(names, Truth(True))) if booleans else Attribute(names, Known(False))
            case "bound_key":
                bound = tree.edge("BOUND")
                assert bound is not None
                if "number" not in keys[0].holds:
                    raise self.no(key, f'"{self.text(key)}" holds no numbers.', "wrong key")
                return Attribute(names, Numeric(bound.meaning.bound))
        return self.attribute_keyed(key, keys, tree.trees()[-1])

    def attribute_keyed(self, key: Edge, keys: list[Key], cond: Tree) -> Condition:
        if keys[0].name.lower() in lexicon.AGE_KEYS and cond.name in ("bound", "number") and not cond.has("NEG"):
            edge = cond.edge("BOUND", "NUM")
            assert edge is not None
            return Age(keys[0].name, edge.meaning.bound)
        if (
            keys[0].name.lower() in lexicon.BIRTH_KEYS
            and cond.name == "during"
            and "birthday" in self.text(key).casefold()
        ):
            if cond.has("NEG"):
                raise self.no(cond, "A negated birthday is not read: exclude those who have one then.")
            return self.birthday(Tree("birth", tuple(e for e in cond.edges() if e.category in ("WIN", "FUTURE"))))
        test, warnings = key_test(self.names, cond, keys[:1], self.window, attribute=True)
        self.warnings.extend(warnings)
        condition = Attribute((keys[0].name,), test)
        negative = cond.name == "is_not" or (
            cond.has("NEG") and cond.name in ("is_", "number", "contains", "starts", "ends")
        )
        if isinstance(test, Text) and cond.name in ("is_", "includes"):
            vlist = cond.tree("vlist")
            assert vlist is not None
            _, joint = vlist_groups(vlist)
            if joint == "and" and "list" in keys[0].holds:
                each = [Attribute((keys[0].name,), Text("is", (value,))) for value in test.values]
                return negated(all_of(*each)) if negative else all_of(*each)
        return Not(condition) if negative else condition

    def keyed_clause(self, clause: Clause, event: Clause | None) -> Condition | None:
        """A keyed condition that stands as a clause: a filter of the event before it (then None), or an attribute."""
        tree = clause.keyed
        assert tree is not None
        key = tree.edge("KEY", "PKEY")
        assert key is not None
        attribute = self.attribute_keys(key)
        draft = event.event if event is not None else None
        possible = draft is not None and (
            key.meaning == "product"
            or draft.hit is None
            or any(k.event == c.event for c in draft.hit.candidates for k in key.meaning)
        )
        if possible and attribute:
            word = self.text(key)
            last = draft.objects[-1] if draft is not None and draft.objects else None
            product = (  # "a product whose name …": of what stands beside it
                draft is not None
                and draft.end == tree.first - 1
                and (self.names_a_thing(draft) or (last is not None and last.name == "obj"))
            )
            if product or self.chooser.choose((True, False), word):
                attribute = []
            else:
                possible = False
        if possible and draft is not None:
            draft.objects.append(tree)
            draft.end = max(draft.end, tree.end)
            return None
        if not attribute:
            holders = sorted({k.event for k in key.meaning if k.event}) if key.meaning != "product" else []
            where = f"; it is a key of {', '.join(holders[:4])}" if holders else ""
            raise self.no(
                key, f'No attribute "{self.text(key)}" is known{where}.', "unknown key" if not holders else "wrong key"
            )
        if tree.name == "keyed_bound":
            bound = tree.edge("BOUND", "NUM")
            assert bound is not None
            if "number" not in attribute[0].holds:
                raise self.no(key, f'"{self.text(key)}" holds no numbers.', "wrong key")
            return Attribute((attribute[0].name,), Numeric(bound.meaning.bound))
        return self.attribute_keyed(key, attribute, tree.trees()[-1])

    def names_a_thing(self, draft: EventDraft) -> bool:
        """Whether an event was named with the noun of what it is about ("unlocked an achievement")."""
        if draft.noun or draft.tails or draft.about_product:
            return True
        best = draft.hit.candidates[0] if draft.hit is not None else None
        return best is not None and best.tier == "full" and len(best.stems) > 1

    # ── whose ──

    def whose(self, tree: Tree, link: Link) -> list[Clause]:
        match tree.name:
            case "whose_key":
                keyed = Tree("keyed", tree.children)
                return [Clause(link, True, None, False, tree.first, tree.end, keyed=keyed)]
            case "whose_noun":
                noun = tree.edge("EN")
                assert noun is not None
                if noun.end in self.names.lattice.at[noun.first].get("KEY", {}):
                    raise self.no(noun, f'"{self.text(noun)}" is a key here.')
                draft = replace(self.said_event(tree), noun=True)
                return [Clause(link, True, None, False, tree.first, tree.end, event=draft)]
            case "whose_event":
                draft = self.said_event(tree)
                return [Clause(link, True, self.negation(tree.edge("NEG")), False, tree.first, tree.end, event=draft)]
        return [self.whole(tree, link, True, self.condition(tree))]

    def whose_extreme(self, tree: Tree) -> Condition:
        word = tree.edge("FIRST", "LASTEV")
        which = "first" if word is not None and word.category == "FIRST" else "last"
        enp = tree.tree("enp", "enp_another")
        assert enp is not None
        be = tree.edge("BE", "HAVE")
        draft = self.enp_draft(enp)
        args = [t for t in tree.trees() if t is not enp]
        inside = [t for t in args if be is None or t.end <= be.first]
        said = [t for t in args if t not in inside]
        if be is None:
            said = [t for t in inside if t.name in ("window", "lasting", "within")]
            inside = [t for t in inside if t not in said]
        self.take_args(draft, inside)
        mention = self.mention(self.plain(draft, "which"))
        if len(mention.variants) != 1:
            raise self.no(enp, "Only one event is the first or last.")
        events = Events(mention.event, mention.variants[0], ALWAYS)
        about = EventDraft(tree.first, tree.end, draft.hit, nominal=True)
        self.take_args(about, said)
        if about.hit is not None:
            about.hit = EventHit(tuple(c for c in about.hit.candidates if c.event == mention.event))
        window = self.draft_window(self.plain(about, "window", "gap"), rolling=True)
        has: tuple[EventFilter, ...] = ()
        if about.objects:
            told = self.mention(about)
            if len(told.variants) != 1 or told.measure != "count" or told.bound != AT_LEAST_ONCE:
                raise self.no(tree, "This is not read of a first or last event.")
            has = told.variants[0]
        if window == ALWAYS and not has:
            raise self.no(tree, "It is not said what the first or last one is.", "incomplete")
        return Extreme(which, events, window, has)  # type: ignore[arg-type]

    def favourite(self, tree: Tree) -> Condition:
        key, vlist = tree.edge("KEY", "PKEY"), tree.tree("vlist")
        assert key is not None and vlist is not None
        verb = tree.edge("EV")
        hit = verb.meaning if verb is not None else everyday(ORDER)
        failure: Refused | None = None
        for candidate in hit.candidates:
            if key.meaning == "product":
                found = [k for k in self.names.keys(candidate.event, "item") if k.name == "name"]
                if not found:
                    failure = self.no(key, f"{candidate.event} is not about products.", "wrong key")
                    continue
                prop = Property("name", "item")
            else:
                found = [k for k in key.meaning if k.event == candidate.event]
                if not found:
                    failure = self.no(key, f'{candidate.event} has no key "{self.text(key)}".', "wrong key")
                    continue
                props = properties(found)
                prop = next((p for p in props if p.level == "item"), props[0])
            texts, warnings = key_values(self.names, vlist, found)
            self.warnings.extend(warnings)
            window = self.late(tree.trees("late"))
            return Favourite(Events(candidate.event, (), window), prop, texts)
        assert failure is not None
        raise failure

    # ── measures ──

    def need_orders(self, node: Tree | Edge) -> None:
        if ORDER not in self.names.types:
            money = sorted(f"{p.name} of {e}" for e in self.names.types for p in money_keys(self.names, e))
            offered = f" Money is in: {', '.join(money)}." if money else ""
            raise self.no(
                node, f"The phonebook has no order-completed, so nobody's spend is known.{offered}", "unsupported"
            )

    def spend(self, tree: Tree, window: Window) -> Measure:
        edge = tree.edge("SPEND")
        assert edge is not None
        obj = tree.tree(*_OBJECTS)
        filters: tuple[EventFilter, ...] = ()
        if obj is not None:
            draft = EventDraft(obj.first, obj.end, everyday(ORDER))
            draft.objects.append(obj)
            mention = self.mention(draft)
            if len(mention.variants) != 1 or mention.bound != AT_LEAST_ONCE:
                raise self.no(obj, "Spend on one list of products is read.")
            filters = mention.variants[0]
        return Spend(Events(ORDER, filters, window), net=edge.meaning == "net")

    def measured_event(self, tree: Tree) -> tuple[EventDraft, Mention]:
        draft = self.said_event(tree)
        mention = self.mention(self.plain(draft, "window"))
        if len(mention.variants) != 1 or mention.bound != AT_LEAST_ONCE:
            raise self.no(tree, "One kind of event is measured.")
        return draft, mention

    def join(self, draft: EventDraft, window: Window) -> Window:
        own = self.draft_window(draft, use_default=False)
        joined = merge(own, window) if own != ALWAYS else window
        if joined is None:
            raise Refused("no place", draft.first, draft.end, "Two times for one measure.")
        return joined

    def aggregated(self, tree: Tree, window: Window) -> tuple[Events, Property]:
        """The events and the numeric property that "total X of A" measures."""
        key = tree.edge("KEY")
        assert key is not None
        if key.meaning == "product":
            raise self.no(key, "Say which number of the product.", "vague")
        if tree.name == "number_key" or (not tree.trees() and tree.edge("EV", "EN", "TAIL") is None):
            numeric = [k for k in key.meaning if k.level in ("event", "item") and "number" in k.holds]
            events = sorted({k.event for k in numeric if k.event})
            if not events:
                raise self.no(key, f'"{self.text(key)}" holds no numbers.', "wrong key")
            event = self.chooser.choose(events, self.text(key))
            return Events(event, (), window), properties([k for k in numeric if k.event == event])[0]
        enp, verb = tree.tree("enp", "enp_another"), tree.edge("EV", "EN", "TAIL")
        hit = verb.meaning if verb is not None else None
        draft = self.enp_draft(enp) if enp is not None else EventDraft(tree.first, tree.end, hit)
        prep, vlist = tree.tree("prep"), tree.tree("vlist")
        if vlist is not None and prep is not None:
            draft.objects.append(Tree("prepared", (prep, vlist)))
        args = [t for t in tree.trees() if t not in (enp, prep, vlist)]
        for arg in args:
            if arg.name == "amount" and not any(e.category == "PRICED" for e in arg.leaves()):
                raise self.no(arg, "The number compares the measure, not the event.")
        self.take_args(draft, args)
        assert draft.hit is not None
        having = tuple(
            c for c in draft.hit.candidates if any(k.event == c.event and "number" in k.holds for k in key.meaning)
        )
        if not having:
            events_named = ", ".join(sorted({c.event for c in draft.hit.candidates}))
            raise self.no(key, f'{events_named} has no number "{self.text(key)}".', "wrong key")
        draft.hit = EventHit(having)
        mention = self.mention(self.plain(draft, "window"))
        if len(mention.variants) != 1 or mention.bound != AT_LEAST_ONCE:
            raise self.no(tree, "One kind of event is measured.")
        found = [
            k for k in key.meaning if k.event == mention.event and "number" in k.holds and k.level in ("event", "item")
        ]
        if not found:
            raise self.no(key, f'"{self.text(key)}" holds no numbers.', "wrong key")
        return Events(mention.event, mention.variants[0], self.join(draft, window)), properties(found)[0]

    def measure(self, tree: Tree, window: Window) -> Measure:
        match tree.name:
            case "aggregate_duration":
                agg, noun = tree.edge("AGG"), tree.edge("EN", "TAIL")
                word = tree.edge("DURWORD")
                assert agg is not None and word is not None
                if noun is not None:
                    named = [c.event for c in noun.meaning.candidates]
                else:  # "average watch time": the event whose name has the verb
                    verb = stem(self.text(word).split()[0].casefold())
                    stems = {e.event: set(e.stems) for e in self.names.index.events}
                    named = [event for event in stems if verb in stems[event]] or list(stems)
                options: list[Measure] = [
                    Aggregate(agg.meaning, Events(event, (), window), Property(key.name))
                    for event in named
                    for key in duration_keys(self.names, event)
                ]
                if not options:
                    raise self.no(tree, f'"{self.text(tree)}" is no duration that is known.', "wrong key")
                return self.chooser.choose(options, self.text(tree))
            case "spend" | "average_spend":
                edge = tree.edge("SPEND")
                assert edge is not None
                self.need_orders(edge)
                if tree.name == "average_spend":
                    raise self.no(tree, "An average spend is one number of a group, not of a contact.")
                return self.spend(tree, window)
            case "order_value":
                edge = tree.edge("AOV")
                assert edge is not None
                self.need_orders(edge)
                return Aggregate(edge.meaning, Events(ORDER, (), window), ORDER_VALUE)
            case "count_of":
                agg = tree.edge("AGG")
                if agg is not None and agg.meaning != "total":
                    raise self.no(agg, "A count of a contact has no average.")
                draft, mention = self.measured_event(tree)
                return Count(Events(mention.event, mention.variants[0], self.join(draft, window)))
            case "aggregate" | "aggregate_event":
                agg, key = tree.edge("AGG"), tree.edge("KEY")
                assert agg is not None and key is not None
                events, prop = self.aggregated(tree, window)
                return Aggregate(agg.meaning, events, prop)
            case "number_key":
                key = tree.edge("KEY")
                assert key is not None
                keys = self.attribute_keys(key)
                if keys and "number" in keys[0].holds:
                    if window != ALWAYS:
                        raise self.no(key, "An attribute is known as of now only.")
                    return AttributeNumber(keys[0].name)
                raise self.no(key, f'Say the total, average, highest or lowest "{self.text(key)}".', "vague")
            case "days_since":
                enp = tree.tree("enp", "enp_another")
                since = tree.edge("DAYSSINCE")
                assert enp is not None and since is not None
                which, unit = since.meaning
                draft = self.enp_draft(enp)
                mention = self.mention(draft)
                return Elapsed(which, Events(mention.event, mention.variants[0], ALWAYS), unit)
        raise self.no(tree, f'"{self.text(tree)}" is no measure that is known.', "unsupported")

    def measure_tree(self, tree: Tree) -> Tree:
        found = tree.tree(*_MEASURES)
        assert found is not None
        return found

    def measure_bound(self, tree: Tree) -> Condition:
        edge = tree.edge("BOUND", "DURATION", "NUM")
        assert edge is not None
        bound: Bound = edge.meaning.bound
        inner = self.measure_tree(tree)
        window = self.late(tree.trees("late"))
        measure = self.measure(inner, window)
        if edge.category != "DURATION":
            measure = self.in_currency(measure, edge)
        if edge.category == "DURATION":
            if not isinstance(measure, Aggregate):
                raise self.no(edge, "A length of time is compared with a duration only.")
            key = next(
                (k for k in self.names.keys(measure.events.event or "") if k.name == measure.property.name), None
            )
            assert key is not None
            return Has(measure, self.in_unit(edge, key))
        if isinstance(measure, AttributeNumber):
            if measure.name.lower() in lexicon.AGE_KEYS:
                return Age(measure.name, bound)
            return Attribute((measure.name,), Numeric(bound))
        summed = isinstance(measure, Spend) or (isinstance(measure, Aggregate) and measure.how == "total")
        return Has(measure, sum_bound(edge) if summed else bound)

    def in_unit(self, edge: Edge, key: Key) -> Bound:
        """A length of time in the unit of the property; a conversion is said back."""
        bound = converted(edge, key)
        if bound != edge.meaning.bound:
            self.warnings.append(f'"{self.text(edge)}" was taken as {bound.value:,g} in the unit of {key.name}.')
        return bound

    def in_currency(self, measure: Measure, edge: Edge) -> Measure:
        """A measure of money in the currency that was said beside the amount."""
        if not isinstance(measure, (Aggregate, Spend)):
            return measure
        found, warning = currency_filter(self.names, measure.events.event, edge)
        if warning:
            self.warnings.append(warning)
        if found is None:
            return measure
        return replace(measure, events=replace(measure.events, where=filters(*measure.events.where, found)))

    def measure_average(self, tree: Tree) -> Condition:
        measure = self.measure(self.measure_tree(tree), self.late(tree.trees("late")))
        word = tree.edge("AVGOVER", "AVGUNDER")
        under = word is not None and word.category == "AVGUNDER"
        return Versus(measure, "<" if under else ">", MeanOverContacts(measure))

    def measure_share(self, tree: Tree) -> Condition:
        edge = tree.edge("SHAREOF")
        assert edge is not None
        trees = tree.trees(*_MEASURES)
        bound: Bound = edge.meaning.bound
        if bound.upper is not None or len(trees) != 2:
            raise self.no(edge, "One share is compared.")
        window = self.late(tree.trees("late"))
        return Versus(self.measure(trees[0], window), bound.comparison, self.measure(trees[1], window), bound.value)

    def measure_versus(self, tree: Tree) -> Condition:
        more = tree.edge("MORE")
        assert more is not None
        wins = tree.own("WIN")
        inner = self.measure_tree(tree)
        left, right = (self.measure(inner, self.window(w)) for w in wins)
        return Versus(left, more.meaning, right)

    def versus_windows(self, core: Tree) -> Condition:
        more = core.edge("MORE")
        assert more is not None
        wins = core.own("WIN")
        draft = self.event_draft(core)
        draft.tails.extend(core.own("TAIL"))
        noun = core.edge("EN")
        if noun is not None:
            self.same_event(noun, draft)
        mention = self.mention(self.plain(draft))
        if len(mention.variants) != 1:
            raise self.no(core, "One kind of event is compared.")
        left, right = (Count(Events(mention.event, mention.variants[0], self.window(w))) for w in wins)
        return Versus(left, more.meaning, right)

    def versus_events(self, core: Tree) -> Condition:
        more = core.edge("MORE")
        assert more is not None
        heads = core.trees("evhead")
        first, second = self.head_draft(heads[0]), self.head_draft(heads[1])
        for pre in core.trees("evpre"):
            self.take_pre(first, pre)
        for child in core.children:
            if isinstance(child, Edge) and child.category == "TAIL":
                first.tails.extend(core.own("TAIL"))
            elif isinstance(child, Edge) and child.category == "KEY":
                raise self.no(child, "Only events are compared.")
            elif isinstance(child, Tree) and child.name == "vlist":
                first.objects.append(Tree("obj", (child,)))
        self.take_args(second, [t for t in core.trees() if t.name not in ("evhead", "evpre", "vlist")])
        shared = self.draft_window(second)
        one, two = self.mention(self.plain(first, "window")), self.mention(self.plain(second, "window"))
        if len(one.variants) != 1 or len(two.variants) != 1:
            raise self.no(core, "One kind of event on each side is compared.")
        own = self.draft_window(first, use_default=False)
        left = Events(one.event, one.variants[0], own if own != ALWAYS else shared)
        return Versus(Count(left), more.meaning, Count(Events(two.event, two.variants[0], shared)))

    # ── rank ──

    def rank(self, tree: Tree) -> Rank:
        top = tree.edge("TOPN", "NUM")
        chosen = Top(None)
        if top is not None:
            chosen = top.meaning if isinstance(top.meaning, Top) else Top(top.meaning.bound.value)
        among: Condition = Everyone()
        win = tree.edge("WIN")
        window = self.window(win) if win is not None else ALWAYS if tree.has("EVER") else self.default_window()
        match tree.name:
            case "rank_by":
                np = tree.tree("np")
                assert np is not None
                among = self.noun_phrase(np, [t for t in tree.trees() if t.name in _NMODS])
                measure = self.rank_measure(tree, window)
            case "rank_bare":
                measure = self.rank_measure(tree, window)
            case "rank_spenders":
                self.need_orders(tree)
                measure = Spend(Events(ORDER, (), window))
            case "rank_most_spent":
                self.need_orders(tree)
                draft = EventDraft(tree.first, tree.end, None)
                self.take_args(draft, tree.trees())
                if draft.objects:
                    raise self.no(tree, "Spending on products is not ranked so.")
                measure = Spend(Events(ORDER, (), self.draft_window(draft)))
            case "rank_most":
                draft = self.said_event(tree)
                mention = self.mention(self.plain(draft, "window"))
                if len(mention.variants) != 1:
                    raise self.no(tree, "One kind of event is ranked.")
                measure = Count(Events(mention.event, mention.variants[0], self.draft_window(draft)))
            case _:
                raise self.no(
                    tree,
                    f'"{self.text(tree)}" does not say by what: spend, orders, an event, the total of a number.',
                    "vague",
                )
        amount = chosen.amount
        if amount is None:
            amount = 10
            self.warnings.append("No number was said: the first 10 are listed.")
        return Rank(measure, amount, chosen.percent, chosen.bottom, among)

    def rank_measure(self, tree: Tree, window: Window) -> Measure:
        """What is ranked by: a measure, or the number of an event ("by orders")."""
        noun = tree.edge("EN")
        if tree.has("ANYEVENTS"):
            return Count(Events(None, (), window))
        if noun is None:
            return self.measure(self.measure_tree(tree), window)
        mention = self.mention(EventDraft(noun.first, noun.end, noun.meaning, noun=True))
        return Count(Events(mention.event, mention.variants[0], window))

    def rank_share(self, core: Tree) -> Condition:
        top = core.edge("TOPN")
        assert top is not None
        chosen: Top = top.meaning
        inner = core.tree(*_MEASURES)
        window = self.late(core.trees("late"))
        if inner is None:
            self.need_orders(core)
            measure: Measure = Spend(Events(ORDER, (), window))
        else:
            measure = self.measure(inner, window)
        if chosen.amount is None:
            raise self.no(top, "It is not said how many.", "incomplete")
        return Rank(measure, chosen.amount, chosen.percent, chosen.bottom)

    def several(self, tree: Tree) -> Condition:
        edge = tree.edge("NOFALL", "SEVERAL")
        assert edge is not None
        conditions: list[Condition] = []
        for unit in tree.trees("unit"):
            inner = unit.trees()
            if inner[0].name == "np":
                conditions.append(self.noun_phrase(inner[0], inner[1:]))
            else:
                conditions.append(self.clauses([inner[0]], []))
        if edge.category == "SEVERAL":
            bound: Bound = edge.meaning
            return Several(bound, tuple(sorted(dict.fromkeys(conditions), key=repr)))
        if edge.meaning == "all":
            return all_of(*conditions)
        return any_of(*conditions) if edge.meaning == "any" else negated(any_of(*conditions))

    # ── events ──

    def event_draft(self, core: Tree) -> EventDraft:
        head = core.tree("evhead")
        assert head is not None
        draft = self.head_draft(head)
        draft.first = core.first
        for pre in core.trees("evpre"):
            self.take_pre(draft, pre)
        self.take_args(draft, [t for t in core.trees() if t.name not in ("evhead", "evpre", "vlist")])
        for vlist in core.trees("vlist"):
            draft.objects.append(Tree("obj", (vlist,)))
        return draft

    def said_event(self, tree: Tree) -> EventDraft:
        """The event that a noun phrase or one word of the tree names, with all that stands beside it."""
        enp = tree.tree("enp", "enp_another", "enpq")
        if enp is not None:
            draft = self.enp_draft(enp)
        else:
            word = tree.edge("EV", "EN")
            assert word is not None
            draft = EventDraft(tree.first, tree.end, word.meaning)
        self.take_args(draft, [t for t in tree.trees() if t is not enp])
        return draft

    def head_draft(self, head: Tree) -> EventDraft:
        enp, verb = head.tree("enp", "enp_another"), head.edge("EV")
        if enp is not None:
            return self.enp_draft(enp)
        assert verb is not None
        noun = any(verb.end in self.names.lattice.at[i].get("EN", {}) for i in range(verb.first, verb.end))
        product = any("THING" in self.names.lattice.at[i] for i in range(verb.first, verb.end))
        return EventDraft(head.first, head.end, verb.meaning, nominal=noun, about_product=product)

    def enp_draft(self, enp: Tree) -> EventDraft:
        noun = enp.edge("EN")
        assert noun is not None
        draft = EventDraft(enp.first, enp.end, noun.meaning, noun=True)
        quant = enp.tree("quant")
        if quant is not None:
            edge = next(quant.edges())
            draft.quant = Quant(quant_bound(edge), edge.category == "NONE")
            if isinstance(edge.meaning, Amount) and edge.meaning.currency:
                raise self.no(edge, "An amount of money is no count.")
        draft.another = enp.edge("ANOTHER") is not None
        for pre in enp.trees("enpre"):
            child = pre.child()
            if isinstance(child, Tree):
                draft.pre.append(child)
            elif child.category == "WINADJ":
                draft.windows.append((replace(child, category="WIN"), False))
            elif child.category == "KEY":
                draft.objects.append(Tree("has_property", (child,)))
            elif child.category in ("FIRST", "LASTEV"):
                self.take_which(draft, child)
            else:
                draft.distinct = child
        return draft

    def take_pre(self, draft: EventDraft, pre: Tree) -> None:
        edge = next(e for e in pre.edges() if e.category != "COMMA")
        match edge.category:
            case "WIN":
                draft.windows.append((edge, True))
            case "EVER":
                draft.ever = True
            case "FIRST" | "LASTEV":
                self.take_which(draft, edge)
            case "ONLY":
                draft.only = True
                draft.always = self.text(edge).casefold() in ("always", "invariably")
            case "TIMES":
                self.take_times(draft, edge)
            case _:
                raise self.no(edge, f'"{self.text(edge)}" has no part here.')

    def take_which(self, draft: EventDraft, edge: Edge) -> None:
        if draft.which is not None:
            raise self.no(edge, f'"{self.text(edge)}" is a second word for which one it is.')
        draft.which = "first" if edge.category == "FIRST" else "last"

    def plain(self, draft: EventDraft, *allowed: str) -> EventDraft:
        """A mention of which only the event and its filters (and what is allowed) count; anything else said is
        refused."""
        said = {
            "number": draft.quant is not None or draft.times is not None,
            "which": draft.which is not None,
            "only": draft.only,
            "rhythm": draft.regular is not None,
            "gap": bool(draft.withins) or draft.within_of is not None,
            "prior": draft.prior is not None,
            "basket": draft.in_one,
            "distinct": draft.distinct is not None,
            "another": draft.another,
            "none": draft.none_of is not None,
            "window": bool(draft.windows) or draft.ever,
        }
        for what, there in said.items():
            if there and what not in allowed:
                words = self.text(draft)
                raise Refused("no place", draft.first, draft.end, f'Not all of "{words}" has a part here.')
        return draft

    def take_times(self, draft: EventDraft, edge: Edge) -> None:
        if draft.times is not None or draft.quant is not None:
            raise self.no(edge, "Two numbers count the same thing.")
        draft.times = Amount(edge.meaning)

    def take_args(self, draft: EventDraft, args: Sequence[Tree]) -> None:
        for arg in args:
            draft.end = max(draft.end, arg.end)
            leaf = arg.child()
            edge = leaf if isinstance(leaf, Edge) else None
            match arg.name:
                case name if name in _PARTS:
                    draft.objects.append(arg)
                case "tail_word":
                    assert edge is not None
                    draft.tails.append(edge)
                case "times":
                    assert edge is not None
                    self.take_times(draft, edge)
                case "window":
                    assert edge is not None
                    draft.windows.append((edge, False))
                case "set_off":
                    edge = arg.edge("WIN")
                    assert edge is not None
                    draft.windows.append((edge, False))
                    draft.set_off = True
                case "within" | "lasting":
                    span = arg.edge("WITHIN", "LASTING")
                    assert span is not None
                    draft.withins.append(span)
                case "neither_values":
                    draft.none_of = arg
                case "within_of":
                    if draft.within_of is not None:
                        raise self.no(arg, "Two gaps in one clause.")
                    draft.within_of = arg
                case "future":
                    raise self.no(arg, f'The future is not known: "{self.text(arg)}".', "unsupported")
                case "prior":
                    draft.prior = edge
                case "ever":
                    draft.ever = True
                case "regular":
                    if draft.regular is not None:
                        raise self.no(arg, "Two rhythms in one clause.")
                    draft.regular = edge
                case "only":
                    draft.only = True
                case "totally":
                    if (
                        not any(t.tree("quant") is not None for t in draft.objects)
                        and draft.times is None
                        and draft.quant is None
                    ):
                        raise self.no(arg, f'"{self.text(arg)}" has no number beside it.')
                case "in_one":
                    draft.in_one = True
                case "first":
                    assert edge is not None
                    self.take_which(draft, edge)
                case _:
                    raise self.no(arg, f'"{self.text(arg)}" has no part here.')

    def draft_window(self, draft: EventDraft, *, rolling: bool = False, use_default: bool = True) -> Window:
        """A clause's own window, or that at the head of the question."""
        edges = [e for e, _ in draft.windows]
        if edges:
            window = self.windows(edges)
            joined = merge(window, self.default_window()) if use_default and window.period is None else None
            window = joined or window  # "in 2025, who bought on weekends?"
        elif rolling and draft.withins:
            return Window(Rolling(draft.withins[0].meaning.span))
        elif draft.ever or not use_default:
            return ALWAYS
        else:
            return self.default_window()
        return window

    def event_condition(
        self,
        draft: EventDraft,
        window: Window,
        *,
        times: Bound | None = None,
        negation: Negation | None = None,
        mention: Mention | None = None,
    ) -> Condition:
        """Did such events so many times, in the window; with first, last, only, a rhythm."""
        if draft.none_of is not None:
            return self.none_of(draft, window, negation)
        if draft.within_of is not None:
            return self.within_of(draft, window, negation)
        if draft.prior is not None:
            raise self.no(draft.prior, f'"{self.text(draft.prior)}" needs a window before it.')
        for edge in draft.withins:
            if isinstance(edge.meaning, Lasting) and negation is None and not draft.quant_none():
                raise self.no(edge, f'"{self.text(edge)}" says how long something has not happened.')
            joined = merge(window, Window(Rolling(edge.meaning.span)))
            if joined is None:
                raise self.no(edge, f'"{self.text(edge)}" is a second time for the same thing.')
            window = joined
        mention = mention or self.mention(draft)
        if mention.refers or mention.same is not None:
            raise Refused(
                "no place",
                draft.first,
                draft.end,
                f'"{self.text(draft)}" refers to nothing before it.',
            )
        bound = mention.bound
        if draft.times is not None:
            if mention.bound != AT_LEAST_ONCE or mention.measure != "count":
                raise Refused("no place", draft.first, draft.end, "Two numbers count the same thing.")
            bound = draft.times.bound
        if times is not None:
            bound = times
        if mention.another:
            raise Refused("no place", draft.first, draft.end, '"another" needs an event before it.')
        parts: list[Condition] = []
        for where in mention.variants:
            events = Events(mention.event, where, window)
            parts.append(self.one_event(draft, mention, events, bound))
        if len(parts) > 1 and mention.joint == "or" and bound != AT_LEAST_ONCE:
            raise Refused("unsupported", draft.first, draft.end, "A count over such alternatives is not read.")
        condition = parts[0] if len(parts) == 1 else all_of(*parts) if mention.joint == "and" else any_of(*parts)
        if negation is not None:
            if len(parts) > 1 and mention.joint == "and":
                raise Refused("unsupported", draft.first, draft.end, "Not both, or neither? Say it in two clauses.")
            condition = negated(condition)
        return all_of(condition, *mention.profile)

    def none_of(self, draft: EventDraft, window: Window, negation: Negation | None) -> Condition:
        """ "bought neither Nike nor Puma": none with any of them."""
        tree = draft.none_of
        assert tree is not None
        if negation is not None:
            raise self.no(tree, "Two negations in one clause.")
        draft.none_of = None
        parts: list[Condition] = []
        for group in tree.trees("vgroup"):
            one = replace(draft, objects=[*draft.objects, Tree("obj", (Tree("vlist", (group,)),))])
            parts.append(negated(self.event_condition(one, window)))
        return all_of(*parts)

    def one_event(self, draft: EventDraft, mention: Mention, events: Events, bound: Bound) -> Condition:
        if draft.only:
            if not events.where or draft.regular or draft.which or bound != AT_LEAST_ONCE:
                if draft.times is None and not events.where:
                    raise Refused("incomplete", draft.first, draft.end, "Only what? Name a value.")
                raise Refused("unsupported", draft.first, draft.end, "This use of only is not read.")
            items = tuple(
                f for f in events.where if isinstance(f, Filter) and any(p.level == "item" for p in f.properties)
            )
            if items and events.event in _BASKETS and not draft.always and self.chooser.choose((True, False), "only"):
                others = tuple(f for f in events.where if f not in items)  # only (of an order): all of its items do
                return Only(replace(events, where=()), filters(EveryItem(items), *others))
            return Only(replace(events, where=()), events.where)
        if draft.regular is not None:
            if draft.which:
                raise Refused("unsupported", draft.first, draft.end, "A rhythm of first or last events is not read.")
            return self.regular(draft.regular, events, bound, draft)
        if draft.which is not None:
            if bound != AT_LEAST_ONCE:
                raise Refused("unsupported", draft.first, draft.end, "A number of first or last events is not read.")
            if events.window == ALWAYS:
                raise Refused("incomplete", draft.first, draft.end, "It is not said when the first or last one was.")
            return Extreme(draft.which, replace(events, window=ALWAYS), events.window)
        match mention.measure:
            case "quantity":
                return Has(Quantity(events), bound)
            case "distinct":
                assert mention.distinct is not None
                return Has(Distinct(events, mention.distinct), bound)
            case _:
                return Has(Count(events), bound)

    def regular(self, edge: Edge, events: Events, bound: Bound, draft: EventDraft) -> Condition:
        rhythm: Regularity = edge.meaning
        each = rhythm.each
        if bound != AT_LEAST_ONCE:
            if bound.upper is not None or bound.comparison not in (">=", ">", "=") or each != 1:
                raise self.no(edge, "This number of times in a rhythm is not read.")
            if bound.comparison == "=" and rhythm.how != "any":
                raise self.no(edge, "Say at least how often in each of them.")
            each = int(bound.value) + (1 if bound.comparison == ">" else 0)
        match rhythm.how:
            case "blocks":
                if events.window != ALWAYS and events.window.period is not None:
                    raise self.no(edge, "A rhythm with a second time is not read.")
                return Has(ActiveBlocks(events, rhythm.unit, rhythm.of, each, rhythm.calendar), rhythm.needed)
            case "periods":
                return Has(ActivePeriods(events, rhythm.unit, each), rhythm.needed)
            case "run":
                return Has(
                    LongestRun(events, rhythm.unit, each),
                    rhythm.needed if rhythm.needed.comparison != "=" else Bound(">=", rhythm.needed.value),
                )
            case "any":
                return Has(ActivePeriods(events, rhythm.unit, each), Bound(">=", 1))
            case "every":
                if events.window.period is None:
                    raise self.no(edge, f'"{self.text(edge)}" of what time?', "incomplete")
                return EveryPeriod(events, rhythm.unit, each)
        raise self.no(edge, "This rhythm is not read.", "unsupported")

    def within_of(self, draft: EventDraft, window: Window, negation: Negation | None) -> Condition:
        """ "B within N days of (their first) A"."""
        tree = draft.within_of
        assert tree is not None
        gap = tree.edge("WITHIN")
        assert gap is not None
        anchor = self.said_event(tree)
        self.plain(anchor, "which")
        self.plain(draft, "gap", "window")
        first = anchor.which == "first"
        if anchor.which == "last":
            raise self.no(tree, "Within some time of the last one is not read.", "unsupported")
        anchor.which = None
        if draft.withins:
            raise self.no(tree, "Two gaps in one clause.")
        one, two = self.mention(anchor), self.mention(draft)
        if len(one.variants) != 1 or len(two.variants) != 1 or one.bound != AT_LEAST_ONCE or two.bound != AT_LEAST_ONCE:
            raise self.no(tree, "Only single events are steps.")
        chain = Chain(
            (Step(Events(one.event, one.variants[0], window)), Step(Events(two.event, two.variants[0], window))),
            within=gap.meaning.span,
            from_first=first,
        )
        return negated(chain) if negation is not None else chain


def _stopped(events: Events, window: Window) -> Condition:
    """Did such events once, and none in the window."""
    return all_of(Has(Count(events), AT_LEAST_ONCE), Has(Count(replace(events, window=window)), Bound("=", 0)))


def _of_one_attribute(one: Condition, two: Condition) -> bool:
    """Whether two conditions ask the same attribute, which has one value: then "and" can only mean either."""
    return isinstance(one, Attribute) and isinstance(two, Attribute) and one.names == two.names


def _either(child: Tree | Edge) -> bool:
    return isinstance(child, Edge) and child.category == "EITHER"


def _mentioned(condition: Condition) -> list[Events]:
    """The events that a population names, the last first."""
    return [node for node in nodes(condition) if isinstance(node, Events)][::-1]


_TAILS = frozenset({"per", "sort", "direction", "limit", "show"})
_VPS = frozenset({"vp", "vp_be", "vp_either", "vp_neither"})
_RESTS = frozenset({"linked", "loose"})
_EVENT_NMODS = frozenset({"with_event", "without_event", "active"})
_POPULATIONS = ("asked", "population", "bracketed", "value_population")
_CLAUSES = frozenset({"group", "who", "whose_", "bywhom", "except"})
_MEASURES = (
    "spend",
    "average_spend",
    "order_value",
    "aggregate",
    "aggregate_event",
    "count_of",
    "number_key",
    "days_since",
    "aggregate_duration",
)
_OBJECTS = ("obj", "ref", "same", "another", "text_object", "distinct_key", "distinct_thing")
_PARTS = frozenset(  # of a mention; see events
    """prepared keyed keyed_bound amount has_property value_key named_thing dated only_items in_key counted_tail
    duration_arg""".split()
).union(_OBJECTS)
_NMODS = frozenset(
    """place age age_bare tagged named has_key lacks_key bound_key measure_bound measure_average with_event
    without_event inactive active basket boolean boolean_not keyed keyed_bound birth when of_object lapsed favourite
    whose_extreme neither_mods value_key_is signed_up""".split()
)
_BASKETS = ORDER_EVENTS | {"product-list-viewed"}
