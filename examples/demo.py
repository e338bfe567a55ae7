"""`make demo`: runs report.lua on our own design document and shows what it wrote."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Runs the spell; gives its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder).resolve() / "report.md"
        command = [
            str(Path(sys.executable).with_name("llmspell")),
            "run",
            "examples/report.lua",
            *("-p", "document=docs/design.md", "-p", f"report={report}"),
            *("--allow", f"fs.write:{report}"),
        ]
        sys.stdout.write("$ llmspell run examples/report.lua -p document=docs/design.md ...\n")
        sys.stdout.flush()
        done = subprocess.run(command, cwd=ROOT, check=False)
        if done.returncode == 0:
            sys.stdout.write(f"\n--- the report ---\n{report.read_text()}")
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
