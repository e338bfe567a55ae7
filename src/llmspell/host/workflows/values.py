"""What the templates and conditions of a running workflow come to. Nothing in them is executed."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ...errors import BadArgument, HostFailure
from ...values import FunctionRef, kind_of
from ..errors import run
from ..formats import templates
from .records import weight
from .steps import MAX_ITERATIONS

MAX_RENDERED = 4 * 1024 * 1024
"""Bytes of what the templates of one value come to, about."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step stands."""

    status: str = "pending"
    output: Any = None
    error: str | None = None
    attempts: int = 0


class Frame:
    """What templates mean at one place: outcomes by step, and words such as `item`."""

    def __init__(self, outcomes: ChainMap[str, Outcome], words: dict[str, Any]) -> None:
        self.outcomes = outcomes
        self.words = words

    def with_words(self, **words: Any) -> Frame:
        """The same place, with more words."""
        return Frame(self.outcomes, self.words | words)

    def apart(self, **words: Any) -> Frame:
        """A place whose outcomes are seen by nobody else, until they are taken."""
        return Frame(self.outcomes.new_child(), self.words | words)

    def take(self, others: Iterable[Frame]) -> None:
        """Has the outcomes of other places here too."""
        for other in others:
            self.outcomes.maps[0].update(other.outcomes.maps[0])


class Values:
    """The values of one run: its variables, and what is known in a frame."""

    def __init__(self, variables: dict[str, Any], handlers: Mapping[str, FunctionRef]) -> None:
        self.variables = variables
        self.handlers = handlers

    def function(self, call: str | FunctionRef) -> FunctionRef:
        """A function, or the one the handlers have under a name."""
        return self.handlers[call] if isinstance(call, str) else call

    def rendered(self, value: Any, frame: Frame) -> Any:
        """A value with its templates filled in."""
        return _Rendering(self, frame).of(value)

    def named(self, path: str, frame: Frame) -> dict[str, Any]:
        """What the first name of a path means, by that name."""
        head = path.partition(".")[0]
        if head in frame.words:
            return {head: frame.words[head]}
        if head in self.variables:
            return {head: self.variables[head]}
        outcome = frame.outcomes.get(head, Outcome())
        return {head: {"output": outcome.output, "status": outcome.status,
                       "error": outcome.error, "attempts": outcome.attempts}}  # fmt: skip

    async def items(self, over: Any, frame: Frame) -> list[Any]:
        """What a loop or a map goes over."""
        over = self.function(over["call"]) if isinstance(over, dict) else over
        found = await run(over) if isinstance(over, FunctionRef) else self.rendered(over, frame)
        found = [] if found == {} else found
        if not isinstance(found, list):
            raise HostFailure(f"`over` must give a list, got {kind_of(found)}", code="not_a_list")
        if len(found) > MAX_ITERATIONS:
            raise HostFailure(f"`over` gave more than {MAX_ITERATIONS} items", code="too_large")
        return found

    async def truth(self, condition: Any, frame: Frame) -> bool:
        """Whether a condition holds."""
        if isinstance(condition, dict) and condition.keys() == {"call"}:
            condition = self.function(condition["call"])
        if isinstance(condition, FunctionRef):
            outputs = {name: outcome.output for name, outcome in frame.outcomes.items()}
            told = {"outputs": outputs, "variables": self.variables, **frame.words}
            return (await run(condition, told)) not in (None, False)
        if not isinstance(condition, dict):
            return bool(self.looked_up(condition, frame))
        for word in ("all", "any", "none"):
            if condition.keys() == {word}:
                for part in condition[word]:
                    if await self.truth(part, frame) is not (word == "all"):
                        return word == "any"
                return word != "any"
        word = next(key for key in condition if key != "value")
        value, other = (self.looked_up(condition[key], frame) for key in ("value", word))
        return _holds(word, value, other)

    def looked_up(self, value: Any, frame: Frame) -> Any:
        """A value of a condition; nothing where a template leads nowhere."""
        with suppress(BadArgument):
            return self.rendered(value, frame)
        return None


class _Rendering:
    """Fills in the templates of one value. What it comes to is bounded as a whole."""

    def __init__(self, values: Values, frame: Frame) -> None:
        self.values = values
        self.frame = frame
        self.size = 0

    def of(self, value: Any) -> Any:
        if isinstance(value, str) and "{{" in value:
            path = templates.only_path(value)
            if path is not None:
                filled = templates.found(self.values.named(path, self.frame), path)
            else:
                known: dict[str, Any] = {}
                for path in templates.paths(value):
                    known |= self.values.named(path, self.frame)
                filled = templates.render(value, known)
            self.size += weight(filled)
            if self.size > MAX_RENDERED:
                raise HostFailure(
                    f"the templates come to more than {MAX_RENDERED} bytes", code="too_large"
                )
            return filled
        if isinstance(value, list):
            return [self.of(item) for item in value]
        if isinstance(value, dict):
            return {key: self.of(item) for key, item in value.items()}
        return value


def _same(value: Any, other: Any) -> bool:
    """Whether two values are equal; 1 is not true."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _holds(word: str, value: Any, other: Any) -> bool:
    """Whether a comparison holds; of values that cannot be compared it does not."""
    match word:
        case "equals":
            return _same(value, other)
        case "not_equals":
            return not _same(value, other)
        case "contains":
            if isinstance(value, str):
                return isinstance(other, str) and other in value
            return isinstance(value, list | dict) and any(_same(item, other) for item in value)
        case "one_of":
            return isinstance(other, list) and any(_same(value, item) for item in other)
        case "exists":
            return (value is not None) == (other is not False)
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (value, other))
    if not numbers and not (isinstance(value, str) and isinstance(other, str)):
        return False
    order: dict[str, bool] = {
        "above": value > other,
        "below": value < other,
        "at_least": value >= other,
        "at_most": value <= other,
    }
    return order[word]
