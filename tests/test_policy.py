"""Grants and levels: what is allowed, what is not, and what a person reads then."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmspell.errors import Denied, UsageError
from llmspell.policy import KINDS, LEVELS, RESOURCES, Grant, Policy, denial

BASE = "/home/me/work"

Case = tuple[tuple[str, ...], str, str, bool]


def allows(grants: tuple[str, ...], kind: str, resource: str) -> bool:
    return Policy("untrusted", grants, BASE).allows(kind, resource)


def check(cases: list[Case]) -> None:
    wrong = [case for case in cases if allows(*case[:3]) is not case[3]]
    assert wrong == []


# Files. -------------------------------------------------------------------------------------------

FILES: list[Case] = [
    # grants, kind, resource, allowed
    ((), "fs.read", "/x", False),
    (("fs.read",), "fs.read", "/x/y", True),
    (("fs.read",), "fs.write", "/x/y", False),
    (("fs.write",), "fs.read", "/x/y", False),
    (("fs",), "fs.read", "/x", True),
    (("fs",), "fs.write", "/x", True),
    (("fs",), "fs.read", "/", True),
    (("fs:/**",), "fs.read", "/x/y/z", True),
    # A folder and all below it.
    (("fs.read:/d/**",), "fs.read", "/d", True),
    (("fs.read:/d/**",), "fs.read", "/d/x", True),
    (("fs.read:/d/**",), "fs.read", "/d/x/y/z.txt", True),
    (("fs.read:/d/**",), "fs.read", "/d/.hidden", True),
    (("fs.read:/d/**",), "fs.read", "/dx", False),
    (("fs.read:/d/**",), "fs.read", "/e/d/x", False),
    (("fs.read:/d/**",), "fs.read", "/", False),
    (("fs.read:/d/",), "fs.read", "/d/x/y", True),
    (("fs.read:/d/",), "fs.read", "/d", True),
    (("fs.read:/d/",), "fs.read", "/dx", False),
    (("fs.read:/",), "fs.read", "/", True),
    # One folder deep.
    (("fs.read:/d/*",), "fs.read", "/d/x", True),
    (("fs.read:/d/*",), "fs.read", "/d/x/y", False),
    (("fs.read:/d/*",), "fs.read", "/d", False),
    (("fs.read:/d/*.md",), "fs.read", "/d/x.md", True),
    (("fs.read:/d/*.md",), "fs.read", "/d/x.mdx", False),
    (("fs.read:/d/*.md",), "fs.read", "/d/xmd", False),
    (("fs.read:/d/*.md",), "fs.read", "/d/x/y.md", False),
    (("fs.read:/d/?",), "fs.read", "/d/x", True),
    (("fs.read:/d/?",), "fs.read", "/d/xy", False),
    (("fs.read:/d?x",), "fs.read", "/d/x", False),
    # Across folders, in the middle.
    (("fs.read:/d/**/x.md",), "fs.read", "/d/x.md", True),
    (("fs.read:/d/**/x.md",), "fs.read", "/d/a/b/x.md", True),
    (("fs.read:/d/**/x.md",), "fs.read", "/d/ax.md", False),
    (("fs.read:/**/*.md",), "fs.read", "/x.md", True),
    (("fs.read:/d**",), "fs.read", "/dx/y", True),
    # One file.
    (("fs.read:/d/x",), "fs.read", "/d/x", True),
    (("fs.read:/d/x",), "fs.read", "/d/x/y", False),
    (("fs.read:/d/x",), "fs.read", "/d/X", False),
    # Only * and ? are special; a line end is a character like any other.
    (("fs.read:/d/[ab]",), "fs.read", "/d/a", False),
    (("fs.read:/d/[ab]",), "fs.read", "/d/[ab]", True),
    (("fs.read:/d/a.b",), "fs.read", "/d/axb", False),
    (("fs.read:/d/(a|b)+$",), "fs.read", "/d/a", False),
    (("fs.read:/d/(a|b)+$",), "fs.read", "/d/(a|b)+$", True),
    (("fs.read:/d/**",), "fs.read", "/d/a\nb", True),
    (("fs.read:/d/x",), "fs.read", "/d/x\n", False),
    # Relative to the folder of the run, and to the home.
    (("fs.read:./docs/**",), "fs.read", f"{BASE}/docs/a", True),
    (("fs.read:docs/*",), "fs.read", f"{BASE}/docs/a", True),
    (("fs.read:docs/",), "fs.read", f"{BASE}/docs/a/b", True),
    (("fs.read:.",), "fs.read", BASE, True),
    (("fs.read:.",), "fs.read", f"{BASE}/x", False),
    (("fs.read:./",), "fs.read", f"{BASE}/x", True),
    (("fs.read:./**",), "fs.read", BASE, True),
    (("fs.read:**",), "fs.read", f"{BASE}/a/b", True),
    (("fs.read:**",), "fs.read", "/home/me/other", False),
    (("fs.read:*.md",), "fs.read", f"{BASE}/a.md", True),
    (("fs.read:../other/*",), "fs.read", "/home/me/other/x", True),
    (("fs.read:../other/*",), "fs.read", f"{BASE}/../other/x", False),
    (("fs.read:./a/../b",), "fs.read", f"{BASE}/b", True),
    (("fs.read:docs//x",), "fs.read", f"{BASE}/docs/x", True),
    # Taking away wins, whatever the order.
    (("fs", "!fs.read:/s/**"), "fs.read", "/s/x", False),
    (("!fs.read:/s/**", "fs"), "fs.read", "/s/x", False),
    (("fs", "!fs.read:/s/**"), "fs.read", "/t/x", True),
    (("fs", "!fs.read:/s/**"), "fs.write", "/s/x", True),
    (("fs.read:/s/x", "!fs:/s/**"), "fs.read", "/s/x", False),
    (("fs", "!fs.write"), "fs.write", "/x", False),
    (("fs", "!fs.write"), "fs.read", "/x", True),
    (("fs", "!fs"), "fs.read", "/x", False),
    (("!fs.read:/s",), "fs.read", "/t", False),
    # A grant of one kind is none of another.
    (("net", "env", "tool", "llm", "exec"), "fs.read", "/x", False),
]


def test_files() -> None:
    check(FILES)


def test_home_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert allows(("fs.read:~/notes/**",), "fs.read", "/home/me/notes/a")
    assert not allows(("fs.read:~/notes/**",), "fs.read", "/home/you/notes/a")
    assert not allows(("fs.read:~/notes/**",), "fs.read", f"{BASE}/~/notes/a")


def test_the_folder_of_the_run_is_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    policy = Policy("untrusted", ["fs.read:./**"], os.fspath(tmp_path / "link"))
    assert policy.base == os.path.realpath(tmp_path / "real")
    assert policy.allows("fs.read", os.path.join(policy.base, "x"))


def reference(pattern: str, path: str) -> bool:
    """What patterns mean, folder by folder, as slowly as it can be said."""

    def parts(wanted: list[str], given: list[str]) -> bool:
        if not wanted:
            return not given
        if wanted == ["**"]:
            return True
        if wanted[0] == "**":
            return any(parts(wanted[1:], given[i:]) for i in range(len(given) + 1))
        return (
            bool(given)
            and fnmatch.fnmatchcase(given[0], wanted[0])
            and parts(wanted[1:], given[1:])
        )

    return parts(pattern.split("/")[1:], path.split("/")[1:])


names = st.text("ab", min_size=1, max_size=3)
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
pieces = st.sampled_from(["**", "*", "?", "a*", "*b", "?b", "a?*", "*a*"]) | names
patterns = (
    st.lists(pieces, min_size=1, max_size=4)
    .map(lambda parts: "/" + "/".join(parts))
    .filter(lambda pattern: "**/**" not in pattern)  # says nothing that one of them does not
)


@settings(max_examples=600, deadline=None, database=None)
@given(patterns, paths)
def test_patterns_match_as_the_reference_says(pattern: str, path: str) -> None:
    assert Grant.parse(f"fs.read:{pattern}", BASE).covers("fs.read", path) is reference(
        pattern, path
    )


@settings(max_examples=200, deadline=None, database=None)
@given(st.text(st.characters(exclude_characters="/*?\0", exclude_categories=["Cs"]), min_size=1))
def test_a_name_without_wildcards_matches_itself_only(name: str) -> None:
    if name in (".", "..") or name.startswith("~"):
        return
    grant = Grant.parse(f"fs.read:/d/{name}", BASE)
    assert grant.covers("fs.read", f"/d/{name}")
    assert not grant.covers("fs.read", f"/d/{name}x")
    assert not grant.covers("fs.read", f"/d/{name}/x")
    assert not grant.covers("fs.read", "/d")


# Hosts. -------------------------------------------------------------------------------------------

HOSTS: list[Case] = [
    ((), "net", "example.com:443", False),
    (("net",), "net", "example.com:443", True),
    (("net:*",), "net", "example.com:443", True),
    (("net:example.com",), "net", "example.com:443", True),
    (("net:example.com",), "net", "example.com:8080", True),
    (("net:EXAMPLE.com",), "net", "Example.COM:443", True),
    (("net:example.com",), "net", "api.example.com:443", False),
    (("net:example.com",), "net", "example.com.evil.org:443", False),
    (("net:example.com",), "net", "notexample.com:443", False),
    (("net:*.example.com",), "net", "api.example.com:443", True),
    (("net:*.example.com",), "net", "example.com:443", False),
    (("net:*.example.com",), "net", "a.example.com.evil.org:443", False),
    (("net:example.com:8080",), "net", "example.com:8080", True),
    (("net:example.com:8080",), "net", "example.com:80", False),
    (("net:example.com:8080",), "net", "example.com:80800", False),
    (("net:example.com:*",), "net", "example.com:1", True),
    (("net:*:8080",), "net", "example.com:8080", True),
    (("net:*:8080",), "net", "example.com:443", False),
    (("net:EXAMPLE.com:8080",), "net", "example.com:8080", True),
    (("net:127.0.0.1",), "net", "127.0.0.1:80", True),
    (("net:[::1]",), "net", "[::1]:80", True),
    (("net:::1",), "net", "[::1]:80", True),
    (("net:[::1]:8080",), "net", "[::1]:8080", True),
    (("net:[::1]:8080",), "net", "[::1]:80", False),
    (("net:[::1]",), "net", "[::2]:80", False),
    # Taking away wins.
    (("net", "!net:evil.org"), "net", "evil.org:443", False),
    (("net", "!net:evil.org"), "net", "example.com:443", True),
    (("net:evil.org", "!net:*"), "net", "evil.org:443", False),
    # In every spelling: hosts are asked for in one.
    (("net", "!net:evil.org."), "net", "evil.org:443", False),
    (("net", "!net:evil.org.:443"), "net", "evil.org:443", False),
    (("net", "!net:Evil.ORG"), "net", "evil.org:443", False),
    (("net", "!net:b\u00fccher.example"), "net", "xn--bcher-kva.example:443", False),
    (("net", "!net:BU\u0308CHER.example."), "net", "xn--bcher-kva.example:443", False),
    (("net", "!net:*.b\u00fccher.example:80"), "net", "a.xn--bcher-kva.example:80", False),
    (("net", "!net:evil\u3002org"), "net", "evil.org:443", False),
    (("net", "!net:fa\u00df.de"), "net", "xn--fa-hia.de:443", False),
    (("net", "!net:[0:0::1]:80"), "net", "[::1]:80", False),
    (("net", "!net:0:0:0:0:0:0:0:1"), "net", "[::1]:80", False),
    (("net", "!net:8.8.2056"), "net", "8.8.8.8:80", False),
    (("net", "!net:0x08080808:80"), "net", "8.8.8.8:80", False),
    (("net:b\u00fccher.example",), "net", "xn--bcher-kva.example:443", True),
    (("net:b\u00fccher.example",), "net", "bcher.example:443", False),
    (("net:.",), "net", "example.com:443", False),
    # A grant of one kind is none of another.
    (("fs", "llm", "tool", "env", "exec"), "net", "example.com:443", False),
]


def test_hosts() -> None:
    check(HOSTS)


PRIVATE: list[Case] = [
    ((), "net.private", "localhost:80", False),
    (("net",), "net.private", "localhost:80", False),
    (("net:*",), "net.private", "localhost:80", False),
    (("net:*:8080",), "net.private", "localhost:8080", False),
    (("net:10.*",), "net.private", "10.0.0.1:80", False),
    (("net:localhos*",), "net.private", "localhost:80", False),
    (("net:localhost",), "net.private", "localhost:80", True),
    (("net:localhost:8080",), "net.private", "localhost:8080", True),
    (("net:localhost:8080",), "net.private", "localhost:80", False),
    (("net:127.0.0.1",), "net.private", "127.0.0.1:80", True),
    (("net:127.0.0.1",), "net.private", "127.0.0.2:80", False),
    (("net:127.0.0.1",), "net.private", "localhost:80", False),
    (("net:[::1]",), "net.private", "[::1]:80", True),
    (("net:[::1]:8080",), "net.private", "[::1]:8080", True),
    (("fs", "llm:localhost", "exec"), "net.private", "localhost:80", False),
    (("net:localhost", "!net:localhost"), "net.private", "localhost:80", False),
]


def test_a_host_that_cannot_be_spelled_is_refused() -> None:
    with pytest.raises(UsageError, match="is not the name of a host"):
        Policy("untrusted", ["!net:b\u00fc*.example"])


def test_a_private_address_must_be_named() -> None:
    check(PRIVATE)


@pytest.mark.parametrize("pattern", ["10.0.0.?", "1?.0.0.1", "localhos?", "10.0.0.[0-9]"])
def test_a_pattern_is_no_name(pattern: str) -> None:
    for resource in ("10.0.0.1:80", "localhost:80"):
        assert not allows((f"net:{pattern}",), "net.private", resource)


# Names. -------------------------------------------------------------------------------------------

NAMES: list[Case] = [
    (("llm",), "llm", "openai/gpt-6", True),
    (("llm:*",), "llm", "openai/gpt-6", True),
    (("llm:openai/*",), "llm", "openai/gpt-6", True),
    (("llm:openai/*",), "llm", "openrouter/openai/gpt-6", False),
    (("llm:*/gpt-6",), "llm", "openai/gpt-6", True),
    (("llm:openai/gpt-?",), "llm", "openai/gpt-6", True),
    (("llm:openai/gpt-6",), "llm", "openai/gpt-6-mini", False),
    (("llm:OpenAI/*",), "llm", "openai/gpt-6", False),
    (("llm:local/a:7b",), "llm", "local/a:7b", True),
    (("llm", "!llm:openai/*"), "llm", "openai/gpt-6", False),
    (("llm", "!llm:openai/*"), "llm", "local/x", True),
    (("tool:web_*",), "tool", "web_fetch", True),
    (("tool:web_*",), "tool", "file_read", False),
    (("tool:web_*", "!tool:web_post"), "tool", "web_post", False),
    (("env:HOME",), "env", "HOME", True),
    (("env:HOME",), "env", "home", False),
    (("env:HOME",), "env", "HOMES", False),
    (("env:APP_*",), "env", "APP_MODE", True),
    (("exec",), "exec", "ls", True),
    (("llm",), "tool", "web_fetch", False),
    (("tool",), "env", "HOME", False),
    (("exec",), "llm", "x/y", False),
]


def test_names() -> None:
    check(NAMES)


# Levels. ------------------------------------------------------------------------------------------

WITHIN, WITHOUT = f"{BASE}/x/y", "/home/me/.ssh/id"
LEVEL_CASES = [
    # kind, resource, the levels that allow it
    ("llm", "openai/x", {"trusted", "privileged"}),
    ("tool", "web_fetch", {"trusted", "privileged"}),
    ("net", "example.com:443", {"trusted", "privileged"}),
    ("net.private", "localhost:80", set()),
    ("net.private", "169.254.169.254:80", set()),
    ("env", "HOME", {"trusted", "privileged"}),
    ("fs.read", WITHIN, {"trusted", "privileged"}),
    ("fs.write", WITHIN, {"trusted", "privileged"}),
    ("fs.read", BASE, {"trusted", "privileged"}),
    ("fs.read", WITHOUT, {"privileged"}),
    ("fs.write", "/etc/passwd", {"privileged"}),
    ("fs.read", f"{BASE}2/x", {"privileged"}),
    ("exec", "ls", {"privileged"}),
]


@pytest.mark.parametrize(("kind", "resource", "levels"), LEVEL_CASES)
def test_levels(kind: str, resource: str, levels: set[str]) -> None:
    assert {level for level in LEVELS if Policy(level, (), BASE).allows(kind, resource)} == levels


def test_a_level_can_be_added_to_and_taken_from() -> None:
    policy = Policy("trusted", ["exec", "!env", "!fs.write:./docs/**"], BASE)
    assert policy.allows("exec", "ls")
    assert not policy.allows("env", "HOME")
    assert policy.allows("fs.read", f"{BASE}/docs/x")
    assert not policy.allows("fs.write", f"{BASE}/docs/x")
    assert policy.allows("fs.write", f"{BASE}/x")


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        Policy("root")
    assert str(caught.value) == ("'root' is not a level: use one of untrusted, trusted, privileged")


def test_any_tells_whether_a_grant_could_cover_something() -> None:
    cases: list[tuple[tuple[str, ...], str, bool]] = [
        ((), "llm", False),
        (("llm:openai/*",), "llm", True),
        (("!llm",), "llm", False),
        (("fs:/d/**",), "fs.read", True),
        (("fs:/d/**",), "fs.write", True),
        (("fs.read:/d/**",), "fs.write", False),
        (("fs.read:/d/**",), "fs.read", True),
        (("net:localhost",), "net", True),
        (("env:HOME",), "exec", False),
    ]
    found = [Policy("untrusted", grants, BASE).any(kind) for grants, kind, _ in cases]
    assert found == [wanted for _, _, wanted in cases]


def test_reaches_tells_whether_a_grant_could_cover_what_begins_so() -> None:
    policy = Policy("untrusted", ["llm:openai/*", "llm:local/m", "llm:g?mini/*", "!llm:x/*"], BASE)
    found = {name: policy.reaches("llm", f"{name}/") for name in ("openai", "local", "gemini", "x")}
    assert found == {"openai": True, "local": True, "gemini": True, "x": False}
    assert not policy.reaches("llm", "open/")
    assert not policy.reaches("net", "openai/")
    assert Policy("untrusted", ["llm"], BASE).reaches("llm", "anything/")


# Grants that cannot be read. ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "!", "x", "fs.exec:/x", "FS", "network:*", ":x", "fs .read", "net.private", "!!fs"]
)
def test_a_malformed_grant_is_refused_with_the_kinds_there_are(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Policy("trusted", [text], BASE)
    assert str(caught.value).startswith(
        f"{text!r} is not a grant: the kind must be one of "
        "fs, fs.read, fs.write, net, llm, tool, env, exec"
    )
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_after_the_colon_is_no_grant_for_all(kind: str) -> None:
    for meant in (kind, f"!{kind}"):
        with pytest.raises(UsageError) as caught:
            Policy("untrusted", [f"{meant}:"], BASE)
        told = f"'{meant}:' is not a grant: write {meant}:{RESOURCES[kind]}, or {meant} for all"
        assert str(caught.value) == told


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("net:https://api.example.com", "net:api.example.com"),
        ("net:http://127.0.0.1:8080/v1", "net:127.0.0.1:8080"),
        ("net:example.org/page", "net:example.org"),
        ("!net:https://example.org/", "!net:example.org"),
        ("net:https://", "net:HOST"),
        ("net:example.org/8", "net:example.org"),
    ],
)
def test_an_address_of_the_web_is_no_grant_for_its_host(text: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        Policy("trusted", [text], BASE)
    assert str(caught.value).endswith(f"write {meant}")


@pytest.mark.parametrize("text", ["net:10.0.0.0/8", "!net:10.0.0.0/8", "!net:[fc00::]/7"])
def test_a_range_of_addresses_is_no_grant_for_its_first(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Policy("trusted", [text], BASE)
    assert str(caught.value).endswith("it names a range of addresses, not a host; name each")


@pytest.mark.parametrize("wrong", [{"allow": None}, {"allow": 5}, {"level": []}], ids=str)
def test_what_is_no_grants_and_no_level(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"must be a list of grants|is not a level"):
        Policy(**{"level": "trusted", **wrong})


def test_grants_are_read_once() -> None:
    assert Grant.parse("!fs.read:./a/", BASE) == Grant("fs.read", f"{BASE}/a/**", deny=True)
    assert Grant.parse("net", BASE) == Grant("net", "*")
    assert Grant.parse("fs", BASE) == Grant("fs", "/**")
    assert Grant.parse("llm:a/b:c", BASE) == Grant("llm", "a/b:c")


def test_every_kind_is_told_and_every_level_made_of_them() -> None:
    assert all(KINDS.values())
    assert RESOURCES.keys() == KINDS.keys()
    for texts in LEVELS.values():
        for text in texts:
            Grant.parse(text, BASE)


# What a person reads. -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "resource", "said"),
    [
        ("llm", "openai/x", "no grant for llm:openai/x; allow it with --allow llm:openai/x"),
        (
            "fs.read",
            f"{BASE}/a/b",
            "no grant for fs.read:./a/b; allow it with --allow fs.read:./a/b",
        ),
        ("fs.read", "/etc/x", "no grant for fs.read:/etc/x; allow it with --allow fs.read:/etc/x"),
        (
            "net.private",
            "localhost:80",
            "localhost:80 is not a public address; allow it by name with --allow net:localhost:80",
        ),
    ],
)
def test_a_denial_says_which_grant_would_allow_it(kind: str, resource: str, said: str) -> None:
    with pytest.raises(Denied) as caught:
        Policy("untrusted", (), BASE).demand(kind, resource)
    assert str(caught.value) == said
    assert (caught.value.code, caught.value.exit_code) == ("denied", 6)


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("llm", "openai/gpt-6"),
        ("env", "HOME"),
        ("tool", "web_fetch"),
        ("net", "example.com:443"),
        ("net", "[2001:db8::1]:443"),
        ("net.private", "localhost:8080"),
        ("net.private", "127.0.0.1:80"),
        ("net.private", "[::1]:8080"),
        ("fs.read", f"{BASE}/a/b"),
        ("fs.write", f"{BASE}/a b/c"),
        ("fs.read", "/etc/passwd"),
        ("fs.read", BASE),
    ],
)
def test_the_grant_a_denial_names_does_allow_it(kind: str, resource: str) -> None:
    with pytest.raises(Denied) as caught:
        Policy("untrusted", (), BASE).demand(kind, resource)
    grant = caught.value.message.partition("--allow ")[2]
    Policy("untrusted", [grant], BASE).demand(kind, resource)
    assert not allows((grant,), kind, resource + "x")


def test_a_denial_may_know_the_kind_only() -> None:
    assert str(denial("fs.read")) == "no grant for fs.read; allow it with --allow fs.read:PATH"


def test_what_is_allowed_is_not_refused() -> None:
    Policy("untrusted", ["llm"], BASE).demand("llm", "a/b")
