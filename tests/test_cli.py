"""The command as its users meet it: what goes where, what it exits with, how it stops."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE, Command, Done

from llmspell import __version__
from llmspell.engines import SUFFIXES
from llmspell.runtime.lockdown import LAYERS
from llmspell.testing.servers import ModelServer

SOON = 30.0
"""Seconds until something that should be immediate counts as hanging."""

OFFLINE_NOTE = "note: no model configured: answering with the offline test model"


def one_sentence(done: Done) -> str:
    """The message of a run that told one error in one line and nothing else on stderr."""
    lines = done.err.splitlines()
    assert len(lines) == 1, done.err
    assert lines[0].startswith("error: "), done.err
    return lines[0].removeprefix("error: ")


def told(done: Done) -> str:
    """The first line of the error a script ended with; what follows shows where."""
    lines = [line for line in done.err.splitlines() if not line.startswith("note: ")]
    assert lines, "nothing on stderr"
    assert lines[0].startswith("error: "), done.err
    assert all(line.startswith("  ") for line in lines[1:]), done.err
    return lines[0].removeprefix("error: ")


def read_some(process: subprocess.Popen[bytes]) -> bytes:
    """What the command has written to stdout by now; waits until there is something."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], SOON)
    assert ready, "nothing was printed"
    return os.read(process.stdout.fileno(), 65536)


def wait_until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not done():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


RECORD = {"run_id", "engine", "seed", "limits", "result", "output", "usage", "isolation", "error"}
"""The parts of a run record."""


def document(done: Done) -> dict[str, Any]:
    """The one document of --json, which is all there is on stdout."""
    read = json.loads(done.out)
    assert set(read) == RECORD
    return dict(read)


# What goes where.


def test_output_goes_to_stdout_and_remarks_to_stderr(cli: Command) -> None:
    done = cli.spell("print('one', 2, true, nil) io.write('no', 'end') log.warn('careful')")
    assert (done.code, done.out) == (0, "one\t2\ttrue\tnil\nnoend")
    assert done.err == "warn: careful\n"


def test_the_installed_command_is_the_module(cli: Command) -> None:
    script = Path(sys.executable).with_name("llmspell")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"llmspell {__version__}\n")
    assert cli("--version").out == done.stdout


def test_what_is_printed_is_there_while_the_spell_sleeps(cli: Command) -> None:
    cli.write("print('first') sleep(1000)")
    process = cli.start("run", "spell.lua", "--timeout", "none")
    assert read_some(process) == b"first\n"
    assert process.poll() is None


def test_what_is_written_without_a_line_end_is_there_at_once(cli: Command) -> None:
    cli.write("io.write('name? ') print('hello ' .. io.read()) return 'done'")
    process = cli.start("run", "spell.lua")
    assert read_some(process) == b"name? "
    assert process.stdin is not None
    process.stdin.write(b"Ada\n")
    process.stdin.flush()
    assert read_some(process).startswith(b"hello Ada\n")
    assert cli.finish(process).code == 0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("'text'", b"text\n"),
        ("'two\\nlines'", b"two\nlines\n"),
        ("'grüße 😀'", "grüße 😀\n".encode()),
        ("''", b"\n"),
        ("nil", b""),
        ("", b""),
        ("42", b"42\n"),
        ("1.5", b"1.5\n"),
        ("9007199254740993", b"9007199254740993\n"),
        ("true", b"true\n"),
        ("false", b"false\n"),
        ("{}", b"[]\n"),
        ("{1, 'b'}", b'[\n  1,\n  "b"\n]\n'),
        ("{b = 'ü', a = {1}}", '{\n  "a": [\n    1\n  ],\n  "b": "ü"\n}\n'.encode()),
        ("fs.read_bytes('data')", b"\x00\xffraw"),
        ("{fs.read_bytes('data')}", b'[\n  {\n    "bytes": "00ff726177"\n  }\n]\n'),
    ],
)
def test_the_returned_value_comes_last(cli: Command, value: str, shown: bytes) -> None:
    (cli.folder / "data").write_bytes(b"\x00\xffraw")
    done = cli.spell(f"print('before') return {value}")
    assert (done.code, done.raw, done.err) == (0, b"before\n" + shown, "")


def test_text_needs_no_utf8_locale(cli: Command) -> None:
    done = cli.spell("print('grüße') return 'größe'", env={"LC_ALL": "C"})
    assert (done.code, done.out) == (0, "grüße\ngröße\n")


# --json.


def test_json_is_one_document(cli: Command) -> None:
    done = cli.spell("print('said') log.warn('logged') return {n = 1}", "--json")
    read = document(done)
    assert (done.code, done.err) == (0, "warn: logged\n")
    assert (read["result"], read["output"], read["error"]) == ({"n": 1}, "said\n", None)
    assert read["usage"]["calls"] == 1
    assert read["usage"]["output"] == 5
    assert read["run_id"]
    (cli.folder / "data").write_bytes(b"\xff\x00")
    told = document(cli.spell("return fs.read_bytes('data')", "--json"))
    assert told["result"] == {"bytes": "ff00"}


@pytest.mark.parametrize(
    ("source", "flags", "code", "error"),
    [
        ("print('x') error('broken')", (), 4, {"code": "runtime", "line": 1, "message": "broken"}),
        ("print('x') )", (), 4, {"type": "ScriptSyntaxError", "code": "syntax"}),
        ("print('x') fs.read('/etc/passwd')", (), 6, {"code": "denied", "capability": "fs.read"}),
        ("print('x') while true do end", ("--limit", "steps=999"), 9, {"code": "steps"}),
        ("print('x') sleep(1000)", ("--timeout", "0.05"), 8, {"code": "time", "limit": "0.05 s"}),
        ("print('x') return function() end", (), 4, {"code": "runtime"}),
    ],
)
def test_json_is_one_document_for_a_failed_run(
    cli: Command, source: str, flags: tuple[str, ...], code: int, error: dict[str, Any]
) -> None:
    done = cli.spell(source, "--json", *flags)
    read = document(done)
    assert (done.code, read["result"], done.err) == (code, None, "")
    assert read["error"]["exit_code"] == code
    assert read["error"].items() >= error.items()
    assert read["output"] == ("" if "Syntax" in read["error"]["type"] else "x\n")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("nowhere.lua",), 2),
        (("spell.lua", "--limit", "steps=many"), 2),
        (("spell.lua", "--engine", "cobol"), 2),
        (("spell.lua", "-p", "n:=99999999999999999999"), 10),
    ],
)
def test_json_is_one_document_when_nothing_could_run(
    cli: Command, args: tuple[str, ...], code: int
) -> None:
    cli.write("return 1")
    done = cli("run", "--json", *args)
    assert done.code == code
    assert document(done)["error"]["exit_code"] == code


def test_json_is_one_document_for_a_bad_configuration(cli: Command) -> None:
    cli.configure("modle = 1")
    done = cli.spell("return 1", "--json")
    assert done.code == 3
    assert document(done)["error"]["code"] == "config"


# Exit codes.


@pytest.mark.parametrize(
    ("source", "flags", "code", "parts"),
    [
        ("require('nowhere')", (), 1, ("spell.lua:1: there is no module nowhere",)),
        ("tools.execute('nothing')", (), 1, ("there is no tool nothing",)),
        ("error('my fault')", (), 4, ("spell.lua:1: my fault",)),
        ("local x = nil\nx.y = 1", (), 4, ("spell.lua:2: ", "x")),
        ("x x", (), 4, ("spell.lua:1: syntax error",)),
        ("fs.read('/etc/passwd')", (), 6, ("--allow fs.read:/etc/passwd",)),
        ("fs.read('a')", ("--level", "untrusted"), 6, ("no grant for fs.read",)),
        ("http.get('http://127.0.0.1:1/')", (), 6, ("--allow net:127.0.0.1:1",)),
        ("env.get('MY_API_KEY')", (), 6, ("MY_API_KEY looks like a secret",)),
        ("http.get('http://127.0.0.1:1/')", ("--allow", "net:127.0.0.1:1"), 7, ("cannot reach",)),
        ("sleep(1000)", ("--timeout", "0.05"), 8, ("time limit of 0.05 s", "--timeout")),
        ("while true do end", ("--limit", "time=50ms"), 8, ("time limit of 0.05 s",)),
        ("while true do end", ("--limit", "cpu=0.05"), 8, ("processor time",)),
        ("while true do end", ("--limit", "steps=999"), 9, ("step limit of 999", "--limit steps")),
        (
            "local t = {} while true do t[#t + 1] = ('x'):rep(1e5) .. #t end",
            ("--limit", "memory=10MB"),
            9,
            ("memory limit", "--limit memory"),
        ),
        ("print(('x'):rep(99))", ("--limit", "output=9"), 9, ("output limit of 9 bytes",)),
        ("while true do time.now() end", ("--limit", "calls=9"), 9, ("call limit of 9",)),
        (
            "for _ = 1, 9 do async(function() sleep(1) end) end",
            ("--limit", "tasks=3"),
            9,
            ("task limit of 3",),
        ),
        ("fs.read({})", (), 10, ("spell.lua:1: fs.read: path must be a string, got table",)),
        ("return 1", ("-p", "n:=99999999999999999999"), 10, ("params.n",)),
        ("fs.read('missing.txt')", (), 12, ("cannot read missing.txt",)),
        ("fs.write('no/folder', 'x')", (), 12, ("cannot write no/folder",)),
        ("llm.generate('hello')", ("--limit", "tokens=1"), 13, ("budget limit of 1 tokens",)),
    ],
)
def test_exit_codes(
    cli: Command, source: str, flags: tuple[str, ...], code: int, parts: tuple[str, ...]
) -> None:
    done = cli.spell(source, *flags, "-q")
    assert done.code == code, done.err
    message = told(done)
    for part in parts:
        assert part in message


def test_an_error_that_is_caught_is_none(cli: Command) -> None:
    done = cli.spell("local ok, e = pcall(fs.read, '/etc/passwd') return e.code")
    assert (done.code, done.out, done.err) == (0, "denied\n", "")


def test_what_was_printed_before_an_error_stays(cli: Command) -> None:
    done = cli.spell("print('before') error('x') print('after')")
    assert (done.code, done.out) == (4, "before\n")


def test_an_error_shows_the_line_and_the_way_to_it(cli: Command) -> None:
    done = cli.spell(
        "local function f(x)\n  error('here')\nend\n\nlocal function g() f() end\ng()\n"
    )
    lines = done.err.splitlines()
    assert lines[0] == "error: spell.lua:2: here"
    assert lines[1] == "  2 |   error('here')"
    assert "  called from spell.lua:5" in lines


def test_frames_that_are_the_same_are_shown_once(cli: Command) -> None:
    done = cli.spell(
        "local function f(n)\n  if n == 0 then error('deep') end\n  f(n - 1)\nend\n"
        "local function g() f(9) end\ng()\n"
    )
    assert done.err.splitlines()[2:] == [
        "  called from spell.lua:3, again and again",
        "  called from spell.lua:5",
        "  called from spell.lua:6",
    ]


def test_an_error_in_a_module_shows_the_line_of_the_module(cli: Command) -> None:
    cli.write("local m = {}\nfunction m.f()\n  error('inside')\nend\nreturn m", "lib/helper.lua")
    done = cli.spell("require('helper').f()")
    assert told(done) == "lib/helper.lua:3: inside"
    assert "  3 |   error('inside')\n" in done.err
    assert "  called from spell.lua:1\n" in done.err


# Parameters and flags.


def test_parameters(cli: Command) -> None:
    source = "return json.encode(params)"
    pairs = ("a=1", "b=x=y", "c=", "n:=3", 'l:=[1, {"k": 2}]', "t:=true", 's:="q"', "a=2")
    done = cli.spell(source, *(part for pair in pairs for part in ("-p", pair)))
    assert json.loads(done.out) == {
        "a": "2", "b": "x=y", "c": "", "n": 3, "l": [1, {"k": 2}], "t": True, "s": "q"
    }  # fmt: skip
    assert cli.spell(source).out in ("{}\n", "[]\n")


@pytest.mark.parametrize("given", ["{}", '{"k": null}', '[{"k": null}]'])
def test_an_empty_map_stays_a_map(cli: Command, given: str) -> None:
    done = cli.spell("return json.encode(params.m)", "-p", f"m:={given}")
    assert done.out == given.replace('"k": null', "") + "\n"
    done = cli.spell("return params.m", "-p", f"m:={given}")
    assert json.loads(done.out) == json.loads(given.replace('"k": null', ""))


@pytest.mark.parametrize("pair", ["x", "=x", "", ":=1", "x:=zz", "x:=", "x:=NaN", "x:=1e999"])
def test_bad_parameters(cli: Command, pair: str) -> None:
    done = cli.spell("return 1", "-p", pair)
    assert done.code in (2, 10)
    assert one_sentence(done)
    assert done.out == ""


def test_a_parameter_nested_too_deeply(cli: Command) -> None:
    for depth in (40, 50_000):
        done = cli.spell("return 1", "-p", f"x:={'[' * depth}{']' * depth}")
        assert done.code in (2, 10), done.err
        assert "x" in one_sentence(done)


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("-p", "x"), "-p x: write it as K=V"),
        (("-p", "x:=zz"), "write x=zz"),
        (("--limit", "steps"), "write it as NAME=N"),
        (("--limit", "stepz=1"), "'stepz' is not a limit: use one of"),
        (("--limit", "stepz=1"), "warn; did you mean steps?"),
        (("--level", "trustd"), "privileged; did you mean trusted?"),
        (("--limit", "steps=many"), "limit steps: cannot read 'many'"),
        (("--limit", "steps=0"), "limit steps: must be a number above 0"),
        (("--limit", "steps=-5"), "limit steps"),
        (("--limit", "output=0.5"), "limit output"),
        (("--limit", "steps=1e400"), "limit steps"),
        (("--limit", "memory=3XB"), "limit memory: cannot read '3XB'"),
        (("--limit", "depth=none"), "depth cannot be lifted"),
        (("--timeout", "soon"), "limit time: cannot read 'soon'"),
        (("--timeout", "0"), "limit time: must be a number above 0"),
        (("--allow", "everything"), "'everything' is not a grant"),
        (("--allow", ""), "is not a grant"),
        (("--allow", "fs.reed:x"), "'fs.reed:x' is not a grant"),
        (("--level", "root"), "'root' is not a level: use one of untrusted, trusted, privileged"),
        (("--engine", "cobol"), "'cobol' is not an engine: use one of lua"),
        (("--replay", "nowhere.jsonl"), "cannot replay nowhere.jsonl"),
        (("--record", "a", "--replay", "b"), "record and replay exclude each other"),
    ],
)
def test_bad_flags(cli: Command, flags: tuple[str, ...], part: str) -> None:
    done = cli.spell("print('ran')", *flags)
    assert (done.code, done.out) == (2, ""), done.err
    assert part in one_sentence(done)


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("run",),
        ("walk",),
        ("run", "spell.lua", "--nope"),
        ("run", "spell.lua", "--timeout"),
        ("run", "spell.lua", "more.lua"),
    ],
)
def test_bad_command_lines(cli: Command, args: tuple[str, ...]) -> None:
    cli.write("print('ran')")
    done = cli(*args)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("usage: llmspell")
    assert "error: " in done.err.splitlines()[-1]


def test_a_misspelt_flag_is_told_with_the_one_that_may_have_been_meant(cli: Command) -> None:
    cli.write("print('ran')")
    for args, told in (
        (
            ("run", "spell.lua", "--limt", "steps=1"),
            "'--limt' is not known here; did you mean --limit?",
        ),
        (("run", "spell.lua", "--allwo=net"), "'--allwo' is not known here; did you mean --allow?"),
        (("run", "spell.lua", "more.lua"), "'more.lua' is not known here"),
        (
            ("--versoin", "run", "spell.lua"),
            "'--versoin' is not known here; did you mean --version?",
        ),
        (
            ("spell.lua", "-p", "x=1"),
            "'spell.lua' is no command: use one of run, security, cache; "
            "did you mean llmspell run spell.lua?",
        ),
        (
            ("rn", "spell.lua"),
            "'rn' is no command: use one of run, security, cache; did you mean run?",
        ),
        (("zz",), "'zz' is no command: use one of run, security, cache"),
    ):
        assert cli(*args).err.endswith(f"error: {told}\n")


def test_help_names_every_flag(cli: Command) -> None:
    assert "run" in cli("--help").out
    done = cli("run", "--help")
    assert done.code == 0
    for flag in ("--param", "--model", "--engine", "--timeout", "--level", "--allow", "--limit",
                 "--json", "--record", "--replay", "--quiet", "--verbose", "--log-format",
                 "--locals", "--debug"):  # fmt: skip
        assert flag in done.out


def test_flags_may_be_repeated(cli: Command) -> None:
    (cli.folder / "one").write_text("1")
    (cli.folder / "two").write_text("2")
    source = "while true do fs.read('one') fs.read('two') end"
    allow = ("--level", "untrusted", "--allow", "fs.read:one", "--allow", "fs.read:./two")
    done = cli.spell(source, "-q", *allow, "--limit", "steps=99", "--limit", "calls=7")
    assert (
        told(done).startswith("the spell reached its call limit of 7") or "call limit" in done.err
    )
    done = cli.spell(source, "-q", *allow, "--allow", "!fs.read:two")
    assert "no grant for fs.read:./two" in told(done), "deny wins"


def test_the_last_of_two_equal_limits_counts(cli: Command) -> None:
    done = cli.spell("while true do end", "--limit", "steps=50", "--limit", "steps=70")
    assert "step limit of 70" in told(done)
    done = cli.spell("sleep(1000)", "--limit", "time=90s", "--timeout", "0.05")
    assert "time limit of 0.05 s" in told(done)


@pytest.mark.parametrize(
    ("engine", "version"),
    [("lua", "Lua 5.4"), ("lua54", "Lua 5.4"), ("lua55", "Lua 5.5"), ("luajit", "Lua 5.1")],
)
def test_engines(cli: Command, engine: str, version: str) -> None:
    assert cli.spell("return _VERSION", "--engine", engine).out == f"{version}\n"


def test_luajit_is_not_for_untrusted_spells(cli: Command) -> None:
    done = cli.spell("return 1", "-q", "--engine", "luajit", "--level", "untrusted")
    assert (done.code, done.out) == (2, "")
    assert "luajit is not for level untrusted" in one_sentence(done)


def test_level_untrusted_always_isolates(cli: Command) -> None:
    def layers(*flags: str) -> dict[str, str]:
        told: dict[str, str] = document(cli.spell("return 1", "--json", *flags))["isolation"]
        return told

    assert layers() == layers("--isolation", "none") == {}
    assert layers("--level", "untrusted")["process"] == ""
    assert layers("--isolation", "process")["process"] == ""
    cli.configure("isolation = 'none'")
    assert layers("--level", "untrusted")["process"] == ""
    cli.configure("isolation = 'process'")
    assert layers()["process"] == ""
    refused = cli.spell("return 1", "--level", "untrusted", "--isolation", "none")
    assert (refused.code, "always runs in a process of its own" in refused.err) == (2, True)


def test_a_required_layer_must_exist_and_be_active(cli: Command) -> None:
    assert cli.spell("return 1", "--isolation", "process", "--require", "process").out == "1\n"
    refused = cli.spell("print(1)", "--isolation", "process", "--require", "moat")
    assert (refused.code, refused.out) == (2, "")
    assert "'moat' is not a layer: use some of process, " in refused.err
    refused = cli.spell("print(1)", "--require", "seccomp")
    assert (refused.code, refused.out) == (6, "")
    assert one_sentence(refused) == (
        "a layer of isolation that is required is missing: seccomp: the spell is not isolated"
    )


def test_security_check_shows_every_layer(cli: Command) -> None:
    done = cli("security", "check")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == list(LAYERS)
    record = document(cli("security", "check", "--json"))
    assert list(record["isolation"]) == list(LAYERS)
    assert cli("security", "wreck").code == 2


def test_calls_that_had_not_begun_end_with_the_run_unseen(cli: Command) -> None:
    source = 'agent.create({model: "test/offline"}); throw new Error("now")'
    (cli.folder / "s.js").write_text(source)
    assert "s.js:1: now" in cli("run", "s.js").err  # Python has nothing to warn of


@pytest.mark.parametrize("engine", ["lua55", "javascript", "typescript", "tengo"])
def test_security_check_looks_at_every_language(cli: Command, engine: str) -> None:
    done = cli("security", "check", "--engine", engine)
    assert (done.code, done.err) == (0, "")
    assert "seccomp" in done.out


def on_a_terminal(cli: Command, source: str, *flags: str, remarks: bool = False) -> str:
    """What a person sees of a spell, with or without what is on stderr."""
    cli.write(source)
    near, far = os.openpty()
    more = {"stderr": far} if remarks else {}
    process = cli.start("run", "spell.lua", *flags, stdout=far, **more)
    os.close(far)
    seen = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes any more
        while piece := os.read(near, 1024):
            seen += piece
    os.close(near)
    cli.finish(process)
    return seen.decode()


def test_a_terminal_does_not_obey_an_untrusted_spell(cli: Command) -> None:
    source = r"io.write('\27[2Ja\tb\u{9b}1m', '\u{202e}') return '\27]0;x\7'"
    seen = on_a_terminal(cli, source, "--level", "untrusted")
    assert seen == "\\u001b[2Ja\tb\\u009b1m\\u202e\\u001b]0;x\\u0007\r\n"
    assert "\x1b[2J" in on_a_terminal(cli, source), "a spell of your own may use colours"
    assert "\x1b[2J" in cli.spell(source, "--level", "untrusted").out, "a file gets what it wrote"


OBEYED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""What a terminal obeys, and what has it show text in another order or on another line."""

MARKS = r"\27[2J\27]0;x\7\8\127\u{9b}31m\u{61c}\u{200f}\u{2028}\u{202e}\u{2066}\r"


@pytest.mark.parametrize("flags", [(), ("--json",), ("-v",)], ids=["plain", "json", "verbose"])
@pytest.mark.parametrize(
    "source",
    [
        "return '%s'",
        "return {['%s'] = {'%s'}}",
        "return '\\255%s'",
        "print('%s') io.write('%s')",
        "log.warn('%s\\nerror: forged', {['%s'] = '%s'})",
        "error('%s\\nerror: forged')",
        "error({message = '%s'})",
        "error({message = 'm', code = '%s\\nerror: forged'})",
        "error(errors.wrap('%s\\nerror: forged', '%s\\nerror: forged', '%s\\nerror: forged'))",
        "fs.read('%s')",
        "require('%s')",
        "local x = '%s' error()",
    ],
)
def test_no_text_of_an_untrusted_spell_reaches_a_terminal_raw(
    cli: Command, source: str, flags: tuple[str, ...]
) -> None:
    source = source.replace("%s", MARKS)
    remarks = flags != ("--json",)
    seen = on_a_terminal(cli, source, "--level", "untrusted", *flags, remarks=remarks)
    assert OBEYED.search(seen.replace("\r\n", "\n")) is None
    assert "\r" not in seen.replace("\r\n", "\n")
    assert not any(line.startswith("error: forged") for line in seen.splitlines())
    if not remarks:
        assert set(json.loads(seen)) == RECORD


def test_names_and_codes_of_a_spell_begin_no_line_of_their_own(cli: Command) -> None:
    source = """
        local t = {["k\\nerror: forged"] = "v\\nerror: forged"}
        error({message = "m\\nerror: forged", code = "c\\nerror: forged"})
    """
    done = cli("run", "-", "--level", "untrusted", "--locals", stdin=source.encode())
    assert done.err.count("error: forged") > 2
    assert [line for line in done.err.splitlines() if line.startswith("error: ")] == [
        "error: stdin:3: m"
    ]


# Where the spell comes from.


def test_a_missing_file(cli: Command) -> None:
    done = cli("run", "nowhere.lua")
    assert (done.code, one_sentence(done)) == (2, "there is no file nowhere.lua")


@pytest.mark.parametrize("name", ["spell.tsx", "flow.yaml"])
def test_a_file_that_is_no_spell_is_not_taken_for_lua(cli: Command, name: str) -> None:
    (cli.folder / name).write_text("print('ran')")
    done = cli("run", name)
    assert done.code == 2
    assert one_sentence(done) == (
        f"{name} does not end as spells do (.lua .js .mjs .ts .mts .tengo): "
        "name its language, --engine lua"
    )
    assert cli("run", name, "--engine", "lua").out == "ran\n"
    (cli.folder / "spell").write_text("print('ran')")
    assert cli("run", "spell").out == "ran\n", "a file without a suffix is Lua"


def test_a_folder(cli: Command) -> None:
    (cli.folder / "empty").mkdir()
    done = cli("run", "empty")
    mains = " or ".join(f"main{suffix}" for suffix in SUFFIXES)
    assert (done.code, one_sentence(done)) == (2, f"empty is a folder without {mains}")
    cli.write("return require('helper') .. ' ' .. params.x", "pack/main.lua")
    cli.write("return 'helped'", "pack/lib/helper.lua")
    assert cli("run", "pack", "-p", "x=1").out == "helped 1\n"
    assert cli("run", "pack/", "-p", "x=1").out == "helped 1\n"


@pytest.mark.parametrize("data", [b"\xff\xfereturn 1", b"return '\xff'"])
def test_a_spell_that_is_no_text(cli: Command, data: bytes) -> None:
    (cli.folder / "binary.lua").write_bytes(data)
    done = cli("run", "binary.lua")
    assert (done.code, one_sentence(done)) == (2, "binary.lua is not UTF-8 text")
    done = cli("run", "-", stdin=data)
    assert done.code == 2, done.err
    assert "not UTF-8 text" in one_sentence(done)


def test_a_file_with_byte_order_mark_and_windows_line_ends(cli: Command) -> None:
    (cli.folder / "windows.lua").write_bytes(b"\xef\xbb\xbfprint('a')\r\nreturn 'b'\r\n")
    assert cli("run", "windows.lua").out == "a\nb\n"


def test_a_spell_from_standard_input(cli: Command) -> None:
    done = cli("run", "-", "-p", "x=1", stdin=b"print(params.x, io.read()) return 'end'")
    assert (done.code, done.out) == (0, "1\tnil\nend\n")
    done = cli("run", "-", stdin=b"\n\nerror('here')")
    assert told(done) == "stdin:3: here"
    assert cli("run", "-", stdin=b"").code == 0


def test_standard_input_for_the_spell(cli: Command) -> None:
    source = "local first = io.read() return {first, io.read('all'), io.read() == nil}"
    done = cli.spell(source, "--json", stdin="eins\nzwei\ndreißig\n".encode())
    assert document(done)["result"] == ["eins", "zwei\ndreißig\n", True]
    assert cli.spell("return io.read()").out == ""


def test_standard_input_that_is_no_text_is_an_error_of_the_call(cli: Command) -> None:
    done = cli.spell("local ok, e = pcall(io.read, 'all') return e.code", stdin=b"\xff\xfe")
    assert (done.code, done.err) == (0, "")
    assert done.out != "internal\n"


# Remarks.


def test_log_levels(cli: Command) -> None:
    source = "log.debug('d') log.info('i', {n = 1, b = 'x'}) log.warn('w') log.error('e')"
    assert cli.spell(source).err == "info: i b=x n=1\nwarn: w\nerror: e\n"
    assert cli.spell(source, "-q").err == "warn: w\nerror: e\n"
    verbose = cli.spell(source, "-v").err
    assert [line for line in verbose.splitlines() if not line.startswith("call: ")] == [
        "debug: d", "info: i b=x n=1", "warn: w", "error: e"
    ]  # fmt: skip


def test_verbose_tells_each_call(cli: Command) -> None:
    done = cli.spell("time.now() pcall(fs.read, 'missing')", "-v")
    assert re.fullmatch(
        r"call: time\.now [\d.]+ ms\ncall: fs\.read [\d.]+ ms failed: not_found\n", done.err
    )
    assert done.out == ""


def test_debug_shows_where_in_the_host(cli: Command) -> None:
    done = cli("run", "nowhere.lua", "--debug")
    assert done.err.startswith("error: there is no file nowhere.lua\n")
    assert "Traceback" in done.err


@pytest.mark.parametrize("source", ["fs.read('missing')", "tools.calculate('1 / 0')"])
def test_debug_shows_where_in_the_host_a_call_failed(cli: Command, source: str) -> None:
    done = cli.spell(source, "--debug")
    assert done.err.startswith("error: spell.lua:1: ")
    assert "Traceback" in done.err
    assert "llmspell/host/" in done.err


def test_control_characters_are_shown_not_obeyed(cli: Command) -> None:
    nasty = "\\27[2J\\r\\8\\7\\u{9b}\\u{202e}"
    shown = "\\u001b[2J\\u000d\\u0008\\u0007\\u009b\\u202e"
    assert told(cli.spell(f"error('{nasty}')")) == f"spell.lua:1: {shown}"
    done = cli.spell(f"log.warn('{nasty}', {{a = '{nasty}', ['{nasty}'] = 1}})")
    assert done.err == f"warn: {shown} {shown}=1 a={shown}\n"
    for source in (
        "error('x') -- \x1b[2J\u202e",
        f"fs.read('{nasty}')",
        f"require('{nasty}')",
        f"tools.execute('{nasty}')",
        f"env.get('KEY{nasty}')",
        f"llm.generate('x', {{model = '{nasty}'}})",
        f"local t = setmetatable({{}}, {{__name = '{nasty}'}}) fs.read(t)",
        f"load('error(1)', '={nasty}')()",
        f"error({{message = '{nasty}', code = '{nasty}'}})",
        f"tools.register('t', 'd', {{type = 'object'}}, function() error({{code = '{nasty}'}}) end)"
        " tools.execute('t')",
    ):
        done = cli.spell(source, "-v")
        assert done.code != 0
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.err), source


def test_a_file_name_with_control_characters(cli: Command) -> None:
    name = "a\x1b[2J.lua"
    cli.write("error('x')", name)
    for done in (cli("run", name), cli("run", "no" + name)):
        assert "\x1b" not in done.err
        assert "\\u001b[2J.lua" in done.err


# Stopping.

WAITING = {
    "sleep": "print('go') sleep(1000)",
    "tasks": "print('go') parallel({function() sleep(999) end, function() sleep(999) end})",
    "model": "print('go') llm.generate('x', {model = 'local/slow-50000'})",
    "input": "print('go') io.read()",
    "busy": "print('go') while true do end",
    "busy in pcall": "print('go') while true do pcall(function() while true do end end) end",
    "busy after waiting": "sleep(0.001) print('go') while true do end",
    "calls": "print('go') while true do time.now() end",
}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("what", WAITING)
def test_a_signal_ends_it(
    cli: Command, local: ModelServer, what: str, sent: signal.Signals
) -> None:
    cli.write(WAITING[what])
    asked = local.count("/v1")
    limits = ("--timeout", "none", "--limit", "calls=none")
    process = cli.start("run", "spell.lua", "-q", *limits)
    assert read_some(process) == b"go\n"
    if what == "model":
        wait_until(lambda: local.count("/v1") > asked)
    process.send_signal(sent)
    assert process.wait(SOON) == 130
    done = cli.finish(process)
    assert done.err == "interrupted\n"


def test_a_signal_in_the_midst_of_an_import_ends_it_too(tmp_path: Path) -> None:
    """CPython would make an exit of its own of one that has passed an `exec`."""
    (tmp_path / "interrupted.py").write_text("""
import sys
from llmspell.cli import main, run
def prepare(options):
    exec("raise KeyboardInterrupt")
run.prepare = prepare
sys.exit(main.main(["run", "spell.lua"]))
""")
    command = [sys.executable, "-m", "interrupted"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_json_is_one_document_for_an_interrupted_run(cli: Command) -> None:
    cli.write("log.warn('go') sleep(1000)")
    process = cli.start("run", "spell.lua", "--json", "--timeout", "none")
    assert process.stderr is not None
    assert process.stderr.readline() == b"warn: go\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(SOON) == 130
    assert document(cli.finish(process))["error"]["exit_code"] == 130


@pytest.mark.parametrize(
    "source",
    [
        "for i = 1, 1e9 do print(i) end",
        "for i = 1, 1e9 do print(i) sleep(0) end",
        "print(1) sleep(0.01) for i = 1, 1e9 do print(i) end",
        "for i = 1, 1e9 do parallel({function() print(i) sleep(0) end}) end",
    ],
)
def test_a_reader_that_has_enough(cli: Command, source: str) -> None:
    cli.write(source)
    limits = ("--limit", "calls=none", "--limit", "output=none")
    process = cli.start("run", "spell.lua", *limits)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"1")
    process.stdout.close()
    assert process.wait(SOON) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""


@pytest.mark.parametrize("source", ["return 'short'", "return ('long'):rep(1e5)", "return {1}"])
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_reader_that_has_gone(cli: Command, source: str, flags: tuple[str, ...]) -> None:
    cli.write(source)
    theirs, ours = os.pipe()
    os.close(theirs)
    process = cli.start("run", "spell.lua", *flags, stdout=ours)
    os.close(ours)
    assert process.wait(SOON) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""


@pytest.mark.parametrize("call", ["log.warn(i)", "log.warn(i) sleep(0)"])
def test_a_reader_of_the_log_that_has_gone(cli: Command, call: str) -> None:
    cli.write(f"for i = 1, 500 do {call.replace('(i)', '(tostring(i))')} end return 'end'")
    theirs, ours = os.pipe()
    os.close(theirs)
    process = cli.start("run", "spell.lua", stderr=ours)
    os.close(ours)
    assert process.wait(SOON) in (0, 141), "the log is lost, which is no failure of the spell"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("source", ["print('x')", "return 'short'", "sleep(0.001) print('x')"])
def test_a_full_disk_is_no_bug_of_ours(cli: Command, source: str) -> None:
    cli.write(source)
    with open("/dev/full", "wb") as full:
        process = cli.start("run", "spell.lua", stdout=full)
        done = cli.finish(process)
    assert done.code == 1, done.err
    assert "No space left on device" in done.err
    assert "internal error" not in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that is used cannot be removed")
@pytest.mark.parametrize("args", ["run ../spell.lua", "run {}", "run {} --debug", "cache stats"])
def test_a_current_folder_that_is_gone_is_told(cli: Command, args: str) -> None:
    path = cli.write("return 1")
    gone = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", gone, "sh", sys.executable, "-m", "llmspell", *args.format(path).split()],
        cwd=cli.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    told = "error: the current folder is gone: go to one that is there\n"
    assert (done.returncode, done.stderr[: len(told)], done.stdout) == (2, told, "")


# Recording.


def test_record_then_replay(cli: Command, local: ModelServer) -> None:
    source = """
        local ok, err = pcall(fs.read, "missing")
        return {
            now = time.now(), said = llm.generate("hello", {model = "local/echo"}), code = err.code,
            env = env.get("SOME_SETTING"), text = fs.read("note"), all = parallel({
                function() return llm.generate("a", {model = "local/echo"}) end,
                function() return llm.generate("b", {model = "local/echo"}) end,
            }),
        }
    """
    (cli.folder / "note").write_text("noted")
    recorded = cli.spell(source, "--record", "run.jsonl", env={"SOME_SETTING": "set"})
    assert recorded.code == 0, recorded.err
    asked = local.count("/v1")
    (cli.folder / "note").unlink()
    (cli.folder / "missing").write_text("now it is here")
    replayed = cli.spell(source, "--replay", "run.jsonl", env={"SOME_SETTING": "changed"})
    assert (replayed.code, replayed.out, replayed.err) == (0, recorded.out, "")
    assert json.loads(replayed.out)["said"] == "echo: hello"
    assert local.count("/v1") == asked, "nothing was asked again"
    lines = (cli.folder / "run.jsonl").read_text().splitlines()
    calls = [json.loads(line)["call"] for line in lines]
    assert sorted(set(calls)) == ["env.get", "fs.read", "llm.generate", "time.now"]
    done = cli.spell("time.now() time.iso()", "--replay", "run.jsonl")
    assert done.code == 1
    assert "this call is not in the recording run.jsonl" in told(done)


def test_a_recording_that_cannot_be_written(cli: Command) -> None:
    done = cli.spell("return 1", "--record", "no/folder/run.jsonl")
    assert done.code in (2, 12), done.err
    assert "no/folder/run.jsonl" in one_sentence(done)


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"call": "time.now"}', "\x00"])
def test_a_recording_that_cannot_be_read(cli: Command, text: str) -> None:
    cli.write(text, "run.jsonl")
    done = cli.spell("return 1", "--replay", "run.jsonl")
    assert (done.code, done.out) == (2, "")
    assert "cannot replay run.jsonl" in one_sentence(done)


@pytest.mark.parametrize(
    "line",
    [
        {"call": "time.now", "args": "[]"},
        {"call": "time.now", "args": "[]", "error": "no"},
        {"call": "time.now", "args": "[]", "value": "no JSON"},
    ],
)
def test_a_recording_with_a_damaged_answer(cli: Command, line: dict[str, Any]) -> None:
    cli.write(json.dumps(line) + "\n", "run.jsonl")
    done = cli.spell("return time.now()", "--replay", "run.jsonl")
    assert done.code not in (0, 5), done.err
    assert "internal error" not in done.err
    assert "run.jsonl" in done.err


# Configuration.


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("modle = 'x'", ":1: modle is not known; did you mean model?"),
        ("model = ", "is not valid TOML"),
        ("level = 'root'", "level must be one of untrusted, trusted, privileged"),
        ("allow = ['everything']", "'everything' is not a grant"),
        ("[limits]\nsteps = 'many'", ":2: limits.steps is wrong"),
        ("[providers.x]\nkind = 'opnai'", "did you mean openai?"),
    ],
)
def test_configuration_mistakes(cli: Command, text: str, part: str) -> None:
    cli.configure(text)
    done = cli.spell("print('ran')")
    assert (done.code, done.out) == (3, "")
    assert "given/config.toml" in one_sentence(done)
    assert part in one_sentence(done)


def test_a_configuration_file_that_is_not_there(cli: Command) -> None:
    done = cli.spell("print('ran')", env={"LLMSPELL_CONFIG": "nowhere.toml"})
    assert (done.code, done.out) == (3, "")
    assert "nowhere.toml: cannot be read" in one_sentence(done)


def test_a_file_in_the_current_folder_may_not_grant_anything(cli: Command) -> None:
    cli.write("level = 'privileged'", "llmspell.toml")
    done = cli.spell("print('ran')")
    assert (done.code, done.out) == (3, "")
    assert "llmspell.toml:1: level can only be set in" in one_sentence(done)


def test_an_environment_file_that_is_no_text(cli: Command) -> None:
    (cli.folder / ".env").write_bytes(b"A=\xff\xfe")
    done = cli.spell("print('ran')")
    assert (done.code, done.out) == (3, "")
    assert ".env: cannot be read" in one_sentence(done)


def test_flags_come_before_the_configuration(cli: Command) -> None:
    cli.configure("level = 'untrusted'\nallow = ['fs.read:a']\n[limits]\nsteps = 50\noutput = 3")
    (cli.folder / "a").write_text("text of a")
    done = cli.spell("while true do end")
    assert "step limit of 50" in done.err
    assert "step limit of 60" in cli.spell("while true do end", "--limit", "steps=60").err
    assert cli.spell("print('12345')").out == "123"
    assert cli.spell("return fs.read('a')").out == "text of a\n"
    assert cli.spell("fs.read('b')").code == 6
    assert cli.spell("fs.read('b')", "--level", "trusted").code == 12


# Models.


def default_model(cli: Command, *flags: str, **env: str) -> str:
    """The model a spell would ask: what it is refused without a grant for it."""
    untrusted = ("-q", "--level", "untrusted", "--allow", "llm:none/such")
    done = cli.spell("llm.generate('x')", *untrusted, *flags, env=env)
    assert done.code == 6, done.err
    assert "note: " not in done.err, "-q"
    found = re.search(r"no grant for llm:(\S+);", done.err)
    assert found is not None, done.err
    return found[1]


def test_which_model_is_the_default(cli: Command, server: ModelServer) -> None:
    assert default_model(cli) == "test/offline"
    # Its answer is awaited for a fraction of a second only, which a busy machine may miss.
    wait_until(lambda: default_model(cli, OLLAMA_HOST=server.url).startswith("ollama/llama"))
    cli.write("GEMINI_API_KEY=some-key", ".env")
    assert default_model(cli, OLLAMA_HOST=server.url).startswith("gemini/")
    keys = {"OPENAI_API_KEY": "some-key", "ANTHROPIC_API_KEY": "some-key"}
    assert default_model(cli, **keys).startswith("openai/")
    cli.configure("model = 'openai/from-file'")
    assert default_model(cli, **keys) == "openai/from-file"
    variable = {"LLMSPELL_MODEL": "openai/from-variable"}
    assert default_model(cli, **keys, **variable) == "openai/from-variable"
    assert default_model(cli, "--model", "openai/flag", **variable) == "openai/flag"
    assert default_model(cli, "--model", "anthropic", **variable).startswith("anthropic/claude")
    assert default_model(cli, "--model", "test", **variable) == "test/offline"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("", "test/offline"),
        ("test", "test/offline"),
        ("google/gemini-x", "gemini/gemini-x"),
    ],
)
def test_models_marks_the_default(cli: Command, model: str, name: str) -> None:
    done = cli.spell("return llm.models()", *(("--model", model) if model else ()))
    assert done.code == 0, done.err
    assert [item["name"] for item in json.loads(done.out) if item["default"]] == [name]


def test_a_spell_without_a_model_says_so_once(cli: Command) -> None:
    ask = "function() return llm.generate('hi') end"
    done = cli.spell(f"parallel({{{ask}, {ask}}}) return llm.generate('hi')")
    assert (done.code, done.out) == (0, "[offline test model] 1 words about: hi\n")
    assert done.err.startswith(OFFLINE_NOTE)
    assert len(done.err.splitlines()) == 1


def test_a_provider_of_the_configuration_file(cli: Command, local: ModelServer) -> None:
    asked = "for piece in llm.stream('one two') do io.write(piece) end"
    read = document(cli.spell(asked, "--model", "local/echo", "--json"))
    assert (read["output"], read["error"]) == ("echo: one two", None)
    usage = read["usage"]
    assert (usage["model_calls"], usage["input_tokens"], usage["output_tokens"]) == (1, 2, 3)


UNASKABLE = {
    "local/unknown": "local at http://127.0.0.1:.* has no model 'unknown'",
    "local/malformed": "local/malformed answered something that cannot be read",
    "local/malformed-shape": "local/malformed-shape answered something that cannot be read",
    "local/drop": r"cannot talk to local at http://127.0.0.1:\d+/v1 .see base_url of \[providers",
    "local/fail-500": "local failed",
    "openai/gpt-x": "openai/gpt-x needs OPENAI_API_KEY: set it in the environment or in .env",
    "anthropic": "anthropic/.* needs ANTHROPIC_API_KEY: set it in the environment or in .env",
    "nowhere/gpt": "no provider 'nowhere' is configured, .*; providers: .*local",
    "openai:gpt-x": "'openai:gpt-x' names no model; write it as openai/gpt-x",
    "local": "local has no default model: write local/MODEL",
    "ollama": "no Ollama with a model answers at http://127.0.0.1:1: .* set OLLAMA_",
    "ollama/llama": "cannot talk to ollama at http://127.0.0.1:1 .see OLLAMA_",
    "nobody/m": r"cannot talk to nobody at http://127.0.0.1:1/v1 .see base_url of \[providers.nob",
    "strict/echo": "strict refused the key: check STRICT_SECRET",
}


def test_models_that_cannot_be_asked(cli: Command, server: ModelServer) -> None:
    source = """
        local told = {}
        for _, model in ipairs(params.models) do
            local ok, err = pcall(llm.generate, "hello", {model = model})
            told[model] = tostring(err.message)
        end
        return told
    """
    cli.configure(
        "".join(
            f"[providers.{name}]\nkind = 'openai_compatible'\nbase_url = '{url}/v1'\n{more}\n"
            for name, url, more in (
                ("local", server.url, ""),
                ("nobody", "http://127.0.0.1:1", ""),
                ("strict", server.url, "api_key_env = 'STRICT_SECRET'"),
            )
        )
    )
    models = f"models:={json.dumps(list(UNASKABLE))}"
    done = cli.spell(source, "-p", models, env={"STRICT_SECRET": "bad-key"})
    assert (done.code, done.err) == (0, "")
    assert "bad-key" not in done.out
    messages = json.loads(done.out)
    assert set(messages) == set(UNASKABLE)
    for model, pattern in UNASKABLE.items():
        assert "\n" not in messages[model]
        assert re.search(pattern, messages[model]), messages[model]


@pytest.mark.parametrize("model", ["nowhere/gpt", "local", "ollama"])
def test_a_model_that_cannot_be_asked(cli: Command, local: ModelServer, model: str) -> None:
    done = cli.spell("print('before')\nllm.generate('hello')", "--model", model)
    assert (done.code, done.out) == (7, "before\n"), done.err
    assert re.search(UNASKABLE[model], told(done).removeprefix("spell.lua:2: "))
    assert done.err.splitlines()[1] == "  2 | llm.generate('hello')"
