"""Plan to SQL text for DuckDB, through sqlglot trees: every spelling, no decision; values are literals of the tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TypeAlias, assert_never

from sqlglot import exp

from grammar import query as q
from storage import plan as p
from storage.schema import EVERY_TYPE, NUMBER_STRIP, NUMBER_TEXT, json_path

Describe: TypeAlias = Callable[[p.Node], str]
Expr: TypeAlias = exp.Expression

_EPOCH = datetime(1970, 1, 1)
_MONDAY = datetime(1900, 1, 1)  # weeks are counted from here; before any event, since // rounds towards 0
_DAY = r"\d{4}-\d{2}-\d{2}"
_HALF = re.compile("[\ud800-\udfff]")  # half a character: no stored text has one, and SQL text cannot
_OFFSET = r":\d{2}(\.\d+)?([zZ]|[+-]\d{2}(:?\d{2})?)$"


def spell(plan: p.Plan, describe: Describe | None = None) -> str:
    """The plan as one DuckDB statement. `describe` says in words what a Query node means, for a comment at each part.

    Columns: users → visitor_id and the columns asked for; breakdowns → value, count; everything else → value.
    """
    return _Speller(plan, describe).statement().sql("duckdb", pretty=True)


# ── small trees ───────────────────────────────────────────────────────────────────────────────────────────────────


def _name(name: str) -> exp.Identifier:
    return exp.Identifier(this=name, quoted=False)


def _column(name: str, table: str | None = None) -> exp.Column:
    return exp.Column(this=_name(name), table=None if table is None else _name(table))


def _string(text: str) -> exp.Literal:
    return exp.Literal(this=_HALF.sub("\ufffd", text), is_string=True)


def _number(value: q.Number) -> Expr:
    if value < 0:
        return exp.Neg(this=_number(-value))
    if not value < 1e300:  # no literal holds it
        return _cast(_string("nan" if value != value else "inf"), exp.DType.DOUBLE)
    text = repr(value) if isinstance(value, int) or not value.is_integer() or value >= 1e15 else str(int(value))
    return exp.Literal(this=text, is_string=False)


def _cast(this: Expr, to: exp.DType) -> exp.Cast:
    return exp.Cast(this=this, to=exp.DataType(this=to, nested=False))


def _try_cast(this: Expr, to: exp.DType) -> exp.TryCast:
    return exp.TryCast(this=this, to=exp.DataType(this=to, nested=False))


def _at(instant: datetime) -> Expr:
    return _cast(_string(str(instant)), exp.DType.TIMESTAMPNTZ)


def _on(day: date) -> Expr:
    return _cast(_string(day.isoformat()), exp.DType.DATE)


def _clock(minutes: int) -> Expr:
    return _cast(_string(f"{minutes // 60:02}:{minutes % 60:02}:00"), exp.DType.TIME)


def _call(function: str, *arguments: Expr) -> exp.Anonymous:
    return exp.Anonymous(this=function, expressions=list(arguments))


def _all(tests: Sequence[Expr]) -> Expr:
    if not tests:
        return exp.Boolean(this=True)
    found = tests[0]
    for test in tests[1:]:
        found = exp.And(this=found, expression=test)
    return found


def _any(tests: Sequence[Expr]) -> Expr:
    if not tests:
        return exp.Boolean(this=False)
    found = tests[0]
    for test in tests[1:]:
        found = exp.Or(this=found, expression=test)
    return exp.Paren(this=found) if len(tests) > 1 else found


def _not(test: Expr) -> Expr:
    return exp.Not(this=exp.Paren(this=test))


def _one_of(this: Expr, options: Sequence[Expr]) -> Expr:
    return (
        exp.EQ(this=this, expression=options[0]) if len(options) == 1 else exp.In(this=this, expressions=list(options))
    )


def _in(this: Expr, select: exp.Select) -> exp.In:
    return exp.In(this=this, query=exp.Subquery(this=select))


def _or_else(this: Expr, otherwise: Expr) -> Expr:
    return _call("coalesce", this, otherwise)


def _is_null(this: Expr) -> Expr:
    return exp.Is(this=this, expression=exp.Null())


def _case(test: Expr, then: Expr, otherwise: Expr | None = None) -> exp.Case:
    return exp.Case(ifs=[exp.If(this=test, true=then)], default=otherwise)


def _alias(this: Expr, name: str) -> exp.Alias:
    return exp.Alias(this=this, alias=_name(name))


def _titled(this: Expr, title: str) -> exp.Alias:
    """A column of the answer: its name is no name of ours, so it is quoted."""
    return exp.Alias(this=this, alias=exp.Identifier(this=_HALF.sub("\ufffd", title), quoted=True))


def _compare(this: Expr, comparison: q.Comparison, with_: Expr) -> Expr:
    match comparison:
        case "=":
            return exp.EQ(this=this, expression=with_)
        case "!=":
            return exp.NEQ(this=this, expression=with_)
        case ">":
            return exp.GT(this=this, expression=with_)
        case ">=":
            return exp.GTE(this=this, expression=with_)
        case "<":
            return exp.LT(this=this, expression=with_)
        case "<=":
            return exp.LTE(this=this, expression=with_)
        case _:
            assert_never(comparison)


def _within(this: Expr, bound: q.Bound) -> Expr:
    if bound.upper is not None:
        return exp.Between(this=this, low=_number(bound.value), high=_number(bound.upper))
    return _compare(this, bound.comparison, _number(bound.value))


def _select(
    columns: Sequence[Expr],
    source: Expr,
    joins: Sequence[exp.Join] = (),
    where: Sequence[Expr] = (),
    group: Sequence[Expr] = (),
    having: Expr | None = None,
    order: Sequence[Expr] = (),
    limit: int | None = None,
    distinct: bool = False,
) -> exp.Select:
    return exp.Select(
        expressions=list(columns),
        distinct=exp.Distinct() if distinct else None,
        from_=exp.From(this=source),
        joins=list(joins),
        where=exp.Where(this=_all(where)) if where else None,
        group=exp.Group(expressions=list(group)) if group else None,
        having=None if having is None else exp.Having(this=having),
        order=exp.Order(expressions=list(order)) if order else None,
        limit=None if limit is None else exp.Limit(expression=_number(min(limit, 2**62))),
    )


def _table(name: str, alias: str | None = None, schema: str | None = None) -> exp.Table:
    return exp.Table(
        this=_name(name),
        db=None if schema is None else _name(schema),
        alias=None if alias is None else exp.TableAlias(this=_name(alias)),
    )


def _sub(select: Expr, alias: str) -> exp.Subquery:
    return exp.Subquery(this=select, alias=exp.TableAlias(this=_name(alias)))


def _join(to: Expr, on: Sequence[Expr], side: str = "", kind: str = "", method: str = "") -> exp.Join:
    return exp.Join(this=to, on=_all(on), side=side or None, kind=kind or None, method=method or None)


def _ordered(this: Expr, descending: bool = False) -> exp.Ordered:
    return exp.Ordered(this=this, desc=descending, nulls_first=False)


def _over(function: Expr, by: Sequence[Expr] = (), order: Sequence[Expr] = ()) -> exp.Window:
    return exp.Window(
        this=function,
        partition_by=list(by),
        order=exp.Order(expressions=list(order)) if order else None,
        over="OVER",
    )


def _count(distinct: Expr | None = None) -> Expr:
    return exp.Count(this=exp.Star() if distinct is None else exp.Distinct(expressions=[distinct]))


def _folded(this: Expr) -> Expr:
    return _call("lower", _call("trim", this))


def _number_in(text: Expr) -> Expr:
    """The number that a text holds, or NULL: stripped, it must be one as a whole."""
    bare = _call("regexp_replace", text, _string(NUMBER_STRIP), _string(""), _string("g"))
    whole = _call("regexp_extract", bare, _string(f"^(?:{NUMBER_TEXT})$"))
    return _try_cast(_call("replace", whole, _string(","), _string("")), exp.DType.DOUBLE)


def _is_list(text: Expr) -> Expr:
    """Whether the text of a JSON value is a list. The first letter is looked at first: it is cheap."""
    return exp.And(this=_call("starts_with", text, _string("[")), expression=_call("json_valid", text.copy()))


def _elements(text: Expr) -> Expr:
    return _call("json_extract_string", text, _string("$[*]"))


def _each(rows: exp.Select, *columns: str) -> exp.Select:
    """These columns and x: a row for each element where x is a list; an empty list is nothing."""
    x = _column("x")
    several = _all([exp.NEQ(this=x, expression=_string("[]")), _is_list(x.copy())])
    single = exp.Array(expressions=[_call("nullif", x.copy(), _string("[]"))])
    each = exp.Unnest(expressions=[_case(several, _elements(x.copy()), single)])
    return _select([*map(_column, columns), _alias(each, "x")], _sub(rows, "r"))


# ── the rows of a table, with JSON values read once ───────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Source:
    """A table under its alias. Values in its JSON are read once, as columns of a subquery, and then have a name."""

    schema: str
    table: str
    alias: str
    where: Callable[[str | None], list[Expr]]  # the table's own conditions, on columns of this alias
    inner: bool = False
    read: dict[p.Json, str] = field(default_factory=dict)

    def column(self, name: str) -> exp.Column:
        return _column(name, self.alias)

    def json(self, cell: p.Json) -> exp.Column:
        """The value as text: a string as it is, anything else as JSON."""
        return self.column(self.read.setdefault(cell, f"v{len(self.read) + 1}"))

    def relation(self) -> Expr:
        """What stands in FROM. Only after everything has been read."""
        if not self.read and not self.inner:
            return _table(self.table, self.alias, self.schema)
        columns = [exp.Star(), *(_alias(_json_text(cell), name) for cell, name in self.read.items())]
        return _sub(_select(columns, _table(self.table, None, self.schema), where=self.where(None)), self.alias)

    def outer_where(self) -> list[Expr]:
        """The table's own conditions, where they do not stand in the subquery."""
        return [] if self.read or self.inner else self.where(self.alias)


def _json_text(cell: p.Json) -> Expr:
    """A JSON value as text. A dotted key is a path, or one key with a dot in it, or the key of a list's objects."""
    whole = _column(cell.column)
    name = ".".join(cell.keys)
    paths = [json_path(keys) for keys in dict.fromkeys([cell.keys, (name,)]) if all(keys)]  # no path has an empty key
    found: list[Expr] = [exp.JSONExtractScalar(this=whole.copy(), expression=_string(path)) for path in paths]
    if len(cell.keys) > 1 and all(cell.keys):
        parent = json_path(cell.keys[:-1])
        inside = _call("json_extract", whole.copy(), _string(f"{parent}[*]{json_path(cell.keys[-1:])[1:]}"))
        is_list = exp.EQ(this=_call("json_type", whole, _string(parent)), expression=_string("ARRAY"))
        found.append(_case(is_list, _cast(_call("to_json", inside), exp.DType.VARCHAR)))
    if not found:
        return _cast(exp.Null(), exp.DType.VARCHAR)
    return found[0] if len(found) == 1 else _call("coalesce", *found)


class _Rows:
    """The rows that facts (or a set of events) look at, and how their cells are spelled."""

    def __init__(self, speller: _Speller, base: p.Base, types: tuple[int, ...] | None, times: p.Times) -> None:
        self.speller = speller
        self.base = base
        self.types = types
        self.worth = False

        def where(alias: str | None) -> list[Expr]:
            return speller.of_types(_column("type", alias), types) + speller.at_times(_column("ts", alias), times)

        tables = ("event", "item") if base in ("item of event", "event or item") else (base,)
        self.sources = {table: _Source(speller.plan.schema, table, table[0], where) for table in tables}
        self.main = self.sources.get("event") or self.sources["item"]
        if len(tables) > 1:  # a condition on what is joined stands inside, for rows that have nothing to join
            self.sources["item"].inner = True

    def column(self, name: str) -> exp.Column:
        return self.main.column(name)

    def item(self, name: str) -> exp.Column:
        return self.sources["item"].column(name)

    def text(self, cell: p.Cell) -> Expr:
        match cell:
            case p.TextColumn(table, name):
                return self.sources[table].column(name)
            case p.Json(table):
                return self.sources[table].json(cell)
            case p.NumberColumn() | p.Worth():
                number = self.number(cell)
                whole = _all(
                    [
                        exp.EQ(this=number, expression=_call("trunc", number.copy())),
                        exp.LT(this=_call("abs", number.copy()), expression=_number(10**15)),
                    ]
                )
                integer = _cast(_cast(number.copy(), exp.DType.BIGINT), exp.DType.VARCHAR)
                return _case(whole, integer, _cast(number.copy(), exp.DType.VARCHAR))
            case _:
                assert_never(cell)

    def number(self, cell: p.Cell) -> Expr:
        match cell:
            case p.NumberColumn(table, name):
                return self.sources[table].column(name)
            case p.Worth():
                self.worth = True
                event = self.sources["event"]
                return _call("coalesce", event.column("order_value"), event.column("p_total"), _column("worth", "w"))
            case _:
                return _number_in(self.text(cell))

    def label(self, cell: p.Cell) -> Expr:
        """The text as it is shown: JSON numbers without a trailing .0."""
        text = self.text(cell)
        if not isinstance(cell, p.Json) or not all(cell.keys):
            return text
        kind = _call("json_type", self.sources[cell.table].column(cell.column), _string(json_path(cell.keys)))
        double = exp.And(
            this=_call("ends_with", text, _string(".0")), expression=exp.EQ(this=kind, expression=_string("DOUBLE"))
        )
        return _case(double, _call("left", text.copy(), _number(-2)), text.copy())

    def test(self, test: p.RowTest) -> Expr:
        return _any([self.check(cell, check) for cell, check in test.of])

    def check(self, cell: p.Cell, check: p.Check) -> Expr:
        """Whether a cell passes; NULL may stand for no."""
        match check:
            case p.Present(known):
                return self.present(cell, known)
            case p.Equal(_, _, negated) | p.Like(_, _, negated) if negated:
                plain = self.plain(cell, replace(check, negated=False))
                return _all([self.present(cell, True), _not(_or_else(plain, exp.Boolean(this=False)))])
            case _:
                return self.plain(cell, check)

    def plain(self, cell: p.Cell, check: p.Check) -> Expr:
        if isinstance(cell, p.NumberColumn | p.Worth):
            if isinstance(check, p.Inside):
                return _within(self.number(cell), check.bound)
            if isinstance(check, p.Equal):
                return _one_of(self.number(cell), [_number(n) for n in check.numbers]) if check.numbers else _any([])
        if isinstance(cell, p.Json):
            text = self.label(cell) if isinstance(check, p.Like) else self.text(cell)
            element = _column("x")
            passing = exp.Lambda(this=self.speller.check(element, check), expressions=[_name("x")])
            some = exp.GT(
                this=_call("len", _call("list_filter", _elements(self.text(cell)), passing)), expression=_number(0)
            )
            return _case(_is_list(self.text(cell)), some, self.speller.check(text, check))
        return self.speller.check(self.text(cell), check)

    def present(self, cell: p.Cell, known: bool) -> Expr:
        if isinstance(cell, p.NumberColumn | p.Worth):
            null = _is_null(self.number(cell))
            return exp.Not(this=null) if known else null
        blank = [_string(""), _string("[]")] if isinstance(cell, p.Json) else [_string("")]
        missing = _one_of(_or_else(_call("trim", self.text(cell)), _string("")), blank)
        return _not(missing) if known else missing

    def key(self, cell: p.Cell) -> Expr:
        """The value as values are told apart, NULL where it is missing. A list counts as it stands."""
        key = _call("nullif", _folded(self.text(cell)), _string(""))
        return _call("nullif", key, _string("[]")) if isinstance(cell, p.Json) else key

    def select(
        self,
        columns: Sequence[Expr],
        where: Sequence[Expr] = (),
        group: Sequence[Expr] = (),
        having: Expr | None = None,
        distinct: bool = False,
    ) -> exp.Select:
        """The statement over these rows. Only after every cell has been spelled."""
        joins: list[exp.Join] = []
        if self.base in ("item of event", "event or item"):
            item = self.sources["item"]
            on = [exp.EQ(this=item.column("event"), expression=self.column("event"))]
            joins.append(_join(item.relation(), on, side="LEFT" if self.base == "event or item" else ""))
        if self.worth:
            joins.append(self.worths())
        conditions = [*self.main.outer_where(), *where]
        return _select(columns, self.main.relation(), joins, conditions, group, having, distinct=distinct)

    def worths(self) -> exp.Join:
        """Σ price × quantity of the line items of each event."""
        total = exp.Sum(this=_times_quantity(_column("price"), _column("quantity")))
        where = [*self.speller.of_types(_column("type"), self.types), exp.Not(this=_is_null(_column("price")))]
        inner = _select(
            [_column("event"), _alias(total, "worth")],
            _table("item", None, self.speller.plan.schema),
            where=where,
            group=[_column("event")],
        )
        on = [exp.EQ(this=_column("event", "w"), expression=self.main.column("event"))]
        return _join(_sub(inner, "w"), on, side="LEFT")


def _times_quantity(price: Expr, quantity: Expr) -> Expr:
    return exp.Mul(this=price, expression=_or_else(quantity, _number(1)))


# ── the speller ───────────────────────────────────────────────────────────────────────────────────────────────────

Named: TypeAlias = tuple[str, Expr]


class _Speller:
    def __init__(self, plan: p.Plan, describe: Describe | None) -> None:
        self.plan = plan
        self.describe = describe

    def statement(self) -> Expr:
        ctes = [cte for part in self.plan.parts for cte in self.part(part)]
        more, statement = self.out(self.plan.out)
        if ctes or more:
            statement.set(
                "with_",
                exp.With(
                    expressions=[
                        exp.CTE(this=select, alias=exp.TableAlias(this=_name(name))) for name, select in [*ctes, *more]
                    ]
                ),
            )
        return statement

    # ── time ──

    def local(self, ts: Expr) -> Expr:
        """A naive UTC time as the zone's clock shows it."""
        if self.plan.zone is None:
            return ts
        if self.plan.offset is not None:
            return exp.Add(this=ts, expression=self.seconds(self.plan.offset))
        return _call("timezone", _string(self.plan.zone), _call("timezone", _string("UTC"), ts))

    def utc(self, local: Expr) -> Expr:
        """The reverse of `local`."""
        if self.plan.zone is None:
            return local
        if self.plan.offset is not None:
            return exp.Sub(this=local, expression=self.seconds(self.plan.offset))
        return _call("timezone", _string("UTC"), _call("timezone", _string(self.plan.zone), local))

    def seconds(self, length: timedelta) -> Expr:
        return exp.Interval(this=_string(str(int(length.total_seconds()))), unit=exp.Var(this="SECOND"))

    def later(self, ts: Expr, length: p.Length) -> Expr:
        return self.utc(_plus(self.local(ts), length)) if length.months else _plus(ts, length)

    def of_types(self, column: Expr, types: tuple[int, ...] | None) -> list[Expr]:
        if types is None:
            return []
        return [_one_of(column, [_number(each) for each in types])] if types else [exp.Boolean(this=False)]

    def at_times(self, ts: Expr, times: p.Times) -> list[Expr]:
        tests: list[Expr] = []
        if times.start is not None:
            tests.append(exp.GTE(this=ts.copy(), expression=_at(times.start)))
        if times.end > self.plan.now:
            tests.append(exp.LTE(this=ts.copy(), expression=_at(self.plan.now)))
        else:
            tests.append(exp.LT(this=ts.copy(), expression=_at(times.end)))
        return tests + self.at_hours(self.local(ts), times.weekdays, times.hours)

    def at_hours(self, local: Expr, weekdays: tuple[int, ...], hours: tuple[int, int] | None) -> list[Expr]:
        tests: list[Expr] = []
        if weekdays:
            tests.append(_one_of(_call("isodow", local.copy()), [_number(day) for day in weekdays]))
        if hours is not None:
            start, end = hours
            clock = _cast(local, exp.DType.TIME)
            edges: list[Expr] = [exp.GTE(this=clock, expression=_clock(start))] if start > 0 else []
            edges += [exp.LT(this=clock.copy(), expression=_clock(end))] if end < 1440 else []
            tests.append(_all(edges) if start <= end else _any(edges))
        return tests

    # ── checks of one text ──

    def check(self, text: Expr, check: p.Check) -> Expr:
        match check:
            case p.Equal(texts, numbers):
                same = [_one_of(_folded(text), [_string(each) for each in texts])]
                if numbers:
                    same.append(_one_of(_number_in(text.copy()), [_number(each) for each in numbers]))
                return _any(same)
            case p.Like("has word", texts):
                bare = _call(
                    "replace", _call("replace", _folded(text), _string("'"), _string("")), _string("’"), _string("")
                )
                return _any([_call("regexp_matches", bare.copy(), _string(pattern)) for pattern in map(_words, texts)])
            case p.Like(how, texts):
                function = {"contains": "contains", "starts with": "starts_with", "ends with": "ends_with"}[how]
                return _any([_call(function, _folded(text.copy()), _string(each)) for each in texts])
            case p.Inside(bound):
                return _within(_number_in(text), bound)
            case p.Boolean(value):
                return exp.EQ(this=_folded(text), expression=_string("true" if value else "false"))
            case p.Dated():
                return self.dated(_call("trim", text), check)
            case p.Present():
                raise AssertionError("whether a value is there is asked of the cell")
            case _:
                assert_never(check)

    def dated(self, text: Expr, check: p.Dated) -> Expr:
        day = _try_cast(text.copy(), exp.DType.DATE)
        on_day: list[Expr] = [exp.Not(this=_is_null(day))]
        if check.first is not None:
            on_day.append(exp.GTE(this=day.copy(), expression=_on(check.first)))
        if check.last is not None:
            on_day.append(exp.LTE(this=day.copy(), expression=_on(check.last)))
        on_day += self.at_hours(day, check.weekdays, None)
        if check.hours is not None:
            on_day = [exp.Boolean(this=False)]
        instant = self.instant(text)
        at: list[Expr] = [exp.Not(this=_is_null(instant))]
        if check.start is not None:
            at.append(exp.GTE(this=instant.copy(), expression=_at(check.start)))
        if check.end is not None:
            at.append(exp.LT(this=instant.copy(), expression=_at(check.end)))
        if check.weekdays or check.hours is not None:
            at += self.at_hours(self.local(instant), check.weekdays, check.hours)
        return _case(_call("regexp_full_match", text.copy(), _string(_DAY)), _all(on_day), _all(at))

    def instant(self, text: Expr) -> Expr:
        """A text as a naive UTC time: with an offset exactly, without one by the zone's clock."""
        exact = _call("timezone", _string("UTC"), _try_cast(text.copy(), exp.DType.TIMESTAMPTZ))
        return _case(
            _call("regexp_matches", text.copy(), _string(_OFFSET)),
            exact,
            self.utc(_try_cast(text.copy(), exp.DType.TIMESTAMPNTZ)),
        )

    # ── rows ──

    def rows(self, facts: p.Facts) -> _Rows:
        return _Rows(self, facts.base, facts.types, facts.times)

    def facts_where(self, rows: _Rows, facts: p.Facts) -> list[Expr]:
        tests = [rows.test(test) for test in facts.tests]
        for each in facts.sets:
            match each:
                case p.EventSet(inside=inside):
                    events = self.event_set(each, facts)
                case p.SharedSet(inside=inside):
                    events = self.shared_set(each)
                case p.DatedSet():
                    events, inside = self.dated_set(each, facts), True
            chosen: Expr = _in(rows.column("event"), events)
            tests.append(chosen if inside else exp.Not(this=chosen))
        return tests

    def event_set(self, chosen: p.EventSet, facts: p.Facts) -> exp.Select:
        rows = _Rows(self, chosen.base, facts.types, facts.times)
        where = [rows.test(test) for test in chosen.tests]
        having: Expr | None = None
        if chosen.every:
            every = _or_else(_all([rows.test(test) for test in chosen.every]), exp.Boolean(this=False))
            having = _call("bool_and", every)
        if chosen.held is not None:
            if chosen.distinct is None:
                amount: Expr = exp.Sum(this=_or_else(rows.item("quantity"), _number(1)))
            else:
                amount = _count(rows.key(chosen.distinct))
            having = _within(amount, chosen.held)
            if not chosen.inside:
                having = _not(having)
        group = [] if having is None else [rows.column("event")]
        return rows.select([rows.column("event")], where, group, having)

    def shared_set(self, chosen: p.SharedSet) -> exp.Select:
        mine, theirs = (
            _sub(self.value_rows(rows.facts, rows.cell, *columns), alias)
            for rows, columns, alias in (
                (chosen.mine, ("event", "contact"), "a"),
                (chosen.theirs, ("contact",), "b"),
            )
            if rows.cell is not None
        )
        return _select([_column("event", "a")], mine, [_join(theirs, _equal(("contact", "v")))])

    def dated_set(self, chosen: p.DatedSet, facts: p.Facts) -> exp.Select:
        """The date of each contact is read once: a day, or an instant."""
        contacts = _Contacts(self)
        text = _call("trim", contacts.text(chosen.date))
        by_day = _call("regexp_full_match", text, _string(_DAY))
        day = _case(by_day, _try_cast(text.copy(), exp.DType.DATE), exp.Null())
        at = _case(by_day.copy(), exp.Null(), self.instant(text.copy()))
        columns = [contacts.column("contact"), _alias(day, "day"), _alias(at, "at")]
        dates = _sub(_select(columns, contacts.main.relation()), "d")
        rows = _Rows(self, "event", facts.types, facts.times)
        on = [exp.EQ(this=_column("contact", "d"), expression=rows.column("contact"))]
        where = [*rows.main.outer_where(), self.from_date(rows.column("ts"), chosen)]
        return _select([rows.column("event")], rows.main.relation(), [_join(dates, on)], where)

    def from_date(self, ts: Expr, chosen: p.DatedSet) -> Expr:
        """Whether a time lies so to the day of d, or to its instant."""
        local_day = _cast(self.local(ts), exp.DType.DATE)
        day, at = _column("day", "d"), _column("at", "d")
        days: list[Expr]
        times: list[Expr]
        match chosen.how:
            case "on the day of":
                days = [exp.EQ(this=local_day, expression=day)]
                times = [exp.EQ(this=local_day.copy(), expression=_cast(self.local(at), exp.DType.DATE))]
            case "before":
                days = [exp.LT(this=local_day, expression=day)]
                times = [exp.LT(this=ts, expression=at)]
            case "from" | "after":
                later = exp.GTE if chosen.how == "from" else exp.GT
                days = [later(this=local_day, expression=day)]
                times = [exp.GT(this=ts, expression=at)]
            case _:
                assert_never(chosen.how)
        if chosen.within is not None and chosen.how != "on the day of":
            backwards = chosen.how == "before"
            length = p.Length(-chosen.within.microseconds, -chosen.within.months) if backwards else chosen.within
            no_further = exp.GTE if backwards else exp.LTE
            last_day = _cast(_plus(_cast(day.copy(), exp.DType.TIMESTAMPNTZ), length), exp.DType.DATE)
            days.append(no_further(this=local_day.copy(), expression=last_day))
            times.append(no_further(this=ts.copy(), expression=self.later(at.copy(), length)))
        return _any([exp.Paren(this=_all(days)), exp.Paren(this=_all(times))])

    def figures(self, rows: _Rows, how: p.How, cell: p.Cell | None, many: bool) -> Expr:
        match how:
            case "events":
                return _count(rows.column("event") if many else None)
            case "quantity":
                return exp.Sum(this=self.amount(rows, how))
            case "price × quantity":
                return _call("fsum", self.amount(rows, how))
            case "first":
                return exp.Min(this=rows.column("ts"))
            case "last":
                return exp.Max(this=rows.column("ts"))
            case _:
                assert cell is not None
                if how == "distinct":
                    return _count(rows.key(cell))
                return _aggregate(how, rows.number(cell))

    def amount(self, rows: _Rows, how: p.Added) -> Expr:
        """What one line item adds."""
        if how == "quantity":
            return _or_else(rows.item("quantity"), _number(1))
        return _times_quantity(rows.item("price"), rows.item("quantity"))

    def value_rows(self, facts: p.Facts, cell: p.Cell, *columns: str) -> exp.Select:
        """These columns and the value `v` (as values are told apart), for the rows that have one."""
        rows = self.rows(facts)
        where = self.facts_where(rows, facts)
        if isinstance(cell, p.Json):
            inner = _each(rows.select([*map(rows.column, columns), _alias(rows.label(cell), "x")], where), *columns)
            key: Expr = _call("nullif", _folded(_column("x")), _string(""))
            there = exp.Not(this=_is_null(key.copy()))
            return _select([*map(_column, columns), _alias(key, "v")], _sub(inner, "r"), where=[there])
        key = rows.key(cell)
        where.append(exp.Not(this=_is_null(key.copy())))
        return rows.select([*map(rows.column, columns), _alias(key, "v")], where)

    # ── parts ──

    def part(self, part: p.Part) -> list[Named]:
        found = self.ctes(part)
        if self.describe is not None:
            match part:
                case p.Group(_, _, figures):
                    nodes = tuple(figure.node for figure in figures)
                case p.States(nodes=nodes):
                    pass
                case _:
                    nodes = (part.node,)
            found[0][1].comments = [self.describe(node) for node in dict.fromkeys(nodes)]
        return found

    def ctes(self, part: p.Part) -> list[Named]:
        match part:
            case p.Group():
                return [(part.name, self.group(part))]
            case p.States():
                return [(part.name, self.states(part))]
            case p.Doers(name, facts):
                rows = self.rows(facts)
                where = self.facts_where(rows, facts)
                return [(name, rows.select([rows.column("contact")], where))]
            case p.Values(name, facts, cell):
                inner = self.value_rows(facts, cell, "contact")
                return [(name, _by_contact(_alias(_count(_column("v")), "value"), inner))]
            case p.Periods():
                return [(part.name, self.periods(part))]
            case p.Frequent():
                return self.frequent(part)
            case p.GivenBack():
                return self.given_back(part)
            case p.Returned():
                return [(part.name, self.returned(part))]
            case p.Stayed():
                return [(part.name, self.stayed(part))]
            case p.Chain():
                return self.chain(part)
            case p.LedUp():
                return self.led_up(part)
            case p.Repeated(name, facts, cell, bound):
                each = _select([exp.Star()], _sub(self.value_rows(facts, cell, "event", "contact"), "r"), distinct=True)
                keys = [_column("contact"), _column("v")]
                many = _within(_count(), bound)
                return [(name, _select([_column("contact")], _sub(each, "r"), group=keys, having=many))]
            case p.Ranking():
                return [(part.name, self.ranking(part))]
            case p.MeanOfContacts(name, scan, of):
                inner = self.scan(scan, lambda rows: [_alias(self.value(rows, of), "value")])
                mean = _alias(exp.Avg(this=_column("value")), "value")
                above = exp.GT(this=_column("value"), expression=_number(0))
                return [(name, _select([mean], _sub(inner, "r"), where=[above]))]
            case p.MeanOfFacts(name, facts, cell):
                rows = self.rows(facts)
                where = self.facts_where(rows, facts)
                return [(name, rows.select([_alias(_aggregate("average", rows.number(cell)), "value")], where))]
            case _:
                assert_never(part)

    def group(self, part: p.Group) -> exp.Select:
        rows = self.rows(part.facts)
        where = self.facts_where(rows, part.facts)
        columns: list[Expr] = [rows.column("contact")]
        for figure in part.figures:
            number = self.figures(rows, figure.how, figure.cell, figure.many)
            only = [rows.test(test) for test in figure.tests]
            if figure.times is not None:
                only = self.at_times(rows.column("ts"), figure.times) + only
            if only:
                number = exp.Filter(this=number, expression=exp.Where(this=_all(only)))
            columns.append(_alias(number, figure.name))
        return rows.select(columns, where, [rows.column("contact")])

    def states(self, part: p.States) -> Expr:
        """A row a contact; where there are no figures, a contact may have several."""
        rows, schema = part.rows, self.plan.schema
        kept = {"first": "first", "last": "last", "events": "events", "total": "worth"}
        told = [(figure.name, figure.how) for figure in part.figures]
        counted = _select(
            [_column("contact"), *(_alias(_column(kept[how]), name) for name, how in told)],
            _table("state", None, schema),
            where=self.of_types(_column("type"), (rows.type,)),
        )
        after = rows.after
        if after is None:
            return counted
        event = {"first": _column("ts"), "last": _column("ts"), "events": _number(1), "total": _column("order_value")}
        ts, number = _column("ts"), _column("event")
        types = self.of_types(_column("type"), None if rows.type == EVERY_TYPE else (rows.type,))
        # Two scans: the engine skips row groups by each of these bounds, and by neither where they are joined by "or".
        new = [exp.GT(this=number, expression=_number(after.upto))]
        late = [
            exp.LTE(this=number.copy(), expression=_number(after.upto)),
            exp.GT(this=ts, expression=_at(after.horizon)),
        ]
        union: Expr = counted
        for where in (new, late):
            more = _select(
                [_column("contact"), *(_alias(event[how].copy(), name) for name, how in told)],
                _table("event", None, schema),
                where=[*types, exp.LTE(this=ts.copy(), expression=_at(self.plan.now)), *where],
            )
            union = exp.Union(this=union, expression=more, distinct=False)
        if not told:
            return union
        together = {"first": "min", "last": "max", "events": "sum", "total": "fsum"}
        columns: list[Expr] = [_column("contact")]
        for name, how in told:
            total = _call(together[how], _column(name))
            columns.append(_alias(_cast(total, exp.DType.BIGINT) if how == "events" else total, name))
        return _select(columns, _sub(union, "r"), group=[_column("contact")])

    def periods(self, part: p.Periods) -> exp.Select:
        rows = self.rows(part.facts)
        where = self.facts_where(rows, part.facts)
        ts, contact = rows.column("ts"), rows.column("contact")
        match part.by:
            case p.Units(unit):
                period: Expr = self.ordinal(self.local(ts), unit)
            case p.Widths(end, width):
                age = exp.Sub(this=_number((end - _EPOCH) // p.MICROSECOND - 1), expression=_call("epoch_us", ts))
                period = exp.IntDiv(this=exp.Paren(this=age), expression=_number(width))
            case p.Cuts(at):
                period = _sum([_cast(exp.GTE(this=ts.copy(), expression=_at(cut)), exp.DType.INT) for cut in at])
            case _:
                assert_never(part.by)
        if part.few and part.each <= 1 and not part.longest:
            if isinstance(part.by, p.Units):
                assert part.facts.times.start is not None
                first = self.ordinal(self.local(_at(part.facts.times.start)), part.by.unit)
                period = exp.Sub(this=exp.Paren(this=period), expression=exp.Paren(this=first))
            bit = _call(
                "bit_or",
                exp.BitwiseLeftShift(this=_cast(_number(1), exp.DType.BIGINT), expression=exp.Paren(this=period)),
            )
            # uncast, the count is so small a number that a product overflows
            counted = _cast(_call("bit_count", bit), exp.DType.BIGINT)
            return rows.select([contact, _alias(counted, "value")], where, [contact.copy()])
        enough: Expr | None = None
        if part.each > 1:
            times = _count(rows.column("event") if part.facts.many else None)
            enough = exp.GTE(this=times, expression=_number(part.each))
        if part.each <= 1 and not part.longest:
            inner = rows.select([contact, _alias(period, "period")], where, distinct=True)
        else:
            inner = rows.select([contact, _alias(period, "period")], where, [contact.copy(), period.copy()], enough)
        if not part.longest:
            return _by_contact(_alias(_count(), "value"), inner)
        place = _over(exp.RowNumber(), [_column("contact")], [_ordered(_column("period"))])
        run = exp.Sub(this=_column("period"), expression=place)
        runs = _select([_column("contact"), _alias(run, "run")], _sub(inner, "r"))
        lengths = _select(
            [_column("contact"), _alias(_count(), "length")],
            _sub(runs, "r"),
            group=[_column("contact"), _column("run")],
        )
        return _by_contact(_alias(exp.Max(this=_column("length")), "value"), lengths)

    def ordinal(self, local: Expr, unit: q.Unit) -> Expr:
        """The number of a calendar unit, so that consecutive ones differ by 1."""
        counted = _call("date_diff", _string("day" if unit == "week" else unit), _at(_MONDAY), local)
        return exp.IntDiv(this=counted, expression=_number(7)) if unit == "week" else counted

    def frequent(self, part: p.Frequent) -> list[Named]:
        """Only contacts who have one of the values at all are counted through."""
        every = f"{part.name}_rows"
        rows = self.value_rows(part.facts, part.cell, "contact")
        is_one = _one_of(_column("v"), [_string(each) for each in part.values])
        wanted = exp.Where(this=is_one)
        have = _in(_column("contact"), _select([_column("contact")], _table(every), where=[is_one.copy()]))
        if part.mostly:
            some = exp.Filter(this=_count(), expression=wanted)
            having: Expr = exp.GT(this=exp.Mul(this=_number(2), expression=some), expression=_count())
            select = _select(
                [_column("contact")], _table(every), where=[have], group=[_column("contact")], having=having
            )
            return [(every, rows), (part.name, select)]
        counts = _select(
            [_column("contact"), _column("v"), _alias(_count(), "n")],
            _table(every),
            where=[have],
            group=[_column("contact"), _column("v")],
        )
        best = exp.Max(this=_column("n"))
        having = exp.EQ(this=exp.Filter(this=best, expression=wanted), expression=best.copy())
        select = _select([_column("contact")], _sub(counts, "r"), group=[_column("contact")], having=having)
        return [(every, rows), (part.name, select)]

    def given_back(self, part: p.GivenBack) -> list[Named]:
        """Only the orders of contacts who gave something back are looked at."""
        back = f"{part.name}_back"

        def by_order(facts: p.Facts, how: p.How, cell: p.Cell | None, name: str, only: Sequence[str]) -> exp.Select:
            rows = self.rows(facts)
            where = self.facts_where(rows, facts)
            where += [_in(rows.column("contact"), _select([_column("contact")], _table(table))) for table in only]
            order_id = rows.key(part.order_id)
            columns = [rows.column("contact"), _alias(order_id, "order_id")]
            columns.append(_alias(self.figures(rows, how, cell, many=False), name))
            return rows.select(columns, where, [rows.column("contact"), order_id.copy()])

        orders = by_order(part.orders, "total", part.worth, "worth", [back])
        taken = _call("least", _column("amount", "a"), _column("worth", "b"))
        value = _select(
            [_column("contact", "a"), _alias(_call("fsum", taken), "value")],
            _table(back, "a"),
            [_join(_sub(orders, "b"), _equal(("contact", "order_id")), side="LEFT")],
            group=[_column("contact", "a")],
        )
        return [(back, by_order(part.facts, part.how, part.cell, "amount", [])), (part.name, value)]

    def stayed(self, part: p.Stayed) -> exp.Select:
        where: list[Expr] = [exp.EQ(this=_column("segment"), expression=_number(part.segment))]
        if part.how == "in":
            where.append(_is_null(_column("exited")))
        else:
            where += self.at_times(_column(part.how), part.times)
        return _select([_column("contact")], _table("stay", None, self.plan.schema), where=where)

    def returned(self, part: p.Returned) -> exp.Select:
        gaps, where = self.gaps(part)
        return _select([_column("contact")], gaps, where=where, distinct=True)

    def gaps(self, part: p.Returned) -> tuple[Expr, list[Expr]]:
        """Events with the time of the one before, and which of them come after a gap. With a start, only the last event
        before it and those after it are put in order."""
        schema, times = self.plan.schema, part.times
        columns = [_column("contact"), _column("ts")]
        event = _table("event", None, schema)
        bare = p.Times(times.start, times.end)
        events: Expr = _select(columns, event, where=self.at_times(_column("ts"), bare))
        if times.start is not None:
            earlier = exp.LT(this=_column("ts"), expression=_at(times.start))
            last = _select(
                [_column("contact"), exp.Max(this=_column("ts"))],
                event.copy(),
                where=[earlier],
                group=[_column("contact")],
            )
            events = exp.Union(this=events, expression=last, distinct=False)
        before = _over(_call("lag", _column("ts")), [_column("contact")], [_ordered(_column("ts"))])
        inner = _select([_column("contact"), _column("ts"), _alias(before, "before")], _sub(events, "r"))
        where: list[Expr] = [exp.GT(this=_column("ts"), expression=self.later(_column("before"), part.after))]
        if times.start is not None or times.weekdays or times.hours is not None:
            where += self.at_times(_column("ts"), times)
        return _sub(inner, "r"), where

    # ── sequences ──

    def chain(self, part: p.Chain) -> list[Named]:
        """Rows are (contact, v, ts); v only where one value must be the same."""
        keys = ("contact", "v") if part.steps[0].cell is not None else ("contact",)
        rows = [self.step(step, part.by_place) for step in part.steps]
        if part.first is not None:
            rows[0] = self.at_first(rows[0], part.first)
        found: list[Named] = [(f"{part.name}_step{i}", select) for i, select in enumerate(rows, start=1)]
        steps = [name for name, _ in found]
        absent = None if part.absent is None else f"{part.name}_absent"
        if part.absent is not None and absent is not None:
            found.append((absent, self.step(part.absent, part.by_place)))
        match part.shape:
            case "earliest":
                found += self.earliest(part, keys, steps, absent)
            case "next":
                found += self.next(part, keys, steps, absent)
            case "previous":
                found += self.previous(part, keys, steps)
            case "any" | "around":
                found.append((part.name, self.unordered(part, keys, steps, absent)))
            case _:
                assert_never(part.shape)
        return found

    def step(self, step: p.StepRows, by_place: bool) -> exp.Select:
        if step.cell is not None:
            return self.value_rows(step.facts, step.cell, "contact", "ts")
        rows = self.rows(step.facts)
        where = self.facts_where(rows, step.facts)
        contact, ts = rows.column("contact"), rows.column("ts")
        return rows.select([contact, _alias(_place(contact, ts), "k") if by_place else ts], where)

    def led_up(self, part: p.LedUp) -> list[Named]:
        """How many there are up to each of the events, looked up right before each of the others."""
        keys = ("contact", "v") if part.to.cell is not None else ("contact",)
        facts, cell = part.events.facts, part.events.cell
        if cell is None:
            rows = self.rows(facts)
            where = self.facts_where(rows, facts)
            events = rows.select([*map(rows.column, ("event", "contact", "ts"))], where, distinct=True)
        else:
            events = _select(
                [exp.Star()], _sub(self.value_rows(facts, cell, "event", "contact", "ts"), "r"), distinct=True
            )
        upto = _over(_count(), [*map(_column, keys)], [_ordered(_column("ts"))])
        counted = _select([*map(_column, keys), _column("ts"), _alias(upto, "n")], _sub(events, "r"))
        to = self.step(part.to, by_place=False)
        if part.first is not None:
            to = self.at_first(to, part.first)
        name = f"{part.name}_to"
        before = [*_equal(keys, "b", "a"), exp.GT(this=_column("ts", "b"), expression=_column("ts", "a"))]
        join = _join(_sub(counted, "a"), before, side="LEFT", method="ASOF")
        many = _within(_or_else(_column("n", "a"), _number(0)), part.bound)
        return [(name, to), (part.name, _select([_column("contact", "b")], _table(name, "b"), [join], [many]))]

    def at_first(self, rows: exp.Select, facts: p.Facts) -> exp.Select:
        """Of these rows, those at the contact's first of the facts."""
        events = self.rows(facts)
        where = self.facts_where(events, facts)
        earliest = _alias(exp.Min(this=events.column("ts")), "ts")
        first = events.select([events.column("contact"), earliest], where, [events.column("contact")])
        every = exp.Column(this=exp.Star(), table=_name("a"))
        return _select([every], _sub(rows, "a"), [_join(_sub(first, "b"), _equal(("contact", "ts")), kind="SEMI")])

    def next(self, part: p.Chain, keys: tuple[str, ...], steps: list[str], absent: str | None) -> list[Named]:
        """From every first step to the next event of each later step: each join finds one row."""
        at = "k" if part.by_place else "ts"
        found: list[Named] = []
        source: Expr = _sub(
            _select([*map(_column, keys), _alias(_column(at), "start"), _column(at)], _table(steps[0])), "a"
        )
        late = self.after(part, _column("start", "a"))
        if absent is not None:
            return self.not_next(part, keys, steps[0], absent)
        for i, step in enumerate(steps[1:], start=2):
            name = part.name if i == len(steps) else f"{part.name}_next{i}"
            select = _select(
                [*_from("a", keys), _column("start", "a"), _column(at, "b")],
                source,
                [_join(_table(step, "b"), _follows(part, keys, "a", "b"), method="ASOF")],
                [exp.LTE(this=_column(at, "b"), expression=late.copy())],
            )
            found.append((name, select))
            source = _table(name, "a")
        return found

    def not_next(self, part: p.Chain, keys: tuple[str, ...], first: str, absent: str) -> list[Named]:
        """The contacts with a first step that no absent one follows in time. Who did not do the absent one after the
        last first step is among them without a look at the events."""
        at = "k" if part.by_place else "ts"
        found: list[Named] = []
        sources: list[Expr] = [_table(first, "a"), _table(absent, "b")]
        if part.lasts is not None:
            settled = f"{part.name}_settled"
            last, later = (_column(ref.column, alias) for ref, alias in zip(part.lasts, "ab", strict=True))
            none = _any([_is_null(later), exp.LTE(this=later.copy(), expression=last)])
            tables = [_table(ref.part, alias) for ref, alias in zip(part.lasts, "ab", strict=True)]
            join = _join(tables[1], _equal(("contact",)), side="LEFT")
            there = exp.Not(this=_is_null(last.copy()))
            found.append((settled, _select([_column("contact", "a")], tables[0], [join], [there, none])))
            open_ = exp.Not(this=_in(_column("contact"), _select([_column("contact")], _table(settled))))
            sources = [
                _sub(_select([exp.Star()], _table(name), where=[open_.copy()]), alias)
                for name, alias in ((first, "a"), (absent, "b"))
            ]
        late = exp.GT(this=_column(at, "b"), expression=self.after(part, _column(at, "a")))
        join = _join(sources[1], _follows(part, keys, "a", "b"), side="LEFT", method="ASOF")
        select: Expr = _select(
            [_column("contact", "a")], sources[0], [join], [_any([_is_null(_column(at, "b")), late])]
        )
        for name, _ in found:
            select = exp.Union(this=_select([_column("contact")], _table(name)), expression=select, distinct=False)
        return [*found, (part.name, select)]

    def previous(self, part: p.Chain, keys: tuple[str, ...], steps: list[str]) -> list[Named]:
        """From every last step to the event of each earlier step right before: each join finds one row, and only the
        contacts who have got so far are looked at."""
        at = "k" if part.by_place else "ts"
        found: list[Named] = []
        finish = _alias(_column(at), "finish")
        source: Expr = _sub(_select([*map(_column, keys), finish, _column(at)], _table(steps[-1])), "a")
        before = steps[-1]
        soon = exp.GTE(this=self.after(part, _column(at, "b")), expression=_column("finish", "a"))
        for i, step in reversed(list(enumerate(steps[:-1], start=1))):
            name = part.name if i == 1 else f"{part.name}_before{i}"
            there = _in(_column("contact"), _select([_column("contact")], _table(before)))
            rows = _sub(_select([exp.Star()], _table(step), where=[there]), "b")
            select = _select(
                [*_from("a", keys), _column("finish", "a"), _column(at, "b")],
                source,
                [_join(rows, _follows(part, keys, "b", "a"), method="ASOF")],
                [soon.copy()],
            )
            found.append((name, select))
            source, before = _table(name, "a"), name
        return found

    def after(self, part: p.Chain, moment: Expr) -> Expr:
        """The limit of the sequence later: as a place where moments are places, else as a time."""
        assert part.within is not None
        if part.by_place:
            return exp.Add(this=moment, expression=_number(part.within.microseconds))
        return self.later(moment, part.within)

    def earliest(self, part: p.Chain, keys: tuple[str, ...], steps: list[str], absent: str | None) -> list[Named]:
        """Each step at its earliest after the one before, in one row a key: the first step's time is the earliest start
        of every chain, and where a chain can end late it can end early too."""
        found: list[Named] = []
        source: Expr = _table(steps[0], "b")
        joins: list[exp.Join] = []
        where: list[Expr] = []
        start, ts = _column("ts", "b"), _column("ts", "b")
        for i, step in enumerate(steps[1:], start=2):
            columns = [*_from("b", keys), _alias(exp.Min(this=start), "start"), _alias(exp.Min(this=ts), "ts")]
            done = f"{part.name}_done{i - 1}"
            found.append((done, _select(columns, source, joins, where, _from("b", keys))))
            source, joins, where = _table(done, "a"), [_join(_table(step, "b"), _equal(keys))], [_after()]
            start, ts = _column("start", "a"), _column("ts", "b")
        if absent is None:
            if part.within is not None and len(steps) > 1:
                where.append(exp.LTE(this=ts, expression=self.later(start, part.within)))
            return [*found, (part.name, _select([_column("contact", "b")], source, joins, where))]
        columns = [*_from("b", keys), _alias(exp.Min(this=start), "start"), _alias(exp.Max(this=ts), "ts")]
        last = f"{part.name}_last"
        found.append((last, _select(columns, source, joins, where, _from("b", keys))))
        follows = [*_equal(keys), _after()]
        if part.within is not None:
            limit = self.later(_column("start", "a"), part.within)
            follows.append(exp.LTE(this=_column("ts", "b"), expression=limit))
        none = _join(_table(absent, "b"), follows, kind="ANTI")
        return [*found, (part.name, _select([_column("contact", "a")], _table(last, "a"), [none]))]

    def unordered(self, part: p.Chain, keys: tuple[str, ...], steps: list[str], absent: str | None) -> exp.Select:
        joins: list[exp.Join] = []
        where: list[Expr] = []
        source: Expr = _table(steps[0], "a")
        if part.shape == "around":
            assert part.within is not None
            rows: Expr = _select([*map(_column, keys), _column("ts")], _table(steps[0]))
            for step in steps[1:]:
                more = _select([*map(_column, keys), _column("ts")], _table(step))
                rows = exp.Union(this=rows, expression=more, distinct=False)
            source = _sub(rows, "a")
            for i, step in enumerate(steps, start=1):
                alias = f"b{i}"
                since = exp.LTE(this=_column("ts", "a"), expression=_column("ts", alias))
                joins.append(_join(_table(step, alias), [*_equal(keys, "a", alias), since], method="ASOF"))
                limit = self.later(_column("ts", "a"), part.within)
                where.append(exp.LTE(this=_column("ts", alias), expression=limit))
        else:
            for i, step in enumerate(steps[1:], start=2):
                joins.append(_join(_table(step, f"b{i}"), _equal(keys, "a", f"b{i}"), kind="SEMI"))
        if absent is not None:
            joins.append(_join(_table(absent, "z"), _equal(keys, "a", "z"), kind="ANTI"))
        return _select([_column("contact", "a")], source, joins, where)

    # ── contacts ──

    def scan(
        self,
        scan: p.Scan,
        columns: Callable[[_Contacts], list[Expr]],
        ranking: str | None = None,
        order: Callable[[_Contacts], list[Expr]] | None = None,
        limit: int | None = None,
        where: Callable[[_Contacts], list[Expr]] | None = None,
    ) -> exp.Select:
        """A statement over the contacts that pass the scan."""
        rows = _Contacts(self)
        shown = columns(rows)
        tests = self.conjunction(rows, scan.test) + (where(rows) if where else [])
        ordered = order(rows) if order else []
        joins = [
            _join(_table(name), [exp.EQ(this=_column("contact", name), expression=rows.column("contact"))], side="LEFT")
            for name in scan.joined
        ]
        if ranking is not None:
            on = [exp.EQ(this=_column("contact", ranking), expression=rows.column("contact"))]
            joins.insert(0, _join(_table(ranking), on))
        return _select(shown, rows.sources["contact"].relation(), joins, tests, order=ordered, limit=limit)

    def conjunction(self, rows: _Contacts, test: p.Test) -> list[Expr]:
        """The tests that must all hold, flat."""
        match test:
            case p.Constant(True):
                return []
            case p.Both(of):
                return [each for part in of for each in self.conjunction(rows, part)]
            case _:
                return [self.test(rows, test, exact=False)]

    def test(self, rows: _Contacts, test: p.Test, exact: bool) -> Expr:
        """Whether a contact passes. NULL may stand for no, unless `exact`."""
        match test:
            case p.Constant(holds):
                return exp.Boolean(this=holds)
            case p.Both(of):
                return exp.Paren(this=_all([self.test(rows, each, exact) for each in of]))
            case p.Either(of):
                return _any([self.test(rows, each, exact) for each in of])
            case p.Neither(of):
                return exp.Not(this=exp.Paren(this=self.test(rows, of, exact=True)))
            case p.AsMany(bound, of):
                return _within(
                    exp.Paren(this=_sum([_cast(self.test(rows, each, True), exp.DType.INT) for each in of])), bound
                )
            case p.In(part):
                return _in(rows.column("contact"), _select([_column("contact")], _table(part)))
            case p.Within(value, bound):
                found = _within(self.value(rows, value), bound)
                certain = isinstance(value, p.Ref) and value.zero
            case p.Against(left, comparison, right, percent):
                other = self.value(rows, right)
                if percent != 100:
                    other = exp.Div(
                        this=exp.Mul(this=exp.Paren(this=other), expression=_number(percent)), expression=_number(100)
                    )
                found, certain = _compare(self.value(rows, left), comparison, other), False
            case p.At(moment, times):
                at = self.value(rows, moment)
                found, certain = _all(self.at_times(at, times)), False
            case p.Same(left, right):
                found, certain = exp.EQ(this=self.value(rows, left), expression=self.value(rows, right)), False
            case p.Passes(inner):
                found, certain = rows.test(inner), False
            case p.Birthdays(cell, ranges):
                birth = self.birth(rows.text(cell))
                day = exp.Add(
                    this=exp.Mul(this=_call("month", birth), expression=_number(100)),
                    expression=_call("day", birth.copy()),
                )
                within = [exp.Between(this=day.copy(), low=_number(a), high=_number(b)) for a, b in ranges]
                found, certain = _any(within), False
            case p.Did():
                raise AssertionError("a plan has settled how it is served")
            case _:
                assert_never(test)
        return _or_else(found, exp.Boolean(this=False)) if exact and not certain else found

    def value(self, rows: _Contacts, value: p.Value) -> Expr:
        match value:
            case p.Ref(part, column, zero):
                found: Expr = _column(column, part)
                return _or_else(found, _number(0)) if zero else found
            case p.Minus(left, right):
                return exp.Paren(this=exp.Sub(this=self.value(rows, left), expression=self.value(rows, right)))
            case p.Since(moment, unit):
                age = exp.Sub(
                    this=_number((self.plan.now - _EPOCH) // p.MICROSECOND),
                    expression=_call("epoch_us", self.value(rows, moment)),
                )
                return exp.Paren(this=exp.Div(this=exp.Paren(this=age), expression=_number(unit)))
            case p.NumberOf(cell):
                return rows.number(cell)
            case p.Years(cell, on, from_birth):
                if not from_birth:
                    return _call("floor", rows.number(cell))
                birth = self.birth(rows.text(cell))
                day = exp.Add(
                    this=exp.Mul(this=_call("month", birth), expression=_number(100)),
                    expression=_call("day", birth.copy()),
                )
                later = _cast(
                    exp.GT(this=exp.Paren(this=day), expression=_number(on.month * 100 + on.day)), exp.DType.INT
                )
                years = exp.Sub(this=_number(on.year), expression=_call("year", birth.copy()))
                return exp.Paren(this=exp.Sub(this=years, expression=later))
            case p.One(part):
                return exp.Subquery(this=_select([_column("value")], _table(part)))
            case _:
                assert_never(value)

    def birth(self, text: Expr) -> Expr:
        """A birth date: the day of a date or an instant, as it is written."""
        return _try_cast(_call("left", _call("trim", text), _number(10)), exp.DType.DATE)

    def ranking(self, part: p.Ranking) -> exp.Select:
        by = [_ordered(_column("value"), not part.bottom), _ordered(_column("visitor_id"))]
        inner = self.scan(
            part.scan,
            lambda rows: [
                rows.column("contact"),
                rows.column("visitor_id"),
                _alias(self.value(rows, part.by), "value"),
            ],
            where=lambda rows: [exp.GT(this=self.value(rows, part.by), expression=_number(0))],
        )
        place = _alias(_over(exp.RowNumber(), (), [each.copy() for each in by]), "place")
        if not part.percent:
            top = _select([exp.Star()], _sub(inner, "r"), order=by, limit=int(part.amount))
            return _select([_column("contact"), place], _sub(top, "r"))
        ranked = _alias(_over(_count()), "ranked")
        placed = _select([_column("contact"), place, ranked], _sub(inner, "r"))
        share = exp.Div(this=exp.Mul(this=_column("ranked"), expression=_number(part.amount)), expression=_number(100))
        kept = exp.LTE(this=_column("place"), expression=_call("ceil", share))
        return _select([_column("contact"), _column("place")], _sub(placed, "r"), where=[kept])

    # ── outputs ──

    def out(self, out: p.Out) -> tuple[list[Named], Expr]:
        """Parts that the output needs beside those of the plan, and the statement."""
        population = self.plan.population
        match out:
            case p.UsersOut():
                return [], self.users(out)
            case p.CountOut():
                return [], self.scan(population, lambda rows: [_alias(_count(), "value")])
            case p.ShareOut(test):

                def share(rows: _Contacts) -> list[Expr]:
                    part = exp.Filter(this=_count(), expression=exp.Where(this=self.test(rows, test, exact=False)))
                    hundred = exp.Mul(this=_number(100), expression=part)
                    return [_alias(exp.Div(this=hundred, expression=_call("nullif", _count(), _number(0))), "value")]

                return [], self.scan(population, share)
            case p.ValueOut(how, value):
                return [], self.scan(population, lambda rows: [_alias(_total(how, self.value(rows, value)), "value")])
            case p.EventsOut(facts):
                rows = self.rows(facts)
                where = self.facts_where(rows, facts)
                named, who = self.of_population(rows)
                return named, rows.select(
                    [_alias(_count(rows.column("event") if facts.many else None), "value")], where + who
                )
            case p.PooledOut(how, facts, cell):
                rows = self.rows(facts)
                where = self.facts_where(rows, facts)
                named, who = self.of_population(rows)
                return named, rows.select([_alias(_total(how, rows.number(cell)), "value")], where + who)
            case p.AttributesOut(cell, ranked, limit):
                held = self.scan(population, lambda rows: [rows.column("contact"), _alias(rows.label(cell), "x")])
                return self.breakdown(_each(held, "contact") if isinstance(cell, p.Json) else held, ranked, limit)
            case p.FactsOut(facts, cell, ranked, limit, added):
                rows = self.rows(facts)
                where = self.facts_where(rows, facts)
                named, who = self.of_population(rows)
                counted = rows.column("contact") if added is None else _alias(self.amount(rows, added), "amount")
                values = rows.select([counted, _alias(rows.label(cell), "x")], where + who)
                if isinstance(cell, p.Json):
                    values = _each(values, "contact" if added is None else "amount")
                more, statement = self.breakdown(values, ranked, limit, added)
                return named + more, statement
            case p.TimeOut():
                return self.in_time(out)
            case p.RowsOut(of):
                return self.compared(of)
            case p.TestsOut():
                return [], self.tests(out)
            case p.FoundOut():
                return [], self.found(out)
            case p.GapsOut(contact, part):
                gaps, where = self.gaps(part)
                mine = exp.EQ(this=_column("contact"), expression=_number(contact))
                pairs = _select([_column("before"), _column("ts")], gaps, where=[mine, *where])
                ends = exp.Unnest(expressions=[exp.Array(expressions=[_column("before"), _column("ts")])])
                times = _select([_alias(ends, "ts")], _sub(pairs, "g"))
                return [], self.events(contact, _column("ts", "e"), times)
            case _:
                assert_never(out)

    def tests(self, out: p.TestsOut) -> exp.Select:
        def columns(rows: _Contacts) -> list[Expr]:
            met = [_alias(self.test(rows, test, exact=True), f"t{i}") for i, test in enumerate(out.of, start=1)]
            shown = [_alias(self.shown(rows, what), f"v{i}") for i, what in enumerate(out.shown, start=1)]
            return [rows.column("contact"), *met, *shown]

        def where(rows: _Contacts) -> list[Expr]:
            only = out.contact
            return [] if only is None else [exp.EQ(this=rows.column("contact"), expression=_number(only))]

        return self.scan(self.plan.population, columns, where=where)

    def found(self, out: p.FoundOut) -> exp.Select:
        ids = self.ids(out.contact, out.facts)
        if out.without is not None:
            but = exp.Not(this=_in(_column("event"), self.ids(out.contact, out.without)))
            ids = _select([_column("event")], _sub(ids, "r"), where=[but])
        return self.events(out.contact, _column("event", "e"), ids)

    def ids(self, contact: int, facts: p.Facts) -> exp.Select:
        """The events of one contact among the facts."""
        rows = self.rows(facts)
        where = self.facts_where(rows, facts)
        where.append(exp.EQ(this=rows.column("contact"), expression=_number(contact)))
        return rows.select([rows.column("event")], where)

    def events(self, contact: int, key: Expr, among: exp.Select) -> exp.Select:
        """Events of one contact as they are shown, the earliest first."""
        schema = self.plan.schema
        columns: list[Expr] = [_column("event", "e"), _alias(_column("name", "t"), "event_name")]
        columns.append(_alias(_call("timezone", _string("UTC"), _column("ts", "e")), "event_timestamp"))
        for name in ("properties", "context"):
            columns.append(_alias(_cast(_column(name, "e"), exp.DType.VARCHAR), name))
        columns += [_column("message_id", "e"), _column("order_value", "e")]
        on = [exp.EQ(this=_column("type", "t"), expression=_column("type", "e"))]
        return _select(
            columns,
            _table("event", "e", schema),
            [_join(_table("event_type", "t", schema), on)],
            [exp.EQ(this=_column("contact", "e"), expression=_number(contact)), _in(key, among)],
            order=[_ordered(_column("ts", "e")), _ordered(_column("event", "e"))],
        )

    def users(self, out: p.UsersOut) -> exp.Select:
        def shown(rows: _Contacts) -> list[Expr]:
            return [rows.column("visitor_id"), *(_titled(self.shown(rows, what), name) for name, what in out.columns)]

        def order(rows: _Contacts) -> list[Expr]:
            by: list[Expr] = []
            if out.ranking is not None:
                by.append(_ordered(_column("place", out.ranking)))
            if isinstance(out.order, p.Label):
                # numbers as numbers, before text
                number, text = rows.number(out.order.cell), rows.key(out.order.cell)
                by.append(_ordered(number, out.descending))
                by.append(_ordered(_case(_is_null(number.copy()), text), out.descending))
            elif out.order is not None:
                by.append(_ordered(self.shown(rows, out.order), out.descending))
            return [*by, _ordered(rows.column("visitor_id"))]

        return self.scan(self.plan.population, shown, out.ranking, order, out.limit)

    def shown(self, rows: _Contacts, what: p.Shown) -> Expr:
        match what:
            case p.Label(cell):
                return rows.label(cell)
            case p.Moment(ref):
                return _call("timezone", _string("UTC"), self.value(rows, ref))
            case _:
                return self.value(rows, what)

    def of_population(self, rows: _Rows) -> tuple[list[Named], list[Expr]]:
        """The population as a part, and the condition that a row belongs to it; nothing where it is everyone."""
        population = self.plan.population
        if isinstance(population.test, p.Constant) and population.test.holds:
            return [], []
        who = self.scan(population, lambda contacts: [contacts.column("contact")])
        return [("population", who)], [_in(rows.column("contact"), _select([_column("contact")], _table("population")))]

    def breakdown(
        self,
        rows: exp.Select,
        ranked: bool,
        limit: int | None,
        added: p.Added | None = None,
    ) -> tuple[list[Named], Expr]:
        """Contacts, or the sum of the amounts that are `added`, for each value x, which goes by its most frequent
        spelling (the first by the alphabet of a tie)."""
        counted, name, number = _column("contact"), "count", _count(_column("contact"))
        if added is not None:
            counted, name = _column("amount"), "units" if added == "quantity" else "spend"
            number = _or_else(_call("sum" if added == "quantity" else "fsum", _column("amount")), _number(0))
        text = _call("trim", _column("x"))
        key = _call("nullif", _call("lower", text.copy()), _string(""))
        where = [exp.Not(this=_is_null(key.copy()))] if ranked else []
        unknown = _string("unknown")
        values = _select(
            [counted, _alias(_or_else(key, unknown), "key"), _alias(text, "text")],
            _sub(rows, "r"),
            where=where,
        )
        spelled = _select(
            [_column("key"), _column("text"), _alias(_count(), "n")],
            _table("shown"),
            group=[_column("key"), _column("text")],
        )
        best = exp.First(
            this=exp.Order(this=_column("text"), expressions=[_ordered(_column("n"), True), _ordered(_column("text"))])
        )
        labels = _select([_column("key"), _alias(best, "label")], _sub(spelled, "r"), group=[_column("key")])
        counts = _select([_column("key"), _alias(number, name)], _table("shown"), group=[_column("key")])
        label: Expr = _column("label", "l")
        if not ranked:
            label = _case(exp.EQ(this=_column("key", "k"), expression=unknown.copy()), unknown.copy(), label)
        if ranked:
            order = [_ordered(_column(name, "k"), True), _ordered(_column("key", "k"))]
        else:
            order = [
                _ordered(exp.EQ(this=_column("key", "k"), expression=unknown.copy())),
                _ordered(_column("key", "k")),
            ]
        on = [exp.EQ(this=_column("key", "l"), expression=_column("key", "k"))]
        return [("shown", values)], _select(
            [_alias(label, "value"), _alias(_column(name, "k"), name)],
            _sub(counts, "k"),
            [_join(_sub(labels, "l"), on)],
            order=order,
            limit=limit,
        )

    def in_time(self, out: p.TimeOut) -> tuple[list[Named], Expr]:
        """Events, or contacts with one, in each part of time, which goes by its start."""
        rows = self.rows(out.facts)
        where = self.facts_where(rows, out.facts)
        named, who = self.of_population(rows)
        local = self.local(rows.column("ts"))
        match out.part:
            case "day of the week":
                place, label = _call("isodow", local), _call("dayname", local.copy())
            case "hour of the day":
                place, label = _call("hour", local), _call("strftime", local.copy(), _string("%H:00"))
            case unit:
                place = _call("date_trunc", _string(unit), local)
                label = _call("strftime", place.copy(), _string(_STARTS.get(unit, "%Y-%m-%d")))
                if unit == "quarter":
                    label = _call("concat", label, _call("quarter", local.copy()))
        counted = rows.column("contact") if out.contacts else rows.column("event") if out.facts.many else None
        columns = [_alias(place, "place"), _alias(label, "value"), _alias(_count(counted), "count")]
        counts = rows.select(columns, where + who, [place.copy(), label.copy()])
        return named, _select(
            [_column("value"), _column("count")], _sub(counts, "r"), order=[_ordered(_column("place"))]
        )

    def compared(self, of: tuple[tuple[str, p.Test], ...]) -> tuple[list[Named], Expr]:
        def counts(rows: _Contacts) -> list[Expr]:
            return [
                _alias(
                    exp.Filter(this=_count(), expression=exp.Where(this=self.test(rows, test, exact=False))), f"n{i}"
                )
                for i, (_, test) in enumerate(of, start=1)
            ]

        found: Expr | None = None
        for i, (label, _) in enumerate(of, start=1):
            row = _select(
                [_alias(_number(i), "place"), _alias(_string(label), "value"), _alias(_column(f"n{i}"), "count")],
                _table("counts"),
            )
            found = row if found is None else exp.Union(this=found, expression=row, distinct=False)
        assert found is not None, "a comparison has rows"
        rows = _select([_column("value"), _column("count")], _sub(found, "r"), order=[_ordered(_column("place"))])
        return [("counts", self.scan(self.plan.population, counts))], rows


class _Contacts(_Rows):
    """The contacts, and how their attributes are spelled."""

    def __init__(self, speller: _Speller) -> None:
        self.speller = speller
        self.main = _Source(speller.plan.schema, "contact", "c", lambda _: [])
        self.sources = {"contact": self.main}
        self.worth = False


def _words(text: str) -> str:
    """A pattern that finds these words, one after another, as whole words."""
    words = re.findall(r"[^\W_]+", text.replace("'", "").replace("’", ""))
    apart = r"[^\p{L}\p{N}]"
    return rf"(^|{apart})" + f"{apart}+".join(words) + rf"({apart}|$)" if words else "$^."


def _plus(ts: Expr, length: p.Length) -> Expr:
    """A time so much later: months by the calendar of the time as it stands."""
    sizes = (("DAY", 86_400_000_000), ("HOUR", 3_600_000_000), ("MINUTE", 60_000_000))
    unit, size = next(each for each in sizes if length.microseconds % each[1] == 0)
    if length.months:
        unit, amount = "MONTH", length.months
    else:
        amount = length.microseconds // size
    return exp.Add(this=ts, expression=exp.Interval(this=_string(str(amount)), unit=exp.Var(this=unit)))


def _sum(terms: Sequence[Expr]) -> Expr:
    if not terms:
        return _number(0)
    found = terms[0]
    for term in terms[1:]:
        found = exp.Add(this=found, expression=term)
    return found


def _aggregate(how: str, number: Expr) -> Expr:
    """Sums are compensated (Kahan), so that the order of the rows does not show in them."""
    return _call({"total": "fsum", "average": "favg", "highest": "max", "lowest": "min"}[how], number)


def _total(how: q.Aggregation, number: Expr) -> Expr:
    """One number over all rows: 0 for a total of none."""
    found = _aggregate(how, number)
    return _or_else(found, _number(0)) if how == "total" else found


def _by_contact(column: Expr, inner: exp.Select) -> exp.Select:
    return _select([_column("contact"), column], _sub(inner, "r"), group=[_column("contact")])


def _from(alias: str, keys: tuple[str, ...]) -> list[Expr]:
    return [_column(key, alias) for key in keys]


def _equal(keys: tuple[str, ...], left: str = "a", right: str = "b") -> list[Expr]:
    return [exp.EQ(this=_column(key, left), expression=_column(key, right)) for key in keys]


_STARTS: dict[str, str] = {"month": "%Y-%m", "quarter": "%Y-Q", "year": "%Y"}
_APART = 2**60  # microseconds: more than lie between two events, and a limit of 3,000 years more than that


def _place(contact: Expr, ts: Expr) -> Expr:
    """A number in the order of contact and time: to join the nearest by one key is far quicker than by two."""
    wide = exp.Mul(this=_cast(contact.copy(), exp.DType.INT128), expression=_number(_APART))
    return exp.Add(this=wide, expression=_call("epoch_us", ts.copy()))


def _follows(part: p.Chain, keys: tuple[str, ...], left: str, right: str) -> list[Expr]:
    """What joins the nearest: the right one is strictly later. By place it may be another contact's, if there is none;
    that is further away than any limit."""
    if part.by_place:
        return [exp.LT(this=_column("k", left), expression=_column("k", right))]
    return [*_equal(keys), exp.LT(this=_column("ts", left), expression=_column("ts", right))]


def _after() -> Expr:
    """b is strictly later than a."""
    return exp.LT(this=_column("ts", "a"), expression=_column("ts", "b"))
