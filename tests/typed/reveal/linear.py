"""Products, linear algebra and Fourier transforms."""

from __future__ import annotations

from typing import Any, reveal_type

import verax as vx
from tests.typed.reveal.names import Batch, Feat, Out
from verax import C64, F32


def products(
    x: F32[Batch, Feat], w: F32[Feat, Out], v: F32[Feat], b: F32[Batch], q: vx.AnyArray, o: F32
) -> None:
    reveal_type(vx.matmul(x, w))
    reveal_type(vx.matmul(x, v))
    reveal_type(vx.matmul(v, w))
    reveal_type(vx.matmul(v, v))
    reveal_type(vx.matmul(o, w))
    reveal_type(vx.matmul(q, q))
    reveal_type(vx.matmul(x, w, out_dtype=vx.float64))
    reveal_type(vx.dot(x, w))
    reveal_type(vx.dot(v, v))
    reveal_type(vx.dot(x, 2.0))
    reveal_type(vx.vdot(x, x))
    reveal_type(vx.vecdot(x, x))
    reveal_type(vx.vecdot(x, v))
    reveal_type(vx.matvec(x, v))
    reveal_type(vx.vecmat(v, w))
    reveal_type(vx.inner(v, v))
    reveal_type(vx.inner(x, x))
    reveal_type(vx.outer(v, b))
    reveal_type(vx.outer(x, x))
    reveal_type(vx.tensordot(x, w, 1))
    reveal_type(vx.kron(v, v))
    reveal_type(vx.cross(x, x))
    reveal_type(vx.einsum("bf,fo->bo", x, w))


def convolutions(v: F32[Feat], img: F32[Batch, Any, Any, Any]) -> None:
    reveal_type(vx.convolve(v, v))
    reveal_type(vx.correlate(v, v))
    reveal_type(vx.conv(img, img, 1, "SAME"))
    reveal_type(vx.conv_general_dilated(img, img, 1, "SAME"))
    reveal_type(vx.conv_transpose(img, img, 1, "SAME"))


def linalg(
    x: F32[Batch, Feat], w: F32[Feat, Out], v: F32[Feat], sq: F32[Feat, Feat], pd: F32[Feat, Feat]
) -> None:
    reveal_type(vx.linalg.block_diag(sq, sq))
    reveal_type(vx.linalg.cho_factor(pd))
    reveal_type(vx.linalg.cho_solve(vx.linalg.cho_factor(pd), v))
    reveal_type(vx.linalg.cholesky(pd))
    reveal_type(vx.linalg.cond(sq))
    reveal_type(vx.linalg.cross(x, x))
    reveal_type(vx.linalg.det(sq))
    reveal_type(vx.linalg.diagonal(sq))
    reveal_type(vx.linalg.eig(sq))
    reveal_type(vx.linalg.eigh(pd))
    reveal_type(vx.linalg.eigvals(sq))
    reveal_type(vx.linalg.eigvalsh(pd))
    reveal_type(vx.linalg.expm(sq))
    reveal_type(vx.linalg.hessenberg(sq))
    reveal_type(vx.linalg.householder_product(sq, v))
    reveal_type(vx.linalg.inv(pd))
    reveal_type(vx.linalg.lstsq(sq, v))
    reveal_type(vx.linalg.lu(sq))
    reveal_type(vx.linalg.lu_factor(pd))
    reveal_type(vx.linalg.lu_solve(vx.linalg.lu_factor(pd), v))
    reveal_type(vx.linalg.matmul(x, w))
    reveal_type(vx.linalg.matrix_norm(sq))
    reveal_type(vx.linalg.matrix_power(sq, 2))
    reveal_type(vx.linalg.matrix_rank(sq))
    reveal_type(vx.linalg.matrix_transpose(x))
    reveal_type(vx.linalg.multi_dot([x, w]))
    reveal_type(vx.linalg.norm(v))
    reveal_type(vx.linalg.outer(v, v))
    reveal_type(vx.linalg.pinv(sq))
    reveal_type(vx.linalg.polar(sq))
    reveal_type(vx.linalg.qr(sq))
    reveal_type(vx.linalg.schur(sq))
    reveal_type(vx.linalg.slogdet(sq))
    reveal_type(vx.linalg.solve(pd, v))
    reveal_type(vx.linalg.solve_sylvester(sq, sq, sq))
    reveal_type(vx.linalg.solve_triangular(pd, v, lower=True))
    reveal_type(vx.linalg.sqrtm(pd))
    reveal_type(vx.linalg.svd(sq))
    reveal_type(vx.linalg.svdvals(sq))
    reveal_type(vx.linalg.tensordot(x, w, 1))
    reveal_type(vx.linalg.trace(sq))
    reveal_type(vx.linalg.tridiagonal(pd))
    reveal_type(vx.linalg.tridiagonal_solve(v, v, v, v))
    reveal_type(vx.linalg.vecdot(x, x))
    reveal_type(vx.linalg.vector_norm(v))


def fft(x: F32[Batch, Feat], v: F32[Feat], z: C64[Batch]) -> None:
    reveal_type(vx.fft.fft(x))
    reveal_type(vx.fft.fft2(x))
    reveal_type(vx.fft.fftfreq(4))
    reveal_type(vx.fft.fftn(x))
    reveal_type(vx.fft.fftshift(x))
    reveal_type(vx.fft.hfft(z))
    reveal_type(vx.fft.ifft(x))
    reveal_type(vx.fft.ifft2(x))
    reveal_type(vx.fft.ifftn(x))
    reveal_type(vx.fft.ifftshift(x))
    reveal_type(vx.fft.ihfft(v))
    reveal_type(vx.fft.irfft(z))
    reveal_type(vx.fft.irfft2(x))
    reveal_type(vx.fft.irfftn(x))
    reveal_type(vx.fft.rfft(x))
    reveal_type(vx.fft.rfft2(x))
    reveal_type(vx.fft.rfftfreq(4))
    reveal_type(vx.fft.rfftn(x))
