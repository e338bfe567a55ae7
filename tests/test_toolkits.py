"""What the built-in tools stand on: programs, databases, searching, text; within their bounds."""

# ruff: noqa: E501 - programs and texts stand on their lines
from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import PATIENCE

from llmspell import Session
from llmspell.errors import BadArgument, CapabilityError, ConfigError, DiskLimit, TimeLimit
from llmspell.host import confined
from llmspell.host.files import database as database_program
from llmspell.host.files.files import Files
from llmspell.host.files.search import SearchOptions, search
from llmspell.host.formats import differences, patterns, tables, templates, xml, yaml
from llmspell.host.net import web_search
from llmspell.host.settings import Settings


def session_in(folder: Path, **options: Any) -> Session:
    return Session(**{"level": "privileged", "folder": folder, **options})


def ran(folder: Path, source: str, params: dict[str, Any] | None = None, **options: Any) -> Any:
    return session_in(folder, **options).run_sync(source, params).value


def refused(folder: Path, source: str, params: Any = None, **options: Any) -> str:
    with pytest.raises(CapabilityError) as caught:
        ran(folder, source, params, **options)
    return caught.value.code


def gone(pid: int) -> bool:
    due = time.monotonic() + PATIENCE
    while time.monotonic() < due:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


# Programs.


def test_all_that_a_program_started_ends_with_it(tmp_path: Path) -> None:
    source = """
        local done = process.exec({"sh", "-c", "sleep 600 & echo $! > pid; echo said"}, {timeout = params.patience})
        return done.stdout
    """
    # The pipes are held by the child of the child: they are read until the time is over.
    with pytest.raises(CapabilityError) as caught:
        ran(tmp_path, source, {"patience": 1})
    assert caught.value.code == "timeout"
    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("how", ["time", "cancel"])
def test_a_program_ends_with_its_run(tmp_path: Path, how: str) -> None:
    source = 'process.exec({"sh", "-c", "echo $$ > pid; exec sleep 600"}, {timeout = 500})'

    async def go() -> None:
        async with session_in(tmp_path) as session:
            task = asyncio.create_task(session.attempt(source, limits={"time": 2}))
            if how == "cancel":
                while not (tmp_path / "pid").exists():
                    await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                assert type((await task).error) is TimeLimit

    asyncio.run(go())
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_program_that_prints_without_end_is_killed(tmp_path: Path) -> None:
    for where in ("yes", "yes >&2"):
        source = f'process.exec({{"sh", "-c", "echo $$ > pid; exec {where}"}})'
        assert refused(tmp_path, source) == "too_large"
        assert gone(int((tmp_path / "pid").read_text()))


def test_a_program_gets_few_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2")
    monkeypatch.setenv("PLAIN", "seen")
    source = "return process.exec({'env'}, {variables = params.names}).stdout"
    told = ran(tmp_path, source, {"names": ["PLAIN"]})
    names = {line.partition("=")[0] for line in told.splitlines()}
    assert names <= {
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TMPDIR",
        "TZ",
        "PLAIN",
        "PWD",
        "_",
        "SHLVL",
    }
    assert "PLAIN=seen" in told and "hunter2" not in told
    assert refused(tmp_path, source, {"names": ["OPENAI_API_KEY"]}) == "denied"
    assert refused(tmp_path, source, {"names": ["PLAIN"]}, allow=["!env:PLAIN"]) == "denied"


def test_a_program_is_granted_by_name_or_by_real_path(tmp_path: Path) -> None:
    (tmp_path / "echo").write_text("#!/bin/sh\necho mine\n")
    (tmp_path / "echo").chmod(0o755)
    run = "return process.exec({params.p, 'x'}).stdout"
    named: Any = {"level": "trusted", "allow": ["exec:echo"]}
    assert ran(tmp_path, run, {"p": "echo"}, **named) == "x\n"
    assert refused(tmp_path, run, {"p": "./echo"}, **named) == "denied"
    pathed: Any = {"level": "trusted", "allow": [f"exec:{tmp_path}/echo"]}
    assert ran(tmp_path, run, {"p": "./echo"}, **pathed) == "mine\n"
    (tmp_path / "link").symlink_to("/bin/sh")
    linked: Any = {"level": "trusted", "allow": [f"exec:{tmp_path}/link"]}
    assert refused(tmp_path, run, {"p": "./link"}, **linked) == "denied"


def test_a_folder_in_the_path_that_is_relative_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").write_text("#!/bin/sh\necho no\n")
    (tmp_path / "mine").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")
    assert refused(tmp_path, "process.exec({'mine'})") == "not_found"


# Databases.


def database(path: Path, *statements: str, wal: bool = False) -> sqlite3.Connection:
    base = sqlite3.connect(path)
    if wal:
        base.execute("pragma journal_mode = wal")
    for statement in statements:
        base.execute(statement)
    base.commit()
    return base


QUERY = "return sqlite.query('t.db', params.sql, params.values, params.options)"


def asked(folder: Path, sql: str, values: Any = None, **options: Any) -> Any:
    return ran(folder, QUERY, {"sql": sql, "values": values or [], "options": options})


def test_values_of_every_kind_come_back(tmp_path: Path) -> None:
    database(tmp_path / "t.db", "create table t(a, b, c, d, e)").close()
    asked(tmp_path, "insert into t values (?, ?, ?, ?, null)", [1, 2.5, "ü", b"\xff"], write=True)
    assert asked(tmp_path, "select * from t")["rows"] == [
        {"a": 1, "b": 2.5, "c": "ü", "d": b"\xff"}
    ]
    other = sqlite3.connect(tmp_path / "t.db")
    assert other.execute("select a, d from t").fetchall() == [(1, b"\xff")]
    other.close()


def test_a_database_in_wal_mode_is_read_once_its_changes_are_in_it(tmp_path: Path) -> None:
    base = database(tmp_path / "t.db", "create table t(a)", "insert into t values (7)", wal=True)
    with pytest.raises(CapabilityError, match="is being changed") as caught:
        asked(tmp_path, "select a from t")
    assert caught.value.code == "busy"
    base.execute("pragma wal_checkpoint(truncate)")
    base.close()
    assert asked(tmp_path, "select a from t")["rows"] == [{"a": 7}]


def test_a_query_that_changes_nothing_leaves_the_file_alone(tmp_path: Path) -> None:
    database(tmp_path / "t.db", "create table t(a)").close()
    before = (tmp_path / "t.db").stat()
    asked(tmp_path, "select 1", write=True)
    for sql in ("insert into t values (1)", "drop table t", "begin", "vacuum"):
        with pytest.raises(CapabilityError):
            asked(tmp_path, sql)
    assert (tmp_path / "t.db").stat() == before


def test_writing_needs_the_grant_and_counts_as_disk(tmp_path: Path) -> None:
    source = "return sqlite.query('t.db', 'create table t(a)', {}, {write = true}).changed"
    assert refused(tmp_path, source, allow=["!fs.write:t.db"]) == "denied"
    assert not (tmp_path / "t.db").exists()
    with pytest.raises(DiskLimit):
        ran(tmp_path, source, limits={"disk": 1000})


def test_time_memory_rows_and_answers_of_a_query_are_bounded(tmp_path: Path) -> None:
    database(tmp_path / "t.db", "create table t(a)").close()
    count = "with recursive c(x) as (select 1 union all select x + 1 from c) "
    large = (
        "with recursive c(x, y) as (select 1, zeroblob(1000000) union all select x + 1, y from c) "
    )
    assert len(asked(tmp_path, count + "select x from c", limit=10000)["rows"]) == 10000
    sql = large + "select y from c"
    told = ran(
        tmp_path,
        "local r = sqlite.query('t.db', params.sql) return {r.more, #r.rows}",
        {"sql": sql},
    )
    assert told[0] is True
    assert 0 < told[1] < 20
    for sql, options in [
        (count + "select count(*) from c", {"timeout": 0.2}),
        (large + "select count(*) from (select y from c order by y)", {"timeout": 5}),
        ("select zeroblob(1000000000)", {}),
        (large + "select group_concat(hex(y)) from c", {}),
    ]:
        with pytest.raises(CapabilityError) as caught:
            asked(tmp_path, sql, **options)
        assert caught.value.code in ("timeout", "sql", "too_large")


def test_a_file_that_is_no_database_or_a_broken_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(CapabilityError) as caught:
        asked(tmp_path, "select * from sqlite_master")
    assert caught.value.code in ("sql", "too_large")


def test_the_work_of_another_process_is_bounded(tmp_path: Path) -> None:
    program = tmp_path / "program.py"

    def run(source: str, patience: float) -> bytes | None:
        program.write_text(source)
        return asyncio.run(confined.run(str(program), b"job" * 100_000, patience))

    assert run("import sys; sys.stdout.write(str(len(sys.stdin.read())))", PATIENCE) == b"300000"
    assert run("print('x')", PATIENCE) == b"x\n"
    assert run("import time; time.sleep(600)", 0.5) is None
    assert run("import sys\nwhile True: sys.stdout.write('x' * 1000000)", PATIENCE) is None
    assert run("raise SystemExit(3)", PATIENCE) is None


# The web.


class SearxNG(BaseHTTPRequestHandler):
    """What a SearXNG server answers."""

    asked: list[dict[str, list[str]]]
    status = 200
    body = ""

    def do_GET(self) -> None:
        self.asked.append(parse_qs(urlsplit(self.path).query))
        found = [
            {"title": f"T{i}", "url": f"http://x.example/{i}", "content": "c" * 5000}
            for i in range(20)
        ]
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write((self.body or json.dumps({"results": found})).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def searched() -> Iterator[tuple[type[SearxNG], str]]:
    handler = type("Handler", (SearxNG,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_web_is_searched_with_the_server_of_the_settings(
    tmp_path: Path, searched: tuple[type[SearxNG], str]
) -> None:
    handler, url = searched
    source = "return tools.execute('web_search', {query = 'lua & c', options = {limit = 3, language = 'en'}})"
    given: Any = {"level": "trusted", "settings": Settings(search_url=url)}
    assert refused(tmp_path, source, **given) == "denied"
    assert handler.asked == []
    given["allow"] = ["net:127.0.0.1"]
    found = ran(tmp_path, source, **given)
    assert [item["title"] for item in found] == ["T0", "T1", "T2"]
    assert len(found[0]["snippet"]) == 2000
    assert handler.asked == [{"q": ["lua & c"], "format": ["json"], "language": ["en"]}]
    handler.status, handler.body = (
        200,
        r'{"results": [{"title": "half \ud83d", "url": "http://x"}]}',
    )
    assert ran(tmp_path, source, **given)[0]["title"] == "half ?"
    for status, body, code in [
        (403, "", "refused"),
        (429, "", "status"),
        (200, "<html>", "malformed"),
        (200, '{"results": [5]}', "malformed"),
    ]:
        handler.status, handler.body = status, body
        assert refused(tmp_path, source, **given) == code


DUCKDUCKGO = """
<div class="result results_links result--ad"><h2 class="result__title">
 <a rel="nofollow" class="result__a" href="//duckduckgo.com/y.js?ad_domain=x.example">Buy Lua</a></h2>
 <a class="result__snippet" href="//duckduckgo.com/y.js?ad_domain=x.example">an advertisement</a></div>
<div class="result results_links results_links_deep web-result">
 <h2 class="result__title"><a rel="nofollow" class="result__a"
  href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fwww.lua.example%2Fa%3Fx%3D1%26y%3D2&amp;rut=0a1b">
  The Language <b>Lua</b> &amp; more</a></h2>
 <a class="result__url" href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fwww.lua.example%2F"> lua.example </a>
 <a class="result__snippet" href="//duckduckgo.com/l/?uddg=x">small, <b>fast</b>&#x27;s
   best</a></div>
<div class="result web-result"><a class="result__a" href="http://plain.example/">Plain</a></div>
<div class="result web-result"><a class="result__a" href="javascript:alert(1)">Script</a></div>
<div class="nav-link"><a href="/feedback.html">Feedback</a></div>
"""


def test_the_web_is_searched_with_duckduckgo(
    tmp_path: Path, searched: tuple[type[SearxNG], str]
) -> None:
    handler, url = searched
    handler.body = DUCKDUCKGO
    source = "return http.search('lua & c', {limit = params.limit, language = 'de'})"
    settings = Settings(search_url=url + "/html/", search_engine="duckduckgo")
    given: Any = {"level": "trusted", "settings": settings}
    assert refused(tmp_path, source, {"limit": 5}, **given) == "denied"
    assert handler.asked == []
    given["allow"] = ["net:127.0.0.1"]
    first = {
        "title": "The Language Lua & more",
        "url": "https://www.lua.example/a?x=1&y=2",
        "snippet": "small, fast's best",
    }
    second = {"title": "Plain", "url": "http://plain.example/", "snippet": ""}
    assert ran(tmp_path, source, {"limit": 5}, **given) == [first, second]
    assert ran(tmp_path, source, {"limit": 1}, **given) == [first]
    assert handler.asked == [{"q": ["lua & c"]}] * 2
    handler.body = '<div class="no-results">No results found</div>'
    assert ran(tmp_path, source, {"limit": 5}, **given) == []
    for status, body, code in [
        (202, "<form id='challenge-form'>", "refused"),
        (403, "", "refused"),
        (429, "", "status"),
        (200, "<html>another page</html>", "malformed"),
        (200, '<a class="result__a" href="http://[">x</a>', "malformed"),
    ]:
        handler.status, handler.body = status, body
        assert refused(tmp_path, source, {"limit": 5}, **given) == code


def test_a_hostile_page_of_results_is_read_in_linear_time() -> None:
    for page in ("<a " * 10**6, '<a class="result__a" href="' + "<" * 10**6, "<a x>" + "<" * 10**6,
                 '<a class="result__a" href="http://x.example">' * 50_000,
                 f'<a class="result__a" href="http://x.example">&#{"9" * 10**6};'):  # fmt: skip
        began = time.process_time()
        list(web_search._results(page))
        assert time.process_time() - began < 10


def test_only_the_users_own_file_says_where_searches_go(tmp_path: Path) -> None:
    (tmp_path / "llmspell.toml").write_text('search_url = "http://evil.example"\n')
    with pytest.raises(ConfigError, match="search_url can only be set in"):
        Settings.load({"HOME": str(tmp_path)}, tmp_path)
    (tmp_path / "llmspell.toml").write_text('search_engine = "duckduckgo"\n')
    with pytest.raises(ConfigError, match="search_engine can only be set in"):
        Settings.load({"HOME": str(tmp_path)}, tmp_path)
    own = tmp_path / "own.toml"
    own.write_text('search_engine = "duckduckgoo"\n')
    with pytest.raises(ConfigError, match="one of searxng, duckduckgo; did you mean duckduckgo"):
        Settings.load({"LLMSPELL_CONFIG": str(own)}, tmp_path)
    own.write_text('search_engine = "duckduckgo"\n')
    found = Settings.load({"LLMSPELL_CONFIG": str(own)}, tmp_path)
    assert (found.search_engine, found.search_url) == ("duckduckgo", None)
    own.write_text('search_url = "localhost"\n')
    with pytest.raises(ConfigError, match="search_url must begin with http"):
        Settings.load({"LLMSPELL_CONFIG": str(own)}, tmp_path)


# Searching files.


def test_what_may_not_be_read_is_not_found(tmp_path: Path) -> None:
    for name in ("a.txt", "secret/b.txt", ".env", "sub/deep/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("needle")
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "out.txt").symlink_to("/etc/passwd")
    (tmp_path / "binary").write_bytes(b"needle\xff")
    options: Any = {"level": "trusted", "allow": ["!fs.read:secret/**"]}
    found = ran(tmp_path, "return fs.search('.', {text = 'needle'})", **options)
    assert [item["path"] for item in found] == ["a.txt", "sub/deep/c.txt"]
    found = ran(tmp_path, "return fs.search('.', {name = '*.txt'})", **options)
    assert [item["path"] for item in found] == ["a.txt", "sub/deep/c.txt"]
    assert refused(tmp_path, "fs.search('/etc')", **options) == "denied"
    assert refused(tmp_path, "fs.search('missing')", **options) == "not_found"


@pytest.mark.parametrize(
    ("content", "wanted", "ignore_case", "found"),
    [
        ("a\nb a a\n\na", "a", False, [(1, "a"), (2, "b a a"), (4, "a")]),
        ("a\nb", "a\nb", False, []),
        ("x\nlast A", "LAST a", True, [(2, "last A")]),
        (
            "\u0130\u0130 \u00c4\nA \u00e4",
            "\u00e4",
            True,
            [(1, "\u0130\u0130 \u00c4"), (2, "A \u00e4")],
        ),
        ("A", "a", False, []),
        ("y" * 150 + "z" * 150, "z", False, [(1, "y" * 150 + "z" * 50)]),
        ("a\n" * 5, "a", False, [(1, "a"), (2, "a"), (3, "a")]),
    ],
)
def test_a_search_gives_the_lines_that_have_the_text(
    tmp_path: Path, content: str, wanted: str, ignore_case: bool, found: list[tuple[int, str]]
) -> None:
    (tmp_path / "a.txt").write_text(content)
    files = Files(tmp_path, lambda kind, resource: None)
    options = SearchOptions(text=wanted, ignore_case=ignore_case, limit=3)
    told = asyncio.run(search(files, ".", options))
    assert [(finding.line, finding.text) for finding in told] == found


def test_a_search_keeps_no_list_of_the_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ab\n" * 1_000_000 + "needle")
    files = Files(tmp_path, lambda kind, resource: None)
    tracemalloc.start()
    try:
        told = asyncio.run(search(files, ".", SearchOptions(text="needle", ignore_case=True)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert told[0].line == 1_000_001
    assert most < 30_000_000


# Text. What is given here was made to take time; none may take more than a few seconds.

BOUND = 20.0


@pytest.mark.parametrize(
    "text",
    ["- a\n" * 80_000, "[" * 1_000_000, "{" * 100_000, "&a " * 300_000, "? " * 500_000, "- " * 500_000,
     "!" * 1_000_000, "#\n" * 500_000, "[a, " * 250_000, "-\n" * 400_000, "? a\n" * 250_000, "'" * 1_000_000,
     "x: {" + ", ".join(f"k{i}: 1" for i in range(40_000)) + ", <<: [" + "{}, " * 40_000 + "]}"],
    ids=range(13),
)  # fmt: skip
def test_yaml_takes_no_more_time_than_its_text_is_long(text: str) -> None:
    began = time.process_time()
    with suppress(BadArgument):
        yaml.read(text)
    assert time.process_time() - began < BOUND


@pytest.mark.parametrize(
    "text",
    ["<a>" + "<b/>" * 19_000 + "</a>", "<a>" + "x" * 1_000_000 + "</a>", "<a>" * 300_000,
     "<a " + " ".join(f"b{i}='1'" for i in range(19_000)) + "/>", "<a>" + "&amp;" * 200_000 + "</a>",
     "<a>" + "x<b/>" * 19_000 + "</a>", "<a>" + "".join(f"<b{i}/>" for i in range(19_000)) + "</a>"],
    ids=range(7),
)  # fmt: skip
def test_xml_takes_no_more_time_than_its_text_is_long(text: str) -> None:
    began = time.process_time()
    with suppress(BadArgument):
        xml.read(text)
    assert time.process_time() - began < BOUND


@pytest.mark.parametrize(
    ("text", "pattern"),
    [("a" * 200_000, "a.*b|a"), ("x" * 19_000, "(x{100}){10}y"), ("x" * 400_000, "(x+x+)+y"),
     ("a" * 1_000_000, "a"), ("ab" * 200_000, "(a|b|ab)*c"), ("a" * 1_000_000, "^(a*)*$")],
)  # fmt: skip
def test_no_pattern_takes_long(text: str, pattern: str) -> None:
    began = time.process_time()
    for options in (patterns.PatternOptions(limit=1000), patterns.PatternOptions(ignore_case=True)):
        try:
            asyncio.run(patterns.find(text, pattern, options))
            asyncio.run(patterns.replace(text, pattern, "[$0]", options))
        except BadArgument:
            pass
    assert time.process_time() - began < BOUND


def test_finding_gives_way_and_can_be_cancelled() -> None:
    async def go() -> int:
        ticks = 0
        work = asyncio.create_task(
            patterns.replace("a" * 200_000, "a.*b|a", "", patterns.PatternOptions())
        )
        while not work.done():
            await asyncio.sleep(0)
            ticks += 1
            if ticks == 3:
                work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        return ticks

    assert asyncio.run(go()) < 10


@pytest.mark.parametrize(
    ("old", "new"),
    [("x\n" * 19_999, "x\n" * 15_000 + "y\n" * 4000), ("\n".join(map(str, range(19_000))), "\n".join(map(str, range(500, 19_500)))),
     ("\n".join(str(i % 101) for i in range(19_000)), "\n".join(str(i * 7 % 101) for i in range(19_000))),
     ("\n".join("ab"[i * i % 7 % 2] for i in range(199)), "\n".join("ab"[i**3 % 11 % 2] for i in range(199)))],
    ids=range(4),
)  # fmt: skip
def test_no_difference_takes_long(old: str, new: str) -> None:
    began = time.process_time()
    try:
        assert differences.unified(old, new, ("a", "b"), 3).startswith("--- a\n+++ b\n@@ ")
    except BadArgument as error:
        assert "to be compared" in error.message
    assert time.process_time() - began < BOUND


def test_a_difference_leads_from_the_old_text_to_the_new() -> None:
    old = "".join(f"line {i}\n" for i in range(2000))
    new = old.replace("line 5\n", "").replace("line 1000\n", "changed\nmore\n") + "end\n"
    told = differences.unified(old, new, ("a", "b"), 3)
    removed = [line[1:] for line in told.splitlines()[2:] if line.startswith("-")]
    added = [line[1:] for line in told.splitlines()[2:] if line.startswith("+")]
    assert (removed, added) == (["line 5", "line 1000"], ["changed", "more", "end"])


def test_a_template_cannot_be_made_to_grow() -> None:
    with pytest.raises(BadArgument, match="the result is longer"):
        templates.render("{{x}}" * 100, {"x": "y" * 100_000})
    with pytest.raises(BadArgument, match="more than 10000 places"):
        templates.render("{{x}}" * 10_001, {"x": ""})


def test_csv_cannot_be_made_to_grow() -> None:
    wide = {f"c{i}": 1 for i in range(5000)}
    with pytest.raises(BadArgument, match="more than 250000 cells"):
        tables.write([wide, *[{"c1": 1}] * 5000], tables.CsvOptions())
    with pytest.raises(BadArgument, match="longer than"):
        tables.write([["x" * 1000]] * 5000, tables.CsvOptions())
    with pytest.raises(BadArgument, match="more than 90000 cells"):
        tables.read("a\n" * 50_000, tables.CsvOptions())


@pytest.mark.parametrize("value", [
    ["no", "yes", "1", "0o7", "1e3", "null", "~", "", "2026-01-01", "<<", "=", "a\nb", " x ", "\t", "#", "- a", "é\u2028"],
    {"": 1, "no": 2, "<<": 3, "1": [], "a: b": {}, "x": [[1, [2.5, -3, True]]]},
    1e20, 0.1, "text", [], {}, False,
])  # fmt: skip
def test_what_is_written_as_yaml_is_read_as_it_was(value: Any) -> None:
    assert yaml.read(yaml.write(value)) == value


def test_work_that_is_called_off_at_any_moment_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[Any] = []
    start = confined._started

    def noted(program: str) -> Any:
        begun.append(start(program))
        return begun[-1]

    monkeypatch.setattr(confined, "_started", noted)

    async def main() -> None:
        for moment in range(8):
            # More than the loop has threads.
            work = [
                asyncio.create_task(confined.run(database_program.__file__, b"{}\n", 10))
                for _ in range(12)
            ]
            await asyncio.sleep(0.001 * moment)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            assert all(process.returncode is not None for process in begun)
            assert all(process.stdin.closed and process.stdout.closed for process in begun)

    asyncio.run(main())
    assert begun
