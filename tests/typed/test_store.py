"""What calls gave is kept between runs of mypy, and read back as it was."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.typed.checkers import ROOT
from tests.typed.projects import Project
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.types import ArrayType
from verax.dsl.typing.described import Number, Undecided
from verax.dsl.typing.store import LARGEST, Store
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Spec

N = dim("N")
KEY = ("verax.f", (ArrayType((N, 3), vx.float32), Number(int), None, "x"))
VALUES: dict[str, Any] = {
    "an array": ArrayType((2 * N + 1,), vx.float32),
    "a layout": ArrayType((N,), vx.int8, Spec(Mesh(data=2), (("data",),))),
    "a tree": {"a": [1, True, 1.0], "b": (N,)},
}


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "log", "1")
    store.put(KEY, (VALUES[name],))
    store.flush()
    found = Store(tmp_path / "log", "1").get(KEY)
    assert repr(found) == repr((VALUES[name],))
    assert found == (VALUES[name],)


def test_errors_come_back_with_their_fix(tmp_path: Path) -> None:
    store = Store(tmp_path / "log", "1")
    store.put("wrong", (vx.ShapeError("it does not fit", fix="reshape it"),))
    store.put("unknown", (Undecided("it is not known"),))
    store.flush()
    again = Store(tmp_path / "log", "1")
    (error,) = again.get("wrong")
    assert (type(error), error.message, error.fix) == (
        vx.ShapeError,
        "it does not fit",
        "reshape it",
    )
    assert again.get("unknown")[0].args == ("it is not known",)


def test_processes_share_a_log(tmp_path: Path) -> None:
    """Hashes of strings differ between them."""
    program = (
        "import sys\nfrom tests.typed import test_store as t\n"
        "s = t.Store(t.Path(sys.argv[1]), '1')\n"
        "print(s.get(t.KEY))\n"
        "s.put(t.KEY, t.N + 1)\ns.put(sys.argv[2], 2)\ns.flush()\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "log"), seed],
            env=dict(os.environ, PYTHONHASHSEED=seed),
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    ]  # fmt: skip
    assert said == ["None\n", "N+1\n", "N+1\n"]
    store = Store(tmp_path / "log", "1")
    assert [store.get(seed) for seed in ("1", "2", "3")] == [2, 2, 2]


def test_another_state_begins_anew(tmp_path: Path) -> None:
    for state, before in (("1", None), ("2", None), ("2", 1)):
        store = Store(tmp_path / "log", state)
        assert store.get("x") == before
        store.put("x", 1)
        store.flush()


def test_a_torn_log_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    store = Store(path, "1")
    store.put("x", 1)
    store.put("y", 2)
    store.flush()
    path.write_bytes(path.read_bytes()[:-3])
    store = Store(path, "1")
    assert (store.get("x"), store.get("y")) == (1, None)
    store.put("z", 3)
    store.flush()
    assert Store(path, "1").get("z") == 3


def test_a_log_makes_descriptions_only(tmp_path: Path) -> None:
    path = tmp_path / "log"
    store = Store(path, "1")
    store.put("x", np.ones(2))
    store.put("y", print)
    store.put("z", 3)
    store.flush()
    with path.open("ab") as file:
        file.write(pickle.dumps(("v", os.getcwd)))
        file.write(pickle.dumps(("w", 4)))
    store = Store(path, "1")
    assert [store.get(x) for x in "xyzvw"] == [None, None, 3, None, None]


def test_a_log_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for i in range(6):
        store = Store(path, "1")
        store.put(i, "x" * (LARGEST // 3))
        store.flush()
    assert path.stat().st_size < 2 * LARGEST
    assert Store(path, "1").get(5) is not None


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "log", "1")
    store.put("x", 1)
    store.flush()
    assert store.get("x") == 1


def test_mypy_keeps_what_calls_gave(library: Path, tmp_path: Path) -> None:
    source = """
        import verax as vx
        from verax import F32
        class Rows(vx.Dim): ...
        def f(x: F32[Rows]) -> F32[Rows]:
            return x * 2
    """
    project = Project(tmp_path / "project", library, {"use": source})
    first = project.check()
    log = project.folder / ".mypy_cache" / "verax-calls"
    size = log.stat().st_size
    assert size > (library / ".mypy_cache" / "verax-calls").stat().st_size
    project.write({"use": source + "        # edited, so that mypy checks it again\n"})
    assert project.check() == first
    assert log.stat().st_size == size
