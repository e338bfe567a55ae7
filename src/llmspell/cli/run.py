"""`llmspell run`: runs one spell and prints what it prints, then what it returns."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import LlmspellError, UsageError

if TYPE_CHECKING:
    from types import FrameType

    from ..runtime.result import Result
    from ..runtime.session import Session
    from ..spells.program import Program


def add_to(
    commands: argparse._SubParsersAction[Any],
    formatter: type[argparse.HelpFormatter],
) -> None:
    """Declares the command."""
    this = commands.add_parser(
        "run", help="run a spell", description="Runs a spell.", formatter_class=formatter
    )
    this.set_defaults(command_function=run)
    add = this.add_argument
    add("spell", metavar="FILE|DIR|-", help="a script, a folder with a main script, or - for stdin")
    add("-p", "--param", action="append", default=[], metavar="K=V",
        help="give the spell a parameter; K:=V reads V as JSON")  # fmt: skip
    add("--model", metavar="PROVIDER/MODEL", help="model to use where the spell names none")
    add("--engine", metavar="E", help="script engine, instead of going by the file's suffix")
    add("--timeout", metavar="T", help="most wall time, such as 30s or 5m")
    add("--level", metavar="LEVEL",
        help="what the spell may do: untrusted, trusted (the default) or privileged")  # fmt: skip
    add(
        "--isolation",
        metavar="HOW",
        help="none, or process: one of its own, as always at level untrusted",
    )
    add("--require", action="append", default=[], metavar="LAYER",
        help="run it only where this layer of isolation is active, such as seccomp")  # fmt: skip
    add("--allow", action="append", default=[], metavar="GRANT",
        help="grant more, such as net:localhost:8080 or fs.read:~/notes/**")  # fmt: skip
    add("--feature-set", action="append", metavar="NAME",
        help="offer only minimal, llm, agent, observable, full, ai or data")  # fmt: skip
    add("--sandbox", action="append", metavar="NAME",
        help="leave it a part of its language's library: standard, strict, math.*")  # fmt: skip
    add("--limit", action="append", default=[], metavar="NAME=N",
        help="set a limit: steps, memory, output, calls, tasks, tokens, cost, ..., or"
        " profile=strict, normal or relaxed")  # fmt: skip
    add("--tool-rule", action="append", default=[], metavar="NAME=WHAT",
        help="allow, ask or deny tools by name, such as 'file_*=ask'; the last counts")  # fmt: skip
    add("--json", action="store_true", help="print one JSON document with result and usage")
    add("--record", metavar="FILE", help="write every call and its answer to FILE")
    add("--replay", metavar="FILE", help="answer every call from FILE instead of making it")
    add("--checkpoint", metavar="FILE", help="keep in FILE what it takes to go on after a crash")
    add("--resume", metavar="FILE", help="go on where FILE, a checkpoint, ends; and keep it")
    add("-q", "--quiet", action="store_true", help="no remarks, no info log")
    add("-v", "--verbose", action="store_true", help="debug log, and each call as it is answered")
    add("--log-format", metavar="FORM", choices=("text", "json"), default="text",
        help="how remarks, logs and errors are told: text, or json, an object a line")  # fmt: skip
    add("--locals", action="store_true", help="show what variables held where an error happened")
    add("--debug", action="store_true", help="show tracebacks of the host too")


def run(options: argparse.Namespace) -> int:
    """Runs the command and gives its exit code."""
    import signal

    from .report import complain

    signal.signal(signal.SIGTERM, interrupted)
    session, program, params = prepare(options)
    if options.checkpoint or options.resume:
        result = resumable(session, program, params, options)
    else:
        result = session.attempt_sync(program, params)
    if options.json:
        print(document(result.as_dict()))
    elif result.error is None:
        show(result.value, shown_at(session.policy.level))
    sys.stdout.flush()
    if result.error is not None:
        if not options.json or options.debug:
            complain(result.error, options.debug, options.log_format, result.run_id)
        return result.error.exit_code
    return 0


def interrupted(number: int, frame: FrameType | None) -> None:
    """Does as Ctrl-C does: an event loop then cancels the run, and is not torn out of its work."""
    import signal

    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(number, frame)


def resumable(
    session: Session, program: Program, params: dict[str, Any], options: argparse.Namespace
) -> Result:
    """Runs a spell that can go on from a file, or goes on from one."""
    import asyncio

    from ..runtime.checkpoint import Checkpoint

    file, found = options.resume or options.checkpoint, None
    if options.resume:
        for given, flag in ((options.checkpoint, "--checkpoint"), (params, "-p")):
            if given:
                raise UsageError(f"{flag} makes no sense with --resume: FILE has it")
        found = Checkpoint.load(options.resume)

    async def go() -> Result:
        async with session:
            if found is None:
                return await session.start(program, params, keep=file).attempt()
            return await session.restore(found, program, keep=file).attempt()

    return asyncio.run(go())


def prepare(options: argparse.Namespace) -> tuple[Session, Program, dict[str, Any]]:
    """The session, the program and its parameters, from arguments and settings."""
    from ..host.settings import Settings
    from ..limits import expanded
    from ..policy import real_folder
    from ..runtime.session import Session
    from ..spells.program import Program
    from .approval import approver
    from .report import Log

    settings = Settings.load(os.environ, real_folder())
    limits: dict[str, Any] = dict(settings.limits)
    for item in options.limit:
        name, value = split(item, "--limit", "NAME=N")
        limits |= expanded({name: value})
    if options.timeout is not None:
        limits["time"] = options.timeout
    level = options.level or settings.level or "trusted"
    log = Log(options.quiet, options.verbose, options.log_format)
    program = read_stdin() if options.spell == "-" else Program.read(options.spell)
    session = Session(
        engine=options.engine,
        level=level,
        isolation=options.isolation or (None if level == "untrusted" else settings.isolation),
        require=[*settings.require, *options.require],
        allow=[*settings.allow, *options.allow],
        limits=limits,
        features=options.feature_set,
        sandbox=options.sandbox,
        tool_rules=dict(split(item, "--tool-rule", "NAME=WHAT") for item in options.tool_rule),
        approve=approver(),
        model=options.model,
        settings=settings,
        stdin=sys.stdin,
        output=None if options.json else partial(put, shown_at(level)),
        log=log.write,
        notify=log.note,
        on_call=log.call if options.verbose else None,
        locals=options.locals,
        record=options.record,
        replay=options.replay,
    )
    log.run_id = lambda: session.services.run_id
    return session, program, dict(parameter(item) for item in options.param)


def read_stdin() -> Program:
    """The program on standard input."""
    from ..spells.program import Program

    try:
        return Program(sys.stdin.buffer.read().decode("utf-8-sig"), "stdin")
    except UnicodeDecodeError:
        raise UsageError("standard input is not UTF-8 text") from None


def parameter(item: str) -> tuple[str, Any]:
    """`k=v` is text; `k:=v` is JSON."""
    name, value = split(item, "-p", "K=V")
    if not name.endswith(":"):
        return name, value
    import json

    if name == ":":
        raise UsageError(f"-p {item}: write it as K=V")
    try:
        return name[:-1], json.loads(value)
    except RecursionError:
        raise UsageError(f"-p {name[:-1]}: the JSON is nested too deep") from None
    except ValueError:
        raise UsageError(f"-p {item}: {value!r} is not JSON; write {name[:-1]}={value}") from None


def split(item: str, flag: str, form: str) -> tuple[str, str]:
    """Takes `name=value` apart."""
    name, equals, value = item.partition("=")
    if not equals or not name:
        raise UsageError(f"{flag} {item}: write it as {form}")
    return name, value


def shown_at(level: str) -> Callable[[str], str]:
    """How text of a spell is printed. A terminal must not obey what nobody reviewed."""
    if level != "untrusted" or not sys.stdout.isatty():
        return str
    from .report import safe

    return safe


def put(shown: Callable[[str], str], text: str) -> None:
    """Prints output of the spell as it happens."""
    sys.stdout.write(shown(text))
    sys.stdout.flush()


def show(value: Any, shown: Callable[[str], str]) -> None:
    """Prints the returned value: text raw, nothing for nothing, else JSON."""
    if isinstance(value, str):
        print(shown(value))
    elif isinstance(value, bytes) and shown is not str:
        print(shown(value.decode("utf-8", "backslashreplace")))
    elif isinstance(value, bytes):
        sys.stdout.flush()
        sys.stdout.buffer.write(value)
    elif value is not None:
        import json

        print(shown(json.dumps(plain(value), ensure_ascii=False, indent=2)))


def document(told: dict[str, Any]) -> str:
    """The one document of --json. What a terminal could obey is escaped, as JSON allows."""
    import json

    from .report import safe

    return safe(json.dumps(plain(told), ensure_ascii=False, indent=2))


def failure_document(error: LlmspellError) -> str:
    """The document of a run that could not begin, or was interrupted."""
    told = dict.fromkeys(("run_id", "engine", "seed", "limits", "result", "usage", "isolation"))
    told |= {"output": ""}
    return document(told | {"error": error.as_dict()})


def plain(value: Any) -> Any:
    """The value as JSON knows it; bytes are hexadecimal text under the key "bytes"."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
