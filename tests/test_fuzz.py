"""Mutated spells and frames: a bounded share of what `make fuzz RUNS=100000` runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmspell
from llmspell import InternalError, LlmspellError, ScriptSyntaxError
from llmspell.engines import engine
from llmspell.runtime.frames import (
    TO_HOST,
    Frames,
    ProtocolError,
    check_text,
    pack,
    read_error,
    read_frames,
)
from llmspell.testing.fuzz import fuzz
from llmspell.testing.fuzz_runs import CANARY, Plan, make_input
from llmspell.testing.mutations import HONEST, mutated, mutated_frames, read_spells

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it counts in /proc")

TESTS = Path(__file__).parent
CORPUS = (TESTS / "escapes" / "lua", TESTS / "escapes" / "gate", TESTS / "conformance")
SPELLS = read_spells(CORPUS)


def test_mutated_spells_and_frames_are_held() -> None:
    report = fuzz(Plan(CORPUS), range(400), jobs=2)
    assert not report.findings, "\n".join(map(str, report.findings))
    assert report.runs == 400
    assert report.counts >= 4
    # Mutations reach further than the parser, and frames further than the first check of them.
    for mode in ("none", "process"):
        assert report.endings[mode, "ok"] > 20
        assert {"ScriptRuntimeError", "TimeLimit"} <= {
            how for at, how in report.endings if at == mode
        }
    assert {"ok", "SpellCrashed"} <= {how for at, how in report.endings if at == "frames"}


def test_a_run_is_made_from_the_seed_and_its_number() -> None:
    plan, numbers = Plan(CORPUS), range(200)
    made = [make_input(plan, number, SPELLS) for number in numbers]
    spells = read_spells(CORPUS)
    assert [make_input(plan, number, spells) for number in numbers] == made
    assert len({(item.source, item.frames) for item in made}) > 195
    assert make_input(plan._replace(seed=2), 0, SPELLS) != made[0]


def test_a_spell_that_only_a_worker_can_hold_is_never_mutated_for_the_host(tmp_path: Path) -> None:
    head = "-- attack: a\n-- expect: refused\n-- only: isolated, because it hangs\n\n"
    (tmp_path / "alone.lua").write_text(head + "hangs() hangs() hangs()\n")
    (tmp_path / "other.lua").write_text("print(1)\nprint(2)\n")
    plan, spells = Plan((tmp_path,)), read_spells([tmp_path])
    made = [make_input(plan, number, spells) for number in range(500)]
    assert {item.mode for item in made if "hangs" in item.source} == {"process"}


@given(st.integers(0, 10**9))
def test_a_mutated_spell_is_text_of_bounded_size(seed: int) -> None:
    assert len(mutated(Random(seed), SPELLS)) < 10_000_000


# The fuzzer can fail.

KEPT: list[Any] = []
"""What seeded faults leak."""


def fail(error: BaseException) -> None:
    raise error


def burn() -> None:
    until = time.process_time() + 0.7
    while time.process_time() < until:
        pass


FAULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "another exception": (lambda: fail(KeyError("k")), "KeyError: 'k'"),
    "our own fault": (lambda: fail(InternalError("i")), "ended with InternalError: i"),
    "a path": (lambda: fail(ScriptSyntaxError(llmspell.__file__)), "left '/"),
    "no text": (lambda: fail(ScriptSyntaxError("\ud800")), "cannot be told"),
    "late": (burn, "s after its time limit"),
    "unseen": (
        lambda: asyncio.get_running_loop().call_soon(fail, OSError("o")),
        "went wrong unseen",
    ),
    "a task": (lambda: KEPT.append(asyncio.ensure_future(asyncio.sleep(60))), "left 1 tasks"),
    "descriptors": (lambda: KEPT.append(os.pipe()), "descriptors, processes, zombies"),
    "abort": (lambda: os.kill(os.getpid(), signal.SIGABRT), "host process died of SIGABRT"),
    "exit": (lambda: os._exit(0), "the host process ended"),
    "a zombie": (lambda: KEPT.append(subprocess.Popen(["true"])), "descriptors, processes, zom"),
    "hang": (lambda: time.sleep(600), "the host process hung"),
    "canary": (lambda: KEPT.append("poison"), "the canary sang None in none"),
    "memory": (lambda: KEPT.append(b"x" * 60_000_000), "the host has grown by 6"),
}
"""Seeded faults, and what the fuzzer says of each. Those that stay come before a death."""


class Faulty:
    """An engine that compiles some sources with a fault."""

    def __init__(self, name: str, faults: dict[str, str]) -> None:
        self._inner = engine(name)
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def compile(self, source: str, name: str) -> Any:
        if source in self._faults:
            FAULTS[self._faults[source]][0]()
        return self._inner.compile(source, name)

    def isolate(self, names: Any, limits: Any) -> Any:
        return self._inner.isolate({} if "poison" in KEPT else names, limits)


def faulty(faults: dict[str, str], mode: str, name: str) -> Any:
    return Faulty(name, faults) if mode == "none" else name


def test_every_kind_of_fault_is_found_where_it_was_made(tmp_path: Path) -> None:
    for n in range(20):
        text = f"local name_{n} = 'text {n}'\nprint(name_{n}, {n})\nreturn name_{n} .. 'x{n}'\n"
        (tmp_path / f"{n}.lua").write_text(text)
    plan = Plan((tmp_path,), shares=(1, 0, 0), every=5, patience=6, late=0.3)
    spells = read_spells(plan.folders)
    places = {5 * turn + 2: fault for turn, fault in enumerate(FAULTS)}
    faults = {make_input(plan, number, spells).source: fault for number, fault in places.items()}
    numbers = range(5 * len(FAULTS))
    sources = [make_input(plan, number, spells).source for number in numbers]
    assert all(sources.count(source) == 1 for source in faults)
    report = fuzz(plan._replace(engine=partial(faulty, faults)), numbers)
    assert report.runs == len(numbers)
    said = dict.fromkeys(FAULTS, "")
    for finding in report.findings:
        said[places[max(place for place in places if place <= finding.number)]] += finding.wrong
        assert f"make fuzz SEED=1 ONLY={finding.number}" in str(finding)
        assert finding.input.source in str(finding).replace("\\ud800", "\ud800")
    assert {fault: text for fault, (_, text) in FAULTS.items() if text not in said[fault]} == {}


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "one.lua").write_text("return 1\n")
    plan = Plan((tmp_path,), engine=partial(faulty, {}))
    report = fuzz(plan, range(20))
    assert (report.runs, report.findings, report.counts) == (20, [], 2)


def test_a_host_that_cannot_begin_is_one_finding(tmp_path: Path) -> None:
    (tmp_path / "one.lua").write_text("return 1\n")
    plan = Plan((tmp_path,), engine=partial(faulty, {CANARY: "exit"}))
    report = fuzz(plan, range(20))
    assert report.runs == 0
    assert [finding.wrong for finding in report.findings] == [
        "nothing was run: the host process ended before its time"
    ]


# Frames: whatever a worker sends is a message or an error of the protocol.

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
TOLD = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["Denied", "TimeLimit", "ScriptRuntimeError", "OSError"]) | PLAIN,
        "code": st.sampled_from(["time", "steps"]) | PLAIN,
        "message": st.text() | PLAIN,
        "frames": st.just([]) | st.lists(st.tuples(st.text(), st.integers(), st.text())) | PLAIN,
        "capability": st.text() | PLAIN,
        "retryable": PLAIN,
        "limit": st.text() | PLAIN,
        "value": st.just("[1]") | st.text() | PLAIN,
    },
)


def taken(pieces: list[bytes]) -> list[Any]:
    """The messages in what was sent, and the text of the error that ended them."""
    frames, found = Frames(TO_HOST), []
    try:
        for piece in pieces:
            frames.feed(piece)
            found += frames
    except ProtocolError as error:
        found.append(str(error))
    last = frames.last()
    assert last is None or last[0] == "exit"
    return found


@given(st.binary(max_size=300))
def test_random_bytes_are_messages_or_refused(data: bytes) -> None:
    assert all(isinstance(item, list | str) for item in taken([data]))


@given(st.integers(0, 10**9), st.lists(st.integers(1, 400), max_size=6))
def test_mutated_frames_are_messages_or_refused_however_they_are_cut(
    seed: int, cuts: list[int]
) -> None:
    data, pieces = b"".join(mutated_frames(Random(seed))), []
    whole = taken([data])
    for cut in cuts:
        pieces.append(data[:cut])
        data = data[cut:]
    assert repr(taken([*pieces, data])) == repr(whole)  # NaN is not equal to itself
    for message in whole:
        if isinstance(message, list):
            assert message[0] in TO_HOST
            assert len(message) == len(TO_HOST[message[0]]) + 1


def test_honest_frames_are_taken_as_they_are() -> None:
    assert taken([pack(*message) for message in HONEST]) == [list(message) for message in HONEST]


@given(TOLD)
def test_what_a_worker_tells_of_an_error_is_one_or_refused(told: dict[str, Any]) -> None:
    with suppress(ProtocolError):
        assert isinstance(read_error(json.loads(json.dumps(told))), LlmspellError)


@given(st.text() | PLAIN.map(json.dumps))
def test_text_of_a_worker_is_a_value_or_refused(text: str) -> None:
    with suppress(ProtocolError):
        assert check_text(text) == text.encode()
        json.loads(text)


@given(PLAIN)
def test_a_call_stack_of_a_worker_is_one_or_refused(told: Any) -> None:
    with suppress(ProtocolError):
        assert isinstance(read_frames(told), tuple)
