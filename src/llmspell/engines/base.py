"""The protocol between the runtime and a script engine: a state machine without I/O.

An engine is given a program and answers with what it waits for. It never awaits, opens, prints
or looks up a name in the world; every effect of a script leaves as a `Call`, and the driver
brings the answer back. Values cross in the text form of `llmspell.values`, as bytes.

    run / call  start an entry (the program, or one function of it)
    resume      answers one call
    proceed     lets a busy script go on
    -> Done     every entry has ended
     | Waiting  nothing can go on until a call is answered
     | Busy     the script used up its turn and wants to go on
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from ..errors import CapabilityError, Frame, LlmspellError
from ..limits import Limits


class Signature(NamedTuple):
    """What an engine must know of a capability to bind it.

    `method_of` is the handle kind it is a method of, or "". `role` is "iterate" or "close" for
    the methods a language has syntax for, "output" for the one that prints and
    expects no answer, else "".
    `alias` is an additional global name.
    """

    params: tuple[str, ...] = ()
    method_of: str = ""
    role: str = ""
    alias: str = ""


class Chunk(NamedTuple):
    """A compiled program: pure data, cacheable. `code` is the engine's own form of it."""

    engine: str
    name: str
    source: str
    code: str


class Call(NamedTuple):
    """One effect the script asks for; `args` is a list in text form.

    Number 0 is output, which expects no answer: `args` is the text itself, and the name that
    of the capability whose role is "output" ("print" where there is none).
    """

    id: int
    name: str
    args: bytes


class Ended(NamedTuple):
    """An entry has ended with a value in text form, or with an error."""

    entry: int
    value: bytes = b"null"
    error: LlmspellError | None = None


class Answer:
    """What came out of the VM in one turn, in order: calls, calls to cancel, ended entries."""

    __slots__ = ("calls", "cancelled", "ended")

    def __init__(
        self,
        calls: list[Call] | None = None,
        cancelled: list[int] | None = None,
        ended: list[Ended] | None = None,
    ) -> None:
        self.calls = calls or []
        self.cancelled = cancelled or []
        self.ended = ended or []


class Done(Answer):
    """Every entry has ended."""

    __slots__ = ()


class Waiting(Answer):
    """Nothing can go on until a call is answered."""

    __slots__ = ()


class Busy(Answer):
    """The script used up its turn; `proceed` lets it go on."""

    __slots__ = ()


class EngineUsage(NamedTuple):
    """What an isolate has used: steps, bytes held now, processor seconds inside the VM."""

    steps: int
    memory: int
    cpu: float


class Isolate(Protocol):
    """One script's private world. Not thread-safe; nothing of it survives `close`."""

    def confine(self, limits: Limits) -> None:
        """Replaces its limits. Only before `run`: an isolate can be made before they are known."""

    def run(self, entry: int, chunk: Chunk, params: bytes, seed: int = 0) -> Answer:
        """Starts the program as entry number `entry`, with `params` as its parameters.

        `seed`, an integer from 0 to 2^31-1, is where its random numbers start.
        """

    def call(self, entry: int, function: int, args: bytes) -> Answer:
        """Starts function reference number `function` with a list of arguments."""

    def resume(self, call_id: int, answer: bytes | CapabilityError) -> Answer:
        """Answers a call with a value in text form or with an error the script may catch."""

    def proceed(self) -> Answer:
        """Lets a busy script go on for one more turn."""

    def interrupt(self, reason: LlmspellError) -> Answer:
        """Ends every entry with `reason`; no instruction of the script runs after it."""

    def where(self) -> tuple[Frame, ...]:
        """Where the script stands while it is not running, innermost level first."""

    def usage(self) -> EngineUsage:
        """What has been used so far."""

    def allot(self, seconds: float, remaining: float) -> None:
        """Sets how long a turn may take, and how much time the run has left at all."""

    def close(self) -> None:
        """Frees everything. May be called twice."""


@runtime_checkable
class Remote(Protocol):
    """An isolate that works elsewhere.

    Its methods answer with an empty `Waiting`; what the script asks for comes to `deliver` when it
    does, and what goes wrong with the place it works in to `fail`.
    """

    async def connect(
        self, deliver: Callable[[Answer], None], fail: Callable[[LlmspellError], None]
    ) -> dict[str, str]:
        """Gets the place ready. Gives each layer of isolation -> why it is not active, or ""."""

    @property
    def working(self) -> bool:
        """Whether the script is running right now."""


class Engine(Protocol):
    """A script language.

    `features` names what is truly there: the limits "steps" and "memory", "preempt" when a busy
    script gives way, "int64" when integers of 64 bits are exact (else one beyond 2^53 is an
    error). Asking for a limit that is not among them is a UsageError.
    """

    name: str
    suffixes: tuple[str, ...]
    features: frozenset[str]

    @property
    def version(self) -> str:
        """The VM and its version."""

    def compile(self, source: str, name: str) -> Chunk:
        """Checks and prepares a program. Raises ScriptSyntaxError. Pure."""

    def isolate(self, names: Mapping[str, Signature], limits: Limits) -> Isolate:
        """Makes a private world in which `names` are bound."""
