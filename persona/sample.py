"""The sample shop: a seeded, believable year of a small European shop, some of its events faulty on purpose.

Everything is made up. The same seed gives the same shop; nothing reads the clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Record = dict[str, Any]

NOW = datetime(2026, 6, 30, 18, 0)
"""The instant the sample's questions are asked as of (UTC): just after its last event."""

QUESTIONS = (
    "Give me all users who have performed an add-to-cart event where the product is red shirt",
    "How many users placed an order in the last 90 days?",
    "Users who added to cart but did not buy in the last 30 days",
    "Users who viewed the Red Shirt and then placed an order within 3 days",
    "Users who spent over 1500 in 2026",
    "How many premier members by country?",
)

_YEAR = timedelta(days=365)
_PLACES = (  # city, country, how many of a hundred live there
    ("Amsterdam", "Netherlands", 14),
    ("Utrecht", "Netherlands", 9),
    ("Rotterdam", "Netherlands", 8),
    ("Copenhagen", "Denmark", 10),
    ("Aarhus", "Denmark", 6),
    ("Lisbon", "Portugal", 9),
    ("Porto", "Portugal", 7),
    ("Dublin", "Ireland", 9),
    ("Galway", "Ireland", 4),
    ("Krakow", "Poland", 7),
    ("Gdansk", "Poland", 5),
    ("Bologna", "Italy", 6),
    ("Turin", "Italy", 6),
)
_FEMALE = (
    "Sanne Maud Fenna Ilse Astrid Freja Signe Karen Ines Matilde Beatriz Leonor Aoife Niamh Saoirse Orla Zofia "
    "Agnieszka Kinga Wanda Chiara Ginevra Elisa Marta"
).split()
_MALE = (
    "Bram Joost Thijs Ruben Anders Mikkel Soren Rasmus Tiago Duarte Afonso Rui Cillian Fionn Declan Ronan Piotr Jakub "
    "Wojtek Tomasz Matteo Pietro Davide Luca"
).split()
_FAMILY = (
    "Bakker Visser Meijer Smit Dekker Holm Lund Krogh Dahl Vestergaard Almeida Ferreira Marques Teixeira Byrne "
    "Kavanagh Doyle Nolan Nowak Zielinski Wrona Kaminski Rossi Conti Ferrari Galli"
).split()
_TAGS = ("early bird", "gift giver", "wholesale buyer", "local pickup", "student discount")
_PRODUCTS = (  # name, brand, category, price, variants
    ("Red Shirt", "Norrvik", "Shirts", 39.0, ("S", "M", "L", "XL")),
    ("Blue Oxford Shirt", "Norrvik", "Shirts", 49.0, ("S", "M", "L", "XL")),
    ("Linen Camp Shirt", "Halden", "Shirts", 55.0, ("S", "M", "L")),
    ("Striped Breton Top", "Port Clair", "Shirts", 35.0, ("S", "M", "L")),
    ("Flannel Overshirt", "Halden", "Shirts", 79.0, ("M", "L", "XL")),
    ("Lambswool Crewneck", "Tallow & Pine", "Knitwear", 89.0, ("S", "M", "L")),
    ("Cable Knit Cardigan", "Tallow & Pine", "Knitwear", 119.0, ("S", "M", "L")),
    ("Merino Scarf", "Tallow & Pine", "Knitwear", 45.0, ()),
    ("Ribbed Beanie", "Sable Peak", "Knitwear", 25.0, ()),
    ("Fisherman Sweater", "Port Clair", "Knitwear", 135.0, ("M", "L", "XL")),
    ("Trail Runner", "Sable Peak", "Footwear", 129.0, ("38", "40", "42", "44")),
    ("Chelsea Boot", "Quillon", "Footwear", 189.0, ("38", "40", "42", "44")),
    ("Court Trainer", "Quillon", "Footwear", 99.0, ("38", "40", "42")),
    ("Garden Clog", "Bramblewick", "Footwear", 42.0, ("38", "40", "42")),
    ("House Slipper", "Bramblewick", "Footwear", 34.0, ()),
    ("Oak Desk Lamp", "Lumen & Oak", "Lighting", 149.0, ()),
    ("Paper Pendant", "Lumen & Oak", "Lighting", 69.0, ()),
    ("Reading Light", "Lumen & Oak", "Lighting", 59.0, ("black", "brass")),
    ("Storm Lantern", "Bramblewick", "Lighting", 48.0, ()),
    ("Stoneware Bowl", "Aldera", "Tableware", 22.0, ("sand", "slate")),
    ("Espresso Cup Pair", "Aldera", "Tableware", 28.0, ("sand", "slate")),
    ("Carving Board", "Lumen & Oak", "Tableware", 64.0, ()),
    ("Cast Iron Skillet", "Aldera", "Tableware", 85.0, ()),
    ("Linen Napkin Set", "Port Clair", "Tableware", 38.0, ()),
    ("Weekend Duffel", "Quillon", "Bags", 159.0, ("olive", "navy")),
    ("Canvas Tote", "Port Clair", "Bags", 29.0, ("natural", "navy")),
    ("City Backpack", "Sable Peak", "Bags", 109.0, ("olive", "black")),
    ("Card Sleeve", "Quillon", "Bags", 39.0, ()),
    ("Two Person Tent", "Sable Peak", "Outdoor", 319.0, ()),
    ("Down Sleeping Bag", "Sable Peak", "Outdoor", 249.0, ()),
    ("Enamel Mug", "Bramblewick", "Outdoor", 16.0, ()),
    ("Picnic Blanket", "Tallow & Pine", "Outdoor", 75.0, ()),
    ("Dotted Notebook", "Inkwell Row", "Stationery", 14.0, ()),
    ("Brass Pen", "Inkwell Row", "Stationery", 52.0, ()),
    ("Desk Calendar", "Inkwell Row", "Stationery", 19.0, ()),
    ("Letter Paper Set", "Inkwell Row", "Stationery", 24.0, ()),
)
_PAGES = (
    ("Welcome", "/"),
    ("Journal", "/journal"),
    ("Delivery and Returns", "/delivery"),
    ("Our Workshop", "/workshop"),
)
_SEARCHES = ("linen", "warm sweater", "gift under 50", "boots", "lamp", "camping", "red shirt", "notebook")
_COUPONS = ("HELLO10", "SPRING15", "THANKYOU")
_REVIEWS = ("Exactly as pictured.", "Smaller than I thought.", "A present, and much liked.", "Would order again.")
_DEVICES = (("phone", "Android"), ("phone", "iOS"), ("laptop", "Linux"), ("laptop", "macOS"), ("tablet", "iOS"))
_SOURCES = ("direct", "search", "newsletter", "social")


@dataclass(frozen=True, slots=True)
class Sample:
    """The shop's contacts and events, as they would be handed in; the events in order of time."""

    contacts: list[Record]
    events: list[Record]


def shop(seed: int = 7, people: int = 620) -> Sample:
    """The sample shop: so many contacts and about forty events for each of them."""
    rng = random.Random(seed)
    contacts = [_contact(rng, number) for number in range(1, people + 1)]
    events: list[Record] = []
    for contact in contacts:
        _year_of(rng, contact, events)
    events.sort(key=lambda event: event["event_timestamp"])
    for number, event in enumerate(events):
        event["message_id"] = f"sample-{seed}-{number:06}"
    return Sample(contacts, events + _faulty(rng, events))


def _contact(rng: random.Random, number: int) -> Record:
    city, country, _ = rng.choices(_PLACES, [weight for *_, weight in _PLACES])[0]
    gender = rng.choice(("female", "male"))
    name = f"{rng.choice(_FEMALE if gender == 'female' else _MALE)} {rng.choice(_FAMILY)}"
    signed_up = NOW - timedelta(days=rng.randrange(5, 900))
    contact: Record = {
        "visitor_id": f"v{number:04}",
        "name": name,
        "city": city,
        "country": country,
        "gender": gender,
        "tier": rng.choices(("basic", "plus", "premier"), (60, 28, 12))[0],
        "signup_date": signed_up.date().isoformat(),
        "marketing_opt_in": rng.random() < 0.6,
        "tags": sorted(rng.sample(_TAGS, rng.choices((0, 1, 2), (50, 38, 12))[0])),
        "preferences": {
            "contact_by": rng.choice(("email", "sms", "post")),
            "newsletter": rng.choice(("weekly", "monthly")),
        },
    }
    if rng.random() < 0.92:
        contact["email"] = f"{name.lower().replace(' ', '.')}{number}@example.{rng.choice(('com', 'org', 'net'))}"
    if rng.random() < 0.85:
        contact["birth_date"] = (NOW - timedelta(days=rng.randrange(18 * 365, 75 * 365))).date().isoformat()
    return contact


def _year_of(rng: random.Random, contact: Record, events: list[Record]) -> None:
    """One contact's year: a few never come, most now and then, some often; nobody before they signed up."""
    signed_up = datetime.fromisoformat(contact["signup_date"])
    first = max(NOW - _YEAR, signed_up)
    keenness = {"basic": 0.8, "plus": 1.2, "premier": 2.0}[contact["tier"]]
    visits = 0 if rng.random() < 0.05 else min(40, int(rng.expovariate(1 / 5.2) * keenness) + 1)
    lapses = rng.random() < 0.3  # some stop coming halfway through the year
    seconds = int((NOW - first).total_seconds() * (0.5 if lapses else 1)) - 6 * 3600
    for _ in range(visits):
        _visit(_Visit(rng, contact, first + timedelta(seconds=rng.randrange(max(seconds, 1))), events))


class _Visit:
    """One visit while it goes on: whose, on what device, what time it is."""

    def __init__(self, rng: random.Random, contact: Record, start: datetime, events: list[Record]) -> None:
        device, system = rng.choice(_DEVICES)
        self.rng = rng
        self.contact = contact
        self.clock = start
        self.events = events
        self.context = {"device": device, "os": system, "utm_source": rng.choice(_SOURCES)}

    def did(self, event: str, properties: Record, after: timedelta | None = None) -> None:
        """The visitor does this, a little (or `after`) later; what lies past the end of the sample never happens."""
        self.clock += timedelta(seconds=self.rng.randrange(8, 240)) if after is None else after
        if self.clock < NOW:
            self.events.append(
                {
                    "event_name": event,
                    "visitor_id": self.contact["visitor_id"],
                    "event_properties": properties,
                    "event_timestamp": self.clock.strftime("%Y-%m-%d %H:%M:%S"),
                    "context": self.context,
                }
            )


def _visit(visit: _Visit) -> None:
    """Look around, perhaps look closer, perhaps fill a cart, perhaps pay, perhaps think better of it."""
    rng = visit.rng
    title, path = rng.choice(_PAGES)
    visit.did("page-view", {"title": title, "name": title, "url": path, "channel": rng.choice(("web", "app"))})
    if rng.random() < 0.35:
        visit.did("product-searched", {"query": rng.choice(_SEARCHES)})
    if rng.random() < 0.4:
        _browse(visit)
    cart: list[Record] = []
    cart_id = f"cart-{rng.randrange(16**8):08x}"
    for _ in range(rng.choices((0, 1, 2, 3), (12, 40, 30, 18))[0]):
        product = _product(rng)
        if rng.random() < 0.35:
            visit.did("product-clicked", {**product, "position": str(rng.randrange(1, 25))})
        visit.did("product-viewed", product)
        if rng.random() < 0.12:
            visit.did("size-guide-opened", {"unit": rng.choice(("eu", "uk")), "product": product})
        if rng.random() < 0.1:
            visit.did(
                "product-added-to-wishlist", {"wishlist_name": rng.choice(("Home", "Birthday", "Some day")), **product}
            )
        if rng.random() < 0.5:
            line = {**product, "quantity": str(rng.choices((1, 2, 3), (80, 15, 5))[0])}
            visit.did("add-to-cart", {"cart_id": cart_id, **line})
            cart.append(line)
    if len(cart) > 1 and rng.random() < 0.15:
        visit.did("remove-from-cart", {"checkout_id": cart_id.replace("cart", "checkout"), **cart.pop()})
    if cart and rng.random() < 0.55:
        _order(visit, cart, cart_id)
    for happens, event, properties in _ASIDES:
        if rng.random() < happens:
            visit.did(event, properties(rng), after=timedelta(hours=rng.randrange(1, 72)))


def _browse(visit: _Visit) -> None:
    category = visit.rng.choice(_PRODUCTS)[2]
    shown = [number for number, product in enumerate(_PRODUCTS) if product[2] == category][:4]
    visit.did(
        "product-list-viewed",
        {
            "list_id": f"list-{category.lower()}",
            "category": category,
            "products": [{**_described(number), "position": str(place)} for place, number in enumerate(shown, start=1)],
        },
    )


def _order(visit: _Visit, cart: list[Record], cart_id: str) -> None:
    """Pay for the cart, and what may come of it: a change, a cancellation, a refund, a review."""
    rng = visit.rng
    order_id = f"order-{cart_id[5:]}"
    checkout_id = f"checkout-{cart_id[5:]}"
    visit.did(
        "payment-info",
        {
            "checkout_id": checkout_id,
            "payment_method": rng.choice(("card", "bank transfer", "wallet")),
            "shipping_method": rng.choice(("parcel", "pickup", "express")),
        },
    )
    goods = round(sum(float(line["price"]) * int(line["quantity"]) for line in cart), 2)
    discount = round(goods * 0.1, 2) if rng.random() < 0.2 else 0.0
    shipping = 0.0 if goods > 75 else 4.95
    total = round(goods - discount + shipping, 2)
    order: Record = {
        "order_id": order_id,
        "checkout_id": checkout_id,
        "total": total,
        "revenue": round(goods - discount, 2),
        "shipping": shipping,
        "tax": round(total * 0.21 / 1.21, 2),
        "currency": "EUR",
        "products": cart,
    }
    if discount:
        order |= {"discount": discount, "coupon": rng.choice(_COUPONS)}
    visit.did("order-completed", order)
    brief = {"order_id": order_id, "total": total, "currency": "EUR", "products": cart}
    fate = rng.random()
    if fate < 0.05:
        visit.did("order-updated", {**brief, "total": round(total + 5, 2), "shipping": 9.95}, timedelta(hours=2))
    elif fate < 0.11:
        visit.did("order-cancelled", brief, timedelta(hours=rng.randrange(1, 20)))
    elif fate < 0.18:
        visit.did("order-refunded", brief, timedelta(days=rng.randrange(4, 21)))
    elif fate < 0.42:
        review = {
            "product_id": cart[0]["product_id"],
            "review_id": f"review-{order_id[6:]}",
            "review_body": rng.choice(_REVIEWS),
            "rating": str(rng.choices((1, 2, 3, 4, 5), (4, 6, 15, 35, 40))[0]),
        }
        visit.did("product-reviewed", review, timedelta(days=rng.randrange(3, 30)))


def _described(number: int) -> Record:
    """A product as events tell it: all of it text, as the default events' own keys are."""
    name, brand, category, price, _ = _PRODUCTS[number]
    return {
        "product_id": f"P{number + 1:03}",
        "sku": f"{category[:3].upper()}-{number + 1:03}",
        "name": name,
        "brand": brand,
        "category": category,
        "price": f"{price:.2f}",
        "url": f"/products/{name.lower().replace(' ', '-')}",
    }


def _product(rng: random.Random) -> Record:
    """A product, the popular ones more often, in one of its variants."""
    number = rng.randrange(len(_PRODUCTS))
    if rng.random() < 0.15:
        number = min(int(rng.paretovariate(0.7)) - 1, number)
    product = _described(number)
    variants = _PRODUCTS[number][4]
    if variants:
        variant = rng.choice(variants)
        product |= {"variant": variant, "variant_id": f"{product['product_id']}-{variant}"}
    return product


def _store_visit(rng: random.Random) -> Record:
    return {"store": rng.choice(("Canal Street", "Old Harbour", "Market Hall")), "minutes": rng.randrange(3, 70)}


def _redemption(rng: random.Random) -> Record:
    return {"points": rng.choice((100, 250, 500)), "reward": rng.choice(("free shipping", "tote bag", "voucher"))}


def _newsletter(rng: random.Random) -> Record:
    return {
        "campaign": {
            "name": rng.choice(("Autumn Layers", "Table Talk", "First Light")),
            "edition": rng.randrange(1, 13),
        }
    }


def _help(rng: random.Random) -> Record:
    return {"topic": rng.choice(("delivery", "sizing", "warranty")), "answered": rng.random() < 0.8}


_ASIDES: tuple[tuple[float, str, Callable[[random.Random], Record]], ...] = (
    (0.10, "store-visited", _store_visit),
    (0.06, "points-redeemed", _redemption),
    (0.18, "newsletter-opened", _newsletter),
    (0.05, "help-requested", _help),
)


def _faulty(rng: random.Random, events: list[Record]) -> list[Record]:
    """Events as careless clients send them, each wrong in one way that the validator must say."""
    faults: tuple[tuple[str, Callable[[Record], Record]], ...] = (
        ("add-to-cart", lambda event: event | {"visitor_id": f"stranger-{rng.randrange(1000)}"}),
        ("product-viewed", lambda event: _with(event, product_id=["P001", "P002"])),
        ("add-to-cart", lambda event: _with(event, cart_id=None)),
        ("product-searched", lambda event: _with(event, query="")),
        ("order-completed", lambda event: _with(event, products=[])),
        ("order-completed", lambda event: _with(event, total="about forty")),
        ("page-view", lambda event: event | {"event_timestamp": "30/06/2026 9am"}),
        ("product-reviewed", lambda event: _with(event, review_id=None, product_id=None)),
        ("newsletter-opened", lambda event: event | {"event_properties": "opened"}),
    )
    spoilt: list[Record] = []
    for name, spoil in faults:
        for event in rng.sample([event for event in events if event["event_name"] == name], rng.randrange(3, 9)):
            spoilt.append(spoil(event) | {"message_id": f"{event['message_id']}-faulty-{len(spoilt)}"})
    return spoilt


def _with(event: Record, **changed: Any) -> Record:
    """The event with these properties changed; None takes one away."""
    properties = {**event["event_properties"], **changed}
    return event | {"event_properties": {key: value for key, value in properties.items() if value is not None}}
