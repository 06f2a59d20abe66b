"""The typing guide: what it says that the checker says, the checker says.

Each block of Python that a block of text follows is a module; the text is what mypy with the plugin
says of it, with the notes on unknown shapes where the block begins with that setting.
UPDATE_GOLDEN=1 writes the texts anew. What Python answers, it answers.
"""

from __future__ import annotations

import doctest
import os
import re
from pathlib import Path

import pytest

from tests.typed.checkers import ROOT, mypy_text

GUIDE = ROOT / "docs" / "typing.md"
_BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)

NOTES = "# unknown_shapes = true\n"


def blocks() -> tuple[str, list[tuple[str, str]]]:
    """What all examples begin with, and each example with its text."""
    found = [(code, text) for code, text in _BLOCK.findall(GUIDE.read_text())]
    return found[0][0], found[1:]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, library: Path) -> list[str]:
    """What mypy says of each example."""
    folder = tmp_path_factory.mktemp("guide")
    start, examples = blocks()
    paths = [folder / f"example_{i}.py" for i in range(len(examples))]
    for path, (code, _) in zip(paths, examples):
        path.write_text(f"{start}\n\n{code}")
    noted = [path for path, (code, _) in zip(paths, examples) if code.startswith(NOTES)]
    lines = mypy_text(
        [p for p in paths if p not in noted], folder, plugin=True, library=library
    ).splitlines()
    lines += mypy_text(noted, folder, plugin=True, unknown_shapes=True).splitlines()
    return [_of(path, lines) for path in paths]


def _of(path: Path, lines: list[str]) -> str:
    own = [line.partition(f"{path.name}:")[2] for line in lines if line.startswith(str(path))]
    text = "".join(f"{line.partition(': ')[2]}\n" for line in own) or "no errors\n"
    return text.replace(str(path), "example.py")


def test_the_guide_has_examples() -> None:
    assert len(blocks()[1]) >= 10


def test_examples(said: list[str]) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        texts = iter(said)
        first = True

        def written(found: re.Match[str]) -> str:
            nonlocal first
            if first:
                first = False
                return found[0]
            return f"```python\n{found[1]}```\n\n```text\n{next(texts)}```\n"

        GUIDE.write_text(_BLOCK.sub(written, GUIDE.read_text()))
    assert [text for _, text in blocks()[1]] == said


def test_sessions() -> None:
    for code in re.findall(r"```pycon\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        test = doctest.DocTestParser().get_doctest(code, {}, "guide", str(GUIDE), 0)
        assert test.examples
        out: list[str] = []
        doctest.DocTestRunner().run(test, out=out.append)
        assert not out, "".join(out)
