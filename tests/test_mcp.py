"""MCP servers: real ones of the official library, over stdio and HTTP, and hostile ones."""

# ruff: noqa: E501 - programs and texts stand on their lines
from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE

from llmspell import Session
from llmspell.errors import CapabilityError, ConfigError, LlmspellError
from llmspell.host.settings import McpSettings, Settings
from llmspell.host.tools.mcp import MAX_INLINED, McpOptions, Servers, inlined

SERVER = """
import os, sys
from pydantic import BaseModel
from mcp.server import MCPServer

server = MCPServer("demo")

class Point(BaseModel):
    x: int
    y: int

@server.tool()
def add(a: int, b: int) -> int:
    "Adds two numbers."
    return a + b

@server.tool()
def show(point: Point) -> str:
    "Shows a point."
    return f"{point.x}/{point.y}"

@server.tool()
def fail() -> str:
    "Fails."
    raise ValueError("no luck")

@server.tool()
def place() -> list[str]:
    "Tells where it is and what it was given."
    return [str(os.getpid()), os.getcwd(), os.environ.get("SECRET_TOKEN", "none"), os.environ.get("PLAIN", "none")]

@server.tool()
async def slow() -> str:
    "Takes a minute."
    import anyio
    await anyio.sleep(60)
    return "late"

if len(sys.argv) > 1:
    server.run(transport="streamable-http", port=int(sys.argv[1]))
else:
    server.run()
"""

USE = """
    local given = tools.from_mcp("demo", params.at)
    local out = {given.names, tools.execute("demo_add", {a = 1, b = 2}), tools.execute("demo_show", {point = {x = 3, y = 4}})}
    for _, call in ipairs({{"demo_fail", {}}, {"demo_add", {a = "x", b = 1}}, {"demo_show", {point = {x = "z", y = 1}}}}) do
      local _, e = pcall(tools.execute, call[1], call[2])
      out[#out + 1] = e.code
    end
    local _, late = pcall(tools.execute, "demo_slow", {}, {timeout = 0.3})
    out[#out + 1] = late.code
    out[#out + 1] = tools.parallel({{name = "demo_add", args = {a = 1, b = 1}}, {name = "demo_add", args = {a = 2, b = 2}}})[2].value
    out[#out + 1] = {tools.get_info("demo_add").origin, tools.get_info("demo_add").category}
    return out
"""
USED = [
    ["demo_add", "demo_show", "demo_fail", "demo_place", "demo_slow"],
    {"result": 3}, {"result": "3/4"}, "tool", "bad_argument", "bad_argument", "timeout",
    {"result": 4}, ["mcp", "mcp"],
]  # fmt: skip


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "server.py"
    path.write_text(SERVER)
    return path


def session_in(folder: Path, **options: Any) -> Session:
    return Session(**{"level": "privileged", "folder": folder, **options})


def gone(pid: int) -> bool:
    """Whether a process has ended, within a time that only a hanging one needs."""
    due = time.monotonic() + PATIENCE
    while time.monotonic() < due:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_tools_of_a_server_on_stdio(script: Path, tmp_path: Path) -> None:
    at = {"command": [sys.executable, str(script)], "timeout": PATIENCE}
    assert session_in(tmp_path).run_sync(USE, {"at": at}).value == USED


def test_a_program_of_a_server_ends_with_the_run_and_gets_no_secret(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    monkeypatch.setenv("PLAIN", "seen")
    source = """
        tools.from_mcp("demo", params.at)
        local told = tools.execute("demo_place").result
        local _, secret = pcall(tools.from_mcp, "other", params.secret)
        return {told, secret.code}
    """
    at = {"command": [sys.executable, str(script)], "timeout": PATIENCE}
    at |= {"variables": ["PLAIN"], "folder": "."}
    secret = at | {"variables": ["SECRET_TOKEN"]}
    told, code = session_in(tmp_path).run_sync(source, {"at": at, "secret": secret}).value
    assert told[1:] == [str(tmp_path), "none", "seen"]
    assert code == "denied"
    assert gone(int(told[0]))


@pytest.mark.parametrize("how", ["error('over')", "while true do end", "sleep(60)"])
def test_a_server_ends_however_the_run_does(script: Path, tmp_path: Path, how: str) -> None:
    source = f"tools.from_mcp('demo', params.at) fs.write('pid', tools.execute('demo_place').result[1]) {how}"
    at = {"command": [sys.executable, str(script)], "timeout": PATIENCE}
    with pytest.raises(LlmspellError):
        session_in(tmp_path, limits={"time": 15}).run_sync(source, {"at": at})
    assert gone(int((tmp_path / "pid").read_text()))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def served(script: Path) -> Iterator[str]:
    port = free_port()
    log = script.with_suffix(".log").open("wb")
    process = subprocess.Popen([sys.executable, str(script), str(port)], stdout=log, stderr=log)
    try:
        due = time.monotonic() + PATIENCE
        while time.monotonic() < due:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()
        log.close()


def test_tools_of_a_server_over_http_need_the_grant_of_its_host(
    served: str, tmp_path: Path
) -> None:
    at = {"url": served, "timeout": PATIENCE}
    assert (
        session_in(tmp_path, level="trusted", allow=["net:127.0.0.1"])
        .run_sync(USE, {"at": at})
        .value
        == USED
    )
    with pytest.raises(CapabilityError) as caught:
        session_in(tmp_path, level="trusted").run_sync(USE, {"at": at})
    assert caught.value.code == "denied"


def test_calls_of_a_server_are_replayed_without_it(script: Path, tmp_path: Path) -> None:
    source = (
        "tools.from_mcp('demo', params.at) return tools.execute('demo_add', {a = 1, b = 2}).result"
    )
    at = {"command": [sys.executable, str(script)], "timeout": PATIENCE}
    record = tmp_path / "run.jsonl"
    assert session_in(tmp_path, record=record).run_sync(source, {"at": at}).value == 3
    script.unlink()
    assert session_in(tmp_path, replay=record).run_sync(source, {"at": at}).value == 3


# Servers of the settings, and their keys.


class Keyed(BaseHTTPRequestHandler):
    """An MCP server over HTTP that answers with a tool to whoever has its key, and with 401 else."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        told: dict[str, Any] = {}
        if asked["method"] == "initialize":
            told = {"protocolVersion": asked["params"]["protocolVersion"], "capabilities": {"tools": {}},
                    "serverInfo": {"name": "s", "version": "1"}}  # fmt: skip
        elif asked["method"] == "tools/list":
            told = {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}
        elif asked["method"] == "tools/call":
            told = {"content": [{"type": "text", "text": "done"}]}
        keyed = self.headers.get("authorization") == "Bearer the-key-of-docs"
        text = json.dumps({"jsonrpc": "2.0", "id": asked.get("id"), "result": told}).encode()
        self.send_response((200 if "id" in asked else 202) if keyed else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text) if keyed and "id" in asked else 0))
        self.end_headers()
        if keyed and "id" in asked:
            self.wfile.write(text)

    def do_GET(self) -> None:
        self.send_response(405)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def keyed() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Keyed)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/mcp"
    server.shutdown()
    server.server_close()


def docs_at(url: str) -> Settings:
    return Settings(mcp={"docs": McpSettings(url, {"Authorization": "Bearer ${DOCS_ACCESS}"})})


def test_a_server_of_the_settings_is_sent_a_key_that_no_script_sees(
    keyed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCS_ACCESS", "the-key-of-docs")
    source = """
        local given = tools.from_mcp("docs", {timeout = 60})
        local out = {given.names, tools.execute("docs_t")}
        local tries = {
          function() tools.from_mcp("docs", {url = params.url}) end,
          function() mcp.connect("docs", {headers = {x = "${DOCS_ACCESS}"}}) end,
          function() mcp.connect("own", {url = params.url, headers = {Authorization = "Bearer ${DOCS_ACCESS}"}}) end,
          function() mcp.connect("dogs") end,
          function() env.get("DOCS_ACCESS") end,
        }
        for _, try in ipairs(tries) do
          local _, e = pcall(try)
          out[#out + 1] = e.code
        end
        local _, e = pcall(mcp.connect, "dogs")
        out[#out + 1] = e.message
        return out
    """
    record = tmp_path / "run.jsonl"
    options: Any = {"level": "trusted", "allow": ["net:127.0.0.1"], "settings": docs_at(keyed)}
    session = session_in(tmp_path, record=record, **options)
    names, told, *codes, dogs = session.run_sync(source, {"url": keyed}).value
    assert (names, told) == (["docs_t"], "done")
    assert codes == ["bad_argument", "bad_argument", "refused", "bad_argument", "denied"]
    assert dogs.endswith("give either a command or a url; did you mean docs?")
    assert "the-key-of-docs" not in record.read_text()


LANGUAGES = {
    "lua": 'return {tools.from_mcp("docs").names, tools.execute("docs_t")}',
    "javascript": 'export default [(await tools.fromMcp("docs")).names, await tools.execute("docs_t")];',
    "tengo": 'export [tools.from_mcp("docs").names, tools.execute("docs_t")]',
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_server_of_the_settings_is_named_in_every_language(
    language: str, keyed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCS_ACCESS", "the-key-of-docs")
    given: Any = {"level": "trusted", "allow": ["net:127.0.0.1"], "settings": docs_at(keyed)}
    session = session_in(tmp_path, engine=language, **given)
    assert session.run_sync(LANGUAGES[language]).value == [["docs_t"], "done"]


def test_a_server_of_the_settings_needs_its_grant_and_its_key(
    keyed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCS_ACCESS", raising=False)
    source = "local _, e = pcall(mcp.connect, 'docs') return {e.code, e.message}"
    given: Any = {"level": "trusted", "settings": docs_at(keyed)}
    code, told = session_in(tmp_path, allow=["net:127.0.0.1"], **given).run_sync(source).value
    assert code == "key_missing"
    assert "the MCP server docs needs DOCS_ACCESS: set it in the environment or in .env" in told
    monkeypatch.setenv("DOCS_ACCESS", "the-key-of-docs")
    assert session_in(tmp_path, **given).run_sync(source).value[0] == "denied"


def test_a_program_of_the_settings_gets_its_keys_and_one_of_a_script_does_not(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    command = (sys.executable, str(script))
    settings = Settings(mcp={"demo": McpSettings(command=command, variables=("SECRET_TOKEN",))})
    source = """
        tools.from_mcp("demo", {timeout = params.timeout})
        tools.from_mcp("own", params)
        return {tools.execute("demo_place").result[3], tools.execute("own_place").result[3]}
    """
    at = {"command": [*command], "timeout": PATIENCE}
    assert session_in(tmp_path, settings=settings).run_sync(source, at).value == ["hunter2", "none"]


MISTAKES = {
    'url = "http://x"\ncommand = ["x"]': "mcp.docs must have either a url or a command",
    "": "mcp.docs must have either a url or a command",
    'url = "x"': "mcp.docs.url must begin with http",
    'url = "http://x"\nvariables = ["A"]': "mcp.docs.variables is for servers with a command",
    'command = ["x"]\nheaders = {}': "mcp.docs.headers is for servers with a url",
    'url = "http://x"\nheaders = {X-Api-Key = "k"}': "X-Api-Key holds a key: name the variable",
    'url = "http://x"\nheader = {}': "mcp.docs.header is not known; did you mean headers?",
}


@pytest.mark.parametrize(("text", "told"), MISTAKES.items())
def test_servers_of_the_settings_are_checked(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "own.toml").write_text(f"[mcp.docs]\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        Settings.load({"LLMSPELL_CONFIG": "own.toml"}, tmp_path)
    assert told in str(caught.value)


def test_servers_are_those_of_the_users_own_file(tmp_path: Path) -> None:
    (tmp_path / "llmspell").mkdir()
    text = '[mcp.docs]\nurl = "http://x"\nheaders = {authorization = "Bearer ${A}"}\n'
    (tmp_path / "llmspell" / "config.toml").write_text(text)
    here = tmp_path / "here"
    here.mkdir()
    (here / "llmspell.toml").write_text('model = "test"\n')
    settings = Settings.load({"XDG_CONFIG_HOME": str(tmp_path)}, here)
    assert settings.mcp == {"docs": McpSettings("http://x", {"authorization": "Bearer ${A}"})}
    assert settings.key_names == ("A",)
    (here / "llmspell.toml").write_text(text)
    with pytest.raises(ConfigError, match="mcp can only be set in"):
        Settings.load({"XDG_CONFIG_HOME": str(tmp_path)}, here)


def test_more_tools_of_a_server_can_be_taken_later(script: Path, tmp_path: Path) -> None:
    source = """
        for _, name in ipairs({"add", "show"}) do
          params.tools = {name}
          tools.from_mcp("demo", params)
        end
        return tools.list({origin = "mcp"})
    """
    at = {"command": [sys.executable, str(script)], "timeout": PATIENCE}
    assert session_in(tmp_path).run_sync(source, at).value == ["demo_add", "demo_show"]


def test_a_rule_about_a_tool_of_a_server_holds_whatever_a_script_calls_it(
    script: Path, tmp_path: Path
) -> None:
    source = """
        tools.from_mcp("demo", params)
        local out = {}
        for i, call in ipairs({{"x_add", {a = 1, b = 2}}, {"x_show", {point = {x = 1, y = 2}}}}) do
          local ok, e = pcall(tools.execute, call[1], call[2])
          out[i] = ok or e.message
        end
        return out
    """
    at = {"command": [sys.executable, str(script)], "timeout": PATIENCE, "prefix": "x_"}
    session = session_in(tmp_path, tool_rules={"demo_add": "deny", "x_*": "allow"})
    told = session.run_sync(source, at).value
    assert told == ["x_add is denied by the rule for demo_add", True]


# Hostile servers.


def test_a_server_is_ended_where_closing_it_is_called_off(tmp_path: Path) -> None:
    path = tmp_path / "stubborn.py"
    path.write_text(ODD.replace("TEXT", "'[]'"))

    async def main() -> None:
        async with session_in(tmp_path) as session:
            servers = Servers(session.services, lambda kind, name: None)
            servers.declare("s", McpOptions([sys.executable, str(path)], timeout=PATIENCE))
            await servers.tools("s")
            before = asyncio.all_tasks()
            closing = asyncio.create_task(servers.close("s"))
            await asyncio.sleep(0)
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) < len(before)

    asyncio.run(main())


def test_all_that_a_server_says_of_its_tools_is_bounded(tmp_path: Path) -> None:
    tool = {"name": "t", "description": "x" * 3_000_000, "inputSchema": {"type": "object"}}
    path = tmp_path / "hostile.py"
    program = ODD.replace("TEXT", repr(json.dumps([tool])))
    path.write_text(program.replace('{"tools": TOOLS}', '{"tools": TOOLS, "nextCursor": "more"}'))
    at = {"command": [sys.executable, str(path)], "timeout": PATIENCE}
    source = "local _, e = pcall(mcp.connect, 'x', params) return {e.code, e.message}"
    code, told = session_in(tmp_path).run_sync(source, at).value
    assert code == "too_large"
    assert "x has more than 4194304 bytes of tools" in told


def answered(tmp_path: Path, program: str, source: str = "", timeout: float = 2.0) -> str:
    """The code of the error that a script gets of a server that is a program."""
    path = tmp_path / "hostile.py"
    path.write_text(program)
    at = {"command": [sys.executable, str(path)], "timeout": timeout}
    source = source or "local _, e = pcall(mcp.connect, 'x', params.at) return e.code"
    return str(session_in(tmp_path, limits={"time": 50}).run_sync(source, {"at": at}).value)


@pytest.mark.parametrize(
    ("program", "codes"),
    [
        ("", ["closed", "malformed", "refused"]),
        ("import time; time.sleep(60)", ["timeout"]),
        ("print('no JSON', flush=True); import time; time.sleep(60)",
         ["timeout", "closed", "malformed", "refused"]),
        ("import sys\nwhile True: sys.stdout.write('x' * 65536)",
         ["timeout", "closed", "malformed", "refused"]),
        ("print('[' * 100000, flush=True); import time; time.sleep(60)",
         ["timeout", "closed", "malformed", "refused"]),
    ],
)  # fmt: skip
def test_a_program_that_does_not_speak_mcp_is_told(
    tmp_path: Path, program: str, codes: list[str]
) -> None:
    assert answered(tmp_path, program) in codes


ODD = """
import json, sys
TOOLS = json.loads(TEXT)
for line in sys.stdin:
    asked = json.loads(line)
    if asked["method"] == "initialize":
        told = {"protocolVersion": asked["params"]["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "s", "version": "1"}}
    elif asked["method"] == "tools/list":
        told = {"tools": TOOLS}
    else:
        told = {"content": [{"type": "text", "text": "x"}]}
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": told}), flush=True)
"""


def test_tools_that_cannot_be_tools_here_are_passed_over_with_the_reason(tmp_path: Path) -> None:
    tools = [
        {"name": "fine", "inputSchema": {"type": "object"}},
        {"name": "a b", "inputSchema": {"type": "object"}},
        {"name": "a.b", "inputSchema": {"type": "object"}},
        {"name": "bad", "inputSchema": {"type": "object", "properties": {"x": {"type": "strange"}}}},
        {"name": "far", "inputSchema": {"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}},
        {"name": "long", "description": "x" * 70000, "inputSchema": {"type": "object"}},
    ]  # fmt: skip
    path = tmp_path / "odd.py"
    path.write_text(ODD.replace("TEXT", repr(json.dumps(tools))))
    source = "local t = tools.from_mcp('s', params.at) return {t.names, t.skipped, tools.get_info('s_far').schema}"
    at = {"command": [sys.executable, str(path)], "timeout": PATIENCE}
    names, skipped, far = session_in(tmp_path).run_sync(source, {"at": at}).value
    assert names == ["s_fine", "s_a_b", "s_far"]
    assert [item["name"] for item in skipped] == ["a.b", "bad", "long"]
    assert "is the name of another tool of it too" in skipped[0]["reason"]
    assert far["properties"]["a"] == {}


def test_references_inside_a_schema_are_put_in_place_and_bounded() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    schema = {"type": "object", "$defs": {"Node": node, "N": {"type": "integer"}},
              "properties": {"n": {"$ref": "#/$defs/N", "description": "d"}, "node": {"$ref": "#/$defs/Node"}}}  # fmt: skip
    assert inlined(schema)["properties"] == {
        "n": {"type": "integer", "description": "d"},
        "node": {"type": "object", "properties": {"next": {}}},
    }
    assert inlined({"properties": {"definitions": {"type": "string"}, "$ref": {"type": "string"}}}) == {
        "properties": {"definitions": {"type": "string"}, "$ref": {"type": "string"}}
    }  # fmt: skip
    bomb: dict[str, Any] = {"a0": {"type": "string"}}
    for level in range(1, 16):
        bomb[f"a{level}"] = {"anyOf": [{"$ref": f"#/$defs/a{level - 1}"}] * 10}
    told = json.dumps(inlined({"$defs": bomb, "properties": {"x": {"$ref": "#/$defs/a15"}}}))
    assert len(told) < 100 * MAX_INLINED


class Endless(BaseHTTPRequestHandler):
    """Answers every request with bytes that do not end, or compressed though unasked."""

    encoding = ""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        if self.encoding:
            self.send_header("content-encoding", self.encoding)
        self.end_headers()
        try:
            for _ in range(4000):
                self.wfile.write(b" " * 65536)
        except OSError:
            pass

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class Squeezed(Endless):
    """Compressed."""

    encoding = "gzip"


@pytest.mark.parametrize("handler", [Endless, Squeezed])
def test_an_answer_over_http_that_does_not_end_is_cut_off(
    tmp_path: Path, handler: type[BaseHTTPRequestHandler]
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        at = {"url": f"http://127.0.0.1:{server.server_port}/", "timeout": 20}
        source = "local _, e = pcall(mcp.connect, 'x', params.at) return e.code"
        code = (
            session_in(tmp_path, level="trusted", allow=["net:127.0.0.1"])
            .run_sync(source, {"at": at})
            .value
        )
        assert code in ("too_large", "malformed", "refused", "closed")
    finally:
        server.shutdown()
        server.server_close()
