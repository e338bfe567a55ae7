"""This unit says what a model that only stands in for one answers: a test double.

    Double(answers, options)    scripted answers, in order, by pattern or by a function
    Answer                      one of them: text, data, tool calls, or a failure

Nothing here knows a model library; `scripted` makes a model of a double.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import BadArgument, HostFailure, LlmspellError, ProviderFailure, near_miss
from ..llm.failures import FAILURES

MAX_ANSWERS = 10_000
MAX_CALLS = 100
"""Questions a double remembers, and characters of each."""

MAX_QUESTION = 2000
ANSWER = 1000
"""Bytes that an answer, or a double that asks a function, is counted as besides its text."""

LONGEST_PAUSE = 3600.0

CODES = {row.code: row.retryable for row in FAILURES.values()}
"""Every code a provider fails with, and whether trying again may help."""

STATUSES = {401: "key_refused", 402: "quota", 403: "key_refused", 404: "model_unknown",
            408: "timeout", 429: "rate_limited"}  # fmt: skip
"""HTTP statuses that mean something of their own: others below 500 are "rejected"."""


@dataclass(frozen=True, slots=True)
class MockCall:
    """A tool that a double wants to be called.

    name: the tool.
    args: its arguments.
    """

    name: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a double: text, data, tool calls, or a failure.

    text: what it says.
    data: what it gives where structured output is asked for; else the same as JSON text.
    tool_calls: the tools it wants to be called.
    error: the code it fails with, such as "rate_limited" or "server_error".
    status: the HTTP status it fails with, instead of a code.
    message: what the failure says.
    retry_after: seconds after which a failed request may be made again.
    match: what the question must hold for this answer, * stands for anything; such an answer is
        given any number of times, the others once each and in order.
    latency: seconds before it comes.
    input_tokens: tokens it says were sent; a guess without.
    output_tokens: tokens it says were received; a guess without.
    """

    text: str | None = None
    data: Any = None
    tool_calls: list[MockCall] = field(default_factory=list)
    error: str | None = None
    status: int | None = None
    message: str | None = None
    retry_after: float | None = None
    match: str | None = None
    latency: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    def __post_init__(self) -> None:
        """Refuses what no provider does."""
        if self.error is not None and self.error not in CODES:
            raise ValueError(f"error {self.error!r} is no code{near_miss(self.error, CODES)}")
        if self.status is not None and not 400 <= self.status <= 599:
            raise ValueError(f"status must be from 400 to 599, got {self.status}")
        for name in ("retry_after", "latency"):
            if not 0 <= (getattr(self, name) or 0) <= LONGEST_PAUSE:
                raise ValueError(f"{name} must be from 0 to {LONGEST_PAUSE:g} seconds")
        for name in ("input_tokens", "output_tokens"):
            if not 0 <= (getattr(self, name) or 0) <= 10**9:
                raise ValueError(f"{name} must be from 0 to a billion")

    @property
    def code(self) -> str | None:
        """The code it fails with; None when it does not fail."""
        if self.status is None:
            return self.error
        return STATUSES.get(self.status) or ("server_error" if self.status >= 500 else "rejected")

    def fail(self, model: str) -> None:
        """Raises its failure, if it is one."""
        if self.code is None:
            return
        what = f"with status {self.status}" if self.status else f"with {self.code}"
        text = self.message or f"{model} fails {what}, as it was told to"
        failure = ProviderFailure(text, code=self.code, retryable=CODES[self.code])
        if self.retry_after is not None:
            failure.details = {"context": {"retry_after": self.retry_after}}
        raise failure


@dataclass(frozen=True, slots=True)
class DoubleOptions:
    """How a double answers.

    latency: seconds before each answer.
    chunk_delay: seconds between the words of a stream.
    cycle: whether it starts again with the first answer after the last.
    """

    latency: float = 0.0
    chunk_delay: float = 0.0
    cycle: bool = False

    def __post_init__(self) -> None:
        """Refuses pauses that nobody would wait for."""
        for name in ("latency", "chunk_delay"):
            if not 0 <= getattr(self, name) <= LONGEST_PAUSE:
                raise ValueError(f"{name} must be from 0 to {LONGEST_PAUSE:g} seconds")


@dataclass(frozen=True, slots=True)
class Question:
    """What a double was asked.

    prompt: the last that the user has said.
    system: the instructions above it.
    messages: the conversation, oldest first: role and content of each.
    tools: names of the tools offered.
    call: the number of the question, from 1.
    """

    prompt: str
    system: str
    messages: list[dict[str, str]]
    tools: list[str]
    call: int


Given = str | Answer
Respond = Callable[[Question], Given | Awaitable[Given]]


class Double:
    """A model's stand-in: scripted answers, or a function that gives them.

    size: bytes that it is counted as, while it is kept.
    """

    def __init__(
        self, answers: Sequence[Given] | Respond, options: DoubleOptions = DoubleOptions()
    ) -> None:
        self.options = options
        self.asked = 0
        self.calls: deque[str] = deque(maxlen=MAX_CALLS)
        self._respond = answers if callable(answers) else None
        given = [] if callable(answers) else [_answer(item) for item in answers]
        if not callable(answers) and not 1 <= len(given) <= MAX_ANSWERS:
            raise BadArgument(f"answers must be a list of 1 to {MAX_ANSWERS}, or a function")
        self._rules = [item for item in given if item.match is not None]
        self._turns = [item for item in given if item.match is None]
        self._next = 0
        self.size = ANSWER + sum(ANSWER + len(str(answer)) for answer in given)

    async def answer(self, model: str, question: Question) -> Answer:
        """The answer to one question. Raises HostFailure when there is none left."""
        self.asked += 1
        self.calls.append(question.prompt[:MAX_QUESTION])
        if self._respond is not None:
            try:
                given = self._respond(question)
                return _answer(given if isinstance(given, str | Answer) else await given)
            except LlmspellError:
                raise
            except Exception as error:
                told = f"{model}: its function has failed: {type(error).__name__}: {error}"
                raise HostFailure(told, code="mock") from error
        for rule in self._rules:
            if matches(rule.match or "", question.prompt):
                return rule
        if self._next >= len(self._turns) and self.options.cycle:
            self._next = 0
        if self._next >= len(self._turns):
            count = len(self._turns)
            given = f"all of its answers were given ({count})"
            had = given if count else "no pattern fits the question"
            raise HostFailure(f"{model} has no answer: {had}", code="no_answer")
        self._next += 1
        return self._turns[self._next - 1]

    def reset(self) -> None:
        """Starts again with the first answer, and forgets what it was asked."""
        self._next = self.asked = 0
        self.calls.clear()


def matches(pattern: str, text: str) -> bool:
    """Whether a text holds a pattern, in which * stands for anything. Takes linear time."""
    place = 0
    for part in pattern.split("*"):
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return True


def _answer(given: Any) -> Answer:
    if isinstance(given, str):
        return Answer(text=given)
    if not isinstance(given, Answer):
        raise BadArgument(f"an answer must be text or an Answer, got {type(given).__name__}")
    return given
