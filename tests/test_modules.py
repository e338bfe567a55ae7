"""Script modules in files; a session uses a changed file on its next run, never earlier."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from llmspell import BadArgument, ChunkCache, NotFound, ScriptRuntimeError, Session, UsageError
from llmspell.errors import FileFailure
from llmspell.host import sources
from llmspell.host.sources import SETTLED, Sources
from llmspell.runtime import modules

SETTLING = SETTLED / 1e9 + 0.1
"""Seconds after which a change of a file would surely show."""


class Spells:
    """A folder of spells and one long-lived session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = ChunkCache()
        self.session = Session(cache=self.cache, folder=folder)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    async def run(self, name: str = "spell.lua") -> Any:
        return (await self.session.run(self.folder / name)).value


@pytest.fixture
def spells(tmp_path: Path) -> Spells:
    return Spells(tmp_path)


# The program itself.


async def edits(spells: Spells) -> list[Any]:
    found = []
    for number in range(1, 6):
        # Same size, and in the same tick of the clock more often than not.
        spells.write("spell.lua", f"return {number}")
        found.append(await spells.run())
    return found


def test_a_changed_spell_is_used_on_the_next_run(spells: Spells) -> None:
    assert asyncio.run(edits(spells)) == [1, 2, 3, 4, 5]


def test_a_spell_that_is_replaced_by_a_rename_is_used(spells: Spells) -> None:
    async def replaced() -> list[Any]:
        path, found = spells.write("spell.lua", "return 1"), []
        stamp = path.stat()
        for number in range(1, 4):
            new = spells.write("new", f"return {number}")
            os.utime(new, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
            new.replace(path)
            found.append(await spells.run())
        return found

    assert asyncio.run(replaced()) == [1, 2, 3]


def test_an_edit_that_sets_the_time_back_is_seen(spells: Spells) -> None:
    async def set_back() -> list[Any]:
        path = spells.write("spell.lua", "return 1")
        stamp = path.stat()
        await asyncio.sleep(SETTLING)
        found = [await spells.run()]
        path.write_text("return 2")
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        return [*found, await spells.run()]

    assert asyncio.run(set_back()) == [1, 2]


def test_an_unchanged_spell_is_neither_read_nor_compiled_again(spells: Spells) -> None:
    async def again() -> list[Any]:
        spells.write("spell.lua", "return require('m')")
        spells.write("lib/m.lua", "return 3")
        await asyncio.sleep(SETTLING)
        return [await spells.run() for _ in range(5)]

    assert asyncio.run(again()) == [3] * 5
    seen = spells.cache.statistics
    assert (seen.files_read, seen.misses, seen.hits) == (2, 2, 8)
    assert seen.files_unchanged == 4


def test_a_spell_that_goes_or_breaks_is_told_on_the_next_run(spells: Spells) -> None:
    async def broken() -> None:
        path = spells.write("spell.lua", "return 1")
        assert await spells.run() == 1
        path.write_text("return =")
        with pytest.raises(Exception, match="unexpected symbol") as caught:
            await spells.run()
        assert type(caught.value).__name__ == "ScriptSyntaxError"
        path.unlink()
        with pytest.raises(UsageError, match="there is no file"):
            await spells.run()
        path.write_text("return 2")
        assert await spells.run() == 2

    asyncio.run(broken())


# Modules.


def test_a_changed_module_is_used_on_the_next_run(spells: Spells) -> None:
    async def changed() -> list[Any]:
        spells.write("spell.lua", "return require('m')")
        found = []
        for number in range(1, 5):
            spells.write("lib/m.lua", f"return {number}")
            found.append(await spells.run())
        return found

    assert asyncio.run(changed()) == [1, 2, 3, 4]


LATE = """
local before = params.before and require("m")
repeat sleep(0.002) until fs.exists("go")
return { before or 0, require("m") }
"""


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("how", ["write", "rename", "remove", "shadow"])
def test_a_run_uses_the_version_there_was_when_it_began(
    spells: Spells, how: str, settled: bool
) -> None:
    async def late() -> tuple[Any, Any]:
        path = spells.write("lib/m.lua", "return 'old'")
        spells.write("first.lua", "return require('m')")
        spells.write("spell.lua", LATE)
        if settled:
            await asyncio.sleep(SETTLING)
        assert await spells.run("first.lua") == "old"
        running = asyncio.create_task(spells.run())
        await asyncio.sleep(0.02)
        match how:
            case "write":
                path.write_text("return 'new'")
            case "rename":
                spells.write("other", "return 'new'").replace(path)
            case "remove":
                path.unlink()
            case "shadow":
                spells.write("m.lua", "return 'new'")
        spells.write("go", "")
        _, seen = await running
        if how == "remove":
            with pytest.raises(NotFound, match="there is no module m: looked beside the spell"):
                await spells.run("first.lua")
            return seen, "new"
        return seen, await spells.run("first.lua")

    assert asyncio.run(late()) == ("old", "new")


def test_a_module_changed_between_two_requires_of_a_run_stays_the_same(spells: Spells) -> None:
    source = """
        local _, first = pcall(require, "m")
        fs.write("lib/m.lua", "error('new', 0)")
        local _, second = pcall(require, "m")
        return { first, second }
    """

    async def between() -> list[Any]:
        spells.write("lib/m.lua", "error('old', 0)")
        spells.write("spell.lua", source)
        return [await spells.run(), await spells.run()]

    assert asyncio.run(between()) == [["old", "old"], ["new", "new"]]


def test_a_module_that_a_run_makes_itself_is_found(spells: Spells) -> None:
    spells.write("spell.lua", "fs.write('made.lua', 'return 9') return require('made')")
    assert asyncio.run(spells.run()) == 9


def test_isolated_spells_see_changed_modules_too(spells: Spells) -> None:
    async def isolated() -> list[Any]:
        spells.write("spell.lua", "return require('m')")
        async with Session(level="untrusted", folder=spells.folder) as session:
            found = []
            for number in (1, 2):
                spells.write("m.lua", f"return {number}")
                found.append((await session.run(spells.folder / "spell.lua")).value)
            return found

    assert asyncio.run(isolated()) == [1, 2]


def test_a_half_written_module_is_never_seen(spells: Spells) -> None:
    """A writer that keeps on writing, a large file in one call each."""
    texts = [f"return '{letter * 300_000}'" for letter in "abcdefgh"]
    path, stop = spells.write("lib/m.lua", texts[0]), threading.Event()

    def write() -> None:
        while not stop.is_set():
            for text in texts:
                new = path.with_suffix(".new")
                new.write_text(text)
                new.replace(path)

    async def read() -> set[str]:
        spells.write("spell.lua", "local s = require('m') return s:sub(1, 1) .. #s .. s:sub(-1)")
        return {await spells.run() for _ in range(40)}

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = asyncio.run(read())
    finally:
        stop.set()
        writer.join()
    assert found <= {f"{letter}300000{letter}" for letter in "abcdefgh"}
    assert len(found) > 1


def test_a_file_that_changes_while_it_is_read_is_read_again() -> None:
    reads = iter([b"half", b"mixed", b"whole"])
    stamps = iter([(1,), (2,), (3,), (3,), (3,)])
    files = Sources()
    assert files.text("x", lambda: (*next(stamps), 0), lambda: next(reads)) == "whole"


def test_a_file_that_never_keeps_still_is_refused() -> None:
    ticks = iter(range(1000))
    with pytest.raises(FileFailure, match="it is being written all the time"):
        Sources().text("x", lambda: (next(ticks), 0), lambda: b"x")
    assert next(ticks) <= sources.TRIES + 1


def test_texts_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_FILES", 3)
    monkeypatch.setattr(sources, "MAX_CHARACTERS", 100)
    files = Sources()
    for number in range(5):
        files.text(str(number), lambda: (1, 0), lambda: b"x" * 10)
    assert [str(n) in files._kept for n in range(5)] == [False, False, True, True, True]
    files.text("large", lambda: (1, 0), lambda: b"x" * 95)
    assert list(files._kept) == ["large"]


def test_names_that_are_remembered_are_bounded(
    spells: Spells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modules, "MAX_NAMES", 4)
    monkeypatch.setattr(modules, "MAX_FOLDERS", 2)
    for number in range(8):
        spells.write(f"m{number}.lua", f"return {number}")
    spells.write(
        "spell.lua", "local t = {} for i = 0, 7 do t[i + 1] = require('m' .. i) end return t"
    )
    for folder in ("a", "b", "c"):
        spells.write(f"{folder}/spell.lua", "return 1")

    async def all_of_them() -> None:
        for _ in range(2):
            assert await spells.run() == list(range(8))
        for folder in ("a", "b", "c"):
            await spells.run(f"{folder}/spell.lua")

    asyncio.run(all_of_them())
    met = spells.session.found_modules._met
    assert len(met) <= 2
    assert all(len(names) <= 4 for names in met.values())


# The jail.


def test_modules_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "a_b"
    outside.mkdir()
    (outside / "x.lua").write_text("return 'out'")
    inside = tmp_path / "a*b"
    inside.mkdir()
    (inside / "link.lua").symlink_to(outside / "x.lua")
    (inside / "up").symlink_to(outside)
    for name in ("link", "up.x", "up/x"):
        (inside / "spell.lua").write_text(f"return require('{name}')")
        result = Session(folder=inside).attempt_sync(inside / "spell.lua")
        assert (result.value, getattr(result.error, "code", "")) == (None, "denied"), name


def test_a_module_that_is_not_text_is_told(spells: Spells) -> None:
    (spells.folder / "m.lua").write_bytes(b"return '\xff'")
    spells.write("spell.lua", "\nlocal m = require('m')")
    with pytest.raises(BadArgument, match=r"cannot load module m: m\.lua is not UTF-8") as caught:
        asyncio.run(spells.run())
    assert caught.value.line == 2


def test_a_syntax_error_in_a_module_shows_its_file_and_line(spells: Spells) -> None:
    spells.write("lib/bad.lua", "local x = 1\nlocal y = = 2")
    spells.write("spell.lua", "return require('bad')")
    with pytest.raises(ScriptRuntimeError, match=r"lib/bad\.lua:2: unexpected symbol near '='"):
        asyncio.run(spells.run())


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "spell.lua"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("return 11"))
    writer.start()
    assert Session().run_sync(pipe).value == 11
    writer.join()


def test_a_text_of_the_same_content_is_the_same_object(tmp_path: Path) -> None:
    path = tmp_path / "x.lua"
    path.write_text("return 1 -- some text")
    files = Sources()
    first = files.now(str(path))
    time.sleep(0.01)
    path.write_text("return 1 -- some text")
    assert files.now(str(path)) is first
