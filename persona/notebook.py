"""How answers and refusals look in a notebook, and `%%ask`: `%load_ext persona`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from persona.export import cell

if TYPE_CHECKING:
    from persona.answer import Answer
    from persona.engine import Ambiguous
    from persona.errors import NotUnderstood
    from persona.insight import Portrait
    from persona.why import Reason, Why

_ROWS = 10  # shown of an answer
_EVENTS = 5  # shown of a condition
_CELL = 60  # characters of a cell
# Colours that can be read on a light and on a dark page: the page's own text and background are kept.
_SOFT = "opacity:.65"
_RED, _GREEN = "color:#d1495b", "color:#2e8b57"
_BOX = "font-family:system-ui,sans-serif;font-size:13px;line-height:1.5;max-width:60em;margin:.4em 0"


def answer_html(answer: Answer) -> str:
    """What was understood, the count, the first rows, warnings; the SQL folded."""
    parts = [f'<div style="{_SOFT}">{escape(answer.understood)}</div>']
    match answer.kind:
        case "users":
            one = "contact" if len(answer) == 1 else "contacts"
            parts.append(_headline(f"{len(answer):,}", one))
        case "breakdown":
            one = "group" if len(answer) == 1 else "groups"
            parts.append(_headline(f"{len(answer):,}", one))
        case "percentage":
            parts.append(_headline("–" if answer.value is None else f"{answer.value:.1f} %", ""))
        case _:
            parts.append(_headline(_number(answer.value), ""))
    parts += [f'<div style="{_RED}">{escape(warning)}</div>' for warning in answer.warnings]
    if answer.kind in ("users", "breakdown") and len(answer):
        rows = answer.table.slice(0, _ROWS).to_pylist()
        parts.append(_table(answer.table.column_names, [list(row.values()) for row in rows]))
        if len(answer) > _ROWS:
            parts.append(f'<div style="{_SOFT}">and {len(answer) - _ROWS:,} more</div>')
    took = f"as of {answer.now:%Y-%m-%d %H:%M} UTC, in {answer.elapsed * 1000:,.0f} ms"
    parts.append(f'<div style="{_SOFT};font-size:12px">{took}</div>')
    parts.append(_folded("SQL", f'<pre style="font-size:12px;white-space:pre-wrap">{escape(answer.sql)}</pre>'))
    return _box(parts)


def not_understood_html(refusal: NotUnderstood) -> str:
    """The question with the words marked that stand in the way, what is wrong with them, and what to ask instead."""
    parts = [f'<div style="font-size:15px">{_marked(refusal.question, refusal.words)}</div>']
    parts.append(f'<div style="{_RED}">Not understood: {escape(refusal.reason)}</div>')
    if refusal.suggestions:
        tries = "".join(f"<li><code>{escape(each)}</code></li>" for each in refusal.suggestions)
        parts.append(f'<div>Try:<ul style="margin:.2em 0">{tries}</ul></div>')
    return _box(parts)


def ambiguous_html(refusal: Ambiguous) -> str:
    """The readings, numbered as `choose` takes them, with their counts."""
    rows = [
        [number, reading.understood, "" if reading.count is None else f"{reading.count:,}"]
        for number, reading in enumerate(refusal.readings)
    ]
    said = "The question can be read in more than one way; choose one with <code>.choose(number)</code>."
    return _box([f"<div>{said}</div>", _table(["number", "reading", "contacts"], rows, wide=True)])


def why_html(why: Why) -> str:
    """Each condition, met or not, with what was found and the events behind it."""
    verdict = f'<b style="{_GREEN}">in the answer</b>' if why.met else f'<b style="{_RED}">not in the answer</b>'
    parts = [f"<div>{escape(why.visitor_id)} is {verdict}</div>"]
    return _box([*parts, _reasons(why.conditions)])


def portrait_html(portrait: Portrait) -> str:
    """Size, averages, and what sets the members apart."""
    share = "" if portrait.share is None else f"contacts, {portrait.share:.1%} of {portrait.everyone:,}"
    levels = [[level.of, _number(level.members), _number(level.everyone)] for level in portrait.levels]
    traits = [
        [
            trait.of,
            trait.value,
            f"{trait.members:,}" + (" (few)" if trait.small else ""),
            f"{trait.share:.1%}",
            f"{trait.everyone_share:.1%}",
            "" if trait.lift is None else f"{trait.lift:.2f}",
        ]
        for trait in sorted(portrait.traits, key=lambda trait: (trait.small, -abs(trait.score)))
    ]
    names = ["of", "value", "members", "share", "of all contacts", "lift"]
    return _box(
        [
            _headline(f"{portrait.size:,}", share),
            portrait.chart()._repr_html_(),
            _table(["average", "members", "all contacts"], levels),
            _folded(f"all {len(traits)} traits", _table(names, traits)),
        ]
    )


# ── pieces ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _box(parts: Iterable[str]) -> str:
    return f'<div style="{_BOX}">{"".join(parts)}</div>'


def _headline(number: str, of: str) -> str:
    return f'<div><span style="font-size:22px;font-weight:600">{escape(number)}</span> {escape(of)}</div>'


def _folded(what: str, inside: str) -> str:
    return f'<details><summary style="cursor:pointer;{_SOFT}">{escape(what)}</summary>{inside}</details>'


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.2f}" if isinstance(value, float) and not value.is_integer() else f"{int(value):,}"


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]], wide: bool = False) -> str:
    def shown(value: Any) -> str:
        text = _number(value) if isinstance(value, int | float) and not isinstance(value, bool) else cell(value)
        return escape(text if wide or len(text) <= _CELL else text[: _CELL - 1] + "…")

    def side(place: int) -> str:
        values = [row[place] for row in rows if row[place] not in (None, "")]
        numbers = all(isinstance(value, int | float) or re.fullmatch(r"[\d.,%–-]+", str(value)) for value in values)
        return "right" if numbers and values else "left"

    sides = [side(place) for place in range(len(names))]
    head = "".join(
        f'<th style="text-align:{at};padding:2px 10px 2px 0;border-bottom:1px solid #8886">{escape(name)}</th>'
        for name, at in zip(names, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align:{at};padding:2px 10px 2px 0;vertical-align:top">{shown(value)}</td>'
            for value, at in zip(row, sides, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        '<table style="font-size:13px;border-collapse:collapse;margin:.4em 0;font-variant-numeric:tabular-nums">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _marked(question: str, words: Sequence[str]) -> str:
    """The question with these words marked, wherever they stand."""
    wanted = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True) if word)
    if not wanted:
        return escape(question)
    mark = f'<b style="{_RED};text-decoration:underline wavy">'
    parts = re.split(f"({wanted})", question, flags=re.IGNORECASE)
    return "".join(f"{mark}{escape(part)}</b>" if place % 2 else escape(part) for place, part in enumerate(parts))


def _reasons(reasons: Sequence[Reason]) -> str:
    items = ""
    for reason in reasons:
        sign = f'<span style="{_GREEN}">✓</span>' if reason.met else f'<span style="{_RED}">✗</span>'
        found = "" if reason.found is None else f' <span style="{_SOFT}">— {escape(reason.found)}</span>'
        events = "".join(
            f'<div style="{_SOFT};margin-left:1.4em">{escape(e.text)}</div>' for e in reason.events[:_EVENTS]
        )
        more = len(reason.events) - _EVENTS
        if more > 0:
            events += f'<div style="{_SOFT};margin-left:1.4em">and {more:,} more</div>'
        inside = f'<div style="margin-left:1.4em">{_reasons(reason.conditions)}</div>' if reason.conditions else ""
        items += f"<div>{sign} {escape(reason.text)}{found}{events}{inside}</div>"
    return items


# ── %load_ext persona ─────────────────────────────────────────────────────────────────────────────────────────────


def load_ipython_extension(ipython: Any) -> None:
    """Gives a notebook `%%ask`."""
    ipython.register_magic_function(lambda line, question: _ask(ipython, line, question), "cell", "ask")


def _ask(ipython: Any, line: str, question: str) -> Answer | None:
    """%%ask [BOOK] [NAME] [--now T]

    Asks the question in the cell. BOOK is the variable that holds the phonebook (else `book`); NAME is the variable
    that the answer is kept in (else `answer`). A question that is refused is shown with what stands in the way, the
    variable is None then, and the notebook goes on.
    """
    from persona.engine import Ambiguous
    from persona.errors import NotUnderstood

    words, now = shlex.split(line), None
    if "--now" in words:
        place = words.index("--now")
        if place + 1 == len(words):
            raise ValueError("--now needs an instant, such as 2026-03-31T18:00:00")
        now = words[place + 1]
        del words[place : place + 2]
    if len(words) > 2:
        raise ValueError("%%ask [BOOK] [NAME] [--now T]")
    book, name = (*words, *("book", "answer")[len(words) :])
    if book not in ipython.user_ns:
        raise NameError(f"%%ask asks the phonebook in the variable {book!r}, and there is none.")
    answer: Answer | None = None
    try:
        answer = ipython.user_ns[book].ask(question.strip(), now=now)
    except (Ambiguous, NotUnderstood) as refusal:
        ipython.display_pub.publish({"text/html": refusal._repr_html_(), "text/plain": str(refusal)})
    ipython.push({name: answer})
    return answer
