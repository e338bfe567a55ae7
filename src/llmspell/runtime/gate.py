"""The one gate: every effect of a script passes it, in this order.

    calls left? -> look up -> allowed? -> arguments fit? -> covered? -> recorded answer?
    -> trace -> do it -> result fits? -> map error

There is no second way out of a VM, so permissions, limits, budgets, tracing and replay are
written here once and hold in every language.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from functools import cache, partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import (
    BadArgument,
    CapabilityError,
    HostFailure,
    LlmspellError,
    NotFound,
    near_miss,
)
from ..host.context import Context
from ..policy import denial
from ..values import MAX_BYTES, CannotCross, Encoded, Handle, decode, encode, reader
from .journal import LATER, Journal, Recorded, hidden
from .kept import Kept, Use, close
from .traces import mapped, settle

if TYPE_CHECKING:
    from ..capability import Capability
    from ..host.usage import ResourceUsage
    from ..host.waits import Wait

HANDLER = "on_resource_warning"
"""The global function of a script that is called when it comes near a limit."""

WARNING = 0
"""Stands for the number of a call where a recording says that a warning was given."""

WARNED = "limits.warning"
"""Under which name a journal keeps that a script was warned of a limit."""

Answer = bytes | CapabilityError
Invoke = Callable[[int, list[Any]], Awaitable[Any]]


class CallRecord(NamedTuple):
    """One call: its name, how long it took, how it ended, and the run that made it."""

    name: str
    seconds: float
    error: str = ""
    run_id: str = ""


class Gate:
    """Admits the calls of one run.

    `place` is where the answer just given stood in a recording; answers that are there at the same
    time are to be taken in that order. `dropped` are objects the script let go of, to be closed.
    """

    __slots__ = ("_ahead", "_handles", "_invoke", "_journal", "_last_handle", "_numbers",
                 "_on_call", "_on_warning", "_read", "_redact", "_resolved", "catalogue",
                 "context", "dropped", "failures", "place", "records", "seen")  # fmt: skip

    def __init__(
        self,
        catalogue: Mapping[str, Capability],
        invoke: Invoke,
        journal: Journal | None = None,
        on_call: Callable[[CallRecord], None] | None = None,
        redact: Callable[[str], str] = str,
        on_warning: Callable[[ResourceUsage], None] | None = None,
    ) -> None:
        self._on_warning = on_warning
        self._ahead: Recorded | None = None
        self.catalogue = catalogue
        self.records: list[CallRecord] = []
        self.failures: dict[str, CapabilityError] = {}
        self.seen: set[str] = set()
        self.place = LATER
        self.context: Context
        self._invoke = invoke
        self._read = reader(invoke)
        self._journal = journal
        self._on_call = on_call
        self._redact = redact
        self._handles: dict[int, Kept] = {}
        self._numbers: dict[int, int] = {}
        self._resolved: list[int] = []
        self.dropped: list[Any] = []
        self._last_handle = 0

    def enter(self, name: str, args: bytes) -> Answer | Wait | Coroutine[Any, Any, Answer]:
        """Takes one call in text form: an answer at once, or what will give it.

        That is a coroutine, which does the work, or a wait for what somebody else does.

        Raises LimitExceeded, which ends the run.
        """
        answer: Answer
        began, held = perf_counter(), 0
        self.place = LATER
        try:
            self.context.meter.charge_call()
            capability = self.look_up(name)
            self.check_allowed(capability)
            values = self.fit_arguments(capability, args)
            self.check_covered(capability, values)
            if self._journal is not None and not capability.again:
                recorded = self._journal.recorded(name, self._hidden(args))
                if recorded is not None and recorded.place == LATER and capability.waits:
                    # It had not ended when the run that was recorded did.
                    return _wait()()
                if recorded is not None:
                    if capability.gives:
                        self._pass_over(recorded.answer)
                    if capability.recalls is not None:
                        self._recall(capability, values, recorded.answer)
                    self.place = recorded.place
                    return self.leave(name, args, recorded.answer, began)
            if capability.is_async or 0 < capability.beside < len(args):
                # Many calls may wait for the thread: their arguments are small as bytes only.
                kept = values if capability.is_async else []
                return self._do_async(capability, args, kept, began, self._use())
            if capability.gives:
                held = len(args)
                self.context.meter.hold(held)
            result = capability.function(self.context, *values)
            if capability.waits or capability.pauses:
                wait = self._waiting(capability, args, result, began)
                if wait is not None:
                    return wait
            answer = self.check_result(capability, result, held)
        except Exception as error:  # noqa: BLE001 - the gate maps every error
            self.context.meter.hold(-held)
            answer = mapped(name, error, self._redact)
        return self.leave(name, args, answer, began)

    async def _do_async(
        self, capability: Capability, args: bytes, values: list[Any], began: float, use: Use | None
    ) -> Answer:
        answer: Answer
        held = len(args) if capability.gives else 0
        try:
            self.context.meter.hold(held)
            if capability.is_async:
                result = await capability.function(self.context, *values)
                answer = self.check_result(capability, result, held)
            else:
                answer = await self.context.beside.do(self._do, capability, args)
        except BaseException as error:
            self.context.meter.hold(-held)
            if not isinstance(error, Exception):
                raise
            answer = mapped(capability.name, error, self._redact)
        finally:
            if use is not None:
                use.end()
        return self.leave(capability.name, args, answer, began)

    def _do(self, capability: Capability, args: bytes) -> bytes:
        """Does what computes only. To write the answer is part of it: that takes time too."""
        values = capability.fit(self._read(args), self)
        return self.check_result(capability, capability.function(self.context, *values))

    def _waiting(
        self, capability: Capability, args: bytes, result: Any, began: float
    ) -> Wait | None:
        if not isinstance(result, _wait()):
            return None
        # What is sent may be large, and only a journal asks for it again.
        kept = args if self._journal is not None else b""
        # Not with the wait in it: that would be a cycle, which only the collector frees.
        result.finisher = partial(self._finish, capability, kept, began, self._use())
        return result

    def _finish(
        self,
        capability: Capability,
        args: bytes,
        began: float,
        use: Use | None,
        wait: Wait,
    ) -> Answer:
        answer: Answer
        if use is not None:
            use.end()
        try:
            answer = self.check_result(capability, wait.outcome())
        except Exception as error:  # noqa: BLE001 - the gate maps every error
            answer = mapped(capability.name, error, self._redact)
        return self.leave(capability.name, args, answer, began)

    def waits_for(self, wait: Wait) -> str:
        """What a wait is for: 'receives from channel#1 or sends to channel "jobs"'."""
        told = (f"{doing} {self._label(party)}" for doing, party in wait.parties()[:10])
        return " or ".join(told) or "waits for what the recording does not have"

    def _label(self, party: Any) -> str:
        for number, kept in self._handles.items():
            if kept.thing is party:
                return f'{kept.kind} "{party.name}"' if party.name else f"{kept.kind}#{number}"
        return "what it was given"

    def tell(self, name: str, text: bytes) -> None:
        """Takes output, the one call that expects no answer: it needs no grant, but is charged."""
        self.seen.add(name)
        self.context.write(text.decode(errors="replace"))

    async def call(self, name: str, *args: Any) -> Any:
        """Makes a call for a host service, as if the script had made it."""
        answer = self.enter(name, self.crossing(name, args))
        if not isinstance(answer, bytes | CapabilityError):
            answer = await answer
        if isinstance(answer, CapabilityError):
            raise answer
        return decode(answer, self._invoke)

    def warn(self, near: Iterable[str]) -> Iterator[bytes]:
        """Notes that the script came near these limits, and those the meter saw.

        Gives the arguments for its handler of each that is new. A recording says itself when.
        """
        from ..host.usage import report

        meter = self.context.meter
        for name in near:
            meter.come_near(name)
        while meter.near:
            name = meter.near.pop(0)
            if self.replays:
                yield from self.warnings(LATER)
                continue
            self.context.measure()
            usage = report(meter, name)
            told = encode([usage], "the usage")
            if self._journal is not None:
                self._journal.record(WARNED, b"[]", told)
            if self._on_warning is not None:
                self._on_warning(usage)
            yield told

    def warnings(self, place: int) -> Iterator[bytes]:
        """The warnings that a recording has before this place, and were not given yet."""
        while self.replays and self._journal is not None:
            ahead = self._ahead or self._journal.recorded(WARNED, b"[]")
            self._ahead = ahead
            if ahead is None or ahead.place >= place or not isinstance(ahead.answer, bytes):
                return
            self._ahead = None
            yield ahead.answer

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
        if self._resolved:
            self._resolved = []
        if len(args) > MAX_BYTES:
            raise BadArgument(f"{capability.name}: the arguments are larger than {MAX_BYTES} bytes")
        try:
            return capability.fit(self._read(args), self)
        except ValueError as misfit:
            raise BadArgument(f"{capability.name}: {misfit}") from None

    def check_covered(self, capability: Capability, values: list[Any]) -> None:
        """Whether a grant covers the resource one of the arguments names."""
        if capability.resource >= 0:
            self.context.policy.demand(capability.kind, str(values[capability.resource]))

    def check_result(self, capability: Capability, result: Any, held: int = 0) -> bytes:
        """The result in text form; objects of a handle class become handles.

        held: bytes that an object counts as, until the script lets go of it.
        """
        if capability.gives:
            result = self.adopt(capability.gives, result)
            self._handles[result.id].size += held
        elif type(result) is Encoded:
            return result
        try:
            return encode(result, "the result", self.context.meter.limits.depth)
        except CannotCross as error:
            raise HostFailure(f"{capability.name}: {error}", code="value") from None

    def leave(self, name: str, args: bytes, answer: Answer, began: float) -> Answer:
        """Journals and traces one answered call."""
        error = ""
        if isinstance(answer, CapabilityError):
            error = answer.code
            settle(answer, self.failures)
        record = CallRecord(name, perf_counter() - began, error, self.context.run_id)
        if len(self.records) < 10_000:
            self.records.append(record)
        if self._journal is not None and not self._again(name):
            self._journal.record(name, self._hidden(args), hidden(answer, self._redact))
        if self._on_call is not None:
            self._on_call(record)
        return answer

    def _again(self, name: str) -> bool:
        """Whether a call is made again in a replay, so that no journal keeps it."""
        known = self.catalogue.get(name)
        return known is not None and known.again

    def recognized(self, error: LlmspellError) -> LlmspellError:
        """A script that raises the record of a failure ends with that failure, if it happened."""
        known, value = self.failures.get(error.message), getattr(error, "value", None)
        if known is None or not isinstance(value, dict):
            return error
        if (value.get("type"), value.get("code")) != (type(known).__name__, known.code):
            return error
        again = type(known)(known.message, code=known.code, capability=known.capability,
                            retryable=known.retryable, frames=error.frames)  # fmt: skip
        again.details, again.variables = error.details, error.variables
        return again

    def _hidden(self, text: bytes) -> bytes:
        """Text of a call as it is recorded."""
        return self._redact(text.decode()).encode()

    def adopt(self, kind: str, thing: Any) -> Handle:
        """Keeps a host object for the script, always under the same number."""
        number = self._numbers.get(id(thing))
        if number is None:
            number = self._last_handle = self._last_handle + 1
            self._handles[number] = Kept(kind, thing)
            self._numbers[id(thing)] = number
        self._handles[number].given += 1
        return Handle(kind, number)

    def crossing(self, name: str, args: Iterable[Any]) -> bytes:
        """Arguments as the script would give them: what it has a handle of is that handle.

        Raises BadArgument for what cannot cross, as a conversation that has grown too long.
        """
        given = [Handle(self._handles[number].kind, number)
                 if (number := self._numbers.get(id(arg))) is not None else arg
                 for arg in args]  # fmt: skip
        try:
            return encode(given, name)
        except CannotCross as error:
            raise BadArgument(str(error)) from None

    def keep(self, handle: Handle) -> Any:
        """Keeps what a handle stands for until the run ends, whatever the script lets go of."""
        thing = self.resolve(handle)
        if thing is not handle:
            self.adopt(handle.kind, thing)
        return thing

    def number_from(self, last: int) -> None:
        """Has the next host object get a number above `last`."""
        self._last_handle = max(self._last_handle, last)

    def renumber(self, number: int, wanted: int) -> None:
        """Gives a host object that was made again the number it had."""
        kept = self._handles.pop(number)
        self._handles[wanted], self._numbers[id(kept.thing)] = kept, wanted

    def release(self, number: int, times: int) -> None:
        """The script does not hold a handle any more that came to it so often.

        What is on its way to the script again, or used by a call, stays. One that is not there is
        left alone: in a replay there are none.
        """
        kept = self._handles.get(number)
        if kept is not None:
            kept.given -= times
            self._let_go(number)

    def _let_go(self, number: int) -> None:
        kept = self._handles.get(number)
        if kept is not None and kept.given <= 0 and kept.calls == 0:
            del self._handles[number], self._numbers[id(kept.thing)]
            if hasattr(kept.thing, "close"):  # else it may be kept under a name
                self.dropped.append(kept.thing)
                self.context.meter.hold(-kept.size)

    def _use(self) -> Use | None:
        """Has the handles of the call that is just entered stay until it ends."""
        if not self._resolved:
            return None
        numbers, self._resolved = self._resolved, []
        for number in numbers:
            self._handles[number].calls += 1

        def let_go() -> None:
            for number in numbers:
                if (kept := self._handles.get(number)) is not None:
                    kept.calls -= 1
                    self._let_go(number)

        return Use(let_go)

    def closings(self) -> list[Coroutine[Any, Any, None]]:
        """What closes the objects in `dropped`."""
        dropped, self.dropped = self.dropped, []
        return [close(thing) for thing in dropped]

    def _pass_over(self, answer: Answer) -> None:
        """Counts a recorded handle, so that those made again have the numbers they had."""
        given = decode(answer) if isinstance(answer, bytes) else None
        if isinstance(given, Handle):
            self._last_handle = max(self._last_handle, given.id)

    def _recall(self, capability: Capability, values: list[Any], answer: Answer) -> None:
        """Has a call that is not made leave on the host what it left. In a replay nothing is."""
        if capability.recalls is None or any(isinstance(value, Handle) for value in values):
            return
        if isinstance(answer, bytes):
            told = capability.returns.fit(decode(answer, self._invoke), "the answer", self)
            capability.recalls(self.context, told, *values)

    def resolve(self, handle: Handle) -> Any:
        """The host object behind a handle of this run; in a replay the handle stands for one that
        was not made again."""
        kept = self._handles.get(handle.id)
        if kept is not None and kept.kind == handle.kind:
            self._resolved.append(handle.id)
            return kept.thing
        if self._journal is not None and self._journal.replays:
            return handle
        raise NotFound(f"{handle.kind} #{handle.id} is not of this run")

    @property
    def replays(self) -> bool:
        """Whether calls are answered from a recording."""
        return self._journal is not None and self._journal.replays

    @property
    def open(self) -> bool:
        """Whether the run holds host objects that must be closed."""
        return bool(self.dropped) or any(hasattr(k.thing, "close") for k in self._handles.values())

    async def close(self) -> None:
        """Closes every host object the run still holds."""
        self.context.close()
        await self.context.aclose()
        handles, self._handles, self._numbers = self._handles, {}, {}
        for thing in [*self.dropped, *(kept.thing for kept in handles.values())]:
            if hasattr(thing, "close"):
                await close(thing)
        self.dropped.clear()


@cache
def _wait() -> type[Wait]:
    # Not imported before a script calls what may wait.
    from ..host.waits import Wait

    return Wait
