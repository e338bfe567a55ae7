"""This unit carries plain values between the tasks of a spell, and between spells of a session.

    Channel         a queue with a capacity; 0 hands each value over from task to task
    Channels        those of one run: makes, opens, selects
    SharedChannels  those of a session, by name; each lives while somebody has it open
    SharedChannel   one of them, as the embedding program uses it

Values are kept in their text form, so that what they take is known: a script must not fill the
memory of the host. No operation blocks: what has to wait is given as a `Wait`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakSet

from ..errors import BadArgument, HostFailure, UsageError
from ..values import CannotCross, Encoded, decode, encode, refuse_references
from .waits import Place, Queue, Wait

MAX_CAPACITY = 10_000
"""Values a channel may keep."""

MAX_CHANNELS = 1_000
"""Channels one run may make and open."""

MAX_SHARED = 10_000
"""Shared channels of a session."""

MAX_NAME = 100
"""Characters of the name of a shared channel."""

MAX_CASES = 100
"""Cases of one select."""

RUN_BYTES = 16 * 1024 * 1024
"""Bytes of values that one run may have waiting in channels."""

SESSION_BYTES = 64 * 1024 * 1024
"""Bytes of values that may wait in the shared channels of a session."""

OVERHEAD = 200
"""Bytes a waiting value takes beside its text."""

RESERVED = ("timeout", "default")
"""Names a case of a select may not have: they say that no case was ready."""


class Room:
    """Counts bytes that wait, up to a limit."""

    def __init__(self, limit: int, whose: str) -> None:
        self.used = 0
        self._limit = limit
        self._whose = whose

    def check(self, size: int) -> None:
        """Raises HostFailure where there is no room for `size` more."""
        if self.used + size > self._limit:
            raise HostFailure(
                f"values of more than {self._limit} bytes wait in the channels of {self._whose}:"
                " receive some first",
                code="channel_limit",
                retryable=True,
            )


class Parcel:
    """One value on its way, in text form, and the rooms it is counted in while it waits."""

    __slots__ = ("_held", "rooms", "text")

    def __init__(self, text: Encoded, rooms: tuple[Room, ...]) -> None:
        self.text = text
        self.rooms = rooms
        self._held = False

    def hold(self) -> None:
        """Counts it. Raises HostFailure where there is no room."""
        size = len(self.text) + OVERHEAD
        for room in self.rooms:
            room.check(size)
        for room in self.rooms:
            room.used += size
        self._held = True

    def release(self) -> None:
        """Counts it no more."""
        if self._held:
            self._held = False
            for room in self.rooms:
                room.used -= len(self.text) + OVERHEAD

    def open(self) -> Any:
        """The value."""
        return decode(self.text)


@dataclass(frozen=True, slots=True)
class Received:
    """What a receive that does not wait came to.

    ok: whether there was a value.
    value: the value.
    closed: whether the channel is closed and empty, so that none will come.
    """

    ok: bool
    value: Any
    closed: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which case of a select was carried out.

    case: its name; "timeout" or "default" where none was.
    value: the value that was received.
    ok: false where nothing was sent or received: the channel is closed, or no case was ready.
    """

    case: str
    value: Any
    ok: bool


class Channel:
    """Carries plain values from task to task, in the order they were sent.

    It can be iterated with the language's own loop, which ends when it is closed and empty.
    """

    def __init__(self, capacity: int, name: str = "", rooms: tuple[Room, ...] = ()) -> None:
        self.name = name
        self.capacity = capacity
        self.closed = False
        self.outside = False
        self.held = 0
        self.rooms = rooms
        self._buffer: deque[Parcel] = deque()
        self._senders: Queue = OrderedDict()
        self._receivers: Queue = OrderedDict()

    def __len__(self) -> int:
        return len(self._buffer)

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        return f'the channel "{self.name}"' if self.name else "the channel"

    def offer(self, parcel: Parcel) -> bool:
        """Sends without waiting. Tells whether it was sent. Raises HostFailure when closed."""
        if self.closed:
            raise HostFailure(f"{self} is closed", code="closed")
        if self._receivers:
            self._hand_over(parcel)
            return True
        if len(self._buffer) < self.capacity:
            parcel.hold()
            self._buffer.append(parcel)
            return True
        return False

    def take(self) -> Parcel | None:
        """Receives without waiting: None where there is nothing yet, or no more."""
        if self._buffer:
            parcel = self._buffer.popleft()
            parcel.release()
            if self._senders and len(self._buffer) < self.capacity:
                self._buffer.append(self._accept())
            return parcel
        if self._senders:
            parcel = self._accept()
            parcel.release()
            return parcel
        return None

    def send(self, parcel: Parcel, timeout: float | None) -> Wait | None:
        """Sends: a wait where nobody takes it and there is no room. Raises HostFailure."""
        _check_timeout(timeout)
        if self.offer(parcel):
            return None
        wait = Wait(timeout, _late("nobody took the value", timeout))
        self.queue_send(wait, parcel)
        return wait

    def receive(self, timeout: float | None) -> Any:
        """Receives: the value encoded, None when it is closed and empty, or a wait for the next."""
        _check_timeout(timeout)
        parcel = self.take()
        if parcel is not None:
            return parcel.text
        if self.closed:
            return None
        wait = Wait(timeout, _late("no value came", timeout))
        self.queue_receive(wait)
        return wait

    def queue_send(self, wait: Wait, parcel: Parcel, case: str = "") -> None:
        """Has a wait go on when the value is received."""
        parcel.hold()
        wait.join(self._senders, Place(wait, self, "sends to", (parcel, case)), parcel.release)

    def queue_receive(self, wait: Wait, case: str = "") -> None:
        """Has a wait go on with the next value."""
        wait.join(self._receivers, Place(wait, self, "receives from", case))

    def end(self) -> None:
        """Closes it: nothing more can be sent; what was sent can still be received."""
        self.closed = True
        for place in list(self._senders):
            place.wait.settle(HostFailure(f"{self} was closed", code="closed"))
        for place in list(self._receivers):
            place.wait.settle(Chosen(place.kept, None, False) if place.kept else None, place)

    def _hand_over(self, parcel: Parcel) -> None:
        place, _ = self._receivers.popitem(last=False)
        wait = place.wait
        wait.back = partial(self._take_back, parcel)
        case = place.kept
        wait.settle(Chosen(case, parcel.open(), True) if case else parcel.text, place)

    def _accept(self) -> Parcel:
        """The value of the first sender, which goes on. It is still counted."""
        place, _ = self._senders.popitem(last=False)
        parcel, case = place.kept
        place.wait.settle(Chosen(case, None, True) if case else None, place)
        accepted: Parcel = parcel
        return accepted

    def _take_back(self, parcel: Parcel) -> None:
        """A value whose receiver was cancelled before it had it: the next one gets it."""
        if self._receivers:
            self._hand_over(parcel)
        else:
            # Room or not: it was sent.
            self._buffer.appendleft(parcel)


class SharedChannels:
    """The channels of a session by name."""

    def __init__(self) -> None:
        self._open: dict[str, Channel] = {}
        self.room = Room(SESSION_BYTES, "the session")

    def get(self, name: str, capacity: int | None) -> Channel:
        """The channel of that name, made on first use. Raises BadArgument, HostFailure."""
        if not 0 < len(name) <= MAX_NAME:
            raise BadArgument(f"name must have 1 to {MAX_NAME} characters, got {len(name)}")
        channel = self._open.get(name)
        if channel is None:
            if len(self._open) >= MAX_SHARED:
                raise _too_many(MAX_SHARED, "the session")
            channel = Channel(_fit_capacity(capacity or 0), name, (self.room,))
            self._open[name] = channel
        elif capacity not in (None, channel.capacity):
            raise BadArgument(
                f'capacity must be {channel.capacity}, with which "{name}" was opened,'
                f" got {capacity}"
            )
        channel.held += 1
        return channel

    def let_go(self, channel: Channel) -> None:
        """One holder less. Without any the channel is no more, and what is in it neither."""
        channel.held -= 1
        if channel.held == 0:
            del self._open[channel.name]
            while channel.take() is not None:
                pass


class Channels:
    """The channels of one run."""

    def __init__(self, shared: SharedChannels) -> None:
        self._shared = shared
        self._opened: dict[str, Channel] = {}
        self._made: WeakSet[Channel] = WeakSet()
        self._turn = 0
        self._room = Room(RUN_BYTES, "the run")

    def make(self, capacity: int) -> Channel:
        """A channel of this run."""
        self._check_number()
        channel = Channel(_fit_capacity(capacity))
        self._made.add(channel)
        return channel

    def open(self, name: str, capacity: int | None) -> Channel:
        """A shared channel; opening it again gives the same one."""
        known = self._opened.get(name)
        if known is None:
            self._check_number()
        channel = self._shared.get(name, capacity)
        if known is not None:
            channel.held -= 1
        self._opened[name] = channel
        return channel

    def close(self) -> None:
        """Lets go of the shared ones."""
        for channel in self._opened.values():
            self._shared.let_go(channel)
        self._opened.clear()

    def try_send(self, channel: Channel, value: Any) -> bool:
        """Sends if that needs no waiting. Tells whether it was sent."""
        return channel.offer(self._parcel(channel, value, "value"))

    def try_receive(self, channel: Channel) -> Received:
        """Receives if that needs no waiting."""
        parcel = channel.take()
        if parcel is None:
            return Received(False, None, channel.closed)
        return Received(True, parcel.open(), False)

    def send(self, channel: Channel, value: Any, timeout: float | None) -> Wait | None:
        """Sends: a wait until there is room, or until a receiver takes it where there is none."""
        return channel.send(self._parcel(channel, value, "value"), timeout)

    def receive(self, channel: Channel, timeout: float | None) -> Any:
        """Receives: the value encoded, None when it is closed and empty, or a wait for the next."""
        return channel.receive(timeout)

    def select(
        self,
        cases: Mapping[str, tuple[Channel, bool, Any]],
        timeout: float | None,
        default: bool,
    ) -> Chosen | Wait:
        """Carries out one case that is ready, or waits for the first: (channel, sends, value).

        Where several are ready they have their turns.
        """
        _check_timeout(timeout)
        ready = self._checked(cases)
        for i in range(len(ready)):
            case, channel, parcel = ready[(i + self._turn) % len(ready)]
            if parcel is not None:
                if channel.offer(parcel):
                    return self._chosen(case, None, True)
            elif (taken := channel.take()) is not None:
                return self._chosen(case, taken.open(), True)
            elif channel.closed:
                return self._chosen(case, None, False)
        if default:
            return Chosen("default", None, False)
        wait = Wait(timeout, Chosen("timeout", None, False))
        try:
            for case, channel, parcel in ready:
                if parcel is not None:
                    channel.queue_send(wait, parcel, case)
                else:
                    channel.queue_receive(wait, case)
        except HostFailure:
            wait.withdraw()
            raise
        return wait

    def _checked(
        self, cases: Mapping[str, tuple[Channel, bool, Any]]
    ) -> list[tuple[str, Channel, Parcel | None]]:
        if not 0 < len(cases) <= MAX_CASES:
            raise BadArgument(f"cases must hold 1 to {MAX_CASES} cases, got {len(cases)}")
        checked = []
        for case, (channel, sends, value) in sorted(cases.items()):
            if case in RESERVED or not case:
                raise BadArgument(f'cases."{case}" is a name that is taken: choose another')
            parcel = self._parcel(channel, value, f"cases.{case}.value") if sends else None
            checked.append((case, channel, parcel))
        return checked

    def _chosen(self, case: str, value: Any, ok: bool) -> Chosen:
        self._turn += 1
        return Chosen(case, value, ok)

    def _parcel(self, channel: Channel, value: Any, path: str) -> Parcel:
        return _packed(value, path, (self._room, *channel.rooms))

    def _check_number(self) -> None:
        if len(self._made) + len(self._opened) >= MAX_CHANNELS:
            raise _too_many(MAX_CHANNELS, "a run")


class SharedChannel:
    """A shared channel, as the program that embeds llmspell uses it.

    While the program has it, a spell that waits on it is no deadlock: the program may answer.
    """

    def __init__(self, shared: SharedChannels, name: str, capacity: int | None) -> None:
        self._shared = shared
        try:
            self._channel = shared.get(name, capacity)
        except BadArgument as error:
            raise UsageError(str(error)) from None
        self._channel.outside = True

    @property
    def name(self) -> str:
        """Its name."""
        return self._channel.name

    async def send(self, value: Any) -> None:
        """Sends a plain value, waiting while the channel is full.

        Raises HostFailure with the code "closed" or "channel_limit", and UsageError for what is
        no plain value. Cancelled, as by `asyncio.timeout`, it has sent nothing.
        """
        try:
            parcel = _packed(value, "value", self._channel.rooms)
        except (BadArgument, CannotCross) as error:
            raise UsageError(str(error)) from None
        wait = self._channel.send(parcel, None)
        if wait is not None:
            await wait

    async def receive(self) -> Any:
        """Waits for the next value: None when the channel is closed and empty.

        Cancelled, as by `asyncio.timeout`, it has taken none.
        """
        text = self._channel.receive(None)
        if isinstance(text, Wait):
            text = await text
        return None if text is None else decode(text)

    def close(self) -> None:
        """Closes the channel: nothing more can be sent. Closing it again does nothing."""
        self._channel.end()

    def __aiter__(self) -> SharedChannel:
        return self

    async def __anext__(self) -> Any:
        value = await self.receive()
        if value is None:
            raise StopAsyncIteration
        return value


def _packed(value: Any, path: str, rooms: tuple[Room, ...]) -> Parcel:
    """A value ready to be sent. Raises BadArgument for what is not plain."""
    if value is None:
        raise BadArgument(f"{path} must not be nothing: that is what says a channel has ended")
    try:
        refuse_references(value, path)
    except CannotCross as error:
        # Functions and handles belong to one run; what a channel keeps may outlive it.
        raise BadArgument(f"{error}: only plain values can be sent") from None
    return Parcel(Encoded(encode(value, path)), rooms)


def _fit_capacity(capacity: int) -> int:
    if not 0 <= capacity <= MAX_CAPACITY:
        raise BadArgument(f"capacity must be from 0 to {MAX_CAPACITY}, got {capacity}")
    return capacity


def _check_timeout(timeout: float | None) -> None:
    if timeout is not None and timeout < 0:
        raise BadArgument(f"timeout must not be below 0, got {timeout:g}")


def _late(what: str, timeout: float | None) -> HostFailure | None:
    if timeout is None:
        return None
    return HostFailure(f"{what} within {timeout:g} s", code="timeout", retryable=True)


def _too_many(limit: int, whose: str) -> HostFailure:
    return HostFailure(f"there are {limit} channels already, the most {whose} may have",
                       code="channel_limit")  # fmt: skip
