"""Tools: rules and approval, functions of the program, replay, restore, the terminal."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE, Command

import llmspell
from llmspell import Function, Session
from llmspell.errors import ConfigError, Denied, HostFailure, UsageError
from llmspell.host.settings import Settings
from llmspell.host.tools.approvals import Approvals, Restrictions, ToolRequest
from llmspell.host.tools.chains import MAX_CALLS
from llmspell.host.tools.toolbox import MAX_TOOLS

CALC = "return tools.execute('calculator', {expression = params.e or '1 + 1'})"


def ran(source: str, params: dict[str, Any] | None = None, **options: Any) -> Any:
    return Session(**options).run_sync(source, params).value


# Rules.


@pytest.mark.parametrize(
    ("hosts", "own", "confirm", "origin", "decision"),
    [
        ({}, [], False, "script", "allow"),
        ({"*": "deny"}, [], False, "script", "deny"),
        ({"*": "deny", "t*": "ask", "to*": "allow"}, [], False, "builtin", "allow"),
        ({"to*": "allow", "*": "deny"}, [], False, "builtin", "deny"),
        ({"*": "ask"}, [("*", "allow")], False, "builtin", "ask"),
        ({"*": "deny"}, [("tool", "allow")], False, "script", "deny"),
        ({}, [("*", "deny"), ("tool", "ask")], False, "builtin", "ask"),
        ({"*": "allow"}, [("*", "deny"), ("tool", "allow")], False, "builtin", "allow"),
        ({}, [], True, "script", "ask"),
        ({}, [("tool", "allow")], True, "script", "ask"),
        ({"tool": "allow"}, [], True, "script", "ask"),
        ({}, [], True, "builtin", "ask"),
        ({"tool": "allow"}, [], True, "builtin", "allow"),
    ],
)
def test_the_last_rule_counts_and_the_stricter_of_host_and_script(
    hosts: dict[str, str], own: list[tuple[str, str]], confirm: bool, origin: str, decision: str
) -> None:
    rules = Restrictions(Approvals(hosts))
    for pattern, what in own:
        rules.add(pattern, what)
    assert rules.decide("tool", origin, confirm).decision == decision


def test_a_rule_that_is_none_is_refused_with_the_session() -> None:
    with pytest.raises(UsageError, match=r"rule of 'file_\*': must be one of .*; did you mean ask"):
        Session(tool_rules={"file_*": "aks"})


def test_a_denied_tool_is_denied_whoever_asks() -> None:
    with pytest.raises(Denied, match="calculator is denied by the rule for calc"):
        ran(CALC, tool_rules={"calc*": "deny"})


@pytest.mark.parametrize("later", [False, True])
def test_the_program_is_asked_with_all_there_is_to_know(later: bool) -> None:
    asked: list[ToolRequest] = []

    def approve(request: ToolRequest) -> bool:
        asked.append(request)
        return request.args["expression"] == "6 * 7"

    async def approve_later(request: ToolRequest) -> bool:
        await asyncio.sleep(0.01)
        return approve(request)

    chosen: Any = approve_later if later else approve
    session: dict[str, Any] = {"tool_rules": {"*": "ask"}, "approve": chosen}
    assert ran(CALC, {"e": "6 * 7"}, **session) == 42
    with pytest.raises(Denied, match="was not approved: whoever runs the spell refused"):
        ran(CALC, {"e": "1"}, **session)
    assert [request.name for request in asked] == ["calculator", "calculator"]
    assert asked[0].origin == "builtin" and "arithmetic" in asked[0].description
    assert asked[0].run_id


def test_nobody_is_asked_about_wrong_arguments() -> None:
    def approve(request: ToolRequest) -> bool:
        raise AssertionError("asked")

    with pytest.raises(llmspell.BadArgument, match="expression"):
        ran(
            "tools.execute('calculator', {expression = 5})",
            tool_rules={"*": "ask"},
            approve=approve,
        )


def test_a_program_that_cannot_decide_tells_nothing_of_its_inside() -> None:
    def approve(request: ToolRequest) -> bool:
        raise RuntimeError("hunter2")

    told = r"approve failed in the program that runs this spell \(RuntimeError\)"
    with pytest.raises(HostFailure, match=told) as caught:
        ran(CALC, tool_rules={"*": "ask"}, approve=approve)
    assert "hunter2" not in str(caught.value)


def test_an_approval_that_never_comes_ends_with_the_run() -> None:
    cancelled: list[str] = []

    async def approve(request: ToolRequest) -> bool:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.append(request.name)
            raise
        return True

    with pytest.raises(llmspell.TimeLimit):
        ran(CALC, tool_rules={"*": "ask"}, approve=approve, limits={"time": 0.3})
    assert cancelled == ["calculator"]


def test_settings_have_rules_and_a_local_file_may_not(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[tools]\n"calc*" = "deny"\n')
    settings = Settings.load({"LLMSPELL_CONFIG": str(file)}, tmp_path)
    with pytest.raises(Denied):
        ran(CALC, settings=settings)
    assert ran(CALC, settings=settings, tool_rules={"calculator": "allow"}) == 2
    file.write_text('[tools]\n"calc*" = "dney"\n')
    with pytest.raises(ConfigError, match=r"c.toml:2: tools.calc\* must be .*did you mean deny"):
        Settings.load({"LLMSPELL_CONFIG": str(file)}, tmp_path)
    (tmp_path / "llmspell.toml").write_text('[tools]\n"*" = "allow"\n')
    with pytest.raises(ConfigError, match="tools can only be set in"):
        Settings.load({"HOME": str(tmp_path)}, tmp_path)


def test_an_approval_is_replayed_and_not_asked_again(tmp_path: Path) -> None:
    record = tmp_path / "run.jsonl"
    asked: list[str] = []

    def approve(request: ToolRequest) -> bool:
        asked.append(request.name)
        return True

    given: dict[str, Any] = {"tool_rules": {"*": "ask"}}
    assert ran(CALC, record=record, approve=approve, **given) == 2
    assert ran(CALC, replay=record, **given) == 2
    assert asked == ["calculator"]
    with pytest.raises(Denied):
        ran(CALC, replay=record, tool_rules={"*": "deny"})


def test_tools_are_there_again_in_a_run_that_is_restored() -> None:
    source = """
        tools.register("twice", "Twice.", {}, function(a) return a.n * 2 end, {category = "own"})
        tools.register("gone", "Gone.", {}, function() end)
        tools.remove("gone")
        tools.compose("both", {"twice", "calculator"}, {mode = "parallel"})
        tools.restrict("calculator", "deny")
        sleep(0.2)
        local _, denied = pcall(tools.execute, "calculator", {expression = "1"})
        local both = tools.execute("both", {n = 4})
        return {tools.execute("twice", {n = 2}), tools.list({category = "own"}), denied.code,
          both.twice.value, both.calculator.error.code}
    """

    async def go() -> Any:
        async with Session() as session:
            running = session.start(source)
            await asyncio.sleep(0.1)
            checkpoint = running.checkpoint()
            await running.cancel()
        async with Session() as session:
            return (await session.restore(checkpoint).result()).value

    assert asyncio.run(go()) == [4, ["twice"], "denied", 8, "bad_argument"]


# From Python.


async def pause(seconds: float, times: int = 1) -> int:
    """Waits.

    seconds: how long.
    times: how often.
    returns: how often it has waited.
    """
    for _ in range(times):
        await asyncio.sleep(seconds)
    return times


def test_a_function_of_the_program_is_checked_and_timed_as_a_tool() -> None:
    functions: Any = {"own.pause": Function(pause, tool="pause")}
    value = ran(
        """
        local _, late = pcall(tools.execute, "pause", {seconds = 60}, {timeout = 0.1})
        local _, wrong = pcall(tools.execute, "pause", {seconds = "x"})
        return {late.code, wrong.message, tools.execute("pause", {seconds = 0, times = 3}),
          tools.get_info("pause").origin, tools.metrics().pause.calls}
        """,
        functions=functions,
    )
    assert value == [
        "timeout", 'pause: seconds: "x" is not of type "number"', 3, "host", 3,
    ]  # fmt: skip


# Bounds.


def test_the_registry_is_bounded_and_what_it_keeps_is_counted() -> None:
    source = """
        for i = 1, params.n do tools.register("t" .. i, "T.", {}, print) end
        return pcall(tools.register, "one_more", "T.", {}, print)
    """
    assert ran(source, {"n": MAX_TOOLS}) is False
    with pytest.raises(llmspell.MemoryLimit):
        ran(
            "for i = 1, 1000 do tools.register('t', ('x'):rep(60000), {}, print) end",
            limits={"memory": "8MB"},
        )
    with pytest.raises(llmspell.BadArgument, match=f"at most {MAX_CALLS} calls"):
        ran("local c = {} for i = 1, 1001 do c[i] = {name = 'uuid'} end tools.parallel(c)")


def test_an_agent_is_told_of_a_tool_that_was_denied() -> None:
    reply = ran(
        "return agent.create({tools = {'calculator'}}):run('work it out').tool_calls[1].error",
        tool_rules={"*": "deny"},
        model="test/offline",
    )
    assert "denied" in reply


# The terminal.


def at_a_terminal(tmp_path: Path, answer: bytes, *options: str) -> tuple[int, str]:
    """What `llmspell run` does where a person sits at its terminal and answers."""
    (tmp_path / "spell.lua").write_text(CALC)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        args = [sys.executable, "-m", "llmspell", "run", "spell.lua", *options]
        os.execv(sys.executable, args)
    told, due, sent = b"", time.monotonic() + PATIENCE, False
    while time.monotonic() < due:
        if select.select([terminal], [], [], 1)[0]:
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            told += piece
        if b"[y/N]" in told and not sent:
            os.write(terminal, answer)
            sent = True
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), told.decode()


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"\n", 6), (b"no\n", 6)])
def test_the_command_asks_at_the_terminal(tmp_path: Path, answer: bytes, code: int) -> None:
    ended, told = at_a_terminal(tmp_path, answer, "--tool-rule", "calc*=ask")
    assert "wants to run the builtin tool calculator" in told
    assert '{"expression": "1 + 1"}' in told
    assert ended == code, told


def test_without_a_terminal_nobody_is_asked(cli: Command, tmp_path: Path) -> None:
    (cli.folder / "spell.lua").write_text(CALC)
    done = cli("run", "spell.lua", "--tool-rule", "*=ask")
    assert done.code == 6
    assert "was not approved: nobody can be asked" in done.err
    wrong = cli("run", "spell.lua", "--tool-rule", "*=perhaps")
    assert wrong.code == 2


# Documents.


def test_every_built_in_tool_is_described_for_every_reader() -> None:
    names, docs = ran(
        """
        local docs = {}
        for _, format in ipairs({"markdown", "openapi", "mcp", "json"}) do
          docs[format] = tools.docs({format = format})
        end
        return {tools.list(), docs}
        """
    )
    opened = json.loads(docs["openapi"])
    assert [path.removeprefix("/tools/") for path in opened["paths"]] == names
    told = json.loads(docs["mcp"])["tools"]
    assert [tool["name"] for tool in told] == names
    assert all(tool["inputSchema"]["type"] == "object" for tool in told)
    plain = {tool["name"]: tool for tool in json.loads(docs["json"])["tools"]}
    assert all(tool.get("category") for tool in plain.values()), plain
    assert plain["file_delete"]["is_destructive"] is True
    assert plain["csv_parse"]["is_deterministic"] is True
    assert plain["process_exec"]["permissions"] == ["exec"]
    assert all(f"## {name}\n" in docs["markdown"] for name in names)


def test_the_promised_tools_are_there() -> None:
    promised = """
        file_read file_write file_append file_delete file_exists file_list file_move file_copy
        file_search file_info web_fetch web_search http_request calculator datetime_now
        datetime_format datetime_parse json_parse json_stringify csv_parse csv_format xml_parse
        xml_format yaml_parse yaml_format text_regex text_replace text_diff text_template hash
        base64_encode base64_decode uuid process_exec sqlite_query
    """
    assert ran("return tools.list()") == sorted(promised.split())


def test_a_small_spell_loads_nothing_of_tools(tmp_path: Path) -> None:
    program = (
        "import llmspell, sys; llmspell.run_sync('return 1');"
        "assert not {'llmspell.host.tools.toolbox', 'llmspell.host.tools.approvals', 'inspect',"
        " 'yaml', 're2', 'xmltodict', 'sqlite3', 'mcp'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=PATIENCE)
    assert done.returncode == 0


PAGE = Path(__file__).parents[1] / "docs" / "tools.md"
LANGUAGES = {"lua": "lua54", "typescript": "javascript", "tengo": "tengo"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_example_of_the_page_runs(language: str, tmp_path: Path) -> None:
    block = PAGE.read_text().partition(f"```{language}\n")[2].partition("```")[0]
    suffix = {"lua": ".lua", "typescript": ".ts", "tengo": ".tengo"}[language]
    path = tmp_path / f"spell{suffix}"
    path.write_text(block)
    value = llmspell.run_sync(path).value
    assert value["dollars"] == pytest.approx(22)


@pytest.mark.parametrize(
    "source",
    [
        "local t = {} for i = 1, 500 do t[i] = {name = 'none'} end tools.parallel(t)",
        "local t = {} for i = 1, 500 do t[i] = {prompt = 'x', model = 'no/no'} end llm.batch(t)",
    ],
)
def test_calls_together_that_wait_for_nothing_leave_others_their_turns(source: str) -> None:
    since, most = 0, 0

    async def tick() -> None:
        nonlocal since
        while True:
            since = 0
            await asyncio.sleep(0)

    def note(record: Any) -> None:
        nonlocal since, most
        since += 1
        most = max(most, since)

    async def main() -> None:
        async with Session(on_call=note, level="privileged", limits={"calls": 5000}) as session:
            ticking = asyncio.create_task(tick())
            await session.run(source)
            ticking.cancel()

    asyncio.run(main())
    assert 0 < most <= 64
