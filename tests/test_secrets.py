"""Secrets: which variables hold one, that no value shows itself, and that text is free of them."""

from __future__ import annotations

import copy
import json
import pickle
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmspell
from llmspell.errors import Denied
from llmspell.host.secrets import Filter, Secret, is_secret, passwords
from llmspell.host.settings import Environment
from llmspell.values import decode, encode

SECRET_NAMES = [
    "OPENAI_API_KEY", "github_token", "MY_SECRET", "DB_PASSWORD", "PASSWD", "AWS_CREDENTIALS",
    "HTTP_AUTH", "AUTHORIZATION", "DB_PASS", "PGPASS", "SSH_PASSPHRASE", "MYSQL_PWD", "SENTRY_DSN",
    "GH_PAT", "SESSION_COOKIE", "SLACK_WEBHOOK_URL", "AZURE_CONNECTION_STRING", "PASS", "JWT",
]  # fmt: skip
HARMLESS_NAMES = [
    "HOME", "PATH", "PWD", "OLDPWD", "GIT_AUTHOR_NAME", "AUTHOR", "LANG", "COMPASS", "NO_BYPASS",
    "PATTERN", "PASSENGERS", "XDG_SESSION_ID", "",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)
    with pytest.raises(Denied, match="looks like a secret"):
        Environment({name: "value"}).public(name)
    with pytest.raises(Denied, match="looks like a secret"):
        Environment({}).public(name)


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_names_of_what_is_none(name: str) -> None:
    assert not is_secret(name, "value")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("postgres://user:p4ssw0rd@host:5432/db", ["p4ssw0rd"]),
        ("redis://:p4ssw0rd@host", ["p4ssw0rd"]),
        ("http://a:one@x/,http://b:two@y/", ["one", "two"]),
        ("https://user:p@ss@host/", ["p@ss"]),
        ("https://host:8080/a@b:c", []),
        ("https://user@host/", []),
        ("https://host/?q=u:p@x", []),
        ("user:pass@host", []),
        ("", []),
    ],
)
def test_passwords_in_urls(value: str, found: list[str]) -> None:
    assert list(passwords(value)) == found
    assert is_secret("DATABASE_URL", value) is bool(found)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret("sk-12345678")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>20}", repr([secret])]
    assert all("sk-" not in text for text in shown)
    assert shown[0] == "***"
    assert secret.reveal() == "sk-12345678"
    assert not hasattr(secret, "__dict__")
    assert secret != Secret("sk-12345678"), "comparing would tell"
    for write in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            write(secret)
    environment = Environment({"A_KEY": "sk-12345678", "HOME": "/root"})
    assert "sk-" not in f"{environment!r}{vars(environment)!r}{vars(environment.filter)!r}"


def test_the_filter_reaches_into_data() -> None:
    hide = Filter([Secret("sk-12345678"), Secret('odd"\\value'), Secret("short"), Secret("")])
    data = {"a sk-12345678": ["x", {"b": "sk-12345678!"}, b"\0sk-12345678", 1, None, True]}
    assert hide.data(data) == {"a ***": ["x", {"b": "***!"}, b"\0***", 1, None, True]}
    assert hide.text(json.dumps({"a": 'odd"\\value'})) == '{"a": "***"}'
    assert hide.text("short") == "short"
    untouched = {"a": [1]}
    assert Filter([]).data(untouched) is untouched


def test_a_password_is_hidden_without_its_url() -> None:
    hide = Environment({"DATABASE_URL": "postgres://user:p4ssw0rd@host/db"}).filter
    assert hide.text("postgres://user:p4ssw0rd@host/db or p4ssw0rd") == "*** or ***"


@given(st.lists(st.text(min_size=8, max_size=20), max_size=5), st.text(max_size=50))
def test_no_secret_is_left(secrets: list[str], text: str) -> None:
    hide = Filter(map(Secret, secrets))
    told = hide.text(text.join(secrets) + text)
    # The stars themselves may make up a secret of stars.
    assert not any(secret in told for secret in secrets if "*" not in secret)


SECRETS = st.text(min_size=8, max_size=20).filter(lambda text: "*" not in text)


@given(st.lists(SECRETS, max_size=5), st.binary(max_size=20))
def test_no_secret_is_left_in_bytes(secrets: list[str], start: bytes) -> None:
    hide = Filter(map(Secret, secrets))
    value = start + b"\xff".join(map(str.encode, secrets)) + b"\xff"
    for told in (hide.data(value), decode(hide.text(encode([value]).decode()).encode())[0]):
        assert not any(secret.encode() in told for secret in secrets)


def test_what_is_no_secret_in_bytes_stays() -> None:
    value = [b"\xffsk-12345678\0", b"\xff", "sk-12345678", {"a": b"\x80sk-1234567"}]
    told = Filter([Secret("sk-12345678")]).text(encode(value).decode())
    assert decode(told.encode()) == [b"\xff***\0", b"\xff", "***", {"a": b"\x80sk-1234567"}]


def test_a_variable_that_is_no_text_is_hidden() -> None:
    value = b"\xff\xfesecret"
    hide = Filter([Secret(value.decode(errors="surrogateescape"))])
    assert hide.data([b"\0" + value]) == [b"\0***"]
    assert hide.text(encode(b"\0" + value).decode()) == encode(b"\0***").decode()


@pytest.mark.parametrize(
    ("engine", "source"),
    [
        ("lua54", "return {'\\255sk-12345678'}"),
        ("lua55", "return {'\\255sk-12345678'}"),
        ("luajit", "return {'\\255sk-12345678'}"),
        ("javascript", "export default [Uint8Array.from('\xffsk-12345678', c => c.charCodeAt())]"),
        ("tengo", "export [bytes(\"\\xffsk-12345678\")]"),
    ],
)  # fmt: skip
def test_a_result_of_bytes_shows_no_secret(
    engine: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "sk-12345678")
    assert llmspell.run_sync(source, engine=engine).value == [b"\xff***"]


def test_a_recording_of_bytes_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "sk-12345678")
    source, kept = "return crypto.hash('\\255sk-12345678')", tmp_path / "calls"
    value = llmspell.Session(record=kept).run_sync(source).value
    told = kept.read_text()
    assert "crypto.hash" in told
    assert b"sk-12345678".hex() not in told
    assert llmspell.Session(replay=kept).run_sync(source).value == value


def test_filtering_is_fast_when_there_is_nothing_to_hide() -> None:
    hide = Filter(Secret(f"secret-value-{n}") for n in range(20))
    text = "an ordinary line of output, nothing to see here. " * 20_000
    begin = time.perf_counter()
    assert hide.text(text) is text
    assert time.perf_counter() - begin < 0.5
