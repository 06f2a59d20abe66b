"""Programs from signal processing: filters, spectra, wavelets, smoothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.signal
from scipy.fft import dct
from scipy.linalg import solve_toeplitz
from scipy.ndimage import median_filter

import verax as vx
from tests.corpus.harness import Case

RNG = np.random.default_rng(5)


def filtered_error(taps: Any, signal: Any, wanted: Any) -> Any:
    """A filter of finite response, and how far its output is from what is wanted."""
    out = vx.convolve(signal, taps, mode="same")
    return out, vx.mean((out - wanted) ** 2)


def filtered_reference(taps: Any, signal: Any, wanted: Any) -> Any:
    out = scipy.signal.lfilter(taps, [1.0], np.r_[signal, 0.0])[1:]
    return out, np.mean((out - wanted) ** 2)


def low_pass(signal: Any, cutoff: Any) -> Any:
    """A Butterworth response of zero phase, multiplied in the frequency domain."""
    frequencies = vx.fft.rfftfreq(signal.shape[0], dtype=signal.dtype)
    response = 1.0 / (1.0 + (frequencies / cutoff) ** 4)
    return vx.fft.irfft(vx.fft.rfft(signal) * response, signal.shape[0])


def low_pass_reference(signal: Any, cutoff: Any) -> Any:
    n = len(signal)
    at = np.arange(n)
    response = 1 / (1 + (np.minimum(at, n - at) / n / cutoff) ** 4)
    waves = np.exp(2j * np.pi * np.outer(at, at) / n)
    return (waves @ (response * (waves.conj() @ signal))).real / n


def spectrogram(signal: Any, window: Any) -> Any:
    """The power of overlapping frames in decibels."""
    size, hop = window.shape[0], window.shape[0] // 2
    starts = vx.arange(0, signal.shape[0] - size + 1, hop)
    frames = vx.vmap(lambda start: vx.dynamic_slice(signal, (start,), (size,)))(starts)
    spectrum = vx.fft.rfft(frames * window)
    power = spectrum.real**2 + spectrum.imag**2
    return 10.0 * vx.log10(power + 1e-3)


def spectrogram_reference(signal: Any, window: Any) -> Any:
    n = len(window)
    frames = np.lib.stride_tricks.sliding_window_view(signal, n)[:: n // 2] * window
    return 10 * np.log10(np.abs(np.fft.fft(frames)[:, : n // 2 + 1]) ** 2 + 1e-3)


def savitzky_golay(signal: Any) -> Any:
    """A quadratic fitted to each window of five, and its slope in the middle."""
    at = vx.arange(-2.0, 3.0, dtype=signal.dtype)
    powers = at[:, None] ** vx.arange(3)
    windows = signal[vx.arange(signal.shape[0] - 4)[:, None] + vx.arange(5)]
    fits = vx.linalg.lstsq(powers, windows.mT)[0]
    return fits[0], fits[1]


def savitzky_reference(signal: Any) -> Any:
    return tuple([scipy.signal.savgol_filter(signal, 5, 2, deriv=k)[2:-2] for k in (0, 1)])


def goertzel(signal: Any, frequency: Any) -> Any:
    """The power at one frequency by a recurrence of second order."""
    omega = 2 * np.pi * frequency
    turn = 2.0 * vx.cos(omega)

    def step(state: Any, x: Any) -> Any:
        one, two = state
        return (x + turn * one - two, one), None

    zero = vx.zeros((), dtype=signal.dtype)
    (one, two), _ = vx.scan(step, (zero, zero), signal)
    return one * one + two * two - turn * one * two


def goertzel_reference(signal: Any, frequency: Any) -> Any:
    return abs(np.exp(-2j * np.pi * frequency * np.arange(len(signal))) @ signal) ** 2


def equaliser(signal: Any, gains: Any) -> Any:
    """Two peaking filters one after the other, each a scan of its biquad."""

    def biquad(x: Any, centre: float, gain: Any) -> Any:
        a, alpha, c = vx.exp(gain), np.sin(centre) / 2, -2 * np.cos(centre)
        norm = 1.0 + alpha / a
        b0, b1, b2 = (1.0 + alpha * a) / norm, c / norm, (1.0 - alpha * a) / norm
        a1, a2 = c / norm, (1.0 - alpha / a) / norm

        def step(state: Any, x: Any) -> Any:
            y = b0 * x + state[0]
            return vx.stack([b1 * x - a1 * y + state[1], b2 * x - a2 * y]), y

        return vx.scan(step, vx.zeros((2,), dtype=x.dtype), x)[1]

    return biquad(biquad(signal, 0.7, gains[0]), 1.9, gains[1])


def equaliser_reference(signal: Any, gains: Any) -> Any:
    for centre, a in zip((0.7, 1.9), np.exp(gains)):
        alpha, c = np.sin(centre) / 2, -2 * np.cos(centre)
        b = [1 + alpha * a, c, 1 - alpha * a]
        signal = scipy.signal.lfilter(b, [1 + alpha / a, c, 1 - alpha / a], signal)
    return signal


def linear_prediction(signal: Any) -> Any:
    """Predictor coefficients from the autocorrelation, which an FFT computes."""
    n, order = signal.shape[0], 3
    spectrum = vx.fft.rfft(signal, 2 * n)
    r = vx.fft.irfft(spectrum * vx.conj(spectrum), 2 * n).real[: order + 1] / n
    lags = vx.abs(vx.arange(order)[:, None] - vx.arange(order))
    return r, vx.linalg.solve(r[lags], r[1:])


def prediction_reference(signal: Any) -> Any:
    n = len(signal)
    r = np.correlate(signal, signal, "full")[n - 1 : n + 3] / n
    return r, solve_toeplitz(r[:3], r[1:])


def median_filtering(signal: Any) -> Any:
    """The medians of windows of three and five, at the ends of fewer."""

    def filtered(x: Any, size: int) -> Any:
        shifts = [vx.roll(x, k, axis=0) for k in range(-(size // 2), size // 2 + 1)]
        return vx.sort(vx.stack(shifts), axis=0)[size // 2]

    return filtered(filtered(signal, 3), 5)


def median_reference(signal: Any) -> Any:
    return median_filter(median_filter(signal, 3, mode="wrap"), 5, mode="wrap")


def soft_histogram(signal: Any, other: Any) -> Any:
    """The mutual information of two signals, by a joint histogram with linear weights."""
    bins = 4

    def weights(x: Any) -> Any:
        at = (bins - 1) * (x - vx.min(x)) / vx.ptp(x)
        return vx.relu(1.0 - vx.abs(at[:, None] - vx.arange(bins, dtype=x.dtype)))

    joint = weights(signal).mT @ weights(other) / signal.shape[0]
    apart = vx.outer(vx.sum(joint, axis=1), vx.sum(joint, axis=0))
    seen = joint > 0.0
    ratio = vx.where(seen, joint / apart, 1.0)
    return joint, vx.sum(joint * vx.log(ratio))


def histogram_reference(signal: Any, other: Any) -> Any:
    joint = np.zeros((4, 4))
    a, b = (3 * (x - x.min()) / (x.max() - x.min()) for x in (signal, other))
    for s, t in zip(a, b):
        i, j = min(int(s), 2), min(int(t), 2)
        u, v = s - i, t - j
        joint[i : i + 2, j : j + 2] += np.outer([1 - u, u], [1 - v, v]) / len(a)
    apart = np.outer(joint.sum(1), joint.sum(0))
    full = joint > 0
    return joint, np.sum(joint[full] * np.log(joint[full] / apart[full]))


def wavelet_shrinkage(signal: Any, threshold: Any) -> Any:
    """A Haar transform, small details taken away, and back."""

    def split(x: Any) -> Any:
        return (x[::2] + x[1::2]) / 2**0.5, (x[::2] - x[1::2]) / 2**0.5

    def merge(low: Any, high: Any) -> Any:
        return vx.stack([low + high, low - high], axis=-1).ravel() / 2**0.5

    details, x = [], signal
    while x.shape[0] > 1:
        x, high = split(x)
        details.append(vx.sign(high) * vx.relu(vx.abs(high) - threshold))
    for high in reversed(details):
        x = merge(x, high)
    return x, vx.concat(details)


def wavelet_reference(signal: Any, threshold: Any) -> Any:
    n = len(signal)
    basis = [np.full(n, n**-0.5)]
    for width in [n >> k for k in range(n.bit_length() - 1)]:
        shape = np.r_[np.ones(width // 2), -np.ones(width // 2)] / width**0.5
        basis += [np.pad(shape, (i, n - i - width)) for i in range(0, n, width)]
    c = np.stack(basis) @ signal
    c[1:] = np.sign(c[1:]) * np.maximum(np.abs(c[1:]) - threshold, 0)
    fine_first = [c[n >> k : n >> k - 1] for k in range(1, n.bit_length())]
    return c @ np.stack(basis), np.concatenate(fine_first)


def resampled(signal: Any, taps: Any) -> Any:
    """Three samples for two: zeros between, a filter, and every second one."""
    out = vx.conv_general_dilated(
        signal[None, None], taps[None, None, ::-1], (2,), [(4, 4)], lhs_dilation=(3,)
    )
    return out[0, 0]


def resampled_reference(signal: Any, taps: Any) -> Any:
    return scipy.signal.upfirdn(taps, signal, 3, 2)


def deconvolution(image: Any, kernel: Any, noise: Any) -> Any:
    """A blurred image, sharpened by Wiener's filter."""
    transfer = vx.fft.fft2(kernel, image.shape)
    blurred = vx.fft.ifft2(vx.fft.fft2(image) * transfer).real
    filter_ = vx.conj(transfer) / (vx.abs(transfer) ** 2 + noise)
    return blurred, vx.fft.ifft2(vx.fft.fft2(blurred) * filter_).real


def deconvolution_reference(image: Any, kernel: Any, noise: Any) -> Any:
    """By the matrix of the blur: the sharp image is a regularised solution."""
    columns = []
    for i, j in np.ndindex(image.shape):
        moved = np.roll(np.pad(kernel, ((0, 2), (0, 2))), (i, j), axis=(0, 1))
        columns.append(moved.ravel())
    blur = np.stack(columns, axis=1)
    blurred = blur @ image.ravel()
    sharp = np.linalg.solve(blur.T @ blur + noise * np.eye(len(blur)), blur.T @ blurred)
    return blurred.reshape(image.shape), sharp.reshape(image.shape)


def cepstrum(signal: Any, bank: Any) -> Any:
    """Cepstral coefficients: energies in bands, their logarithms, a cosine transform."""
    energies = bank @ vx.abs(vx.fft.rfft(signal)) ** 2
    n = bank.shape[0]
    at = vx.arange(n, dtype=signal.dtype)
    cosines = vx.cos(np.pi / n * vx.outer(at, at + 0.5))
    scale = vx.full_like(at, (2 / n) ** 0.5).at[0].set(n**-0.5)
    return scale * (cosines @ vx.log(energies))


def cepstrum_reference(signal: Any, bank: Any) -> Any:
    n = len(signal)
    power = np.abs(np.fft.fft(signal)[: n // 2 + 1]) ** 2
    return dct(np.log(bank @ power), norm="ortho")


def tomography(image: Any, angles: Any) -> Any:
    """Projections of an image, and steps back by the transpose of the projector."""
    n = image.shape[0]
    at = vx.arange(n, dtype=image.dtype) - (n - 1) / 2

    def project(x: Any) -> Any:
        def one(angle: Any) -> Any:
            place = vx.cos(angle) * at[:, None] + vx.sin(angle) * at
            return vx.exp(-2.0 * (place.ravel() - at[:, None]) ** 2) @ x.ravel()

        return vx.map(one, angles)

    def step(x: Any, _: None) -> Any:
        error = project(image) - project(x)
        return x + 0.05 * vx.linear_transpose(project, x)(error)[0], vx.sum(error**2)

    return vx.scan(step, vx.zeros_like(image), None, length=3)


def tomography_reference(image: Any, angles: Any) -> Any:
    n = len(image)
    at = np.arange(n) - (n - 1) / 2
    rows = []
    for c, s in zip(np.cos(angles), np.sin(angles)):
        for t in at:
            rows.append(np.exp(-2 * (c * at[:, None] + s * at - t) ** 2).ravel())
    a, x, squares = np.array(rows), np.zeros(n * n), np.zeros(3)
    for k in range(3):
        error = a @ (image.ravel() - x)
        x, squares[k] = x + 0.05 * a.T @ error, error @ error
    return x.reshape(n, n), squares


def _normal(*shape: int, scale: float = 1.0) -> Any:
    return scale * RNG.standard_normal(shape)


CASES = (
    Case(
        "FIR filter",
        filtered_error,
        (_normal(3), _normal(6), _normal(6)),
        (0, 1, 2),
        filtered_reference,
    ),
    Case("low-pass by FFT", low_pass, (_normal(7), np.array(0.2)), (0, 1), low_pass_reference),
    Case(
        "spectrogram",
        spectrogram,
        (_normal(12), np.hanning(6)[:-1][:4] + 0.1),
        (0, 1),
        spectrogram_reference,
    ),
    Case("Savitzky-Golay", savitzky_golay, (_normal(8),), (0,), savitzky_reference),
    Case("Goertzel", goertzel, (_normal(6), np.array(0.2)), (0, 1), goertzel_reference),
    Case("equaliser", equaliser, (_normal(6), np.array([0.3, -0.4])), (0, 1), equaliser_reference),
    Case("linear prediction", linear_prediction, (_normal(8),), (0,), prediction_reference),
    Case("median filter", median_filtering, (_normal(8),), (0,), median_reference),
    Case("soft histogram", soft_histogram, (_normal(8), _normal(8)), (0, 1), histogram_reference),
    Case(
        "wavelet shrinkage",
        wavelet_shrinkage,
        (_normal(8), np.array(0.3)),
        (0, 1),
        wavelet_reference,
    ),
    Case("resampling", resampled, (_normal(5), _normal(5)), (0, 1), resampled_reference),
    Case(
        "deconvolution",
        deconvolution,
        (_normal(4, 4), RNG.uniform(0, 1, (2, 2)), np.array(0.1)),
        (0, 1, 2),
        deconvolution_reference,
    ),
    Case(
        "tomography",
        tomography,
        (_normal(3, 3), np.array([0.1, 0.9, 2.0])),
        (0, 1),
        tomography_reference,
    ),
    Case("cepstrum", cepstrum, (_normal(8), RNG.uniform(0, 1, (3, 5))), (0, 1), cepstrum_reference),
)
