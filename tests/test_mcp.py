"""MCP servers: real ones of the official library, over stdio and HTTP, and hostile ones."""

# ruff: noqa: E501 - programs and texts stand on their lines
from __future__ import annotations

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
from llmspell.errors import CapabilityError, LlmspellError
from llmspell.host.tools.mcp import MAX_INLINED, inlined

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


# Hostile servers.


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
