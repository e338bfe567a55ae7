"""The manifest of a folder: what it may say, what it asks for, and that it grants nothing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from conftest import Command

from llmspell import ManifestError, Session, UsageError
from llmspell.host.settings import Settings
from llmspell.runtime.checkpoint import Checkpoint

LANGUAGES = {
    "spell.lua": "return 1",
    "spell.ts": "export default 1 as number",
    "spell.tengo": "export 1",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.lua").write_text("return 'main'")
    return tmp_path


def manifest(folder: Path, text: str) -> Path:
    (folder / "spell.yaml").write_text(text, encoding="utf-8")
    return folder


def session(**more: object) -> Session:
    return Session(**{"settings": Settings()} | more)  # type: ignore[arg-type]


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        session().run_sync(manifest(folder, text))
    assert caught.value.exit_code == 10
    return caught.value.message.removeprefix(f"{folder}/spell.yaml: ")


@pytest.mark.parametrize("entry", LANGUAGES)
def test_a_manifest_names_the_script(folder: Path, entry: str) -> None:
    (folder / "src").mkdir()
    (folder / "src" / entry).write_text(LANGUAGES[entry])
    result = session().run_sync(manifest(folder, f"name: one\nentry: ./src/{entry}\ntags: [a]"))
    assert (result.value, result.isolation) == (1, {})


def test_an_empty_manifest_asks_for_nothing(folder: Path) -> None:
    result = session().run_sync(manifest(folder, "# nothing yet\n"))
    assert (result.value, result.isolation) == ("main", {})


@pytest.mark.parametrize("entry", LANGUAGES)
def test_a_manifest_asks_for_a_process(folder: Path, entry: str) -> None:
    (folder / entry).write_text(LANGUAGES[entry])
    result = session().run_sync(manifest(folder, f"entry: {entry}\nisolation: process"))
    assert (result.value, result.isolation["process"]) == (1, "")


def test_who_runs_it_has_the_last_word(folder: Path) -> None:
    manifest(folder, "isolation: process")
    assert session(isolation="none").run_sync(folder).isolation == {}
    manifest(folder, "isolation: none")
    for given in ({"isolation": "process"}, {"level": "untrusted"}):
        assert session(**given).run_sync(folder).isolation["process"] == ""


def test_a_manifest_names_the_engine(folder: Path) -> None:
    (folder / "main.lua").write_text("return _VERSION")
    manifest(folder, "engine: lua55")
    assert session().run_sync(folder).value == "Lua 5.5"
    assert session(engine="lua").run_sync(folder).value == "Lua 5.4"
    with pytest.raises(UsageError, match="the engine luajit is not for level untrusted"):
        session(level="untrusted").run_sync(manifest(folder, "engine: luajit"))
    wrong = r"spell.yaml: 'lua56' is not an engine: use one of .*; did you mean lua5"
    with pytest.raises(ManifestError, match=wrong):
        session().run_sync(manifest(folder, "engine: lua56"))


def test_what_is_restored_stays_in_a_process(folder: Path) -> None:
    (folder / "main.lua").write_text("sleep(0.01) return 7")
    manifest(folder, "isolation: process")

    async def main() -> None:
        async with session() as first:
            kept = folder / "kept"
            assert (await first.start(folder, keep=kept).attempt()).value == 7
        async with session() as second:
            result = await second.restore(Checkpoint.load(kept)).attempt()
            assert (result.value, result.isolation["process"]) == (7, "")

    asyncio.run(main())


def test_a_wrong_manifest_is_told_by_its_word(folder: Path) -> None:
    assert refusal(folder, "isolatoin: process") == (
        "manifest.isolatoin is not known; did you mean isolation?"
    )
    assert "manifest.isolation must be" in refusal(folder, "isolation: jail")
    assert refusal(folder, "name: 7") == "manifest.name must be a string, got number"
    assert "manifest must be" in refusal(folder, "- a\n- b")
    assert refusal(folder, "name: [a").startswith("not YAML at line 2, column 1")
    for entry in ("../out.lua", "/etc/main.lua", "a/../../b.lua", ".."):
        told = refusal(folder, f"entry: {entry}")
        assert told == f"entry must be a file in the folder, got {entry}"
    (folder / "spell.yaml").write_bytes(b"name: \xff")
    with pytest.raises(ManifestError, match=r"is not UTF-8 text$"):
        session().run_sync(folder)
    (folder / "spell.yaml").unlink()
    (folder / "spell.yaml").symlink_to(folder / "nowhere")
    with pytest.raises(ManifestError, match=r"cannot read .*: No such file"):
        session().run_sync(folder)


def test_a_manifest_of_another_name_is_not_passed_over(folder: Path) -> None:
    (folder / "spell.yml").write_text("isolation: process")
    with pytest.raises(ManifestError, match=r"spell\.yml is not read: name it spell\.yaml$"):
        session().run_sync(folder)


def test_an_entry_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder without other\.lua$"):
        session().run_sync(manifest(folder, "entry: other.lua"))


def test_the_command_takes_it(cli: Command) -> None:
    cli.write("print('hello')", "one/main.lua")
    cli.write("isolation: process\n", "one/spell.yaml")
    assert '"process": ""' in cli("run", "one", "--json").out
    assert '"isolation": {}' in cli("run", "one", "--json", "--isolation", "none").out
    cli.write("isolation: jail\n", "one/spell.yaml")
    told = cli("run", "one")
    assert (told.code, "one/spell.yaml: manifest.isolation must be" in told.err) == (10, True)


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "src").mkdir(parents=True)
    outside.mkdir()
    (outside / "notes.txt").write_text("secret: 1")
    (outside / "up.lua").write_text("return 'outside'")
    (inside / "main.lua").symlink_to(outside / "up.lua")
    with pytest.raises(UsageError, match=r"main\.lua is a link that leads out of the folder$"):
        session().run_sync(inside)
    (inside / "main.lua").unlink()
    (inside / "up").symlink_to(outside)
    with pytest.raises(UsageError, match="a link that leads out of the folder"):
        session().run_sync(manifest(inside, "entry: up/up.lua"))
    (inside / "src" / "own.lua").write_text("return 'own'")
    (inside / "main.lua").symlink_to("src/own.lua")
    (inside / "spell.yaml").unlink()
    (tmp_path / "alias").symlink_to(inside)
    for folder in (inside, tmp_path / "alias"):
        assert session().run_sync(folder).value == "own"
    (inside / "spell.yaml").symlink_to(outside / "notes.txt")
    with pytest.raises(ManifestError, match="a link that leads out of the folder") as caught:
        session().run_sync(inside)
    assert "secret" not in str(caught.value)


def test_what_is_no_text_of_a_bounded_size_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "spell.yaml")
    with pytest.raises(ManifestError, match="it is not a regular file"):
        session().run_sync(folder)
    (folder / "spell.yaml").unlink()
    for name, failure in (("spell.yaml", ManifestError), ("main.lua", UsageError)):
        with (folder / name).open("wb") as file:
            file.truncate(3_000_000_000)
        with pytest.raises(failure, match="it is larger than 16777216 bytes"):
            session().run_sync(folder)
        (folder / name).unlink()
