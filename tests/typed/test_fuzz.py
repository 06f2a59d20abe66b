"""Random programs: mypy with the plugin says what staging says, and never crashes.

``HYPOTHESIS_PROFILE=deep`` checks 5,000 programs instead of 100.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.profiles import DEEP
from tests.typed import fuzz
from tests.typed.revealed import UNKNOWN, ArrayOf, Listed, Plain, Reader, SizeOf, fits
from verax.compiler.ir.sizes import dim

SEEDS = range(5) if DEEP else range(1)
PROGRAMS = 1000 if DEEP else 100


@pytest.mark.parametrize("seed", SEEDS)
def test_types_are_the_staged_ones(seed: int, tmp_path: Path, library: Path) -> None:
    found = fuzz.check(fuzz.make(PROGRAMS, seed), tmp_path / "programs", library)
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.known > 6 * PROGRAMS
    # of an array of a rank that is not known, what follows the rank is not known
    ranked = {text: n for (runs, text), n in found.open.items() if not runs}
    assert sum(ranked.values()) <= 0.005 * found.known, ranked
    assert sum(found.open.values()) <= 0.04 * found.known, found.open


@pytest.mark.parametrize("seed", SEEDS)
def test_programs_that_are_wrong(seed: int, tmp_path: Path, library: Path) -> None:
    programs = fuzz.make(PROGRAMS // 2, 1000 + seed, ill=True)
    found = fuzz.check(programs, tmp_path / "programs", library)
    assert not found.wrong, "\n".join(found.wrong[:20])
    errors = {code for code, _ in found.caught}
    assert {"verax-shape", "verax-dtype"} <= errors
    for code in ("verax-shape", "verax-dtype"):
        assert found.caught[code, True] >= 0.9 * (
            found.caught[code, True] + found.caught[code, False]
        )


def test_programs_are_the_same_each_time() -> None:
    assert fuzz.make(5, 1) == fuzz.make(5, 1) != fuzz.make(5, 2)


def test_types_are_read() -> None:
    def read(text: str) -> object:
        return Reader(text, {"Ds": (dim("Ds.0"),)}).read()

    b, f32 = dim("B"), Plain("float32")
    assert read("a.Array[b.float32, m.B, Literal[3], *Ds`-1]") == ArrayOf(f32, (b, 3, dim("Ds.0")))
    assert read("a.Array[Any, *tuple[Any, ...]]") == ArrayOf(UNKNOWN, (), False)
    assert read("Array[float32, Add[Mul[Literal[2], B], Literal[-1]]]") == ArrayOf(
        f32, (2 * b - 1,)
    )
    assert read("tuple[()]") == ()
    assert read("Size[N`-1]") == SizeOf(dim("N"))
    assert read("def (x: int) -> int") is UNKNOWN
    pair = Listed((SizeOf(1), SizeOf(b)))
    assert fits(read("tuple[Size[Literal[1]], Size[B], fallback=list[Size[Any]]]"), pair)
    assert fits(read("list[int]"), pair) is None
    assert fits(read("Array[float32, B]"), ArrayOf(f32, (3,))) is False
    assert fits(read("Array[float32, Any]"), ArrayOf(f32, (3,))) is None
