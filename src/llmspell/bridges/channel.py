"""channel: plain values from task to task, and from spell to spell of one session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..capability import capability, handle
from ..errors import BadArgument
from ..host.channels import Channel, Chosen, Received
from ..host.context import Context

handle("channel", iterate="receive", close="close")(Channel)


@dataclass(frozen=True, slots=True)
class ChannelCase:
    """One case of a select: either to receive from a channel, or to send a value to one.

    receive: the channel to receive from.
    send: the channel to send to.
    value: what to send.
    """

    receive: Channel | None = None
    send: Channel | None = None
    value: Any = None


@dataclass(frozen=True, slots=True)
class SelectOptions:
    """What a select does when no case is ready.

    timeout: seconds to wait; for ever when left out.
    default: whether not to wait at all.
    """

    timeout: float | None = None
    default: bool = False


@capability("channel.make", since="0.1", rebuilds=True)
def make(ctx: Context, capacity: int = 0) -> Channel:
    """Makes a channel between tasks of this spell.

    capacity: how many values it keeps for receivers; 0 has a sender wait until one takes the value.
    returns: the channel.
    """
    return ctx.channels.make(capacity)


@capability("channel.open", since="0.1")
def open(ctx: Context, name: str, capacity: int | None = None) -> Channel:
    """Opens the channel of a name, shared by all spells of the session, whatever their language.

    It is made when it is first opened and lasts while a running spell or the program has it open.

    name: its name.
    capacity: how many values it keeps when it is made; 0 by default. One that is open keeps its
        own, and asking for another is an error.
    returns: the channel.
    """
    return ctx.channels.open(name, capacity)


@capability("channel.send", since="0.1", waits=True, rebuilds=True)
def send(ctx: Context, channel: Channel, value: Any, timeout: float | None = None) -> None:
    """Sends a plain value, waiting while the channel has no room and nobody receives.

    channel: the channel; sending to a closed one fails with the code "closed".
    value: the value; neither nothing nor a function, handle or promise, nor what holds one.
    timeout: seconds after which it fails with the code "timeout", which may be tried again.
    """
    return ctx.channels.send(channel, value, timeout)  # type: ignore[return-value]


@capability("channel.receive", since="0.1", waits=True, rebuilds=True)
def receive(ctx: Context, channel: Channel, timeout: float | None = None) -> Any:
    """Waits for the next value.

    channel: the channel.
    timeout: seconds after which it fails with the code "timeout", which may be tried again.
    returns: the value, or nothing when the channel is closed and empty.
    """
    return ctx.channels.receive(channel, timeout)


@capability("channel.try_send", since="0.1", rebuilds=True)
def try_send(ctx: Context, channel: Channel, value: Any) -> bool:
    """Sends a plain value if that takes no waiting.

    channel: the channel.
    value: the value.
    returns: whether it was sent.
    """
    return ctx.channels.try_send(channel, value)


@capability("channel.try_receive", since="0.1", rebuilds=True)
def try_receive(ctx: Context, channel: Channel) -> Received:
    """Receives if that takes no waiting.

    channel: the channel.
    returns: the value, and whether there was one.
    """
    return ctx.channels.try_receive(channel)


@capability("channel.select", since="0.1", waits=True, rebuilds=True)
def select(
    ctx: Context, cases: dict[str, ChannelCase], options: SelectOptions = SelectOptions()
) -> Chosen:
    """Carries out the first of several cases that is ready; cases that are ready have their turns.

    cases: by names of your choice, what to receive or send: {receive = c} or {send = c, value = v}.
    options: how long to wait where none is ready.
    returns: the name of the case, and what was received.
    """
    fitted = {name: _case(f"cases.{name}", case) for name, case in cases.items()}
    return ctx.channels.select(fitted, options.timeout, options.default)  # type: ignore[return-value]


@capability("channel.close", since="0.1", rebuilds=True)
def close(ctx: Context, channel: Channel) -> None:
    """Closes a channel: nothing more can be sent, what was sent can still be received.

    Closing one that is closed does nothing.

    channel: the channel.
    """
    channel.end()


@capability("channel.is_closed", since="0.1", rebuilds=True)
def is_closed(ctx: Context, channel: Channel) -> bool:
    """Tells whether a channel was closed. There may still be values in it.

    channel: the channel.
    returns: whether it was.
    """
    return channel.closed


@capability("channel.len", since="0.1", rebuilds=True)
def len_(ctx: Context, channel: Channel) -> int:
    """Counts the values a channel keeps.

    channel: the channel.
    returns: how many can be received without waiting for a sender.
    """
    return len(channel)


@capability("channel.cap", since="0.1", rebuilds=True)
def cap(ctx: Context, channel: Channel) -> int:
    """Tells how many values a channel can keep.

    channel: the channel.
    returns: its capacity.
    """
    return channel.capacity


def _case(path: str, case: ChannelCase) -> tuple[Channel, bool, Any]:
    channel = case.receive or case.send
    if channel is None or (case.receive and case.send):
        raise BadArgument(f"{path} must have either receive or send, a channel")
    if case.receive and case.value is not None:
        raise BadArgument(f"{path}.value is for a case that sends")
    return channel, case.send is not None, case.value
