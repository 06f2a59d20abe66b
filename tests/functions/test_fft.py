"""``vx.fft`` against numpy.fft, with its derivatives and its errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.functions.oracle import Array, agree, check_gradient, close, told
from verax.compiler.ir.dtypes import complex64
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.fft import Fft

RNG = np.random.default_rng(5)


def plane(*shape: int, dtype: Any = np.complex128) -> Array:
    return np.asarray(RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(dtype)


def named(module: Any) -> Any:
    return module.fft


def test_one_axis() -> None:
    x, z = RNG.normal(size=(4, 5)), plane(4, 5)
    calls: list[Callable[..., Any]] = []
    for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
        real = name in ("rfft", "ihfft")
        for n, axis, norm in (
            (None, -1, None),
            (None, 0, "ortho"),
            (3, 1, "forward"),
            (8, 0, "backward"),
            (7, -1, "forward"),
            (1, 0, "ortho"),
        ):
            calls.append(
                lambda xp, x, z, name=name, real=real, n=n, axis=axis, norm=norm: getattr(
                    named(xp), name
                )(x if real else z, n, axis, norm)
            )
        if not real:
            calls.append(lambda xp, x, z, name=name: getattr(named(xp), name)(x))
    agree(calls, x, z, tolerance=1e-12)


def test_several_axes() -> None:
    x, z = RNG.normal(size=(2, 3, 4, 5)), plane(2, 3, 4, 5)
    calls: list[Callable[..., Any]] = []
    for kind in ("fft", "ifft", "rfft", "irfft"):
        for s, axes, norm in (
            (None, None, None),
            (None, (2, 0), "ortho"),
            ((3, 6), (1, -1), "forward"),
            ((2, -1, 4), (0, 1, 2), None),
        ):
            calls.append(
                lambda xp, x, z, kind=kind, s=s, axes=axes, norm=norm: getattr(
                    named(xp), f"{kind}n"
                )(x if kind == "rfft" else z, s, axes, norm)
            )
        calls.append(
            lambda xp, x, z, kind=kind: getattr(named(xp), f"{kind}2")(
                x if kind == "rfft" else z, norm="ortho"
            )
        )
    calls.append(lambda xp, x, z: named(xp).fftn(z, axes=()))
    agree(calls, x, z, tolerance=1e-12)


def test_more_axes_than_the_compiler_transforms_at_once() -> None:
    x = RNG.normal(size=(2, 3, 2, 2, 2, 3, 2))
    y = vx.fft.rfftn(x)
    close(y, np.fft.rfftn(x), 1e-12)
    close(vx.fft.irfftn(y, x.shape, range(7)), x, 1e-12)
    close(vx.fft.fftn(x, axes=range(1, 6)), np.fft.fftn(x, axes=range(1, 6)), 1e-12)


def test_dtypes() -> None:
    for dtype, spectrum in (
        (vx.float32, vx.complex64),
        (vx.float64, vx.complex128),
        (vx.bfloat16, vx.complex64),
        (vx.float16, vx.complex64),
        (vx.int8, vx.complex64),
        (vx.bool_, vx.complex64),
        (vx.complex64, vx.complex64),
        (vx.complex128, vx.complex128),
    ):
        x = vx.ones(4, dtype=dtype)
        assert vx.fft.fft(x).dtype is spectrum
        back = vx.float64 if spectrum is vx.complex128 else vx.float32
        assert vx.fft.irfft(x).dtype is back
        if dtype is not spectrum:
            assert vx.fft.rfft(x).dtype is spectrum


def test_frequencies_and_shifts() -> None:
    for n in (1, 4, 5):
        close(vx.fft.fftfreq(n, 0.5), np.fft.fftfreq(n, 0.5))
        close(vx.fft.rfftfreq(n, d=0.1, dtype=vx.float64), np.fft.rfftfreq(n, d=0.1), 1e-15)
    x = RNG.normal(size=(4, 5))
    agree(
        [
            lambda xp, x: named(xp).fftshift(x),
            lambda xp, x: named(xp).ifftshift(x),
            lambda xp, x: named(xp).fftshift(x, 1),
            lambda xp, x: named(xp).ifftshift(x, (1, 0)),
        ],
        x,
    )
    close(vx.fft.ifftshift(vx.fft.fftshift(x)), x)


def test_gradients() -> None:
    x = RNG.normal(size=(3, 4))

    def power(z: Any) -> Any:
        return z.real * z.real + z.imag

    check_gradient(
        lambda x: [
            power(vx.fft.fft(x)),
            power(vx.fft.ifft(x, 3, 0, "ortho")),
            power(vx.fft.rfft(x, 5, norm="forward")),
            power(vx.fft.rfftn(x, (4, 3))),
            vx.fft.irfft(vx.fft.rfft(x) * vx.fft.rfft(x * x), 4),
            vx.fft.irfft2(vx.make_complex(x, x * x), (3, 5)),
            vx.fft.hfft(vx.make_complex(x, -x), 6),
            power(vx.fft.ihfft(x * x)),
        ],
        x,
    )


def test_second_derivatives_and_maps() -> None:
    x = RNG.normal(size=(2, 6))

    def smooth(x: Any) -> Any:
        spectrum = vx.fft.rfft(x)
        return vx.sum(vx.fft.irfft(spectrum * vx.fft.rfft(vx.sin(x)), 6) ** 2)

    forward, reverse, mapped = vx.jit(
        lambda x: (
            vx.jacfwd(vx.jacfwd(smooth))(x[0]),
            vx.hessian(smooth)(x[0]),
            vx.vmap(vx.grad(smooth))(x),
        )
    )(vx.asarray(x))
    close(forward, reverse, 1e-10)
    close(mapped[1], vx.grad(smooth)(vx.asarray(x[1])), 1e-10)
    close(vx.vmap(vx.fft.fft, in_axes=1)(x), np.fft.fft(x.T), 1e-12)


def test_a_convolution_is_a_product_of_spectra() -> None:
    x, k = RNG.normal(size=9), RNG.normal(size=4)
    y = vx.fft.irfft(vx.fft.rfft(x, 12) * vx.fft.rfft(k, 12), 12)
    close(y, np.convolve(x, k), 1e-12)


def test_sizes_that_are_not_known() -> None:
    n = dim("n")
    p = vx.jit(lambda x: vx.fft.irfft(vx.fft.rfft(x), 2 * n)).stage(
        vx.ArrayType((3, n * 2), vx.float32)
    )
    assert [str(t) for t in p.out_types] == ["float32[3,2*n]"]
    assert told(lambda: vx.jit(vx.fft.rfft).stage(vx.ArrayType((n,), vx.float32))) == (
        "[verax-size] rfft: the size n is not known to be even or odd\n"
        "  fix: declare the dimension as a multiple of 2, or transform with fft"
    )


ERRORS: tuple[tuple[Callable[[], Any], type[vx.VeraxError], str], ...] = (
    (
        lambda: vx.fft.rfft(vx.ones(4, dtype=vx.complex64)),
        vx.DTypeError,
        "[verax-dtype] rfft takes real numbers, got complex64[4]\n  fix: vx.fft.fft(x)",
    ),
    (
        lambda: vx.fft.fft(vx.ones(4), norm="unit"),  # type: ignore[arg-type]
        vx.ShapeError,
        '[verax-shape] fft: \'unit\' is no norm\n  fix: norm="backward", "ortho" or "forward"',
    ),
    (
        lambda: vx.fft.fftn(vx.ones((4, 4)), (2, 2), (0,)),
        vx.ShapeError,
        ("[verax-shape] fftn: 2 sizes for 1 axes\n  fix: give s one size per axis of axes"),
    ),
    (
        lambda: vx.fft.irfft(vx.ones((2, 1))),
        vx.ShapeError,
        "[verax-shape] irfft of 0 elements, along axis 1 of float32[2,1]\n"
        "  fix: a transform has 1 element or more: give its size, n=... or s=...",
    ),
    (
        lambda: vx.fft.fft2(vx.ones(4)),
        vx.ShapeError,
        "[verax-shape] fft2: axis -2 is out of range for float32[4]\n"
        "  fix: its axes are 0 to 0, or -1 to -1 from the end",
    ),
    (
        lambda: vx.fft.rfftn(vx.ones(4), axes=()),
        vx.ShapeError,
        (
            "[verax-shape] rfftn: float32[4] is transformed along one axis or more, "
            "got none\n"
            "  fix: axes=(-1,)"
        ),
    ),
    (
        lambda: vx.fft.fftfreq(0),
        vx.ShapeError,
        "[verax-shape] fftfreq: 0 samples have no frequencies\n  fix: n is 1 or more",
    ),
)


@pytest.mark.parametrize(("call", "kind", "text"), ERRORS)
def test_errors(call: Callable[[], Any], kind: type[vx.VeraxError], text: str) -> None:
    with pytest.raises(kind):
        call()
    assert told(call) == text


def test_errors_of_the_op() -> None:
    x = ArrayType((2, 3), complex64)
    assert told(lambda: Fft("fft", 4)) == (
        "[verax-shape] fft transforms 1 to 3 dimensions at once, not 4"
    )
    assert told(lambda: Fft("fft", 3).infer((x,))) == (
        "[verax-shape] fft of 3 dimensions: [2,3] has 2"
    )
    assert told(lambda: Fft("rfft", 1).infer((x,))) == (
        "[verax-dtype] rfft takes float32 or float64, got complex64[2,3]\n"
        "  fix: convert the operand first: x.astype(vx.float32)"
    )
    assert told(lambda: Fft("irfft", 1, 6).infer((x,))) == (
        "[verax-shape] irfft to 6 elements takes 4 of them in the last dimension, got [2,3]"
    )
    assert told(lambda: Fft("fft", 2).infer((ArrayType((0, 3), complex64),))) == (
        "[verax-shape] fft of [0,3]: there is nothing to transform"
    )
