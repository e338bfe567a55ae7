"""A run that keeps a checkpoint, and one that is restored from it.

What a script does follows from what comes into its isolate, and in which order: answers of calls,
calls of its functions, and their end. `ResumableDriver` gives each only to a script at rest, and
writes it down. To restore, the same is given again in the same order, while nothing is done: calls
are answered from the checkpoint. Those that rebuild what the host had, such as a channel, are made
again, and must have the answer they had. A call without an answer was in flight: it is made, when
all the rest fits.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..engines.base import Answer as Turn
from ..engines.base import Call, Isolate, Remote
from ..errors import Cancelled, CapabilityError, LlmspellError, RestoreError, UsageError
from ..limits import Limits, Meter
from ..values import Handle, decode, encode
from .checkpoint import (
    Abandoned,
    Answered,
    Called,
    Checkpoint,
    Event,
    Inner,
    told,
)
from .claims import Claims
from .driver import REST, Driver
from .gate import HANDLER, Answer
from .journal import LATER, Recorded

if TYPE_CHECKING:
    from .keeper import Keeper

OWNER: ContextVar[int] = ContextVar("OWNER", default=0)
"""Number of the call of the script that the present task works for."""

STILL = 50
"""Rounds of the loop without a change after which the host has nothing left to do."""


class ResumableDriver(Driver):
    """A driver whose run can be restored. It is the journal of its gate too."""

    orderly = True

    def __init__(self, isolate: Isolate, limits: Limits, meter: Meter) -> None:
        super().__init__(isolate, limits, meter)
        self.keeper: Keeper
        self.replays = False
        self._hide: Callable[[str], str] = str
        self._waiting_for: dict[asyncio.Future[Any], int] = {}
        self._open: dict[int, Call] = {}
        self._functions: dict[int, Called] = {}
        self._begun: dict[int, int] = {}
        # While it is restored:
        self._events: deque[Event] = deque()
        self._answers: dict[int, Answered] = {}
        self._claims = Claims()
        self._answer_now: Recorded | None = None
        self._held: dict[int, Answer] = {}
        self._deferred: dict[int, Call] = {}
        self._wishes: list[tuple[int, int | str, bytes, asyncio.Future[int]]] = []
        self._never: set[int] = set()
        self._gone: set[int] = set()
        self._stood: tuple[int, ...] = ()
        self._still = 0
        self._rested = 0  # looks in a row at which an isolate that works elsewhere was at rest

    def keep(self, keeper: Keeper, hide: Callable[[str], str]) -> None:
        """Has everything that comes into the isolate written down."""
        self.keeper, self._hide = keeper, hide

    def restore(self, checkpoint: Checkpoint) -> None:
        """Begins with what a checkpoint has. Raises RestoreError for what cannot be rebuilt."""
        for event in checkpoint.events:
            self._events.append(event)
            if isinstance(event, Abandoned) and not event.begun:
                self._never.add(event.entry)
            if isinstance(event, Answered):
                if event.number in self._answers:
                    raise RestoreError(f"call {event.number} has two answers")
                self._answers[event.number] = event
        self._check_handles()
        usage, used = self.meter.usage, checkpoint.used
        for name in ("model_calls", "input_tokens", "output_tokens", "disk"):
            setattr(usage, name, int(used.get(name, 0)))
        if checkpoint.used and "cost" not in used:
            usage.cost = None
        else:
            usage.cost = self.meter.spent_cost = float(used.get("cost", 0.0))
        self.replays = bool(self._events)

    def _note(self, event: Event) -> None:
        try:
            self.keeper.note(event)
        except OSError as error:
            self.fail(UsageError(f"cannot write the checkpoint: {error.strerror}"))

    # What the gate asks of its journal.

    def recorded(self, name: str, args: bytes) -> Recorded | None:
        """The answer of the call that is just entered, if it is not to be made."""
        found, self._answer_now = self._answer_now, None
        return found

    def record(self, name: str, args: bytes, answer: Answer) -> None:
        """Nothing: events are written in the order they come into the isolate."""

    # What the script asks for.

    def _take(self, call: Call) -> None:
        self._open[call.id] = call
        if self.replays:
            event = self._answers.get(call.id)
            if event is not None and (
                (event.name, json.loads(event.args)) != (call.name, self._args(call.args))
            ):
                raise RestoreError(_difference(event, call, self._hide(call.args.decode())))
            if not self._remade(call.name):
                if event is None:
                    self._deferred[call.id] = call
                    self._release()
                    return
                self._answer_now = Recorded(LATER - 1, event.answer)
        try:
            super()._take(call)
        finally:
            self._answer_now = None

    def _args(self, args: bytes) -> Any:
        return json.loads(self._hide(args.decode()))

    def _remade(self, name: str) -> bool:
        """Whether a call is made again: its effect is only what it left on the host."""
        capability = self.gate.catalogue.get(name)
        return capability is not None and bool(capability.again or capability.rebuilds)

    def _put(self, number: int, answer: Answer, place: int = LATER) -> None:
        if self.replays:
            self._give_back(number)
            self._held[number] = answer
            self._release()
            return
        self._note_answer(number, answer)
        super()._put(number, answer)

    def _note_answer(self, number: int, answer: Answer) -> None:
        call = self._open.pop(number, None)
        self._claims.forget(number)
        if call is None:
            return
        self._note(Answered(number, call.name, call.args.decode(), answer))

    def _cancel(self, number: int) -> None:
        self._deferred.pop(number, None)
        self._gone.add(number)
        super()._cancel(number)
        self._claims.forget(number)
        if not self.replays:
            self._open.pop(number, None)
            for called in [one for one in self._functions.values() if one.of == number]:
                self._take_back(called.entry)

    def _begin(self) -> None:
        coming, self._coming = self._coming, {}
        unarmed, self._unarmed = self._unarmed, {} if self.replays else self._unarmed
        for number, coroutine in coming.items():
            token = OWNER.set(number)
            self._coming[number] = coroutine
            super()._begin()
            OWNER.reset(token)
        super()._begin()
        if self.replays:
            self._unarmed = unarmed

    # What comes into the isolate.

    def _given(self, number: int, answer: Answer) -> Turn:
        if number >= 0:
            return super()._given(number, answer)
        if not isinstance(answer, bytes):
            return self.isolate.abandon(-number)
        return self.isolate.call(-number, self._functions.pop(-number).function, answer)

    def _absorb(self, answer: Turn) -> None:
        self._rested = 0
        for ended in answer.ended:
            self._begun.pop(ended.entry, None)
        super()._absorb(answer)

    def _give_call(self, called: Called) -> None:
        """Has a function called when the script is at rest."""
        self._last_entry = max(self._last_entry, called.entry)
        self._functions[called.entry], self._begun[called.entry] = called, called.of
        super()._put(-called.entry, called.args)

    def _take_back(self, entry: int) -> None:
        """The script does not want a function any more that has not begun."""
        del self._functions[entry], self._begun[entry]
        self._ready = [waiting for waiting in self._ready if waiting[1] != -entry]
        self._note(Abandoned(entry, False))

    def _give_abandon(self, entry: int) -> None:
        if self._begun.pop(entry, None) is not None:
            self._note(Abandoned(entry, True))
            super()._put(-entry, Cancelled("nobody waits for it any more"))

    def _call_handler(self, told: bytes) -> None:
        if self.result is None and not self.replays:
            called = Called(self._last_entry + 1, HANDLER, told, 0)
            self._handlers.add(called.entry)
            self._note(called)
            self._give_call(called)
            self._schedule()

    async def call_function(self, function: int, args: list[Any]) -> Any:
        """Runs a function of the script, as `Driver` does, when the script is at rest."""
        if self.result is not None:
            raise Cancelled("the spell has ended, and its functions with it")
        text, owner = encode(args, "the arguments"), OWNER.get()
        loop = asyncio.get_running_loop()
        if self.replays:
            wish = loop.create_future()
            self._wishes.append((owner, function, text, wish))
            self._release()
            self._schedule()
            entry = await self._blocking(wish)
        else:
            called = Called(self._last_entry + 1, function, text, owner)
            self._note(called)
            self._give_call(called)
            entry = called.entry
        future = self._entries.setdefault(entry, loop.create_future())
        self._schedule()
        try:
            ended = await self._blocking(future)
        except asyncio.CancelledError:
            if self.result is None and not self.replays:
                self._give_abandon(entry)
                self._schedule()
            raise
        finally:
            self._entries.pop(entry, None)
        if ended.error is not None:
            raise self.gate.recognized(ended.error)
        return decode(ended.value, self.call_function)

    async def _blocking(self, future: asyncio.Future[Any]) -> Any:
        self._waiting_for[future] = OWNER.get()
        try:
            return await future
        finally:
            del self._waiting_for[future]

    async def invoke(self, name: str, *args: Any) -> Any:
        """Makes a call for a host service, as `Gate.call` does, or has it from the checkpoint."""
        text, owner = self.gate.crossing(name, args), OWNER.get()
        kept = (
            owner in self._open and self._remade(self._open[owner].name) and not self._again(name)
        )
        place = self._claims.place(owner) if kept else ""
        if kept and self.replays:
            event = await self._claimed(owner, place, name, text)
            if event is not None:
                self._answer_now = Recorded(LATER - 1, event.answer)
                kept = False
        answer = self.gate.enter(name, text)
        if not isinstance(answer, bytes | CapabilityError):
            answer = await answer
        if kept:
            self._note(Inner(owner, place, name, text.decode(), answer))
        if isinstance(answer, CapabilityError):
            raise answer
        return decode(answer, self.call_function)

    async def _claimed(self, owner: int, place: str, name: str, text: bytes) -> Inner | None:
        """The event that has the answer of a call; None where it is to be made, when all fits."""
        claim = self._claims.add(owner, place, name, self._hide(text.decode()))
        self._release()
        self._schedule()
        try:
            event: Inner | None = await self._blocking(claim.found)
        finally:
            self._claims.remove(claim)
        return event

    def _again(self, name: str) -> bool:
        capability = self.gate.catalogue.get(name)
        return capability is not None and capability.again

    # Restoring.

    def _release(self) -> None:
        """Gives the isolate what comes next, as far as it is there."""
        try:
            self._release_all()
        except LlmspellError as error:
            self.fail(error)

    def _release_all(self) -> None:
        while self.replays and self.result is None:
            if not self._events:
                self._go_live()
                return
            event = self._events[0]
            if isinstance(event, Answered):
                if event.number not in self._held:
                    return
                answer = self._same(event, self._held.pop(event.number))
                self._open.pop(event.number, None)
                self._events.popleft()
                super()._put(event.number, answer)
            elif isinstance(event, Abandoned):
                self._events.popleft()
                if event.begun:
                    self._begun.pop(event.entry, None)
                    super()._put(-event.entry, Cancelled("nobody waits for it any more"))
            elif isinstance(event, Inner):
                if not self._claims.give(event) and event.of not in self._gone:
                    return
                self._events.popleft()
            elif isinstance(event, Called):
                if not self._grant(event):
                    return
                self._events.popleft()
                if event.entry not in self._never:
                    self._give_call(event)

    def _grant(self, event: Called) -> bool:
        """Whether a function may be called now: somebody on the host wants it, or did."""
        call = self._open.get(event.of)
        if event.of == 0:
            self._handlers.add(event.entry)
            return True
        if call is None:
            return False
        if not self._remade(call.name):
            return True
        for i, (owner, function, args, wish) in enumerate(self._wishes):
            if (owner, function, args) == (event.of, event.function, event.args):
                del self._wishes[i]
                if not wish.done():
                    loop = asyncio.get_running_loop()
                    self._entries[event.entry] = loop.create_future()
                    wish.set_result(event.entry)
                return True
        return False

    def _same(self, event: Answered, answer: Answer) -> Answer:
        """The answer as it was. Raises RestoreError where it is another now."""
        was = event.answer
        if answer is was:
            return answer
        if isinstance(answer, bytes) and isinstance(was, bytes):
            if self._hide(answer.decode()).encode() == was:
                return answer
            now, before = decode(answer), decode(was)
            if isinstance(now, Handle) and isinstance(before, Handle) and now.kind == before.kind:
                self.gate.renumber(now.id, before.id)
                return was
        elif (
            isinstance(answer, CapabilityError)
            and isinstance(was, CapabilityError)
            and (answer.code, self._hide(answer.message)) == (was.code, was.message)
        ):
            return answer
        said = answer.message if isinstance(answer, CapabilityError) else "another answer"
        raise RestoreError(f"call {event.number}, {event.name}, now has: {said}")

    def _go_live(self) -> None:
        """All is as it was: from here on, calls are made."""
        self.replays = False
        for entry, owner in list(self._begun.items()):
            # The call it was for is made anew, and calls it again, or was cancelled.
            if owner and owner not in self._tasks and owner not in self._coming:
                self._give_abandon(entry)
        held, self._held = self._held, {}
        for number, answer in held.items():
            self._put(number, answer)
        deferred, self._deferred = self._deferred, {}
        for call in deferred.values():
            self._take(call)
        wishes, self._wishes = self._wishes, []
        for owner, function, args, wish in wishes:
            if not wish.done():
                called = Called(self._last_entry + 1, function, args, owner)
                self._note(called)
                self._entries[called.entry] = asyncio.get_running_loop().create_future()
                self._give_call(called)
                wish.set_result(called.entry)
        self._claims.give_up()
        self._schedule()

    def _pump(self) -> None:
        super()._pump()
        if self.replays and self.result is None and not self._scheduled:
            self._go_on_restoring()

    def _go_on_restoring(self) -> None:
        """Nothing is left to do but what the checkpoint has next, and that is not there."""
        if isinstance(self.isolate, Remote) and (self.isolate.working or self._rested < 2):
            if self._rest is None:
                self._rest = self._loop.call_later(REST, self._look_again)
            return
        blocked = {owner for future, owner in self._waiting_for.items() if not future.done()}
        if len(self._tasks) > len(blocked) or self._dying or not self._stands_still():
            return
        event = self._events[0]
        if isinstance(event, Answered) and event.number in self._waits:
            # Its time was over, and is not over yet.
            self._forget(event.number).withdraw()
            self._held[event.number] = event.answer
            self._release()
            self._schedule()
            return
        claim = self._claims.first(event.of) if isinstance(event, Inner) else None
        if isinstance(event, Inner) and claim is not None:
            call = Call(event.of, claim.name, b"")
            self.fail(RestoreError(_difference(event, call, claim.args)))
            return
        self.fail(RestoreError(f"the script does not come to {told(event)}"))

    def _stands_still(self) -> bool:
        """Whether the host does nothing any more: between calls it takes rounds of the loop."""
        counts = (self.meter.usage.calls, len(self._events), len(self._claims), len(self._wishes))
        self._still = self._still + 1 if counts == self._stood else 0
        self._stood = counts
        if self._still < STILL:
            self._schedule()
        return self._still >= STILL

    def _look_again(self) -> None:
        # It says that it rests before what it came to has arrived.
        working = isinstance(self.isolate, Remote) and self.isolate.working
        self._rested = 0 if working else self._rested + 1
        super()._look_again()

    def _look_for_deadlock(self) -> None:
        if not self.replays:
            super()._look_for_deadlock()

    @property
    def stalled(self) -> bool:
        """Whether every task waits for another: not while it is restored."""
        return not self.replays and super().stalled

    def _check_handles(self) -> None:
        """Refuses what the script held and the host cannot make again."""
        held: dict[str, str] = {}
        last = 0
        for event in self._answers.values():
            given = decode(event.answer) if isinstance(event.answer, bytes) else None
            if isinstance(given, Handle):
                last = max(last, given.id)
                if not self._remade(event.name):
                    held[f"{given.kind}#{given.id}"] = event.name
            held.pop(self._ends(event), None)
        for inner in [event for event in self._events if isinstance(event, Inner)]:
            # What a call that is made again had for itself only, that call answers for.
            given = decode(inner.answer) if isinstance(inner.answer, bytes) else None
            last = max(last, given.id if isinstance(given, Handle) else 0)
            held.pop(self._ends(inner), None)
        self.gate.number_from(last)
        for handle, name in held.items():
            raise RestoreError(f"an open {handle.partition('#')[0]}, which {name} gave")

    def _ends(self, event: Answered | Inner) -> str:
        """The handle that is done with by this call, or ""."""
        capability = self.gate.catalogue.get(event.name)
        if capability is None or not capability.method_of:
            return ""
        from ..capability import HANDLES

        kind = HANDLES[capability.method_of]
        failed = isinstance(event.answer, CapabilityError)
        over = capability.verb == kind.iterate and (failed or event.answer == b"null")
        if capability.verb != kind.close and not over:
            return ""
        args = decode(event.args.encode())
        first = args[0] if isinstance(args, list) and args else None
        return f"{first.kind}#{first.id}" if isinstance(first, Handle) else ""


def _difference(event: Answered | Inner, call: Call, args: str) -> str:
    was = f"{event.name}{_short(event.args)}"
    number = event.number if isinstance(event, Answered) else event.of
    return f"call {number} was {was}, the script now calls {call.name}{_short(args)}"


def _short(args: str) -> str:
    text = args[1:-1] if len(args) <= 200 else args[1:200] + "..."
    return f"({text})"
