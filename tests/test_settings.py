"""The configuration file, `.env`, and what is kept secret."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmspell.errors import ConfigError, Denied
from llmspell.host.settings import Environment, ProviderSettings, Settings

FULL = """
model = "openai/gpt-6-luna"
level = "trusted"
allow = ["net:example.com", "!fs:./private/**"]
timeout = 60

[limits]
tokens = 1000
time = "30s"

[providers.local]
kind = "openai_compatible"
base_url = "http://localhost:8080/v1"
api_key_env = "LOCAL_KEY"

[providers.openai]
base_url = "https://gateway.example.com/v1"
"""


def load(folder: Path, text: str) -> Settings:
    (folder / "llmspell.toml").write_text(text)
    return Settings.load({"LLMSPELL_CONFIG": "llmspell.toml"}, folder)


def test_no_file_means_defaults(tmp_path: Path) -> None:
    assert Settings.load({"HOME": str(tmp_path)}, tmp_path) == Settings()


def test_every_key_is_read(tmp_path: Path) -> None:
    settings = load(tmp_path, FULL)
    assert settings.model == "openai/gpt-6-luna"
    assert settings.level == "trusted"
    assert settings.allow == ("net:example.com", "!fs:./private/**")
    assert settings.timeout == 60.0
    assert settings.limits == {"tokens": 1000, "time": "30s"}
    assert settings.providers == {
        "local": ProviderSettings("openai_compatible", "http://localhost:8080/v1", "LOCAL_KEY"),
        "openai": ProviderSettings("openai", "https://gateway.example.com/v1"),
    }
    assert settings.key_names == ("LOCAL_KEY",)
    assert settings.file == str(tmp_path / "llmspell.toml")


def test_the_nearest_file_wins(tmp_path: Path) -> None:
    def put(path: Path, model: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'model = "{model}"')
        return path

    cwd = tmp_path / "cwd"
    cwd.mkdir()
    environ = {"HOME": str(tmp_path)}
    put(tmp_path / ".config/llmspell/config.toml", "home")
    assert Settings.load(environ, cwd).model == "home"
    put(tmp_path / "xdg/llmspell/config.toml", "xdg")
    environ["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert Settings.load(environ, cwd).model == "xdg"
    put(cwd / "llmspell.toml", "here")
    assert Settings.load(environ, cwd).model == "here"
    environ["LLMSPELL_CONFIG"] = str(put(tmp_path / "named.toml", "named"))
    assert Settings.load(environ, cwd).model == "named"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('\nmodle = "x"', (":2: modle is not known", "did you mean model?")),
        ("model = 3", (":1: model must be a string", "got 3")),
        ("timeout = true", (":1: timeout must be a number of seconds",)),
        ("timeout = 0", ("timeout must be above 0",)),
        ('level = "trustd"', ("level must be one of", "did you mean trusted?")),
        ("allow = [3]", ("allow must be a list of strings",)),
        ('allow = ["nett:x"]', ("allow is wrong", "'nett:x' is not a grant")),
        ("[limits]\ntokns = 3", (":2: limits.tokns is not known", "did you mean tokens?")),
        ('[limits]\n\ntokens = "many"', (":3: limits.tokens is wrong", "'many'")),
        ("providers = 3", ("providers must be a table",)),
        ("[providers]\nlocal = 3", (":2: providers.local must be a table",)),
        ('[providers.x]\nkind = "opnai"', (":2: providers.x.kind", "did you mean openai?")),
        ("[providers.x]\n", (":1: providers.x.kind must be one of",)),
        ('[providers."a/b"]\nkind = "openai"', ("a/b has a name that is not",)),
        ('[providers.x]\nkind = "openai_compatible"', ("providers.x.base_url is missing",)),
        ('[providers.openai]\nbase_url = "x"', (":2: providers.openai.base_url must begin",)),
        ('[providers.openai]\napi_key = "sk-1"', ("api_key_env",)),
        ("model = \nx = 1", ("is not valid TOML", "line 1")),
    ],
)
def test_mistakes_name_file_line_and_key(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "llmspell.toml") in caught.value.message
    for part in parts:
        assert part in caught.value.message
    assert "sk-1" not in caught.value.message


HERE = "a file in the current folder may come from somebody else"


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ('model = "x"\nallow = ["fs:/**"]', ":2", "allow"),
        ("allow = []", ":1", "allow"),
        ('level = "privileged"', ":1", "level"),
        ('level = "untrusted"', ":1", "level"),
        ('[providers.openai]\nbase_url = "https://x.example"', ":1", "providers"),
        ('\n["providers"."openai"]\nbase_url = "https://x.example"', ":2", "providers"),
        ('providers.openai.base_url = "https://x.example"', "", "providers"),
        ("[providers]", ":1", "providers"),
    ],
)
def test_a_file_in_the_current_folder_gives_no_power(
    tmp_path: Path, text: str, line: str, key: str
) -> None:
    """Nor does a link to such a file. The same text is fine where the user said to read it."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "real.toml").write_text(text)
    here = folder / "llmspell.toml"
    here.symlink_to("real.toml")
    own = tmp_path / ".config/llmspell/config.toml"
    with pytest.raises(ConfigError) as caught:
        Settings.load({"HOME": str(tmp_path)}, folder)
    told = f"{key} can only be set in {own} or a file named by LLMSPELL_CONFIG: {HERE}"
    assert caught.value.message == f"{here}{line}: {told}"
    named = Settings.load({"LLMSPELL_CONFIG": "./llmspell.toml"}, folder)
    own.parent.mkdir(parents=True)
    own.write_text(text)
    here.unlink()
    assert Settings.load({"HOME": str(tmp_path)}, folder) == named._replace(file=str(own))


def test_a_file_in_the_current_folder_hides_no_restriction(tmp_path: Path) -> None:
    """The rest of it counts as before; what it may not say is what the user's own file says."""
    own = tmp_path / "xdg/llmspell/config.toml"
    own.parent.mkdir(parents=True)
    own.write_text(
        'model = "own"\nlevel = "untrusted"\nallow = ["!net:x"]\n[limits]\ncalls = 3\n'
        '[providers.openai]\nbase_url = "https://gateway.example.com"'
    )
    here = tmp_path / "llmspell.toml"
    here.write_text('model = "here"\ntimeout = 5\n[limits]\ntokens = 7\ncalls = 99')
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    settings = Settings.load(environ, tmp_path)
    assert settings == Settings(
        model="here",
        providers={"openai": ProviderSettings("openai", "https://gateway.example.com")},
        allow=("!net:x",),
        level="untrusted",
        limits={"tokens": 7, "calls": 3},
        timeout=5.0,
        file=str(here),
    )
    own.unlink()
    alone = Settings(model="here", limits={"tokens": 7, "calls": 99}, timeout=5.0, file=str(here))
    assert Settings.load(environ, str(tmp_path)) == alone


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml: cannot be read"):
        Settings.load({"LLMSPELL_CONFIG": "missing.toml"}, tmp_path)
    (tmp_path / "llmspell.toml").write_bytes(b'model = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8"):
        Settings.load({}, tmp_path)


def test_the_process_wins_over_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\nC='${A} x'\n# no\nEMPTY\nexport D=4\n")
    environment = Environment({"A": "process"}, tmp_path)
    assert environment.get("A") == "process"
    assert environment.get("B") == "file"
    assert environment.get("C") == "${A} x"
    assert environment.get("D") == "4"
    assert environment.get("EMPTY") is None
    assert environment.get("MISSING") is None


def test_what_only_dotenv_says_is_known(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\nE=file\nBARE\n")
    environment = Environment({"A": "process", "C": "process", "E": ""}, str(tmp_path))
    asked = {name: environment.in_dotenv(name) for name in ("A", "B", "C", "E", "MISSING")}
    assert [name for name, found in asked.items() if found] == ["B"]
    assert environment.get("E") is None


def test_an_unreadable_dotenv_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")
    with pytest.raises(ConfigError, match=r"\.env: cannot be read"):
        Environment({}, tmp_path)


def test_dotenv_is_imported_only_when_there_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dotenv", None)
    assert Environment({"A": "1"}, tmp_path).get("A") == "1"


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "github_token", "MY_SECRET", "DB_PASSWORD", "PASSWD", "AWS_CREDENTIALS",
     "HTTP_AUTH", "AUTHORIZATION", "ODD"],
)  # fmt: skip
def test_scripts_cannot_read_secrets(name: str) -> None:
    environment = Environment({name: "value"}, also_secret=["ODD"])
    with pytest.raises(Denied, match=name) as caught:
        environment.public(name)
    assert "value" not in str(caught.value)
    assert environment.get(name) == "value"


@pytest.mark.parametrize("name", ["HOME", "PATH", "GIT_AUTHOR_NAME", "LANG"])
def test_scripts_can_read_the_rest(name: str) -> None:
    assert Environment({name: "value"}).public(name) == "value"
    assert Environment({}).public(name) is None


def test_secret_values_are_redacted() -> None:
    environment = Environment(
        {
            "A_KEY": "sk-12345678",
            "B_KEY": "sk-12345678-long",
            "C_KEY": "short",
            "HOME": "/home/me12",
        }
    )
    text = "sk-12345678-long and sk-12345678, not short, not /home/me1"
    assert environment.redact(text) == "*** and ***, not short, not /home/me1"
    assert "sk-" not in repr(environment)


def test_redaction_is_fast_when_there_is_nothing_to_hide() -> None:
    environment = Environment({f"KEY_{n}": f"secret-value-{n}" for n in range(20)})
    text = "an ordinary line of output, nothing to see here. " * 20_000
    begin = time.perf_counter()
    assert environment.redact(text) is text
    assert time.perf_counter() - begin < 0.5


def test_importing_is_cheap() -> None:
    """Every command imports settings, and the bridges import messages."""
    code = (
        "import sys; before = set(sys.modules); import llmspell.host.settings\n"
        "slow = {'dataclasses', 'inspect', 'asyncio', 'tomllib', 'dotenv', 'pathlib'}\n"
        "print(slow & (set(sys.modules) - before))\n"
        "import llmspell.host.llm.messages\n"
        "print({'asyncio', 'pydantic_ai', 'dotenv'} & (set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.split() == ["set()", "set()"]
