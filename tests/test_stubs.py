"""The declarations for TypeScript, by its compiler; and the example that is written in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import llmspell

ROOT = Path(__file__).parents[1]
STUB = ROOT / "docs" / "stubs" / "llmspell.d.ts"
EXAMPLE = ROOT / "examples" / "report.ts"
EVERY = ROOT / "tests" / "stubs" / "every.ts"
TYPESCRIPT = "typescript@5.9.3"
PATIENCE = 120
"""Seconds for a compiler, or for having it: a bound against hanging."""


@pytest.fixture(scope="module")
def tsc(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiler, from the npm registry."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("there is no Node.js with npm here")
    folder = tmp_path_factory.mktemp("typescript")
    try:
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", TYPESCRIPT],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not give {TYPESCRIPT} in {PATIENCE} s")
    if done.returncode:
        pytest.skip(f"npm does not give {TYPESCRIPT}: {done.stderr.strip()[-200:]}")
    return str(folder / "node_modules" / ".bin" / "tsc")


def compiled(tsc: str, *files: Path) -> list[str]:
    """What the compiler says of files, beside the declarations."""
    language = ("--strict", "--target", "es2022", "--module", "es2022", "--lib", "es2022")
    done = subprocess.run(
        [tsc, "--noEmit", *language, str(STUB), *map(str, files)],
        cwd=Path(tsc).parents[2],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert bool(done.stdout) == (done.returncode != 0), done.stderr
    return done.stdout.splitlines()


def test_the_stub_compiles_with_what_is_written_against_it(tsc: str) -> None:
    assert compiled(tsc, EXAMPLE, EVERY) == []


def test_every_namespace_is_used() -> None:
    names = re.findall(r"^declare (?:namespace|const) (\w+)", STUB.read_text("utf-8"), re.M)
    used = EVERY.read_text("utf-8") + EXAMPLE.read_text("utf-8")
    assert len(names) > 12
    assert [n for n in names if n != "params" and not re.search(rf"\b{n}\.\w", used)] == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("const n: number = await fs.read('a');", "'string' is not assignable to type 'number'"),
        ("const s: string = fs.read('a');", "'Task<string>' is not assignable"),
        ("await fs.read(1);", "'number' is not assignable to parameter of type 'string'"),
        ("await fs.raed('a');", "'raed' does not exist"),
        ("await llm.generate('a', { temprature: 1 });", "'temprature' does not exist"),
    ],
)
def test_the_stub_tells_mistakes(tsc: str, tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "wrong.ts"
    path.write_text(f"{line}\nexport {{}};\n")
    (told,) = compiled(tsc, path)
    assert "wrong.ts(1," in told and complaint in told


def test_the_example_runs_in_typescript(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    document = ROOT / "docs" / "design.md"
    result = llmspell.run_sync(
        EXAMPLE,
        params={"document": str(document), "report": str(report)},
        allow=[f"fs.read:{document}", f"fs.write:{report}"],
        model="test/offline",
    )
    sections = re.findall(r"^## (.+)$", document.read_text("utf-8"), re.M)
    text = report.read_text("utf-8")
    assert result.value["sections"] == len(sections) > 5
    assert result.value["words"] == len(document.read_text("utf-8").split())
    assert f"a model summarised {len(sections)} sections\nan agent used 1 tool(s)" in result.output
    for section in sections:
        assert f"- **{section}**: [offline test model]" in text
