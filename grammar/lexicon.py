"""Everyday words as tables: what closed-class words, verbs, counts and fillers of English can be. Data, no decisions.

A word may stand in several tables: the grammar chooses. A word that is in none, and in no name or value of the
phonebook, is unknown, and a question that holds it is refused.
"""

from __future__ import annotations

from typing import Literal

CONTRACTIONS = {
    "can't": "can not", "won't": "will not", "shan't": "shall not", "ain't": "are not", "who's": "who is",
    "what's": "what is", "that's": "that is", "there's": "there is", "it's": "it is", "let's": "let us",
    "i'd": "i would", "we'd": "we would", "o'clock": "oclock", "where's": "where is", "here's": "here is", "having": "who have",
}  # fmt: skip

SEGMENT_PHRASES = tuple(  # before a segment's name: being in it, coming, going
    (tuple(phrase.split()), how)
    for how, phrases in (
        ("in", "in|inside|of|part of|belong to|belongs to"),
        ("entered", "entered|enter|came into|got into"),
        ("exited", "exited|exit|left|dropped out of|fell out of"),
    )
    for phrase in phrases.split("|")
)
DETERMINERS = frozenset("a an the their his her its our my your any some this that these those theirs one's of".split())
POSSESSIVE = frozenset({"their", "his", "her", "its"})
DEMONSTRATIVES = frozenset({"this", "that", "these", "those"})  # these point at what was named before
EVENT_WORDS = frozenset({"event", "events", "action", "actions", "activity", "activities"})

PARTICIPLES = frozenset(
    """bought sent paid made taken given seen read sold won lost left begun built drawn written spent spoken chosen
    broken forgotten met held kept found got gotten hit put set cut let shut run come become gone done drunk eaten
    driven flown ridden risen shown sung slept swum thrown taught thought told understood woken worn bid cast cost hurt
    quit split spread fed fled heard hung led lent lit meant rung shot sat stood stuck swept torn withdrawn redone
    resent rebuilt unsubscribed overdrawn lay laid sought caught brought fought viewed""".split()
)

IRREGULAR_STEMS = {
    "bought": "buy", "buys": "buy", "buying": "buy", "buyer": "buy", "sent": "send", "sender": "send", "sending": "send",
    "resent": "resend", "paid": "pay", "payer": "pay", "pays": "pay", "paying": "pay", "payment": "payment", "payments": "payment", "repayment": "repay", "repayments": "repay",
    "resolution": "resolv", "resolutions": "resolv", "escalation": "escalat", "escalations": "escalat",
    "extension": "extend", "extensions": "extend", "publication": "publish", "publications": "publish", "suspension": "suspend", "suspensions": "suspend",
    "vaccination": "vaccinat", "vaccinations": "vaccinat", "acceptance": "accept", "acceptances": "accept", "response": "respond", "responses": "respond",
    "used": "use",
    "made": "make", "making": "make", "mak": "make", "taken": "take", "took": "take", "taking": "take", "tak": "take",
    "given": "give", "gave": "give", "giv": "give", "seen": "see", "saw": "see", "sees": "see", "seeing": "see",
    "sold": "sell", "selling": "sell", "won": "win", "winner": "win", "winning": "win", "lost": "lose", "losing": "lose", "los": "lose",
    "left": "leave", "leaving": "leave", "leav": "leave", "begun": "begin", "began": "begin", "beginning": "begin",
    "built": "build", "drawn": "draw", "drew": "draw", "withdrawn": "withdraw", "withdrew": "withdraw", "withdrawal": "withdraw",
    "written": "write", "wrote": "write", "writ": "write", "spent": "spend", "spoken": "speak", "spoke": "speak",
    "chosen": "choose", "chose": "choose", "choos": "choose", "broken": "break", "broke": "break", "forgotten": "forget",
    "forgot": "forget", "met": "meet", "meeting": "meeting", "held": "hold", "kept": "keep", "found": "find",
    "got": "get", "gotten": "get", "getting": "get", "ran": "run", "running": "run", "came": "come", "com": "come",
    "went": "go", "gone": "go", "going": "go", "goes": "go", "did": "do", "done": "do", "does": "do", "doing": "do",
    "ate": "eat", "eaten": "eat", "drove": "drive", "driven": "drive", "driv": "drive", "flew": "fly", "flown": "fly", "flight": "flight",
    "rode": "ride", "ridden": "ride", "rid": "ride", "ride": "ride", "riding": "ride", "shown": "show", "slept": "sleep", "told": "tell",
    "taught": "teach", "thought": "think", "heard": "hear", "led": "lead", "lent": "lend", "shot": "shoot", "brought": "bring",
    "caught": "catch", "quit": "quit", "quitting": "quit", "subscription": "subscrib", "subscriptions": "subscrib",
    "redemption": "redeem", "redemptions": "redeem", "submission": "submit", "submitted": "submit", "submitting": "submit",
    "permission": "permission", "transaction": "transaction", "transactions": "transaction", "completion": "complet",
    "cancellation": "cancel", "cancellations": "cancel", "cancelation": "cancel", "cancelled": "cancel", "canceled": "cancel",
    "refused": "refus", "approval": "approv", "approvals": "approv", "renewal": "renew", "arrival": "arriv", "referral": "referral",
    "referrals": "referral", "ordered": "order", "ordering": "order", "order": "order", "offer": "offer", "offered": "offer",
    "enter": "enter", "entered": "enter", "entering": "enter", "transfer": "transfer", "transferred": "transfer",
    "deliver": "deliver", "delivered": "deliver", "delivery": "deliver", "deliveries": "deliver", "register": "regist", "registered": "regist",
    "registration": "regist", "regist": "regist", "prefer": "prefer", "answer": "answer", "answered": "answer", "trigger": "trigger",
    "triggered": "trigger", "filter": "filter", "newsletter": "newsletter", "user": "user", "number": "number",
    "paper": "paper", "computer": "computer", "letter": "letter", "offering": "offer", "dinner": "dinner", "summer": "summer",
    "banner": "banner", "driver": "driver", "folder": "folder", "voucher": "voucher", "tracker": "track", "reminder": "remind",
    "reviewer": "review", "viewer": "view", "member": "member", "master": "master", "partner": "partner", "counter": "counter",
    "session": "session", "mission": "mission", "version": "version", "question": "question", "station": "station",
    "donation": "donat", "donor": "donat", "donors": "donat", "location": "location", "vacation": "vacation", "auction": "auction", "option": "option", "portion": "portion",
    "action": "action", "section": "section", "promotion": "promotion", "television": "television", "opinion": "opinion",
    "document": "document", "element": "element", "segment": "segment", "moment": "moment", "comment": "comment",
    "statement": "statement", "department": "department", "apartment": "apartment", "appointment": "appointment", "experiment": "experiment",
    "bed": "bed", "feed": "feed", "speed": "speed", "seed": "seed", "need": "need", "lead": "lead", "red": "red",
    "king": "king", "ring": "ring", "string": "string", "thing": "thing", "spring": "spring", "evening": "evening", "morning": "morning",
    "wedding": "wedding", "price": "price", "feature": "feature", "picture": "picture", "signature": "signature", "lecture": "lecture",
    "future": "future", "adventure": "adventure", "measure": "measure", "closure": "clos", "pressure": "pressure", "furniture": "furniture",
    "medal": "medal", "goal": "goal", "deal": "deal", "meal": "meal", "trial": "trial", "total": "total", "hospital": "hospital",
    "animal": "animal", "journal": "journal", "portal": "portal", "proposal": "proposal", "signal": "signal", "tutorial": "tutorial",
    "complaint": "complain", "complaints": "complain", "analysis": "analys", "analyses": "analys", "login": "login", "logged": "log", "logging": "log",
    "logins": "login", "signup": "signup", "signups": "signup", "checkout": "checkout", "checkin": "checkin", "wishlist": "wishlist", "wishlisted": "wishlist",
    "prescription": "prescrib", "prescriptions": "prescrib", "attendance": "attend", "attendee": "attend", "attendees": "attend", "enrolment": "enrol", "enrollment": "enrol", "enrolled": "enrol",
    "enroll": "enrol", "enrol": "enrol", "deposit": "deposit", "visitor": "visit", "visit": "visit", "admission": "admit", "admitted": "admit",
    "personal": "personal", "conversion": "convert", "expiry": "expir", "expiration": "expir", "dispute": "disput", "entry": "enter", "entries": "enter", "usage": "us", "uses": "us",
    "quizzes": "quiz", "inquiry": "inquir", "enquiry": "inquir", "enquired": "inquir", "enquire": "inquir", "upgrader": "upgrad", "purchaser": "purchas",
    "application": "apply", "applications": "apply", "applied": "apply", "apply": "apply", "applies": "apply", "applying": "apply", "applicant": "apply",
    "froze": "freez", "frozen": "freez", "worn": "wear", "wore": "wear", "threw": "throw", "thrown": "throw", "swam": "swim",
    "swum": "swim", "woke": "wake", "woken": "wake", "grew": "grow", "grown": "grow", "hid": "hide", "hidden": "hide",
    "struck": "strike", "swept": "sweep", "felt": "feel", "dealt": "deal", "burnt": "burn", "learnt": "learn",
    "lit": "light", "hung": "hang", "stole": "steal", "stolen": "steal", "bit": "bite", "bitten": "bite", "blew": "blow",
    "blown": "blow", "rang": "ring", "sang": "sing", "sung": "sing", "drank": "drink", "stood": "stand",
    "understood": "understand", "understand": "understand", "sought": "seek", "fought": "fight", "fed": "feed", "bred": "breed",
    "replied": "reply", "reply": "reply", "tried": "try", "try": "try", "verified": "verif", "verify": "verif", "verification": "verif",
    "modified": "modif", "modify": "modif", "modification": "modif", "notified": "notif", "notification": "notif", "notify": "notif",
    "activation": "activat", "deactivation": "deactivat", "reactivation": "reactivat", "termination": "terminat", "validation": "validat", "migration": "migrat", "integration": "integrat", "nomination": "nominat", "participation": "participat", "generation": "generat", "translation": "translat", "authentication": "authenticat",
    "retried": "retry", "copied": "copy", "carried": "carry", "qualified": "qualif", "qualification": "qualif", "identified": "identif",
    "identification": "identif", "simplified": "simplif", "deployment": "deploy", "employment": "employ", "played": "play", "player": "play",
    "stayed": "stay", "delayed": "delay", "viewing": "view", "searcher": "search", "subscriber": "subscrib", "lesson": "lesson",
}  # fmt: skip

VERB_STEMS = frozenset(
    """add remov view click search buy purchas order open clos start stop begin end visit watch read play download upload
    install uninstall creat delet updat edit shar send receiv invit join leav login logout signup signin checkin checkout
    topup subscrib unsubscrib upgrad downgrad renew cancel refund return pay book reserv redeem claim apply submit
    complet finish fail review rat lik comment follow unfollow export import print save scan tap swip sync connect
    disconnect verif activat deactivat enabl disabl schedul attend transfer deposit withdraw recharg refer report contact
    call chat messag abandon wishlist favourit compar select chang us launch exit enter answer ask tak mak request
    approv reject accept declin deliver ship pick drop track win los earn spend level log regist enrol borrow lend stream
    listen rent rid charg block unblock lock unlock hir donat vot post repl publish bid reach unlock pass take make""".split()
)
SEARCH_KEYS = ("query", "search_query", "search_term", "search_text", "term", "keyword", "keywords")
OFTEN = frozenset(
    "daily weekly monthly recently lately often frequently regularly occasionally rarely lot lots".split()
)
GENERAL_STEMS = frozenset("do make perform".split())  # say nothing of what was done
# Verbs that leave the action to their noun: who gave a tip tipped.
LIGHT_STEMS = frozenset("give make do perform submit send post plac write leave".split())

# Plain synonyms of the verb in an event's name, as stems: what the name has → what may be said.
SYNONYM_STEMS: dict[str, tuple[str, ...]] = {
    "start": ("begin",),
    "begin": ("start",),
    "complet": ("finish",),
    "finish": ("complet",),
    "signup": ("regist", "join"),
    "regist": ("signup", "join"),
    "join": ("signup", "regist"),
    "login": ("signin", "logon"),
    "signin": ("login", "logon"),
    "cancel": ("end",),
    "end": ("cancel",),
    "upload": ("add",),
    "pay": ("payment",),
    "request": ("ask",),
}

# What such an event is done to was there before: its noun alone ("with an address") does not say that it was done.
ALTERING_STEMS = frozenset(
    """chang updat edit modif renam replac mov switch delet remov cancel end expir clos lock unlock verif reject declin fail renew
    los""".split()
)
NEVER_DONE_STEMS = ALTERING_STEMS | frozenset(  # who views a hut has not made or completed one
    "view see click visit brows inspect skip abandon receiv upgrad downgrad declin".split()
)
# What is done to a thing in the same words: who opened a chat started one, who got an offer received it.
ALIKE_STEMS = (
    frozenset("open start begin creat rais log fil lodg initi".split()),
    frozenset("got get receiv".split()),
)
PLAN_WORDS = frozenset("plan tier package subscription membership".split())  # what somebody is on
QUANTIFIERS = frozenset("every each both either all none neither any".split())
OF_WHICH = frozenset("old new current previous former different other another own certain particular specific".split())

AGENT_ENDINGS = ("er", "ers", "or", "ors", "ant", "ants", "ee", "ees")
NOT_AGENTS = frozenset(
    """order orders offer offers transfer transfers number numbers filter filters answer answers letter letters newsletter
    newsletters banner banners folder folders voucher vouchers counter counters paper papers enter dinner dinners register
    deliver trigger remainder reminder reminders tracker summer winter corner water center user users error errors color
    colors over under never ever after other member members customer customers visitor visitors""".split()
)


def is_agent(word: str) -> bool:
    """Whether a word looks like the doer of something ("redeemers")."""
    return word.endswith(AGENT_ENDINGS) and word not in NOT_AGENTS and len(word) > 4


def bare(word: str) -> str:
    """The word without a possessive ending."""
    return word[:-2] if word.endswith("'s") else word


Phrase = tuple[str, ...]


Form = Literal["verb", "noun", "agent", "tail"]


def _everyday() -> dict[str, tuple[tuple[Phrase, Form, str], ...]]:
    table: dict[str, list[tuple[Phrase, Form, str]]] = {}
    form: Form
    for event, verbs, nouns, agents in (
        (
            "order-completed",
            """bought|buy|buys|buying|purchased|purchase|purchases|purchasing|ordered|order|orders|ordering|placed order|placed orders
            |place order|place orders|placing order|placing orders|made purchase|made purchases|make purchase|make purchases|making purchase
            |making purchases|checked out|check out|converted|convert|shopped|shop|completed purchase|completed order
            |completed checkout|complete purchase|complete order|complete checkout|transacted
            |got themselves|paid by|paid with|paid via|paid using|pay by|pay with|pays by|pays with|paying by|paying with""",
            "order|orders|purchase|purchases|transaction|transactions|conversion|conversions|orders placed|purchases made",
            "",
        ),
        (
            "product-viewed",
            "viewed|view|views|viewing|looked at|look at|looking at|saw|see|seen|browsed product|browsed products",
            "product view|product views|view|views|viewing of|viewings of",
            "viewers|viewer",
        ),
        (
            "product-clicked",
            "clicked|click|clicks|clicking|clicked on|click on|clicking on|tapped|tapped on",
            "click|clicks|product click|product clicks",
            "clickers",
        ),
        (
            "product-searched",
            "searched|search|searches|searching|searched for|search for|searching for|looked for|looking for|ran search for|did search for",
            "search|searches|product search|product searches",
            "searchers|searcher",
        ),
        (
            "add-to-cart",
            """carted|cart|carting|put in basket|put in cart|put into cart|put into basket|added to cart|added to basket|add to cart
            |adding to cart|added in cart|added into cart|added to bag|put in bag|added to shopping cart|add to basket""",
            "add to cart|add to carts|cart addition|cart additions|cart add|cart adds",
            "",
        ),
        (
            "remove-from-cart",
            """took out of cart|take out of cart|taken out of cart|taking out of cart|removed from cart|remove from cart|removing from cart|removed from basket
            |took out of basket|dropped from cart|deleted from cart|taken from cart|took from cart""",
            "cart removal|cart removals|remove from cart",
            "",
        ),
        (
            "product-added-to-wishlist",
            """wishlisted|wishlist|wishlisting|wish listed|saved for later|save for later|saving for later|favourited|favorited|favourite|favorite
            |added to wishlist|add to wishlist|adding to wishlist|added to wish list|put on wishlist|put in wishlist""",
            "wishlist addition|wishlist additions|wishlist add|wishlist adds",
            "wishlisters",
        ),
        (
            "product-reviewed",
            "reviewed|review|reviews|reviewing|rated|rate|rates|rating|wrote review|wrote reviews|written review|written reviews|write review|left review|left reviews|leave review|gave review|gave reviews|wrote review of|posted review|posted reviews|gave rating|gave ratings|give rating|given rating|left rating|left ratings|leave rating",
            "review|reviews|product review|product reviews",
            "reviewers|reviewer|raters",
        ),
        (
            "product-list-viewed",
            """browsed list|browsed lists|browsed collection|browsed collections|browse list|browse collection|browsed product list
            |viewed list|viewed collection|viewed product list|viewed product lists|browsed|browsing|browse""",
            "list view|list views|product list view|product list views|collection view|collection views",
            "",
        ),
        (
            "order-updated",
            "changed order|changed orders|change order|changing order|modified order|updated order|edited order|amended order",
            "order update|order updates|order change|order changes",
            "",
        ),
        (
            "order-cancelled",
            "cancelled|canceled|cancel|cancels|cancelling|canceling|cancelled order|cancelled orders|canceled order|canceled orders|cancel order|called off order",
            "cancellation|cancellations|cancelation|cancelations|order cancellation|order cancellations",
            "cancellers|cancelers",
        ),
        (
            "order-refunded",
            """got refund|got refunds|get refund|gotten refund|received refund|received refunds|was refunded|were refunded|been refunded|being refunded|refunded|refund|had refund
            |returned order|returned orders|return order|returning order|got refunded|got money back|requested refund|asked for refund|getting refund|getting refunds|receiving refund|getting refunded|given refund|is refunded|are refunded""",
            "refund|refunds|order refund|order refunds|return|returns",
            "refunders",
        ),
        (
            "page-view",
            """visited|visit|visits|visiting|visited site|visited website|visited store|visited web site|visit site|visit website|visited page|visited pages|visit page
            |opened page|opened pages|open page|opening page|viewed page|viewed pages|came to site|came to website|landed on|went to|been to""",
            "page view|page views|pageview|pageviews|visit|visits|site visit|site visits|website visit|website visits|page visit|page visits",
            "",
        ),
        (
            "payment-info",
            """entered payment details|enter payment details|entered payment info|entered payment information|entering payment details
            |added payment details|provided payment details|gave payment details|entered payment detail|entered card details|submitted payment details|filled in payment details""",
            "payment info|payment information",
            "",
        ),
    ):
        forms: tuple[tuple[Form, str], ...] = (("verb", verbs), ("noun", nouns), ("agent", agents))
        for form, phrases in forms:
            for phrase in phrases.split("|"):
                words = tuple(phrase.split())
                if words:
                    table.setdefault(words[0], []).append((words, form, event))
    return {first: tuple(rows) for first, rows in table.items()}


EVERYDAY = _everyday()

# Everyday verbs whose object stands between their words: "put X in the basket", "took X out of the cart".
_SPLIT_ROWS = (
    ("add-to-cart", "put|placed|stuck", "in basket|in cart|into cart|into basket|in bag|in shopping cart|to cart"),
    ("add-to-cart", "added|add|adding|adds", "to cart|to basket|to bag|to shopping cart|in cart"),
    (
        "remove-from-cart",
        "took|take|taken|taking|removed|remove|removing|dropped|deleted|pulled",
        "out of cart|from cart|out of basket|from basket|off cart|from shopping cart",
    ),
    ("product-added-to-wishlist", "saved|save|saving", "for later"),
    (
        "product-added-to-wishlist",
        "added|add|adding|put",
        "to wishlist|to wish list|on wishlist|in wishlist|on wish list",
    ),
    ("page-view", "opened|open|visited|viewed|hit|saw", "page|pages|web page|webpage"),
    (
        "product-list-viewed",
        "browsed|viewed|looked at|browse|view|saw",
        "list|collection|lists|collections|product list",
    ),
)
SPLIT: dict[str, tuple[tuple[Phrase, Phrase, str], ...]] = {}
for _event, _heads, _split_tails in _SPLIT_ROWS:
    for _head in _heads.split("|"):
        for _tail in _split_tails.split("|"):
            _words = tuple(_head.split())
            SPLIT[_words[0]] = (*SPLIT.get(_words[0], ()), (_words, tuple(_tail.split()), _event))
SIGNUP_NOUNS = tuple(  # the sign-up as what a time counts from
    tuple(phrase.split())
    for phrase in (
        "signing up|joining|registering|sign up|signup|registration|account creation|sign up date|signup date|sign up day"
        "|signup day|registration date|joining date|join date|date of joining|date of registration"
    ).split("|")
)
SIGNUP = {
    "signed": ("signed", "up"), "sign": ("sign", "up"), "joined": ("joined",), "join": ("join",), "registered": ("registered",), "register": ("register",),
}  # fmt: skip

# Everyday names for keys that profiles and events often have: the key's own words → how it is said.
KEY_WORDS: dict[str, tuple[str, ...]] = {
    "email": ("email address", "mail", "mail id", "email id", "e mail"),
    "mobile": ("phone number", "phone", "mobile number", "cell number", "contact number"),
    "phone": ("phone number", "mobile number", "mobile", "contact number"),
    "phone_number": ("phone", "mobile number", "mobile", "contact number"),
    "mobile_number": ("phone number", "phone", "mobile", "contact number"),
    "signup_date": ("sign up date", "signup", "joining date", "registration date"),
    "joined_on": ("joining date", "join date", "sign up date"),
    "dob": ("date of birth", "birth date", "birthday"),
    "birth_date": ("date of birth", "birthday", "birthdate", "dob"),
    "date_of_birth": ("birthday", "birth date", "dob"),
    "birthdate": ("birthday", "date of birth", "birth date", "dob"),
    "price": ("price tag", "item price", "unit price"),
    "total": ("order total", "total value"),
    "coupon": ("coupon code", "promo code"),
    "currency": ("currency code",),
    "payment_method": ("payment mode", "mode of payment", "method of payment"),
    "shipping_method": ("delivery method", "method of shipping"),
    "rating": ("star", "review rating"),
    "tag": ("tag",),
    "product_id": ("product id", "id of product"),
    "query": ("search term", "search query", "keyword", "term"),
    "title": ("page title",),
    "url": ("link", "page url"),
    "marketing_opt_in": ("marketing opt in", "marketing consent"),
    "utm_source": ("traffic source",),
    "o": ("operating system",),
}

BIRTH_KEYS = ("birth_date", "date_of_birth", "birthdate", "dob", "birthday", "birth_day", "born", "born_on")
AGE_KEYS = ("age", "age_year")
PLACE_KEYS = (
    "city",
    "town",
    "state",
    "province",
    "region",
    "country",
    "location",
    "county",
)
PLACES_WIDER = (
    ("city", "town"),
    ("county",),
    ("state", "province", "region"),
    ("country",),
)  # each may lie in a later one
# Before one of them: where somebody is, and not what they prefer or where they pay.
DWELLING = frozenset("current home residence residential present living permanent base primary address profile".split())
SIGNUP_KEYS = (
    "signup_date", "signed_up", "signed_up_at", "signed_up_on", "sign_up_date", "joined", "joined_on", "joined_at", "join_date", "created",
    "created_at", "created_on", "registered", "registered_at", "registered_on", "registration_date", "member_since", "customer_since",
    "enrolled_on", "enrolled", "onboarded_on", "since",
)  # fmt: skip
# Verbs of an order that are its own event's, where a phonebook has one that is so called: bill-paid.
PAYING = frozenset("paid pay pays paying".split())
# Contact words that say that they buy: of others, "repeat" and "returning" do not say what they did again.
BUYING = frozenset("customer customers client clients shopper shoppers consumer consumers".split())
CHANNEL_KEYS = ("email", "email_address", "phone", "phone_number", "mobile", "mobile_number")
NAME_KEYS = ("name", "full_name", "fullname", "first_name", "last_name", "display_name")
GENDER_KEYS = ("gender", "sex")
MONEY_WORDS = frozenset(
    """amount total revenue price fare value cost fee premium mrr arr spend payment deposit balance budget bill tip charge
    bet stake wager donation salary income prize reward discount cashback tax shipping subtotal""".split()
)
DURATION_SUFFIXES = {
    "s": "second", "sec": "second", "secs": "second", "second": "second", "seconds": "second", "min": "minute", "mins": "minute",
    "minute": "minute", "minutes": "minute", "h": "hour", "hr": "hour", "hrs": "hour", "hour": "hour", "hours": "hour",
    "day": "day", "days": "day", "week": "week", "weeks": "week", "month": "month", "months": "month", "year": "year",
    "years": "year", "ms": "millisecond",
}  # fmt: skip
UNITS = {  # words of measure, by the suffix that a key of such a measure has
    word: suffix
    for suffix, words in (
        ("kg", "kg kgs kilo kilos kilogram kilograms"), ("km", "km kms kilometre kilometres kilometer kilometers"),
        ("kb", "kb kilobyte kilobytes"), ("mb", "mb megabyte megabytes"), ("gb", "gb gigabyte gigabytes"),
        ("pct", "pct percent %"),
    )
    for word in words.split()
}  # fmt: skip
CAUSE_WORDS = frozenset("cause reason error fault problem issue".split())
# The last word of a key that tells one thing from others, and of one whose values are digits that measure nothing.
ID_WORDS = frozenset("id pnr ref reference uuid guid".split())
DIGIT_WORDS = frozenset("phone cellphone telephone tel msisdn whatsapp fax postcode zipcode pincode zip".split())
OTHER_SUFFIXES = frozenset("mb kb gb km kg usd inr eur pct percent".split())
DATE_SUFFIXES = frozenset("date day on at time".split())
# Default events whose everyday verbs never stand without what was seen or taken.
NEED_OBJECT = frozenset({"product-viewed", "product-clicked", "product-added-to-wishlist"})
# Verbs that have no object, and nouns that a verb with one of its own ends with: neither shares that of the next verb.
NO_OBJECT = frozenset({
    "checked out", "check out", "checking out", "converted", "convert", "converting", "shopped", "shop", "shopping",
    "transacted", "searched", "search", "searches", "searching",
})  # fmt: skip
OWN_OBJECT = frozenset("order orders purchase purchases checkout refund refunds review reviews back".split())
PRODUCT_LOOKUP = ("name", "category", "brand", "variant", "sku", "product_id", "variant_id")
PRODUCT_EVENTS_QUANTITY = (
    "order-completed",
    "order-updated",
    "order-cancelled",
    "order-refunded",
    "add-to-cart",
    "remove-from-cart",
)
TO_KEYS = ("to", "destination", "arrival", "dest", "recipient", "target")
FROM_KEYS = ("from", "origin", "departure", "source")

GENDERS = {
    "female": ("female", "f", "woman", "w", "girl", "lady"),
    "male": ("male", "m", "man", "boy", "gentleman"),
}
COUNTRY_FORMS = {
    "us": ("united states", "usa", "us", "united states of america", "u s", "u s a"),
    "usa": ("united states", "usa", "us", "united states of america", "u s a"),
    "america": ("united states", "usa", "us", "united states of america"),
    "uk": ("united kingdom", "uk", "great britain", "u k"),
    "britain": ("united kingdom", "uk", "great britain"),
    "uae": ("united arab emirates", "uae"),
    "united states": ("united states", "usa", "us", "united states of america"),
    "united kingdom": ("united kingdom", "uk", "great britain"),
    "the states": ("united states", "usa", "us"),
}

DEMONYMS = {  # those whose word is not near that of the country
    "american": "united states", "british": "united kingdom", "chinese": "china", "danish": "denmark", "dutch": "netherlands",
    "english": "england", "finnish": "finland", "french": "france", "greek": "greece", "irish": "ireland",
    "polish": "poland", "scottish": "scotland", "spanish": "spain", "swedish": "sweden", "swiss": "switzerland",
    "turkish": "turkey", "welsh": "wales",
}  # fmt: skip

NUMBERS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18,
    "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
    "dozen": 12,
}  # fmt: skip
SCALES = {"hundred": 100, "thousand": 1000, "lakh": 100_000, "lakhs": 100_000, "lac": 100_000, "lacs": 100_000, "million": 1_000_000, "crore": 10_000_000, "crores": 10_000_000, "billion": 1_000_000_000}  # fmt: skip
SHORT_SCALES = {"k": 1000, "m": 1_000_000, "mn": 1_000_000, "l": 100_000, "lakh": 100_000, "lac": 100_000, "cr": 10_000_000, "crore": 10_000_000, "b": 1_000_000_000, "bn": 1_000_000_000}  # fmt: skip
_CODES = "chf sek nok dkk nzd hkd zar brl mxn krw cny thb idr myr php pln czk huf ngn kes egp sar qar bdt pkr lkr npr".split()
CURRENCIES = {**{code: code.upper() for code in _CODES},
    "₹": "INR", "rs": "INR", "rs.": "INR", "inr": "INR", "rupees": "INR", "rupee": "INR", "$": "USD", "usd": "USD", "dollars": "USD", "dollar": "USD",
    "bucks": "USD", "€": "EUR", "eur": "EUR", "euros": "EUR", "euro": "EUR", "£": "GBP", "gbp": "GBP", "pounds": "GBP", "pound": "GBP", "quid": "GBP",
    "¥": "JPY", "jpy": "JPY", "yen": "JPY", "aed": "AED", "dirhams": "AED", "dirham": "AED", **{code: code.upper() for code in _CODES}, "aud": "AUD", "cad": "CAD", "sgd": "SGD",
}  # fmt: skip

# Comparison words before a number.
COMPARISONS: dict[str, str] = {
    "over": ">", "above": ">", "more than": ">", "greater than": ">", "exceeding": ">", "exceeds": ">", "exceed": ">", "exceeded": ">", "higher than": ">",
    "larger than": ">", "bigger than": ">", "upwards of": ">", "in excess of": ">", ">": ">", "north of": ">", "costlier than": ">", "pricier than": ">",
    "more expensive than": ">", "longer than": ">", "beyond": ">", "better than": ">", "crossing": ">", "crosses": ">", "crossed": ">",
    "under": "<", "below": "<", "less than": "<", "fewer than": "<", "lower than": "<", "smaller than": "<", "cheaper than": "<", "<": "<", "shorter than": "<",
    "at least": ">=", "minimum": ">=", "minimum of": ">=", "a minimum of": ">=", "min": ">=", "no less than": ">=", "no fewer than": ">=", "not less than": ">=", ">=": ">=", "=>": ">=", "≥": ">=",
    "starting at": ">=", "not fewer than": ">=", "atleast": ">=",
    "at most": "<=", "up to": "<=", "upto": "<=", "no more than": "<=", "not more than": "<=", "maximum": "<=", "maximum of": "<=", "a maximum of": "<=", "max": "<=", "<=": "<=", "=<": "<=", "≤": "<=",
    "not exceeding": "<=", "atmost": "<=", "not over": "<=", "not above": "<=",
    "exactly": "=", "precisely": "=", "equal to": "=", "equals": "=", "=": "=", "==": "=", "only": "=", "just": "=", "exactly equal to": "=",
}  # fmt: skip
EACH = frozenset({"each", "apiece", "a piece", "per item", "worth", "in value", "in size", "in amount"})  # no sums
SUMS = frozenset({"totalling", "totaling", "amounting to", "for a total of"})  # of several things, all together
VAGUE = frozenset(
    """recently recent many few several lots lot big large loyal frequent frequently often rarely sometimes regularly regular heavy
    high low engaged valuable best worst good bad premium active dormant soon latest lately mostly-active popular expensive
    cheap huge small enough plenty numerous occasional occasionally vip whales whale couple handful""".split()
)
# Of these, what is no name of anything, though a key stands behind it: "several brands", "a popular route".
NO_NAMES = frozenset(
    """many few several various lots lot plenty enough numerous couple handful popular cheap expensive good bad best worst
    recent latest frequent""".split()
)

SILENT = frozenset('. … - " ` ´ : ;'.split())
