"""The conformance table, run through every engine; and the promises of its completeness."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmspell.engines import engine
from llmspell.runtime.catalogue import CATALOGUE, SURFACE, surface_text
from llmspell.runtime.isolation import isolated
from llmspell.testing import Case, check_case, check_engine, read_cases, unsuited
from llmspell.testing.servers import ModelServer

TABLES = Path(__file__).parent / "conformance"
CASES = read_cases(TABLES)
ENGINES = dict.fromkeys(("lua54", "lua55", "luajit"), "lua") | {
    name: name for name in ("javascript", "tengo")
}
"""Engine -> the column it runs."""

WORLDS = dict.fromkeys(ENGINES, engine) | {f"{name} isolated": isolated for name in ENGINES}
"""Engine, and whether it works in a process of its own -> what makes it."""


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case, world: str, server: ModelServer, tmp_path: Path) -> None:
    name = world.partition(" ")[0]
    column = ENGINES[name]
    chosen = WORLDS[world](name)
    if column not in case.sources:
        pytest.skip(case.missing[column])
    if reason := unsuited(case, chosen):
        pytest.skip(reason)
    outcome = asyncio.run(check_case(case, chosen, column, server, tmp_path))
    assert outcome.complaints == []


@pytest.mark.parametrize("name", ENGINES)
def test_engine_protocol(name: str) -> None:
    assert check_engine(engine(name), ENGINES[name]) == []


def test_check_engine_runs_the_table_too() -> None:
    assert check_engine(engine("lua"), "lua", TABLES) == []


def test_every_capability_is_exercised(server: ModelServer, tmp_path: Path) -> None:
    exercised = set()
    for number, case in enumerate(case for case in CASES if "lua" in case.sources):
        folder = tmp_path / str(number)
        folder.mkdir()
        outcome = asyncio.run(check_case(case, engine("lua"), "lua", server, folder))
        exercised |= outcome.exercised
    assert set(CATALOGUE) - exercised == set()


def test_surface_is_fresh() -> None:
    assert Path(SURFACE).read_text() == surface_text(), "run make docs"
