"""Where `require` and `import` find their source: what the caller gave, then files of the spell.

    name.lua   name/init.lua   lib/name.lua   lib/name/init.lua      (a dot in a name is a folder)

The file of a folder may be called index as well, which comes after init.

A run sees one version of each module. What the session has met before is looked at when the run
begins, and that version is used however late the run asks for it; anything else is read when it is
first asked for. So a changed file is used by the next run, never in the middle of one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BadArgument, CapabilityError, Denied, FileNotFound
from ..host.sources import Sources, Stamp

if TYPE_CHECKING:
    from ..host.files.files import Files

MAX_NAMES = 256
"""Modules of one folder that are looked at when a run begins."""

MAX_FOLDERS = 64


class Module(NamedTuple):
    """A module: its text, the name errors show, and the files that were looked for before."""

    source: str
    name: str
    path: str = ""
    absent: tuple[str, ...] = ()


class Modules:
    """The modules of a session: remembers which have been found, folder by folder."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._met: dict[tuple[str, tuple[str, ...]], dict[str, Module]] = {}

    def view(self, given: Mapping[str, str], folder: str | None, suffixes: tuple[str, ...]) -> View:
        """What one run sees, from now on."""
        if folder is None:
            return View(given, None, {})
        home = Folder(folder, suffixes, self._sources)
        met = self._met.setdefault((folder, suffixes), {})
        while len(self._met) > MAX_FOLDERS:
            del self._met[next(iter(self._met))]
        for name, module in list(met.items()):
            if not home.is_current(module):
                del met[name]
                # One that cannot be read fails where it is required.
                if (found := home.try_find(name)) is not None:
                    met[name] = found
        return View(given, home, met)


class View:
    """The modules of one run: each is one text, from its beginning to its end."""

    def __init__(
        self, given: Mapping[str, str], folder: Folder | None, met: dict[str, Module]
    ) -> None:
        self._given = given
        self._folder = folder
        self._met = met
        self._seen = dict(met)

    def find(self, name: str) -> Module | None:
        """The module called `name`, or None. Raises CapabilityError where it cannot be read."""
        given = self._given.get(name)
        if given is not None:
            return Module(given, name)
        if name not in self._seen and self._folder is not None:
            found = self._folder.find(name)
            if found is None:
                return None
            self._seen[name] = self._met[name] = found
            if len(self._met) > MAX_NAMES:
                del self._met[next(iter(self._met))]
        return self._seen.get(name)


class Folder:
    """The folder of a spell, which its modules cannot lead out of."""

    def __init__(self, path: str, suffixes: tuple[str, ...], sources: Sources) -> None:
        self._path = path
        self._suffixes = suffixes
        self._sources = sources

    @cached_property
    def _files(self) -> Files:
        from pathlib import Path

        from ..host.files.files import Files

        return Files(Path(self._path), self._demand)

    def _demand(self, kind: str, path: str) -> None:
        if kind != "fs.read" or not path.startswith(self._path.rstrip(os.sep) + os.sep):
            raise Denied(f"modules are read from the spell's own folder only, not from {path}")

    def find(self, name: str) -> Module | None:
        """The first file there is for this name."""
        absent: list[str] = []
        for relative in self._candidates(name):
            look = partial(self._look, relative)
            try:
                source = self._sources.text(
                    os.path.join(self._path, relative), look, partial(self._files.read, relative)
                )
            except FileNotFound:
                absent.append(relative)
            except UnicodeDecodeError:
                raise BadArgument(f"cannot load module {name}: {relative} is not UTF-8") from None
            else:
                return Module(source, relative, relative, tuple(absent))
        return None

    def try_find(self, name: str) -> Module | None:
        """`find`, with None for what cannot be read."""
        try:
            return self.find(name)
        except CapabilityError:
            return None

    def is_current(self, module: Module) -> bool:
        """Whether finding it again would surely give the same. Only looks, so it needs no jail."""
        join = partial(os.path.join, self._path)
        return self._sources.is_current(join(module.path)) and not any(
            os.path.lexists(join(path)) for path in module.absent
        )

    def _look(self, relative: str) -> Stamp:
        stamp = self._files.stamp(relative)
        if stamp is None:
            raise FileNotFound(f"{relative} does not exist")
        return stamp

    def _candidates(self, name: str) -> Iterator[str]:
        if not name or ".." in name or name.startswith("/"):
            return
        path = name.replace(".", "/")
        for suffix in self._suffixes:
            for start in ("", "lib/"):
                yield f"{start}{path}{suffix}"
                yield f"{start}{path}/init{suffix}"
                yield f"{start}{path}/index{suffix}"
