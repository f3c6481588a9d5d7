"""The commands. Data goes to standard output, all else to standard error; a person gets tables, a pipe plain text.

Exit status: 0 answered · 1 failed · 2 wrong usage · 3 not understood · 4 ambiguous.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeAlias

import typer

from persona.settings import Settings, settings

if TYPE_CHECKING:
    import pandas

    from grammar import errors
    from grammar.errors import NotUnderstood
    from persona.answer import Answer
    from persona.engine import Parser, Phonebook
    from persona.remote import RemotePhonebook
    from storage.store import Progress, Report, Source, Store

NOT_UNDERSTOOD, AMBIGUOUS = 3, 4
_JSON_COLUMNS = {"errors", "event_properties", "context"}  # JSON text in the frames
_SHOWN = 50  # rows of a table on a terminal; a pipe and the other formats get them all

TableFormat: TypeAlias = Literal["table", "json", "csv"]
AnswerFormat: TypeAlias = Literal["table", "json", "csv", "ids"]
ParserName: TypeAlias = Literal["auto", "grammar", "model"]
KeyScope: TypeAlias = Literal["ingest", "read", "admin"]

_FORMAT = typer.Option("--format", help="How to print it.")
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


class _Failed(Exception):
    """A command that cannot go on, with what to do about it."""


def main() -> NoReturn:
    """The command `persona`. Whatever goes wrong is said in a sentence; no traceback reaches a user."""
    try:
        app(prog_name="persona")
    except Exception as error:  # noqa: BLE001  the last door before the user
        _say(f"persona: {_sentence(error)}")
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
        typer.echo(f"A sample shop in {place}: contacts: {_counts(contacts)}; events: {_counts(events)}.")
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
    _print_table(answer.table.column_names, [list(row.values()) for row in answer.rows[:5]])
    more = f"{len(answer):,} in all, " if len(answer) > 5 else ""
    typer.echo(f"{more}{answer.elapsed * 1000:.0f} ms")


def _reasons(failed: pandas.DataFrame) -> list[tuple[int, str]]:
    """The kinds of reasons, the commonest first: how many events have it, and what it says of one of them."""
    errors = [error for text in failed["errors"] for error in json.loads(text)]
    said = {(error["code"], error["key"]): error["message"] for error in errors}
    counts = Counter((error["code"], error["key"]) for error in errors)
    return [(number, said[kind]) for kind, number in counts.most_common()]


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
    now: Annotated[
        str | None, typer.Option(metavar="T", show_default=False, help="As of this instant (ISO 8601). Else the clock.")
    ] = None,
    remember: Annotated[
        bool, typer.Option("--remember", help="With --reading: read this question so from now on.")
    ] = False,
    parser: Annotated[ParserName, typer.Option(help="Who reads the question.")] = "auto",
    format: Annotated[AnswerFormat, _FORMAT] = "table",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default=False, help="Write the rows to a .csv, .jsonl, .json or .parquet file."
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say how it was understood, down to the typed query.")
    ] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Say the SQL that ran.")] = False,
    reading: Annotated[
        int | None,
        typer.Option(metavar="N", show_default=False, help="Of an ambiguous question, answer reading N (from 0)."),
    ] = None,
) -> None:
    """Answers a question in English."""
    from grammar.errors import NotUnderstood
    from persona.answer import refusal_json
    from persona.engine import Ambiguous

    if format == "ids" and output:
        raise typer.BadParameter("--output chooses its format by the suffix of the file")
    if now is not None:
        _check_instant(now)
    try:
        with _open(context.obj, must_exist=True) as book:
            answer = _answered(book, question, now, parser, reading, remember)
    except (NotUnderstood, Ambiguous) as refusal:
        if format == "json":
            _print_json({"error": refusal_json(refusal)})
        else:
            _refuse(question, refusal)
        raise typer.Exit(NOT_UNDERSTOOD if isinstance(refusal, NotUnderstood) else AMBIGUOUS) from None
    except typer.Exit:
        raise
    except Exception as error:
        if format == "json":
            nothing: dict[str, list[str]] = {"words": [], "suggestions": [], "readings": []}
            _print_json({"error": {"code": "failed", "message": _sentence(error), **nothing}})
        raise
    _tell(answer, explain, sql)
    if output is not None:
        answer.export(output)
        _say(f"{len(answer):,} rows written to {output}")
    else:
        _print_answer(answer, format)


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
    return answer


@app.command()
def activity(
    context: typer.Context,
    visitor: Annotated[str, typer.Argument(metavar="VISITOR", help="The contact's visitor_id.")],
    format: Annotated[TableFormat, _FORMAT] = "table",
) -> None:
    """One contact's events, newest first. Times are UTC."""
    with _open(context.obj, must_exist=True) as book:
        _print_frame(book.events(visitor), format, "event_timestamp event_name event_properties context")


@app.command("event-types")
def event_types(context: typer.Context, format: Annotated[TableFormat, _FORMAT] = "table") -> None:
    """The event types that occur, with their keys. Times are UTC."""
    with _open(context.obj, must_exist=True) as book:
        _print_frame(book.event_types(), format, "name kind count first_seen last_seen keys")


@app.command()
def products(context: typer.Context, format: Annotated[TableFormat, _FORMAT] = "table") -> None:
    """The product catalog, as events and imports made it."""
    with _open(context.obj, must_exist=True) as book:
        _print_frame(book.products(), format, "product_id name category brand price stock")


@app.command()
def define(
    context: typer.Context,
    term: Annotated[str, typer.Argument(metavar="TERM", help='The word or words, such as "big spenders".')],
    meaning: Annotated[str, typer.Argument(metavar="MEANING", help='In English: "users who spent over 10000".')],
) -> None:
    """Says what a word means in this phonebook: contacts, or values ("category Shoes")."""
    from grammar.errors import Ambiguous, NotUnderstood

    with _open(context.obj, must_exist=True) as book:
        try:
            book.define(term, meaning)
        except (NotUnderstood, Ambiguous) as refusal:
            _refuse(meaning, refusal)
            raise typer.Exit(NOT_UNDERSTOOD if isinstance(refusal, NotUnderstood) else AMBIGUOUS) from None
        _say(f"{term}: defined")


@app.command()
def undefine(
    context: typer.Context,
    term: Annotated[str, typer.Argument(metavar="TERM", help="The word, or the question whose reading was kept.")],
) -> None:
    """Forgets a word that was defined, or a reading that was remembered."""
    with _open(context.obj, must_exist=True) as book:
        book.undefine(term)
        _say(f"{term}: forgotten")


@app.command()
def terms(context: typer.Context, format: Annotated[TableFormat, _FORMAT] = "table") -> None:
    """The words that are defined, with what they mean and whether that still reads."""
    with _open(context.obj, must_exist=True) as book:
        _print_frame(book.terms(), format, "term meaning understood problem")


@failing.callback()
def failed_events(context: typer.Context, format: Annotated[TableFormat, _FORMAT] = "table") -> None:
    """What failed validation: as it came, with every reason. Times are UTC."""
    if context.invoked_subcommand is None:
        with _open(context.obj, must_exist=True) as book:
            _print_frame(book.failed_events(), format, "id received_at what file line error payload")


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
    for number, errors in done.errors[:_SHOWN]:
        _say(f"{number}: {'; '.join(error.message for error in errors)}")


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
    from persona.server import Limits, serve

    given: Settings = context.obj
    limits = Limits(rate=rate, seconds=seconds)
    serve(given.store or "persona.duckdb", host, port, limits, allow_origin or (), lambda url: _say(f"serving {url}"))


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
    _say(f"the key {made.id} opens {', '.join(names)} with the scope {scope}; keep it: it is shown this once")


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
        _print_json(rows)
    elif format == "csv":
        _print_csv(names, rows)
    else:
        _print_rows(names, rows)


@keying.command("revoke")
def revoke_key(context: typer.Context, id: Annotated[str, typer.Argument(metavar="ID", help="See key list.")]) -> None:
    """Ends a key, for good."""
    with _opened(context.obj) as store:
        store.revoke_key(id)
    _say(f"the key {id} is revoked")


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
    with _open(context.obj, must_exist=True) as book:
        done = book.compact()
        _say(f"{done.new:,} new events are in order; {done.rewritten:,} were rewritten for it")


@app.command()
def verify(context: typer.Context) -> None:
    """Checks the whole store: that it can be read, that nothing is missing or there twice, that counts agree."""
    with _open(context.obj, must_exist=True) as book:
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
    with _open(context.obj, must_exist=True) as book:
        book.backup(file)
        _say(f"copied to {file}")


@app.command()
def forget(
    context: typer.Context,
    visitor: Annotated[str, typer.Argument(metavar="VISITOR", help="The contact's visitor_id.")],
) -> None:
    """Removes a person for good: contact, events, what failed; no byte of it is left in the store's file."""
    with _open(context.obj, must_exist=True) as book:
        told = book.forget(visitor)
    if not (told.contacts or told.failed):
        raise _Failed(f"nobody here is {visitor}: nothing was removed")
    removed = (
        _many(told.contacts, "contact"),
        _many(told.events, "event"),
        _many(told.failed, "failed record"),
        f"{told.segments:,} places in segments",
    )
    typer.echo(f"{visitor}: removed {', '.join(removed)}")
    if told.mentions:
        name = "names" if told.mentions == 1 else "name"
        _say(f"{_many(told.mentions, 'record')} or term of others {name} {visitor}: not theirs to remove, so kept")


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


def _import(what: str, load: Callable[[Source, Progress | None], Report], source: Source) -> Report:
    """Imports with a progress bar on a terminal."""
    if not sys.stderr.isatty():
        return load(source, None)
    from rich import progress
    from rich.console import Console

    drawn = progress.TextColumn(f"{what:8}"), progress.BarColumn(), progress.MofNCompleteColumn()
    with progress.Progress(*drawn, progress.TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        return load(source, lambda done, total: bar.update(task, completed=done, total=total))


def _counts(report: Report) -> str:
    counts = {
        "accepted": report.accepted,
        "updated": report.updated,
        "there already": report.duplicates,
        "failed": report.failed,
    }
    return ", ".join(f"{number:,} {what}" for what, number in counts.items() if number or what == "accepted")


def _report(report: Report) -> None:
    typer.echo(_counts(report))
    if report.failed:
        _say("What failed is kept with its reasons: persona failed-events")


# ── what is said ──────────────────────────────────────────────────────────────────────────────────────────────────


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _bold(text: str) -> str:
    return typer.style(text, bold=True)


def _sentence(error: Exception) -> str:
    """What went wrong, for a person: our own errors say it themselves, others with their kind. Nothing is imported
    here, for it may be an import that failed."""
    text = str(error) or type(error).__name__
    ours = type(error).__module__.split(".")[0] in ("persona", "storage", "grammar")
    return text if ours or isinstance(error, OSError | ValueError) else f"unexpected {type(error).__name__}: {text}"


def _check_instant(now: str, hint: str = "--now") -> None:
    from datetime import datetime

    try:
        datetime.fromisoformat(now)
    except ValueError:
        raise typer.BadParameter(f"{now} is no instant, such as 2026-03-31T18:00:00", param_hint=hint) from None


def _tell(answer: Answer, explain: bool, sql: bool) -> None:
    """What an answer says beside its rows."""
    _say(f"understood: {answer.understood}")
    for warning in answer.warnings:
        _say(f"warning: {warning}")
    if explain:
        for grounded in answer.grounding:
            _say(f'"{grounded.words}" is {grounded.meaning} ({grounded.count:,})')
        _say(f"read by: {answer.parser}, in all {answer.elapsed * 1000:.0f} ms")
        _say(json.dumps(json.loads(answer.query.to_json()), indent=2, ensure_ascii=False))
    if sql:
        _say(answer.sql)


def _refuse(question: str, refusal: NotUnderstood | errors.Ambiguous) -> None:
    """The question with the words marked that stand in the way, what is wrong with them, and what to ask instead."""
    from grammar.errors import NotUnderstood

    if sys.stderr.isatty():
        _say(_marked(question, refusal.words))
    if isinstance(refusal, NotUnderstood):
        _say(f"not understood: {refusal.reason}")
        for suggestion in refusal.suggestions:
            _say(f"  try: {suggestion}")
        return
    _say("ambiguous: the question can be read in more than one way; choose with --reading")
    for number, reading in enumerate(refusal.readings):
        _say(f"  {number}: {reading.understood}" + ("" if reading.count is None else f" ({reading.count:,})"))


def _marked(question: str, words: Sequence[str]) -> str:
    wanted = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True) if word)
    if not wanted:
        return question
    return re.sub(
        wanted, lambda hit: typer.style(hit[0], fg="red", bold=True, underline=True), question, flags=re.IGNORECASE
    )


# ── what is printed ───────────────────────────────────────────────────────────────────────────────────────────────


def _print_answer(answer: Answer, format: AnswerFormat) -> None:
    from persona.answer import answer_json

    if format == "json":
        _print_json(answer_json(answer))
    elif format == "ids":
        if answer.kind != "users":
            raise _Failed(f"the answer is a {answer.kind}, no list of users: --format ids has nothing to print")
        for visitor_id in answer.visitor_ids:
            typer.echo(visitor_id)
    elif format == "csv":
        _print_csv(answer.table.column_names, answer.rows)
    elif answer.kind in ("users", "breakdown"):
        _print_rows(answer.table.column_names, answer.rows)
    else:
        typer.echo(f"{answer.value}")


def _print_frame(frame: pandas.DataFrame, format: TableFormat, columns: str) -> None:
    """A frame of what the store knows: these columns of it as a table, all of them in the other formats."""
    if format == "table":
        frame = frame[columns.split()]
    rows, names = _records(frame), list(frame.columns)
    if format == "json":
        _print_json(rows)
    elif format == "csv":
        _print_csv(names, rows)
    else:
        _print_rows(names, rows)


def _print_rows(names: list[str], rows: list[dict[str, Any]]) -> None:
    shown = rows[:_SHOWN] if sys.stdout.isatty() else rows
    _print_table(names, [list(row.values()) for row in shown])
    if len(shown) < len(rows):
        _say(f"{len(rows) - len(shown):,} more; --format csv prints them all")


def _print_table(names: list[str], rows: list[list[Any]]) -> None:
    """A drawn table for a person; for a pipe a heading and a line a row, with tabs between."""
    from persona.answer import cell

    if not sys.stdout.isatty():
        for line in (names, *([cell(value) for value in row] for row in rows)):
            typer.echo("\t".join(re.sub(r"\s+", " ", text) for text in line))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for place, name in enumerate(names):
        number = all(row[place] is None or isinstance(row[place], int | float) for row in rows)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_readable(value)) for value in row))
    Console().print(table)


def _readable(value: Any) -> str:
    """A value as a person reads it in a table."""
    from datetime import datetime

    from persona.answer import cell

    match value:
        case datetime():
            return value.isoformat(" ", "seconds")
        case list() if all(isinstance(part, str) for part in value):
            return ", ".join(value)
        case dict() if all(isinstance(part, str | int | float | None) for part in value.values()):
            return ", ".join(f"{name}: {part}" for name, part in value.items())
        case _:
            return cell(value)


def _print_csv(names: list[str], rows: list[dict[str, Any]]) -> None:
    import csv

    from persona.answer import cell

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([cell(value) for value in row.values()] for row in rows)


def _print_json(value: Any) -> None:
    from persona.answer import plain

    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=plain))


def _records(frame: pandas.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain values: missing is None, a list is a list, and so is one that came as JSON text."""
    import pyarrow

    rows: list[dict[str, Any]] = pyarrow.Table.from_pandas(frame, preserve_index=False).to_pylist()
    for row in rows:
        for name in _JSON_COLUMNS & row.keys():
            row[name] = row[name] and json.loads(row[name])
    return rows
