"""The rules of the house: names, sizes, imports, what a start may load."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import PATIENCE

import llmspell
from llmspell import errors

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "llmspell"
MODULES = sorted(PACKAGE.rglob("*.py"))
WRITTEN = [*MODULES, *sorted([*PACKAGE.rglob("*.lua"), *PACKAGE.rglob("*.js")])]
HEAVY = ("asyncio", "pydantic_ai", "httpx2", "rich", "lupa", "openai", "jsonschema_rs")


def python(*args: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def loaded(program: str, names: tuple[str, ...], cwd: Path = ROOT) -> set[str]:
    """Which of the modules named are imported after a program has run in a fresh Python."""
    tail = f"\nimport sys\nsys.stderr.write(' '.join(set(sys.modules) & set({names!r})))"
    done = python("-c", program + tail, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


# Names.


def test_public_names_are_sorted_and_there() -> None:
    assert llmspell.__all__ == sorted(llmspell.__all__)
    assert len(set(llmspell.__all__)) == len(llmspell.__all__)
    assert set(llmspell.__all__) <= set(dir(llmspell))  # what a prompt completes
    for name in llmspell.__all__:
        assert getattr(llmspell, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        llmspell.nothing  # noqa: B018


def test_every_name_that_is_imported_for_types_is_public() -> None:
    source = (PACKAGE / "__init__.py").read_text()
    block = source.partition("if TYPE_CHECKING:")[2].partition("__version__")[0]
    ours = re.findall(r"from \.[\w.]+ import (?:\(([^)]*)\)|([\w, ]+))", block)
    named = {name for pair in ours for name in re.findall(r"\w+", " ".join(pair))}
    assert named | {"run", "run_sync"} == set(llmspell.__all__)


def test_every_error_is_public_and_in_the_tree() -> None:
    tree = set(re.findall(r"\b[A-Z]\w+\b", (errors.__doc__ or "").partition("Every class")[0]))
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.LlmspellError):
            assert name in llmspell.__all__
            assert name in tree
            assert value.exit_code > 0


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == llmspell.__version__
    top = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert top is not None
    assert top[1] == llmspell.__version__


# Files.


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_small_and_named_for_what_they_know(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500
    for part in (path.stem, *path.relative_to(PACKAGE).parts[:-1]):
        assert not re.fullmatch(r"(.*_)?(utils?|helpers?|managers?|impl|common|misc)", part)


def test_nothing_is_left_to_do() -> None:
    wanted = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r"\b")
    suffixes = {".py", ".md", ".lua", ".toml", ".ts", ".txt", ""}
    for top in ("src", "tests", "docs", "examples", "benchmarks", "README.md", "CHANGELOG.md",
                "CONTRIBUTING.md", "Makefile", "pyproject.toml"):  # fmt: skip
        start = ROOT / top
        for path in [start] if start.is_file() else start.rglob("*"):
            if path.is_file() and path.suffix in suffixes:
                found = wanted.search(path.read_text(encoding="utf-8"))
                assert found is None, f"{path}: {found}"


# Imports.


def test_import_contracts_hold() -> None:
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports("
    done = python("-c", lint + "no_cache=True))")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Contracts: \d+ kept, 0 broken", done.stdout), done.stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded("import llmspell", (*HEAVY, "argparse", "json", "llmspell.errors")) == set()


@pytest.mark.parametrize("args", ["--help", "--version", "run --help"])
def test_help_loads_nothing_heavy(args: str) -> None:
    program = f"from llmspell.cli.main import main\nassert main({args.split()!r}) == 0"
    assert loaded(program, (*HEAVY, "llmspell.runtime.session")) == set()


RUN = "from llmspell.cli.main import main\nassert main(['run', 'spell.lua']) == 0"


@pytest.mark.parametrize("source", ["print('only', 1)", "return 1", "print('x') return {1, 2}"])
def test_a_spell_that_only_prints_loads_little(tmp_path: Path, source: str) -> None:
    (tmp_path / "spell.lua").write_text(source)
    light = [name for name in HEAVY if name != "lupa"]
    light += ["logging", "socket", "dataclasses", "inspect", "hashlib", "hmac", "threading"]
    assert loaded(RUN, tuple(light), tmp_path) == set()


@pytest.mark.parametrize("source", ["sleep(0)", "fs.write('x', fs.exists('x') and '1' or '2')"])
def test_a_spell_without_a_model_loads_no_model_library(tmp_path: Path, source: str) -> None:
    (tmp_path / "spell.lua").write_text(source)
    assert loaded(RUN, ("pydantic_ai", "httpx2", "openai", "rich"), tmp_path) == set()


def test_the_package_says_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_a_group_of_benchmarks_that_is_not_there_is_told_with_those_that_are() -> None:
    done = python("-m", "benchmarks", "tengo", "nosuch")
    assert done.returncode == 1
    assert done.stderr.startswith("there is no group nosuch; the groups are startup, ")
    assert done.stdout == ""
