"""The commands. Data goes to standard output, all else to standard error; a person gets tables, a pipe plain text.

Exit status: 0 answered · 1 failed · 2 wrong usage · 3 not understood · 4 ambiguous.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeAlias

import typer

from persona.settings import Settings, model_settings, settings
from persona.terminal import (
    SHOWN,
    AnswerFormat,
    TableFormat,
    bar,
    cost,
    counts,
    many,
    print_answer,
    print_csv,
    print_frame,
    print_json,
    print_records,
    print_rows,
    print_table,
    records,
    say,
    tell_answer,
    tell_refusal,
)

if TYPE_CHECKING:
    import pandas

    from persona.answer import Answer
    from persona.engine import Parser, Phonebook
    from persona.remote import RemotePhonebook
    from persona.segments import Segment
    from persona.why import Reason
    from storage.store import Progress, Report, Source, Store

NOT_UNDERSTOOD, AMBIGUOUS = 3, 4
_EVENTS = 5  # of a condition are listed by `why`

WhyFormat: TypeAlias = Literal["table", "json"]
ParserName: TypeAlias = Literal["auto", "grammar", "model"]
KeyScope: TypeAlias = Literal["ingest", "read", "admin"]

_FORMAT = typer.Option("--format", help="How to print it.")
_Now: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--now",
        metavar="T",
        show_default=False,
        callback=lambda now: _check_instant(now),
        help="As of this instant (ISO 8601). Else the clock.",
    ),
]
_SegmentName: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The segment's name.")]
_Columns: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--columns", metavar="TEXT", show_default=False, help='Attributes and measures: "name, spend, last order date".'
    ),
]
_Spreadsheet: TypeAlias = Annotated[
    bool, typer.Option("--spreadsheet", help="In a .csv, put a ' before text that would be a formula.")
]
_FILE = typer.Argument(metavar="FILE", exists=True, dir_okay=False, help=".csv, .jsonl, .json or .parquet")

app = typer.Typer(
    help="Ask your customers' events in plain English: who did what, when, how often, for how much.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
importing = typer.Typer(help="Hand in contacts, events or products from a file.", no_args_is_help=True)
app.add_typer(importing, name="import")
failing = typer.Typer(help="What failed validation: as it came, with every reason.", invoke_without_command=True)
app.add_typer(failing, name="failed-events")
keying = typer.Typer(help="The keys that open phonebooks of the service.", no_args_is_help=True)
app.add_typer(keying, name="key")
segments = typer.Typer(help="Save a question under a name, and see who enters and exits.", no_args_is_help=True)
app.add_typer(segments, name="segment")
model = typer.Typer(help="The language model that may read questions, if one is set up.", no_args_is_help=True)
app.add_typer(model, name="model")


class _Failed(Exception):
    """A command that cannot go on, with what to do about it."""


def main() -> NoReturn:
    """The command `persona`. Whatever goes wrong is said in a sentence; no traceback reaches a user."""
    try:
        app(prog_name="persona")
    except Exception as error:  # noqa: BLE001  the last door before the user
        say(f"persona: {_sentence(error)}")
        sys.exit(1)
    sys.exit(0)


@app.callback()
def _common(
    context: typer.Context,
    store: Annotated[
        str | None,
        typer.Option(metavar="PATH", show_default=False, help="The store. Else PERSONA_STORE, else ./persona.duckdb."),
    ] = None,
    phonebook: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default=False, help="The phonebook. Else PERSONA_PHONEBOOK, else default."),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE", show_default=False, help="The zone of a new phonebook, such as Europe/Lisbon. Else UTC."
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", show_default=False, help="A running service, not a store. Else PERSONA_URL."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", show_default=False, help="The key that opens the service. Else PERSONA_KEY."),
    ] = None,
) -> None:
    context.obj = settings(os.environ, store, phonebook, timezone, url, key)


@app.command()
def demo(context: typer.Context) -> None:
    """Builds a sample shop, asks it six questions and leaves it behind to be asked more."""
    from grammar.query import CountUsers, Everyone, Query
    from persona import sample

    given: Settings = context.obj
    place = given.store or "demo.duckdb"
    with _open(given, place) as book:
        shop = sample.shop()
        if book.ask(Query(Everyone(), CountUsers())).value not in (0, len(shop.contacts)):
            raise _Failed(f"the phonebook {given.phonebook} in {place} is in use; name another one with --phonebook")
        contacts = _import("contacts", book.import_contacts, shop.contacts)
        events = _import("events", book.import_events, shop.events)
        typer.echo(f"A sample shop in {place}: contacts: {counts(contacts)}; events: {counts(events)}.")
        typer.echo("Why they failed (all are kept; `failed-events` lists them):")
        for number, reason in _reasons(book.failed_events()):
            typer.echo(f"{number:5} × {reason}")
        typer.echo("\nThe first question loads the grammar; the others show how long one takes.")
        for question in sample.QUESTIONS:
            _show_question(question, book.ask(question, now=sample.NOW))
    named = "" if given.phonebook == "default" else f" --phonebook {shlex.quote(given.phonebook)}"
    command = f"  persona --store {shlex.quote(place)}{named}"
    typer.echo("\nAsk it more (the shop's year ends on 30 June 2026, so say that it is now):")
    typer.echo(f'{command} ask "Who bought the Two Person Tent in May?" --now {sample.NOW.isoformat()}')
    typer.echo(f"{command} event-types")


def _show_question(question: str, answer: Answer) -> None:
    typer.echo(f"\n{_bold(question)}")
    typer.echo(f"understood: {answer.understood}")
    print_table(answer.table.column_names, [list(row.values()) for row in answer.rows[:5]])
    more = f"{len(answer):,} in all, " if len(answer) > 5 else ""
    typer.echo(f"{more}{answer.elapsed * 1000:.0f} ms")


def _reasons(failed: pandas.DataFrame) -> list[tuple[int, str]]:
    """The kinds of reasons, the commonest first: how many events have it, and what it says of one of them."""
    errors = [error for text in failed["errors"] for error in json.loads(text)]
    said = {(error["code"], error["key"]): error["message"] for error in errors}
    kinds = Counter((error["code"], error["key"]) for error in errors)
    return [(number, said[kind]) for kind, number in kinds.most_common()]


@importing.command("contacts")
def import_contacts(context: typer.Context, file: Annotated[Path, _FILE]) -> None:
    """Contacts: a visitor_id and any attributes. One that is known is completed."""
    with _open(context.obj) as book:
        _report(_import("contacts", book.import_contacts, file))


@importing.command("events")
def import_events(context: typer.Context, file: Annotated[Path, _FILE]) -> None:
    """Events, each validated. One that fails is kept with its reasons: see failed-events."""
    with _open(context.obj) as book:
        _report(_import("events", book.import_events, file))


@importing.command("products")
def import_products(context: typer.Context, file: Annotated[Path, _FILE]) -> None:
    """Products: a product_id and what completes the catalog that events make."""
    with _open(context.obj) as book:
        _report(_import("products", book.import_products, file))


@app.command()
def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="In English, in quotes.")],
    now: _Now = None,
    remember: Annotated[
        bool,
        typer.Option("--remember", help="Read this question so from now on: as --reading says, or as a model did."),
    ] = False,
    parser: Annotated[ParserName, typer.Option(help="Who reads the question.")] = "auto",
    format: Annotated[AnswerFormat, _FORMAT] = "table",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default=False, help="Write the rows to a .csv, .jsonl, .json, .parquet or .arrow file."
        ),
    ] = None,
    columns: _Columns = None,
    spreadsheet: _Spreadsheet = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say how it was understood, down to the typed query.")
    ] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Say the SQL that ran.")] = False,
    reading: Annotated[
        int | None,
        typer.Option(metavar="N", show_default=False, help="Of an ambiguous question, answer reading N (from 0)."),
    ] = None,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Print what a language model would be sent, send nothing, and stop.")
    ] = False,
) -> None:
    """Answers a question in English."""
    from grammar.errors import NotUnderstood
    from persona.answer import refusal_json
    from persona.engine import Ambiguous

    if show_prompt:
        with _open_here(context.obj) as here:
            _print_prompt(here, question)
        return

    if format == "ids" and output:
        raise typer.BadParameter("--output chooses its format by the suffix of the file")
    if output is None and (columns or spreadsheet):
        raise typer.BadParameter("--columns and --spreadsheet are for --output FILE")
    try:
        with _open(context.obj, must_exist=True) as book:
            answer = _answered(book, question, now, parser, reading, remember)
            if output is not None:
                with bar("rows") as progress:
                    answer.export(output, columns, spreadsheet, progress)
    except (NotUnderstood, Ambiguous) as refusal:
        if format == "json":
            print_json({"error": refusal_json(refusal)})
        else:
            tell_refusal(question, refusal)
        raise typer.Exit(NOT_UNDERSTOOD if isinstance(refusal, NotUnderstood) else AMBIGUOUS) from None
    except typer.Exit:
        raise
    except Exception as error:
        if format == "json":
            nothing: dict[str, list[str]] = {"words": [], "suggestions": [], "readings": []}
            print_json({"error": {"code": "failed", "message": _sentence(error), **nothing}})
        raise
    tell_answer(answer, explain, sql)
    if output is not None:
        say(f"{len(answer):,} rows written to {output}")
    else:
        print_answer(answer, format)


def _answered(
    book: Phonebook | RemotePhonebook,
    question: str,
    now: str | None,
    parser: Parser,
    reading: int | None,
    remember: bool,
) -> Answer:
    from persona.engine import Ambiguous

    try:
        answer = book.ask(question, now=now, parser=parser)
    except Ambiguous as refusal:
        if reading is None:
            raise
        try:
            return refusal.choose(reading, remember)
        except (IndexError, ValueError) as error:
            raise typer.BadParameter(str(error), param_hint="--reading") from None
    if reading:
        raise typer.BadParameter("the question has one reading, number 0", param_hint="--reading")
    if remember and answer.parser == "model":
        from persona.engine import Phonebook

        if not isinstance(book, Phonebook):
            raise typer.BadParameter("a reading is remembered where the store is", param_hint="--remember")
        try:
            book.remember(question, answer)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--remember") from None
    return answer


def _print_prompt(book: Phonebook, question: str) -> None:
    """The messages to a model, each under who speaks: all that would leave this machine."""
    for message in book.prompt(question):
        typer.echo(f"[{message['role']}]\n{message['content']}\n")


@app.command()
def activity(
    context: typer.Context,
    visitor: Annotated[str, typer.Argument(metavar="VISITOR", help="The contact's visitor_id.")],
    format: Annotated[TableFormat, _FORMAT] = "table",
) -> None:
    """One contact's events, newest first. Times are UTC."""
    with _open(context.obj, must_exist=True) as book:
        print_frame(book.events(visitor), format, "event_timestamp event_name event_properties context")


@app.command("event-types")
def event_types(context: typer.Context, format: Annotated[TableFormat, _FORMAT] = "table") -> None:
    """The event types that occur, with their keys. Times are UTC."""
    with _open(context.obj, must_exist=True) as book:
        print_frame(book.event_types(), format, "name kind count first_seen last_seen keys")


@app.command()
def products(context: typer.Context, format: Annotated[TableFormat, _FORMAT] = "table") -> None:
    """The product catalog, as events and imports made it."""
    with _open(context.obj, must_exist=True) as book:
        print_frame(book.products(), format, "product_id name category brand price stock")


@app.command()
def define(
    context: typer.Context,
    term: Annotated[str, typer.Argument(metavar="TERM", help='The word or words, such as "big spenders".')],
    meaning: Annotated[str, typer.Argument(metavar="MEANING", help='In English: "users who spent over 10000".')],
) -> None:
    """Says what a word means in this phonebook: contacts, or values ("category Shoes")."""
    with _open(context.obj, must_exist=True) as book, _refusals(meaning):
        book.define(term, meaning)
        say(f"{term}: defined")


@app.command()
def undefine(
    context: typer.Context,
    term: Annotated[str, typer.Argument(metavar="TERM", help="The word, or the question whose reading was kept.")],
) -> None:
    """Forgets a word that was defined, or a reading that was remembered."""
    with _open(context.obj, must_exist=True) as book:
        book.undefine(term)
        say(f"{term}: forgotten")


@app.command()
def terms(context: typer.Context, format: Annotated[TableFormat, _FORMAT] = "table") -> None:
    """The words that are defined, with what they mean and whether that still reads."""
    with _open(context.obj, must_exist=True) as book:
        print_frame(book.terms(), format, "term meaning understood problem")


@failing.callback()
def failed_events(context: typer.Context, format: Annotated[TableFormat, _FORMAT] = "table") -> None:
    """What failed validation: as it came, with every reason. Times are UTC."""
    if context.invoked_subcommand is None:
        with _open(context.obj, must_exist=True) as book:
            print_frame(book.failed_events(), format, "id received_at what file line error payload")


@failing.command("retry")
def retry_failed_events(
    context: typer.Context,
    id: Annotated[int | None, typer.Option(metavar="N", show_default=False, help="The one with this id.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, show_default=False, help="With --id: its mended payload, JSON."
        ),
    ] = None,
    event: Annotated[str | None, typer.Option(metavar="NAME", show_default=False, help="Those of this event.")] = None,
    code: Annotated[
        str | None, typer.Option(metavar="CODE", show_default=False, help="Those with this reason: unknown_visitor …")
    ] = None,
) -> None:
    """Tries them again: all, or those that are named. What passes is stored and leaves the list."""
    if file is not None and id is None:
        raise typer.BadParameter("a payload takes the place of one failure: name it with --id", param_hint="--file")
    payload = None if file is None else _payload(file)
    with _open(context.obj, must_exist=True) as book:
        done = book.retry_failed(id, payload, event, code)
    typer.echo(f"{done.accepted:,} accepted, {done.duplicates:,} there already, {done.failed:,} failed")
    for number, errors in done.errors[:SHOWN]:
        say(f"{number}: {'; '.join(error.message for error in errors)}")


def _payload(file: Path) -> dict[str, Any]:
    try:
        payload = json.loads(file.read_bytes())
    except ValueError as error:
        raise _Failed(f"{file} is no JSON: {error}") from None
    if not isinstance(payload, dict):
        raise _Failed(f"{file} holds no object: a payload is one event")
    return payload


# ── the service ───────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where to listen: 0.0.0.0 is everywhere.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes a free one.")] = 8000,
    rate: Annotated[float, typer.Option(metavar="N", min=1, help="Requests a second with one key, at most.")] = 2000,
    seconds: Annotated[float, typer.Option(metavar="S", min=0.001, help="That a question may take.")] = 30,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", show_default=False, help="Of a web page that may call it; again for more."),
    ] = None,
) -> None:
    """Serves the store over HTTP until it is told to stop (SIGTERM, or Ctrl+C). See docs/http.md."""
    from persona.process import serve
    from persona.server import Limits

    given: Settings = context.obj
    limits, store = Limits(rate=rate, seconds=seconds), given.store or "persona.duckdb"
    reader = model_settings(os.environ)
    serve(store, host, port, limits, allow_origin or (), reader, lambda url: say(f"serving {url}"))


@keying.command("create")
def create_key(
    context: typer.Context,
    phonebook: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", show_default=False, help="A phonebook that it opens; again for more."),
    ] = None,
    scope: Annotated[KeyScope, typer.Option(help="What it may do.")] = "read",
    expires: Annotated[
        str | None,
        typer.Option(metavar="T", show_default=False, help="Until when: ISO 8601, UTC if it names no zone."),
    ] = None,
) -> None:
    """Makes a key and prints it, once: it cannot be had again. A phonebook that is missing is made."""
    from datetime import UTC, datetime

    given: Settings = context.obj
    names = phonebook or [given.phonebook]
    ends = None
    if expires is not None:
        _check_instant(expires, "--expires")
        ends = datetime.fromisoformat(expires)
        ends = ends if ends.tzinfo else ends.replace(tzinfo=UTC)
    with _opened(given) as store:
        for name in names:
            store.phonebook(name, given.timezone)
        made, text = store.create_key(names, scope, ends)
    typer.echo(text)
    say(f"the key {made.id} opens {', '.join(names)} with the scope {scope}; keep it: it is shown this once")


@keying.command("list")
def list_keys(context: typer.Context, format: Annotated[TableFormat, _FORMAT] = "table") -> None:
    """The keys that were ever made, without their texts. Times are UTC."""
    from datetime import UTC, datetime

    from persona.shapes import key_of

    now = datetime.now(UTC).replace(tzinfo=None)
    names = "id phonebooks scope state created_at expires_at".split()
    with _opened(context.obj) as store:
        keys = [key_of(row, now) for row in store.made_keys()]
    rows = [{name: getattr(key, name) for name in names} for key in keys]
    if format == "json":
        print_json(rows)
    elif format == "csv":
        print_csv(names, rows)
    else:
        print_rows(names, rows)


@keying.command("revoke")
def revoke_key(context: typer.Context, id: Annotated[str, typer.Argument(metavar="ID", help="See key list.")]) -> None:
    """Ends a key, for good."""
    with _opened(context.obj) as store:
        store.revoke_key(id)
    say(f"the key {id} is revoked")


@contextmanager
def _opened(given: Settings) -> Iterator[Store]:
    """The store itself, which the keys belong to."""
    if given.url:
        raise _Failed("keys are made where the store is, or over HTTP with an admin key: see docs/http.md")
    from storage.store import Store

    store = Store.open(given.store or "persona.duckdb")
    try:
        yield store
    finally:
        store.close()


@app.command()
def compact(context: typer.Context) -> None:
    """Puts new events in order, so that questions stay quick. It happens by itself, too, when enough have come."""
    with _open_here(context.obj) as book:
        done = book.compact()
        say(f"{done.new:,} new events are in order; {done.rewritten:,} were rewritten for it")


@app.command()
def verify(context: typer.Context) -> None:
    """Checks the whole store: that it can be read, that nothing is missing or there twice, that counts agree."""
    with _open_here(context.obj) as book:
        checks = book.verify()
    wrong = [check for check in checks if check.wrong]
    for check in wrong:
        typer.echo(f"{check.phonebook}: not so that {check.what}: {check.wrong:,}, such as {check.example}")
    if wrong:
        raise _Failed(f"{len(wrong)} of {len(checks)} checks failed; restore a copy, or import what is missing again")
    typer.echo(f"{len(checks)} checks, all well")


@app.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; it is a store itself.")],
) -> None:
    """Copies the whole store, as it is at one instant."""
    with _open_here(context.obj) as book:
        book.backup(file)
        say(f"copied to {file}")


@app.command()
def forget(
    context: typer.Context,
    visitor: Annotated[str, typer.Argument(metavar="VISITOR", help="The contact's visitor_id.")],
) -> None:
    """Removes a person for good: contact, events, what failed; no byte of it is left in the store's file."""
    with _open_here(context.obj) as book:
        told = book.forget(visitor)
    if not (told.contacts or told.failed):
        raise _Failed(f"nobody here is {visitor}: nothing was removed")
    removed = (
        many(told.contacts, "contact"),
        many(told.events, "event"),
        many(told.failed, "failed record"),
        f"{told.segments:,} places in segments",
    )
    typer.echo(f"{visitor}: removed {', '.join(removed)}")
    if told.mentions:
        name = "names" if told.mentions == 1 else "name"
        say(f"{many(told.mentions, 'record')}, term or segment of others {name} {visitor}: not theirs, so kept")


@app.command()
def why(
    context: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="In English.")],
    visitor: Annotated[str, typer.Argument(metavar="VISITOR", help="The contact's visitor_id.")],
    now: _Now = None,
    reading: Annotated[
        int | None,
        typer.Option(metavar="N", show_default=False, help="Of an ambiguous question, look at reading N (from 0)."),
    ] = None,
    format: Annotated[WhyFormat, _FORMAT] = "table",
) -> None:
    """Why a contact is in an answer or is not: each condition, and the events that decide it."""
    from persona.why import why_json

    with _open(context.obj, must_exist=True) as book, _refusals(question):
        answer = _answered(book, question, now, "auto", reading, remember=False)
        told = answer.why(visitor)
    if format == "json":
        print_json(why_json(told))
        return
    say(f"understood: {answer.understood}")
    typer.echo(f"{visitor} is {'' if told.met else 'not '}in the answer")
    _print_reasons(told.conditions, 0)


def _print_reasons(reasons: Sequence[Reason], depth: int) -> None:
    margin = "  " * depth
    for reason in reasons:
        sign = typer.style("yes", fg="green") if reason.met else typer.style("no ", fg="red")
        found = "" if reason.found is None else f": {reason.found}"
        typer.echo(f"{margin}{sign} {reason.text}{found}")
        for event in reason.events[:_EVENTS]:
            typer.echo(f"{margin}      {event.text}")
        if len(reason.events) > _EVENTS:
            typer.echo(f"{margin}      and {len(reason.events) - _EVENTS:,} more events")
        _print_reasons(reason.conditions, depth + 1)


# ── segments ──────────────────────────────────────────────────────────────────────────────────────────────────────


@segments.command("save")
def segment_save(
    context: typer.Context,
    name: _SegmentName,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Who belongs to it, in English.")],
    static: Annotated[bool, typer.Option("--static", help="Keep those of now for good; else it stays live.")] = False,
    now: _Now = None,
    reading: Annotated[
        int | None,
        typer.Option(metavar="N", show_default=False, help="Of an ambiguous question, save reading N (from 0)."),
    ] = None,
) -> None:
    """Saves a question under a name."""
    with _open(context.obj, must_exist=True) as book, _refusals(question):
        answer = _answered(book, question, now, "auto", reading, remember=False)
        saved = book.segments.save(name, answer, static=static, now=now)
        say(f"{saved.name}: {saved.understood}")
        say(f"{len(answer):,} contacts" + (", for good" if static else " now"))


@segments.command("list")
def segment_list(context: typer.Context, format: Annotated[TableFormat, _FORMAT] = "table") -> None:
    """The saved segments. Times are UTC."""
    with _open(context.obj, must_exist=True) as book:
        rows = [_segment_row(each) for each in book.segments.list()]
    names = ["name", "kind", "size", "refreshed", "understood", "saved_at"]
    print_records(names, rows, format, "name kind size refreshed understood".split())


@segments.command("show")
def segment_show(
    context: typer.Context,
    name: _SegmentName,
    now: _Now = None,
    format: Annotated[WhyFormat, _FORMAT] = "table",
) -> None:
    """A segment: what it says, its SQL, its size now, and its history. Times are UTC."""
    with _open(context.obj, must_exist=True) as book:
        segment, answer = book.segments.get(name), book.segments.ask(name, now=now)
        history = book.segments.history(name)
    rows = records(history)
    if format == "json":
        about = {**_segment_row(segment), "size_now": len(answer), "sql": answer.sql, "history": rows}
        print_json({**about, "query": json.loads(segment.query.to_json())})
        return
    say(f"{segment.name} ({'static' if segment.static else 'live'}): {segment.understood}")
    say(answer.sql)
    say(f"{len(answer):,} contacts now")
    print_table(list(history.columns), [list(row.values()) for row in rows])


@segments.command("rename")
def segment_rename(
    context: typer.Context,
    name: _SegmentName,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
) -> None:
    """Gives a segment another name, also where others speak of it."""
    with _open(context.obj, must_exist=True) as book:
        book.segments.rename(name, new)
        say(f"{name} is {new} now")


@segments.command("refresh")
def segment_refresh(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False, help="The segment.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every live segment, all of them or none.")] = False,
    now: _Now = None,
    format: Annotated[WhyFormat, _FORMAT] = "table",
) -> None:
    """Asks live segments now and records who has entered and exited since the last time."""
    if every == (name is not None):
        raise typer.BadParameter("give the name of a segment, or --all", param_hint="NAME")
    with _open(context.obj, must_exist=True) as book:
        found = book.segments.refresh_all(now=now) if name is None else [book.segments.refresh(name, now=now)]
    if format == "json":
        keys = "name at size entered exited".split()
        print_json([{key: getattr(each, key) for key in keys} for each in found])
        return
    print_table(["name", "size", "entered", "exited"], [[each.name, each.size, *each.counts] for each in found])


@segments.command("members")
def segment_members(
    context: typer.Context, name: _SegmentName, now: _Now = None, format: Annotated[AnswerFormat, _FORMAT] = "ids"
) -> None:
    """Who is in a segment now."""
    with _open(context.obj, must_exist=True) as book:
        print_answer(book.segments.ask(name, now=now), format)


@segments.command("history")
def segment_history(
    context: typer.Context, name: _SegmentName, format: Annotated[TableFormat, _FORMAT] = "table"
) -> None:
    """How many were in a segment at each refresh, and how many entered and exited. Times are UTC."""
    with _open(context.obj, must_exist=True) as book:
        print_frame(book.segments.history(name), format, "as_of size entered exited")


@segments.command("overlap")
def segment_overlap(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Two to five segments.")],
    now: _Now = None,
    format: Annotated[TableFormat, _FORMAT] = "table",
) -> None:
    """How many contacts are in several segments together."""
    with _open(context.obj, must_exist=True) as book:
        regions = book.segments.overlap(*names, now=now).regions
    rows = [{"segments": list(those), "contacts": count} for those, count in regions]
    print_records(["segments", "contacts"], rows, format, ["segments", "contacts"])


@segments.command("export")
def segment_export(
    context: typer.Context,
    name: _SegmentName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help=".csv, .jsonl, .json, .parquet or .arrow")],
    columns: _Columns = None,
    spreadsheet: _Spreadsheet = False,
    now: _Now = None,
) -> None:
    """Writes who is in a segment now to a file, whole or not at all."""
    with _open(context.obj, must_exist=True) as book, _refusals(columns or ""), bar("rows") as progress:
        book.segments.export(name, file, now=now, columns=columns, spreadsheet=spreadsheet, progress=progress)
    say(f"{name} written to {file}")


@segments.command("delete")
def segment_delete(context: typer.Context, name: _SegmentName) -> None:
    """Forgets a segment and its history."""
    with _open(context.obj, must_exist=True) as book:
        book.segments.delete(name)
        say(f"{name}: forgotten")


def _segment_row(segment: Segment) -> dict[str, Any]:
    return {
        "name": segment.name,
        "kind": "static" if segment.static else "live",
        "size": segment.size,
        "refreshed": segment.refreshed,
        "understood": segment.understood,
        "saved_at": segment.saved_at,
    }


@contextmanager
def _refusals(question: str) -> Iterator[None]:
    """A question that is refused inside ends the command as `ask` does."""
    from grammar.errors import Ambiguous, NotUnderstood

    try:
        yield
    except (NotUnderstood, Ambiguous) as refusal:
        tell_refusal(question, refusal)
        raise typer.Exit(NOT_UNDERSTOOD if isinstance(refusal, NotUnderstood) else AMBIGUOUS) from None


@model.command()
def status(context: typer.Context) -> None:
    """Says which language model is set up, and whether it answers as it must: sends it one small question."""
    given = model_settings(os.environ)
    if given is None:
        raise _Failed("no language model is set up: PERSONA_MODEL names one, and PERSONA_MODEL_URL its server")
    with _open_here(context.obj) as book:
        found = book.model_status()
    typer.echo(f"model: {given.name} at {given.url or 'https://api.openai.com/v1'}")
    typer.echo(f"used: {given.use}, at most {given.timeout:g} s a question")
    typer.echo(f"found: it {found.found}")
    typer.echo(f"cost: {cost(found.usage)}")
    if not found.ready:
        raise typer.Exit(1)


@model.command()
def private(
    context: typer.Context,
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="An attribute or property.")] = None,
    no: Annotated[bool, typer.Option("--no", help="Its values may be shown to a model after all.")] = False,
) -> None:
    """Marks a key private: a language model never sees its values. Without KEY, lists the keys that are."""
    with _open_here(context.obj) as book:
        if key is not None:
            book.mark_private(key, not no)
        for name in book.private_keys():
            typer.echo(name)


@app.command("eval")
def evaluation(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="SET_DIR", exists=True, file_okay=False, help="The question set.")],
    parser: Annotated[
        list[str] | None,
        typer.Option(
            metavar="auto|grammar|model",
            help="A reader to ask; several to compare. Else the grammar, and the model that is set up.",
        ),
    ] = None,
    format: Annotated[TableFormat, _FORMAT] = "table",
) -> None:
    """Asks a question set of the readers: right, wrong, refused, how long it takes, and what it costs."""
    from persona.engine import connect
    from persona.evaluate import evaluate

    given: Settings = context.obj
    both: list[ParserName] = ["grammar", "model"]
    known: tuple[ParserName, ...] = ("auto", "grammar", "model")
    readers = both if model_settings(os.environ) else both[:1]
    if parser:
        if not set(parser) <= set(known):
            raise typer.BadParameter(
                f"{', '.join(parser)}: a reader is one of {', '.join(known)}", param_hint="--parser"
            )
        readers = [name for name in known if name in parser]
    with connect(":memory:", folder.name, given.timezone) as book:
        scores = evaluate(book, folder, readers)
    rows = [score.row() for score in scores]
    questions = list(zip(*(score.judged for score in scores), strict=True))
    if format == "json":
        told = [
            {
                "question": several[0].question,
                **{
                    s.parser: {"verdict": one.verdict, "said": one.said} for s, one in zip(scores, several, strict=True)
                },
            }
            for several in questions
        ]
        print_json({"readers": rows, "questions": told})
        return
    (print_csv if format == "csv" else print_rows)(list(rows[0]), rows)
    for several in questions:
        if any(one.verdict != "right" for one in several):
            say(several[0].question)
            for score, one in zip(scores, several, strict=True):
                say(f"  {score.parser:8} {one.verdict:8} {one.said.splitlines()[0] if one.said else ''}")


# ── the store ─────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _open(given: Settings, place: str | None = None, must_exist: bool = False) -> Iterator[Phonebook | RemotePhonebook]:
    """The phonebook that the settings name. A command that only asks makes no store."""
    if given.url and place is None:
        if given.key is None:
            raise _Failed("a service is opened with a key: give --key, or set PERSONA_KEY")
        from persona.engine import connect

        with connect(given.url, given.phonebook, given.timezone, key=given.key) as remote:
            yield remote
        return
    path = place or given.store or "persona.duckdb"
    if must_exist and path != ":memory:" and not Path(path).exists():
        raise _Failed(
            f"there is no store at {path}. Try `persona demo`, or make one with `persona import contacts FILE` "
            "and `persona import events FILE`"
        )
    from persona.engine import connect

    with connect(path, given.phonebook, given.timezone) as book:
        yield book


@contextmanager
def _open_here(given: Settings) -> Iterator[Phonebook]:
    """A phonebook of a store on this machine, for what a service does not do."""
    if given.url:
        raise _Failed("this is done where the store is: leave --url away, or unset PERSONA_URL")
    from persona.engine import Phonebook

    with _open(given, must_exist=True) as book:
        assert isinstance(book, Phonebook)
        yield book


def _import(what: str, load: Callable[[Source, Progress | None], Report], source: Source) -> Report:
    """Imports with a progress bar on a terminal."""
    with bar(what) as progress:
        return load(source, progress)


def _report(report: Report) -> None:
    typer.echo(counts(report))
    if report.failed:
        say("What failed is kept with its reasons: persona failed-events")


# ── what is said ──────────────────────────────────────────────────────────────────────────────────────────────────


def _bold(text: str) -> str:
    return typer.style(text, bold=True)


def _sentence(error: Exception) -> str:
    """What went wrong, for a person: our own errors say it themselves, others with their kind. Nothing is imported
    here, for it may be an import that failed."""
    text = str(error) or type(error).__name__
    ours = type(error).__module__.split(".")[0] in ("persona", "storage", "grammar")
    return text if ours or isinstance(error, OSError | ValueError) else f"unexpected {type(error).__name__}: {text}"


def _check_instant(now: str | None, hint: str = "--now") -> str | None:
    from datetime import datetime

    try:
        datetime.fromisoformat(now or "2026-03-31")
    except ValueError:
        raise typer.BadParameter(f"{now} is no instant, such as 2026-03-31T18:00:00", param_hint=hint) from None
    return now


# ── what is printed ───────────────────────────────────────────────────────────────────────────────────────────────
