"""`make docs`: writes what is derived from the declarations, each file in its place.

So is what a library knows and a locked down worker cannot ask it for.

Run in a checkout. `--check` writes nothing and fails when a file is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..runtime.catalogue import SURFACE, surface_text
from ..tengo import FOLDER
from . import luals, markdown, parity, typescript, unicode


def files() -> dict[Path, str]:
    """Every generated file and what it must hold."""
    root = Path(__file__).parents[3]
    return {
        Path(SURFACE): surface_text(),
        Path(FOLDER) / "characters.lua": unicode.table(),
        root / "docs" / "reference.md": markdown.page(),
        root / "docs" / "parity.md": parity.page(),
        root / "docs" / "stubs" / "llmspell.lua": luals.stubs(),
        root / "docs" / "stubs" / "llmspell.d.ts": typescript.declarations(),
    }


def main() -> int:
    """Writes or checks; gives the exit code."""
    stale = []
    for path, text in files().items():
        if not path.is_file() or path.read_text() != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    if stale:
        sys.stdout.write(f"{'stale' if '--check' in sys.argv else 'wrote'}: {', '.join(stale)}\n")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
