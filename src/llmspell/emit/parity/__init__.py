"""What became of every name of go-llmspell: a page made of the tables in this folder.

A table is a bridge or a module of scripts there. Each of its names is given one of

    setProvider = "llm.set_defaults"              what does it here; several in a list
    runAgentAsync = {language = "async(f)"}       what the languages themselves have for it
    getTokenFromPool = {absent = "why"}           what is not here

and every capability that is named must exist.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from ...errors import near_miss
from ...runtime.catalogue import CATALOGUE
from ..markdown import link

INTRODUCTION = """# Names of go-llmspell

Written by `make docs`; a test checks that it is fresh and that every function named here exists.
Where go-llmspell had several names for one thing, there is one here.
"""


class ParityError(ValueError):
    """A table names what does not exist, or says nothing."""


def page() -> str:
    """The whole page. Raises ParityError, listing every wrong entry."""
    out, wrong = [INTRODUCTION], list[str]()
    for title, entries in tables():
        out.append(f"## {title}\n\n| there | here |\n|---|---|")
        for name, told in entries.items():
            try:
                out.append(f"| `{name}` | {_here(told)} |")
            except ParityError as error:
                wrong.append(f"{title}.{name}: {error}")
        out.append("")
    if wrong:
        raise ParityError("; ".join(wrong))
    return "\n".join(out).rstrip() + "\n"


def tables() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every table of the folder: its title, and its names."""
    for file in sorted(files(__package__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            yield from tomllib.loads(file.read_text("utf-8")).items()


def _here(told: Any) -> str:
    match told:
        case {"absent": str(why), **rest} if why and not rest:
            return f"not here: {why}"
        case {"language": str(what), **rest} if what and not rest:
            return what
        case str():
            return _capability(told)
        case [_, *_]:
            return ", ".join(map(_capability, told))
    raise ParityError("says nothing")


def _capability(name: Any) -> str:
    if name not in CATALOGUE:
        raise ParityError(f"{name} does not exist{near_miss(str(name), CATALOGUE)}")
    return link(CATALOGUE[name])
