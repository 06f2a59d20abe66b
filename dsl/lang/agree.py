"""Do the branches of a cond, or a body and its carry, give the same? Leaf by leaf, with paths.

A side is what one function gives: a structure, types, and which leaves are Python scalars still. A
Python scalar agrees with any scalar of its kind or a wider one, and takes its dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from verax.compiler.ir.aligned import Row, aligned, differing, row
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.sizes import Shape, product
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.dsl.lang.stage import Staged
from verax.dsl.lang.treedef import TreeDef, mismatch
from verax.dsl.lang.weak import CARRIERS, DEFAULTS

_KINDS = ("bool", "int", "uint", "float", "complex")
_CLASSES = dict(zip(_KINDS, (bool, int, int, float, complex)))
_RANK = {kind: list(CARRIERS).index(c) for kind, c in _CLASSES.items()}


class Side(NamedTuple):
    """What one function gives; ``name`` says which, in a word or two."""

    name: str
    tree: TreeDef
    types: tuple[Type, ...]
    weak: tuple[bool, ...]

    @classmethod
    def of(cls, name: str, s: Staged) -> Side:
        """The results of a staged function."""
        return cls(name, s.out_tree, s.program.out_types, s.weak)


def can_take(weak: Type, strong: Type) -> bool:
    """Whether a Python scalar becomes this type without changing its kind for a narrower one."""
    return (
        isinstance(weak, ArrayType)
        and isinstance(strong, ArrayType)
        and strong.shape == ()
        and _RANK[weak.dtype.kind] <= _RANK[strong.dtype.kind]
    )


def default_type(t: Type) -> Type:
    """What a Python scalar becomes where nothing else is said."""
    return ArrayType(t.shape, DEFAULTS[_CLASSES[t.dtype.kind]]) if isinstance(t, ArrayType) else t


def wider(a: Type, b: Type) -> Type:
    """The wider kind of two Python scalars."""
    assert isinstance(a, ArrayType)
    assert isinstance(b, ArrayType)
    return max(a, b, key=lambda t: _RANK[t.dtype.kind])


def _meet(a: Side, b: Side, i: int) -> tuple[Type, bool] | None:
    """The type in which leaf i of both agrees, and whether it is weak; None where there is none."""
    (x, xw), (y, yw) = (a.types[i], a.weak[i]), (b.types[i], b.weak[i])
    if xw and yw:
        return wider(x, y), True
    if yw:
        return (x, False) if can_take(y, x) else None
    if xw:
        return (y, False) if can_take(x, y) else None
    return (x, False) if x is y else None


def agree(what: str, a: Side, b: Side) -> Side:
    """Both sides as one; raises where they differ, with every leaf that does.

    Raises:
        StructureError: the trees differ.
        ShapeError, DTypeError: a leaf does.
    """
    if a.tree is not b.tree:
        raise mismatch(what, a.tree, b.tree, (a.name, b.name))
    met = [_meet(a, b, i) for i in range(len(a.types))]
    differ = [i for i, m in enumerate(met) if m is None]
    if differ:
        raise _difference(what, a, b, differ)
    types, weak = zip(*[m for m in met if m is not None]) if met else ((), ())
    return Side(a.name, a.tree, types, weak)


def agreed(what: str, sides: Sequence[Side]) -> list[Type]:
    """The types of the results of branches; Python scalars take those of the other branches."""
    whole = sides[0]
    for other in sides[1:]:
        whole = agree(what, whole, other)
    return [default_type(t) if w else t for t, w in zip(whole.types, whole.weak)]


def _difference(what: str, a: Side, b: Side, at: Sequence[int]) -> ShapeError | DTypeError:
    paths = a.tree.paths()
    blocks = []
    for i in at:
        path = str(paths[i])
        rows = [_row(side, i, path) for side in (a, b)]
        shapes = [side.types[i].shape for side in (a, b)]
        if len(shapes[0]) != len(shapes[1]):
            rows = [r._replace(keys=tuple(range(-len(r.cells), 0))) for r in rows]
            blocks.append(aligned(rows, range(-max(map(len, shapes)), -min(map(len, shapes)))))
        else:
            blocks.append(aligned(rows, differing(shapes)))
    lines = blocks
    same = len(a.types) - len(at)
    if same:
        lines.append(f"    ({same} other {'leaf agrees' if same == 1 else 'leaves agree'})")
    text = what + "\n" + "\n".join(lines)
    if any(a.types[i].shape != b.types[i].shape for i in at):
        return ShapeError(text, fix=_shape_fix(a, b, at))
    i = at[0]
    wanted = b.types[i] if a.weak[i] else a.types[i]
    if isinstance(wanted, KeyType) or isinstance(b.types[i], KeyType):
        return DTypeError(text, fix="give a key in both places, or in neither")
    to = f".astype(vx.{wanted.dtype.__name__})"
    if a.name == "takes":
        other = b.types[i]
        assert isinstance(other, ArrayType)
        start = "" if a.weak[i] else f", or start with {other.dtype.name}"
        return DTypeError(text, fix=f"convert what comes out: {to}{start}")
    return DTypeError(text, fix=f"convert {_whose(b)}: {to}")


def _whose(side: Side) -> str:
    """What a side gives, in words."""
    told = side.name in ("cotangent", "tangent", "argument", "result")
    return f"the {side.name}" if told else f"what {side.name} returns"


def _shape_fix(a: Side, b: Side, at: Sequence[int]) -> str:
    """What to do where shapes differ, told by what the sides are."""
    i = next(i for i in at if a.types[i].shape != b.types[i].shape)
    ours, theirs = a.types[i].shape, b.types[i].shape
    where = str(a.tree.paths()[i])
    leaf = f" at {where}" if where else ""
    if a.name == "takes":
        return (
            f"give{leaf} what comes in, {a.types[i]}, or start with the type that comes out,"
            f" {b.types[i]}"
        )
    permuted = sorted(map(str, ours)) == sorted(map(str, theirs))
    if permuted and b.name not in ("cotangent", "tangent"):
        return f"transpose what {b.name} returns{leaf}: vx.permute_dims(x, axes)"
    if product(theirs) == product(ours) and b.name not in ("cotangent", "tangent"):
        return f"give{leaf} one shape in both: .reshape({_tuple(ours)})"
    if b.name in ("cotangent", "tangent"):
        return f"give the {b.name}{leaf} the type of the {a.name}, {a.types[i]}"
    return f"give{leaf} {a.types[i]} in both: reduce, broadcast or slice one of them"


def _tuple(shape: Shape) -> str:
    inside = ", ".join(map(str, shape))
    return f"({inside},)" if len(shape) == 1 else f"({inside})"


def _row(side: Side, i: int, path: str) -> Row:
    t = side.types[i]
    label = f"{path}  {side.name}" if path else side.name
    if side.weak[i] and isinstance(t, ArrayType):
        return row(label, t, ())._replace(head=f"Python {_CLASSES[t.dtype.kind].__name__}")
    return row(label, t, range(t.ndim))
