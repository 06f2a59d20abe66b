"""mypy and pyright as subprocesses, on files that the project's own run leaves out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tests.typed.score import Error, errors_in

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "typed"
PLUGIN = "verax.dsl.typing.plugin"
BUGS = sorted((HERE / "bugs").glob("*.py"))
CORRECT = sorted((HERE / "correct").glob("*.py"))

_MYPY = """[mypy]
strict = true
python_version = 3.11
namespace_packages = true
explicit_package_bases = true
mypy_path = {paths}
cache_dir = {cache}
allow_redefinition = true
{plugins}
[mypy-jaxlib.*,scipy.*,sklearn.*,matplotlib.*,ml_dtypes.*]
ignore_missing_imports = true
follow_imports = skip
"""
_PYRIGHT = """{{"include": [{files}], "typeCheckingMode": "{mode}", "pythonVersion": "3.11",
"extraPaths": ["{root}"], "venvPath": "{root}", "venv": ".venv"}}
"""


class CheckerFailed(Exception):
    """A checker stopped before it had checked."""


def mypy(
    files: Sequence[Path],
    scratch: Path,
    *,
    plugin: bool,
    library: Path | None = None,
    options: Sequence[str] = (),
) -> list[Error]:
    """The errors of one run of ``mypy --strict`` over all files; see ``mypy_text``."""
    return errors_in(mypy_text(files, scratch, plugin=plugin, library=library, options=options))


def mypy_text(
    files: Sequence[Path],
    scratch: Path,
    *,
    plugin: bool,
    library: Path | None = None,
    unknown_shapes: bool = False,
    options: Sequence[str] = (),
) -> str:
    """What one run of ``mypy --strict`` over all files says.

    Args:
        scratch: an empty folder, or one that earlier runs left their cache in.
        plugin: whether the plugin of the library is on.
        library: a folder whose cache to begin with; see ``conftest``.
        unknown_shapes: whether the plugin notes where a shape is not known.
    """
    config = scratch / ("plugin.ini" if plugin else "plain.ini")
    bases = {str(ROOT), *(str(f.parent) for f in files if ROOT not in f.parents)}
    plugins = f"plugins = {PLUGIN}" if plugin else ""
    cache = scratch / f"cache-{config.stem}"
    if library is not None and not cache.exists():
        shutil.copytree(library / ".mypy_cache", cache)
    text = _MYPY.format(paths=":".join(sorted(bases)), cache=cache, plugins=plugins)
    config.write_text(text + ("[verax-mypy]\nunknown_shapes = true\n" if unknown_shapes else ""))
    command = [sys.executable, "-m", "mypy", "--config-file", config, *options, *files]
    done = subprocess.run(
        [str(x) for x in command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1) or "INTERNAL ERROR" in done.stdout + done.stderr:
        raise CheckerFailed(done.stdout[-2000:] + done.stderr[-4000:])
    return done.stdout


def pyright(
    files: Sequence[Path], scratch: Path, mode: Literal["basic", "strict"] = "basic"
) -> list[Error]:
    """The errors of one run of pyright over all files; see ``pyright_text``."""
    return errors_in(pyright_text(files, scratch, mode))


def pyright_text(
    files: Sequence[Path], scratch: Path, mode: Literal["basic", "strict"] = "basic"
) -> str:
    """What one run of pyright over all files says."""
    config = scratch / "pyrightconfig.json"
    names = ", ".join(f'"{os.path.relpath(f, scratch)}"' for f in files)
    config.write_text(_PYRIGHT.format(files=names, mode=mode, root=ROOT))
    command = [str(Path(sys.executable).parent / "pyright"), "-p", str(config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise CheckerFailed(done.stdout[-2000:] + done.stderr[-4000:])
    return done.stdout
