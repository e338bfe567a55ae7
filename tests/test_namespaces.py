"""Namespaces inside others, as `llm.pool`: the same names in every language, free when unused."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmspell import Session
from llmspell.engines.lua_prelude import nested, surface, wanted
from llmspell.errors import UsageError
from llmspell.host.settings import Settings
from llmspell.runtime.catalogue import signatures

WAYS = {
    "spell.lua": [
        "return llm.pool.list()",
        "return llm['pool'].list()",
        "local name = 'pool' return llm[name].list()",
        "local l = llm return l.pool.list()",
        "return load('return llm.pool.list()')()",
        "return _G.llm.pool.list()",
    ],
    "spell.js": [
        "export default llm.pool.list();",
        "const {pool: {list}} = llm; export default list();",
        "import llm from 'llmspell:llm'; export default llm['pool'].list();",
    ],
    "spell.tengo": [
        "export llm.pool.list()",
        'm := import("llm")\nexport m.pool.list()',
        'name := "pool"\nexport llm[name].list()',
    ],
}


@pytest.mark.parametrize(
    ("name", "source"), [(name, source) for name, ways in WAYS.items() for source in ways]
)
def test_every_way_to_an_inner_namespace(name: str, source: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(source)
    assert Session(settings=Settings()).run_sync(path).value == []


def test_a_program_pays_only_for_the_inner_namespaces_it_names() -> None:
    names = surface(signatures())
    assert {"pool", "providers"} <= nested(names)
    lines = wanted(names, "llm print").decode()
    assert "\nllm.generate\t" in lines
    assert "llm.pool" not in lines and "llm.providers" not in lines
    assert "\nllm.pool.create\t" in wanted(names, "llm pool").decode()
    assert "llm.pool" not in wanted(names, "pool").decode()
    assert "\nllm.pool.create\t" in wanted(names, "*").decode()


def test_inner_namespaces_are_features_of_their_own() -> None:
    asked = "local ok = pcall(function() return llm.pool.list() end) return ok"
    assert Session(settings=Settings(), features="llm").run_sync(asked).value is True
    only = Session(settings=Settings(), features=["llm.pool"])
    assert only.run_sync(asked).value is True
    assert only.run_sync("return llm.models == nil and llm.pool ~= nil").value is True
    data = Session(settings=Settings(), features=["data"])
    assert data.run_sync(asked).value is False
    with pytest.raises(UsageError, match=r"llm\.pol"):
        Session(settings=Settings(), features=["llm.pol"])


def test_what_has_an_inner_namespace_cannot_be_changed() -> None:
    for source in (
        "llm.pool = {}; export default typeof llm.pool.list",
        "llm.pool.list = 1; export default typeof llm.pool.list",
    ):
        guarded = f"try {{ {source.partition(';')[0]} }} catch {{}}{source.partition(';')[2]}"
        result = Session(settings=Settings(), engine="javascript").run_sync(guarded)
        assert result.value == "function"
