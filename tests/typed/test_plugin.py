"""What the plugin says, whole: types and messages, compared with the texts beside the sources.

UPDATE_GOLDEN=1 writes the texts anew; read the difference before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.typed.checkers import HERE, mypy_text

FOLDER = HERE / "plugin"
FILES = sorted(FOLDER.glob("*.py"))
SHORT = (
    "verax.dsl.lang.array.",
    "verax.dsl.lang.typing.",
    "verax.compiler.ir.dtypes.",
    "verax.dsl.lang.key.",
    "tests.typed.plugin.",
)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, library: Path) -> dict[str, str]:
    """Per file what mypy says of it: one run for all."""
    text = mypy_text(FILES, tmp_path_factory.mktemp("mypy"), plugin=True, library=library)
    out: dict[str, list[str]] = {path.stem: [] for path in FILES}
    for line in text.splitlines():
        place, _, rest = line.partition(": ")
        path, _, number = place.rpartition(":")
        if path.endswith(".py"):
            for name in SHORT:
                rest = rest.replace(name, "")
            out.setdefault(Path(path).stem, []).append(f"{number}: {rest}")
    return {stem: "\n".join(lines) + "\n" for stem, lines in out.items()}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_types_and_messages(path: Path, said: dict[str, str]) -> None:
    golden = path.with_suffix(".txt")
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(said[path.stem])
    assert said[path.stem] == golden.read_text()
