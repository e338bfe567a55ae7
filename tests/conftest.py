"""A machine without keys, configuration or model server, and the command as a user starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings

from llmspell.host.llm.kinds import KINDS
from llmspell.testing.servers import ModelServer

PATIENCE = 60.0
"""Seconds a command may take: a bound against hanging, not a measurement."""

# A run that fails by chance accuses whoever changed something else; --hypothesis-profile=default
# has other examples each time.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")

NOT_OURS = {name for kind in KINDS.values() for name in (*kind.keys, *kind.base_urls)} | {
    # proxies, which no loopback address must go through, and what changes how Python prints
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "PYTHONUNBUFFERED", "PYTHONWARNINGS"),
    *("PYTHONIOENCODING", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "XDG_CONFIG_DIRS"),
}


@pytest.fixture(scope="session", autouse=True)
def bare_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No key, no configuration, an empty home; an Ollama is looked for where nothing listens."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            own = name.upper().startswith("LLMSPELL_") or name.upper().endswith("_API_KEY")
            if own or name.upper() in NOT_OURS:
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
        patch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
        patch.setenv("OLLAMA_HOST", "127.0.0.1:1")
        yield


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """A connection to anything but this machine fails the test that opens it."""
    connect = socket.socket.connect

    def checked(own: socket.socket, address: Any) -> None:
        if own.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            if not (host.startswith("127.") or host in ("::1", "localhost")):
                pytest.fail(f"a test talks to {host}")
        connect(own, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", checked)
        yield


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()


class Command:
    """Runs `llmspell` in a folder. A traceback on stderr fails every test but those of --debug."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env: dict[str, str] = {}
        self._started: list[subprocess.Popen[bytes]] = []

    def write(self, source: str, name: str = "spell.lua") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        return path

    def configure(self, text: str) -> None:
        """Makes `text` the configuration file that $LLMSPELL_CONFIG names."""
        self.env["LLMSPELL_CONFIG"] = str(self.write(text, "given/config.toml"))

    def spell(self, source: str, *flags: str, **more: Any) -> Done:
        """Writes spell.lua and runs it."""
        self.write(source)
        return self("run", "spell.lua", *flags, **more)

    def __call__(
        self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "llmspell", *args],
            cwd=self.folder,
            env={**os.environ, **self.env, **(env or {})},
            input=stdin,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        return self.checked(Done(done.returncode, done.stdout, done.stderr.decode()), args)

    def start(self, *args: str, **more: Any) -> subprocess.Popen[bytes]:
        """Starts the command with pipes; whatever is left of it ends with the test."""
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(
            [sys.executable, "-m", "llmspell", *args],
            cwd=self.folder,
            env={**os.environ, **self.env},
            **(pipes | more),
        )
        self._started.append(process)
        return process

    def finish(self, process: subprocess.Popen[bytes]) -> Done:
        """Waits for a started command. What was read of its pipes before is not in the result."""
        out, err = process.communicate(timeout=PATIENCE)
        return self.checked(Done(process.returncode, out or b"", (err or b"").decode()), ())

    @staticmethod
    def checked(done: Done, args: tuple[str, ...]) -> Done:
        if "--debug" not in args:
            assert "Traceback" not in done.err, done.err
            assert "Exception ignored" not in done.err, done.err
            assert "RuntimeWarning" not in done.err, done.err
        return done

    def close(self) -> None:
        for process in self._started:
            with suppress(ProcessLookupError):
                process.kill()
            with suppress(ValueError, OSError):  # a pipe may be closed already
                process.communicate(timeout=PATIENCE)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Command]:
    command = Command(tmp_path)
    yield command
    command.close()


@pytest.fixture(scope="session")
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture
def local(cli: Command, server: ModelServer) -> ModelServer:
    """The model server, as the provider `local` of the command's configuration."""
    cli.configure(f'[providers.local]\nkind = "openai_compatible"\nbase_url = "{server.url}/v1"\n')
    return server
