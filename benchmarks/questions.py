"""The fourteen persona questions: in English, and as the best SQL we can write by hand for the same store.

The SQL knows what a person would who looks at this store for an afternoon: the numbers of the event types, that `state`
has counted everything, that times are whole milliseconds, that names come in one spelling only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENGLISH: Final = {
    "bought a product": "Who bought Runner Shoes 0?",
    "a brand in 30 days": "Who bought Nike in the last 30 days?",
    "3 orders in 90 days": "Who placed at least 3 orders in the last 90 days?",
    "never ordered": "Who never placed an order?",
    "added, no order in 7 days": "Who added to cart and then did not place an order within 7 days?",
    "viewed, added, ordered": "Who viewed a product, then added to cart, then placed an order, within 14 days?",
    "spend this year": "Who spent more than 500 this year?",
    "top 1000 by spend": "Top 1000 users by spend",
    "first order last month": "Who made their first purchase last month?",
    "silent for 60 days": "Who was last seen more than 60 days ago?",
    "3 of the last 4 weeks": "Who was active in at least 3 of the last 4 weeks?",
    "city, either, not": "Users in Oslo who bought Shoes or Nike and never asked for a refund",
    "favourite brand": "Whose favourite brand is Nike?",
    "more than last quarter": "Who placed more orders this quarter than last quarter?",
}

_VISITORS: Final = "SELECT visitor_id FROM p1.contact WHERE contact"


def by_hand(types: Mapping[str, int], city: str) -> dict[str, str]:
    """The SQL for each question, as of benchmarks.shop.NOW. `city`: the column of that attribute."""
    order, refund = types["order-completed"], types["order-refunded"]
    cart, view = types["add-to-cart"], types["product-viewed"]
    now = "TIMESTAMP '2026-03-31 18:00:00'"
    place = "(contact::BIGINT << 41) | epoch_ms(ts) AS k"
    either = f"SELECT contact FROM p1.item WHERE type = {order} AND (category = 'Shoes' OR brand = 'Nike')"
    states = f"SELECT contact, first, last, worth FROM p1.state WHERE type = {order}"
    named = {
        "bought a product": f"IN (SELECT contact FROM p1.item WHERE type = {order} AND name = 'Runner Shoes 0')",
        "a brand in 30 days": f"IN (SELECT contact FROM p1.item WHERE type = {order} AND brand = 'Nike' "
        f"AND ts >= {now} - INTERVAL 30 DAY)",
        "3 orders in 90 days": f"IN (SELECT contact FROM p1.event WHERE type = {order} "
        f"AND ts >= {now} - INTERVAL 90 DAY GROUP BY contact HAVING count(*) >= 3)",
        "never ordered": f"NOT IN (SELECT contact FROM ({states}))",
        "added, no order in 7 days": f"""IN (
            WITH o AS ({states}),
            early AS (SELECT contact FROM p1.state s LEFT JOIN o USING (contact)
                WHERE type = {cart} AND (o.last IS NULL OR o.last <= s.last)),
            a AS (SELECT contact, {place} FROM p1.event WHERE type = {cart} AND contact NOT IN (FROM early)),
            b AS (SELECT {place} FROM p1.event WHERE type = {order} AND contact NOT IN (FROM early))
            FROM early UNION ALL
            SELECT a.contact FROM a ASOF LEFT JOIN b ON a.k < b.k WHERE b.k IS NULL OR b.k > a.k + 604800000)""",
        "viewed, added, ordered": f"""IN (
            WITH o AS (SELECT contact, {place} FROM p1.event WHERE type = {order}),
            c AS (SELECT {place} FROM p1.event WHERE type = {cart} AND contact IN (SELECT contact FROM ({states}))),
            x AS (SELECT o.contact, o.k AS finish, c.k FROM o ASOF JOIN c ON o.k > c.k
                WHERE c.k >= o.k - 1209600000),
            v AS (SELECT {place} FROM p1.event WHERE type = {view} AND contact IN (SELECT contact FROM x))
            SELECT x.contact FROM x ASOF JOIN v ON x.k > v.k WHERE v.k >= x.finish - 1209600000)""",
        "spend this year": f"IN (SELECT contact FROM p1.event WHERE type = {order} AND ts >= TIMESTAMP '2026-01-01' "
        "GROUP BY contact HAVING sum(order_value) > 500)",
        "first order last month": f"IN (SELECT contact FROM ({states}) WHERE first >= TIMESTAMP '2026-02-01' "
        "AND first < TIMESTAMP '2026-03-01')",
        "silent for 60 days": f"IN (SELECT contact FROM p1.state WHERE type = -1 AND last < {now} - INTERVAL 60 DAY)",
        "3 of the last 4 weeks": f"""IN (SELECT contact FROM p1.event WHERE ts > {now} - INTERVAL 28 DAY
            GROUP BY contact
            HAVING bit_count(bit_or(1 << ((epoch_us({now}) - epoch_us(ts)) // 604800000000)::INTEGER)) >= 3)""",
        "city, either, not": f"IN ({either}) AND {city} = 'Oslo' "
        f"AND contact NOT IN (SELECT contact FROM p1.state WHERE type = {refund})",
        "favourite brand": f"""IN (SELECT contact FROM (SELECT contact, brand, count(*) AS n FROM p1.item
            WHERE type = {order} AND brand IS NOT NULL
            AND contact IN (SELECT contact FROM p1.item WHERE type = {order} AND brand = 'Nike') GROUP BY ALL)
            GROUP BY contact HAVING max(n) = max(n) FILTER (brand = 'Nike'))""",
        "more than last quarter": f"""IN (SELECT contact FROM p1.event WHERE type = {order}
            AND ts >= TIMESTAMP '2025-10-01' GROUP BY contact HAVING count(*) FILTER (ts >= TIMESTAMP '2026-01-01')
            > count(*) FILTER (ts < TIMESTAMP '2026-01-01'))""",
    }
    found = {name: f"{_VISITORS} {rest} ORDER BY visitor_id" for name, rest in named.items()}
    found["top 1000 by spend"] = (
        f"SELECT visitor_id FROM ({states}) JOIN p1.contact USING (contact) WHERE worth > 0 "
        "ORDER BY worth DESC, visitor_id LIMIT 1000"
    )
    return {name: found[name] for name in ENGLISH}
