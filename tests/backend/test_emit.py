"""Text of small programs, literals of every dtype, regions, calls, donations and places."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from verax.compiler.backend.emit import (
    TextEmitter,
    literal,
    module,
    result_types,
    spmd_module,
)
from verax.compiler.ir import dtypes as vd
from verax.compiler.ir.dtypes import DType, bool_, float32, int32
from verax.compiler.ir.errors import BackendError, InternalError
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.span import user_span
from verax.compiler.ir.types import ArrayType, KeyType
from verax.compiler.ops.barrier import Fence
from verax.compiler.ops.contract import broadcast, total
from verax.compiler.ops.control import Call, Cond
from verax.compiler.ops.pointwise import ADD, MUL, NEG, Compare, Select, splat
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Spec

pytestmark = pytest.mark.optimized

T = ArrayType((2, 3), float32)
ROW = ArrayType((3,), float32)


def unary(*ops: object, t: ArrayType = T) -> Program:
    """A chain of ops of one operand."""
    b = Builder()
    x = b.input(t)
    for op in ops:
        x = b.emit(op, x)  # type: ignore[arg-type]
    return b.finish([x])


def body(p: Program, donate: Sequence[int] = ()) -> list[str]:
    """The lines of main, without the module around it."""
    text = module(p, donate).text
    return text[text.index("func.func public") :].splitlines()


def test_module_of_a_small_program() -> None:
    b = Builder()
    x, y = b.input(T), b.input(T)
    z = b.emit(MUL, b.emit(ADD, x, y), b.emit(splat(2.0, T)))
    p = b.finish([z, b.emit(total(2, [0]), z)])
    assert module(p).text == (
        "module @verax {\n"
        "func.func public @main(%arg0: tensor<2x3xf32>, %arg1: tensor<2x3xf32>)"
        " -> (tensor<2x3xf32>, tensor<3xf32>) {\n"
        "%0 = stablehlo.add %arg0, %arg1 : tensor<2x3xf32>\n"
        "%1 = stablehlo.constant dense<2.0> : tensor<2x3xf32>\n"
        "%2 = stablehlo.multiply %0, %1 : tensor<2x3xf32>\n"
        "%3 = stablehlo.constant dense<0.0> : tensor<f32>\n"
        "%4 = stablehlo.reduce(%2 init: %3) applies stablehlo.add across dimensions = [0]"
        " : (tensor<2x3xf32>, tensor<f32>) -> tensor<3xf32>\n"
        "return %2, %4 : tensor<2x3xf32>, tensor<3xf32>\n"
        "}\n"
        "}\n"
    )


def test_module_without_results_and_of_keys() -> None:
    b = Builder()
    b.input(KeyType("threefry2x32", (4,)))
    assert body(b.finish([])) == [
        "func.func public @main(%arg0: tensor<4x2xui32>) -> () {",
        "return",
        "}",
        "}",
    ]


def test_spans_become_aliases_one_per_place() -> None:
    b = Builder()
    b.span = user_span(1)
    x = b.input(T)
    y = b.emit(NEG, b.emit(ADD, x, x))
    b.span = user_span(1)
    made = module(b.finish([b.emit(MUL, y, x)]))
    lines = made.text.splitlines()
    assert [line.rpartition(" ")[2] for line in lines if line.startswith("%")] == [
        "loc(#s0)",
        "loc(#s0)",
        "loc(#s1)",
    ]
    first = test_spans_become_aliases_one_per_place.__code__.co_firstlineno + 2
    assert [line for line in lines if line.startswith("#")] == [
        f'#s0 = loc("{__file__}":{first}:13)',
        f'#s1 = loc("{__file__}":{first + 3}:13)',
    ]
    assert len(made.spans) == 2


def test_a_call_is_written_once() -> None:
    inner = unary(NEG, t=ROW)
    b = Builder()
    x = b.input(ROW)
    y = b.emit(Call(inner), b.emit(Call(inner), x))
    assert module(b.finish([y])).text == (
        "module @verax {\n"
        "func.func private @f_0(%arg0: tensor<3xf32>) -> (tensor<3xf32>) {\n"
        "%0 = stablehlo.negate %arg0 : tensor<3xf32>\n"
        "return %0 : tensor<3xf32>\n"
        "}\n"
        "func.func public @main(%arg0: tensor<3xf32>) -> (tensor<3xf32>) {\n"
        "%1 = func.call @f_0(%arg0) : (tensor<3xf32>) -> (tensor<3xf32>)\n"
        "%2 = func.call @f_0(%1) : (tensor<3xf32>) -> (tensor<3xf32>)\n"
        "return %2 : tensor<3xf32>\n"
        "}\n"
        "}\n"
    )


def test_a_fence_is_a_call_that_is_kept() -> None:
    b = Builder()
    x, r = b.input(T), b.input(ROW)
    p = b.finish([b.emit(Fence(), b.emit(Fence(), x)), b.emit(Fence(), r)])
    assert module(p).text == (
        "module @verax {\n"
        "func.func private @fence_0(%arg0: tensor<2x3xf32>) -> (tensor<2x3xf32>) {\n"
        "return %arg0 : tensor<2x3xf32>\n"
        "}\n"
        "func.func private @fence_1(%arg0: tensor<3xf32>) -> (tensor<3xf32>) {\n"
        "return %arg0 : tensor<3xf32>\n"
        "}\n"
        "func.func public @main(%arg0: tensor<2x3xf32>, %arg1: tensor<3xf32>)"
        " -> (tensor<2x3xf32>, tensor<3xf32>) {\n"
        '%0 = func.call @fence_0(%arg0) {mhlo.frontend_attributes = {inlineable = "false"}}'
        " : (tensor<2x3xf32>) -> (tensor<2x3xf32>)\n"
        '%1 = func.call @fence_0(%0) {mhlo.frontend_attributes = {inlineable = "false"}}'
        " : (tensor<2x3xf32>) -> (tensor<2x3xf32>)\n"
        '%2 = func.call @fence_1(%arg1) {mhlo.frontend_attributes = {inlineable = "false"}}'
        " : (tensor<3xf32>) -> (tensor<3xf32>)\n"
        "return %1, %2 : tensor<2x3xf32>, tensor<3xf32>\n"
        "}\n"
        "}\n"
    )


def test_names_in_regions_do_not_clash() -> None:
    """Every name of a module is defined once per function, and regions see those around them."""
    b = Builder()
    i, x = b.input(ArrayType((), int32)), b.input(ROW)
    branch = Cond((unary(NEG, NEG, t=ROW), unary(t=ROW)))
    inner = Builder()
    j, u = inner.input(ArrayType((), int32)), inner.input(ROW)
    nested = inner.finish([inner.emit(branch, j, u)])
    y = b.emit(branch, i, b.emit(Call(nested), i, b.emit(branch, i, x)))
    text = module(b.finish([y])).text
    for function in text.split("func.func")[1:]:
        defined = [line.partition(" = ")[0] for line in function.splitlines() if " = " in line]
        names = [name.partition(":")[0] for name in defined if name.startswith("%")]
        assert len(names) == len(set(names)) > 0


# donation ----------------------------------------------------------------------------------------


def test_donated_inputs_meet_outputs_of_their_type_in_order() -> None:
    b = Builder()
    x, y, z, r = b.input(T), b.input(T), b.input(T), b.input(ROW)
    p = b.finish([b.emit(NEG, r), b.emit(ADD, x, y), b.emit(MUL, y, z)])
    assert body(p, [1, 2, 0, 3])[0] == (
        "func.func public @main("
        "%arg0: tensor<2x3xf32> {jax.buffer_donor = true}, "
        "%arg1: tensor<2x3xf32> {tf.aliasing_output = 1 : i32}, "
        "%arg2: tensor<2x3xf32> {tf.aliasing_output = 2 : i32}, "
        "%arg3: tensor<3xf32> {tf.aliasing_output = 0 : i32}"
        ") -> (tensor<3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) {"
    )


# meshes ------------------------------------------------------------------------------------------


def test_module_for_a_mesh() -> None:
    mesh = Mesh(data=2, model=4)
    cut = ArrayType((4, 8), float32, Spec(mesh, (("data",), ("model",))))
    both = ArrayType((8,), float32, Spec(mesh, (("model", "data"),)))
    local = Builder()
    x, y = local.input(ArrayType((2, 2), float32)), local.input(ArrayType((1,), float32))
    p = local.finish([local.emit(NEG, x), local.emit(NEG, y)])
    place, other = '[{"data"}, {"model"}]', '[{"model", "data"}]'
    assert spmd_module(p, mesh, (cut, both), (cut, both), [0]).text == (
        "module @verax attributes {mhlo.num_partitions = 8 : i32, mhlo.num_replicas = 1 : i32} {\n"
        'sdy.mesh @mesh = <["data"=2, "model"=4]>\n'
        "func.func public @main("
        f"%arg0: tensor<4x8xf32> {{sdy.sharding = #sdy.sharding<@mesh, {place}>, "
        "tf.aliasing_output = 0 : i32}, "
        f"%arg1: tensor<8xf32> {{sdy.sharding = #sdy.sharding<@mesh, {other}>}}) -> ("
        f"tensor<4x8xf32> {{sdy.sharding = #sdy.sharding<@mesh, {place}>}}, "
        f"tensor<8xf32> {{sdy.sharding = #sdy.sharding<@mesh, {other}>}}) {{\n"
        "%out:2 = sdy.manual_computation(%arg0, %arg1) "
        f"in_shardings=[<@mesh, {place}>, <@mesh, {other}>] "
        f"out_shardings=[<@mesh, {place}>, <@mesh, {other}>] "
        'manual_axes={"data", "model"} (%local0: tensor<2x2xf32>, %local1: tensor<1xf32>) {\n'
        "%0 = stablehlo.negate %local0 : tensor<2x2xf32>\n"
        "%1 = stablehlo.negate %local1 : tensor<1xf32>\n"
        "sdy.return %0, %1 : tensor<2x2xf32>, tensor<1xf32>\n"
        "} : (tensor<4x8xf32>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<8xf32>)\n"
        "return %out#0, %out#1 : tensor<4x8xf32>, tensor<8xf32>\n"
        "}\n"
        "}\n"
    )


# regions -----------------------------------------------------------------------------------------


def test_block_finds_the_types_of_what_it_returns() -> None:
    e = TextEmitter()
    outside = e.constant(1.0, ROW)

    def write(args: list[str]) -> list[str]:
        pair = e.ops(f"some.pair {args[0]} : (tensor<3xf32>) -> (tensor<i1>, tensor<3xf32>)", 2)
        chosen = e.op(f"stablehlo.select {pair[0]}, {pair[1]}, {outside} : tensor<i1>, {ROW.mlir}")
        return [args[0], pair[0], chosen, outside, *e.inline(unary(NEG, t=ROW), [chosen])]

    assert e.block([ROW], write) == (
        "{^bb0(%1: tensor<3xf32>):\n"
        "%2:2 = some.pair %1 : (tensor<3xf32>) -> (tensor<i1>, tensor<3xf32>)\n"
        "%3 = stablehlo.select %2#0, %2#1, %0 : tensor<i1>, tensor<3xf32>\n"
        "%4 = stablehlo.negate %3 : tensor<3xf32>\n"
        "stablehlo.return %1, %2#0, %3, %0, %4 : "
        "tensor<3xf32>, tensor<i1>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>\n"
        "}"
    )
    assert e.lines == ["%0 = stablehlo.constant dense<1.0> : tensor<3xf32>"]
    assert e.block([], lambda _: []) == "{\nstablehlo.return\n}"


def test_block_refuses_a_name_that_nothing_defines() -> None:
    e = TextEmitter()
    with pytest.raises(InternalError) as error:
        e.block([], lambda _: ["%7"])
    assert error.value.message == "the region returns %7, which no line in scope defines"


@pytest.mark.parametrize(
    ("line", "types"),
    [
        ("%0 = stablehlo.add %a, %b : tensor<f32>", ["tensor<f32>"]),
        ("%0 = stablehlo.add %a, %b : tensor<f32> loc(#s12)", ["tensor<f32>"]),
        ("%0 = stablehlo.compare LT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>",
         ["tensor<i1>"]),
        ("%0 = stablehlo.select %p, %a, %b : tensor<i1>, tensor<complex<f32>>",
         ["tensor<complex<f32>>"]),
        ('%0:2 = "stablehlo.sort"(%a, %b) ({\n^bb0:\n}) : (tensor<2xf32>, tensor<2xi32>)'
         " -> (tensor<2xf32>, tensor<2xi32>)", ["tensor<2xf32>", "tensor<2xi32>"]),
        ("%0 = chlo.erf %a : tensor<2xcomplex<f64>> -> tensor<2xcomplex<f64>>",
         ["tensor<2xcomplex<f64>>"]),
        ("%0 = func.call @f(%a) : (tensor<f32>) -> (tensor<f32>)", ["tensor<f32>"]),
    ],
)  # fmt: skip
def test_result_types(line: str, types: list[str]) -> None:
    assert result_types(line) == types


# literals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (True, vd.bool_, "true"),
        (0, vd.bool_, "false"),
        (-8, vd.int4, "-8"),
        (15, vd.uint4, "15"),
        (2**64 - 1, vd.uint64, "18446744073709551615"),
        (-(2**63), vd.int64, "-9223372036854775808"),
        (True, vd.int32, "1"),
        (1, vd.float32, "1.0"),
        (-0.0, vd.float32, "-0.0"),
        (0.1, vd.float64, "0.1"),
        (1e-05, vd.float32, "1.0e-05"),
        (1.5e300, vd.float64, "1.5e+300"),
        (5e-324, vd.float64, "5.0e-324"),
        (math.inf, vd.float32, "0x7F800000"),
        (-math.inf, vd.float32, "0xFF800000"),
        (math.nan, vd.float32, "0x7FC00000"),
        (math.inf, vd.float64, "0x7FF0000000000000"),
        (math.nan, vd.float64, "0x7FF8000000000000"),
        (-math.inf, vd.bfloat16, "0xFF80"),
        (math.nan, vd.bfloat16, "0x7FC0"),
        (-math.inf, vd.float16, "0xFC00"),
        (math.nan, vd.float16, "0x7E00"),
        (math.inf, vd.float8_e5m2, "0x7C"),
        (math.nan, vd.float8_e5m2, "0x7E"),
        (math.nan, vd.float8_e4m3fn, "0x7F"),
        (1 + 2j, vd.complex64, "(1.0, 2.0)"),
        (complex(-0.0, math.inf), vd.complex128, "(-0.0, 0x7FF0000000000000)"),
    ],
)
def test_literal(value: bool | int | float | complex, dtype: DType, text: str) -> None:
    assert literal(value, dtype) == text


def test_a_complex_number_has_no_real_literal() -> None:
    for dtype in (int32, float32):
        with pytest.raises(InternalError) as error:
            literal(1j, dtype)
        assert error.value.message == f"1j has no value in {dtype}"


def test_unknown_sizes_are_refused() -> None:
    p = unary(NEG, t=ArrayType((dim("Batch"), 3), float32))
    with pytest.raises(BackendError) as error:
        module(p)
    assert error.value.message == (
        "float32[Batch,3] has a size that is not known, and XLA compiles known sizes only"
    )
    assert error.value.fix == (
        "give each named dim a size before running, by calling with concrete arrays"
    )


def test_equal_programs_give_equal_text() -> None:
    def build() -> Program:
        b = Builder()
        x = b.input(T)
        zero = b.emit(splat(0.0, T))
        y = b.emit(Select(), b.emit(Compare("GT"), x, zero), x, zero)
        return b.finish([b.emit(broadcast((4, 2, 3), [1, 2]), y)])

    assert module(build()).text == module(build()).text
    assert bool_.mlir in module(build()).text
