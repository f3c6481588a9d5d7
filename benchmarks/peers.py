"""The same fourteen questions for other engines, on the same events: chDB, Polars, pandas. Each gives visitor ids.

What they get is a table each of events, line items and contacts, in the order of our own; what our catalog or our
`state` knows they do not have, and each is asked in the way that suits it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Answers = Mapping[str, Callable[[], Any]]
"""Each gives visitor ids in order: an array of any kind, or a text with an id a line."""


def chdb_answers(folder: Path, types: Mapping[str, int]) -> Answers:
    """MergeTree tables; nearest in time by ASOF JOIN."""
    from chdb.session import Session

    session = Session(str(folder / "chdb"))
    session.query("CREATE DATABASE IF NOT EXISTS shop ENGINE = Atomic")
    keys = {"event": "(type, toStartOfMonth(ts), contact, ts)", "item": "(type, toStartOfMonth(ts), contact, ts)"}
    for table in ("event", "item", "contact"):
        session.query(
            f"CREATE TABLE shop.{table} ENGINE = MergeTree ORDER BY {keys.get(table, 'contact')} AS SELECT * "
            f"FROM file('{folder / table}.parquet') SETTINGS schema_inference_make_columns_nullable = 0"
        )
    order, refund = types["order-completed"], types["order-refunded"]
    cart, view = types["add-to-cart"], types["product-viewed"]
    now = "toDateTime64('2026-03-31 18:00:00', 6)"

    def day(text: str) -> str:
        return f"toDateTime64('{text} 00:00:00', 6)"

    def orders(column: str = "contact, ts") -> str:
        return f"(SELECT {column} FROM shop.event WHERE type = {order})"

    own = {
        "bought a product": f"IN (SELECT contact FROM shop.item WHERE type = {order} AND name = 'Runner Shoes 0')",
        "a brand in 30 days": f"IN (SELECT contact FROM shop.item WHERE type = {order} AND brand = 'Nike' "
        f"AND ts >= {now} - INTERVAL 30 DAY)",
        "3 orders in 90 days": f"IN (SELECT contact FROM shop.event WHERE type = {order} "
        f"AND ts >= {now} - INTERVAL 90 DAY GROUP BY contact HAVING count() >= 3)",
        "never ordered": f"NOT IN {orders('contact')}",
        "added, no order in 7 days": f"IN (SELECT a.contact FROM (SELECT contact, ts FROM shop.event "
        f"WHERE type = {cart}) a ASOF LEFT JOIN {orders()} b ON a.contact = b.contact AND a.ts < b.ts "
        "WHERE b.ts = toDateTime64(0, 6) OR b.ts > a.ts + INTERVAL 7 DAY)",
        "viewed, added, ordered": f"IN (SELECT x.contact FROM (SELECT o.contact AS contact, o.ts AS finish, c.ts AS ts "
        f"FROM {orders()} o ASOF JOIN (SELECT contact, ts FROM shop.event WHERE type = {cart}) c "
        "ON o.contact = c.contact AND o.ts > c.ts WHERE c.ts >= o.ts - INTERVAL 14 DAY) x ASOF JOIN "
        f"(SELECT contact, ts FROM shop.event WHERE type = {view} AND contact IN {orders('contact')}) v "
        "ON x.contact = v.contact AND x.ts > v.ts WHERE v.ts >= x.finish - INTERVAL 14 DAY)",
        "spend this year": f"IN (SELECT contact FROM shop.event WHERE type = {order} AND ts >= {day('2026-01-01')} "
        "GROUP BY contact HAVING sum(order_value) > 500)",
        "top 1000 by spend": f"IN (SELECT contact FROM shop.event WHERE type = {order} GROUP BY contact "
        "HAVING sum(order_value) > 0 ORDER BY sum(order_value) DESC, any(visitor_id) LIMIT 1000)",
        "first order last month": f"IN (SELECT contact FROM shop.event WHERE type = {order} GROUP BY contact "
        f"HAVING min(ts) >= {day('2026-02-01')} AND min(ts) < {day('2026-03-01')})",
        "silent for 60 days": "IN (SELECT contact FROM shop.event GROUP BY contact "
        f"HAVING max(ts) < {now} - INTERVAL 60 DAY)",
        "3 of the last 4 weeks": f"IN (SELECT contact FROM shop.event WHERE ts > {now} - INTERVAL 28 DAY GROUP BY "
        f"contact HAVING uniqExact(intDiv(dateDiff('millisecond', ts, {now}), 604800000)) >= 3)",
        "city, either, not": f"IN (SELECT contact FROM shop.item WHERE type = {order} AND (category = 'Shoes' "
        f"OR brand = 'Nike')) AND city = 'Oslo' AND contact NOT IN (SELECT contact FROM shop.event WHERE "
        f"type = {refund})",
        "favourite brand": f"IN (SELECT contact FROM (SELECT contact, brand, count() AS n FROM shop.item WHERE "
        f"type = {order} AND brand <> '' AND contact IN (SELECT contact FROM shop.item WHERE type = {order} "
        "AND brand = 'Nike') GROUP BY contact, brand) GROUP BY contact HAVING max(n) = maxIf(n, brand = 'Nike'))",
        "more than last quarter": f"IN (SELECT contact FROM shop.event WHERE type = {order} AND "
        f"ts >= {day('2025-10-01')} GROUP BY contact HAVING countIf(ts >= {day('2026-01-01')}) "
        f"> countIf(ts < {day('2026-01-01')}))",
    }
    own["top 1000 by spend"] = (
        f"SELECT visitor_id FROM (SELECT contact, sum(order_value) AS worth FROM shop.event WHERE type = {order} "
        "GROUP BY contact HAVING worth > 0) w JOIN shop.contact c ON c.contact = w.contact "
        "ORDER BY worth DESC, visitor_id LIMIT 1000"
    )

    def ask(sql: str) -> str:
        if not sql.startswith("SELECT"):
            sql = f"SELECT visitor_id FROM shop.contact WHERE contact {sql} ORDER BY visitor_id"
        return str(session.query(sql, "TabSeparated"))

    return {name: (lambda sql=sql: ask(sql)) for name, sql in own.items()}  # type: ignore[misc]


def polars_answers(folder: Path, types: Mapping[str, int]) -> Answers:
    """Lazy scans of Parquet files."""
    from datetime import datetime, timedelta

    import polars as pl

    now, c = datetime(2026, 3, 31, 18), pl.col
    events, items = (pl.scan_parquet(folder / f"{table}.parquet") for table in ("event", "item"))
    people = pl.scan_parquet(folder / "contact.parquet")

    def of(name: str, table: pl.LazyFrame = events) -> pl.LazyFrame:
        return table.filter(c("type") == types[name])

    def ids(contacts: pl.LazyFrame, how: Any = "semi", among: pl.LazyFrame = people) -> pl.Series:
        found = among.join(contacts.select("contact"), on="contact", how=how).select("visitor_id").sort("visitor_id")
        return found.collect()["visitor_id"]

    orders, bought = of("order-completed"), of("order-completed", items)
    carts, views = (of(name).select("contact", "ts") for name in ("add-to-cart", "product-viewed"))

    def each(rows: pl.LazyFrame, test: pl.Expr) -> pl.Series:
        return ids(rows.group_by("contact").agg(test.alias("met")).filter("met"))

    def near(left: pl.LazyFrame, right: pl.LazyFrame, strategy: Any) -> pl.LazyFrame:
        right = right.with_columns(c("ts").alias("other")).sort("ts")
        return left.sort("ts").join_asof(
            right, on="ts", by="contact", strategy=strategy, allow_exact_matches=False, check_sortedness=False
        )

    def no_order() -> pl.Series:
        found = near(carts, orders.select("contact", "ts"), "forward")
        return ids(found.filter(c("other").is_null() | (c("other") > c("ts") + timedelta(days=7))))

    def chain() -> pl.Series:
        fortnight = timedelta(days=14)
        mine = orders.select("contact", "ts", c("ts").alias("finish"))
        added = near(mine, carts.join(mine, on="contact", how="semi"), "backward")
        added = added.filter(c("other") >= c("finish") - fortnight).select("contact", "finish", ts="other")
        viewed = near(added, views.join(added, on="contact", how="semi"), "backward")
        return ids(viewed.filter(c("other") >= c("finish") - fortnight))

    def top() -> pl.Series:
        worth = orders.group_by("contact").agg(c("order_value").sum().alias("worth")).filter(c("worth") > 0)
        found = worth.join(people, on="contact").sort(["worth", "visitor_id"], descending=[True, False]).head(1000)
        return found.collect()["visitor_id"]

    def city() -> pl.Series:
        here = people.filter(c("city") == "Oslo").join(of("order-refunded"), on="contact", how="anti")
        return ids(bought.filter((c("category") == "Shoes") | (c("brand") == "Nike")), among=here)

    def favourite() -> pl.Series:
        nike = bought.filter(c("brand") == "Nike").select("contact")
        counts = bought.join(nike, on="contact", how="semi").filter(c("brand") != "").group_by("contact", "brand").len()
        return each(counts, c("len").max() == c("len").filter(c("brand") == "Nike").max())

    week = ((pl.lit(now) - c("ts")).dt.total_microseconds() // 604_800_000_000).n_unique()
    year, quarter = datetime(2026, 1, 1), datetime(2025, 10, 1)
    return {
        "bought a product": lambda: ids(bought.filter(c("name") == "Runner Shoes 0")),
        "a brand in 30 days": lambda: ids(
            bought.filter((c("brand") == "Nike") & (c("ts") >= now - timedelta(days=30)))
        ),
        "3 orders in 90 days": lambda: each(orders.filter(c("ts") >= now - timedelta(days=90)), pl.len() >= 3),
        "never ordered": lambda: ids(orders, "anti"),
        "added, no order in 7 days": no_order,
        "viewed, added, ordered": chain,
        "spend this year": lambda: each(orders.filter(c("ts") >= year), c("order_value").sum() > 500),
        "top 1000 by spend": top,
        "first order last month": lambda: each(
            orders, (c("ts").min() >= datetime(2026, 2, 1)) & (c("ts").min() < datetime(2026, 3, 1))
        ),
        "silent for 60 days": lambda: each(events, c("ts").max() < now - timedelta(days=60)),
        "3 of the last 4 weeks": lambda: each(events.filter(c("ts") > now - timedelta(days=28)), week >= 3),
        "city, either, not": city,
        "favourite brand": favourite,
        "more than last quarter": lambda: each(
            orders.filter(c("ts") >= quarter), (c("ts") >= year).sum() > (c("ts") < year).sum()
        ),
    }


def pandas_answers(folder: Path, types: Mapping[str, int]) -> Answers:
    """Frames in memory, texts as categories; reading them is not timed."""
    import pandas as pd

    now = pd.Timestamp(2026, 3, 31, 18)
    year, quarter = pd.Timestamp(2026, 1, 1), pd.Timestamp(2025, 10, 1)
    events, items, people = (pd.read_parquet(folder / f"{table}.parquet") for table in ("event", "item", "contact"))
    for key in ("name", "brand", "category"):
        items[key] = items[key].astype("category")

    def of(name: str, table: pd.DataFrame) -> pd.DataFrame:
        return table[table["type"] == types[name]]

    def ids(contacts: Any, among: pd.DataFrame = people) -> list[str]:
        return sorted(among.loc[among["contact"].isin(contacts), "visitor_id"])

    def since(rows: pd.DataFrame, days: int) -> pd.DataFrame:
        return rows[rows["ts"] >= now - pd.Timedelta(days=days)]

    def orders() -> pd.DataFrame:
        return of("order-completed", events)

    def bought() -> pd.DataFrame:
        return of("order-completed", items)

    def met(found: pd.Series) -> Any:
        return found.index[found]

    def near(left: pd.DataFrame, right: pd.DataFrame, direction: str) -> pd.DataFrame:
        right = right[["contact", "ts"]].assign(other=right["ts"]).sort_values("ts")
        return pd.merge_asof(
            left.sort_values("ts"), right, on="ts", by="contact", direction=direction, allow_exact_matches=False
        )

    def no_order() -> list[str]:
        found = near(of("add-to-cart", events)[["contact", "ts"]], orders(), "forward")
        late = found["other"].isna() | (found["other"] > found["ts"] + pd.Timedelta(days=7))
        return ids(found.loc[late, "contact"])

    def chain() -> list[str]:
        fortnight = pd.Timedelta(days=14)
        mine = orders()[["contact", "ts"]].assign(finish=lambda rows: rows["ts"])
        carts, views = of("add-to-cart", events), of("product-viewed", events)
        added = near(mine, carts[carts["contact"].isin(mine["contact"])], "backward")
        added = added[added["other"] >= added["finish"] - fortnight]
        added = added[["contact", "finish", "other"]].rename(columns={"other": "ts"})
        viewed = near(added, views[views["contact"].isin(added["contact"])], "backward")
        return ids(viewed.loc[viewed["other"] >= viewed["finish"] - fortnight, "contact"])

    def top() -> list[str]:
        worth = orders().groupby("contact")["order_value"].sum().rename("worth")
        found = people.merge(worth[worth > 0], on="contact").sort_values(
            ["worth", "visitor_id"], ascending=[False, True]
        )
        return list(found["visitor_id"].head(1000))

    def city() -> list[str]:
        here = people[(people["city"] == "Oslo") & ~people["contact"].isin(of("order-refunded", events)["contact"])]
        lines = bought()
        return ids(lines.loc[(lines["category"] == "Shoes") | (lines["brand"] == "Nike"), "contact"], here)

    def favourite() -> list[str]:
        lines = bought()
        lines = lines[lines["contact"].isin(lines.loc[lines["brand"] == "Nike", "contact"].unique())]
        counts = lines.groupby(["contact", "brand"], observed=True).size().reset_index(name="n")
        most = counts.groupby("contact")["n"].max()
        mine = counts[counts["brand"] == "Nike"].set_index("contact")["n"]
        return ids(met(mine == most.reindex(mine.index)))

    def weeks() -> list[str]:
        rows = events[events["ts"] > now - pd.Timedelta(days=28)]
        week = (now - rows["ts"]) // pd.Timedelta(days=7)
        pairs = pd.DataFrame({"contact": rows["contact"], "week": week}).drop_duplicates()
        return ids(met(pairs.groupby("contact").size() >= 3))

    def first() -> list[str]:
        found = orders().groupby("contact")["ts"].min()
        return ids(met((found >= pd.Timestamp(2026, 2, 1)) & (found < pd.Timestamp(2026, 3, 1))))

    def growing() -> list[str]:
        rows = orders()
        rows = rows[rows["ts"] >= quarter]
        later = (rows["ts"] >= year).groupby(rows["contact"]).agg(["sum", "size"])
        return ids(met(later["sum"] > later["size"] - later["sum"]))

    def named() -> list[str]:
        lines = bought()
        return ids(lines.loc[lines["name"] == "Runner Shoes 0", "contact"])

    def brand() -> list[str]:
        lines = since(bought(), 30)
        return ids(lines.loc[lines["brand"] == "Nike", "contact"])

    def spend() -> list[str]:
        rows = orders()
        return ids(met(rows[rows["ts"] >= year].groupby("contact")["order_value"].sum() > 500))

    def never() -> list[str]:
        return sorted(people.loc[~people["contact"].isin(orders()["contact"]), "visitor_id"])

    return {
        "bought a product": named,
        "a brand in 30 days": brand,
        "3 orders in 90 days": lambda: ids(met(since(orders(), 90).groupby("contact").size() >= 3)),
        "never ordered": never,
        "added, no order in 7 days": no_order,
        "viewed, added, ordered": chain,
        "spend this year": spend,
        "top 1000 by spend": top,
        "first order last month": first,
        "silent for 60 days": lambda: ids(met(events.groupby("contact")["ts"].max() < now - pd.Timedelta(days=60))),
        "3 of the last 4 weeks": weeks,
        "city, either, not": city,
        "favourite brand": favourite,
        "more than last quarter": growing,
    }
