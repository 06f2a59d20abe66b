"""Effects in functions that are staged: clocks, generators, files, writes to what is outside."""

from __future__ import annotations

import datetime
import os
import random
import time

import numpy as np

import verax as vx
from tests.typed.dims import Batch, Feat
from verax import F32

LOSSES: list[vx.AnyArray] = []
SEEN: dict[str, vx.AnyArray] = {}
CALLS = 0


@vx.jit
def clock(x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    return x * time.time()  # bug: effect


@vx.jit
def timer(x: F32[Batch]) -> F32[Batch]:
    started = time.perf_counter()  # bug: effect
    return x + started


@vx.jit
def python_random(x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    return x + random.random()  # bug: effect


@vx.jit
def numpy_random(x: F32[Batch, Feat]) -> F32[Batch, Feat]:
    return x + float(np.random.rand())  # bug: effect


@vx.jit
def numpy_noise(x: F32[Feat]) -> F32[Feat]:
    scale = np.random.normal()  # bug: effect
    return x * float(scale)


@vx.jit
def appended(x: F32[Batch]) -> F32[Batch]:
    LOSSES.append(x.mean())  # bug: effect
    return x * 2.0


@vx.jit
def stored(x: F32[Batch]) -> F32[Batch]:
    SEEN["last"] = x  # bug: effect
    return x + 1.0


@vx.jit
def counted(x: F32[Batch]) -> F32[Batch]:
    global CALLS
    CALLS += 1  # bug: effect
    return x + 1.0


def gradient(w: F32[Feat], x: F32[Batch, Feat]) -> F32[Feat]:
    def loss(w: F32[Feat]) -> F32[()]:
        value = ((x @ w) ** 2).mean()
        LOSSES.append(value)  # bug: effect
        return value

    return vx.grad(loss)(w)


def mapped(x: F32[Batch, Feat]) -> F32[Batch]:
    rows: list[F32[Feat]] = [x[0]]

    def norm(row: F32[Feat]) -> F32[()]:
        rows.append(row)  # bug: effect
        return (row * row).sum()

    return vx.vmap(norm)(x)


def outer_name(x: F32[Batch, Feat]) -> F32[Batch]:
    calls = 1

    def norm(row: F32[Feat]) -> F32[()]:
        nonlocal calls
        calls += 1  # bug: effect
        return (row * row).sum()

    return vx.vmap(norm)(x)


def in_scan(x: F32[Batch, Feat]) -> F32[Feat]:
    def step(total: F32[Feat], row: F32[Feat]) -> tuple[F32[Feat], None]:
        return total + row * random.random(), None  # bug: effect

    return vx.scan(step, vx.zeros_like(x[0]), x)[0]


@vx.jit
def entropy(x: F32[Batch]) -> F32[Batch]:
    return x * float(os.urandom(1)[0])  # bug: effect


@vx.jit
def today(x: F32[Batch]) -> F32[Batch]:
    return x * float(datetime.datetime.now().day)  # bug: effect


@vx.jit
def written(x: F32[Batch]) -> F32[Batch]:
    with open("losses.txt", "a") as f:  # bug: effect
        f.write("step")
    return x
