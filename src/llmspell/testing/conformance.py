"""The conformance suite: one table of behaviour that holds in every language.

A case is a program in each language, side by side, and one expectation:

    [[case]]
    name = "an empty table is a list"
    lua = "return {}"
    javascript = "export default []"
    expect.result = []

`check_engine` runs the whole table, and the rules of the engine protocol, against an engine of
your own. A language that lacks a column needs a reason: `missing.tengo = "why"`, in the case or
once in the file.

In params, files, allow and sources, `{server}` stands for the address of the fake server,
`{host}` for its host and port.
"""

from __future__ import annotations

import io
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engines import TRUSTED_ONLY
from ..engines.base import Busy, Done, Engine, Signature, Waiting
from ..errors import (
    CapabilityError,
    HostFailure,
    LimitExceeded,
    ScriptRuntimeError,
    ScriptSyntaxError,
    StepLimit,
)
from ..host.settings import ProviderSettings, Settings
from ..limits import Limits
from ..runtime.result import Result
from ..runtime.run import Run
from ..runtime.session import Session
from ..spells.program import Program
from ..values import decode, encode
from .servers import ModelServer

COLUMNS = ("lua", "javascript", "tengo")
"""The languages of the table."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table.

    `given` holds params, files, modules, level, allow, limits, stdin and model, and as needs the
    features of an engine without which it is not asked; `expect` holds result, output, error (a
    part of the message), code, type, line, log and files.
    """

    name: str
    sources: Mapping[str, str]
    missing: Mapping[str, str]
    given: Mapping[str, Any]
    expect: Mapping[str, Any]

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Outcome:
    """What one case came to in one language: complaints (none when it holds), calls it made."""

    complaints: list[str] = field(default_factory=list)
    exercised: set[str] = field(default_factory=set)


class TableError(ValueError):
    """The table itself is wrong."""


KNOWN_GIVEN = {"needs", "params", "files", "modules", "level", "allow", "limits", "stdin", "model"}
KNOWN_EXPECT = {"result", "output", "error", "code", "type", "line", "log", "files"}


def read_cases(folder: Path) -> list[Case]:
    """Reads every table of a folder. Raises TableError for a row that could not fail."""
    cases: list[Case] = []
    for path in sorted(folder.glob("*.toml")):
        with path.open("rb") as file:
            table = tomllib.load(file)
        missing = table.get("missing", {})
        for row in table["case"]:
            cases.append(_read_case(path.stem, row, missing))
    names = [case.name for case in cases]
    for name in names:
        if names.count(name) > 1:
            raise TableError(f"{name}: two cases of this name")
    return cases


def _read_case(stem: str, row: dict[str, Any], missing: Mapping[str, str]) -> Case:
    name = f"{stem}: {row['name']}"
    case = Case(
        name,
        {column: row[column] for column in COLUMNS if column in row},
        {**missing, **row.get("missing", {})},
        row.get("given", {}),
        row.get("expect", {}),
    )
    for column in COLUMNS:
        if column not in case.sources and not case.missing.get(column):
            raise TableError(f"{name}: no {column} column, and no reason why")
    if not case.expect:
        raise TableError(f"{name}: expects nothing, so it cannot fail")
    unknown = {*case.given} - KNOWN_GIVEN | {*case.expect} - KNOWN_EXPECT
    unknown |= {*row} - {"name", "missing", "given", "expect", *COLUMNS}
    if unknown:
        raise TableError(f"{name}: does not know {', '.join(sorted(unknown))}")
    return case


def unsuited(case: Case, engine: Engine) -> str:
    """Why an engine is not asked to run a case, or ""."""
    if engine.name in TRUSTED_ONLY and case.given.get("level") == "untrusted":
        return f"{engine.name} is for trusted spells only"
    lacks = set(case.given.get("needs", ())) - engine.features
    return f"{engine.name} has no {', '.join(sorted(lacks))}" if lacks else ""


async def check_case(
    case: Case, engine: Engine, column: str, server: ModelServer, folder: Path
) -> Outcome:
    """Runs one case in `folder`, an empty one, and tells what does not hold."""
    fill = _Filler(server)
    given = fill.into(dict(case.given))
    for path, content in given.get("files", {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    log: list[str] = []
    local = ProviderSettings("openai_compatible", server.url + "/v1")
    session = Session(
        engine=engine,
        level=given.get("level", "trusted"),
        allow=given.get("allow", ()),
        # Against hanging: a busy machine takes seconds for some cases.
        limits={"time": 60, **given.get("limits", {})},
        modules=given.get("modules"),
        model=given.get("model", "test/offline"),
        folder=folder,
        settings=Settings(providers={"local": local}),
        stdin=io.StringIO(given.get("stdin", "")),
        log=lambda level, message, fields: log.append(f"{level}: {message}"),
    )
    session.isolation = "none"  # the engine that was given decides
    source = fill.into(case.sources[column])
    async with session:
        run = Run(session, Program(source, "case", folder=str(folder)), given.get("params", {}), {})
        try:
            result = await run.attempt()
        finally:
            await run.close()
    outcome = Outcome(exercised=run.gate.seen)
    outcome.complaints += _complaints(fill.into(dict(case.expect)), result, log, folder)
    return outcome


class _Filler:
    """Puts the address of the fake server where a case says so."""

    def __init__(self, server: ModelServer) -> None:
        self.marks = {"{server}": server.url, "{host}": server.url.removeprefix("http://")}

    def into(self, value: Any) -> Any:
        if isinstance(value, str):
            for mark, text in self.marks.items():
                value = value.replace(mark, text)
        elif isinstance(value, list):
            value = [self.into(item) for item in value]
        elif isinstance(value, dict):
            value = {key: self.into(item) for key, item in value.items()}
        return value


def _complaints(
    expect: Mapping[str, Any], result: Result, log: list[str], folder: Path
) -> Iterator[str]:
    error = result.error
    if error is not None and not expect.keys() & {"error", "code", "type"}:
        yield f"ended with {type(error).__name__}: {error}"
    if error is None and expect.keys() & {"error", "code", "type", "line"}:
        yield f"did not fail; it gave {result.value!r}"
    if error is not None:
        if expect.get("error", "") not in error.message:
            yield f"the message {error.message!r} lacks {expect['error']!r}"
        for key, got in (("code", error.code), ("type", type(error).__name__)):
            if key in expect and expect[key] != got:
                yield f"the {key} is {got!r}, not {expect[key]!r}"
        if "line" in expect and expect["line"] != error.line:
            yield f"the line is {error.line}, not {expect['line']}"
    if "result" in expect and not same(expect["result"], result.value):
        yield f"the result is {result.value!r}, not {expect['result']!r}"
    if "output" in expect and expect["output"] != result.output:
        yield f"the output is {result.output!r}, not {expect['output']!r}"
    if "log" in expect and expect["log"] != log:
        yield f"the log is {log!r}, not {expect['log']!r}"
    for path, content in expect.get("files", {}).items():
        got_file = (folder / path).read_text() if (folder / path).is_file() else None
        if got_file != content:
            yield f"the file {path} holds {got_file!r}, not {content!r}"


def same(wanted: Any, got: Any) -> bool:
    """Equality that tells 1 from 1.0 and from true. "nothing" in a table stands for none."""
    if wanted == "nothing" and got is None:
        return True
    if type(wanted) is not type(got):
        return False
    if isinstance(wanted, list):
        return len(wanted) == len(got) and all(map(same, wanted, got))
    if isinstance(wanted, dict):
        return wanted.keys() == got.keys() and all(same(wanted[k], got[k]) for k in wanted)
    return bool(wanted == got)


# The engine protocol itself. ------------------------------------------------------------------

PROGRAMS: Mapping[str, Mapping[str, str]] = {
    "lua": {
        "value": "return params",
        "calls": "local a = probe.ask(1) local b = probe.ask(a) return {a, b}",
        "parallel": "return parallel{function() return probe.ask(1) end,"
        " function() return probe.ask(2) end}",
        "caught": "local ok, e = pcall(probe.ask, 1) return {ok, e.code}",
        "uncaught": "probe.ask(1)",
        "function": "probe.ask(function(x) return probe.ask(x) + 1 end) return 0",
        "deadlock": "async(function() probe.ask(2) end) local x = probe.ask(1)",
        "loop": "while true do end",
        "global": "local was = leaked leaked = 1 return was",
        "syntax": "return (",
        "output": "io.write('a') probe.ask(1) io.write('b')",
    },
    "javascript": {
        "value": "export default params",
        "calls": "const a = await probe.ask(1), b = await probe.ask(a); export default [a, b]",
        "parallel": "export default parallel([() => probe.ask(1), () => probe.ask(2)])",
        "caught": "let c; try { await probe.ask(1) } catch (e) { c = e.code }"
        " export default [c === undefined, c]",
        "uncaught": "await probe.ask(1)",
        "function": "await probe.ask(async (x) => await probe.ask(x) + 1); export default 0",
        "deadlock": "async(() => probe.ask(2)); await probe.ask(1)",
        "loop": "for (;;);",
        "global": "const was = globalThis.leaked; globalThis.leaked = 1; export default was",
        "syntax": "export default (",
        "output": "io.write('a'); await probe.ask(1); io.write('b')",
    },
    "tengo": {
        "value": "export params",
        "calls": "a := probe.ask(1); b := probe.ask(a); export [a, b]",
        "parallel": "export parallel([func() { return probe.ask(1) },"
        " func() { return probe.ask(2) }])",
        "caught": "e := probe.ask(1); export [!is_error(e), e.value.code]",
        "uncaught": "probe.ask(1)",
        "function": "probe.ask(func(x) { return probe.ask(x) + 1 }); export 0",
        "deadlock": "async(func() { probe.ask(2) }); x := probe.ask(1)",
        "loop": "for { }",
        "global": "was := result; result = 1; export was",
        "syntax": "export (",
        "output": 'io.write("a"); probe.ask(1); io.write("b")',
    },
}
"""What the protocol is checked with, in each language."""

NAMES = {
    "probe.ask": Signature(("value",)),
    "io.write": Signature(("text",), role="output"),
}


def check_engine(engine: Engine, column: str = "lua", tables: Path | None = None) -> list[str]:
    """Checks an engine against the protocol and, given `tables`, against every case in them.

    Gives what does not hold: an empty list is a pass. `column` is the language it runs.
    """
    found = [f"{name}: {text}" for name, text in _protocol(engine, PROGRAMS[column])]
    if tables is not None:
        import asyncio
        import tempfile

        with ModelServer() as server:
            for case in read_cases(tables):
                if column not in case.sources or unsuited(case, engine):
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    outcome = asyncio.run(
                        check_case(case, engine, column, server, Path(folder).resolve())
                    )
                found += [f"{case.name}: {complaint}" for complaint in outcome.complaints]
    return found


class _Protocol:
    """Runs a program by hand and compares what the engine answers."""

    def __init__(self, engine: Engine, limits: Limits = Limits()) -> None:
        self.isolate = engine.isolate(NAMES, limits)
        self.engine = engine

    def run(self, source: str, params: Any = None) -> Any:
        chunk = self.engine.compile(source, "program")
        return self.isolate.run(1, chunk, encode(params))


def _protocol(engine: Engine, programs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, check in _CHECKS.items():
        try:
            for complaint in check(engine, programs):
                yield name, complaint
        except (AssertionError, IndexError, ValueError, CapabilityError) as error:
            yield name, f"{type(error).__name__}: {error}"


def _check_values(engine: Engine, programs: Mapping[str, str]) -> Iterator[str]:
    least = -(2**63) if "int64" in engine.features else -(2**53)
    value = {"a": [1, 2.5, "x", True, {"b": least}]}
    answer = _Protocol(engine).run(programs["value"], value)
    if not isinstance(answer, Done) or not same(value, decode(answer.ended[0].value)):
        yield f"params came back as {answer.ended}"


def _check_calls(engine: Engine, programs: Mapping[str, str]) -> Iterator[str]:
    probe = _Protocol(engine)
    answer = probe.run(programs["calls"])
    if not isinstance(answer, Waiting) or [c.name for c in answer.calls] != ["probe.ask"]:
        yield f"the first call came as {answer.calls}"
    answer = probe.isolate.resume(answer.calls[0].id, encode("one"))
    if decode(answer.calls[0].args) != ["one"]:
        yield f"the second call has arguments {answer.calls[0].args!r}"
    answer = probe.isolate.resume(answer.calls[0].id, encode("two"))
    if not isinstance(answer, Done) or decode(answer.ended[0].value) != ["one", "two"]:
        yield f"it ended with {answer.ended}"


def _check_parallel(engine: Engine, programs: Mapping[str, str]) -> Iterator[str]:
    probe = _Protocol(engine)
    answer = probe.run(programs["parallel"])
    if len(answer.calls) != 2:
        yield f"{len(answer.calls)} calls are in flight, not 2"
    first, second = answer.calls
    between = probe.isolate.resume(second.id, encode("b"))
    if not isinstance(between, Waiting):
        yield "it does not wait for the other call"
    answer = probe.isolate.resume(first.id, encode("a"))
    if not isinstance(answer, Done) or decode(answer.ended[0].value) != ["a", "b"]:
        yield f"it ended with {answer.ended}"


def _check_errors(engine: Engine, programs: Mapping[str, str]) -> Iterator[str]:
    failure = HostFailure("no luck", code="luck", capability="probe.ask")
    probe = _Protocol(engine)
    answer = probe.isolate.resume(probe.run(programs["caught"]).calls[0].id, failure)
    if decode(answer.ended[0].value) != [False, "luck"]:
        yield f"a caught error gave {answer.ended}"
    probe = _Protocol(engine)
    answer = probe.isolate.resume(probe.run(programs["uncaught"]).calls[0].id, failure)
    error = answer.ended[0].error
    if not isinstance(error, CapabilityError) or error.code != "luck" or error.line != 1:
        yield f"an uncaught error came out as {error!r}"
    try:
        engine.compile(programs["syntax"], "program")
        yield "a syntax error was not seen"
    except ScriptSyntaxError as wrong:
        if wrong.line != 1 or wrong.file != "program":
            yield f"a syntax error is placed at {wrong.file}:{wrong.line}"


def _check_functions(engine: Engine, programs: Mapping[str, str]) -> Iterator[str]:
    probe = _Protocol(engine)
    asked = probe.run(programs["function"]).calls[0]

    async def never(number: int, args: list[Any]) -> Any:
        raise NotImplementedError

    function = decode(asked.args, never)[0]
    inner = probe.isolate.call(2, function.id, encode([20]))
    answer = probe.isolate.resume(inner.calls[0].id, encode(41))
    if [(e.entry, decode(e.value)) for e in answer.ended] != [(2, 42)]:
        yield f"the function gave {answer.ended}"
    answer = probe.isolate.resume(asked.id, encode(None))
    if not isinstance(answer, Done) or decode(answer.ended[0].value) != 0:
        yield f"the program gave {answer.ended}"


def _check_deadlock(engine: Engine, programs: Mapping[str, str]) -> Iterator[str]:
    probe = _Protocol(engine)
    calls = probe.run(programs["deadlock"]).calls
    waits = {call.id: f"waits for {decode(call.args)[0]}" for call in calls}
    answer = probe.isolate.deadlock(waits)
    error = answer.ended[0].error
    if not isinstance(answer, Done) or not isinstance(error, ScriptRuntimeError):
        yield f"it ended with {answer.ended}"
    elif error.line != 1 or not all(what in error.message for what in waits.values()):
        yield f"the error does not say where, and who waits for what: {error}"


def _check_limits(engine: Engine, programs: Mapping[str, str]) -> Iterator[str]:
    probe = _Protocol(engine)
    probe.isolate.allot(0.002, 60.0)
    if not isinstance(probe.run(programs["loop"]), Busy):
        yield "a busy program does not give way"
    stop = StepLimit("here")
    answer = probe.isolate.interrupt(stop)
    if [e.error for e in answer.ended] != [stop] or probe.isolate.proceed().calls:
        yield "an interrupted program goes on"
    probe.isolate.close()
    probe.isolate.close()
    if "steps" in engine.features:
        probe = _Protocol(engine, Limits(steps=100_000))
        answer = probe.run(programs["loop"])
        while isinstance(answer, Busy):
            answer = probe.isolate.proceed()
        steps = probe.isolate.usage().steps
        if not isinstance(answer.ended[0].error, LimitExceeded) or not 99_000 <= steps <= 101_000:
            yield f"100,000 steps ended after {steps} with {answer.ended}"


def _check_freshness(engine: Engine, programs: Mapping[str, str]) -> Iterator[str]:
    for _ in range(2):
        answer = _Protocol(engine).run(programs["global"])
        if decode(answer.ended[0].value) is not None:
            yield "a global of one run is seen by the next"


def _check_output(engine: Engine, programs: Mapping[str, str]) -> Iterator[str]:
    probe = _Protocol(engine)
    answer = probe.run(programs["output"])
    if [(c.id > 0, c.name) for c in answer.calls] != [(False, "io.write"), (True, "probe.ask")]:
        yield f"output and calls came as {answer.calls}"
    answer = probe.isolate.resume(answer.calls[1].id, encode(None))
    if [c.args for c in answer.calls] != [b"b"]:
        yield f"the last output came as {answer.calls}"


_CHECKS = {
    "values": _check_values,
    "calls": _check_calls,
    "parallel": _check_parallel,
    "errors": _check_errors,
    "functions": _check_functions,
    "deadlock": _check_deadlock,
    "limits": _check_limits,
    "freshness": _check_freshness,
    "output": _check_output,
}
