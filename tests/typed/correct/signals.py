"""Signals: Fourier transforms, filters, windows, spectrograms and autocorrelation."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, TypeVar

import verax as vx
from tests.typed.data import floats
from verax import C64, F32, Add

L8: TypeAlias = Literal[8]
L5: TypeAlias = Literal[5]
L32: TypeAlias = Literal[32]

N = TypeVar("N", bound=vx.AnyDim)


class Batch(vx.Dim): ...


class Time(vx.Dim): ...


class Taps(vx.Dim): ...


def power(x: F32[N, L8]) -> F32[N, L5]:
    z = vx.fft.rfft(x)
    return vx.square(vx.abs(z))


def spectrum(x: F32[Time]) -> C64[Time]:
    return vx.fft.fft(x)


def low_pass(x: F32[Batch, L8], keep: int) -> F32[Batch, L8]:
    z = vx.fft.rfft(x)
    at = vx.arange(5)
    return vx.fft.irfft(vx.where(at < keep, z, 0.0), 8)


def circular(x: F32[Time], h: F32[Time]) -> F32[Time]:
    return vx.real(vx.fft.ifft(vx.fft.fft(x) * vx.fft.fft(h)))


def hann(like: F32[N]) -> F32[N]:
    at = vx.arange(like.shape[0], dtype=vx.float32)
    return 0.5 - 0.5 * vx.cos(2.0 * math.pi * at / like.shape[0])


def frames(x: F32[L32]) -> F32[Literal[4], L8]:
    return x.reshape(4, 8)


def spectrogram(x: F32[L32]) -> F32[Literal[4], L5]:
    rows = frames(x)
    return vx.log1p(power(rows * hann(rows[0])))


def filtered(x: F32[Time], taps: F32[Taps]) -> F32[Add[Time, Taps, Literal[-1]]]:
    return vx.convolve(x, taps)


def smoothed(x: F32[Time], rate: float) -> F32[Time]:
    def step(level: F32[()], now: F32[()]) -> tuple[F32[()], F32[()]]:
        level = rate * level + (1.0 - rate) * now
        return level, level

    _, out = vx.scan(step, x[0], x)
    return out


def autocorrelation(x: F32[Time]) -> F32[Time]:
    z = vx.fft.fft(x - x.mean())
    out = vx.real(vx.fft.ifft(z * vx.conj(z)))
    return out / out[0]


def shifted(x: C64[Time], by: float) -> C64[Time]:
    at = vx.arange(x.shape[0], dtype=vx.float32)
    return x * vx.exp(at * (1j * by))


def example() -> vx.AnyArray:
    x = floats(32)
    total = spectrogram(x).sum() + low_pass(floats(2, 8), 3).sum()
    total += circular(x, x).sum() + smoothed(x, 0.9).sum() + autocorrelation(x).sum()
    total += vx.abs(shifted(spectrum(x), 0.1)).sum()
    return total + filtered(x, floats(3))
