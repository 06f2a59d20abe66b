"""Programs from statistics: likelihoods, filters, mixtures, transport and sampling."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from scipy import optimize, signal
from scipy.special import expit, logsumexp
from scipy.stats import multivariate_normal, norm, poisson

import verax as vx
from tests.corpus.harness import Case

RNG = np.random.default_rng(3)


def kalman_filter(observed: Any, motion: Any, noise: Any) -> Any:
    """The log likelihood of noisy positions of something that moves linearly."""
    n = motion.shape[0]
    process = noise[0] * vx.eye(n, dtype=noise.dtype)

    def step(state: Any, y: Any) -> Any:
        mean, cov = state
        mean, cov = motion @ mean, motion @ cov @ motion.T + process
        variance = cov[0, 0] + noise[1]
        gain, surprise = cov[:, 0] / variance, y - mean[0]
        log_density = -0.5 * (surprise**2 / variance + vx.log(2 * np.pi * variance))
        return (mean + gain * surprise, cov - vx.outer(gain, cov[0])), log_density

    start = (vx.zeros((n,), dtype=noise.dtype), vx.eye(n, dtype=noise.dtype))
    (mean, _), log_densities = vx.scan(step, start, observed)
    return vx.sum(log_densities), mean


def kalman_reference(observed: Any, motion: Any, noise: Any) -> Any:
    """By the joint normal distribution of all observations and the last state."""
    n, k = len(observed), len(motion)
    rows = [[np.zeros((k, k))] * (n + 1) for _ in range(n)]
    for t in range(n):
        for s in range(t + 2):
            rows[t][s] = np.linalg.matrix_power(motion, t + 1 - s)
    past = np.block(rows)
    spread = np.diag(np.r_[np.ones(k), np.full(n * k, noise[0])])
    cov = past @ spread @ past.T
    seen, last = slice(0, n * k, k), slice((n - 1) * k, n * k)
    inner = cov[seen, seen] + noise[1] * np.eye(n)
    mean = cov[last, seen] @ np.linalg.solve(inner, observed)
    return multivariate_normal.logpdf(observed, cov=inner), mean


def gaussian_process(scales: Any, x: Any, y: Any) -> Any:
    """The log evidence of a Gaussian process, and its mean at a new place."""
    length, height, noise = vx.exp(scales)

    def kernel(a: Any, b: Any) -> Any:
        return height * vx.exp(-0.5 * ((a[:, None] - b) / length) ** 2)

    factor = vx.linalg.cholesky(kernel(x, x) + noise * vx.eye(x.shape[0], dtype=x.dtype))
    weights = vx.linalg.cho_solve((factor, True), y)
    log_det = vx.sum(vx.log(vx.diagonal(factor)))
    evidence = -0.5 * vx.vdot(y, weights) - log_det - 0.5 * x.shape[0] * np.log(2 * np.pi)
    return evidence, kernel(vx.asarray([0.3], dtype=x.dtype), x) @ weights


def gaussian_process_reference(scales: Any, x: Any, y: Any) -> Any:
    length, height, noise = np.exp(scales)
    places = np.r_[x, 0.3]
    joint = height * np.exp(-0.5 * (np.subtract.outer(places, places) / length) ** 2)
    cov = joint[:-1, :-1] + noise * np.eye(len(x))
    return multivariate_normal.logpdf(y, cov=cov), joint[-1:, :-1] @ np.linalg.inv(cov) @ y


def linear_evidence(design: Any, y: Any, precisions: Any) -> Any:
    """The evidence of Bayesian linear regression, from the posterior of its weights."""
    prior, noise = vx.exp(precisions)
    n, k = design.shape
    precision = prior * vx.eye(k, dtype=y.dtype) + noise * design.T @ design
    mean = noise * vx.linalg.solve(precision, design.T @ y)
    fit = noise * vx.sum((y - design @ mean) ** 2) + prior * vx.sum(mean**2)
    logs = k * precisions[0] + n * precisions[1] - vx.linalg.slogdet(precision).logabsdet
    return 0.5 * (logs - fit - n * np.log(2 * np.pi)), mean


def linear_evidence_reference(design: Any, y: Any, precisions: Any) -> Any:
    """By the normal distribution of y, and ridge regression."""
    prior, noise = np.exp(precisions)
    n, k = design.shape
    cov = design @ design.T / prior + np.eye(n) / noise
    stacked = np.r_[design, np.sqrt(prior / noise) * np.eye(k)]
    mean = np.linalg.lstsq(stacked, np.r_[y, np.zeros(k)])[0]
    return multivariate_normal.logpdf(y, cov=cov), mean


def forward_backward(start: Any, move: Any, emit: Any, seen: Any) -> Any:
    """The posteriors of the states of a hidden Markov model, and the likelihood."""
    start, move = vx.log_softmax(start), vx.log_softmax(move)
    emissions = vx.log_softmax(emit)[:, seen].T

    def ahead(alpha: Any, emission: Any) -> Any:
        alpha = vx.logsumexp(alpha[:, None] + move, axis=0) + emission
        return alpha, alpha

    def behind(beta: Any, emission: Any) -> Any:
        return vx.logsumexp(move + emission + beta, axis=1), beta

    first = start + emissions[0]
    last, alphas = vx.scan(ahead, first, emissions[1:])
    zero, betas = vx.scan(behind, vx.zeros_like(last), emissions[1:], reverse=True)
    total = vx.logsumexp(last)
    alphas = vx.concat([first[None], alphas])
    return vx.exp(alphas + vx.concat([zero[None], betas]) - total), total


def forward_backward_reference(start: Any, move: Any, emit: Any, seen: Any) -> Any:
    """By all paths."""
    start, move, emit = [np.exp(x - logsumexp(x, -1, keepdims=True)) for x in (start, move, emit)]
    posteriors = np.zeros((len(seen), len(start)))
    for path in product(range(len(start)), repeat=len(seen)):
        p = start[path[0]] * np.prod(move[path[:-1], path[1:]]) * np.prod(emit[path, seen])
        posteriors[range(len(seen)), path] += p
    total = posteriors[0].sum()
    return posteriors / total, np.log(total)


def viterbi(start: Any, move: Any, emissions: Any) -> Any:
    """The best path through a trellis and its score, which is a max-plus product."""

    def step(score: Any, emission: Any) -> Any:
        through = score[:, None] + move
        return vx.max(through, axis=0) + emission, vx.argmax(through, axis=0)

    def back(state: Any, came: Any) -> Any:
        return came[state], state

    score, came = vx.scan(step, start + emissions[0], emissions[1:])
    first, path = vx.scan(back, vx.argmax(score), came, reverse=True)
    return vx.max(score), vx.concat([first[None], path])


def viterbi_reference(start: Any, move: Any, emissions: Any) -> Any:
    n, k = emissions.shape

    def score(path: Any) -> Any:
        return start[path[0]] + move[path[:-1], path[1:]].sum() + emissions[range(n), path].sum()

    best = max(map(np.array, product(range(k), repeat=n)), key=score)
    return score(best), best


def mixture_step(x: Any, weights: Any, means: Any, factors: Any) -> Any:
    """A step of expectation and maximisation for a mixture of normal distributions."""

    def log_density(mean: Any, factor: Any) -> Any:
        factor = vx.tril(factor)
        z = vx.linalg.solve_triangular(factor, (x - mean).T, lower=True)
        return -0.5 * vx.sum(z * z, axis=0) - vx.sum(vx.log(vx.diagonal(factor)))

    logs = vx.log_softmax(weights) + vx.vmap(log_density)(means, factors).T
    shares = vx.softmax(logs)
    totals = vx.sum(shares, axis=0)
    means = shares.T @ x / totals[:, None]
    d = x[:, None] - means
    covs = vx.einsum("n k, n k i, n k j -> k i j", shares, d, d) / totals[:, None, None]
    return totals / x.shape[0], means, covs, vx.mean(vx.logsumexp(logs, axis=1))


def mixture_reference(x: Any, weights: Any, means: Any, factors: Any) -> Any:
    weights, factors = np.exp(weights) / np.exp(weights).sum(), np.tril(factors)
    normals = [multivariate_normal(m, f @ f.T) for m, f in zip(means, factors)]
    p = np.stack([w * normal.pdf(x) for w, normal in zip(weights, normals)])
    shares = p / p.sum(axis=0)
    new = [np.average(x, axis=0, weights=s) for s in shares]
    covs = [np.cov(x.T, aweights=s, bias=True) for s in shares]
    likelihood = np.log(p.sum(axis=0)).mean() + np.log(2 * np.pi)
    return shares.mean(axis=1), np.stack(new), np.stack(covs), likelihood


def logistic_regression(design: Any, labels: Any, ridge: Any) -> Any:
    """The weights that Newton's method finds, and the loss there."""

    def loss(w: Any) -> Any:
        logits = design @ w
        return vx.sum(vx.softplus(logits) - labels * logits) + 0.5 * ridge * vx.sum(w * w)

    def newton(w: Any, _: None) -> Any:
        return w - vx.linalg.solve(vx.hessian(loss)(w), vx.grad(loss)(w)), None

    zero = vx.zeros((design.shape[1],), dtype=design.dtype)
    w = vx.scan(newton, zero, None, length=6)[0]
    return w, loss(w)


def logistic_reference(design: Any, labels: Any, ridge: Any) -> Any:
    def slope(w: Any) -> Any:
        return design.T @ (expit(design @ w) - labels) + ridge * w

    w = optimize.root(slope, np.zeros(design.shape[1]), tol=1e-13).x
    p = expit(design @ w)
    return w, -np.sum(np.log(np.where(labels > 0, p, 1 - p))) + ridge * w @ w / 2


def k_means(x: Any, centres: Any, sharpness: Any) -> Any:
    """A step of k-means, once with hard and once with soft assignments."""
    d = vx.sum((x[:, None] - centres) ** 2, axis=-1)
    nearest, n = vx.argmin(d, axis=1), centres.shape[0]
    counts = vx.segment_sum(vx.ones_like(x[:, 0]), nearest, n)
    hard = vx.segment_sum(x, nearest, n) / vx.maximum(counts, 1.0)[:, None]
    soft = vx.softmax(-sharpness * d)
    return hard, soft.T @ x / vx.sum(soft, axis=0)[:, None], nearest


def k_means_reference(x: Any, centres: Any, sharpness: Any) -> Any:
    d = np.array([[np.sum((a - c) ** 2) for c in centres] for a in x])
    nearest = d.argmin(axis=1)
    hard = [x[nearest == k].mean(axis=0) for k in range(len(centres))]
    share = np.exp(-sharpness * d) / np.exp(-sharpness * d).sum(axis=1, keepdims=True)
    soft = [np.average(x, axis=0, weights=s) for s in share.T]
    return np.stack(hard), np.stack(soft), nearest


def autoregression(series: Any, raw: Any, scale: Any) -> Any:
    """The likelihood of a stationary AR(2) process, whose coefficients come from partial ones."""
    first, second = vx.tanh(raw)
    phi = vx.stack([first * (1.0 - second), second])
    errors = series[2:] - phi[0] * series[1:-1] - phi[1] * series[:-2]
    variance = vx.exp(2.0 * scale)
    start = variance / ((1.0 - second**2) * (1.0 - first**2))
    begin = vx.stack([series[0], series[1] - first * series[0]])
    spread = vx.stack([start, start * (1.0 - first**2)])
    squares = vx.sum(begin**2 / spread + vx.log(spread)) + vx.sum(errors**2) / variance
    return -0.5 * (squares + 2.0 * scale * errors.size + series.size * np.log(2 * np.pi)), errors


def autoregression_reference(series: Any, raw: Any, scale: Any) -> Any:
    """By the autocovariances, which are a sum over the response to one shock."""
    first, second = np.tanh(raw)
    taps = np.r_[1, -first * (1 - second), -second]
    response = signal.lfilter([1], taps, np.r_[1, np.zeros(999)])
    n = len(series)
    lags = [np.exp(2 * scale) * response[k:] @ response[: 1000 - k] for k in range(n)]
    cov = np.array([[lags[abs(i - j)] for j in range(n)] for i in range(n)])
    return multivariate_normal.logpdf(series, cov=cov), np.convolve(series, taps, "valid")


def poisson_regression(design: Any, w: Any, counts: Any) -> Any:
    """The log likelihood of counts, the score and the observed information."""

    def log_likelihood(w: Any) -> Any:
        rate = vx.exp(design @ w)
        return vx.sum(vx.xlogy(counts, rate) - rate - vx.lgamma(counts + 1.0))

    value, score = vx.value_and_grad(log_likelihood)(w)
    return value, score, -vx.hessian(log_likelihood)(w)


def poisson_reference(design: Any, w: Any, counts: Any) -> Any:
    rate = np.exp(design @ w)
    information = design.T @ np.diag(rate) @ design
    return poisson.logpmf(counts, rate).sum(), design.T @ (counts - rate), information


def sinkhorn(x: Any, y: Any, masses: Any) -> Any:
    """The cost of moving one cloud of points onto another, by scalings of the entropic plan."""
    cost = vx.sum((x[:, None] - y) ** 2, axis=-1)
    a, b = vx.log_softmax(masses), -np.log(y.shape[0])

    def step(g: Any, _: None) -> Any:
        f = a - vx.logsumexp(g - cost, axis=1)
        return b - vx.logsumexp(f[:, None] - cost, axis=0), f

    g, fs = vx.scan(step, vx.zeros_like(cost[0]), None, length=12)
    plan = vx.exp(fs[-1][:, None] + g - cost)
    return vx.sum(plan * cost), plan


def sinkhorn_reference(x: Any, y: Any, masses: Any) -> Any:
    cost = ((x[:, None] - y) ** 2).sum(axis=-1)
    a, b = np.exp(masses) / np.exp(masses).sum(), np.full(len(y), 1 / len(y))
    kernel, v = np.exp(-cost), np.ones(len(y))
    for _ in range(12):
        u = a / (kernel @ v)
        v = b / (kernel.T @ u)
    plan = u[:, None] * kernel * v
    return (plan * cost).sum(), plan


def kernel_density(x: Any, at: Any, bandwidth: Any) -> Any:
    """A density estimate, its score, and the likelihood of each point under all others."""

    def log_density(z: Any) -> Any:
        return vx.logsumexp(-0.5 * ((z - x) / bandwidth) ** 2) - vx.log(bandwidth * x.size)

    z = (x[:, None] - x) / bandwidth
    others = vx.where(vx.eye(x.size, dtype=vx.bool_), -vx.finfo(x.dtype).max, -0.5 * z * z)
    left_out = vx.logsumexp(others, axis=1) - vx.log(bandwidth * (x.size - 1))
    scores = vx.vmap(vx.grad(log_density))(at)
    return vx.exp(vx.vmap(log_density)(at)) / np.sqrt(2 * np.pi), scores, vx.sum(left_out)


def kernel_density_reference(x: Any, at: Any, bandwidth: Any) -> Any:
    p = norm.pdf(at[:, None], x, bandwidth)
    scores = (p * (x - at[:, None])).sum(axis=1) / p.sum(axis=1) / bandwidth**2
    left = [np.log(np.mean(norm.pdf(x[i], np.delete(x, i), bandwidth))) for i in range(len(x))]
    return p.mean(axis=1), scores, np.sum(left) + len(x) * np.log(2 * np.pi) / 2


def hazards(times: Any, covariates: Any, w: Any, died: Any) -> Any:
    """Cox's partial likelihood: who dies next among those at risk."""
    order = vx.argsort(-times)
    risk = (covariates @ w)[order]
    at_risk = vx.cumlogsumexp(risk)
    return vx.sum(vx.where(died[order], risk - at_risk, 0.0))


def hazards_reference(times: Any, covariates: Any, w: Any, died: Any) -> Any:
    total = 0.0
    for i in np.flatnonzero(died):
        at_risk = [covariates[j] @ w for j in range(len(times)) if times[j] >= times[i]]
        total += covariates[i] @ w - logsumexp(at_risk)
    return total


def _normal(*shape: int, scale: float = 1.0) -> Any:
    return scale * RNG.standard_normal(shape)


DESIGN = _normal(6, 3)
CASES = (
    Case(
        "Kalman filter",
        kalman_filter,
        (_normal(4), np.array([[0.9, 0.3], [-0.2, 0.8]]), np.array([0.3, 0.5])),
        (0, 1, 2),
        kalman_reference,
    ),
    Case(
        "Gaussian process",
        gaussian_process,
        (np.array([-0.5, 0.3, -1.0]), _normal(4), _normal(4)),
        (0, 1, 2),
        gaussian_process_reference,
    ),
    Case(
        "Bayesian regression",
        linear_evidence,
        (DESIGN, _normal(6), np.array([0.3, 0.8])),
        (0, 1, 2),
        linear_evidence_reference,
    ),
    Case(
        "hidden Markov model",
        forward_backward,
        (_normal(2), _normal(2, 2), _normal(2, 3), np.array([0, 2, 1, 1])),
        (0, 1, 2),
        forward_backward_reference,
    ),
    Case(
        "Viterbi path",
        viterbi,
        (_normal(3), _normal(3, 3), _normal(4, 3)),
        (0, 1, 2),
        viterbi_reference,
    ),
    Case(
        "mixture of normals",
        mixture_step,
        (
            _normal(6, 2),
            _normal(2),
            _normal(2, 2),
            np.eye(2) + _normal(2, 2, 2, scale=0.2),
        ),
        (0, 1, 2, 3),
        mixture_reference,
    ),
    Case(
        "logistic regression",
        logistic_regression,
        (DESIGN, np.array([1.0, 0.0, 1.0, 1.0, 0.0, 0.0]), np.array(0.7)),
        (0, 2),
        logistic_reference,
    ),
    Case(
        "k-means",
        k_means,
        (_normal(6, 2), np.array([[1.0, 0.5], [-1.0, -0.5]]), np.array(0.8)),
        (0, 1, 2),
        k_means_reference,
    ),
    Case(
        "autoregression",
        autoregression,
        (_normal(6), np.array([0.4, -0.3]), np.array(0.2)),
        (0, 1, 2),
        autoregression_reference,
    ),
    Case(
        "Poisson regression",
        poisson_regression,
        (DESIGN, _normal(3, scale=0.5), np.array([0.0, 2.0, 1.0, 4.0, 0.0, 3.0])),
        (0, 1),
        poisson_reference,
    ),
    Case(
        "Sinkhorn",
        sinkhorn,
        (_normal(4, 2, scale=0.7), _normal(3, 2, scale=0.7), _normal(4)),
        (0, 1, 2),
        sinkhorn_reference,
    ),
    Case(
        "kernel density",
        kernel_density,
        (_normal(5), _normal(3), np.array(0.6)),
        (0, 1, 2),
        kernel_density_reference,
    ),
    Case(
        "proportional hazards",
        hazards,
        (
            RNG.uniform(1, 5, 6),
            DESIGN,
            _normal(3),
            np.array([True, True, False, True, False, True]),
        ),
        (0, 1, 2),
        hazards_reference,
    ),
)
