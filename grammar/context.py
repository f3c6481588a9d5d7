"""What one run over a tree carries: the names of the phonebook, its choice points, what is said beside the answer, and
the window at the head of the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from grammar.draft import EventDraft, Part, Tree, refusal
from grammar.event_drafts import plain
from grammar.events import Mention, resolve_mention
from grammar.mentions import Edge
from grammar.query import ALWAYS, AT_LEAST_ONCE, Condition, Events, Preceding, Rolling, Window
from grammar.values import Names
from grammar.when import merge

T = TypeVar("T")


class Choices:
    """Choice points by replay: a tree is resolved once for each path through the choices it meets."""

    def __init__(self) -> None:
        self.script: list[int] = []
        self.sizes: list[int] = []
        self.met = 0
        self.words: list[str] = []

    def choose(self, options: Sequence[T], words: str) -> T:
        """One of the options; the others on later runs."""
        if len(options) == 1:
            return options[0]
        if self.met == len(self.script):
            self.script.append(0)
            self.sizes.append(len(options))
        chosen = options[self.script[self.met]]
        self.met += 1
        self.words.append(words)
        return chosen

    def next(self) -> bool:
        """Whether there is another path; prepares it."""
        while self.script and self.script[-1] + 1 >= self.sizes[-1]:
            self.script.pop()
            self.sizes.pop()
        self.met, self.words = 0, []
        if not self.script:
            return False
        self.script[-1] += 1
        return True


@dataclass(frozen=True, slots=True)
class Head:
    """The window at the head of the question, for what has none of its own; `used` is filled when it is taken."""

    window: Window = ALWAYS
    used: list[None] = field(default_factory=list, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Context:
    """One run over one tree. `warnings` is filled as it goes; `counting`: contacts are counted, so that a time alone
    says that they did anything in it. `before`: whom the question before was about, for one that leans on it."""

    names: Names
    choices: Choices
    warnings: list[str] = field(default_factory=list)
    head: Head = Head()
    counting: bool = False
    before: Condition | None = None

    def text(self, part: Part) -> str:
        """The question's own words that a part stands for."""
        return self.names.text(part)

    def choose(self, options: Sequence[T], words: str) -> T:
        """One of the options that these words leave open; each makes a reading."""
        return self.choices.choose(options, words)

    def window(self, edge: Edge) -> Window:
        """The window of a WIN edge; its readings are a choice."""
        if edge.category == "FUTURE":
            raise refusal(edge, "The future is not known.", "unsupported")
        readings: tuple[Window, ...] = edge.meaning
        return self.choose(readings, self.text(edge))

    def span_window(self, edge: Edge) -> Window:
        """A window, or the last so much that a length of time stands for."""
        return self.window(edge) if edge.category == "WIN" else Window(Rolling(edge.meaning.span))

    def each_window(self, edge: Edge) -> list[Window]:
        """The several windows of "in June or July"."""
        return [self.choose(readings, self.text(edge)) for readings in edge.meaning]

    def two_windows(self, edges: Sequence[Edge]) -> tuple[Window, Window]:
        """Two windows that are compared: "the previous 90 days" beside others are those just before them."""
        one, other = (self.window(edge) for edge in edges)
        return _before(self.text(edges[0]), one, other), _before(self.text(edges[1]), other, one)

    def windows(self, edges: Sequence[Edge]) -> Window:
        """Several windows of one clause as one ("on weekends in 2026")."""
        window = ALWAYS
        for edge in edges:
            joined = merge(window, self.window(edge))
            if joined is None:
                raise refusal(edge, f'"{self.text(edge)}" is a second time for the same thing.')
            window = joined
        return window

    def late(self, trees: Sequence[Tree]) -> Window:
        """The window that trails a measure or rank."""
        edges: list[Edge] = []
        for tree in trees:
            edge = next(tree.edges())
            if edge.category == "EVER":
                continue
            if edge.category == "WITHIN":
                span = edge.meaning.span
                edges.append(replace(edge, category="WIN", meaning=(Window(Rolling(span)),)))
                continue
            if edge.category != "WIN":
                raise refusal(edge, f'"{self.text(edge)}" has no part here.')
            edges.append(edge)
        return self.windows(edges) if edges else self.default_window()

    def default_window(self) -> Window:
        """The window at the head of the question, for what has none of its own."""
        self.head.used.append(None)
        return self.head.window

    def mention(self, draft: EventDraft, references: bool = False, one: bool = False) -> Mention:
        """The mention's event and filters; where several are right, a choice. `references`: "it", "the same", "another"
        are taken by the caller; elsewhere they refer to nothing. `one`: none of what is right may be of several kinds
        of event, since the caller reads one."""
        found = resolve_mention(self.names, draft, self.window)
        words = self.text(draft)
        if one and any(len(mention.variants) != 1 for mention in found):
            raise refusal(draft, f'"{words}" is more than one kind of event.')
        mention = self.choose(found, words)
        if not references and (mention.refers or mention.same is not None or mention.another):
            raise refusal(draft, f'"{words}" refers to nothing before it.')
        self.warnings.extend(mention.warnings)
        return mention

    def events(self, draft: EventDraft, window: Window, *allowed: str) -> Events:
        """The one kind of event that a draft names, of which nothing counts but its filters and what is `allowed`."""
        mention = self.mention(plain(self.names, draft, *allowed), one=True)
        if mention.bound != AT_LEAST_ONCE or mention.measure != "count":
            raise refusal(draft, f'"{self.text(draft)}" is more than one kind of event.')
        if mention.profile:
            raise refusal(draft, f'Not all of "{self.text(draft)}" is said of the event.')
        return Events(mention.event, mention.variants[0], window)

    def draft_window(self, draft: EventDraft, *, rolling: bool = False, use_default: bool = True) -> Window:
        """A clause's own window, or that at the head of the question."""
        if draft.time.windows:
            window = self.windows(draft.time.windows)
            joined = merge(window, self.default_window()) if use_default and window.period is None else None
            window = joined or window  # "in 2025, who bought on weekends?"
        elif rolling and draft.time.withins:
            return Window(Rolling(draft.time.withins[0].meaning.span))
        elif draft.time.ever or not use_default:
            return ALWAYS
        else:
            return self.default_window()
        return window


def _before(words: str, window: Window, other: Window) -> Window:
    """A rolling window that is called previous lies before the other."""
    rolling = isinstance(window.period, Rolling) and isinstance(other.period, Rolling)
    if not rolling or _PREVIOUS.isdisjoint(words.casefold().split()):
        return window
    assert isinstance(window.period, Rolling) and other.period is not None
    return replace(window, period=Preceding(window.period.span, other.period))


_PREVIOUS = frozenset({"previous", "prior", "preceding"})
