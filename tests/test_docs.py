"""The documentation: its examples run, their output is real, its links lead somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import PATIENCE, Command

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


class Block(NamedTuple):
    """A fenced block of a page: its language, and its text."""

    language: str
    text: str


def blocks(language: str) -> list[str]:
    """The fenced blocks of the README in one language."""
    found = [Block(*pair) for pair in re.findall(r"^```(\w*)\n(.*?)^```$", README, re.M | re.S)]
    return [block.text for block in found if block.language == language]


def only(texts: list[str]) -> str:
    assert len(texts) == 1
    return texts[0]


def console(command: str) -> list[str]:
    """What the README shows below a command."""
    text = only([block for block in blocks("console") if block.startswith(f"$ {command}\n")])
    lines = text.splitlines()[1:]
    assert not any(line.startswith("$ ") for line in lines)
    return lines


# The README.


def test_the_spell_prints_what_the_readme_shows(cli: Command) -> None:
    cli.write(only(blocks("lua")), "people.lua")
    done = cli("run", "people.lua")
    shown = console("llmspell run people.lua")
    notes = [line for line in shown if line.startswith("note: ")]
    assert done.code == 0
    assert done.out.splitlines() == [line for line in shown if line not in notes]
    assert done.err.splitlines() == notes


@pytest.mark.parametrize(("language", "suffix"), [("typescript", ".ts"), ("tengo", ".tengo")])
def test_the_same_in_another_language_prints_the_same(
    language: str, suffix: str, cli: Command
) -> None:
    cli.write(only(blocks(language)), f"people{suffix}")
    done = cli("run", f"people{suffix}")
    shown = [line for line in console("llmspell run people.lua") if "note: " not in line]
    assert done.code == 0
    # The Lua spell also shows a refusal, and returns the same.
    assert done.out.splitlines() == [line for line in shown if not line.endswith("\tdenied")]


BROKEN = """\
local function ask(question)
  local answer = llm.generate(question)
  return answer
end

print(ask({ "Who?" }))
"""


def test_the_error_is_what_the_readme_shows(cli: Command) -> None:
    cli.write(BROKEN, "broken.lua")
    done = cli("run", "broken.lua")
    assert (done.code, done.out) == (10, "")
    assert done.err.splitlines() == console("llmspell run broken.lua")


def test_the_program_prints_what_the_readme_shows(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(only(blocks("python")), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, only(blocks("text")), "")


def test_the_configuration_of_the_readme_is_accepted(cli: Command) -> None:
    cli.configure(only(blocks("toml")))
    flags = ("--level", "untrusted", "--allow", "llm:none/such")
    done = cli.spell("llm.generate('x')", "-q", *flags)
    assert "no grant for llm:local/llama-3.3" in done.err


def test_the_long_command_of_the_readme_works(cli: Command) -> None:
    command = re.search(r"^    (llmspell run spell\.lua (?:.*\\\n)*.*)", README, re.M)
    assert command is not None
    args = command[1].replace("\\\n", " ").replace("'", "").split()[1:]
    assert len(args) > 10
    cli.write("read", "docs/page.md")
    cli.write("return fs.read('docs/page.md')", "spell.lua")
    done = cli(*args)
    assert (done.code, done.out) == (0, "read\n")


def test_every_flag_the_readme_names_exists(cli: Command) -> None:
    known = set(re.findall(r"(?<![\w-])-{1,2}[a-z][\w-]*", cli("run", "--help").out))
    code = re.findall(r"`[^`\n]+`|^    .*$", README, re.M) + blocks("console")
    named = {
        flag
        for text in code
        if "pip install" not in text
        for flag in re.findall(r"(?<![\w-])--?[a-z][\w-]*", text)
    }
    assert {"--model", "--json", "-p", "--limit"} <= named
    assert named - known == set()


def test_every_exit_code_is_in_the_readme() -> None:
    import llmspell

    table = README.partition("| exit code |")[2].partition("\n\n")[0]
    told = {int(number) for number in re.findall(r"\| (\d+) ", table)}
    errors = [getattr(llmspell, name) for name in llmspell.__all__]
    codes = {error.exit_code for error in errors if isinstance(error, type)
             and issubclass(error, llmspell.LlmspellError)}  # fmt: skip
    assert told == codes | {0}


def test_levels_are_what_the_readme_shows() -> None:
    from llmspell.limits import LEVEL_LIMITS
    from llmspell.policy import LEVELS

    rows = re.findall(r"^\| `(\w+)`.*?\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", README, re.M)
    assert [name for name, *_ in rows] == list(LEVELS) == list(LEVEL_LIMITS)
    for name, grants, time, memory in rows:
        limits = LEVEL_LIMITS[name]
        assert time == ("none" if limits.time is None else f"{limits.time:g} s")
        assert limits.memory is not None
        size = limits.memory // 10**6
        assert memory == ("1 GB" if size == 1000 else f"{size} MB")
        assert (grants == "none") == (LEVELS[name] == ())


def test_every_namespace_is_in_the_readme() -> None:
    from llmspell.runtime.catalogue import CATALOGUE

    told = README.partition("## What a script can use\n\n")[2].partition("\n\n")[0]
    for name in {name.partition(".")[0] for name in CATALOGUE} - {"module", "stream"}:
        assert f"`{name}`" in told, name
    for item in CATALOGUE.values():
        assert not item.alias or f"`{item.alias}`" in told


def test_the_make_targets_the_pages_name_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for page in PAGES:
        named = re.findall(r"(?:`|^    )make ([a-z]+)", page.read_text(encoding="utf-8"), re.M)
        assert set(named) <= targets, page


# Generated files, links, examples.


def test_generated_files_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llmspell.emit", "--check"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def anchors(page: Path) -> set[str]:
    """The places in a page that a link may name."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+://", target):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(found), target


def test_files_the_pages_name_exist() -> None:
    src = ROOT / "src" / "llmspell"
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"`((?:[\w.-]+/)+[\w.-]*\.(?:py|md|txt|toml|lua))`", text):
            assert (ROOT / name).exists() or (src / name).exists(), f"{page.name}: {name}"


def test_the_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, "examples/demo.py"],
        cwd=ROOT,
        # whatever keys a .env in the checkout holds, nothing is asked
        env={**os.environ, "LLMSPELL_MODEL": "test/offline"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    output, _, report = done.stdout.partition("\n--- the report ---\n")
    assert output.startswith("$ llmspell run examples/report.lua")
    for line in (
        r"read docs/design\.md: \d+ bytes, \d+ sections",
        r"a tool says: \d+ words take [\d.]+ minutes",
        r"a model summarised \d+ sections",
        r"an agent used 1 tool\(s\)",
        r"wrote .*/report\.md",
    ):
        assert re.search(f"^{line}$", output, re.M), output
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)$", design, re.M)
    assert report.startswith("# Report on docs/design.md\n")
    for section in sections:
        assert f"- **{section}**: [offline test model]" in report
    assert f"summarised {len(sections)} sections" in output


def test_the_reference_tells_what_holds_where_an_option_is_left_out() -> None:
    from llmspell.host.llm.messages import BatchOptions

    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    options = page.partition("\n### BatchOptions\n")[2].partition("\n### ")[0]
    told = re.search(r"`\[concurrency\]` .*; (\d+) by default\.$", options, re.M)
    assert told is not None
    assert int(told[1]) == BatchOptions().concurrency
    assert "`[provider_options]` (a map to any value, or nothing): what else" in options
    assert not re.search(r"default.*by default", page)


def test_the_stub_for_lua_parses() -> None:
    from lupa import lua54

    lua = lua54.LuaRuntime()
    stub = (ROOT / "docs" / "stubs" / "llmspell.lua").read_text(encoding="utf-8")
    parsed = lua.eval("function(text) return select('#', assert(load(text, '=stub', 't'))) end")
    assert parsed(stub) == 1


def test_the_stub_for_lua_declares_every_function() -> None:
    from llmspell.runtime.catalogue import CATALOGUE

    stub = (ROOT / "docs" / "stubs" / "llmspell.lua").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    for name, item in CATALOGUE.items():
        if name.startswith("module."):
            continue
        assert re.search(rf"^function {re.escape(name)}\(", stub, re.M) or item.method_of, name
        assert f"\n### {name}(" in page, name


def test_the_stub_for_typescript_compiles() -> None:
    tsc = ROOT / "node_modules" / ".bin" / "tsc"
    if not tsc.exists() or shutil.which("node") is None:
        pytest.skip("there is no TypeScript compiler in node_modules: npm install typescript")
    stub = ROOT / "docs" / "stubs" / "llmspell.d.ts"
    done = subprocess.run(
        [tsc, "--noEmit", "--strict", "--target", "es2022", "--lib", "es2022", stub],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
