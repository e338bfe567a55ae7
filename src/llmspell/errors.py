"""The error tree. Classes are named for who must act; each builds its own message.

    LlmspellError
    |- ScriptError              the script's author
    |  |- ScriptSyntaxError       the source does not parse
    |  `- ScriptRuntimeError      an error left the script; carries its frames
    |- CapabilityError          crosses into the script, is catchable there, has a stable .code
    |  |- BadArgument             an argument does not fit the declaration
    |  |- Denied                  no grant covers the call
    |  |- NotFound                the named thing does not exist
    |  |  `- FileNotFound           a file or folder
    |  |- Cancelled               the call was cancelled before it had an answer
    |  |- ScriptFailure           a function of the script failed, and a capability passes that on
    |  `- HostFailure             the work itself failed
    |     |- FileFailure            a file could not be read or written
    |     `- ProviderFailure        a network peer or a model provider failed
    |- LimitExceeded            never catchable by a script
    |  |- StepLimit  MemoryLimit  TimeLimit  OutputLimit  DiskLimit  CallLimit  TaskLimit  RunLimit
    |  |- StackLimit               calls within each other, in a VM that cannot go on after that
    |  `- BudgetExceeded          tokens or dollars
    |- SpellError               the spell's packager
    |  |- ManifestError           its spell.yaml is wrong
    |  `- ParamError              a parameter does not fit the spell
    |- SpellCrashed             nobody: the worker of an isolated spell died; nothing else did
    |- IsolationError           whoever runs it: a layer of isolation the policy requires is missing
    |- PoolTimeout              whoever runs it: too many runs at once, this one was not begun
    |- ShutDown                 nobody: the session was closed before the run had ended
    |- UsageError               whoever calls us
    |  |- RestoreError            a checkpoint does not fit what it is to be restored in
    |  `- ConfigError             a configuration file is wrong
    `- InternalError            us

Every class has an `exit_code`, which the command line returns when the error ends a run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from traceback import TracebackException


class Frame(NamedTuple):
    """One level of a script's call stack: chunk name, line (1-based), function name or ""."""

    file: str
    line: int
    function: str = ""


class Variables(NamedTuple):
    """What the locals and upvalues of one level held: names with their values as short text."""

    locals: dict[str, str] = {}  # noqa: RUF012 - never written to
    upvalues: dict[str, str] = {}  # noqa: RUF012


class LlmspellError(Exception):
    """Base of every error llmspell raises.

    `frames` says where in the script, innermost first; `source_line` is the line itself, and
    `variables`, when they were asked for, has what each frame held.
    `retryable` says whether trying again may help.
    `details` is what else the script said of it, as plain data (see `records`): `cause`, the record
    of the error behind it, `context`, and `attempts`, how often it was tried.
    `result` is what ran before the error: the `Result` of the run it ended, or None.
    `host_error` is what failed on the host. It is not chained as a cause, because the texts of
    foreign exceptions may hold secrets; whoever shows it must redact them. `host_trace` says where
    in the host that was.
    """

    exit_code: ClassVar[int] = 1
    code: str = "error"

    def __init__(self, message: str = "", *, frames: tuple[Frame, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.frames = frames
        self.variables: tuple[Variables, ...] = ()
        self.retryable = False
        self.details: dict[str, Any] = {}
        self.source_line = ""
        self.result: Any = None
        self.host_error: BaseException | None = None
        self.host_trace: TracebackException | None = None

    @property
    def file(self) -> str:
        """Name of the chunk the innermost frame is in, or ""."""
        return self.frames[0].file if self.frames else ""

    @property
    def line(self) -> int:
        """Line (1-based) of the innermost frame, or 0."""
        return self.frames[0].line if self.frames else 0

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON output."""
        told: dict[str, Any] = {
            "type": type(self).__name__,
            "code": self.code,
            "message": self.message,
            "exit_code": self.exit_code,
        }
        if self.frames:
            told |= {"file": self.file, "line": self.line, "source_line": self.source_line}
            told["frames"] = self.trail()
        if self.retryable:
            told["retryable"] = True
        return told | self.details

    def trail(self) -> list[dict[str, Any]]:
        """The frames as plain data, with the variables where they are known."""
        told = [frame._asdict() for frame in self.frames]
        for frame, shown in zip(told, self.variables, strict=False):
            frame.update({key: part for key, part in shown._asdict().items() if part})
        return told

    def __reduce__(self) -> tuple[Any, ...]:
        # Not made again of its text; what failed on the host may be of any kind, and have secrets.
        state = self.__dict__ | {"host_error": None, "host_trace": None}
        return type(self).__new__, (type(self), *self.args), state

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.frames else ""
        return where + self.message


class ScriptError(LlmspellError):
    """The script is wrong; its author must act."""

    exit_code = 4
    code = "script"


class ScriptSyntaxError(ScriptError):
    """The source does not parse."""

    code = "syntax"


class ScriptRuntimeError(ScriptError):
    """An error left the script uncaught. `value` is what it raised when that was not a string.

    Its code is "runtime", or the one the script gave it.
    """

    code = "runtime"

    def __init__(self, message: str, *, frames: tuple[Frame, ...] = (), value: Any = None) -> None:
        super().__init__(message, frames=frames)
        self.value = value


class CapabilityError(LlmspellError):
    """A capability refused or failed. The script may catch it and read `.code`."""

    code = "failed"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        capability: str = "",
        retryable: bool = False,
        frames: tuple[Frame, ...] = (),
    ) -> None:
        super().__init__(message, frames=frames)
        if code is not None:
            self.code = code
        self.capability = capability
        self.retryable = retryable

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON output."""
        extra = {"capability": self.capability, "retryable": self.retryable}
        return super().as_dict() | extra


class BadArgument(CapabilityError):
    """An argument does not fit the declaration."""

    exit_code = 10
    code = "bad_argument"


class Denied(CapabilityError):
    """No grant covers what the call needs."""

    exit_code = 6
    code = "denied"


class NotFound(CapabilityError):
    """The named file, tool, model or handle does not exist."""

    code = "not_found"


class FileNotFound(NotFound):
    """There is no such file or folder."""

    exit_code = 12


class Cancelled(CapabilityError):
    """The call was cancelled before it had an answer."""

    exit_code = 130
    code = "cancelled"


class ScriptFailure(CapabilityError):
    """A function of the script failed, and the capability that called it passes that on.

    It is what the script raised: where it leaves the script it ends the run as ScriptRuntimeError.
    """

    exit_code = 4
    code = "script_failed"


class HostFailure(CapabilityError):
    """The work itself failed; `retryable` says whether trying again may help."""

    code = "failed"


class FileFailure(HostFailure):
    """A file could not be read or written."""

    exit_code = 12
    code = "io"


class ProviderFailure(HostFailure):
    """A network peer or a model provider could not be reached, refused, or answered nonsense."""

    exit_code = 7
    code = "provider"


class LimitExceeded(LlmspellError):
    """A hard limit was reached. A script cannot catch it."""

    exit_code = 9
    code = "limit"
    quantity: ClassVar[str] = "a limit"
    advice: ClassVar[str] = ""

    def __init__(self, limit: str = "", *, tenant: str = "") -> None:
        of = f" of {limit}" if limit else ""
        advice = f"; {self.advice}" if self.advice else ""
        text = f"the spell reached its {self.quantity} limit{of}{advice}"
        if tenant:
            text = f"the runs of {tenant} reached the {self.quantity} quota{of} that they share"
        super().__init__(text)
        self.limit = limit

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON output."""
        return super().as_dict() | {"limit": self.limit}


class StepLimit(LimitExceeded):
    """More loop turns and function calls than allowed."""

    code = "steps"
    quantity = "step"
    advice = "raise it with --limit steps=N"


class MemoryLimit(LimitExceeded):
    """More memory than allowed."""

    code = "memory"
    quantity = "memory"
    advice = "raise it with --limit memory=SIZE"


class TimeLimit(LimitExceeded):
    """Longer than allowed, in wall or processor time."""

    exit_code = 8
    code = "time"
    quantity = "time"
    advice = "raise it with --timeout"


class OutputLimit(LimitExceeded):
    """More printed bytes than allowed."""

    code = "output"
    quantity = "output"
    advice = "raise it with --limit output=SIZE"


class DiskLimit(LimitExceeded):
    """More bytes written to files than allowed."""

    code = "disk"
    quantity = "disk"
    advice = "raise it with --limit disk=SIZE"


class CallLimit(LimitExceeded):
    """More host calls than allowed."""

    code = "calls"
    quantity = "call"
    advice = "raise it with --limit calls=N"


class TaskLimit(LimitExceeded):
    """More tasks at the same time than allowed."""

    code = "tasks"
    quantity = "task"
    advice = "give parallel() a limit, or raise it with --limit tasks=N"


class StackLimit(LimitExceeded):
    """More calls within each other than the VM has stack for, where a script cannot catch that."""

    code = "stack"
    quantity = "stack"
    advice = "let functions call each other less deeply, or use a loop"


class RunLimit(LimitExceeded):
    """More runs of a tenant at the same time than allowed; raised before the run begins."""

    code = "runs"
    quantity = "run"
    advice = "raise it with Tenant(runs=N)"


class BudgetExceeded(LimitExceeded):
    """More tokens or dollars than allowed; raised before the call that would overspend."""

    exit_code = 13
    code = "budget"
    quantity = "budget"
    advice = "raise it with --limit tokens=N or --limit cost=DOLLARS"


class SpellError(LlmspellError):
    """The spell as a package is wrong; its packager must act."""

    exit_code = 10
    code = "spell"


class ManifestError(SpellError):
    """The manifest of a spell is wrong."""

    code = "manifest"


class ParamError(SpellError):
    """A parameter does not fit the spell."""

    code = "param"


class SpellCrashed(LlmspellError):
    """The worker of an isolated spell died, or broke the protocol. `signal` is what killed it."""

    exit_code = 5
    code = "crashed"

    def __init__(self, how: str, *, signal: int | None = None) -> None:
        super().__init__(f"the process of the spell {how}")
        self.signal = signal

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON output."""
        return super().as_dict() | {"signal": self.signal}


class IsolationError(LlmspellError):
    """A layer of isolation that is required is not active here: the spell was not run."""

    exit_code = 6
    code = "isolation"


class PoolTimeout(LlmspellError):
    """As many spells were running as may run at the same time, for too long: it was not begun."""

    exit_code = 9
    code = "pool"

    def __init__(self, how: str) -> None:
        advice = "try again later, or raise max or timeout of the pool"
        super().__init__(f"the spell was not begun: {how}; {advice}")
        self.retryable = True


class ShutDown(LlmspellError):
    """The session was closed before the run had ended, or had begun."""

    exit_code = 130
    code = "shut_down"

    def __init__(self, why: str = "its session is shutting down") -> None:
        super().__init__(f"the spell was ended: {why}")


class UsageError(LlmspellError):
    """The caller asked for something that makes no sense."""

    exit_code = 2
    code = "usage"


class RestoreError(UsageError):
    """A checkpoint cannot be restored: something is not as it was, or could not be kept."""

    code = "restore"

    def __init__(self, why: str) -> None:
        super().__init__(f"the checkpoint cannot be restored: {why}")


class ConfigError(UsageError):
    """A configuration file or variable is wrong."""

    exit_code = 3
    code = "config"


class InternalError(LlmspellError):
    """A bug in llmspell. Please report it with the script that caused it."""

    exit_code = 5
    code = "internal"


CAPABILITY_ERRORS: dict[str, type[CapabilityError]] = {
    cls.__name__: cls
    for cls in (
        HostFailure,
        BadArgument,
        Denied,
        NotFound,
        FileNotFound,
        Cancelled,
        ScriptFailure,
        FileFailure,
        ProviderFailure,
    )
}
"""Capability errors by name: an error that went through a script keeps its class."""

LIMIT_ERRORS: dict[str, type[LimitExceeded]] = {
    cls.code: cls
    for cls in (
        StepLimit,
        MemoryLimit,
        TimeLimit,
        OutputLimit,
        DiskLimit,
        CallLimit,
        TaskLimit,
        StackLimit,
        RunLimit,
        BudgetExceeded,
    )
}
"""Maps the name of a limit to the error that ends a run when it is reached."""


LONGEST_NAME = 100
"""Characters of a name that others are looked for beside it: no known one is as long."""


def near_miss(name: str, known: Iterable[str]) -> str:
    """Ends a sentence: "; did you mean X?" when a known name is close, else ""."""
    if len(name) > LONGEST_NAME:
        return ""  # a name may be megabytes of a script, and comparing takes time with length
    import difflib

    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


def some_of(known: Iterable[str], most: int = 12) -> str:
    """The names, for a sentence where none of them is close: sorted, with dots for the rest."""
    names = sorted(known)
    return ", ".join(names[:most]) + " ..." * (len(names) > most)
