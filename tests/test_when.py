"""Time: what its words mean and what they must not mean, where windows lie, and the way back to words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grammar.mentions import tokens
from grammar.query import (
    Ago,
    Ahead,
    Between,
    Calendar,
    Dates,
    Edge,
    Following,
    Named,
    Period,
    Preceding,
    Rolling,
    Span,
    Stretch,
    Unit,
    Window,
)
from grammar.when import (
    Bounds,
    Ever,
    Future,
    Lasting,
    Meaning,
    Prior,
    TimePhrase,
    Within,
    blocks,
    bounds,
    days,
    merge,
    periods,
    read,
    read_all,
    say,
    say_span,
    span_at,
    unit_at,
)


def words(text: str) -> list[str]:
    return [word.low for word in tokens(text)]


# ── what the words mean ───────────────────────────────────────────────────────────────────────────────────────────


def last(amount: int, unit: Unit) -> Window:
    return Window(Rolling(Span(amount, unit)))


def calendar(unit: Unit, back: int) -> Window:
    return Window(Calendar(unit, back))


def on(first: str, last: str | None = None) -> Window:
    return Window(dates(first, last))


def dates(first: str, last: str | None = None) -> Dates:
    return Dates(date.fromisoformat(first), date.fromisoformat(last or first))


def since(period: Period) -> Window:
    return Window(Between(Edge(period, "start"), None))


def before(period: Period) -> Window:
    return Window(Between(None, Edge(period, "start")))


def after(period: Period) -> Window:
    return Window(Between(Edge(period, "end"), None))


def until(period: Period) -> Window:
    return Window(Between(None, Edge(period, "end")))


def from_to(first: Period, last: Period) -> Window:
    return Window(Between(Edge(first, "start"), Edge(last, "end")))


MARCH = Named("month", 3)
MONDAY = Named("weekday", 1)
MAY_5 = Named("date", 505)
YESTERDAY = Calendar("day", 1)
FIFTH = dates("2026-03-05")

SAYINGS: list[tuple[Meaning, str]] = [
    # a number makes it rolling
    (
        last(30, "day"),
        """in the last 30 days; in the past 30 days; within the last 30 days; over the past 30 days; over the last
        thirty days; last 30 days; past 30 days; recent 30 days; previous 30 days; trailing 30 days; the last 30
        days; in last 30 days; during the last 30 days; for the last 30 days; for the past 30 days; since last
        30 days; since the last 30 days; since past 30 days; from last 30 days; from the past 30 days; in the
        previous 30 days; the most recent 30 days; in the last 30 days'; in the last 30-day period; last 30d; in
        these last 30 days; throughout the last 30 days; less than 30 days ago; at most 30 days ago; since 30
        days; over the course of the last 30 days; inside the last 30 days; under 30 days ago; no more than 30
        days ago; rolling 30 days; latest 30 days; 30 or fewer days ago""",
    ),
    (last(3, "month"),
        """since last 3 months; in the last three months; over the past 3 months; since 3 months; last 3 mos"""),
    (last(2, "week"),
        """from past 2 weeks; in the last 2 weeks; in the last two weeks; in the last fortnight; past fortnight"""),
    (last(24, "hour"),
        """in the last 24 hours; in the last 24h; within the past twenty four hours; past twenty-four hrs"""),
    (last(90, "minute"), "in the last 90 minutes; last 90 mins; over the past ninety minutes"),
    (last(30, "minute"), "in the last half hour; in the last half an hour; past 30 min"),
    (last(6, "month"),
        """in the last 6 months; in the last half a year; in the past half year; for the last six months"""),
    (last(1000, "day"), "in the last 1,000 days; in the last 1000 days"),
    (last(120, "day"), "in the last one hundred and twenty days; past a hundred and twenty days; last 120 days"),
    (last(12, "month"),
        """in the last dozen months; in the last 12 months; in the last twelve months; past a dozen months"""),
    (last(10, "year"), "in the past decade; in the last 10 years; over the last ten yrs"),
    (last(0, "day"), "in the last 0 days"),
    # one of a unit: rolling with "the" or "past"
    (last(1, "day"),
        """in the last day; in the past day; past day; within the last day; in the last 1 day; last day"""),
    (last(1, "hour"), "in the last hour; past hour; over the last hour; last hour; less than an hour ago"),
    (last(1, "week"),
        """in the last week; in the past week; over the past week; this past week; the last week; past week; last 1
        week; for the past week; less than a week ago; since the last week"""),
    (last(1, "month"),
        """in the last month; in the past month; during the last month; past month; for the last month"""),
    (last(1, "quarter"), "in the last quarter; in the past quarter; over the last quarter; last one quarter"),
    (last(1, "year"),
        """in the last year; in the past year; over the last year; since the last year; this past year"""),
    # calendar units
    (calendar("day", 0), "today; on today; today's; for today"),
    (calendar("day", 1), "yesterday; on yesterday; yesterday's; 1 day ago; a day ago; during yesterday"),
    (calendar("day", 2),
        """the day before yesterday; 2 days ago; two days ago; exactly 2 days ago; day before yesterday; 2 days
        back"""),
    (calendar("week", 0),
        """this week; week to date; WTD; week-to-date; the current week; in the current week; this week so far"""),
    (calendar("month", 0),
        """this month; MTD; month to date; in this month; so far this month; this month's; during this month"""),
    (calendar("quarter", 0), "this quarter; QTD; quarter to date; in the current quarter; this quarter to date"),
    (calendar("year", 0),
        """this year; YTD; year to date; so far this year; in this year; current year; this calendar year"""),
    (calendar("week", 1),
        """last week; in last week; the previous week; during last week; a week ago; one week ago; last week's"""),
    (calendar("month", 1),
        """last month; during last month; previous month; the last calendar month; in last month; a month ago; for
        last month; last full month; in the previous month; last month's"""),
    (calendar("quarter", 1),
        """last quarter; the previous quarter; in last quarter; a quarter ago; last calendar quarter"""),
    (calendar("year", 1), "last year; in the previous year; a year ago; during last year; last year's"),
    (calendar("month", 2), "the month before last; 2 months ago; two months back"),
    (calendar("week", 2), "the week before last; two weeks ago; a fortnight ago"),
    (calendar("year", 3), "3 years ago; three years ago"),
    (calendar("month", 6), "6 months ago; half a year ago"),
    (calendar("hour", 0), "this calendar hour"),
    (
        Window(Between(Edge(Calendar("month", 3), "start"), Edge(Calendar("month", 1), "end"))),
        """in the last 3 calendar months; last three full months; over the previous 3 calendar months""",
    ),
    # ago
    (Window(Ago(Span(30, "day"))),
        """more than 30 days ago; over 30 days ago; more than thirty days ago; longer than 30 days ago"""),
    (Window(Ago(Span(1, "year"))), "more than a year ago; over one year ago"),
    (Window(Ago(Span(2, "hour"))), "more than 2 hours ago; over two hours ago"),
    (
        Window(Ago(Span(30, "day"), included=True)),
        """30 or more days ago; at least 30 days ago; 30+ days ago; 30 days or more ago; 30 days ago or more; 30
        days ago or earlier""",
    ),
    (
        Window(Stretch(Span(60, "day"), Span(30, "day"))),
        """between 60 and 30 days ago; between 30 and 60 days ago; 30 to 60 days ago; 30-60 days ago; 30–60 days
        ago; from 60 to 30 days ago; between 60 days and 30 days ago; thirty to sixty days ago""",
    ),
    (Window(Stretch(Span(4, "week"), Span(2, "week"))),
        """between 2 and 4 weeks ago; two to four weeks ago; 2-4 weeks ago"""),
    (Window(Stretch(Span(2, "month"), Span(30, "day"))),
        """between 2 months and 30 days ago; between 30 days and 2 months ago"""),
    (
        Window(Between(Edge(Rolling(Span(60, "day")), "start"), Edge(Ago(Span(30, "day")), "end"))),
        """more than 30 days ago but less than 60 days ago; less than 60 days ago and more than 30 days ago; more
        than 30 but less than 60 days ago; over 30 days ago and under 60 days ago""",
    ),
    (from_to(Calendar("day", 60), Calendar("day", 30)),
        """between 60 days ago and 30 days ago; from 60 days ago to 30 days ago"""),
    # the latest of a name
    (Window(MARCH),
        """in March; during March; in the month of March; in Mar; within March; throughout March; in march"""),
    (Window(Named("month", 5)), "in May; during May; in the month of May"),
    (Window(Named("quarter", 4)), "in Q4; in the fourth quarter; during Q4; in the 4th quarter; in quarter 4"),
    (Window(MONDAY), "on Monday; on Mon; on monday"),
    (from_to(Named("month", 1), MARCH),
        """from January to March; between January and March; in January to March; from Jan till Mar; between
        January to March; from January through March"""),
    (from_to(Named("quarter", 1), Named("quarter", 3)), "from Q1 to Q3; between Q1 and Q3"),
    # a day and month without a year: the latest
    (Window(MAY_5),
        """on 5 May; on May 5; on the 5th of May; on 5th May; on May 5th; on May the 5th; during 5 May; for May 5"""),
    (Window(Named("date", 229)), "on 29 February; on Feb 29; on the 29th of Feb"),
    (since(Named("date", 501)),
        """since 1 May; since May 1; since the 1st of May; since 1st of May; on or after 1 May; since May 1st; 1 May
        onwards; from 1 May onwards; starting 1 May; ever since May 1; on May 1 or later; from 1 May to now"""),
    (before(Named("date", 601)), "before 1st of June; before June 1; prior to 1 June; before the 1st of June"),
    (after(MAY_5), "after 5 May; after the 5th of May; later than May 5"),
    (until(Named("date", 503)), "by May 3; until 3 May; through May 3rd; on or before 3 May; up to 3 May"),
    (from_to(Named("date", 501), Named("date", 510)),
        """from 1 May to 10 May; between May 1 and May 10; from 1 to 10 May; from May 1 to 10;
        between 1 and 10 May; on 1-10 May; during May 1-10; from the 1st to the 10th of May; since 1 May to 10 May;
        in between 1 May and 10 May; from 1st May until 10th May"""),
    (from_to(Named("date", 305), Named("date", 410)),
        """between 5 March and 10 April; from March 5 to April 10; from 5 March till 10 April"""),
    (from_to(Named("date", 501), YESTERDAY), "from 1 May to yesterday; between 1 May and yesterday"),
    (Window(Between(Edge(Named("date", 501), "start"), Edge(Named("date", 510), "start"))),
        """since 1 May and before 10 May; on or after May 1 but before May 10"""),
    (Window(MAY_5, hours=(1080, 1320)), "on 5 May evening; in the evening of 5 May; on the evening of May 5"),
    (Window(Preceding(Span(7, "day"), MAY_5)), "in the 7 days before 5 May; the 7 days before May 5"),
    (Window(Following(Span(7, "day"), MAY_5)), "in the 7 days after 5 May; the 7 days after May 5"),
    # dates
    (
        on("2026-03-05"),
        """on 5 March 2026; on 2026-03-05; on March 5, 2026; 5 March 2026; on the 5th of March 2026; on 5th March
        2026; on 5 Mar 2026; March 5th, 2026; on 5 March, 2026; on the 5th of March, 2026; Mar 5 2026; Mar. 5,
        2026; on March the 5th, 2026; on Thursday 5 March 2026; on Thursday, 5 March 2026; on Thursday, March 5,
        2026; 5-Mar-2026; during 5 March 2026""",
    ),
    (on("2026-03-15"), "on 15/03/2026; on 03/15/2026; 15 March 2026"),
    (on("2026-05-05"), "on 05/05/2026; on 5/5/2026"),
    (on("2024-02-29"), "on 29 February 2024; on 29/02/2024; on 2024-02-29"),
    (on("2025-03-01", "2025-03-31"),
        """in March 2025; in March, 2025; in the month of March 2025; in Mar 2025; in March of 2025; March 2025;
        during March 2025; for March 2025; in 2025-03"""),
    (on("2025-01-01", "2025-12-31"),
        """in 2025; in the year 2025; during 2025; the year 2025; throughout 2025; in year 2025"""),
    (on("2026-01-01", "2026-03-31"),
        """in Q1 2026; in Q1 of 2026; in the first quarter of 2026; 2026 Q1; in 2026 Q1; Q1, 2026; first quarter of
        2026; the 1st quarter of 2026; January to March 2026; between January and March 2026; in January to
        March 2026; from January to March 2026; January - March 2026; January-March 2026; in Jan-Mar 2026; in Q1
        of the year 2026; in quarter 1 of 2026; from Jan through Mar 2026; from 1 January to 31 March 2026;
        January 2026 to March 2026; from 2026-01-01 to 2026-03-31"""),
    (on("2025-10-01", "2025-12-31"), "in Q4 2025; in the last quarter of 2025; in the fourth quarter of 2025"),
    (on("2025-01-01", "2025-06-30"), "in H1 2025; in the first half of 2025; 1st half of 2025"),
    (
        on("2026-03-01", "2026-03-15"),
        """1st to 15th of March 2026; 1-15 March 2026; from 1 to 15 March 2026; March 1-15, 2026; between 1 and 15
        March 2026; from the 1st to the 15th of March 2026; March 1 to 15, 2026; from 1 March to 15 March 2026;
        on 1-15 March 2026; between March 1 and March 15, 2026; from 1 March 2026 till 15 March 2026; from March
        1, 2026 to March 15, 2026; between the 1st and 15th of March 2026; in between 1 March and 15 March 2026;
        during 1-15 March 2026""",
    ),
    (on("2026-03-01", "2026-03-05"),
        """from 1 March till 5 March 2026; from 1st March until 5th March 2026; 1 March 2026 to 2026-03-05"""),
    (on("2026-01-01", "2026-02-01"),
        """between 2026-01-01 and 2026-02-01; from 2026-01-01 to 2026-02-01; 2026-01-01 - 2026-02-01"""),
    (on("2024-01-01", "2025-12-31"), "between 2024 and 2025; from 2024 to 2025"),
    (on("2025-11-01", "2026-02-28"), "from November 2025 to February 2026; between Nov 2025 and Feb 2026"),
    # one side open
    (since(Named("month", 1)),
        """since January; since Jan; since the start of January; since the beginning of January; ever since
        January; on or after the start of January; January onwards; from January onwards; in January or later;
        starting in January"""),
    (since(FIFTH),
        """since 5 March 2026; on or after 5 March 2026; since 2026-03-05; since March 5, 2026; from 5 March 2026
        onwards; starting 5 March 2026; beginning on 5 March 2026; no earlier than 5 March 2026; 5 March 2026
        onwards; on 5 March 2026 or later; starting from 2026-03-05; from 5 March 2026 on; from 5 March 2026
        till date; from 5 March 2026 to now"""),
    (since(Calendar("year", 0)),
        """since the start of the year; since the beginning of this year; since this year; since the start of this
        year"""),
    (since(Calendar("month", 1)),
        """since last month; since the start of last month; since the previous month; since a month ago"""),
    (since(YESTERDAY), "since yesterday; from yesterday onwards; since a day ago"),
    (since(Calendar("day", 3)), "since 3 days ago; since three days ago"),
    (since(MONDAY), "since Monday; from Monday onwards"),
    (since(dates("2025-01-01", "2025-12-31")),
        """since 2025; since the year 2025; from 2025 onwards; since the start of 2025"""),
    (before(FIFTH),
        """before 5 March 2026; prior to 5 March 2026; earlier than 5 March 2026; before the 5th of March 2026;
        before 2026-03-05; before the start of 5 March 2026"""),
    (before(MARCH), "before March; prior to March; before the start of March; until the start of March"),
    (before(Calendar("year", 0)), "before this year; before the start of the year; prior to this year"),
    (before(Rolling(Span(30, "day"))), "before the last 30 days; prior to the last 30 days"),
    (before(dates("2025-01-01", "2025-12-31")), "before 2025; prior to 2025"),
    (after(FIFTH), "after 5 March 2026; later than 5 March 2026; after 2026-03-05; since the end of 5 March 2026"),
    (after(MARCH), "after March; after the end of March; since the end of March"),
    (after(dates("2025-01-01", "2025-12-31")), "after 2025"),
    (until(FIFTH),
        """until 5 March 2026; through 5 March 2026; by 5 March 2026; till 5 March 2026; up to 5 March 2026; on or
        before 5 March 2026; no later than 5 March 2026; up until 5 March 2026; till 2026-03-05; upto 5 March
        2026; on 5 March 2026 or earlier; ending 5 March 2026; by the end of 5 March 2026"""),
    (until(MARCH),
        """until March; through March; by March; until the end of March; by the end of March; before the end of
        March"""),
    (until(Calendar("month", 1)), "until last month; by the end of last month; through last month"),
    (Window(Between(Edge(MARCH, "start"), None)), "from March till date; from March to date; from March until now"),
    (from_to(MARCH, Calendar("day", 0)), "from March to today; between March and today; since March till today"),
    (from_to(Calendar("month", 1), Calendar("month", 0)),
        """from last month to this month; between last month and this month"""),
    (from_to(FIFTH, YESTERDAY), "from 5 March 2026 to yesterday; between 5 March 2026 and yesterday"),
    (
        Window(Between(Edge(Named("month", 1), "start"), Edge(MARCH, "start"))),
        """since January and before March; since January but before March; before March but since January; since
        January, before March""",
    ),
    (Window(Between(Edge(FIFTH, "end"), Edge(YESTERDAY, "start"))), "after 5 March 2026 and before yesterday"),
    (Window(Between(Edge(FIFTH, "start"), Edge(YESTERDAY, "end"))),
        """since 5 March 2026 until yesterday; since 5 March 2026 to yesterday"""),
    # before a period
    (Window(Preceding(Span(7, "day"), FIFTH)),
        """in the 7 days before 5 March 2026; the 7 days before 5 March 2026; within 7 days before 5 March 2026;
        the seven days prior to 5 March 2026; in the 7 days leading up to 5 March 2026"""),
    (Window(Preceding(Span(1, "month"), Calendar("month", 1))),
        """the month before last month; in the 1 month before last month"""),
    (Window(Preceding(Span(30, "day"), Rolling(Span(30, "day")))), "in the 30 days before the last 30 days"),
    (Prior(Span(30, "day")),
        """the 30 days prior; in the 30 days prior; the 30 days before that; in the prior 30 days; the preceding 30
        days; in the 30 days before; in the 30 days prior to that; during the thirty days prior"""),
    (Prior(Span(1, "month")),
        """the month before; in the month before that; the month prior; the prior month; in the preceding month"""),
    # days of the week, parts of the day, clocks
    (Window(weekdays=(6, 7)),
        """on weekends; at weekends; weekends; on a weekend; on the weekends; during weekends; on weekend; on
        Saturdays and Sundays; on Saturdays or Sundays; over weekends"""),
    (Window(weekdays=(1, 2, 3, 4, 5)),
        """on weekdays; weekdays; on a weekday; during weekdays; on Mondays to Fridays"""),
    (Window(weekdays=(1,)), "on Mondays; Mondays; on a Monday; on any Monday; on mondays"),
    (Window(weekdays=(1, 3, 5)), "on Mondays, Wednesdays and Fridays; on Mondays, Wednesdays, and Fridays"),
    (Window(Calendar("week", 1), weekdays=(6, 7)),
        "last weekend; on the last weekend; over the past weekend; this past weekend; during the previous weekend"),
    (Window(weekdays=(1, 3)), "on a Monday or Wednesday; on any Wednesday or Monday; on a Monday or on a Wednesday"),
    (Window(weekdays=(5, 6, 7)), "on Fridays and weekends; on weekends and Fridays"),
    (Window(hours=(360, 720)), "in the morning; in the mornings; mornings; during the morning; in mornings"),
    (Window(hours=(720, 1080)), "in the afternoon; afternoons; during the afternoon; in the afternoons"),
    (Window(hours=(1080, 1320)), "in the evening; evenings; in the evenings; during evenings"),
    (Window(hours=(1320, 360)),
        """at night; at nights; nights; during the night; in the night; between 10pm and 6am; between 22:00 and
        06:00"""),
    (Window(hours=(540, 1020)),
        """between 9am and 5pm; from 9am to 5pm; between 9 am and 5 pm; between 09:00 and 17:00; 9am to 5pm;
        9am-5pm; from 9:00 to 17:00; between 9 and 5pm; between 9:00am and 5:00pm; from 9am till 5pm; between 9
        a.m. and 5 p.m. ; from 9 to 5pm; 9-5pm; after 9am and before 5pm; between 9:00 am and 5:00 pm; between
        9:00 and 5pm"""),
    (Window(hours=(840, 1020)), "between 2 and 5pm; from 2pm to 5pm; between 2pm and 17:00; 2-5pm"),
    (Window(hours=(1320, 120)), "between 10pm and 2am; from 10 to 2am"),
    (Window(hours=(540, 720)), "between 9am and noon; from 9 to 12pm; between 9am and 12pm"),
    (Window(hours=(0, 360)), "between midnight and 6am; before 6am; before 06:00; until 6am"),
    (Window(hours=(1200, 1440)), "between 8pm and midnight; after 8pm; after 20:00; from 8pm onwards; after 8 pm"),
    (Window(hours=(0, 720)), "before noon; before 12pm"),
    (Window(Calendar("day", 0), hours=(360, 720)), "this morning; today morning; on the morning of today"),
    (Window(YESTERDAY, hours=(1080, 1320)), "yesterday evening; on the evening of yesterday"),
    (Window(MONDAY, hours=(360, 720)), "on Monday morning; on the morning of Monday"),
    (Window(FIFTH, hours=(720, 1080)), "on 5 March 2026 afternoon; in the afternoon of 5 March 2026"),
    (Window(weekdays=(7,), hours=(360, 720)), "on Sunday mornings; Sunday mornings; on Sundays mornings"),
    (Window(weekdays=(1, 2, 3, 4, 5), hours=(1080, 1320)), "weekday evenings; on weekday evenings"),
    (Window(Calendar("week", 1), weekdays=(1,)),
        """on Monday last week; on Monday of last week; Monday of the previous week"""),
    (Window(Calendar("week", 0), weekdays=(2,)), "on Tuesday this week; on Tuesday of this week"),
    # no limit, gaps, the future
    (Ever(),
        """ever; at any time; all time; of all time; lifetime; in the past; previously; already; yet; to date; so
        far; till date; before; ever before; at any point; until now; thus far; anytime; in past"""),
    (Within(Span(7, "day")),
        """within 7 days; in 7 days; inside of 7 days; within seven days; within a 7 day period; in a 7-day window;
        in less than 7 days; within a period of 7 days; in 7 days or less; inside 7 days; in under 7 days; in at
        most 7 days; within 7d"""),
    (Within(Span(1, "week")), "within a week; in one week; in a week; within one week"),
    (Within(Span(3, "week")), "inside of 3 weeks; within three weeks; in 3 wks"),
    (Within(Span(24, "hour")), "within 24 hours; in 24 hrs; within twenty four hours"),
    (Lasting(Span(30, "day")),
        """for 30 days; for thirty days; for more than 30 days; for over 30 days; for at least 30 days; in over 30
        days; in more than 30 days; for 30+ days; for 30 or more days; in at least 30 days; for 30 days now"""),
    (Lasting(Span(1, "year")), "for a year; in over a year; for more than a year; for a year or more"),
    (Future(Ahead(Span(7, "day"))),
        """in the next 7 days; next 7 days; within the next seven days; in the coming 7 days; over the next 7 days"""),
    (Future(Ahead(Span(1, "month"))),
        """in the next month; over the next month; in the coming month; in the next 1 month"""),
    (Future(Calendar("month", -1)), "next month; in next month; next calendar month"),
    (Future(Calendar("day", -1)), "tomorrow; 1 day from now"),
]  # fmt: skip

ROWS = [(meaning, " ".join(phrase.split())) for meaning, phrases in SAYINGS for phrase in phrases.split(";")]


def test_the_table_is_large() -> None:
    assert len(ROWS) >= 200


@pytest.mark.parametrize(("meaning", "phrase"), ROWS, ids=[phrase for _, phrase in ROWS])
def test_a_phrase_means(meaning: Meaning, phrase: str) -> None:
    said = words(phrase)
    whole = [found.meaning for found in read(said, 0) if found.end == len(said)]
    assert whole == [meaning]


TWO_READINGS: list[tuple[str, tuple[Window, Window]]] = [
    ("on the weekend", (Window(weekdays=(6, 7)), Window(Calendar("week", 1), weekdays=(6, 7)))),
    ("this weekend", (Window(Calendar("week", 0), weekdays=(6, 7)), Window(Calendar("week", 1), weekdays=(6, 7)))),
    ("last Monday", (Window(MONDAY), Window(Calendar("week", 1), weekdays=(1,)))),
    ("between Monday and Friday", (from_to(MONDAY, Named("weekday", 5)), Window(weekdays=(1, 2, 3, 4, 5)))),
    ("from Sat till Mon", (from_to(Named("weekday", 6), MONDAY), Window(weekdays=(1, 6, 7)))),
    ("on last Friday", (Window(Named("weekday", 5)), Window(Calendar("week", 1), weekdays=(5,)))),
    (
        "last Monday morning",
        (Window(MONDAY, hours=(360, 720)), Window(Calendar("week", 1), weekdays=(1,), hours=(360, 720))),
    ),
    ("from last month", (calendar("month", 1), since(Calendar("month", 1)))),
    ("from March 2026", (on("2026-03-01", "2026-03-31"), since(dates("2026-03-01", "2026-03-31")))),
    ("from March", (Window(MARCH), since(MARCH))),
    ("from 5 May", (Window(MAY_5), since(MAY_5))),
    ("up to 30 days ago", (until(Calendar("day", 30)), last(30, "day"))),
]


@pytest.mark.parametrize(("phrase", "meanings"), TWO_READINGS)
def test_a_phrase_with_two_readings(phrase: str, meanings: tuple[Window, Window]) -> None:
    said = words(phrase)
    assert [found.meaning for found in read(said, 0) if found.end == len(said)] == list(meanings)


NO_PHRASE = """
last 3; last; the last; may; march; monday; 2025; q4; in; on; since; 5 March; March 5; in March 5th; March 5th; on 30
February; since 31 June; on 5 March last year; on March 5 of this year; on 1 May every year; on Thursday 5 March; on 5
March and 6 March; on 5 March or April 3; since 5 March and 6 April; from 20 to 10 March; on 5 and 6 March; from 5
March 2025 to 6 April; in 5 March; 1 to 10 May; on 05/03/2026; on 5/3/2026; on 31 February 2026; on 30/02/2026;
on Friday 5 March 2026; in March last year; in March of last year; in March this year; in Q4 last year; in the
first quarter of last year; in January and March; in January or February 2026; in January, February and March;
in 2024 and 2025; in 2025 or 2026; in 2025-26; in 2011-12; on Monday and Tuesday; on Monday or Friday; on Monday
night; yesterday night; last night; tonight; on Monday nights; in the last 7 days of March; the last week of
March 2026; in the last quarter of last year; in the last 30 days of 2025; last few days; in the past few days;
the last couple of weeks; in the past couple of months; in a couple of days; recently; lately; earlier this
year; later this month; early March; in early March; mid 2025; in mid March; in the last 2.5 years; last year
and a half; in the last 3 days in a row; for 3 days in a row; for 3 days straight; in 3 different weeks; in 3
orders; over 2000; for 2000; up to 2000; from 2024; by month; by city; per week; each month; every Monday; on
every Monday; the weekend; on the weekend of 5 March; on the weekend before last; last March; this March; next Monday;
next March; this Monday; at 9am; since 9am; between 9 and 5; from 9am to 5; after 6; before 9; after midnight;
before midnight; between 9am and 9am; between 25pm and 26pm; between 5 and 10; between 25 and 34; from 5 to 10;
from November to February 2026; from 5 March to 1 March 2026; between March and 5; from March 2026 to April; in
FY 2026; during Diwali; after the last 30 days; until the last 30 days; after signing up; before buying; since
then; before that; 2 hours ago; 10 minutes ago; between 30 and 30 days ago; in the morning or evening; mornings
and evenings; in the early morning; late at night; overnight; in 7 days from now; the 30 days; 7 days; a week;
two months; in March, this year; second; in the second; the third; first; the month; in one order; a; the;
within; not; no more than; at least; at least 3; more than 5; over 500; over 30; under 18; for; from; between;
from Paris; in Paris; by card; through the app; until; till; up to; up to 5; starting; since launch; this; this
product; these; the year; a year; over a year; half; half price; in half; next; next order; past; previous;
previous order; last order; recent orders; last name; in the cart; on mobile; on sale; at; to; to Paris; 9; 9am;
noon; midnight; 30; 30 days; 30+; 30 or more; 30 to 60; 30-60 days; month of 2025; the 2025; in the 2025 season;
2000 to 2024; in week 12 of 2026; since 2026-03-05 10:00; from Diwali; in summer; between Christmas and New
Year; 2 weeks in a row; 7 days before 5 March 2026; last month of 2025; since
last Monday
"""


@pytest.mark.parametrize("phrase", [" ".join(phrase.split()) for phrase in NO_PHRASE.split(";")])
def test_no_phrase_of_time(phrase: str) -> None:
    said = words(phrase)
    assert read(said, 0) == []


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("in March 5 times", "in March"),
        ("since March 5 times", "since March"),
        ("since March 5 orders", "since March"),
        ("before May 5 or more", "before May"),
        ("on 5 May with a coupon", "on 5 May"),
        ("since 1 May but did not buy", "since 1 May"),
        ("on April 3 who viewed", "on April 3"),
        ("in May who have", "in May"),
        ("in April and may have left", "in April"),
        ("in 2025, who viewed", "in 2025"),
        ("on Monday with a coupon", "on Monday"),
        ("last month and bought Nike", "last month"),
        ("in the last 30 days of red shirts", "in the last 30 days"),
        ("within 7 days of viewing it", "within 7 days"),
        ("since January but did not buy", "since January"),
        ("in the past but not lately", "in the past"),
        ("before but haven't", "before"),
        ("before, and then", "before"),
        ("today from the app", "today"),
        ("on 5 March 2026 with a coupon", "on 5 March 2026"),
        ("since March and reviewed", "since March"),
        ("yesterday from 9 to 5", "yesterday"),
        ("for 30 days but came back", "for 30 days"),
    ],
)
def test_a_phrase_in_a_sentence(text: str, phrase: str) -> None:
    said = words(text)
    assert [said[: found.end] for found in read(said, 0)] == [words(phrase)]


def test_shorter_phrases_stand_behind_longer_ones() -> None:
    said = words("since January and before March we lost them")
    assert [found.end for found in read(said, 0)] == [5, 2]
    assert read(said, 3) == [TimePhrase(5, before(MARCH))]


def test_a_name_may_follow_of() -> None:
    for text, period in (
        ("every month of 2025", dates("2025-01-01", "2025-12-31")),
        ("each week of March", MARCH),
        ("every day of last week", Calendar("week", 1)),
    ):
        assert read(words(text), 3) == [TimePhrase(len(words(text)), Window(period))]


def test_units_and_spans() -> None:
    assert unit_at(["weeks"], 0) == (1, "week")
    assert unit_at(["fortnight"], 0) is None
    assert unit_at([], 0) is None
    spans = {
        "7 days": Span(7, "day"),
        "a week": Span(1, "week"),
        "two months": Span(2, "month"),
        "24 hours": Span(24, "hour"),
        "24h": Span(24, "hour"),
        "a fortnight": Span(2, "week"),
        "twenty-five minutes": Span(25, "minute"),
        "1,000 days": Span(1000, "day"),
        "an hour": Span(1, "hour"),
        "half an hour": Span(30, "minute"),
        "a hundred days": Span(100, "day"),
    }
    for text, span in spans.items():
        assert span_at(words(text), 0) == (len(words(text)), span)
    for text in ("days", "7", "7 orders", "a few days", "3 days in a row", "", "1.5 hours", "20k days", "half"):
        assert span_at(words(text), 0) is None


# ── together, and back to words ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("on weekends in 2026", Window(dates("2026-01-01", "2026-12-31"), weekdays=(6, 7))),
        ("in the morning on weekdays this year", Window(Calendar("year", 0), (1, 2, 3, 4, 5), (360, 720))),
        ("between 9am and 5pm in the last 14 days", Window(Rolling(Span(14, "day")), (), (540, 1020))),
        ("yesterday after 6pm", Window(YESTERDAY, (), (1080, 1440))),
        ("at any time", Window()),
        ("ever on weekends", Window(None, (6, 7))),
        ("in the next 7 days", Window(Ahead(Span(7, "day")))),
    ],
)
def test_phrases_together(text: str, window: Window) -> None:
    assert read_all(words(text)) == window


@pytest.mark.parametrize(
    "text", ["", "in 2025 last month", "last Monday", "within 7 days", "in 2025 please", "mornings evenings"]
)
def test_phrases_that_do_not_go_together(text: str) -> None:
    assert read_all(words(text)) is None


def test_merge() -> None:
    weekend, year = Window(weekdays=(6, 7)), Window(Calendar("year", 0))
    assert merge(weekend, year) == merge(year, weekend) == Window(Calendar("year", 0), (6, 7))
    assert merge(year, year) is None
    assert merge(Window(), year) == year


def test_said_in_plain_english() -> None:
    said = {
        "on weekdays between 09:00 and 17:00 in the last 30 days": Window(
            Rolling(Span(30, "day")), (1, 2, 3, 4, 5), (540, 1020)
        ),
        "in the last month": last(1, "month"),
        "last month": calendar("month", 1),
        "today": calendar("day", 0),
        "2 weeks ago": calendar("week", 2),
        "more than 30 days ago": Window(Ago(Span(30, "day"))),
        "30 or more days ago": Window(Ago(Span(30, "day"), True)),
        "between 60 and 30 days ago": Window(Stretch(Span(60, "day"), Span(30, "day"))),
        "in March": Window(MARCH),
        "on 5 March 2026": Window(FIFTH),
        "in March 2025": on("2025-03-01", "2025-03-31"),
        "in Q1 2026": on("2026-01-01", "2026-03-31"),
        "in 2025": on("2025-01-01", "2025-12-31"),
        "from 1 March 2026 to 15 March 2026": on("2026-03-01", "2026-03-15"),
        "since January": since(Named("month", 1)),
        "before 5 March 2026": before(FIFTH),
        "from January to March": from_to(Named("month", 1), MARCH),
        "on 5 May": Window(MAY_5),
        "since 5 May": since(MAY_5),
        "from 29 February to 5 May": from_to(Named("date", 229), MAY_5),
        "from the start of 5 May to the end of March": from_to(MAY_5, MARCH),
        "from the start of 5 March 2026 to the end of March": from_to(FIFTH, MARCH),
        "in the 30 days before the last 30 days": Window(Preceding(Span(30, "day"), Rolling(Span(30, "day")))),
        "on Mondays and Fridays in the morning": Window(None, (1, 5), (360, 720)),
        "in the next 7 days": Window(Ahead(Span(7, "day"))),
        "at any time": Window(),
    }
    assert {say(window): window for window in said.values()} == said
    assert say_span(Span(7, "day")) == "7 days"
    assert say_span(Span(1, "month")) == "1 month"


UNITS: tuple[Unit, ...] = ("minute", "hour", "day", "week", "month", "quarter", "year")
spans = st.builds(Span, st.integers(1, 400), st.sampled_from(UNITS))
some_days = st.dates(date(1800, 1, 1), date(2200, 12, 31))


def _stretch(spans: tuple[Span, Span]) -> Stretch:
    one, two = spans
    return Stretch(Span(one.amount + two.amount, one.unit), Span(two.amount, one.unit))


def _months(year: int, first: int, months: int) -> Dates:
    last = min(first + months - 1, 12)
    end = date(year + last // 12, last % 12 + 1, 1) - timedelta(days=1)
    return Dates(date(year, first, 1), end)


past = st.one_of(
    st.builds(Rolling, spans),
    st.tuples(spans, spans).map(_stretch),
    st.builds(Stretch, st.just(Span(3, "month")), st.just(Span(7, "day"))),
    st.builds(Ago, spans, st.booleans()),
    st.builds(Calendar, st.sampled_from(UNITS), st.integers(0, 30)),
    st.builds(Named, st.just("month"), st.integers(1, 12)),
    st.builds(Named, st.just("quarter"), st.integers(1, 4)),
    st.builds(Named, st.just("weekday"), st.integers(1, 7)),
    st.dates(date(2024, 1, 1), date(2024, 12, 31)).map(lambda day: Named("date", day.month * 100 + day.day)),
    st.tuples(some_days, some_days).map(lambda two: Dates(min(two), max(two))),
    some_days.map(lambda day: Dates(day, day)),
    st.builds(_months, st.integers(1800, 2200), st.integers(1, 12), st.sampled_from((1, 2, 3, 6, 12))),
)


def _nested(inner: st.SearchStrategy[Period]) -> st.SearchStrategy[Period]:
    edges = st.builds(Edge, inner, st.sampled_from(("start", "end")))
    return st.one_of(
        st.builds(Between, edges, st.none()),
        st.builds(Between, st.none(), edges),
        st.builds(Between, edges, edges),
        st.builds(Preceding, spans, inner),
        st.builds(Following, spans, inner),
    )


some_periods: st.SearchStrategy[Period] = st.recursive(past, _nested, max_leaves=4)
ahead = st.one_of(st.builds(Ahead, spans), st.builds(Calendar, st.sampled_from(UNITS), st.integers(-30, -1)))
some_windows = st.builds(
    Window,
    st.one_of(st.none(), some_periods, ahead),
    st.sets(st.integers(1, 7)).map(lambda numbers: tuple(sorted(numbers))),
    st.none() | st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda two: two[0] != two[1]),
)


@given(some_windows)
@example(Window(Preceding(Span(1, "day"), YESTERDAY)))
@example(Window(Preceding(Span(1, "month"), Calendar("month", 1))))
@example(Window(hours=(0, 1440)))
@example(from_to(FIFTH, FIFTH))
@example(since(Rolling(Span(1, "month"))))
def test_what_is_said_reads_back(window: Window) -> None:
    assert read_all(words(say(window))) == window
    assert read_all(say(window).lower().split()) == window


@given(st.lists(st.sampled_from(sorted({word for _, phrase in ROWS for word in words(phrase)})), max_size=12))
def test_any_words_are_read_without_an_error(said: list[str]) -> None:
    for i in range(len(said)):
        for found in read(said, i):
            assert i < found.end <= len(said)
            if isinstance(found.meaning, Window):
                where = bounds(found.meaning.period, NOW, UTC_ZONE)
                assert where.end is None or where.end.tzinfo is None


# ── where periods lie ─────────────────────────────────────────────────────────────────────────────────────────────

UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
KOLKATA = ZoneInfo("Asia/Kolkata")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 3, 31, 18, 0, tzinfo=UTC)  # a Tuesday


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (None, None, None),
        (Rolling(Span(30, "day")), "2026-03-01 18:00", "2026-03-31 18:00:00.000001"),
        (Rolling(Span(90, "minute")), "2026-03-31 16:30", "2026-03-31 18:00:00.000001"),
        (Rolling(Span(1, "month")), "2026-02-28 18:00", "2026-03-31 18:00:00.000001"),
        (Rolling(Span(1, "quarter")), "2025-12-31 18:00", "2026-03-31 18:00:00.000001"),
        (Rolling(Span(25, "month")), "2024-02-29 18:00", "2026-03-31 18:00:00.000001"),
        (Stretch(Span(60, "day"), Span(30, "day")), "2026-01-30 18:00", "2026-03-01 18:00:00.000001"),
        (Ago(Span(30, "day")), None, "2026-03-01 18:00"),
        (Ago(Span(30, "day"), True), None, "2026-03-01 18:00:00.000001"),
        (Calendar("day", 0), "2026-03-31", "2026-04-01"),
        (Calendar("day", 1), "2026-03-30", "2026-03-31"),
        (Calendar("day", -1), "2026-04-01", "2026-04-02"),
        (Calendar("week", 0), "2026-03-30", "2026-04-06"),
        (Calendar("week", 1), "2026-03-23", "2026-03-30"),
        (Calendar("month", 1), "2026-02-01", "2026-03-01"),
        (Calendar("month", -1), "2026-04-01", "2026-05-01"),
        (Calendar("quarter", 0), "2026-01-01", "2026-04-01"),
        (Calendar("quarter", 1), "2025-10-01", "2026-01-01"),
        (Calendar("year", 2), "2024-01-01", "2025-01-01"),
        (Calendar("hour", 1), "2026-03-31 17:00", "2026-03-31 18:00"),
        (Named("month", 3), "2026-03-01", "2026-04-01"),
        (Named("month", 4), "2025-04-01", "2025-05-01"),
        (Named("quarter", 1), "2026-01-01", "2026-04-01"),
        (Named("quarter", 4), "2025-10-01", "2026-01-01"),
        (Named("weekday", 2), "2026-03-31", "2026-04-01"),
        (Named("weekday", 3), "2026-03-25", "2026-03-26"),
        (Named("date", 331), "2026-03-31", "2026-04-01"),
        (Named("date", 401), "2025-04-01", "2025-04-02"),
        (Named("date", 330), "2026-03-30", "2026-03-31"),
        (Named("date", 229), "2024-02-29", "2024-03-01"),
        (since(MAY_5).period, "2025-05-05", None),
        (from_to(Named("date", 305), Named("date", 410)), "2026-03-05", "2026-04-11"),
        (from_to(Named("date", 501), Named("date", 510)), "2025-05-01", "2025-05-11"),
        (from_to(Named("date", 1220), Named("date", 105)), "2025-12-20", "2026-01-06"),
        (from_to(Named("date", 301), Named("date", 229)), "2026-03-01", "2028-03-01"),
        (until(Calendar("month", 0)).period, None, "2026-04-01"),
        (dates("2026-03-05", "2026-03-07"), "2026-03-05", "2026-03-08"),
        (since(MARCH).period, "2026-03-01", None),
        (before(MARCH).period, None, "2026-03-01"),
        (after(FIFTH).period, "2026-03-06", None),
        (until(FIFTH).period, None, "2026-03-06"),
        (until(Rolling(Span(7, "day"))).period, None, "2026-03-31 18:00:00.000001"),
        (from_to(Named("month", 1), MARCH), "2026-01-01", "2026-04-01"),
        (Preceding(Span(30, "day"), Rolling(Span(30, "day"))), "2026-01-30 18:00", "2026-03-01 18:00"),
        (Preceding(Span(1, "month"), Calendar("month", 0)), "2026-02-01", "2026-03-01"),
        (Preceding(Span(1, "month"), Ago(Span(1, "day"))), "0001-01-03", "0001-01-03"),
        (Ahead(Span(7, "day")), "2026-03-31", "2026-04-08"),
        (Ahead(Span(1, "month")), "2026-03-31", "2026-05-01"),
    ],
)  # fmt: skip
def test_bounds(period: Period | Window | None, start: str | None, end: str | None) -> None:
    period = period.period if isinstance(period, Window) else period
    assert bounds(period, NOW, UTC_ZONE) == Bounds(start and at(start), end and at(end))


@pytest.mark.parametrize(
    ("period", "zone", "now", "start", "end"),
    [
        # the days on which the clocks change are 23 and 25 hours long
        (Calendar("day", 0), BERLIN, "2026-03-29 12:00", "2026-03-28 23:00", "2026-03-29 22:00"),
        (Calendar("day", 0), BERLIN, "2026-10-25 12:00", "2026-10-24 22:00", "2026-10-25 23:00"),
        (Calendar("month", 0), BERLIN, "2026-03-31 18:00", "2026-02-28 23:00", "2026-03-31 22:00"),
        # spans up to weeks are exact, longer ones keep the time of day
        (Rolling(Span(1, "day")), BERLIN, "2026-03-29 12:00", "2026-03-28 12:00", "2026-03-29 12:00:00.000001"),
        (Rolling(Span(1, "month")), BERLIN, "2026-04-15 12:00", "2026-03-15 13:00", "2026-04-15 12:00:00.000001"),
        # the hour that comes twice is two hours
        (Calendar("hour", 0), BERLIN, "2026-10-25 00:30", "2026-10-25 00:00", "2026-10-25 01:00"),
        (Calendar("hour", 0), BERLIN, "2026-10-25 01:30", "2026-10-25 01:00", "2026-10-25 02:00"),
        # a month back into the hour that was skipped: as long after the change as it would have been
        (Rolling(Span(1, "month")), BERLIN, "2026-04-29 00:30", "2026-03-29 01:30", "2026-04-29 00:30:00.000001"),
        # it is already April in Kolkata
        (Calendar("month", 0), KOLKATA, "2026-03-31 18:30", "2026-03-31 18:30", "2026-04-30 18:30"),
        (Named("month", 4), KOLKATA, "2026-03-31 18:29:59", "2025-03-31 18:30", "2025-04-30 18:30"),
        (Named("date", 401), KOLKATA, "2026-03-31 18:30", "2026-03-31 18:30", "2026-04-01 18:30"),
        (Named("date", 401), KOLKATA, "2026-03-31 18:29:59", "2025-03-31 18:30", "2025-04-01 18:30"),
        (Named("date", 229), UTC_ZONE, "1903-05-01", "1896-02-29", "1896-03-01"),
        (Named("date", 229), UTC_ZONE, "2024-02-29", "2024-02-29", "2024-03-01"),
        (Calendar("hour", 0), KOLKATA, "2026-03-31 18:40", "2026-03-31 18:30", "2026-03-31 19:30"),
        # a day that begins at 01:00, because midnight was skipped
        (Calendar("day", 0), SAO_PAULO, "2018-11-04 12:00", "2018-11-04 03:00", "2018-11-05 02:00"),
    ],
)
def test_bounds_in_a_zone(period: Period, zone: ZoneInfo, now: str, start: str, end: str) -> None:
    assert bounds(period, at(now).replace(tzinfo=UTC), zone) == Bounds(at(start), at(end))


def test_now_may_be_given_in_any_zone() -> None:
    assert bounds(Calendar("day", 0), NOW.astimezone(KOLKATA), BERLIN) == bounds(Calendar("day", 0), NOW, BERLIN)


def test_a_range_of_names_goes_on_over_the_end_of_the_year() -> None:
    winter = Between(Edge(Named("month", 11), "start"), Edge(Named("month", 2), "end"))
    spring = Between(Edge(Named("month", 1), "start"), Edge(Named("month", 3), "end"))
    february = datetime(2026, 2, 10, tzinfo=UTC)
    assert bounds(winter, NOW, UTC_ZONE) == Bounds(at("2025-11-01"), at("2026-03-01"))
    assert bounds(winter, february, UTC_ZONE) == Bounds(at("2025-11-01"), at("2026-03-01"))
    assert bounds(spring, february, UTC_ZONE) == Bounds(at("2026-01-01"), at("2026-04-01"))
    week = Between(Edge(Named("weekday", 1), "start"), Edge(Named("weekday", 5), "end"))
    assert bounds(week, NOW, UTC_ZONE) == Bounds(at("2026-03-30"), at("2026-04-04"))
    # a week on is a week of days, also where the clocks are put back in it
    sunday = Between(Edge(Named("weekday", 7), "start"), Edge(MONDAY, "start"))
    saturday = datetime(2026, 10, 24, 22, 15, tzinfo=UTC)  # Sunday 00:15
    assert bounds(sunday, saturday, BERLIN) == Bounds(at("2026-10-24 22:00"), at("2026-10-25 23:00"))


@given(
    some_periods,
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from([UTC_ZONE, BERLIN, SAO_PAULO]),
)
def test_bounds_are_found_for_any_period(period: Period, now: datetime, zone: ZoneInfo) -> None:
    where = bounds(period, now.replace(tzinfo=UTC), zone)
    first, last = days(period, now.replace(tzinfo=UTC), zone)
    assert (first is None, last is None) == (where.start is None, where.end is None)


@pytest.mark.parametrize("unit", UNITS)
def test_lengths_beyond_the_calendar_are_cut(unit: Unit) -> None:
    for amount in (10**5, 10**9, 10**15):
        for zone in (UTC_ZONE, BERLIN, SAO_PAULO):
            for period in (
                Rolling(Span(amount, unit)),
                Ago(Span(amount, unit)),
                Calendar(unit, amount),
                Ahead(Span(amount, unit)),
            ):
                where = bounds(period, NOW, zone)
                assert where.end is not None
                assert where.start is None or where.start <= where.end
                days(period, NOW, zone)


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        (None, None, None),
        (Rolling(Span(7, "day")), "2026-03-24", "2026-03-31"),
        (Calendar("month", 0), "2026-03-01", "2026-03-31"),
        (Calendar("week", 0), "2026-03-30", "2026-04-05"),
        (YESTERDAY, "2026-03-30", "2026-03-30"),
        (Ago(Span(1, "month")), None, "2026-02-28"),
        (since(FIFTH).period, "2026-03-05", None),
        (after(FIFTH).period, "2026-03-06", None),
        (before(FIFTH).period, None, "2026-03-04"),
        (Ahead(Span(7, "day")), "2026-03-31", "2026-04-07"),
        (Ahead(Span(1, "month")), "2026-03-31", "2026-04-30"),
    ],
)
def test_days(period: Period | None, first: str | None, last: str | None) -> None:
    expected = first and date.fromisoformat(first), last and date.fromisoformat(last)
    assert days(period, NOW, UTC_ZONE) == expected


def test_blocks_are_counted_back_from_now() -> None:
    tick = ".000001"
    assert blocks("week", 2, False, NOW, UTC_ZONE) == [
        Bounds(at(f"2026-03-24 18:00:00{tick}"), at(f"2026-03-31 18:00:00{tick}")),
        Bounds(at(f"2026-03-17 18:00:00{tick}"), at(f"2026-03-24 18:00:00{tick}")),
    ]
    # each month is counted from now, so that a short one does not shorten those before it
    assert [block.start for block in blocks("month", 3, False, NOW, UTC_ZONE)] == [
        at(f"2026-02-28 18:00:00{tick}"), at(f"2026-01-31 18:00:00{tick}"), at(f"2025-12-31 18:00:00{tick}")
    ]  # fmt: skip
    assert blocks("day", 2, False, NOW, BERLIN) == [
        Bounds(at("2026-03-30 22:00"), at("2026-03-31 22:00")),
        Bounds(at("2026-03-29 22:00"), at("2026-03-30 22:00")),
    ]
    assert blocks("month", 2, True, NOW, UTC_ZONE) == [
        Bounds(at("2026-02-01"), at("2026-03-01")),
        Bounds(at("2026-01-01"), at("2026-02-01")),
    ]
    assert blocks("day", 1, True, NOW, UTC_ZONE) == [Bounds(at("2026-03-30"), at("2026-03-31"))]


def test_periods_that_a_window_touches() -> None:
    year = bounds(dates("2026-01-01", "2026-12-31"), NOW, UTC_ZONE)
    assert periods("month", year, NOW, UTC_ZONE) == [
        Bounds(at("2026-01-01"), at("2026-02-01")),
        Bounds(at("2026-02-01"), at("2026-03-01")),
        Bounds(at("2026-03-01"), at("2026-04-01")),
    ]
    rolling = bounds(Rolling(Span(10, "day")), NOW, UTC_ZONE)
    assert [week.start for week in periods("week", rolling, NOW, UTC_ZONE)] == [
        at("2026-03-16"),
        at("2026-03-23"),
        at("2026-03-30"),
    ]
    assert len(periods("day", bounds(Calendar("month", 0), NOW, BERLIN), NOW, BERLIN)) == 31
    assert periods("day", bounds(Calendar("year", -1), NOW, UTC_ZONE), NOW, UTC_ZONE) == []
    with pytest.raises(ValueError, match="without a start"):
        periods("month", Bounds(None, None), NOW, UTC_ZONE)
