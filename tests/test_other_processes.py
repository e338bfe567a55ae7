"""Programs of several processes: forked ones, and results that go from one to another."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
from typing import Any

import pytest

import llmspell
from llmspell import Session, errors

FORKED = """
import os
import signal
import sys

import llmspell


def ran() -> list[object]:
    session = llmspell.Session(engine="javascript")
    value = session.run_sync("export default 1").value
    waited = session.run_sync("await sleep(0.01); export default 2").value
    busy = session.attempt_sync("while (true) {}", limits={"time": 0.3})
    return [value, waited, busy.error.code]


assert ran() == [1, 2, "time"]
child = os.fork()
if child == 0:
    signal.alarm(10)
    os._exit(0 if ran() == [1, 2, "time"] else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

SPELLS = {
    "lua": ("return {1, {a = 2}}", "while true do end"),
    "javascript": ("export default [1]", "while (true) {}"),
    "tengo": ("export [1]", "for true {}"),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_javascript_runs_in_a_process_that_was_forked_after_it_ran() -> None:
    command = [sys.executable, "-c", FORKED]
    assert subprocess.run(command, timeout=30, check=False).returncode == 0


@pytest.mark.parametrize("level", ["trusted", "untrusted"])
@pytest.mark.parametrize("engine", SPELLS)
def test_a_result_and_its_error_can_be_pickled(engine: str, level: str) -> None:
    session = Session(engine=engine, level=level, limits={"time": 0.3})
    for source in (*SPELLS[engine], "x ) y"):
        result = session.attempt_sync(source)
        same = pickle.loads(pickle.dumps(result))
        assert (repr(same), same.as_dict()) == (repr(result), result.as_dict())
        if result.error is not None:
            result.error.result = result
            error = pickle.loads(pickle.dumps(result.error))
            assert (type(error), str(error)) == (type(result.error), str(result.error))
            assert error.result.error is error


def test_every_error_can_be_pickled_and_says_the_same() -> None:
    def below(cls: type[Any]) -> list[type[Any]]:
        return [cls, *(found for sub in cls.__subclasses__() for found in below(sub))]

    kinds = [cls for cls in below(errors.LlmspellError) if cls.__module__ == errors.__name__]
    assert errors.BudgetExceeded in kinds
    for cls in kinds:
        error = cls("x")
        error.host_error = RuntimeError("hunter2")
        written = pickle.dumps(error)
        assert b"hunter2" not in written
        same = pickle.loads(written)
        assert (type(same), repr(same)) == (cls, repr(error))
        assert same.__dict__ == error.__dict__ | {"host_error": None}


def test_what_cannot_be_started_or_restored_is_told() -> None:
    session = Session()
    with pytest.raises(llmspell.UsageError, match="start and restore need a running event loop"):
        session.start("return 1")

    async def main() -> None:
        with pytest.raises(llmspell.UsageError, match="keep must be a path, got int"):
            session.start("return 1", keep=1)  # type: ignore[arg-type]
        with pytest.raises(llmspell.UsageError, match="checkpoint must be a Checkpoint, got str"):
            session.restore("{}")  # type: ignore[arg-type]

    asyncio.run(main())
