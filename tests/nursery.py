"""A business of its own for the tests of the reader: a plant nursery, its vocabulary in memory and what is asked of it.

`vocabulary(swap)` puts other texts in the place of some values, event types or keys, so that the same questions can be
asked of hostile names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grammar.vocabulary import EventType, Holds, Key, KeyLevel, StaticVocabulary, Value, fold

_TEXT: frozenset[Holds] = frozenset({"text"})
_NUMBER: frozenset[Holds] = frozenset({"number"})
_DATE: frozenset[Holds] = frozenset({"date"})
_BOOLEAN: frozenset[Holds] = frozenset({"boolean"})
_LIST: frozenset[Holds] = frozenset({"list"})

_ITEM: Mapping[str, tuple[frozenset[Holds], tuple[str, ...]]] = {
    "name": (_TEXT, ("Rubber Fig", "Copper Watering Can", "Peat Free Compost", "Moon Orchid")),
    "brand": (_TEXT, ("Fernwood", "Loam Works", "Gardenia")),
    "category": (_TEXT, ("Houseplants", "Tools", "Pots", "Seeds")),
    "variant": (_TEXT, ("Tall", "Dwarf")),
    "product_id": (_TEXT, ("PL-1", "PL-2")),
    "sku": (_TEXT, ("FIG-12",)),
    "price": (_NUMBER, ()),
    "quantity": (_NUMBER, ()),
}
_CONTEXT: Mapping[str, tuple[frozenset[Holds], tuple[str, ...]]] = {
    "device": (_TEXT, ("mobile", "desktop")),
    "browser": (_TEXT, ("Firefox", "Safari")),
    "campaign.source": (_TEXT, ("pinterest",)),
}
_ORDER: Mapping[str, tuple[frozenset[Holds], tuple[str, ...]]] = {
    "total": (_NUMBER, ()),
    "revenue": (_NUMBER, ()),
    "coupon": (_TEXT, ("SPRING10", "LEAFY")),
    "payment_method": (_TEXT, ("card", "bank transfer")),
    "order_id": (_TEXT, ()),
    "currency": (_TEXT, ("EUR",)),
}
_DEFAULT: Mapping[str, Mapping[str, tuple[frozenset[Holds], tuple[str, ...]]]] = {
    "order-completed": _ORDER,
    "order-cancelled": _ORDER,
    "order-refunded": _ORDER,
    "product-viewed": {},
    "product-clicked": {},
    "add-to-cart": {},
    "remove-from-cart": {},
    "product-added-to-wishlist": {},
    "product-reviewed": {"rating": (_NUMBER, ()), "review_body": (_TEXT, ("lovely leaves",))},
    "product-searched": {"query": (_TEXT, ("moss", "bonsai wire", "winter feed"))},
    "page-view": {"title": (_TEXT, ("Care Tips", "Delivery")), "url": (_TEXT, ("/tips",))},
    "payment-info": {"payment_method": (_TEXT, ("card",))},
}
_WITH_ITEMS = frozenset(_DEFAULT) - {"product-searched", "page-view", "payment-info"}
_CUSTOM: Mapping[str, Mapping[str, tuple[frozenset[Holds], tuple[str, ...]]]] = {
    "workshop-booked": {
        "workshop": (_TEXT, ("Terrarium Basics", "Pruning Day")),
        "place": (_TEXT, ("Ghent", "Lund")),
        "fee": (_NUMBER, ()),
        "seats": (_NUMBER, ()),
        "starts_on": (_DATE, ()),
        "paid_online": (_BOOLEAN, ()),
    },
    "workshop-attended": {
        "workshop": (_TEXT, ("Terrarium Basics", "Pruning Day")),
        "place": (_TEXT, ("Ghent", "Lund")),
    },
    "video-watched": {"topic": (_TEXT, ("repotting", "grafting")), "watched_minutes": (_NUMBER, ())},
    "plant-adopted": {"species": (_TEXT, ("monstera", "aloe")), "pot_size": (_NUMBER, ())},
    "voucher-redeemed": {"voucher": (_TEXT, ("HELLO5",)), "worth_eur": (_NUMBER, ())},
    "login": {"method": (_TEXT, ("password", "passkey"))},
    "ticket-opened": {"reason": (_TEXT, ("late parcel", "broken pot")), "priority": (_TEXT, ("urgent", "normal"))},
    "newsletter-subscribed": {"edition": (_TEXT, ("weekly",))},
}
_ATTRIBUTES: Mapping[str, tuple[frozenset[Holds], tuple[str, ...]]] = {
    "name": (_TEXT, ("Ines Maes", "Otto Lind")),
    "email": (_TEXT, ("ines@leaf.example", "otto@soil.example")),
    "phone": (_TEXT, ("+32 470 11 22",)),
    "city": (_TEXT, ("Bruges", "Malmo", "Ghent")),
    "country": (_TEXT, ("Belgium", "Sweden")),
    "gender": (_TEXT, ("female", "male")),
    "tier": (_TEXT, ("sprout", "bloom", "evergreen")),
    "age": (_NUMBER, ()),
    "birth_date": (_DATE, ()),
    "signup_date": (_DATE, ()),
    "tags": (_LIST, ("balcony", "wholesale")),
    "marketing_opt_in": (_BOOLEAN, ()),
    "garden_size": (_NUMBER, ()),
    "language": (_TEXT, ("Dutch", "Swedish")),
}


def vocabulary(swap: Mapping[str, str] | None = None, more: Sequence[str] = ()) -> StaticVocabulary:
    """The nursery's words. `swap` gives another text for a value, event type or key; `more` adds product names."""
    swapped = dict(swap or {})

    def named(text: str) -> str:
        return swapped.get(text, text)

    values: list[Value] = []

    def key(name: str, level: KeyLevel, event: str | None, holds: frozenset[Holds], texts: Sequence[str]) -> Key:
        made = Key(named(name), level, event, holds, 400)
        values.extend(Value(made, named(text), 40 - i) for i, text in enumerate(texts))
        return made

    events = []
    for default, table in ((True, _DEFAULT), (False, _CUSTOM)):
        for event, own in table.items():
            name = named(event)
            keys = [key(k, "event", name, holds, texts) for k, (holds, texts) in own.items()]
            if event in _WITH_ITEMS:
                keys += [
                    key(k, "item", name, holds, (*texts, *(more if k == "name" else ())))
                    for k, (holds, texts) in _ITEM.items()
                ]
            keys += [key(k, "context", name, holds, texts) for k, (holds, texts) in _CONTEXT.items()]
            events.append(EventType(name, default, 500, tuple(keys)))
    attributes = [key(k, "attribute", None, holds, texts) for k, (holds, texts) in _ATTRIBUTES.items()]
    return StaticVocabulary(events, attributes, values)


QUESTIONS: tuple[str, ...] = tuple(
    line.strip()
    for line in """
    users who bought a Rubber Fig
    users who bought seeds last week
    women from Sweden with more than 2 orders
    customers who bought Houseplants in the last 30 days
    who purchased Fernwood pots this year
    people who ordered at least 3 times in 2025
    shoppers who viewed the Moon Orchid but did not buy it
    who added seeds to the cart but didn't buy in the last 7 days
    users who viewed Moon Orchid and then bought it within 3 days
    who never ordered
    customers who have not bought tools since March 2026
    users who spent over 500 in the last 6 months
    customers who spent more than 200 on Loam Works
    users from Bruges who bought pots
    women from Belgium who spent at least 100 this month
    users with more than 2 orders
    users whose tier is bloom
    sprout members who haven't logged in in 60 days
    bloom and evergreen members
    who booked a workshop in Ghent
    who booked Terrarium Basics but never attended a workshop
    users who booked a workshop then attended a workshop
    who watched a video about repotting twice
    users who watched videos for more than 30 minutes
    who redeemed a voucher worth over 20
    who opened a ticket with priority urgent
    users who opened an urgent ticket about a broken pot
    who logged in with a passkey yesterday
    users who logged in on mobile
    who bought using Firefox
    users who searched for moss
    users who searched for moss or bonsai wire last week
    who visited the Care Tips page
    users whose email ends with leaf.example
    users whose city is Malmo or Bruges
    users not from Sweden
    users without a phone number
    users with an email
    users tagged wholesale
    users who opted in to marketing
    users older than 40
    women between 25 and 34 years old
    users whose birthday is this month
    users who signed up in January 2026
    users who first bought in 2025
    users who last ordered more than 90 days ago
    customers whose first order was over 100
    customers whose last booked workshop was in Lund
    top 10 customers by spend
    top 5% of spenders
    top 20 users by number of logins this month
    bottom 10 customers by number of orders
    top 10 spenders from Bruges
    how many users bought seeds
    how many orders did bloom members place in 2025
    what percentage of users bought tools
    what percentage of sprout members logged in this week
    how many users by city
    how many customers bought pots per country
    average order value of users from Belgium
    total spend of customers who bought seeds
    average watched minutes in 2025
    total workshop fees in 2025
    users whose favourite brand is Gardenia
    customers who mostly bought houseplants
    users who only logged in with a password
    users who bought on at least 5 different days
    users who ordered in each of the last 3 months
    users who logged in 3 days in a row
    users who ordered at least twice a week in the last 4 weeks
    who spent more this month than last month
    users who viewed more products than they bought
    users whose average order value is over 80
    users with total spend between 100 and 500
    users whose largest order is above 300
    users who bought 3 or more different brands
    users who bought more than 10 units of seeds
    users who viewed at least 5 distinct products
    repeat buyers from Sweden
    one-time buyers
    users who abandoned their cart in the last 14 days
    users who were inactive for 90 days
    lapsed customers (120 days)
    customers who came back after 60 days away
    users who stopped buying for 60 days
    users who bought seeds or pots but not tools
    users who bought either seeds or tools
    users who neither ordered nor reviewed
    users from Bruges or Malmo who ordered in March 2026
    customers who bought seeds, pots or tools
    customers who bought Fernwood and Gardenia
    users who reviewed a product with rating below 3
    who reviewed Moon Orchid with rating at least 4
    users who cancelled an order over 50
    users who got a refund last month
    users who added Moon Orchid to the wishlist
    who removed pots from the cart
    users who clicked a product over 25
    users who ordered with coupon LEAFY
    users who ordered by card
    users whose order total is over 400
    users who bought with a coupon
    orders over 250 this year
    who adopted a monstera
    users who adopted an aloe with pot size above 12
    newsletter subscribers
    voucher redeemers from Belgium
    users who subscribed to the weekly newsletter
    users who viewed and bought the same product
    users who attended Pruning Day after booking it
    in 2025, who viewed and bought seeds
    users who bought on weekends
    users who logged in between 9am and 5pm
    users who ordered at night
    users who ordered on Mondays
    users who bought a product whose name contains orchid
    users whose name starts with Ines
    users who ordered before 2025-06-01
    users who ordered between 1 March 2026 and 15 March 2026
    users who ordered 3 days ago
    users who ordered more than 30 days ago
    users who ordered twice in the last year
    users who ordered exactly 2 times
    users who ordered at most once
    users who visited the site today
    users with no orders
    users who did not log in yesterday
    haven't ordered in 45 days
    bought Moon Orchid in Q1 2026
    Fernwood buyers last 30 days
    seeds buyers who didn't review
    users except those from Sweden
    all users excluding wholesale
    users who meet at least two of: ordered in 2026, from Belgium, tagged balcony
    show the name and email of users who bought pots
    users who bought pots sorted by total spend
    users who bought pots, first 50
    top 5 cities by users
    bloom vs sprout members
    users with Dutch language
    users whose language is Dutch
    users with garden size over 100
    users whose garden size is at least 40
    average garden size
    users whose last login was on mobile
    users who booked workshops with paid online
    users who have ordered but haven't opened a ticket
    users who ordered within 7 days of their first login
    users who logged in and did not order within 24 hours
    users who triggered login at least 10 times
    users who performed a workshop-booked event
    users who completed a payment info event
    users who bought a product under 15
    users who bought Copper Watering Can for less than 40
    users who bought peat free compost by bank transfer
    users who spent more than the average customer
    users whose last order was last month
    users with a phone number but without an email
    customers named Otto
    users who viewed pots in the morning
    people in Ghent who have booked at least 2 workshops this year
    which customers from Sweden bought seeds on desktop
    list evergreen customers with at least 4 orders since January
    Lapsed (no order in 90 days)
    High value: spent over 500 this year
    """.strip().splitlines()
)


def texts() -> tuple[str, ...]:
    """All values of the nursery, folded as they are looked up."""
    tables = [
        table
        for named in (*_DEFAULT.values(), *_CUSTOM.values(), _ATTRIBUTES, _ITEM, _CONTEXT)
        for table in named.values()
    ]
    return tuple(dict.fromkeys(fold(text) for _, held in tables for text in held))
