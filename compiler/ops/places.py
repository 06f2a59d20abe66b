"""Where gather and scatter read and write: one layout of dimensions, its checks and its StableHLO.

With ``batch`` dimensions that the indices share, k indexed ones, and others that every index takes
whole, before (``lead``), between (``inner``) and after them (``rest``):

    array     lead  batch  inner  v_1 .. v_k  rest
    i_1..i_k        batch         n                    (all of one shape)
    window    lead  batch  inner  n           rest     (what a gather gives, a scatter takes)

so that vmap adds a dimension to ``lead`` or to ``batch``, and moves nothing. A ``Layout`` counts
the dimensions of each sort; factors and positions follow from the counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from verax.compiler.ir.dtypes import DType, int32, int64, uint32
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.op import Dims, Emitter, Factor, MaybeSlots, Op, Slots, show_shape
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Shape, Size, product
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import permute, repeat
from verax.compiler.ops.pointwise import one_dtype

INDEX_DTYPES = (int32, int64, uint32)
MODES = ("clip", "fill")


class Layout(NamedTuple):
    """How many dimensions there are of each sort."""

    lead: int
    batch: int
    inner: int
    indexed: int
    at: int
    rest: int

    @property
    def array_dims(self) -> Dims:
        return self._dims("lbmvr")

    @property
    def index_dims(self) -> Dims:
        return self._dims("bn")

    @property
    def window_dims(self) -> Dims:
        return self._dims("lbmnr")

    def _dims(self, sorts: str) -> Dims:
        count = dict(zip("lbmvnr", self))
        return tuple((f"{s}{i}",) for s in sorts for i in range(count[s]))

    def factors(self, *sorts: str) -> frozenset[Factor]:
        """The factors of these sorts of dimensions."""
        return frozenset(d[0] for s in sorts for d in self._dims(s))

    # positions

    @property
    def first(self) -> int:
        """Where the indexed dimensions begin in the array, and those of the indices in a window."""
        return self.lead + self.batch + self.inner

    @property
    def batch_of_array(self) -> list[int]:
        return list(range(self.lead, self.lead + self.batch))

    @property
    def indexed_of_array(self) -> list[int]:
        return list(range(self.first, self.first + self.indexed))

    @property
    def batch_of_index(self) -> list[int]:
        return list(range(self.batch))

    @property
    def index_of_window(self) -> list[int]:
        """Where the dimensions of the indices stand in the window."""
        return [*self.batch_of_array, *range(self.first, self.first + self.at)]

    @property
    def moved_of_window(self) -> list[int]:
        """Where the dimensions stand that every index takes whole."""
        inside = self.index_of_window
        return [i for i in range(self.first + self.at + self.rest) if i not in inside]

    def indexed_sizes(self, array: Shape) -> Shape:
        return array[self.first : self.first + self.indexed]


class Front(NamedTuple):
    """What stands before the indexed dimensions, as the fields of an op count it."""

    lead: int
    batch: int
    inner: int

    def mapped(self) -> Front:
        """With a mapped dimension in front that the indices do not have."""
        return self._replace(lead=self.lead + 1)

    def shared(self) -> tuple[int, Front]:
        """With a mapped dimension that the indices have too, and where it has to stand."""
        if self.batch == 0:
            return 0, Front(0, 1, self.lead + self.inner)
        return self.lead, self._replace(batch=self.batch + 1)


def layout(
    op: Op, front: Front, k: int, indices: Sequence[Shape], rank: int, *, window: bool
) -> Layout:
    """The layout, where ``rank`` is that of the window or of the array."""
    if k < 1 or len(indices) != k:
        raise ShapeError(f"{op.name} takes {max(k, 1)} index arrays, got {len(indices)}")
    at = len(indices[0]) - front.batch
    rest = rank - sum(front) - (at if window else k)
    if at < 0 or rest < 0:
        raise ShapeError(
            f"{op.name}: {front.batch} batch and {k} indexed dimensions, and "
            f"{front.lead + front.inner} before them, do not fit an operand of rank {rank} "
            f"with indices {show_shape(indices[0])}"
        )
    return Layout(*front, k, at, rest)


def check_mode(op: Op, mode: str, sizes: Shape, index: Shape) -> None:
    """Raise where an index would have to be clipped into a dimension without elements."""
    if mode == "clip" and 0 in sizes and product(index) != 0:
        raise ShapeError(
            f"{op.name}: no index can be clipped into an empty dimension; the indexed dimensions "
            f"are {show_shape(sizes)}",
            fix="use the mode 'fill', which gives zero where an index is out of range",
        )


def check_index_dtype(op: Op, ts: Sequence[ArrayType]) -> None:
    """Raise unless the indices have one dtype, of those that are wide enough for any dimension."""
    one_dtype(f"{op.name} (indices)", ts)
    if ts[0].dtype not in INDEX_DTYPES:
        raise DTypeError(
            f"{op.name} takes indices of dtype int32, int64 or uint32, got {ts[0]}",
            fix="convert the indices first: i.astype(vx.int32)",
        )


def greatest(dtype: DType) -> int:
    """The greatest integer that the dtype holds."""
    return int(2 ** (dtype.bits - (dtype.kind == "int")) - 1)


# StableHLO ----------------------------------------------------------------------------------------


def lower_gather(
    e: Emitter, at: Layout, xs: Sequence[str], xts: Sequence[ArrayType], yt: ArrayType
) -> str:
    index, it = _index_vectors(e, xs[1:], xts[1:])
    single = {*at.batch_of_array, *at.indexed_of_array}
    sizes = ", ".join("1" if i in single else str(n) for i, n in enumerate(xts[0].shape))
    return e.op(
        f'"stablehlo.gather"({xs[0]}, {index}) <{{dimension_numbers = #stablehlo.gather<'
        f"offset_dims = {at.moved_of_window}, collapsed_slice_dims = {at.indexed_of_array}, "
        f"operand_batching_dims = {at.batch_of_array}, "
        f"start_indices_batching_dims = {at.batch_of_index}, "
        f"start_index_map = {at.indexed_of_array}, index_vector_dim = {xts[1].ndim}>, "
        f"slice_sizes = array<i64: {sizes}>, indices_are_sorted = false}}> : "
        f"({xts[0].mlir}, {it.mlir}) -> {yt.mlir}"
    )


def _index_vectors(
    e: Emitter, index: Sequence[str], ts: Sequence[ArrayType]
) -> tuple[str, ArrayType]:
    """The index arrays as one, side by side along a new last dimension; a single one as it is."""
    if len(index) == 1:
        return index[0], ts[0]
    one = ArrayType((*ts[0].shape, 1), ts[0].dtype)
    columns = [e.op(f"stablehlo.reshape {i} : ({ts[0].mlir}) -> {one.mlir}") for i in index]
    out = ArrayType((*ts[0].shape, len(index)), ts[0].dtype)
    types = ", ".join([one.mlir] * len(index))
    return e.op(
        f"stablehlo.concatenate {', '.join(columns)}, dim = {one.ndim - 1} : "
        f"({types}) -> {out.mlir}"
    ), out


COMBINE = {
    "add": "stablehlo.add",
    "mul": "stablehlo.multiply",
    "min": "stablehlo.minimum",
    "max": "stablehlo.maximum",
}


def lower_scatter(
    e: Emitter,
    at: Layout,
    kind: str,
    xs: Sequence[str],
    xts: Sequence[ArrayType],
    *,
    unique: bool = False,
) -> str:
    """Write a scatter of xs = array, updates, indices; what is out of range is dropped."""
    array, updates = xts[:2]
    index, it = _index_vectors(e, xs[2:], xts[2:])
    scalar = ArrayType((), array.dtype)

    def combine(args: list[str]) -> list[str]:
        if kind == "set":
            return [args[1]]
        return [e.op(f"{COMBINE[kind]} {args[0]}, {args[1]} : {scalar.mlir}")]

    region = e.block([scalar, scalar], combine)
    return e.op(
        f'"stablehlo.scatter"({xs[0]}, {index}, {xs[1]}) <{{scatter_dimension_numbers = '
        f"#stablehlo.scatter<update_window_dims = {at.moved_of_window}, "
        f"inserted_window_dims = {at.indexed_of_array}, "
        f"input_batching_dims = {at.batch_of_array}, "
        f"scatter_indices_batching_dims = {at.batch_of_index}, "
        f"scatter_dims_to_operand_dims = {at.indexed_of_array}, "
        f"index_vector_dim = {xts[2].ndim}>, "
        f"indices_are_sorted = false, unique_indices = {str(unique).lower()}}}> ({region}) : "
        f"({array.mlir}, {it.mlir}, {updates.mlir}) -> {array.mlir}"
    )


# words of the rules ------------------------------------------------------------------------------


def given(xs: MaybeSlots) -> list[int]:
    """The slots, of which a rule knows that none is missing."""
    return [cast(int, x) for x in xs]


def move(b: Builder, x: int, source: int, to: int) -> int:
    """x with one dimension moved; x itself where it stands there already."""
    if source == to:
        return x
    order = [i for i in range(len(b.types[x].shape)) if i != source]
    order.insert(to, source)
    return b.emit(permute(order), x)


def all_mapped(b: Builder, n: Size, xs: Slots, mapped: Sequence[bool]) -> list[int]:
    """The operands, those that are not mapped repeated."""
    return [
        x if m else b.emit(repeat(n, cast(ArrayType, b.types[x])), x) for x, m in zip(xs, mapped)
    ]
