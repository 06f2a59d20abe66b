"""The examples are typed: no checker finds an error in them, and the plugin finds mistakes.

Plain ``mypy --strict`` looks at them with the rest of the project.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.typed.checkers import ROOT, mypy_text, pyright_text

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MISTAKES = [
    ("train_lm.py", "self.head(self.norm(x))", "self.norm(self.head(x))"),
    ("train_lm.py", "cross_entropy(scores, tokens[:, 1:])", "cross_entropy(scores, tokens)"),
    ("train_lm.py", "optimizer.update(grads, state.optimizer", "optimizer.update(grads, state"),
    ("digits.py", "self.mlp(vx.relu(self.first(x)))", "self.mlp(vx.relu(x))"),
    ("convnet.py", "vx.relu(self.second(half))", "vx.relu(self.first(half))"),
    (
        "sharded_attention.py",
        'layer.query, mesh, P(None, "model")',
        'layer.query, mesh, P("model")',
    ),
    ("linear_regression.py", "(x @ w - y)", "(w @ x - y)"),
]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the caches of mypy, so that verax itself is read once."""
    return tmp_path_factory.mktemp("checkers")


def test_mypy_with_the_plugin(scratch: Path, library: Path) -> None:
    assert mypy_text(EXAMPLES, scratch, plugin=True, library=library).startswith("Success")


def test_pyright(tmp_path: Path) -> None:
    assert pyright_text(EXAMPLES, tmp_path).startswith("0 errors")


def test_mistakes_are_found(scratch: Path, tmp_path: Path) -> None:
    paths = []
    for i, (name, right, wrong) in enumerate(MISTAKES):
        source = (ROOT / "examples" / name).read_text()
        assert source.count(right) == 1, right
        paths.append(tmp_path / f"mistake_{i}.py")
        paths[-1].write_text(source.replace(right, wrong))
    found = mypy_text(paths, scratch, plugin=True)
    missed = [m for m, path in zip(MISTAKES, paths) if f"{path.name}:" not in found]
    assert not missed, found
