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

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from ..errors import CapabilityError, Frame, LlmspellError
from ..limits import Limits

T = TypeVar("T")

NOTHING_THERE = re.compile(
    r"attempt to (?:call|index) .*nil value|not a function|cannot read property|not callable"
)
"""How the VMs say that a function or namespace does not exist."""

NO_METHOD = re.compile(
    r"attempt to call (?:a nil value \()?(?:method|field) |not a function|not callable"
)
"""How they say that what is called on a value does not exist."""

UNKNOWN_NAME = re.compile(
    r"\bglobal '(\w+)'|^ReferenceError: (\w+) is not defined|^unresolved reference '(\w+)'"
)
"""How they say that a name stands for nothing."""

NOT_EXPORTED = re.compile(
    r"Could not find export '([^']{0,200})' in module '((?:llmspell:(\w+))?.{0,1000})'"
)
"""How they say that a module lacks a name; the last is the namespace it stands for, if one."""

RETURN_OUTSIDE = re.compile(r"^return not (?:in a|allowed outside) function")
"""How they say that a program is no function, where `export` gives its result."""


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


def output_of(names: Mapping[str, Signature]) -> str:
    """The name of what prints."""
    return next((name for name, item in names.items() if item.role == "output"), "print")


class Bound(Generic[T]):
    """What an engine makes for the names that are bound, kept for the names it was given last.

    make: makes it. Threads may bind other names at the same time: each gets its own.
    """

    def __init__(self, make: Callable[[Mapping[str, Signature]], T]) -> None:
        self._make = make
        self._last: tuple[Mapping[str, Signature], T] | None = None

    @property
    def last(self) -> T | None:
        """What was made last, for whatever names."""
        return None if self._last is None else self._last[1]

    def of(self, names: Mapping[str, Signature]) -> T:
        """What is made for these names."""
        last = self._last
        if last is None or last[0] is not names:
            last = self._last = names, self._make(names)
        return last[1]


def camel(name: str) -> str:
    """snake_case to camelCase."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


class Chunk(NamedTuple):
    """A compiled program: pure data, cacheable. `code` is the engine's own form of it."""

    engine: str
    name: str
    source: str
    code: str


Compile = Callable[[str, str], Chunk]
"""Compiles a source under the name that errors show. Raises ScriptSyntaxError."""


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
    """What came out of the VM in one turn, in order: calls, calls to cancel, ended entries.

    `dropped` are the handles that the script holds no more, each with how often it had come to it.
    `near` names those of the limits "steps" and "memory" of which the script has used up the share
    for a warning, each once in a run; a script that has is given no further step in that turn.
    """

    __slots__ = ("calls", "cancelled", "dropped", "ended", "near")

    def __init__(
        self,
        calls: list[Call] | None = None,
        cancelled: list[int] | None = None,
        ended: list[Ended] | None = None,
        dropped: list[tuple[int, int]] | None = None,
        near: tuple[str, ...] = (),
    ) -> None:
        self.near = near
        self.dropped = dropped or []
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
    """The script used up its turn; `proceed` lets it go on.

    One that goes on meanwhile, in a thread of its own, gives the seconds it may be left to itself.
    """

    __slots__ = ("pause",)

    def __init__(self, *told: Any, pause: float = 0.0) -> None:
        super().__init__(*told)
        self.pause = pause


class EngineUsage(NamedTuple):
    """What an isolate has used: steps, bytes held now, processor seconds inside the VM.

    `peak` is the most bytes held at the end of a turn; `tasks` are those alive now.
    """

    steps: int
    memory: int
    cpu: float
    peak: int = 0
    tasks: int = 0


class Sandbox(NamedTuple):
    """What a script may reach of the library of its language, as names like "string.rep".

    `removed` are the names there would be besides; `name` is what errors call it.
    """

    name: str
    allowed: frozenset[str]
    removed: frozenset[str]


class Isolate(Protocol):
    """One script's private world. Not thread-safe; nothing of it survives `close`."""

    def confine(self, limits: Limits) -> None:
        """Replaces its limits. Before `run`: an isolate can be made before they are known.

        Later only the limit of memory may change, and only between two turns.
        """

    def answers(self) -> bool:
        """Whether it is well: it took a turn and gave it back. Only before `run`."""

    def compile_with(self, compile: Compile) -> None:
        """Has text that the script loads compiled by this: a cache before the engine's own."""

    def reveal(self) -> None:
        """Has errors tell what the variables of their frames held (`LlmspellError.variables`).

        Only before `run`, and where "locals" is a feature. Collected with raw access, where the
        error left the script: at most 20 frames, 20 names of each kind in one, and short text for
        each value, without addresses.
        """

    def reproduce(self) -> None:
        """Has the program do the same in every isolate that is given the same, in the same order.

        Only before `run`, and where "reproduce" is a feature. What tables hold is gone through in
        an order of its own, and clocks are the host's. What works elsewhere takes answers and calls
        only when the script is at rest.
        """

    def restrict(self, sandbox: Sandbox) -> None:
        """Leaves only what is allowed in the environment of the script, and of all it starts.

        Only before `run`, and where "sandbox" is a feature. What is not there is nothing; an error
        that comes of using it says so.
        """

    def run(self, entry: int, chunk: Chunk, params: bytes, seed: int = 0) -> Answer:
        """Starts the program as entry number `entry`, with `params` as its parameters.

        `seed`, an integer from 0 to 2^31-1, is where its random numbers start.
        """

    def call(self, entry: int, function: int | str, args: bytes) -> Answer:
        """Starts function reference number `function` with a list of arguments.

        A text is the name of a global function; where there is none, the entry ends with null.
        """

    def resume(self, call_id: int, answer: bytes | CapabilityError) -> Answer:
        """Answers a call with a value in text form or with an error the script may catch."""

    def proceed(self) -> Answer:
        """Lets a busy script go on for one more turn."""

    def abandon(self, entry: int) -> Answer:
        """Ends an entry nobody waits for any more, in all its tasks. It is not told as ended."""

    def deadlock(self, waits: Mapping[int, str]) -> Answer:
        """Ends every entry with an error that names each task and what it waits for.

        All calls in flight wait for each other. `waits` says what for, by number of the call:
        "receives from channel#1". A task that failed unseen may be the reason, and is told instead.
        """

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


class Store(Protocol):
    """Where an engine keeps what it prepares once for all scripts: this user's alone, and signed.

    It raises nothing: what cannot be had is prepared again.
    """

    @property
    def folder(self) -> str:
        """The folder it keeps things in."""

    def load_image(self, name: bytes) -> bytes | None:
        """What was kept under this digest; None where there is nothing that we have written."""

    def store_image(self, name: bytes, data: bytes) -> None:
        """Keeps it, if the folder can be trusted with it."""


@runtime_checkable
class Prepares(Protocol):
    """An engine that prepares something once, which takes long."""

    def keep(self, store: Store | None) -> None:
        """Has it kept there from now on; None keeps it in memory only."""


class Engine(Protocol):
    """A script language.

    `features` names what is truly there: the limits "steps" and "memory", "preempt" when a busy
    script gives way, "int64" when integers of 64 bits are exact (else one beyond 2^53 is an
    error), "locals" when errors can tell what variables held, "sandbox" when its library can be
    narrowed, "reproduce" when a run can be restored, "camel" when its functions are named in
    camelCase. Asking for a limit that is not among them is
    a UsageError. `warm` is a small program: after it, everything an isolate needs is loaded.
    """

    name: str
    warm: str
    suffixes: tuple[str, ...]
    features: frozenset[str]

    @property
    def version(self) -> str:
        """The VM and its version."""

    @property
    def form(self) -> str:
        """Names what `compile` gives for a source: another VM, compiler or option, another form.

        A chunk may be kept on disk under this name; "" keeps it in memory only.
        """

    def compile(self, source: str, name: str) -> Chunk:
        """Checks and prepares a program. Raises ScriptSyntaxError. Pure."""

    def isolate(self, names: Mapping[str, Signature], limits: Limits) -> Isolate:
        """Makes a private world in which `names` are bound."""
