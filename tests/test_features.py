"""Feature sets: what is not in them does not exist, for scripts, for workers and for models."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import PATIENCE, Command

from llmspell import NotFound, Session, UsageError
from llmspell.bridges import NAMESPACES
from llmspell.host.services import LIBRARIES
from llmspell.host.settings import Settings
from llmspell.runtime.catalogue import CATALOGUE, builtin_tools, names, selection, signatures
from llmspell.runtime.features import FEATURES, NEEDS, Feature, resolve
from llmspell.runtime.run import Run
from llmspell.spells.program import Program

# The table.


def test_the_table_speaks_of_what_there_is() -> None:
    assert set(NEEDS) | {n for needed in NEEDS.values() for n in needed} <= set(NAMESPACES)
    assert set(LIBRARIES) <= set(NAMESPACES)
    for feature in FEATURES.values():
        assert set(feature.namespaces) <= set(NAMESPACES)
        assert set(feature.includes) <= set(FEATURES)
        assert all(feature.namespaces.values()), "each with its reason"
    assert all(reason for needed in NEEDS.values() for reason in needed.values())


def test_the_profiles_grow_and_full_is_all() -> None:
    profiles = [set(resolve([n])) for n in ("minimal", "llm", "agent", "observable", "full")]
    assert all(a < b for a, b in pairwise(profiles))
    assert profiles[-1] == set(NAMESPACES)
    assert {"io", "module"} <= profiles[0]
    assert "llm" not in resolve(["data"])


@pytest.mark.parametrize("name", FEATURES)
def test_each_namespace_comes_after_those_it_needs(name: str) -> None:
    order = resolve([name])
    assert len(set(order)) == len(order)
    for at, namespace in enumerate(order):
        assert set(NEEDS.get(namespace, ())) <= set(order[:at])


def test_handles_and_calls_stay_inside_every_set() -> None:
    """What a namespace gives, or is a method of, can be used wherever the namespace is."""
    homes = {i.method_of: n.partition(".")[0] for n, i in CATALOGUE.items() if i.method_of}
    assert homes["stream"] == "stream"
    for feature in FEATURES:
        offered = resolve([feature])
        for name, item in selection((feature,)).items():
            if item.gives in homes:
                assert homes[item.gives] in offered, f"{feature}: {name} gives {item.gives}"


def test_forward_references_are_resolved_in_order() -> None:
    needs = {"a": {"b": ""}, "b": {"c": ""}}
    assert resolve(["a"], {}, needs, "abc") == ("c", "b", "a")
    assert resolve(["c", "a"], {}, needs, "abc") == ("c", "b", "a")


def test_circles_and_unknown_names_are_told_with_the_way() -> None:
    circle = {"a": {"b": ""}, "b": {"c": ""}, "c": {"b": ""}}
    with pytest.raises(UsageError, match="in a circle: b -> c -> b"):
        resolve(["a"], {}, circle, "abc")
    with pytest.raises(UsageError, match="in a circle: x -> y -> x"):
        resolve(["x"], {"x": Feature(("y",)), "y": Feature(("x",))}, {}, "abc")
    with pytest.raises(UsageError, match="in a circle: x -> x"):
        resolve(["x"], {"x": Feature(("x",))}, {}, "abc")
    with pytest.raises(UsageError, match="'z', which a names, is not a feature set or namespace"):
        resolve(["a"], {}, {"a": {"z": ""}}, "abc")
    with pytest.raises(UsageError, match=r"'q', which s \(set\) names, is not"):
        resolve(["s"], {"s": Feature((), {"q": ""})}, {}, "abc")
    with pytest.raises(UsageError, match=r"'agents' is not .*; did you mean agent\?"):
        Session(features="agents")


# Sessions.


def test_names_outside_the_set_are_not_bound() -> None:
    asked = "return {llm == nil, fs == nil, json ~= nil, sleep ~= nil, require ~= nil}"
    for isolation in ("none", "process"):
        session = Session(features="minimal", isolation=isolation)
        assert session.run_sync(asked).value == [True] * 5
    assert Session(features=("minimal", "fs")).run_sync("return fs.exists('.')").value is True
    assert Session().run_sync("return {llm ~= nil, fs ~= nil}").value == [True, True]
    assert names(()) is signatures()
    assert selection(()) is CATALOGUE


def test_the_gate_refuses_what_is_not_in_the_set() -> None:
    """As when a hostile worker asks for it although nobody bound it."""

    async def ask() -> None:
        async with Session(features="minimal") as session:
            run = Run(session, Program("return 1"), {}, {})
            for name in ("fs.exists", "llm.generate", "fs.nothing", "fs", ""):
                answer = run.gate.enter(name, b'["."]')
                assert isinstance(answer, NotFound), name
            assert run.gate.enter("json.decode", b'["[1]"]') == b"[1]"
            await run.close()

    asyncio.run(ask())


def test_no_model_is_told_of_tools_outside_the_set() -> None:
    everything = builtin_tools(())
    told = builtin_tools(("agent",))
    assert set(told) < set(everything)
    assert Session(features="agent").run_sync("return tools.list()").value == sorted(told)
    gone = sorted(set(everything) - set(told))[0]
    refused = f"local ok, e = pcall(tools.execute, '{gone}', {{}}) return e.code"
    assert Session(features="agent").run_sync(refused).value == "not_found"


def test_agents_and_streams_work_in_their_sets() -> None:
    stream = "local t = {} for c in llm.stream('hi') do t[#t + 1] = c end return #t > 0"
    session = Session(features="llm", model="test/offline")
    assert session.run_sync(stream).value is True
    agent = "local a = agent.create{} return #a:run('hi').content > 0"
    session = Session(features="agent", model="test/offline")
    assert session.run_sync(agent).value is True


def test_settings_and_the_flag_choose_too(cli: Command) -> None:
    cli.configure('features = ["minimal"]\n')
    asked = "return llm == nil and 'small' or 'large'"
    assert cli.spell(asked).out == "small\n"
    assert cli.spell(asked, "--feature-set", "llm").out == "large\n"
    both = "return (llm == nil and fs ~= nil) and 'data' or 'not'"
    assert cli.spell(both, "--feature-set", "minimal", "--feature-set", "data").out == "data\n"
    wrong = cli.spell(asked, "--feature-set", "larg")
    assert (wrong.code, "'larg' is not a feature set" in wrong.err) == (2, True)


def test_a_local_file_does_not_widen_what_the_user_chose(tmp_path: Path) -> None:
    own = tmp_path / "home" / ".config" / "llmspell"
    own.mkdir(parents=True)
    (tmp_path / "llmspell.toml").write_text('features = ["full"]\n')
    home = {"HOME": str(tmp_path / "home")}
    assert Settings.load(home, tmp_path).features == ("full",)
    (own / "config.toml").write_text('features = ["minimal"]\n')
    assert Settings.load(home, tmp_path).features == ("minimal",)


# Ahead of time.


def test_preloading_imports_what_a_first_call_would() -> None:
    code = (
        "import sys; from llmspell import Session\n"
        "def there(): return [n in sys.modules for n in sys.argv[1:]]\n"
        "Session(); print(there()); Session(preload='data'); print(there())\n"
        "Session(preload=['llm']); print(there())"
    )
    wanted = ("llmspell.bridges.fs", "httpx2", "llmspell.bridges.llm", "pydantic_ai")
    done = subprocess.run(
        [sys.executable, "-c", code, *wanted],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == str([False] * 4)
    assert lines[1] == str([True, True, False, False])
    assert lines[2] == str([True] * 4)


def test_preloading_stays_inside_the_features() -> None:
    with pytest.raises(UsageError, match="cannot preload fs: it is not among the features llm"):
        Session(features="llm", preload=["fs"])
    with pytest.raises(UsageError, match="'sf' is not a feature set or namespace"):
        Session(preload="sf")
