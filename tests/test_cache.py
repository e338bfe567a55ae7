"""The chunk cache: in memory, on disk, and that nobody can put a program into it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import PATIENCE, Command

from llmspell import ChunkCache, ConfigError, ScriptSyntaxError, Session
from llmspell.engines import engine
from llmspell.engines.lua import LuaEngine
from llmspell.host.settings import Settings
from llmspell.runtime import cache as caches
from llmspell.runtime import chunk_files
from llmspell.runtime.chunk_files import KEY, ChunkFiles

LUA = engine("lua")
LARGE = "-- padding\n" * 4000 + "return 7"
FORGED = "_n\n\nlocal _n,_nf=... return function(...) return 'forged'\nend"


def program(number: int, size: int = 10) -> str:
    return "-- " + "x" * size + f"\nreturn {number}"


# In memory.


def test_what_was_compiled_is_found_again() -> None:
    cache = ChunkCache()
    first = cache.compile(LUA, "return 1", "spell")
    assert cache.compile(LUA, "return 1", "spell") is first
    seen = cache.statistics
    assert (seen.hits, seen.misses, seen.entries) == (1, 1, 1)
    assert seen.compile_seconds > 0
    assert seen.seconds_saved == pytest.approx(seen.compile_seconds)


def test_engine_name_and_source_each_make_another_chunk() -> None:
    cache = ChunkCache()
    wanted = [
        (LUA, "return 1", "spell"),
        (engine("luajit"), "return 1", "spell"),
        (LuaEngine("lua"), "return 1", "spell"),
        (LUA, "return 1", "other"),
        (LUA, "return 2", "spell"),
    ]
    chunks = [cache.compile(*each) for each in wanted]
    assert cache.statistics.misses == len(wanted)
    assert [(c.engine, c.source, c.name) for c in chunks] == [(e.name, s, n) for e, s, n in wanted]


def test_a_failed_compilation_is_not_kept() -> None:
    cache = ChunkCache()
    for _ in range(2):
        with pytest.raises(ScriptSyntaxError):
            cache.compile(LUA, "return return", "spell")
    assert cache.statistics.entries == cache.statistics.hits == 0


def test_the_least_recently_used_goes_first() -> None:
    cache = ChunkCache(max_entries=2)
    for number in (1, 2, 1, 3):
        cache.compile(LUA, program(number), "spell")
    assert (cache.statistics.entries, cache.statistics.evictions) == (2, 1)
    cache.compile(LUA, program(1), "spell")
    assert cache.statistics.hits == 2
    cache.compile(LUA, program(2), "spell")
    assert cache.statistics.misses == 4


def test_bytes_are_bounded_and_the_estimate_is_near() -> None:
    cache = ChunkCache(max_bytes=200_000)
    for number in range(20):
        cache.compile(LUA, program(number, 20_000), "spell")
    seen = cache.statistics
    assert seen.bytes <= 200_000
    assert 40_000 * seen.entries < seen.bytes < 42_000 * seen.entries
    assert seen.entries + seen.evictions == 20
    cache.compile(LUA, program(0, 200_000), "spell")
    assert cache.statistics.entries == seen.entries, "too large to keep, and nothing went for it"
    cache.clear()
    assert cache.statistics.bytes == cache.statistics.entries == 0


def test_time_to_live_counts_from_the_last_use(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(caches, "monotonic", lambda: clock[0])
    cache = ChunkCache(ttl=10)
    for at in (0.0, 8.0, 16.0):
        clock[0] = at
        cache.compile(LUA, "return 1", "spell")
    assert (cache.statistics.hits, cache.statistics.misses) == (2, 1)
    clock[0] = 27.0
    assert (cache.statistics.entries, cache.statistics.expired) == (0, 1)
    cache.compile(LUA, "return 1", "spell")
    clock[0] = 38.0
    cache.compile(LUA, "return 1", "spell")
    assert (cache.statistics.misses, cache.statistics.expired) == (3, 2)


def test_threads_share_one(tmp_path: Path) -> None:
    cache = ChunkCache(max_entries=5, folder=str(tmp_path / "c"))
    start = threading.Barrier(8)

    def work(seed: int) -> list[str]:
        start.wait(PATIENCE)
        return [
            cache.compile(LUA, program((seed + n) % 10), "spell").source.rpartition(" ")[2]
            for n in range(200)
        ]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(8)))
    assert found == [[str((seed + n) % 10) for n in range(200)] for seed in range(8)]
    assert cache.statistics.hits + cache.statistics.misses == 1600
    assert cache.statistics.entries == 5


# In sessions.


def test_sessions_of_a_process_share_one_cache() -> None:
    assert Session().cache is Session().cache
    assert Session(cache=(own := ChunkCache())).cache is own


def test_a_session_compiles_a_program_once() -> None:
    cache = ChunkCache()
    for _ in range(3):
        assert Session(cache=cache).run_sync("return 1").value == 1
    assert (cache.statistics.misses, cache.statistics.hits) == (1, 2)


def test_a_module_is_compiled_once_for_all_runs() -> None:
    cache = ChunkCache()
    for _ in range(3):
        session = Session(cache=cache, modules={"m": "return 4"})
        assert session.run_sync("return require('m')").value == 4
    assert (cache.statistics.misses, cache.statistics.hits) == (2, 4)


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_text_a_script_makes_is_not_kept(isolation: str, tmp_path: Path) -> None:
    cache = ChunkCache(folder=str(tmp_path / "c"))
    source = "for i = 1, 50 do load('return ' .. i)() end load(('-- x\\n'):rep(20000))()"
    Session(cache=cache, isolation=isolation).run_sync(source)
    assert cache.statistics.entries == (1 if isolation == "none" else 0)
    assert not (tmp_path / "c").exists()


def test_text_that_takes_the_name_of_the_program_is_not_taken_for_it() -> None:
    cache = ChunkCache()
    source = "return load('return 5', '=spell')()"
    assert Session(cache=cache).run_sync(source).value == 5
    assert Session(cache=cache).run_sync(source).value == 5
    assert cache.statistics.entries == 1


def test_an_isolated_program_is_kept_nowhere_in_the_host(tmp_path: Path) -> None:
    cache = ChunkCache(folder=str(tmp_path / "c"))
    session = Session(cache=cache, level="untrusted", modules={"m": LARGE})
    assert session.run_sync("return require('m')").value == 7
    assert Session(cache=cache, level="untrusted").run_sync(LARGE).value == 7
    assert (cache.statistics.entries, cache.statistics.misses) == (0, 0)
    assert not (tmp_path / "c").exists()


# On disk.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def stored(folder: Path, source: str = LARGE) -> Path:
    """Stores a program; gives its file."""
    before = set(folder.glob("*.chunk")) if folder.exists() else set()
    ChunkCache(folder=str(folder)).compile(LUA, source, "spell")
    (new,) = set(folder.glob("*.chunk")) - before
    return new


def loaded(folder: Path, source: str = LARGE) -> bool:
    """Whether another process would find the program. It gets the right one in any case."""
    cache = ChunkCache(folder=str(folder))
    assert cache.compile(LUA, source, "spell") == LUA.compile(source, "spell")
    assert cache.statistics.hits == cache.statistics.disk_hits
    return cache.statistics.hits == 1


def test_another_process_finds_a_large_program(folder: Path) -> None:
    file = stored(folder)
    assert loaded(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == (folder / KEY).stat().st_mode & 0o777 == 0o600
    assert {path.name for path in folder.iterdir()} == {KEY, file.name}
    cache = ChunkCache(folder=str(folder))
    assert Session(cache=cache).run_sync(LARGE).value == 7
    assert cache.statistics.disk_hits == 1
    assert cache.statistics.seconds_saved > 0


def test_a_small_program_touches_no_disk(folder: Path) -> None:
    ChunkCache(folder=str(folder)).compile(LUA, "return 1", "spell")
    assert not folder.exists()


def test_a_failure_is_not_stored(folder: Path) -> None:
    with pytest.raises(ScriptSyntaxError):
        ChunkCache(folder=str(folder)).compile(LUA, LARGE + " =", "spell")
    assert not folder.exists()


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def other_version(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"chunk 1", b"chunk 0", 1))


def unsigned(file: Path) -> None:
    file.write_bytes(chunk_files.MAGIC + bytes(32) + chunk_files.SECONDS.pack(1) + FORGED.encode())


def signed_with_another_key(file: Path) -> None:
    other = ChunkFiles(str(file.parent))
    other._key = b"k" * 32
    data = chunk_files.SECONDS.pack(1) + FORGED.encode()
    mac = other._mac(bytes.fromhex(file.stem), data)
    file.write_bytes(chunk_files.MAGIC + mac + data)


def of_another_program(file: Path) -> None:
    os.replace(stored(file.parent, LARGE.replace("7", "8")), file)


def linked(file: Path) -> None:
    os.replace(file, file.parent / "elsewhere")
    file.symlink_to(file.parent / "elsewhere")


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def writable_file(file: Path) -> None:
    file.chmod(0o666)


def key_for_all(file: Path) -> None:
    (file.parent / KEY).chmod(0o644)


def no_key(file: Path) -> None:
    (file.parent / KEY).unlink()


def short_key(file: Path) -> None:
    (file.parent / KEY).write_bytes(b"short")


def folder_for_all(file: Path) -> None:
    file.parent.chmod(0o777)


def folder_of_a_group(file: Path) -> None:
    file.parent.chmod(0o770)


BROKEN = [flip, cut, empty, other_version, unsigned, signed_with_another_key, of_another_program,
          linked, a_folder, a_pipe, writable_file, key_for_all, no_key, short_key, folder_for_all,
          folder_of_a_group]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda function: function.__name__)
def test_what_could_be_forged_is_not_found(folder: Path, broken: Callable[[Path], None]) -> None:
    file = stored(folder)
    assert loaded(folder)
    broken(file)
    assert not loaded(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["folder", "key", "file"])
def test_what_belongs_to_somebody_else_is_not_found(folder: Path, what: str) -> None:
    file = stored(folder)
    os.chown({"folder": folder, "key": folder / KEY, "file": file}[what], 12345, 12345)
    assert not loaded(folder)


def test_a_link_instead_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    stored(tmp_path / "real")
    folder.symlink_to(tmp_path / "real")
    assert not loaded(folder)


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not loaded(tmp_path / "file")
    assert not loaded(tmp_path / "file" / "below")


def test_another_compiler_finds_nothing_of_this_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(folder)
    monkeypatch.setattr(LuaEngine, "form", "another")
    assert not loaded(folder)
    monkeypatch.setattr(LuaEngine, "form", "")
    assert not loaded(folder)
    assert len(list(folder.glob("*.chunk"))) == 2, "without a form nothing is stored"


def test_the_form_of_lua_names_vm_package_and_compiler() -> None:
    assert LUA.form.startswith(LUA.version + " ")
    assert LUA.form != engine("lua55").form
    assert len(LUA.form.split()[-1]) == 64


def test_the_folder_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_files, "MAX_FILES", 3)
    files, began = [], time.time() - 1000
    for number in range(5):
        files.append(stored(folder, LARGE + f" -- {number}"))
        os.utime(files[-1], (began + number, began + number))
    assert set(folder.glob("*.chunk")) == set(files[2:])
    size = files[-1].stat().st_size
    monkeypatch.setattr(chunk_files, "MAX_FOLDER", 2 * size + 100)
    newest = stored(folder, LARGE + " -- 5")
    assert set(folder.glob("*.chunk")) == {files[-1], newest}


def test_a_use_is_noted_and_what_nobody_uses_goes(folder: Path) -> None:
    file = stored(folder)
    os.utime(file, (1e9, 1e9))
    assert loaded(folder)
    assert file.stat().st_mtime > 1.5e9
    os.utime(file, (1e9, 1e9))
    stored(folder, LARGE + " -- more")
    assert not file.exists()


def test_what_a_killed_writer_left_goes(folder: Path) -> None:
    stored(folder)
    left, fresh = folder / f".1-{'a' * 16}.tmp", folder / f".2-{'b' * 16}.tmp"
    strange = folder / "notes.tmp"
    for path in (left, fresh, strange):
        path.write_text("half")
    os.utime(left, (1e9, 1e9))
    os.utime(strange, (1e9, 1e9))
    stored(folder, LARGE + " -- more")
    assert [left.exists(), fresh.exists(), strange.exists()] == [False, True, True]


def test_many_processes_at_once(folder: Path) -> None:
    code = (
        "import sys; from llmspell import ChunkCache, Session\n"
        "cache = ChunkCache(folder=sys.argv[1])\n"
        "for n in range(6):\n"
        "    source = '-- padding\\n' * 4000 + f'return {n}'\n"
        "    assert Session(cache=cache).run_sync(source).value == n\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(folder)], stderr=subprocess.PIPE)
        for _ in range(6)
    ]
    told = [process.communicate(timeout=PATIENCE)[1] for process in running]
    assert [process.returncode for process in running] == [0] * 6, told
    assert len(list(folder.glob("*.chunk"))) == 6
    assert not list(folder.glob("*.tmp"))
    cache = ChunkCache(folder=str(folder))
    for n in range(6):
        cache.compile(LUA, "-- padding\n" * 4000 + f"return {n}", "spell")
    assert cache.statistics.disk_hits == 6


# Where.


def test_where_the_folder_is() -> None:
    given = {"HOME": "/home/x"}
    assert Settings().cache_folder({**given, "XDG_CACHE_HOME": "/c"}) == "/c/llmspell"
    assert (Settings().cache_folder({**given, "XDG_CACHE_HOME": "c"}) or "").startswith("/home/x/")
    assert Settings(cache="/mine").cache_folder(given) == "/mine"
    assert Settings(cache="off").cache_folder(given) is None
    assert Settings(cache="/mine").cache_folder({**given, "LLMSPELL_CACHE": "/env"}) == "/env"
    assert Settings(cache="/mine").cache_folder({**given, "LLMSPELL_CACHE": "off"}) is None


def test_a_file_in_the_current_folder_cannot_name_the_cache(tmp_path: Path) -> None:
    (tmp_path / "llmspell.toml").write_text('cache = "planted"\n')
    with pytest.raises(ConfigError, match="cache can only be set in"):
        Settings.load({"HOME": str(tmp_path / "home")}, tmp_path)


def test_the_command_uses_shows_and_clears_it(cli: Command, tmp_path: Path) -> None:
    cli.env["LLMSPELL_CACHE"] = str(tmp_path / "kept")
    told = f"folder    {tmp_path / 'kept'}\n"
    assert cli("cache", "stats").out == told + "programs  0\nbytes     0\n"
    assert cli("cache", "clear").out == f"removed 0 programs from {tmp_path / 'kept'}\n"
    for _ in range(2):
        assert cli.spell(LARGE).out == "7\n"
    (file,) = (tmp_path / "kept").glob("*.chunk")
    size = file.stat().st_size
    assert cli("cache", "stats").out == told + f"programs  1\nbytes     {size}\n"
    (tmp_path / "kept" / "mine.chunk").write_text("not ours")
    assert cli("cache", "clear").out == f"removed 1 programs from {tmp_path / 'kept'}\n"
    assert (tmp_path / "kept" / "mine.chunk").exists()
    (tmp_path / "kept").chmod(0o777)
    assert "not used: others may write to it" in cli("cache", "stats").out
    assert cli.spell(LARGE).out == "7\n"
    wrong = cli("cache", "burn")
    assert (wrong.code, "use cache stats or cache clear" in wrong.err) == (2, True)
    off = cli("cache", "stats", env={"LLMSPELL_CACHE": "off"})
    assert off.out == "no compiled programs are kept: the cache is off\n"


def test_a_program_from_disk_keeps_its_limits_and_lines(cli: Command, tmp_path: Path) -> None:
    cli.env["LLMSPELL_CACHE"] = str(tmp_path / "kept")
    endless = "-- padding\n" * 4000 + "while true do end"
    for _ in range(2):
        done = cli.spell(endless, "--limit", "steps=10000")
        assert done.code == 9
        assert "spell.lua:4001" in done.err
    assert len(list((tmp_path / "kept").glob("*.chunk"))) == 1
