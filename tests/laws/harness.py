"""What a case of the law suite is, what it draws from, and how its programs run.

A ``Case`` is one op with its NumPy reference. Its ``make`` draws a ``Sample`` (an op and operands)
from a ``Gen``; each law sets which sizes, dtypes and values the Gen gives, so that a case is
written once and serves all laws. What is chosen is recorded: the same sample can be made again with
other values, which is what vectorize is tested with.

A law states ``Claim``s: programs, their inputs, and what must hold of the outputs. The claims of
several samples are compiled as one executable, because compiling is what the suite spends time on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

import attrs
import ml_dtypes
import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from verax.compiler.backend import backend
from verax.compiler.ir.dtypes import ALL, DType, complex128, float64
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType, KeyType, Type, has_tangent

Array: TypeAlias = npt.NDArray[Any]
Observe: TypeAlias = Callable[[Builder, Sequence[int]], Sequence[int]]
T = TypeVar("T")


# dtypes ------------------------------------------------------------------------------------------


def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """The NumPy dtype of a buffer of this dtype."""
    return np.dtype(getattr(ml_dtypes, dtype.name, None) or dtype.name)


_BY_NUMPY = {numpy_dtype(d): d for d in ALL}


def type_of(x: Array) -> ArrayType:
    """The type of a NumPy array."""
    return ArrayType(x.shape, _BY_NUMPY[x.dtype])


def physical(t: Type) -> ArrayType:
    """The type of the buffer: a key is two uint32."""
    return t.physical if isinstance(t, KeyType) else t


# samples and cases -------------------------------------------------------------------------------


def tuple_of(xs: Iterable[Array]) -> tuple[Array, ...]:
    return tuple(xs)


@attrs.frozen(eq=False)
class Sample:
    """An op and its operands.

    Args:
        types: of the operands; to be given where one is a key, as ``uint32[..., 2]``.
        fixed: operands that are not differentiated, though their dtype would allow it.
        observe: writes what the laws look at, of the op's results: where these are right in many
            ways (eigenvectors, of which each may be turned), what all ways have in common.
    """

    op: Op
    operands: tuple[Array, ...] = attrs.field(converter=tuple_of)
    types: tuple[Type, ...] = attrs.field()
    fixed: tuple[int, ...] = ()
    observe: Observe | None = None

    @types.default
    def _types(self) -> tuple[Type, ...]:
        return tuple(type_of(x) for x in self.operands)

    @property
    def program(self) -> Program:
        """The op, and what is observed of its results."""
        return program_of(self.op, self.types, self.observe)

    @property
    def bare(self) -> Program:
        """The op alone."""
        return program_of(self.op, self.types)

    @property
    def inexact(self) -> list[int]:
        """The operands that have tangents."""
        return [i for i, t in enumerate(self.types) if has_tangent(t) and i not in self.fixed]

    def __repr__(self) -> str:
        return f"{self.op!r} of {', '.join(map(str, self.types))}"


def always(sample: Sample) -> bool:
    return True


@attrs.frozen
class Limit:
    """A law that does not hold of some samples, and why; it is named here, not skipped silently."""

    law: str
    reason: str
    when: Callable[[Sample], bool] = always


@attrs.frozen
class Case:
    """One op (or one of its uses), its reference, and how near the two must be.

    Args:
        name: unique; the name of the test.
        make: draws a sample.
        reference: ``reference(op, *operands)`` gives the result, or a tuple of results. It may
            compute in a wider dtype: what it gives is rounded to the dtype of the result.
        covers: the op names (or functions of the pointwise table) that it stands for.
        derivative: whether the derivative laws are tested; otherwise its tangents must be zero.
        ulps: how far a result may lie from the reference, in units of its dtype's epsilon
            relative to the reference's magnitude.
        ulps64: the same for float64 and complex128, where XLA is less exact.
        ulps16: the same for dtypes of 16 bits or less, which are computed in a wider one.
        floor: magnitudes below this count as this.
        step: the relative error allowed to finite differences.
        weight: how dear it is to compile; it is tried so many times less often.
        known: where a law does not hold.
    """

    name: str
    make: Callable[[Gen], Sample]
    reference: Callable[..., Any]
    covers: tuple[str, ...] = attrs.field()
    derivative: bool = True
    ulps: float = 16
    ulps64: float | None = None
    ulps16: float = 2
    floor: float = 1.0
    step: float = 1e-6
    weight: int = 1
    known: tuple[Limit, ...] = ()

    @covers.default
    def _covers(self) -> tuple[str, ...]:
        return (self.name,)

    def tolerance(self, dtype: DType) -> float:
        """The relative error that is allowed in this dtype."""
        ulps = self.ulps
        if dtype in (float64, complex128):
            ulps = self.ulps64 or ulps
        elif dtype.bits <= 16:
            ulps = self.ulps16
        return ulps * float(ml_dtypes.finfo(numpy_dtype(dtype)).eps)


@attrs.frozen
class Style:
    """What a law wants to be given: which sizes, and smooth 64-bit operands or any."""

    sizes: tuple[int, ...] = (1, 2, 3, 4, 0)
    max_rank: int = 3
    smooth: bool = False


_WHOLE = 1 << 32


class Gen:
    """The source of a case's choices (sizes, dtypes, parameters) and values.

    Choices go through ``choose`` and are recorded, values come from ``rng``. What decides the op
    or a shape must be a choice. With a ``turn``, dtypes are taken in turn instead of chosen.
    """

    def __init__(
        self, choose: Callable[[Any], Any], style: Style, seed: int, turn: int | None = None
    ) -> None:
        self.choose, self.style, self.turn = choose, style, turn
        self.rng = np.random.default_rng(seed)

    @property
    def smooth(self) -> bool:
        """Whether the values must lie where the op is smooth."""
        return self.style.smooth

    def integer(self, low: int, high: int) -> int:
        """A choice between low and high, both included."""
        return int(self.choose(st.integers(low, high)))

    def pick(self, options: Sequence[T]) -> T:
        """A choice among the options, the simplest first."""
        return options[self.integer(0, len(options) - 1)]

    def flag(self) -> bool:
        return self.pick((False, True))

    def subset(self, options: Sequence[T], least: int = 0) -> tuple[T, ...]:
        """Some of the options, in order."""
        chosen = self.choose(
            st.sets(st.sampled_from(range(len(options))), min_size=least)
            if options
            else st.just(set())
        )
        return tuple(x for i, x in enumerate(options) if i in chosen)

    def permutation(self, n: int) -> tuple[int, ...]:
        return tuple(self.choose(st.permutations(range(n))))

    def size(self, least: int = 0) -> int:
        """The size of a dimension, among those that the law asks for."""
        return self.pick([n for n in self.style.sizes if n >= least])

    def shape(self, rank: int | None = None, least: int = 0) -> tuple[int, ...]:
        """A shape of this rank, or of any up to three."""
        n = self.integer(0, self.style.max_rank) if rank is None else rank
        return tuple(self.size(least) for _ in range(n))

    def dtype(self, options: Iterable[DType]) -> DType:
        """One of the dtypes; a law on derivatives gets float64 or complex128 if they are there."""
        options = tuple(options)
        wide = tuple(d for d in options if d in (float64, complex128))
        if self.smooth and wide:
            options = wide
        return self.pick(options) if self.turn is None else options[self.turn % len(options)]

    def array(
        self,
        shape: Sequence[int],
        dtype: DType,
        low: float | None = None,
        high: float | None = None,
        special: Sequence[float | complex] = (),
    ) -> Array:
        """Values between low and high; by default the reals are normal, integers in -8..8.

        Args:
            special: values of which some are sprinkled in, unless they must be smooth.
        """
        x = self._values(tuple(shape), dtype, low, high)
        if special and not self.smooth:
            with np.errstate(all="ignore"):
                values = np.array(special).astype(x.dtype)
            some = self.rng.choice(values, x.shape)
            x = np.where(self.rng.random(x.shape) < 0.3, some, x)
        return x

    def _values(
        self, shape: tuple[int, ...], dtype: DType, low: float | None, high: float | None
    ) -> Array:
        to = numpy_dtype(dtype)
        if dtype.is_bool:
            return np.asarray(self.rng.random(shape) < 0.5)
        if dtype.is_integer:
            least, most = int(ml_dtypes.iinfo(to).min), int(ml_dtypes.iinfo(to).max)
            first = max(least, -8 if low is None else int(low))
            last = min(most, 8 if high is None else int(high))
            wide = np.uint64 if first >= 0 else np.int64
            return np.asarray(self.rng.integers(first, last, shape, wide, endpoint=True)).astype(to)
        parts = 2 if dtype.is_complex else 1
        if low is None or high is None:
            x = self.rng.standard_normal((parts, *shape))
        else:
            x = self.rng.uniform(low, high, (parts, *shape))
        return np.asarray(x[0] + 1j * x[1] if dtype.is_complex else x[0]).astype(to)


def samples(
    case: Case,
    style: Style,
    draw: Callable[[Any], Any],
    count: int = 1,
    turn: int | None = None,
) -> list[Sample]:
    """``count`` samples that differ in their values only."""
    log: list[Any] = []

    def choose(strategy: Any) -> Any:
        log.append(draw(strategy))
        return log[-1]

    seed = draw(st.integers(0, _WHOLE - 1))
    out = [case.make(Gen(choose, style, seed, turn))]
    for k in range(1, count):
        out.append(case.make(Gen(replay(log), style, seed + k, turn)))
    return out


def replay(log: Sequence[Any]) -> Callable[[Any], Any]:
    """The choices of an earlier sample again."""
    recorded = iter(tuple(log))
    return lambda strategy: next(recorded)


# programs and claims -----------------------------------------------------------------------------


def program_of(op: Op, types: Sequence[Type], observe: Observe | None = None) -> Program:
    """The program that applies op to inputs of these types; ``observe`` may go on from there."""
    b = Builder()
    ys: Sequence[int] = b.emit_all(op, *[b.input(t) for t in types])
    return b.finish(ys if observe is None else observe(b, ys))


Call: TypeAlias = tuple[Program, Sequence[Array]]


@attrs.frozen(eq=False)
class Claim:
    """Calls of programs on some inputs, and what must hold of all their outputs in order."""

    calls: Sequence[Call]
    check: Callable[[list[Array]], None]


def settle(claims: Sequence[Claim]) -> None:
    """Make the calls of all claims, and check each.

    Every distinct program is compiled once, and all together as one executable, which is run as
    often as some program is called: compiling is what takes the time.
    """
    pending: dict[Program, list[Sequence[Array]]] = {}
    for claim in claims:
        for p, inputs in claim.calls:
            pending.setdefault(p, []).append(inputs)
    results = {p: iter(outs) for p, outs in called(pending).items()}
    for claim in claims:
        claim.check([y for p, _ in claim.calls for y in next(results[p])])


def called(pending: dict[Program, list[Sequence[Array]]]) -> dict[Program, list[list[Array]]]:
    """What each program gives for each of its inputs."""
    b = Builder()
    outs = [y for p in pending for y in b.inline(p, [b.input(t) for t in p.in_types])]
    whole = b.finish(outs)
    results: dict[Program, list[list[Array]]] = {p: [] for p in pending}
    for k in range(max(map(len, pending.values()), default=0)):
        now = [inputs[min(k, len(inputs) - 1)] for inputs in pending.values()]
        ys = run(whole, [x for inputs in now for x in inputs])
        for p in pending:
            results[p].append(ys[: len(p.outs)])
            ys = ys[len(p.outs) :]
    return results


def run(p: Program, inputs: Sequence[Array]) -> list[Array]:
    """Compile p, or find it compiled, and run it."""
    device = backend()
    types = p.in_types
    buffers = [device.put(x, physical(t)) for x, t in zip(inputs, types)]
    return [device.get(y) for y in device.executable(p, types)(buffers)]


# comparison --------------------------------------------------------------------------------------


def widened(x: Array) -> Array:
    """The same values in a dtype where NumPy is at home: float64, complex128, int8 for 4 bits."""
    dtype = type_of(x).dtype
    if dtype.is_inexact:
        return x.astype(np.complex128 if dtype.is_complex else np.float64)
    return x.astype(np.int8) if dtype.bits == 4 else x


def rounded(x: Any, t: ArrayType) -> Array:
    """What a reference gives, in the dtype of the result."""
    with np.errstate(all="ignore"):
        return np.asarray(x).astype(numpy_dtype(t.dtype))


def assert_near(got: Array, want: Array, case: Case, what: object) -> None:
    """Equal, both NaN, or within the case's tolerance; integers exactly equal."""
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    assert got.dtype == want.dtype, f"{what}: dtype {got.dtype}, expected {want.dtype}"
    a, b, dtype = widened(got), widened(want), type_of(got).dtype
    bad = ~((a == b) | ((a != a) & (b != b)))
    if dtype.is_inexact:
        with np.errstate(all="ignore"):
            bad &= ~(np.abs(a - b) <= case.tolerance(dtype) * np.maximum(np.abs(b), case.floor))
    if bad.any():
        at = tuple(map(int, np.argwhere(np.asarray(bad))[0]))
        raise AssertionError(
            f"{what}: at {at} got {got[at]!r}, expected {want[at]!r}\n{got}\nexpected\n{want}"
        )


def assert_close(got: Array, want: Array, tolerance: float, what: object) -> None:
    """Within ``tolerance`` of the largest magnitude (at least 1) of what is wanted."""
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    scale = max(1.0, float(np.max(np.abs(want), initial=0)))
    error = float(np.max(np.abs(got - want), initial=0))
    assert error <= tolerance * scale, f"{what}: error {error}\n{got}\nexpected\n{want}"
