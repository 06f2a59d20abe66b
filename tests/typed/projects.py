"""Projects of a user's: modules in a folder of their own, checked with the plugin.

What mypy knows of the library is worked out once for all of them, and copied.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.typed.checkers import PLUGIN, ROOT

_CONFIG = f"""[mypy]
strict = true
allow_redefinition = true
python_version = 3.11
plugins = {PLUGIN}
[mypy-verax.*]
follow_imports = silent
[mypy-jaxlib.*,scipy.*,ml_dtypes.*]
ignore_missing_imports = true
follow_imports = skip
"""
LIMIT_S = 240


class Project:
    """Modules in a folder.

    Attributes:
        base: a folder whose cache has the library; None to begin without any.
    """

    def __init__(self, folder: Path, base: Path | None, sources: Mapping[str, str]) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.base = folder, base
        (folder / "mypy.ini").write_text(_CONFIG)
        if base is not None:
            shutil.copytree(base / ".mypy_cache", folder / ".mypy_cache")
        self.write(sources)

    def write(self, sources: Mapping[str, str]) -> None:
        """Write modules, or write them anew."""
        for name, source in sources.items():
            path = self.folder / f"{name}.py"
            last = path.stat().st_mtime if path.exists() else 0.0
            path.write_text(textwrap.dedent(source))
            # mypy takes a file of the same size, written in the same second, to be as it was.
            now = max(path.stat().st_mtime, last + 1.0)
            os.utime(path, (now, now))

    def cold(self, folder: Path) -> Project:
        """The same modules where none of them was checked before."""
        files = sorted(self.folder.glob("*.py"))
        return Project(folder, self.base, {f.stem: f.read_text() for f in files})

    def run(self, *command: str, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
        """A Python command in the folder; as users have it, bytecode is cached."""
        env = dict(os.environ, PYTHONPATH=str(ROOT), MYPYPATH=str(ROOT))
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        env["PYTHONPYCACHEPREFIX"] = str((self.base or self.folder) / "bytecode")
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=limit_s,
        )  # fmt: skip

    def files(self) -> Sequence[str]:
        return sorted(f.name for f in self.folder.glob("*.py"))

    def check(self, *options: str) -> list[str]:
        """What mypy says, a line each."""
        done = self.run("-m", "mypy", *options, *self.files())
        assert done.returncode in (0, 1, 2), done.stderr
        assert not done.stderr, done.stderr
        return said(done.stdout)


def said(text: str) -> list[str]:
    """The lines about modules, in order, without the full names of verax's classes."""
    assert "INTERNAL ERROR" not in text, text
    for name in ("lang.array.", "lang.typing.", "lang.key."):
        text = text.replace(f"verax.dsl.{name}", "")
    text = text.replace("verax.compiler.ir.dtypes.", "")
    return sorted(line for line in text.splitlines() if ".py:" in line)
