"""The error tree: what is drawn is what there is, and what a caller can rely on."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from time import thread_time
from typing import Any

import pytest

import llmspell
from llmspell import errors, records
from llmspell.errors import (
    CAPABILITY_ERRORS,
    LIMIT_ERRORS,
    BadArgument,
    CapabilityError,
    Frame,
    LimitExceeded,
    LlmspellError,
    ScriptRuntimeError,
    StackLimit,
    near_miss,
)
from llmspell.limits import Limits

README = Path(__file__).parents[1] / "README.md"
CLASSES = {
    name: cls
    for name, cls in vars(errors).items()
    if inspect.isclass(cls) and issubclass(cls, LlmspellError)
}


def make(cls: type[LlmspellError]) -> LlmspellError:
    """An error of this class, with frames and odd text."""
    error = cls("5 things") if issubclass(cls, LimitExceeded) else cls('what "went" wrong\n\0é')
    error.frames = (Frame("a.lua", 3, "f"), Frame("b.lua", 9))
    error.source_line = "  boom()"
    return error


def drawn() -> dict[str, str]:
    """Class -> parent, as the tree in the module's docstring draws them."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    lines = [li for li in (errors.__doc__ or "").split("\n") if li.startswith("    ")]
    for line in lines:
        match = re.match(r"^[ |`-]*", line)
        assert match is not None
        depth = match.end()
        names = re.match(r"(?:[A-Z]\w+(?:  |$))*[A-Z]\w+", line[depth:])
        assert names is not None, line
        while above and above[-1][0] >= depth:
            above.pop()
        for name in names[0].split():
            found[name] = above[-1][1] if above else ""
        above.append((depth, names[0].split()[0]))
    return found


def test_the_tree_drawn_is_the_tree_there_is() -> None:
    tree = {name: cls.__base__.__name__ for name, cls in CLASSES.items() if cls.__base__}
    tree["LlmspellError"] = ""
    assert drawn() == tree


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_public_told_and_has_codes(name: str) -> None:
    cls = CLASSES[name]
    assert cls.__module__ == "llmspell.errors"
    assert cls.__doc__
    assert cls.__doc__.strip().split("\n")[0].endswith(".")
    assert name in llmspell.__all__
    assert getattr(llmspell, name) is cls
    assert re.fullmatch(r"[a-z_]+", cls.code)
    assert isinstance(cls.exit_code, int)


def test_everything_public_can_be_imported_and_nothing_else() -> None:
    assert llmspell.__all__ == sorted(llmspell.__all__)
    for name in llmspell.__all__:
        assert getattr(llmspell, name).__name__ == name
    with pytest.raises(AttributeError, match="module 'llmspell' has no attribute 'nonsense'"):
        _ = llmspell.nonsense  # type: ignore[attr-defined]


MEANT = {
    "LlmspellError": "other failure",
    "ScriptError": "script",
    "ScriptSyntaxError": "script",
    "ScriptRuntimeError": "script",
    "CapabilityError": "other failure",
    "BadArgument": "argument or parameter",
    "Denied": "permission, missing isolation",
    "NotFound": "other failure",
    "FileNotFound": "file",
    "Cancelled": "interrupted",
    "ScriptFailure": "script",
    "HostFailure": "other failure",
    "FileFailure": "file",
    "ProviderFailure": "network or provider",
    "LimitExceeded": "other limit",
    "StepLimit": "other limit",
    "MemoryLimit": "other limit",
    "TimeLimit": "time limit",
    "OutputLimit": "other limit",
    "DiskLimit": "other limit",
    "CallLimit": "other limit",
    "StackLimit": "other limit",
    "TaskLimit": "other limit",
    "RunLimit": "other limit",
    "BudgetExceeded": "budget",
    "SpellError": "argument or parameter",
    "ManifestError": "argument or parameter",
    "ParamError": "argument or parameter",
    "UsageError": "usage",
    "ConfigError": "configuration",
    "InternalError": "engine, crashed worker, internal",
    "IsolationError": "permission, missing isolation",
    "PoolTimeout": "other limit",
    "ShutDown": "interrupted",
    "RestoreError": "usage",
    "SpellCrashed": "engine, crashed worker, internal",
}


def exit_codes() -> dict[int, str]:
    """The table of exit codes in README.md."""
    table = README.read_text().partition("| exit code |")[2].partition("\n\n")[0]
    return {int(number): text.strip() for number, text in re.findall(r"\| (\d+) ([^|]+)", table)}


def test_exit_codes_are_those_of_the_table() -> None:
    table = exit_codes()
    assert table[0] == "ok"
    assert {name: table[cls.exit_code] for name, cls in CLASSES.items()} == MEANT


def test_every_exit_code_of_the_table_is_used() -> None:
    assert set(exit_codes()) == {0} | {cls.exit_code for cls in CLASSES.values()}


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_is_plain_data(name: str) -> None:
    error = make(CLASSES[name])
    told = error.as_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["type"] == name
    assert told["code"] == error.code
    assert told["exit_code"] == error.exit_code
    assert told["message"] == error.message
    assert (told["file"], told["line"], told["source_line"]) == ("a.lua", 3, "  boom()")
    assert told["frames"] == [
        {"file": "a.lua", "line": 3, "function": "f"},
        {"file": "b.lua", "line": 9, "function": ""},
    ]


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_says_where_it_was(name: str) -> None:
    error = make(CLASSES[name])
    assert str(error) == f"a.lua:3: {error.message}"
    assert (error.file, error.line) == ("a.lua", 3)
    error.frames = ()
    assert str(error) == error.message
    assert (error.file, error.line) == ("", 0)
    assert "file" not in error.as_dict()
    assert "frames" not in error.as_dict()


def test_an_error_of_a_capability_carries_its_own_code() -> None:
    error = CapabilityError("no", code="own", capability="llm.generate", retryable=True)
    assert (error.code, CapabilityError.code) == ("own", "failed")
    assert error.as_dict() == {
        "type": "CapabilityError",
        "code": "own",
        "message": "no",
        "exit_code": 1,
        "capability": "llm.generate",
        "retryable": True,
    }
    assert BadArgument("no").code == "bad_argument"


@pytest.mark.parametrize("code", LIMIT_ERRORS)
def test_a_limit_says_what_it_was_and_how_to_raise_it(code: str) -> None:
    cls = LIMIT_ERRORS[code]
    error = cls("5 things")
    assert error.message == (
        f"the spell reached its {cls.quantity} limit of 5 things; {cls.advice}"
    )
    assert error.as_dict()["limit"] == "5 things"
    assert cls().message == f"the spell reached its {cls.quantity} limit; {cls.advice}"
    if cls is StackLimit:
        assert "use a loop" in cls.advice  # it is the VM's own: no option raises it
        return
    option = re.search(r"--limit (\w+)=|--(timeout)|Tenant\((\w+)=", cls.advice)
    assert option is not None
    shared = inspect.signature(llmspell.Tenant).parameters
    assert option[2] or option[1] in Limits._fields or option[3] in shared


def leaves(cls: type[Any]) -> set[type[Any]]:
    below = {leaf for sub in cls.__subclasses__() for leaf in leaves(sub)}
    return below or {cls}


def below(cls: type[Any]) -> set[type[Any]]:
    return {cls}.union(*(below(sub) for sub in cls.__subclasses__()))


def test_the_maps_are_complete() -> None:
    assert set(LIMIT_ERRORS.values()) == leaves(LimitExceeded)
    assert {cls.code: cls for cls in LIMIT_ERRORS.values()} == LIMIT_ERRORS
    assert set(CAPABILITY_ERRORS.values()) == below(CapabilityError) - {CapabilityError}
    assert {cls.__name__: cls for cls in CAPABILITY_ERRORS.values()} == CAPABILITY_ERRORS


def test_codes_tell_classes_apart() -> None:
    # A script asks what happened, and need not know that of more than one kind of thing.
    shared = {"HostFailure", "FileNotFound"}
    codes = [cls.code for name, cls in CLASSES.items() if name not in shared]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("engine", ["lua54", "lua55", "luajit"])
@pytest.mark.parametrize("name", CAPABILITY_ERRORS)
def test_an_error_that_went_through_a_script_keeps_its_class(
    name: str, engine: str, tmp_path: Path
) -> None:
    told = {"type": name, "code": "own", "message": "no", "retryable": True}
    line = {"call": "time.now", "args": "[]", "error": told}
    path = tmp_path / "calls.jsonl"
    path.write_text(json.dumps(line) + "\n")
    source = """
        local ok, e = pcall(time.now)
        assert(not ok and e.code == "own" and e.message == "no" and e.retryable == true)
        assert(e.capability == "time.now" and tostring(e):find("no", 1, true))
        local co = coroutine.wrap(function() error(e) end)
        co()
    """
    # What a capability passed on from the script is the script's own error again.
    ends_as = ScriptRuntimeError if name == "ScriptFailure" else CAPABILITY_ERRORS[name]
    with pytest.raises(LlmspellError) as caught:
        llmspell.Session(replay=path, engine=engine).run_sync(source)
    error = caught.value
    assert type(error) is ends_as
    assert error.exit_code == CAPABILITY_ERRORS[name].exit_code
    assert (error.code, error.message, error.retryable) == ("own", "no", True)
    assert getattr(error, "capability", "") == ("" if name == "ScriptFailure" else "time.now")
    assert error.line == 2


def test_a_value_that_was_raised_is_kept() -> None:
    with pytest.raises(ScriptRuntimeError) as caught:
        llmspell.run_sync("error({code = 5, message = 'mine'})")
    assert caught.value.value == {"code": 5, "message": "mine"}
    assert caught.value.message == "mine"
    assert ScriptRuntimeError("x").value is None


@pytest.mark.parametrize(
    ("name", "known", "ending"),
    [
        ("max_token", ["max_tokens", "model"], "; did you mean max_tokens?"),
        ("llm.generat", ["llm.generate"], "; did you mean llm.generate?"),
        ("zzz", ["max_tokens"], ""),
        ("x", [], ""),
        ("", ["a"], ""),
        ("x" * 101, ["x" * 100], ""),
        ("x" * 10_000_000, ["x"], ""),
    ],
    ids=lambda value: str(value)[:20],
)
def test_near_misses(name: str, known: list[str], ending: str) -> None:
    assert near_miss(name, known) == ending
    assert near_miss(name, iter(known)) == ending


@pytest.mark.parametrize(
    ("engine", "source"),
    [
        ("lua54", "local t = {json = {}} t.json.x()"),
        ("lua54", "local nothing json.encode({}) nothing()"),
        ("javascript", "const t = {json: {}}; t.json.x();"),
        ("tengo", "t := {json: {}}; t.json.x()"),
        ("lua54", "local function f(text) return text.size() end\nf({})"),
        ("lua54", "local time = nil\nprint(time.zone)"),
        ("lua54", "for _, agent in ipairs({1, {}}) do if agent ~= 1 then agent.go() end end"),
        ("javascript", "function f({ text }) { return text.length }\nf({})"),
        ("javascript", "const f = (log) => log.lines();\nf({})"),
        ("javascript", "[{}].map(tools => tools.first())"),
        ("typescript", "function f(text: any): number { return text.size() }\nf({})"),
        ("tengo", "text := {}\ntext.shout()"),
        ("tengo", "f := func(x, log) { log.lines(); return x }\nf(1, {})"),
    ],
)
def test_what_a_script_has_itself_is_not_taken_for_a_misspelling(engine: str, source: str) -> None:
    with pytest.raises(ScriptRuntimeError) as caught:
        llmspell.run_sync(source, engine=engine)
    assert "has no" not in caught.value.message


@pytest.mark.parametrize(
    ("engine", "source"),
    [
        ("lua54", "for _, m in ipairs(llm.modles()) do print(m) end"),
        ("lua54", "local t = llm.modles()"),
        ("javascript", "const t = [1].map((x) => llm.modles(x))"),
        ("javascript", "import llm from 'llmspell:llm'; const f = () => llm.modles(); f()"),
        ("tengo", 'llm := import("llm")\nx := llm.modles()'),
    ],
)
def test_a_namespace_that_is_used_is_not_taken_for_the_scripts_own(
    engine: str, source: str
) -> None:
    with pytest.raises(ScriptRuntimeError, match="llm has no modles; did you mean models"):
        llmspell.run_sync(source, engine=engine)


def test_names_of_the_scripts_own_are_looked_for_in_short_time() -> None:
    used = ",".join(["log.info"] * 80 + ["llm.modles"])
    source = f"local llm, none = llm, {{}}\nlocal _ = {{{used}}}, none.x()\n"
    session = llmspell.Session()
    began = thread_time()
    error = session.attempt_sync(source + "--" + "log          " * 4800).error
    assert error is not None and "did you mean" not in error.message
    assert thread_time() - began < 0.5


def test_a_long_line_is_not_searched_for_misspellings() -> None:
    with pytest.raises(ScriptRuntimeError) as caught:
        llmspell.run_sync("llm.x() --" + " and so on" * 100)
    assert caught.value.message == "attempt to call a nil value (field 'x')"


def test_a_chain_of_causes_is_read_once() -> None:
    """Not once more for each of its links: the host does nothing else meanwhile."""
    wide: dict[str, Any] = {"message": "root", "context": {f"k{i}": i for i in range(45_000)}}
    chain = wide
    for link in range(28):
        chain = {"message": f"link {link}", "cause": chain}

    def seconds(raised: Any) -> float:
        began = thread_time()
        told = records.read(raised)
        took = thread_time() - began
        while "cause" in told:
            told = told["cause"]
        assert told["message"] == "root"
        assert told["context"] == {"left_out": "the context is longer than 16384 characters"}
        return took

    one = min(seconds(wide) for _ in range(5))
    assert min(seconds(chain) for _ in range(5)) < 8 * one


def test_a_context_is_told_whole_or_not_at_all() -> None:
    small = {f"k{i}": [i] for i in range(500)}
    assert records.read({"message": "m", "context": small})["context"] == small
    assert records.read({"message": "m"} | small)["context"] == small
    for large in ({"a": [0] * 16_384}, {"a": "x" * 16_384}, {f"k{i}": {} for i in range(20_000)}):
        for raised in ({"message": "m", "context": large}, {"message": "m"} | large):
            assert list(records.read(raised)["context"]) == ["left_out"]
