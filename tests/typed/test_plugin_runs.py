"""The plugin in every way that mypy runs, and on input that is bad.

Law: whatever was checked before, in whatever process, mypy says what a cold run says. What is wrong
in one place changes nothing elsewhere, and nothing takes for ever.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from string import ascii_letters

import pytest

from tests.typed.projects import Project, said
from verax.dsl.typing.unsupported import is_supported

DIMS = """
    from typing import Literal, TypeAlias
    import verax as vx

    class Batch(vx.Dim): ...
    class Feat(vx.Dim): ...

    Width: TypeAlias = Literal[4]
    """
LAYERS = """
    from typing import Generic, TypeVar
    import verax as vx
    from dims import Batch, Feat, Width

    N = TypeVar("N", bound=vx.AnyDim)
    M = TypeVar("M", bound=vx.AnyDim)

    def layer(x: vx.F32[Batch, Feat], w: vx.F32[Feat, Width]) -> vx.F32[Batch, Width]:
        return vx.tanh(x @ w)

    def repeated(x: vx.F32[N]) -> vx.F32[vx.Mul[Width, N]]:
        return vx.concat([x, x, x, x])

    @vx.struct
    class Linear(Generic[N, M]):
        w: vx.F32[N, M]

        def __call__(self, x: vx.F32[Batch, N]) -> vx.F32[Batch, M]:
            return x @ self.w
    """
USE = """
    import verax as vx
    from dims import Batch, Feat, Width
    from layers import Linear, repeated, layer

    def f(x: vx.F32[Batch, Feat], w: vx.F32[Feat, Width], key: vx.AnyArray) -> None:
        y = layer(x, w)
        reveal_type(y)
        reveal_type(y @ w.T)
        reveal_type(vx.vmap(lambda r: r * 2)(y))
        reveal_type(vx.grad(lambda w: vx.sum(layer(x, w) ** 2))(w))
        reveal_type(repeated(vx.sum(x, axis=0)))
        reveal_type(Linear(w)(x))
        x @ x
    """
EDITS = {
    "the file itself": {"use": USE.replace("x @ x\n", "x @ w\n").replace("r * 2", "r[None]")},
    "a class of a dim": {"dims": DIMS.replace("class Feat(vx.Dim): ...", "Feat = Literal[7]")},
    "the size of a dim": {"dims": DIMS.replace("Literal[4]", "Literal[5]")},
    "the result of a function": {
        "layers": LAYERS.replace("-> vx.F32[Batch, Width]:", "-> vx.F32[Width, Batch]:").replace(
            "vx.tanh(x @ w)", "vx.tanh(x @ w).T"
        )
    },
    "a field of a struct": {"layers": LAYERS.replace("w: vx.F32[N, M]\n", "w: vx.F32[M, N]\n")},
}


@pytest.fixture
def project(tmp_path: Path, library: Path) -> Project:
    sources = {"dims": DIMS, "layers": LAYERS, "use": USE}
    return Project(tmp_path / "project", library, sources)


def test_edits_give_what_a_cold_run_gives(project: Project, tmp_path: Path) -> None:
    first = project.check()
    assert any("x @ x" in line or "matmul" in line for line in first), first
    assert sum("Revealed" in line for line in first) == 6
    assert project.check() == first  # warm
    for i, (name, edit) in enumerate(EDITS.items()):
        project.write(edit)
        found = project.check()
        assert found == project.cold(tmp_path / f"cold{i}").check(), name
        assert found != first, name
        project.write({"dims": DIMS, "layers": LAYERS, "use": USE})
        assert project.check() == first, name


def test_workers_give_what_one_process_gives(project: Project, tmp_path: Path) -> None:
    assert project.check("-n2") == project.cold(tmp_path / "cold").check()


def test_daemon_gives_what_a_cold_run_gives(project: Project, tmp_path: Path) -> None:
    def daemon(*command: str) -> str:
        return project.run("-m", "mypy.dmypy", *command).stdout

    started = daemon("start", "--", "--config-file", "mypy.ini")
    assert "Daemon started" in started
    try:
        first = said(daemon("check", *project.files()))
        assert first == project.check()
        for i, (name, edit) in enumerate(EDITS.items()):
            project.write(edit)
            found = said(daemon("check", *project.files()))
            assert found == project.cold(tmp_path / f"cold{i}").check(), name
            project.write({"dims": DIMS, "layers": LAYERS, "use": USE})
        assert said(daemon("check", *project.files())) == first
    finally:
        assert "Daemon stopped" in daemon("stop")


# bad input ---------------------------------------------------------------------------------------

GOOD = """
    import verax as vx

    class N(vx.Dim): ...

    def f(x: vx.F32[N]) -> None:
        reveal_type(x[None] + x[:, None])
    """
UNANNOTATED = """
    from typing import Any
    import verax as vx
    import nowhere

    class N(vx.Dim): ...

    def f(x, y):
        return vx.vmap(f)(x @ y + vx.sum(x, axis=7), y)

    def g(x: Any, d: dict) -> Any:
        z = vx.sum(nowhere.f(x), axis=0)
        return vx.vmap(f)(z + vx.matmul(x, x), d["a"]).T[0]

    def h(x: vx.F32[N]) -> None:
        nowhere.f(x)[0]
        vx.vmap(nowhere.f)(x)
        vx.grad(lambda y: nowhere.g(y))(x)
        vx.vmap(lambda a: undefined(a))(x)
        vx.stack([x, nowhere.y, undefined])
        undefined + x @ undefined
        vx.scan(f, nowhere.y, x)
        reveal_type(x + nowhere.y)

    @vx.jit
    def unfinished(x: vx.F32[N]) -> vx.F32[
        N]:
        while True:
            x = x + 1
    """
RECURSIVE = """
    from __future__ import annotations
    from typing import Any
    import verax as vx

    class N(vx.Dim): ...

    @vx.struct
    class Tree:
        value: vx.F32[N]
        left: Tree | None
        kids: list[Tree]

    @vx.struct
    class Chain:
        w: vx.F32[N]
        next: Chain

        def __call__(self, x: vx.F32[N]) -> vx.F32[N]:
            return self.next(x * self.w)

    def endless(x):
        return endless(x)

    def f(t: Tree, c: Chain, x: vx.F32[N]) -> None:
        reveal_type(vx.tree.map(lambda x: x * 2, t))
        reveal_type(vx.grad(lambda t: vx.sum(t.value))(t))
        reveal_type(vx.grad(lambda c: vx.sum(c(x)))(c))
        vx.vmap(endless)(x)
        vx.jit(endless)(x)
        g = lambda y: g(y) + 1
        vx.vmap(g)(x)

    def inner(x: vx.F32[N]) -> vx.F32[N]:
        return vx.vmap(lambda y: inner(x))(x)
    """
HUGE = """
    from typing import Literal
    import verax as vx

    class N(vx.Dim): ...

    def f(x: vx.F32[N, N], y: vx.F32[Literal[10000000]], z: vx.F32[Literal[1000000000000]]) -> None:
        reveal_type(vx.zeros((1000000000, 1000000000)).T)
        reveal_type(vx.linalg.svd(vx.zeros((1000000000, 1000000000)))[1])
        reveal_type(vx.linalg.matrix_power(x, 1000000000))
        reveal_type(vx.tile(x, (1000000000, 2)))
        reveal_type(vx.repeat(x, 1000000000, axis=0))
        reveal_type(vx.jacrev(lambda t: t * 2)(z))
        reveal_type(vx.scan(lambda c, t: (c + t, c), vx.asarray(0.0), z))
        reveal_type(vx.eye(1000000000000000000000000000))
        for row in z:
            reveal_type(row)
    """
EVER = """
    from typing import Literal
    import verax as vx

    class N(vx.Dim): ...

    def f(x: vx.F32[N, N], y: vx.F32[Literal[10000000]], z: vx.F32[Literal[1000000000000]]) -> None:
        vx.split(y, 10000000)
        vx.split(z, 1000000)
        vx.unstack(y)
        vx.vmap(vx.unstack)(y[None])
        vx.tril_indices(1000000000)
        vx.stack(z)
        vx.vstack(z)
        vx.diff(z, n=1000000)
        vx.permute_dims(z, z)
        [r + 1 for r in y]
        a, *b = y
        vx.einsum("LETTERS->aA", XS)
    """.replace("LETTERS", ",".join(map("".join, pairwise(ascii_letters[:27])))).replace(
    "XS", ", ".join(["x"] * 26)
)
BAD = {
    "good": GOOD,
    "unannotated": UNANNOTATED,
    "recursive": RECURSIVE,
    "huge": HUGE,
    "ever": EVER,
}
HUGE_TYPES = [
    "Array[float32, Literal[1000000000], Literal[1000000000]]",
    "Array[float32, Literal[1000000000]]",
    "Array[float32, huge.N, huge.N]",
    "Array[float32, Mul[Literal[1000000000], huge.N], Mul[Literal[2], huge.N]]",
    "Array[float32, Mul[Literal[1000000000], huge.N], huge.N]",
    "Array[float32, Literal[1000000000000], Literal[1000000000000]]",
    "tuple[Array[float32], Array[float32, Literal[1000000000000]]]",
    "Array[float32, Literal[1000000000000000000000000000], Literal[1000000000000000000000000000]]",
    "Array[float32]",
]
LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from mypy.__main__ import console_entry
console_entry()
"""
OTHER_VERSION = """
import sys
import mypy.version
mypy.version.__version__ = "1.0.0"
from mypy.main import main
main(args=sys.argv[1:], stdout=sys.stdout, stderr=sys.stderr)
"""


def test_bad_input_is_bounded_and_harms_nothing_else(tmp_path: Path, library: Path) -> None:
    project = Project(tmp_path / "project", library, BAD)
    done = project.run("-c", LIMITED, *project.files())
    assert done.returncode == 1
    assert done.stderr == ""
    lines = said(done.stdout)
    alone = Project(tmp_path / "alone", library, {"good": GOOD})
    assert [x for x in lines if x.startswith("good")] == alone.check() != []
    for t in HUGE_TYPES:
        assert any(x.startswith("huge") and x.endswith(f'"{t}"') for x in lines), t
    wrong = [x for x in lines if "[verax" in x]
    assert [x.partition(" error: ")[0] for x in wrong] == ["ever.py:12:", "ever.py:8:"]
    assert "10000000 parts would each be an array of the program" in wrong[1]
    assert not any("[attr-defined]" in x or "[misc]" in x for x in lines)


def test_a_file_that_does_not_parse(project: Project) -> None:
    first = project.check()
    project.write({"wrong": "import verax as vx\ndef f(:\n"})
    assert {x.partition(":")[0] for x in project.check()} == {"wrong.py"}
    project.write({"wrong": ""})
    assert project.check() == first


def test_version_of_mypy_that_was_not_tested(tmp_path: Path) -> None:
    source = """
        import verax as vx

        def f(x: vx.F32[()], y: str) -> None:
            vx.sum(x)
            vx.cos(x)
            y + 1
        """
    project = Project(tmp_path / "project", None, {"use": source})
    done = project.run("-c", OTHER_VERSION, *project.files())
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert said(done.stdout) == [
        "use.py:5: error: shapes are not checked: verax's mypy plugin was tested with mypy 2.0 to"
        " 2.4, and this is 1.0.0  [verax]",
        'use.py:5: note: fix: pip install "mypy>=2.0,<2.5"',
        'use.py:7: error: Unsupported operand types for + ("str" and "int")  [operator]',
    ]
    assert all(map(is_supported, ["2.0", "2.4.1", "2.4.0+dev.12ab"]))
    assert not any(map(is_supported, ["1.19.1", "2.5.0", "2.5", "3.0"]))


def test_settings_that_do_not_exist(project: Project) -> None:
    config = project.folder / "mypy.ini"
    config.write_text(f"{config.read_text()}[verax-mypy]\nunknown_shape = true\n")
    done = project.run("-m", "mypy", "use.py")
    assert (
        done.stderr == "mypy.ini: [verax-mypy]: no setting 'unknown_shape', only unknown_shapes\n"
    )
    assert "use.py" in done.stdout
