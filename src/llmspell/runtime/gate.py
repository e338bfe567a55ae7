"""The one gate: every effect of a script passes it, in this order.

    calls left? -> look up -> allowed? -> arguments fit? -> covered? -> recorded answer?
    -> trace -> do it -> result fits? -> map error

There is no second way out of a VM, so permissions, limits, budgets, tracing and replay are
written here once and hold in every language.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import (
    BadArgument,
    CapabilityError,
    FileFailure,
    HostFailure,
    LimitExceeded,
    LlmspellError,
    NotFound,
    ScriptError,
    near_miss,
)
from ..host.context import Context
from ..policy import denial
from ..values import MAX_BYTES, CannotCross, Handle, decode, encode
from .journal import LATER, Journal

if TYPE_CHECKING:
    from ..capability import Capability

LONGEST_MESSAGE = 4000
"""Characters of an error that a script is told: an argument may be in it, of any length."""

Answer = bytes | CapabilityError
Invoke = Callable[[int, list[Any]], Awaitable[Any]]


class CallRecord(NamedTuple):
    """One call of a finished run: its name, how long it took, and how it ended."""

    name: str
    seconds: float
    error: str = ""


class Gate:
    """Admits the calls of one run.

    `place` is where the answer just given stood in a recording; answers that are there at the same
    time are to be taken in that order.
    """

    def __init__(
        self,
        catalogue: Mapping[str, Capability],
        invoke: Invoke,
        journal: Journal | None = None,
        on_call: Callable[[CallRecord], None] | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self.catalogue = catalogue
        self.records: list[CallRecord] = []
        self.failures: dict[str, CapabilityError] = {}
        self.seen: set[str] = set()
        self.place = LATER
        self.context: Context
        self._invoke = invoke
        self._journal = journal
        self._on_call = on_call
        self._redact = redact
        self._handles: dict[int, tuple[str, Any]] = {}

    def enter(self, name: str, args: bytes) -> Answer | Coroutine[Any, Any, Answer]:
        """Takes one call in text form: an answer at once, or a coroutine that will give it.

        Raises LimitExceeded, which ends the run.
        """
        answer: Answer
        began = perf_counter()
        self.place = LATER
        try:
            self.context.meter.charge_call()
            capability = self.look_up(name)
            self.check_allowed(capability)
            values = self.fit_arguments(capability, args)
            self.check_covered(capability, values)
            if capability.gives:
                self.context.meter.hold(len(args))
            if self._journal is not None and not capability.again:
                recorded = self._journal.recorded(name, self._hidden(args))
                if recorded is not None:
                    self.place = recorded.place
                    return self.leave(name, args, recorded.answer, began)
            if capability.is_async:
                return self._do_async(capability, args, values, began)
            answer = self.check_result(capability, capability.function(self.context, *values))
        except Exception as error:  # noqa: BLE001 - the gate maps every error
            answer = self.map_error(name, error)
        return self.leave(name, args, answer, began)

    async def _do_async(
        self, capability: Capability, args: bytes, values: list[Any], began: float
    ) -> Answer:
        answer: Answer
        try:
            result = await capability.function(self.context, *values)
            answer = self.check_result(capability, result)
        except Exception as error:  # noqa: BLE001 - the gate maps every error
            answer = self.map_error(capability.name, error)
        return self.leave(capability.name, args, answer, began)

    def tell(self, name: str, text: bytes) -> None:
        """Takes output, the one call that expects no answer: it needs no grant, but is charged."""
        self.seen.add(name)
        self.context.write(text.decode(errors="replace"))

    async def call(self, name: str, *args: Any) -> Any:
        """Makes a call for a host service, as if the script had made it."""
        answer = self.enter(name, encode(list(args), name))
        if not isinstance(answer, bytes | CapabilityError):
            answer = await answer
        if isinstance(answer, CapabilityError):
            raise answer
        return decode(answer, self._invoke)

    def look_up(self, name: str) -> Capability:
        """The declaration of `name`."""
        capability = self.catalogue.get(name)
        self.seen.add(name)
        if capability is None:
            raise NotFound(f"{name} does not exist{near_miss(name, self.catalogue)}")
        return capability

    def check_allowed(self, capability: Capability) -> None:
        """Whether there is any grant of the kind this capability needs."""
        if capability.kind and not self.context.policy.any(capability.kind):
            raise denial(capability.kind)

    def fit_arguments(self, capability: Capability, args: bytes) -> list[Any]:
        """The arguments as the function wants them."""
        if len(args) > MAX_BYTES:
            raise BadArgument(f"{capability.name}: the arguments are larger than {MAX_BYTES} bytes")
        try:
            return capability.fit(decode(args, self._invoke), self)
        except ValueError as misfit:
            raise BadArgument(f"{capability.name}: {misfit}") from None

    def check_covered(self, capability: Capability, values: list[Any]) -> None:
        """Whether a grant covers the resource one of the arguments names."""
        if capability.resource >= 0:
            self.context.policy.demand(capability.kind, str(values[capability.resource]))

    def check_result(self, capability: Capability, result: Any) -> bytes:
        """The result in text form; objects of a handle class become handles."""
        if capability.gives:
            result = self.adopt(capability.gives, result)
        try:
            return encode(result, "the result", self.context.meter.limits.depth)
        except CannotCross as error:
            raise HostFailure(f"{capability.name}: {error}", code="value") from None

    def map_error(self, name: str, error: Exception) -> CapabilityError:
        """What the script is told. Limits are not told: they end the run."""
        if isinstance(error, LimitExceeded):
            raise error
        if isinstance(error, CapabilityError):
            if not error.capability:
                error.capability = name
            mapped = error
        elif isinstance(error, ScriptError):
            mapped = HostFailure(f"{name}: {error}", code="script", capability=name)
        elif isinstance(error, LlmspellError):
            mapped = HostFailure(f"{name}: {error}", code=error.code, capability=name)
        elif isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
            mapped = FileFailure(f"{name}: {reason}", capability=name)
        else:
            # What Python says of it is for whoever debugs llmspell; it may show the host's inside.
            text = f"{name} failed inside llmspell; run with --debug and report it"
            mapped = HostFailure(text, code="internal", capability=name)
        if mapped is not error:
            mapped.__cause__ = error
        # Before it is clipped: half a secret is a secret too.
        mapped.message = _clipped(self._redact(mapped.message))
        mapped.args = (mapped.message,)
        return mapped

    def leave(self, name: str, args: bytes, answer: Answer, began: float) -> Answer:
        """Journals and traces one answered call."""
        error = ""
        if isinstance(answer, CapabilityError):
            error = answer.code
            if len(self.failures) < 100:
                self.failures[answer.message] = answer
        record = CallRecord(name, perf_counter() - began, error)
        if len(self.records) < 10_000:
            self.records.append(record)
        known = self.catalogue.get(name)
        if self._journal is not None and not (known is not None and known.again):
            kept = self._hidden(answer) if isinstance(answer, bytes) else answer
            self._journal.record(name, self._hidden(args), kept)
        if self._on_call is not None:
            self._on_call(record)
        return answer

    def _hidden(self, text: bytes) -> bytes:
        """Text of a call as it is recorded."""
        return self._redact(text.decode()).encode()

    def adopt(self, kind: str, thing: Any) -> Handle:
        """Keeps a host object for the script under a new number."""
        number = len(self._handles) + 1
        self._handles[number] = (kind, thing)
        return Handle(kind, number)

    def resolve(self, handle: Handle) -> Any:
        """The host object behind a handle of this run; in a replay the handle stands for it."""
        if self._journal is not None and self._journal.replays:
            return handle
        kind, thing = self._handles.get(handle.id, ("", None))
        if kind != handle.kind:
            raise NotFound(f"{handle.kind} #{handle.id} is not of this run")
        return thing

    @property
    def replays(self) -> bool:
        """Whether calls are answered from a recording."""
        return self._journal is not None and self._journal.replays

    @property
    def open(self) -> bool:
        """Whether the run holds host objects."""
        return bool(self._handles)

    async def close(self) -> None:
        """Closes every host object the run still holds."""
        handles, self._handles = self._handles, {}
        for _, thing in handles.values():
            close = getattr(thing, "close", None)
            if close is not None:
                # One that cannot be closed must not keep the others open.
                with suppress(Exception):
                    await close()


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 3] + "..."
