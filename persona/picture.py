"""The pictures: funnel, portrait, groups, a segment over time, overlap. Drawn and saved without the network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair

    from persona.insight import Funnel, Overlap, Portrait

_BLUE, _PALE, _ORANGE, _GREY = "#2a6f97", "#bcd4e0", "#c8553d", "#6b7280"
_FONT = "Helvetica, Arial, sans-serif"
_WIDTH = 420
_LABEL = 44  # characters of a label on one line
_GROUPS = 30  # bars of a breakdown


@dataclass(frozen=True, slots=True, repr=False)
class Picture:
    """A picture: it shows itself in a notebook, and saves itself.

    Attributes:
        chart: the Altair chart, to be changed or combined.
    """

    chart: altair.TopLevelMixin

    def save(self, path: str | Path) -> Path:
        """Writes it to a .html (whole, needs no network), .svg or .png file and returns the path.

        Raises ValueError for another suffix.
        """
        target = Path(path)
        match target.suffix.lower():
            case ".html":
                self.chart.save(str(target), inline=True)
            case ".svg":
                self.chart.save(str(target))
            case ".png":
                self.chart.save(str(target), scale_factor=2)
            case _:
                raise ValueError(f"{target.name}: a picture is saved as .html, .svg or .png, chosen by the suffix")
        return target

    def svg(self) -> str:
        """The picture as SVG text."""
        import vl_convert

        return str(vl_convert.vegalite_to_svg(self.chart.to_dict()))

    def _repr_html_(self) -> str:
        image = base64.b64encode(self.svg().encode()).decode()
        return f'<img src="data:image/svg+xml;base64,{image}" style="max-width:100%">'


def _altair() -> Any:
    try:
        import altair
        import vl_convert  # noqa: F401  draws without a browser and without the network
    except ImportError:
        raise ImportError("pictures need altair and vl-convert-python: pip install 'persona-query[all]'") from None
    return altair


def _finished(chart: Any, title: str) -> Picture:
    lines = _wrapped(title, 80)
    title_of = {"text": lines, "anchor": "start", "fontSize": 13, "fontWeight": "normal", "offset": 14}
    return Picture(
        chart.properties(title=title_of, background="white", padding=12)
        .configure(font=_FONT)
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal", labelColor="#222", labelPadding=6, grid=False
        )
        .configure_legend(labelFontSize=12, titleFontSize=12, orient="top", title=None)
    )


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width) or [""]


def _labels(alt: Any, limit: int = 330) -> Any:
    """An axis of long labels: they were wrapped with line breaks."""
    return alt.Axis(labelExpr="split(datum.label, '\\n')", labelLimit=limit, title=None, ticks=False, domain=False)


def of_funnel(funnel: Funnel) -> Picture:
    """A bar for each condition: pale, how many meet it alone; dark, how many are left."""
    alt = _altair()
    rows = [
        {
            "condition": "\n".join(_wrapped(f"{number}. {step.text}" if number else step.text, _LABEL)),
            "alone": step.alone,
            "left": step.together,
            "said": f"{step.together:,}" + (f" (alone {step.alone:,})" if step.alone != step.together else ""),
        }
        for number, step in enumerate(funnel.steps)
    ]
    lines = max(str(row["condition"]).count("\n") + 1 for row in rows)
    order = [row["condition"] for row in rows]
    base = alt.Chart(alt.Data(values=rows)).encode(y=alt.Y("condition:N", sort=order, axis=_labels(alt)))
    x = alt.X("alone:Q", axis=None, scale=alt.Scale(domain=[0, max(1, funnel.steps[0].alone) * 1.35]))
    alone = base.mark_bar(color=_PALE, cornerRadius=2).encode(x=x)
    left = base.mark_bar(color=_BLUE, cornerRadius=2).encode(x=alt.X("left:Q", axis=None))
    said = base.mark_text(align="left", dx=6, color="#222", fontSize=12).encode(x=x, text="said:N")
    chart = alt.layer(alone, left, said).properties(width=_WIDTH, height=alt.Step(max(30, 17 * lines + 8)))
    return _finished(chart, "Contacts left by each condition; pale: that meet it alone")


def of_portrait(portrait: Portrait, most: int = 12) -> Picture:
    """The share of members and of all contacts for each trait that sets them apart."""
    alt = _altair()
    rows = [
        {
            "trait": f"{trait.of}: {trait.value}"[:60],
            "members": trait.share,
            "everyone": trait.everyone_share,
            "said": f"× {trait.lift:.1f}" if trait.lift is not None else "",
            "end": max(trait.share, trait.everyone_share),
        }
        for trait in portrait.apart[:most]
    ]
    size = f"{portrait.size:,} of {portrait.everyone:,}"
    if not rows:
        nothing = alt.Chart(alt.Data(values=[{"said": "Nothing sets them apart from all contacts."}]))
        drawn = nothing.mark_text(fontSize=13, align="left", color=_GREY).encode(x=alt.value(0), text="said:N")
        return _finished(drawn.properties(width=_WIDTH, height=40), f"{size}: {portrait.understood}")
    order = [row["trait"] for row in rows]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("trait:N", sort=order, axis=alt.Axis(labelLimit=330, title=None, ticks=False, domain=False))
    )
    axis = alt.Axis(format="%", title="share of the members (dark) and of all contacts (pale)", tickCount=5)
    x = alt.X("members:Q", axis=axis, scale=alt.Scale(domain=[0, 1]))
    line = base.mark_rule(color=_PALE, strokeWidth=3).encode(x=alt.X("everyone:Q", axis=axis), x2="members:Q")
    every = base.mark_point(color=_PALE, filled=True, size=110, opacity=1).encode(x=alt.X("everyone:Q", axis=axis))
    mine = base.mark_point(color=_BLUE, filled=True, size=130, opacity=1).encode(x=x)
    said = base.mark_text(align="left", dx=10, fontSize=12, color=_GREY).encode(
        x=alt.X("end:Q", axis=axis), text="said:N"
    )
    chart = alt.layer(line, every, mine, said).properties(width=_WIDTH, height=alt.Step(26))
    return _finished(chart, f"{size}: {portrait.understood}")


def of_breakdown(groups: Mapping[str, int | float], title: str) -> Picture:
    """A bar for each group, in the order of the answer."""
    alt = _altair()
    shown = list(groups.items())[:_GROUPS]
    rows = [{"group": name[:60], "size": size, "said": f"{size:,.10g}"} for name, size in shown]
    order = [row["group"] for row in rows]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("group:N", sort=order, axis=alt.Axis(title=None, labelLimit=330, ticks=False, domain=False)),
        x=alt.X("size:Q", axis=None),
    )
    bars = base.mark_bar(color=_BLUE, cornerRadius=2)
    said = base.mark_text(align="left", dx=6, fontSize=12, color="#222").encode(text="said:N")
    chart = alt.layer(bars, said).properties(width=_WIDTH, height=alt.Step(24))
    more = f" (the first {_GROUPS} of {len(groups):,})" if len(groups) > _GROUPS else ""
    return _finished(chart, title + more)


def of_history(name: str, refreshes: Sequence[Mapping[str, Any]]) -> Picture:
    """The size of a segment at each refresh, and who entered and exited."""
    alt = _altair()
    sizes = [{"as_of": row["as_of"].isoformat(), "size": row["size"]} for row in refreshes]
    moves = [
        {"as_of": row["as_of"].isoformat(), "what": what, "contacts": sign * row[what]}
        for row in refreshes
        for what, sign in (("entered", 1), ("exited", -1))
    ]
    x = alt.X("as_of:T", axis=alt.Axis(title=None, labelAngle=0, tickCount=6), scale=alt.Scale(padding=14))
    size = alt.Chart(alt.Data(values=sizes)).encode(x=x, y=alt.Y("size:Q", axis=alt.Axis(title="members", tickCount=4)))
    line = size.mark_line(color=_BLUE, strokeWidth=2) + size.mark_point(color=_BLUE, filled=True, size=60, opacity=1)
    colors = alt.Scale(domain=["entered", "exited"], range=[_BLUE, _ORANGE])
    moved = (
        alt.Chart(alt.Data(values=moves))
        .mark_bar(size=10)
        .encode(
            x=x,
            y=alt.Y("contacts:Q", axis=alt.Axis(title="entered, exited", tickCount=3)),
            color=alt.Color("what:N", scale=colors, legend=alt.Legend(orient="bottom", title=None)),
        )
    )
    chart = alt.vconcat(line.properties(width=_WIDTH, height=180), moved.properties(width=_WIDTH, height=90))
    return _finished(chart.resolve_scale(x="shared"), f'The segment "{name}" over time')


def of_overlap(overlap: Overlap) -> Picture:
    """A bar for each region, over dots that say which segments it is in."""
    alt = _altair()
    regions = [
        {"region": str(number), "contacts": count, "said": f"{count:,}"}
        for number, (_, count) in enumerate(overlap.regions)
    ]
    sizes = dict(zip(overlap.names, overlap.sizes, strict=True))
    rows = {name: f"{name} ({sizes[name]:,})" for name in overlap.names}
    dots = [
        {"region": str(number), "segment": rows[name], "in": name in those}
        for number, (those, _) in enumerate(overlap.regions)
        for name in overlap.names
    ]
    order = [row["region"] for row in regions]
    x = alt.X("region:N", sort=order, axis=None)
    width = alt.Step(56)
    base = alt.Chart(alt.Data(values=regions)).encode(x=x, y=alt.Y("contacts:Q", axis=None))
    bars = base.mark_bar(color=_BLUE, size=34, cornerRadius=2)
    said = base.mark_text(dy=-8, fontSize=12, color="#222").encode(text="said:N")
    points = (
        alt.Chart(alt.Data(values=dots))
        .mark_point(filled=True, size=170, opacity=1)
        .encode(
            x=x,
            y=alt.Y(
                "segment:N",
                sort=list(rows.values()),
                axis=alt.Axis(title=None, ticks=False, domain=False, labelLimit=260),
            ),
            color=alt.condition("datum.in", alt.value(_BLUE), alt.value("#e5e7eb")),
        )
    )
    chart = alt.vconcat(
        alt.layer(bars, said).properties(width=width, height=170),
        points.properties(width=width, height=alt.Step(26)),
        spacing=4,
    )
    return _finished(chart, "Contacts in exactly these segments")
