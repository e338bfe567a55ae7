"""The VM of JavaScript: what waits takes little, and what is run again comes out the same."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import pytest

import llmspell
from llmspell import Session, UsageError
from llmspell.engines import quickjs_guest, quickjs_image, quickjs_memory
from llmspell.engines.javascript_compiler import prelude
from llmspell.engines.javascript_threads import REST
from llmspell.engines.quickjs import Host, Vm
from llmspell.engines.quickjs_image import images
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.runtime.catalogue import names
from llmspell.testing.servers import ModelServer

# Memory. ------------------------------------------------------------------------------------------


def held() -> int:
    """Bytes of this process; pages that spells share count once."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024


def test_a_spell_that_waits_takes_little() -> None:
    many = 100

    async def main() -> float:
        async with Session(engine="javascript", limits={"time": 300}) as session:
            await session.run("await sleep(0.6)")
            gc.collect()
            before, least = held(), 1e9
            runs = [asyncio.create_task(session.run("await sleep(100)")) for _ in range(many)]
            end = perf_counter() + 60
            while least > 200_000 and perf_counter() < end:
                await asyncio.sleep(0.2)
                least = (held() - before) / many
            for run in runs:
                run.cancel()
            await asyncio.gather(*runs, return_exceptions=True)
            return least

    assert asyncio.run(main()) < 200_000


@pytest.fixture
def vm() -> Iterator[Vm]:
    made = Vm(images.of(prelude(names(()))), Host())
    yield made
    made.close()


def seen(vm: Vm) -> bytes:
    """All of its memory."""
    return vm.read(0, vm.size())


@pytest.mark.parametrize("seed", range(4))
def test_a_memory_that_is_folded_is_the_same_when_it_is_unfolded(vm: Vm, seed: int) -> None:
    random = Random(seed)
    for _ in range(5):
        vm.evaluate(f"globalThis.kept = new Uint8Array({random.randrange(1, 500_000)}).fill(7)")
        sound = seen(vm)
        for _ in range(200):  # everywhere, and on the borders of what is compared
            border = random.randrange(vm.size() // quickjs_memory.SMALL) * quickjs_memory.SMALL
            at = random.choice([border, border - 1, random.randrange(vm.size())]) % vm.size()
            if at > 1024:
                vm.write(at, bytes([random.randrange(256)]))
        before = seen(vm)
        folded = vm._image.memory.fold(vm, vm._image)
        assert folded is not None and len(folded.data) < len(before)
        assert seen(vm) != before
        quickjs_memory.unfold(vm, folded)
        assert seen(vm) == before
        vm.write(0, sound)  # it could not go on with what was written anywhere


def test_folding_leaves_nothing_of_a_script_in_its_pages_nor_in_the_image(vm: Vm) -> None:
    secret = b"the number of my card is 4711"
    vm.evaluate(f"globalThis.kept = {secret.decode()!r} + ''")
    assert secret in seen(vm)
    vm.fold()
    assert secret not in seen(vm)
    fresh = Vm(vm._image, Host())
    assert secret not in seen(fresh)
    fresh.close()
    vm.turn(b"proceed 0\n")
    assert secret in seen(vm)


def test_a_memory_that_has_grown_much_is_left_as_it_is(vm: Vm) -> None:
    vm.evaluate("globalThis.kept = new Uint8Array(8 << 20).fill(1)")
    before = seen(vm)
    vm.fold()
    assert seen(vm) == before


def test_nothing_is_folded_where_the_system_does_not_show_the_image_again(
    vm: Vm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quickjs_memory, "_give_back", lambda address, size: False)
    before = seen(vm)
    assert quickjs_memory.Image(vm).fold(vm) is None
    assert seen(vm) == before


def test_scripts_that_wait_again_and_again_keep_what_they_held() -> None:
    source = """
        const kept = new Map(), big = new Uint8Array(300000).fill(params.n), list = [];
        for (let i = 0; i < 5; i++) {
          kept.set(`k${i}`, {i, text: "x".repeat(i * 1000), inner: [i, BigInt(i) ** 50n]});
          list.push(() => kept.get(`k${i}`).inner[1]);
          await Promise.all([sleep(PAUSE), sleep(0.01), (async () => { await sleep(PAUSE); })()]);
        }
        export default [[...kept.values()].map(v => v.i + v.text.length),
          list.map(f => Number(f() % 1000n)), big.every(b => b === params.n)];
    """.replace("PAUSE", str(REST * 1.6))

    async def main() -> list[Any]:
        async with Session(engine="javascript", limits={"time": 300}) as session:
            runs = [session.run(source, params={"n": n}) for n in range(20)]
            return [result.value for result in await asyncio.gather(*runs)]

    sums = [i + i * 1000 for i in range(5)]
    powers = [i**50 % 1000 for i in range(5)]
    assert asyncio.run(main()) == [[sums, powers, True]] * 20


def test_a_script_that_is_folded_can_be_cancelled_and_its_functions_be_called() -> None:
    async def main() -> None:
        async with Session(engine="javascript") as session:
            run = asyncio.create_task(session.run("await sleep(100)"))
            await asyncio.sleep(REST * 3)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            ended = await session.attempt("await sleep(100)", limits={"time": REST * 4})
            assert isinstance(ended.error, llmspell.TimeLimit)
            assert ended.error.line == 1

    asyncio.run(main())


# The loop beside it. ------------------------------------------------------------------------------


def test_timers_of_the_loop_come_in_time_beside_scripts_that_compute() -> None:
    """Half of them; how late the last is, is for the system to say."""

    async def main() -> float:
        async with Session(engine="javascript", limits={"time": 2.5}) as session:
            await session.run("1")
            busy = [asyncio.create_task(session.run("for (;;);")) for _ in range(3)]
            late, end = [], perf_counter() + 2
            while perf_counter() < end:
                began = perf_counter()
                await asyncio.sleep(0.01)
                late.append(perf_counter() - began - 0.01)
            done = await asyncio.gather(*busy, return_exceptions=True)
            assert all(isinstance(error, llmspell.TimeLimit) for error in done)
            return sorted(late)[len(late) // 2]

    assert min(asyncio.run(main()) for _ in range(3)) < 0.03


def test_what_comes_of_a_script_that_computes_is_seen_soon() -> None:
    """It is left to itself while it computes, and not longer."""
    source = "let n = 0; for (let i = 0; i < 3e5; i++) n += i; await sleep(0); export default n"
    began = perf_counter()
    for _ in range(20):
        assert llmspell.run_sync(source, engine="javascript").value == 44999850000
    assert perf_counter() - began < 20


# Again. -------------------------------------------------------------------------------------------

CHANCE = """
    const first = [Math.random(), Date.now(), new Date().toISOString(), performance.now()];
    const told = await Promise.all([1, 2, 3].map(async (n) => {
      await sleep(Math.random() / 50);
      return [n, Math.random(), await llm.generate(`say ${n}`), performance.now() >= 0];
    }));
    let passed = 0;
    const every = setInterval(() => { passed++; if (passed === 3) clearInterval(every); }, 3);
    while (passed < 3) await sleep(0.002);
    print(JSON.stringify(told));
    try { await fs.read("nowhere.txt"); } catch (e) { told.push(e.code); }
    export default {first, told, last: [Math.random(), Date.now(), new Date().getTime()]};
"""


def test_chance_and_time_are_the_same_in_a_replay(tmp_path: Path) -> None:
    journal = tmp_path / "calls.jsonl"
    given: dict[str, Any] = {"engine": "javascript", "folder": tmp_path}
    with ModelServer() as server:
        local = ProviderSettings("openai_compatible", server.url + "/v1")
        model: dict[str, Any] = {"settings": Settings(providers={"local": local})}
        model["model"] = "local/echo"
        first = Session(record=journal, **model, **given).attempt_sync(CHANCE)
        assert first.error is None and len(server.requests) == 3
        other = Session(**model, **given).attempt_sync(CHANCE)
        assert other.error is None and other.value["first"] != first.value["first"]
    for _ in range(3):
        again = Session(replay=journal, **given).attempt_sync(CHANCE)
        assert (again.error, again.value, again.output) == (None, first.value, first.output)


def test_another_program_is_told_that_it_was_not_recorded(tmp_path: Path) -> None:
    journal = tmp_path / "calls.jsonl"
    given: dict[str, Any] = {"engine": "javascript"}
    assert Session(record=journal, **given).attempt_sync("await time.iso(0)").error is None
    again = Session(replay=journal, **given).attempt_sync("\nawait env.get('HOME')")
    assert again.error is not None
    assert (again.error.code, again.error.line) == ("not_recorded", 2)


# The build. ---------------------------------------------------------------------------------------


def test_a_build_that_is_not_known_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = quickjs_guest.found_guest()
    assert hashlib.sha256(code).hexdigest() == quickjs_guest.KNOWN
    assert quickjs_guest.guest() != code
    at = len(code) // 2
    for changed in (
        code[:at] + bytes([code[at] ^ 1]) + code[at + 1 :],
        code[:at],
        b"",
        code + b"\0",
    ):
        monkeypatch.setattr(quickjs_guest, "found_guest", lambda changed=changed: changed)
        with pytest.raises(UsageError, match=r"install quickjs-rs 0\.2\.6"):
            quickjs_guest.guest()
        with pytest.raises(UsageError, match=r"quickjs-rs"):
            images._found(prelude({}) + " ")


def test_few_images_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quickjs_image, "KEPT", 2)
    made = [images.of(prelude({}) + " " * spaces) for spaces in range(3)]
    assert len(images._made) == 2
    assert images.of(prelude({}) + "  ") is made[2]
    first = Vm(made[0], Host())  # one that is kept no more works as long as it is used
    first.evaluate("1 + 1")
    first.close()
    kept, known = weakref.ref(made[0].memory), len(images._parts)
    del made, first
    gc.collect()
    assert kept() is None
    assert len(images._parts) < known


def test_threads_that_begin_together_share_one_engine() -> None:
    program = """
import threading
from llmspell.engines.quickjs_image import _engine

ready, found = threading.Barrier(8), []

def begin():
    ready.wait()
    found.append(_engine(False, False))

threads = [threading.Thread(target=begin) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), len(set(map(id, found))))
"""
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout == "8 1\n"
