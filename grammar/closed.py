"""The closed classes: each function word or set phrase with the categories that it can have in the grammar.

Category first, then its phrases; a phrase in several rows has several categories and the grammar chooses. `FILL` is a
declared filler: it may stand anywhere and changes nothing. A word that is in no row is no closed-class word.
"""

from __future__ import annotations

from typing import Any

_ROWS: tuple[tuple[str, Any, str], ...] = (
    # people
    (
        "CONTACT",
        None,
        """user|users|customer|customers|people|person|persons|visitor|visitors|shopper|shoppers|member|members|contact|contacts|client|clients|folks|folk
        |account|accounts|traveller|travellers|traveler|travelers|anyone|anybody|everybody|everyone|those|someone|somebody|ppl|individuals|individual|guys
        |account holders|account holder|account owners|consumers|consumer|audience|profiles|profile|guests|guest|those people|those users|those customers|the ones|ones""",
    ),
    ("BUYERS", None, "buyer|buyers|purchaser|purchasers"),
    ("SPENDERS", None, "spenders|spender|spending customers|spending customer|spending users|spending user|spending members|spending member|spending people|spending shoppers|spending clients|spending contacts"),
    ("GENDER", "female", "women|woman|female|females|ladies|lady|girls"),
    ("GENDER", "male", "men|man|male|males|gents|gentlemen|guys|boys"),
    # relatives
    ("WHO", None, "who|all who|all that|that|which|who all|and who|whoever|who also|where they|such that they|they|he|she"),
    ("WHOSE", None, "whose|with their|where their|where the user 's|where the|whose own"),
    ("BYWHOM", None, "by whom|from whom|for whom"),
    ("PRON", None, "they|he|she|it|them"),
    # auxiliaries
    ("HAVE", None, "have|has|had|holds|hold|own|owns"),
    ("BE", None, "is|are|was|were|be|been|being|am|falls|fell|fall|lies|lie"),
    ("DO", None, "do|does|did"),
    ("GOT", None, "got|gets|get|getting"),
    ("MODAL", None, "would|will|can|could"),
    ("NEG", ("simple", "not"), "did not|do not|does not|didnt|dont|doesnt"),
    ("NEG", ("perfect", "not"), "have not|has not|had not|have not been|has not been|had not been|havent|hasnt|have n't|have yet to|has yet to|are yet to|is yet to"),
    ("NEG", ("be", "not"), "is not|are not|was not|were not|isnt|arent|wasnt|werent"),
    ("NEG", ("bare", "not"), "not|nt|nor"),
    ("NEG", ("simple", "never"), "never|never ever|did not ever|didnt ever|at no point|not once"),
    ("NEG", ("perfect", "never"), "have never|has never|had never|have never been|has never been|have never ever|have not ever|has not ever|haven't ever|have not once|has not once"),
    ("NEG", ("be", "not"), "!=|<>|≠"),
    ("NEG", ("be", "never"), "was never|were never|is never|are never"),
    # links
    ("AND", None, "and|&|plus|and also|as well as|along with"),
    ("OR", None, "or|and / or|or else|or alternatively"),
    ("BUT", None, "but|yet|though|although|however|and yet|while|whereas"),
    ("COMMA", None, ",|;"),
    ("EITHER", None, "either"),
    ("NEITHER", None, "neither"),
    ("NOR", None, "nor"),
    ("ALSO", None, "also|still|even|too|then also"),
    ("BOTH", None, "both"),
    ("LATER", None, "later|afterwards|afterward|later on|thereafter|subsequently|after that|eventually"),
    ("NOTHING", None, "nothing|nothing at all"),
    ("NOTHING", "one", "none|none at all"),
    ("THEN", None, "then|followed by|later|subsequently|afterwards|after that|next|thereafter|ultimately|eventually|later on"),
    ("AFTER", None, "after|after who have|once"),
    ("BEFORE", None, "before|prior to|before they|before ever"),
    ("SINCE", None, "since|ever since|following"),
    ("ONDAY", None, "on the day|on the day that|on the day when|on the day of|the day|the day that|the day when|the day of|on the same day|on the same day that|on the same day as|the same day|the same day that|the same day as|same day|same day as|on the very day|on the very day that|on the date of|on the date that"),
    ("WITHOUT", None, "without|w / o|lacking"),
    ("WITH", None, "with|containing|w /"),
    ("ACTIVEADJ", None, "active"),
    ("ACTIVEADJ", "day", "daily active"),
    ("ACTIVEADJ", "week", "weekly active"),
    ("ACTIVEADJ", "month", "monthly active"),
    ("ACTIVES", "day", "dau|daus"),
    ("ACTIVES", "week", "wau|waus"),
    ("ACTIVES", "month", "mau|maus"),
    ("OUTSIDE", None, "outside|outside of"),
    ("THERE", None, "there"),
    ("BORN", None, "born"),
    ("ONE", None, "one|any"),
    ("HOWMUCH", None, "how much|how much money"),
    ("AGEST", "oldest", "oldest|eldest"),
    ("AGEST", "youngest", "youngest"),
    ("NEWEST", "newest", "newest"),
    ("EACHOF", None, "each|every"),
    ("ANYOF", "or", "any of|one of|either of|any one of|at least one of|one or more of"),
    ("ANYOF", "and", "all of|each of"),
    ("NONEOF", None, "none of"),
    ("AS", None, "as|as their"),
    ("EXCEPT", None, "except|excluding|other than|apart from|but not|except for|besides|leaving out|barring|minus|aside from|exclude"),
    ("LP", None, "("),
    ("RP", None, ")"),
    ("COLON", None, ":|-"),
    # light verbs and references
    (
        "GENV",
        None,
        """performed|perform|performs|performing|did|do|done|doing|completed|complete|completes|completing|triggered|trigger|triggers|fired|fire|made|make|makes|making|engaged in|engage in|engages in
        |went through|experienced|recorded|underwent|carried out""",
    ),
    (  # these take a noun that tells what was done, not of what: "placed a booking"
        "GENV",
        "act",
        """placed|place|places|placing|gave|give|given|took|take|taken|taking|raised|raise|opened|open|paid|went for|logged|generated|generate
        |sent|send|used|use|filed|file|submitted|submit|ran|attempted|attempt|registered|initiated|initiate|posted|post|left|leave|wrote|write|written""",
    ),
    ("GENV", "other way", "got|get|gotten|received|receive"),
    ("THING", "product", "product|products|item|items|unit|units|piece|pieces|goods|good|line item|line items|merchandise|article|articles"),
    ("THING", "any", "something|anything|stuff|things|thing|any product|any products|any item|any items|some product|a product|one product|some products|nothing else"),
    ("ANYEVENTS", None, "events|actions|activities|interactions|event|activity"),
    ("REF", None, "it|them|that product|this product|that item|that one|those products|those items|these products|that very product|that"),
    ("SAME", None, "the same|that same|same|this same|the very same|that very"),
    ("THAT", None, "this|that|these|those"),
    ("ANOTHER", None, "another one|another|again a|a further|one more|a second|another such"),
    ("AGAIN", None, "again|once again|yet again|once more|one more time|a second time|for a second time"),
    ("DISTINCT", None, "different|distinct|unique|separate|various different"),
    ("NONE", None, "no|zero|0|not a single|not any|nil|without any|without a single|not even one|none of the|no single"),
    ("SINGLE", None, "a single|just one|one single|only one|exactly one"),
    # prepositions, by sense
    ("IN", None, "in|inside|within|at|across"),
    ("FROM", None, "from|based in|residing in|located in|out of|in from"),
    ("LIVEIN", None, "living in|lives in|live in|lived in|based out of|residing in|resides in|reside in|located in|based in|based at|hailing from|coming from|belonging to"),
    ("TO", None, "to|into|towards|toward|onto"),
    ("ON", None, "on|upon"),
    ("VIA", None, "via|through|using|thru|by means of|by way of|by using|with the help of"),
    ("FOR", None, "for|regarding|concerning"),
    ("ABOUT", None, "about|around|regarding|concerning|on the topic of"),
    ("OF", None, "of|among|amongst"),
    ("BY", None, "by|by which"),
    ("DUE", None, "due to|because of|owing to|on account of"),
    ("AT", None, "at"),
    ("WHERE", None, "where|where the|in which|in which the|of which|of which the|for which|for which the|when|such that|such that the|wherein"),
    ("INONE", None, "in one order|in a single order|in one go|in the same order|in one purchase|in a single purchase|at once|at a time|at one time|in one transaction|in a single transaction|in an order|together|in the same purchase|in the same transaction|in the very same order|in the same basket"),
    # conditions on a value
    ("EQ", None, "equal to|equals|=|==|equal|set to|as|of|matching|named|called|being|exactly|namely|marked|marked as|listed as|one of|any of|either of|any one of|among"),
    ("CONTAINS", None, "contains|contain|containing|includes|include|included|including|contained|has the word|having the word|with the word|mentions|mention|mentioning|matches"),
    ("STARTS", None, "starts with|start with|starting with|begins with|begin with|beginning with|started with"),
    ("ENDS", None, "ends with|end with|ending with|ends in|end in|ending in|ended with"),
    ("MISSING", None, "missing|unknown|not set|empty|blank|absent|not known|null|not given|not provided|unset|undefined|not specified|not available"),
    ("PRESENT", None, "set|known|present|given|provided|available|filled|filled in|specified|on file"),
    ("TRUTH", True, "true|yes|on|enabled"),
    ("TRUTH", False, "false|no|off|disabled"),
    ("NAMED", None, "named|called|by the name of|by the name|with the name|whose name is|goes by"),
    ("TAGGED", None, "tagged|tagged as|tagged with|labelled|labeled|with the tag|with tag|with the tags|having the tag|who are tagged|labelled as|labeled as"),
    ("BIRTHDAY", None, "birthday|birthdays|birth day|birthday is|birthday falls|birthday comes|bday"),
    ("PRICED", None, "priced|costing|worth|priced at|that costs|that cost|which costs|costs|valued at|of|valued|with a price|with a price of|with price|at a price|at a price of|of value|with a value of|whose price is|for|that was|for a total of|totalling|totaling|amounting to|with a total of|with a total"),
    # measures
    ("DURWORD", None, "watch time|play time|playtime|listening time|viewing time|session time|duration|time spent|watching time|playing time"),
    ("SPENT", None, "spent|spend|spends|spending|have spent|paid|shelled out|splurged"),
    ("SPEND", "spend", "spend|total spend|spending|total spending|revenue|total revenue|sales|total sales|overall spend|overall revenue|total amount spent|amount spent|total purchase value|money spent|total money spent"),
    ("SPEND", "lifetime", "lifetime value|ltv|lifetime spend|lifetime revenue|clv|customer lifetime value|total lifetime value|total lifetime spend"),
    ("SPEND", "net", "net spend|net revenue|total net spend|spend net of refunds|net sales|net spending"),
    ("UNITS", None, "units sold|units|quantity sold|number of units sold|number of units|items sold|number of items sold|products sold|sales volume|volume sold|units bought|quantity bought|units ordered"),
    ("SOLD", None, "sold"),
    ("BESTSOLD", None, "best selling|bestselling|top selling|most sold|highest selling|best - selling|top - selling|most bought|most purchased|most ordered"),
    ("SELLBEST", None, "sell best|sells best|sold best|sell the best|sells the best|sold the best|sell most|sells most|sold most|sell the most|sells the most|sold the most"),
    ("COMEFROM", None, "come from|live in|belong to|reside in|hail from"),
    ("USED", None, "used|use"),
    ("AOV", "average", "average order value|aov|average order|avg order value|average order size|mean order value|avg order|average basket|average basket value|average order amount|average order total|avg order total|mean order"),
    ("AOV", "highest", "largest order|biggest order|highest order|largest order value|highest order value|biggest order value|max order value|most expensive order|largest single order|biggest single order|maximum order value|largest purchase|biggest purchase|maximum order|highest order total|largest order total|costliest order"),
    ("AOV", "lowest", "smallest order|lowest order|smallest order value|lowest order value|cheapest order|minimum order value|min order value|smallest purchase|smallest single order"),
    ("AGG", "total", "total|sum of|sum|total of|combined|cumulative|overall|aggregate|sum total of|lifetime|totalled|added up"),
    ("AGG", "average", "average|avg|mean|average of|avg.|typical|mean of"),
    ("AGG", "highest", "highest|maximum|max|largest|biggest|greatest|top|peak|best|longest|most expensive|maximum of"),
    ("AGG", "lowest", "lowest|minimum|min|smallest|least|worst|shortest|cheapest|minimum of"),
    ("DAYSSINCE", ("last", "day"), "days since last|days since their last|days since the last|days since their most recent|days since most recent|days since latest"),
    ("DAYSSINCE", ("first", "day"), "days since first|days since their first|days since the first"),
    ("COUNTOF", None, "number of|count of|total number of|total count of|no. of|no of|# of|the number of|amount of times they"),
    ("COUNTW", None, "count|counts"),
    ("GENERATE", None, "brought in|bring in|generated|brought|made|produced|contributed|given us|gave us|yielded|accounted for"),
    ("MONEYNOUN", None, "total|in total|overall|altogether|all together|in all|in revenue|in sales|of revenue|worth|in value|each|in spend|all told|apiece|per item|combined|a piece|in size|of spend|in amount"),
    # first, last, lapsed
    ("FIRST", None, "first|first ever|very first|earliest|first time|for the first time|initial"),
    ("LASTEV", None, "last|latest|most recent|most recently|final|very last|last time|last ever"),
    ("REPEAT", 2, "repeat|returning|multi time|multiple time"),
    ("REPEAT", 1, "one time|single time|onetime|one off|single purchase|single order|1 time|one order"),
    ("NEWW", None, "new|first time|brand new"),
    ("LAPSED", None, "lapsed|churned|lapsing"),
    ("INACTIVE", None, "inactive|not active|dormant|gone quiet|idle|no activity|silent|with no activity|without any activity|without activity|not been active|not been seen|not seen|no events|with no events|without any events|no event|with no event|without any event|no event at all|with no event at all|no events at all|with no events at all|not done anything|done nothing|did nothing|not do anything|no activity at all|without a single event|with zero events|zero events|not a single event|been inactive|gone silent"),
    ("ACTIVE", None, "active|active on the app|active on our app|active in the app|active on the platform|active on our platform|active in the product|was active|were active|been active|seen|was seen|were seen|been seen|did anything|done anything|do anything|used the app|used our app|opened the app|open the app|opened our app|were on the app|was on the app|been on the app|on the app|on the platform|used the platform|used the product|used our product|use the app|use the product|use the platform|interacted with us|interact with us|engaged with us|engage with us|interacted with the brand|engaged with the brand|engaged with our brand|interacted with our brand|any activity|had any activity|did something|do something|any event|any events|some activity|used our platform|opened the product|opened the platform|opened our platform|were online|was online|showed any activity|visited us|visit us|did any event"),
    ("CAMEBACK", None, "came back|come back|returned|return|coming back|returning|back|got back"),
    ("AWAY", None, "away|of absence|of inactivity|without activity|of silence|off|of being away|without any activity|being away|being inactive|inactive|gap|break|of no activity"),
    ("STOPPED", None, "stopped|quit|ceased|gave up|no longer|stop"),
    # habit
    ("FAV", "favourite", "favourite|favorite|preferred|most bought|most purchased|most ordered|top|most frequently bought|most often bought|usual"),
    ("MOST", None, "most|most often|most frequently|most commonly"),
    ("LEAST", None, "least|fewest|least often|least frequently"),
    ("MOSTLY", None, "mostly|mainly|primarily|predominantly|usually|largely|chiefly"),
    ("ONLY", None, "only|always|exclusively|only ever|solely|invariably|purely|nothing but|nothing except|nothing other than"),
    # what is asked for
    ("HOWTIMES", None, "how many times|how often|the number of times|number of times"),
    ("HOWMANY", None, "how many|count|count of|number of|the number of|count the|the count of|what is the number of|total number of|what number of|the total number of|how many of the|how many of|how many of our|give me the number of|count how many|tell me how many|show me how many|give me a count of|the number|what count of|count up|a count of|get the count of|get the number of|get a count of"),
    ("OUTOF", None, "of|out of|among|amongst|from among"),
    ("PCT", None, "what percentage of|what percent of|what share of|what % of|percentage of|percent of|share of|the percentage of|the share of|what proportion of|proportion of|what fraction of|% of|what percentage of our|what percentage of the|what percent of our|what percent of the|what share of our|what share of the|what % of our|what % of the|what proportion of our|what proportion of the|what is the percentage of|what is the share of|the percent of"),
    ("PER", None, "by|per|for each|broken down by|break down by|breakdown by|split by|grouped by|group by|by each|in each|for every|segmented by|broken out by|bucketed by|break it down by|break them down by|broken up by|split up by|across each|divided by|broken by|break down per|breakdown per|and break down by|and group by|and break them down by|and split by|wise by|and break it down by|by their|per each|broken down per|split across|from each|from every"),
    ("TIMEPART", "day", "day|date|calendar day"),
    ("TIMEPART", "week", "week|calendar week"),
    ("TIMEPART", "month", "month|calendar month"),
    ("TIMEPART", "quarter", "quarter|calendar quarter"),
    ("TIMEPART", "year", "year|calendar year"),
    ("TIMEPART", "day of the week", "day of week|day of the week|weekday"),
    ("TIMEPART", "hour of the day", "hour of day|hour of the day|time of day|time of the day"),
    ("EACHPART", "day", "each day|every day|in each day|on each day|on every day"),
    ("EACHPART", "week", "each week|every week|in each week|in every week"),
    ("EACHPART", "month", "each month|every month|in each month|in every month"),
    ("EACHPART", "quarter", "each quarter|every quarter|in each quarter|in every quarter"),
    ("EACHPART", "year", "each year|every year|in each year|in every year"),
    ("TIMELY", "day", "daily|day wise|daywise"),
    ("TIMELY", "week", "weekly|week wise|weekwise"),
    ("TIMELY", "month", "monthly|month wise|monthwise"),
    ("TIMELY", "quarter", "quarterly"),
    ("TIMELY", "year", "yearly|annual|year wise|yearwise"),
    ("VERSUS", None, "vs|versus|vs.|compared to|compared with|against"),
    ("SORT", None, "sorted by|sort by|ordered by|order by|sort them by|order them by|ranked by|sorted on|sort on|rank by|arranged by|arrange by|sort the result by|sorting by|listed by|rank them by|in order of|and sort by|and sort them by|and order by|order the result by|sorted in order of"),
    ("DIRECTION", "desc", "descending|desc|highest first|largest first|high to low|in descending order|biggest first|from highest to lowest|descending order|most first|largest to smallest|top first|z to a|reverse order|from high to low|from largest to smallest|in reverse order"),
    ("DIRECTION", "asc", "ascending|asc|lowest first|smallest first|low to high|in ascending order|from lowest to highest|ascending order|smallest to largest|a to z|alphabetically|in alphabetical order|from low to high|from a to z|least first"),
    ("DIRECTION", "newest", "newest first|from newest to oldest|newest to oldest|latest first|most recent first"),
    ("DIRECTION", "earliest", "earliest first|from oldest to newest|oldest to newest"),
    ("DIRECTION", "oldest", "oldest first|eldest first|youngest last|from oldest to youngest|oldest to youngest"),
    ("DIRECTION", "youngest", "youngest first|oldest last|from youngest to oldest|youngest to oldest"),
    ("DATEW", None, "date|time|day|timestamp|date and time"),
    ("SHOW", None, "show|and show|with their|along with their|showing|and list|with columns|including their|together with their|together with|show me|along with|and show their|and show me their|and give|and give me|display|and display|and include|plus their|and return"),
    ("MORE", ">", "more|greater|higher|larger|bigger"),
    ("MORE", "<", "less|fewer|lower|smaller"),
    ("OFTEN", None, "often|times|frequently|of|money|in total|overall|on|"),
    ("THAN", None, "than|than they did|than the"),
    ("NOFALL", "all", "all of|all of the following|every one of|each of|all these|all of these|all :|meeting all of"),
    ("NOFALL", "any", "any of|any of the following|at least one of|one or more of|any one of|any of these|either of|one of"),
    ("NOFALL", "none", "none of|none of the following|none of these|not any of"),
    ("MATCHING", None, "matching|meeting|meet|match|who match|who meet|satisfying|satisfy|who satisfy|fulfilling|that match|that meet|with|who did|who have done|doing|who have|did"),
    ("AVGOVER", None, "above average|above the average|over average|over the average|more than average|more than the average|higher than average|higher than the average|above avg|greater than average|better than average|above - average"),
    ("AVGUNDER", None, "below average|below the average|under average|less than average|less than the average|lower than average|below avg|lower than the average|under the average"),
    ("AVGCONTACT", None, "than the average customer|than the average user|than the average contact|than average|than an average customer|than the average member|than the average client|than the average person|than the average shopper|than the average buyer|than the average account|than the typical customer|than other customers on average"),
    ("ABANDON", None, "abandoned cart|abandoned carts|abandoned their cart|abandoned their carts|abandoned a cart|abandoned the cart|abandon their cart|abandon a cart|abandoned their shopping cart|abandoned a shopping cart|abandoned checkout cart|abandon the cart|abandoning their cart|abandoned their basket|abandoned a basket|abandoned the basket|left their cart|left items in their cart|left something in their cart|abandon cart|abandon carts|abandoning a cart|had an abandoned cart|have an abandoned cart|left a cart|with an abandoned cart|with abandoned carts"),
    ("ABANDONER", None, "cart abandoners|cart abandoner|basket abandoners|abandoners of carts|abandoned cart users|abandoned cart"),
    ("TOTALLY", None, "in total|a total of|overall|altogether|in all|all told|combined|all together"),
    ("POSS", None, "'|'s"),
    # declared fillers
    (
        "FILL",
        None,
        """the|a|an|any|all|all the|please|pls|plz|kindly|our|their|his|her|my|your|some|really|actually|basically|well|hey|hi|hello|ok|okay
        |thanks|thank you|thx|thanks team|thank you team|hi team|hey team|hello team|for me|for us|whatsoever|list of|the list of|a list of|at all|um|uh|us|me|hi there|hey there|hello there|asap|-|.|are there|do we have|we have|there are|that we have|did we have|in our database|in the database|in our store""",
    ),
)  # fmt: skip

CLOSED: dict[str, list[tuple[str, Any]]] = {}
for _category, _meaning, _phrases in _ROWS:
    for _phrase in _phrases.split("|"):
        _words = " ".join(_phrase.split())
        if _words and (_category, _meaning) not in CLOSED.setdefault(_words, []):
            CLOSED[_words].append((_category, _meaning))
CLOSED_LONGEST = max(len(words.split()) for words in CLOSED)

LEADS = frozenset(
    """hi hey hello team please pls plz kindly can could would will you u i we need want like to see get give me us show list find
    am search searching fetch pull select identify retrieve share include segment let out up tell display return export all the of a an just
    my our know who's looking for what which are is was were do does don't also so ok okay now quickly quick
    create build set grab lookup look generate everyone's dear sir thanks thank help must should wanna
    gimme every i'd we'd i'm we're trying interested in those these any whole entire complete full down bring provide break down
    hand over split breakdown print them that 've target reach send someone anyone somebody anybody""".split()
)  # fmt: skip

# Of these, a word of what could be is addressed to us ("could you", "I would like"), or it is said of the contacts.
MODAL_LEADS = frozenset("can could will would should must".split())
ADDRESSED = frozenset("i we you u please pls plz kindly someone anyone somebody anybody".split())

# A preposition belongs to the opening words only behind one of its own verbs.
LEAD_PAIRS: dict[str, frozenset[str]] = {
    "for": frozenset({"looking", "look", "search", "searching"}),
    "am": frozenset({"i"}),
    "of": frozenset({"which", "any", "some", "all", "list", "set", "segment", "ids", "names", "full", "breakdown"}),
    "over": frozenset({"hand", "give", "bring", "send"}),
    "out": frozenset({"print", "find", "pull", "give", "look"}),
    "up": frozenset({"pull", "look", "bring"}),
    "down": frozenset({"break"}),
    "in": frozenset({"interested"}),
    "target": frozenset({"to"}),
    "reach": frozenset({"to"}),
    "to": frozenset({"want", "need", "like", "trying", "have"}),
    **dict.fromkeys(("someone", "anyone", "somebody", "anybody"), MODAL_LEADS),
}

# Of these, a word that is a noun too asks only where nothing else has asked before it.
NOUN_LEADS = frozenset("print search return export display look".split())

# Of these, a word that the phonebook holds as a value is that value.
CONTENT_LEADS = frozenset(
    "team full complete entire whole dear quick set build create display include segment share".split()
)
