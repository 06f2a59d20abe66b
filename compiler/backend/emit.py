"""Program -> StableHLO as text: ops write lines, the emitter names values and places.

Text is three times faster than a builder of MLIR objects and needs nothing imported. Names count
through the whole module, so that regions never clash; spans become location aliases, one per
source position, resolved once when the module is closed.

Law: emitting is a function of the program and the platform, so that equal programs give equal text
(up to spans).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from verax.compiler.ir.dtypes import DType, real_of
from verax.compiler.ir.errors import BackendError, InternalError
from verax.compiler.ir.program import Program
from verax.compiler.ir.span import Span, resolve
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Cuts, no_cuts


class Module(NamedTuple):
    """A module of StableHLO: its text, the FFI targets that it calls, the spans of its aliases."""

    text: str
    targets: frozenset[str]
    spans: tuple[Span, ...]


class TextEmitter:
    """What ``lower`` of every op writes into; satisfies the protocol ``Emitter``."""

    __slots__ = (
        "functions", "known", "lines", "loc", "n", "names", "outer", "platform", "spans", "targets",
    )  # fmt: skip

    def __init__(self, platform: str = "cpu") -> None:
        self.platform = platform
        self.lines: list[str] = []  # of the region that is open
        self.outer: list[list[str]] = []  # of the regions around it
        self.functions: list[str] = []  # finished functions of the module
        self.names: dict[object, str] = {}  # what a function was made for -> its name
        self.spans: dict[tuple[int, int], tuple[str, Span]] = {}
        self.known: dict[str, str] = {}  # the types of some names, for the ends of regions
        self.targets: set[str] = set()
        self.loc = ""
        self.n = 0

    # lines ---------------------------------------------------------------------------------------

    def op(self, text: str) -> str:
        """Write one operation with one result; returns the name of the result."""
        name = f"%{self.n}"
        self.n += 1
        self.lines.append(f"{name} = {text}{self.loc}")
        return name

    def ops(self, text: str, count: int) -> list[str]:
        """Write one operation with ``count`` results."""
        if count == 1:
            return [self.op(text)]
        if count == 0:
            self.lines.append(f"{text}{self.loc}")
            return []
        name = f"%{self.n}"
        self.n += 1
        self.lines.append(f"{name}:{count} = {text}{self.loc}")
        return [f"{name}#{i}" for i in range(count)]

    def constant(self, value: bool | int | float | complex, t: ArrayType) -> str:
        """A splat constant."""
        return self.op(f"stablehlo.constant dense<{literal(value, t.dtype)}> : {t.mlir}")

    def custom_target(self, name: str) -> None:
        """The module needs this FFI target."""
        self.targets.add(name)

    def channel(self) -> int:
        """A number, from 1, that no other collective of the module has."""
        self.n += 1
        return self.n

    # regions -------------------------------------------------------------------------------------

    def block(self, types: Sequence[Type], write: Callable[[list[str]], Sequence[str]]) -> str:
        """The text of a region with fresh arguments of these types, closed by its return."""
        args = self._arguments(len(types))
        self.known.update(zip(args, (t.mlir for t in types)))
        self.outer.append(self.lines)
        self.lines = []
        ys = write(args)
        returned = [self._type_of(y) for y in ys]
        lines, self.lines = self.lines, self.outer.pop()
        head = f"^bb0({_signature(args, types)}):" if types else ""
        tail = f"stablehlo.return {_typed(ys, returned)}".rstrip()
        return "\n".join(["{" + head, *lines, tail, "}"])

    def _arguments(self, count: int) -> list[str]:
        first, self.n = self.n, self.n + count
        return [f"%{i}" for i in range(first, first + count)]

    def _type_of(self, name: str) -> str:
        """The type of a name in scope: noted, or read from the line that defines it."""
        noted = self.known.get(name)
        if noted is not None:
            return noted
        base, _, index = name.partition("#")
        starts = (f"{base} = ", f"{base}:")
        for lines in (self.lines, *reversed(self.outer)):
            for line in reversed(lines):
                if line.startswith(starts):
                    return result_types(line)[int(index or 0)]
        raise InternalError(f"the region returns {name}, which no line in scope defines")

    # programs ------------------------------------------------------------------------------------

    def inline(self, p: Program, xs: Sequence[str]) -> list[str]:
        """Write the equations of p here; returns the names of its outputs."""
        env, types, outside = list(xs), p.types, self.loc
        for op, operands, first, count, span in p.equations:
            self.loc = outside if span is None else self._locate(span)
            env += op.lower(
                self,
                [env[x] for x in operands],
                [types[x] for x in operands],
                types[first : first + count],
            )
        self.loc = outside
        if self.outer:  # a region's return asks for the types of what it gives
            for o in p.outs:
                self.known[env[o]] = types[o].mlir
        return [env[o] for o in p.outs]

    def _locate(self, span: Span) -> str:
        key = (id(span[0]), span[1])  # hashing a code object reads all of it
        found = self.spans.get(key)
        if found is None:
            found = self.spans[key] = (f" loc(#s{len(self.spans)})", span)
        return found[0]

    def call(self, p: Program, xs: Sequence[str]) -> list[str]:
        """Call p as a function of the module, written once however often it is called."""
        return self._invoke(p, "f", p.in_types, lambda a: self.inline(p, a), p.out_types, xs, "")

    def outline(
        self,
        key: str,
        types: Sequence[Type],
        write: Callable[[list[str]], Sequence[str]],
        out_types: Sequence[Type],
        xs: Sequence[str],
        *,
        inlineable: bool = True,
    ) -> list[str]:
        """Call a function of the module that ``write`` gives the body of; one per key and types.

        XLA inlines calls, unless ``inlineable`` is False: then fusion stops at the call.
        """
        ident = (key, tuple(types), tuple(out_types))
        hint = re.sub(r"\W+", "_", key).strip("_") or "f"
        attributes = "" if inlineable else _KEEP_CALL
        return self._invoke(ident, hint, types, write, out_types, xs, attributes)

    def _invoke(
        self,
        ident: object,
        hint: str,
        types: Sequence[Type],
        write: Callable[[list[str]], Sequence[str]],
        out_types: Sequence[Type],
        xs: Sequence[str],
        attributes: str,
    ) -> list[str]:
        name = self.names.get(ident)
        if name is None:
            name = self.names[ident] = f"{hint}_{len(self.names)}"
            self._function(name, types, write, out_types)
        text = f"func.call @{name}({', '.join(xs)}){attributes} : "
        return self.ops(f"{text}({_types(types)}) -> ({_types(out_types)})", len(out_types))

    def _function(
        self,
        name: str,
        types: Sequence[Type],
        write: Callable[[list[str]], Sequence[str]],
        out_types: Sequence[Type],
    ) -> None:
        args = [f"%arg{i}" for i in range(len(types))]
        body = self.body(write, args)
        self.functions.append(
            f"func.func private @{name}({_signature(args, types)}) -> ({_types(out_types)}) {{\n"
            + "".join(f"{line}\n" for line in body.lines)
            + f"return {_typed(body.outs, [t.mlir for t in out_types])}".rstrip()
            + "\n}"
        )

    def body(self, write: Callable[[list[str]], Sequence[str]], args: list[str]) -> Body:
        """What ``write`` emits on these arguments, apart from the lines written so far."""
        lines, self.lines = self.lines, []
        outer, self.outer = self.outer, []
        loc, self.loc = self.loc, ""
        outs = list(write(args))
        made = Body(self.lines, outs)
        self.lines, self.outer, self.loc = lines, outer, loc
        return made

    def module(self, main: str, attributes: str = "") -> Module:
        """Close the module: its functions, then main, then the locations."""
        spans = tuple(span for _, span in self.spans.values())
        head = f"module @verax {attributes}".rstrip()
        parts = [f"{head} {{", *self.functions, main, "}", *_aliases(spans)]
        return Module("\n".join(parts) + "\n", frozenset(self.targets), spans)


class Body(NamedTuple):
    """The lines of a function and the names that it returns."""

    lines: list[str]
    outs: list[str]


_KEEP_CALL = ' {mhlo.frontend_attributes = {inlineable = "false"}}'


# modules -----------------------------------------------------------------------------------------


def module(p: Program, donate: Iterable[int] = (), platform: str = "cpu") -> Module:
    """The module of a program for one device; inputs in ``donate`` give their memory away."""
    e = TextEmitter(platform)
    args = [f"%arg{i}" for i in range(p.n_in)]
    body = e.body(lambda a: e.inline(p, a), args)
    given = donations(p.in_types, p.out_types, donate)
    ins = ", ".join(
        f"{a}: {_known(t)}{_attributes([given[i]] if i in given else [])}"
        for i, (a, t) in enumerate(zip(args, p.in_types))
    )
    main = [
        f"func.func public @main({ins}) -> ({_types(p.out_types)}) {{",
        *body.lines,
        f"return {_typed(body.outs, [t.mlir for t in p.out_types])}".rstrip(),
        "}",
    ]
    return e.module("\n".join(main))


def spmd_module(
    p: Program,
    mesh: Mesh,
    in_types: Sequence[Type],
    out_types: Sequence[Type],
    donate: Iterable[int] = (),
    platform: str = "cpu",
) -> Module:
    """The module of a program that every device of the mesh runs on its shards.

    Args:
        p: the program of one device, collectives included.
        in_types, out_types: the global types; their specs say which shard a device holds.

    XLA runs it as it stands: under ``sdy.manual_computation`` there is nothing left to decide.
    """
    e = TextEmitter(platform)
    locals_ = [f"%local{i}" for i in range(p.n_in)]
    body = e.body(lambda a: e.inline(p, a), locals_)
    args = [f"%arg{i}" for i in range(p.n_in)]
    given = donations(in_types, out_types, donate)
    places = [shardy(t) for t in in_types]
    out_places = [shardy(t) for t in out_types]
    ins = ", ".join(
        f"{a}: {_known(t)}"
        + _attributes([f"sdy.sharding = #sdy.sharding{place}"] + ([given[i]] if i in given else []))
        for i, (a, t, place) in enumerate(zip(args, in_types, places))
    )
    outs = ", ".join(
        f"{t.mlir} {{sdy.sharding = #sdy.sharding{place}}}"
        for t, place in zip(out_types, out_places)
    )
    n = len(out_types)
    results = ["%out"] if n == 1 else [f"%out#{i}" for i in range(n)]
    left = "" if n == 0 else "%out = " if n == 1 else f"%out:{n} = "
    names = ", ".join(json.dumps(axis) for axis in mesh.names)
    sizes = ", ".join(f"{json.dumps(axis)}={size}" for axis, size in mesh.axes)
    main = [
        f"sdy.mesh @mesh = <[{sizes}]>",
        f"func.func public @main({ins}) -> ({outs}) {{",
        f"{left}sdy.manual_computation({', '.join(args)}) in_shardings=[{', '.join(places)}] "
        f"out_shardings=[{', '.join(out_places)}] manual_axes={{{names}}} "
        f"({_signature(locals_, p.in_types)}) {{",
        *body.lines,
        f"sdy.return {_typed(body.outs, [t.mlir for t in p.out_types])}".rstrip(),
        f"}} : ({_types(in_types)}) -> ({_types(out_types)})",
        f"return {_typed(results, [t.mlir for t in out_types])}".rstrip(),
        "}",
    ]
    return e.module(
        "\n".join(main),
        f"attributes {{mhlo.num_partitions = {mesh.count} : i32, mhlo.num_replicas = 1 : i32}}",
    )


def donations(
    in_types: Sequence[Type], out_types: Sequence[Type], donate: Iterable[int]
) -> dict[int, str]:
    """Per donated input its attribute: the output that takes its memory, or scratch space."""
    free: dict[Type, list[int]] = {}
    for o, t in enumerate(out_types):
        free.setdefault(t, []).append(o)
    given = {}
    for i in donate:
        outs = free.get(in_types[i])
        given[i] = (
            f"tf.aliasing_output = {outs.pop(0)} : i32" if outs else "jax.buffer_donor = true"
        )
    return given


def cuts_of(t: Type) -> Cuts:
    """Which mesh axes cut each dimension of the physical array; none without a spec."""
    if isinstance(t, KeyType):
        return no_cuts(t.physical.ndim)
    return no_cuts(t.ndim) if t.spec is None else t.spec.cuts


def shardy(t: Type) -> str:
    """How Shardy spells the layout of a global value on the mesh of its module."""
    dims = ("{" + ", ".join(map(json.dumps, axes)) + "}" for axes in cuts_of(t))
    return f"<@mesh, [{', '.join(dims)}]>"


# text --------------------------------------------------------------------------------------------


def _types(ts: Iterable[Type]) -> str:
    return ", ".join([t.mlir for t in ts])


def _signature(names: Sequence[str], ts: Sequence[Type]) -> str:
    return ", ".join([f"{a}: {t.mlir}" for a, t in zip(names, ts)])


def _typed(names: Sequence[str], types: Sequence[str]) -> str:
    return f"{', '.join(names)} : {', '.join(types)}" if names else ""


def _attributes(entries: Sequence[str]) -> str:
    return f" {{{', '.join(entries)}}}" if entries else ""


def _known(t: Type) -> str:
    physical = t.physical if isinstance(t, KeyType) else t
    if physical.symbolic:
        raise BackendError(
            f"{t} has a size that is not known, and XLA compiles known sizes only",
            fix="give each named dim a size before running, by calling with concrete arrays",
        )
    return t.mlir


def _aliases(spans: Iterable[Span]) -> list[str]:
    places = map(resolve, spans)
    return [f"#s{i} = loc({_quoted(at.file)}:{at.line}:{at.column})" for i, at in enumerate(places)]


@lru_cache(1024)
def _quoted(file: str) -> str:
    return json.dumps(file, ensure_ascii=False)


_LOC = re.compile(r" loc\(#s\d+\)$")


def result_types(line: str) -> list[str]:
    """The result types of an operation's text: after the last arrow, or after the last colon."""
    text = _LOC.sub("", line)
    _, arrow, tail = text.rpartition("-> ")
    if not arrow:
        _, arrow, tail = text.rpartition(" : ")
        tail = _split(tail)[-1]  # select spells the condition's type first
    if not arrow or "}" in tail:
        raise InternalError(f"no result type at the end of {line!r}")
    return _split(tail[1:-1]) if tail.startswith("(") else [tail]


def _split(types: str) -> list[str]:
    """Types between commas; the commas inside of ``<...>`` belong to a type."""
    return re.findall(r"(?:[^,<]|<(?:[^<>]|<[^<>]*>)*>)+", types.replace(", ", ","))


# literals ----------------------------------------------------------------------------------------


class _Special(NamedTuple):
    """The bit patterns of a floating-point format that have no decimal spelling."""

    inf: int
    nan: int
    sign: int


_SPECIAL: Mapping[str, _Special] = {
    "f8E4M3FN": _Special(0x7F, 0x7F, 0x80),  # it has no infinity: what overflows is nan
    "f8E5M2": _Special(0x7C, 0x7E, 0x80),
    "bf16": _Special(0x7F80, 0x7FC0, 0x8000),
    "f16": _Special(0x7C00, 0x7E00, 0x8000),
    "f32": _Special(0x7F800000, 0x7FC00000, 0x80000000),
    "f64": _Special(0x7FF0000000000000, 0x7FF8000000000000, 0x8000000000000000),
}


def literal(value: bool | int | float | complex, dtype: DType) -> str:
    """The exact spelling of one element; nan and the infinities are spelled by their bits."""
    kind = dtype.kind
    if kind == "float":
        return _float(value, dtype)
    if kind == "complex":
        z, part = complex(value), real_of(dtype)
        return f"({_float(z.real, part)}, {_float(z.imag, part)})"
    if kind == "bool":
        return "true" if value else "false"
    if isinstance(value, complex):
        raise InternalError(f"{value} has no value in {dtype}")
    return str(int(value))


def _float(value: bool | int | float | complex, dtype: DType) -> str:
    if isinstance(value, complex):
        raise InternalError(f"{value} has no value in {dtype}")
    x = float(value)
    if math.isfinite(x):
        text = repr(x)
        mantissa, e, exponent = text.partition("e")
        return text if "." in mantissa else f"{mantissa}.0{e}{exponent}"
    special = _SPECIAL[dtype.mlir]
    bits = special.nan if x != x else special.inf | (special.sign if x < 0 else 0)
    return f"0x{bits:0{dtype.bits // 4}X}"
