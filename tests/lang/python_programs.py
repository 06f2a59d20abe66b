"""Programs whose Python looks at values: they decide, loop, recurse and raise on what x is worth.

Each is a function of ``m``, which is ``vx`` or ``np``, and of x, so that the same Python runs on
plain NumPy floats. The two points of each make it take different paths.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import attrs

import verax as vx


@attrs.frozen
class Source:
    """One program.

    Args:
        f: gives a scalar.
        here, there: two points with different paths.
        near: a point on the path of ``here``.
        hessian: whether its second derivative is tried: a long program is not.
    """

    f: Callable[[Any, Any], Any]
    here: Any
    there: Any
    near: Any
    hessian: bool = True


PROGRAMS: dict[str, Source] = {}


def program(here: Any, there: Any, near: Any, *, hessian: bool = True) -> Callable[..., Any]:
    """Enter a function into the table."""

    def enter(f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        PROGRAMS[f.__name__] = Source(f, here, there, near, hessian)
        return f

    return enter


# roots and fixed points --------------------------------------------------------------------------


@program(2.0, 700.0, 2.01)
def newton_until_small(m: Any, x: Any) -> Any:
    y = x
    while abs(y * y - x) > 1e-12 * x:
        y = 0.5 * (y + x / y)
    return y


@program(2.0, 9.0, 2.0001)
def bisection_then_newton(m: Any, x: Any) -> Any:
    """The root y of y^3 + y = x: the bisection has no derivative, the last steps have it."""
    low, high = 0.0 * x, 0.0 * x + 4.0
    while high - low > 1e-2:
        middle = (low + high) / 2
        if middle**3 + middle > x:
            high = middle
        else:
            low = middle
    y = (low + high) / 2
    for _ in range(4):
        y = y - (y**3 + y - x) / (3 * y * y + 1)
    return y


@program(1.3, 0.2, 1.301)
def walrus_fixed_point(m: Any, x: Any) -> Any:
    y = x
    while abs(gap := m.cos(y * x) - y) > 1e-13:
        y = y + 0.5 * gap
    return y * y


@program(0.5, 1.3, 0.5001)
def continued_fraction(m: Any, x: Any) -> Any:
    """tan(x) by Lentz's method, until it does not change."""
    c, d, y, k = x, 0.0 * x, x, 1
    while True:
        b, a = 2.0 * k + 1.0, -x * x
        d = 1.0 / (b + a * d)
        c = b + a / (c if k > 1 else 1.0 + 0.0 * x)
        step = c * d
        y, k = y * step, k + 1
        if abs(step - 1.0) < 1e-14 or k > 40:
            return y


@program(0.3, -0.8, 0.3001, hessian=False)
def roots_by_deflation(m: Any, x: Any) -> Any:
    """The roots of a cubic with three real ones, by Newton and synthetic division."""
    coefficients = [1.0 + 0.0 * x, x - 2.0, -x * x - 3.0, 1.0 + 0.0 * x]
    roots = []
    while len(coefficients) > 2:
        r = coefficients[0] * 0.0 + 3.0
        for _ in range(100):
            value, slope = 0.0 * x, 0.0 * x
            for c in coefficients:
                slope = slope * r + value
                value = value * r + c
            if abs(value) < 1e-13:
                break
            r = r - value / slope
        roots.append(r)
        rest = [coefficients[0]]
        for c in coefficients[1:-1]:
            rest.append(rest[-1] * r + c)
        coefficients = rest
    roots.append(-coefficients[1] / coefficients[0])
    return sum((k + 1) * r for k, r in enumerate(sorted(roots, key=float)))


# integrals and equations -------------------------------------------------------------------------


def simpson(f: Callable[[float], Any], a: float, b: float) -> Any:
    return (b - a) / 6 * (f(a) + 4.0 * f((a + b) / 2) + f(b))


@program(1.0, 4.0, 1.001)
def adaptive_quadrature(m: Any, x: Any) -> Any:
    """The integral of sin(x t^2) over [0, 1], by recursion."""

    def f(t: float) -> Any:
        return m.sin(x * (t * t))

    def integral(a: float, b: float, depth: int) -> Any:
        middle = (a + b) / 2
        whole = simpson(f, a, b)
        halves = simpson(f, a, middle) + simpson(f, middle, b)
        if abs(halves - whole) < 1e-4 or depth == 6:
            return halves
        return integral(a, middle, depth + 1) + integral(middle, b, depth + 1)

    return integral(0.0, 1.0, 0)


@program(0.7, 6.0, 0.7001)
def runge_kutta_with_step_control(m: Any, x: Any) -> Any:
    t, h, y = 0.0, 0.25, x * 0.0 + 1.0
    while t < 1.0 - 1e-12:
        h = min(h, 1.0 - t)
        k1 = math.sin(t) - x * y
        k2 = math.sin(t + h) - x * (y + h * k1)
        if abs(h * (k2 - k1) / 2) > 0.05:
            h /= 2
            continue
        y, t, h = y + h * (k1 + k2) / 2, t + h, h * 1.25
    return y


@program(0.6, 3.0, 0.6001)
def matrix_exponential(m: Any, x: Any) -> Any:
    """By repeated squaring, as often as the norm asks for."""
    a = m.stack([m.stack([0.0 * x, x]), m.stack([-x, -0.1 * x])])
    squarings = 0
    while m.max(m.abs(a)) > 0.5:
        a, squarings = a / 2, squarings + 1
    term = total = m.eye(2, dtype=a.dtype)
    for k in range(1, 8):
        term = term @ a / k
        total = total + term
    for _ in range(squarings):
        total = total @ total
    return total[0, 1] + total[0, 0]


# integers from values ----------------------------------------------------------------------------


@program(7.3, 5.9, 7.31)
def euclid(m: Any, x: Any) -> Any:
    """The remainders of Euclid's algorithm on floats, by recursion."""

    def remainders(a: Any, b: Any) -> Any:
        if b < 0.05:
            return a * a
        return b * 0.1 + remainders(b, a - b * int(a / b))

    return remainders(x, 0.0 * x + 2.17)


@program(2.75, 1.25, 2.76)
def collatz(m: Any, x: Any) -> Any:
    n, total = int(x * 10), x
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        total = total + m.sin(x) / n
    return total


@program(0.3, 2.6, 0.31)
def dispatch_on_int(m: Any, x: Any) -> Any:
    return {0: m.sin, 1: m.cos, 2: m.exp}[int(x) % 3](x) * x


@program(3.5, 5.2, 3.6)
def range_of_int(m: Any, x: Any) -> Any:
    total = 0.0 * x
    for i in range(int(x)):
        total = total + m.sin(x * i)
    return total if bool(total > float(x)) else total * x


@program(0.5, 7.5, 0.6)
def match_statement(m: Any, x: Any) -> Any:
    match int(x):
        case 0:
            return x**3
        case n if n > 4:
            return m.log(x) * n
        case _:
            return -x


# comparisons -------------------------------------------------------------------------------------


@program(0.4, 3.0, 0.41)
def huber(m: Any, x: Any) -> Any:
    if abs(x) <= 1.0:
        return 0.5 * x * x
    return abs(x) - 0.5


@program(0.5, 1.5, 0.51)
def chained_comparisons(m: Any, x: Any) -> Any:
    inside = 0.0 < x < 1.0 and not x > 0.9
    return m.sqrt(x) if inside or x < -3 else x**2 * 3.0


@program(0.35, 2.2, 0.36)
def binary_search(m: Any, x: Any) -> Any:
    """Interpolation in a table."""
    xs, ys = [0.0, 0.3, 0.8, 1.7, 2.5], [1.0, 0.2, 2.0, -1.0, 0.5]
    low, high = 0, len(xs) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if xs[middle] <= x:
            low = middle
        else:
            high = middle
    s = (x - xs[low]) / (xs[high] - xs[low])
    return ys[low] * (1 - s) ** 2 + ys[high] * s * s


@program([3.0, 1.0, 2.0, 0.5], [1.0, 2.0, 0.1, 3.0], [3.1, 1.1, 2.1, 0.4])
def insertion_sort(m: Any, x: Any) -> Any:
    out: list[Any] = []
    for v in [x[i] for i in range(4)]:
        at = 0
        while at < len(out) and out[at] < v:
            at += 1
        out.insert(at, v)
    return sum((k + 1) * v * v for k, v in enumerate(out))


@program([3.0, -1.0, 2.0], [0.5, -1.0, 0.7], [3.1, -1.1, 2.1])
def sorted_by_key(m: Any, x: Any) -> Any:
    a, b, c = sorted([x[0], x[1], x[2]], key=abs)
    return a * b + b * c * c


@program([3.0, 1.0, 2.0, 0.5], [1.0, 2.0, 0.1, 3.0], [3.1, 1.1, 2.1, 0.4])
def huffman(m: Any, x: Any) -> Any:
    """What merging the two smallest costs, by a heap."""
    heap = [x[i] for i in range(4)]
    heapq.heapify(heap)
    cost = 0.0 * x[0]
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        cost = cost + both * both
        heapq.heappush(heap, both)
    return cost


@program([0.2, 0.9, 0.4, 0.7], [0.9, 0.1, 0.8, 0.3], [0.21, 0.91, 0.41, 0.71])
def dynamic_programming(m: Any, x: Any) -> Any:
    """The cheapest way through a grid, with ``min`` on floats."""
    costs = [[x[0], x[1], x[2]], [x[3], x[0] * x[1], x[2] + 0.1], [x[1], x[3] ** 2, x[0]]]
    best: dict[tuple[int, int], Any] = {}
    for i, j in itertools.product(range(3), range(3)):
        before = [best[p] for p in ((i - 1, j), (i, j - 1)) if p in best]
        best[i, j] = costs[i][j] + (min(before) if before else 0.0)
    return best[2, 2] ** 2


@program([0.9, 0.1, 0.8, 0.7, 0.2], [0.1, 0.9, 0.2, 0.9, 0.9], [0.91, 0.11, 0.81, 0.71, 0.21])
def life(m: Any, x: Any) -> Any:
    """Cells in a ring: who is alone dies away, who is crowded shrinks, the others grow."""
    cells = [x[i] for i in range(5)]
    for _ in range(2):
        new = []
        for i, c in enumerate(cells):
            around = cells[i - 1] + cells[(i + 1) % 5]
            if around < 0.5:
                new.append(c * 0.5)
            elif around > 1.2:
                new.append(c * c)
            else:
                new.append(c + 0.1 * around)
        cells = new
    return sum(c * c for c in cells)


# loops -------------------------------------------------------------------------------------------


@program(0.4, 1.1, 0.41)
def early_return(m: Any, x: Any) -> Any:
    for k in range(1, 50):
        if x * k > 3.0:
            return x**2 * k
    return x


@program(0.4, 5.0, 0.41)
def for_else(m: Any, x: Any) -> Any:
    for k in range(1, 5):
        if m.sin(x * k) < 0:
            y = m.cos(x) * k
            break
    else:
        y = x**3
    return y


@program(2.0, 0.5, 2.05)
def list_of_unknown_length(m: Any, x: Any) -> Any:
    terms, t = [], x
    while t > 0.1:
        terms.append(t * t)
        t = t * 0.7
    return sum(terms) / len(terms)


@program(0.45, 1.5, 0.46)
def generator_expression(m: Any, x: Any) -> Any:
    return sum(k * x * x for k in range(1, 6) if k * x < 2.0) + x


@program(0.6, 0.2, 0.61)
def take_while(m: Any, x: Any) -> Any:
    powers: Iterator[Any] = (x**k for k in itertools.count(1))
    kept = itertools.takewhile(lambda p: p > 1e-2, powers)
    return functools.reduce(lambda a, b: a + b * a, kept)


@program(0.5, 0.15, 0.51)
def rejection(m: Any, x: Any) -> Any:
    """The first of some fixed numbers that is accepted, and how long it took."""
    draws = [0.9, 0.8, 0.45, 0.1, 0.05]
    tries = 0
    while draws[tries] > x:
        tries += 1
    return m.exp(-x * draws[tries]) + tries * x


@program(0.5, -0.2, 0.52)
def escape_time(m: Any, x: Any) -> Any:
    """The smooth potential of the Mandelbrot set at x + 0.8i."""
    c = x + 0.8j
    z, n = c, 1
    while abs(z) < 100.0 and n < 60:
        z, n = z * z + c, n + 1
    return m.log(abs(z)) / 2.0**n


@program(1.0, 3.0, 1.01)
def line_search(m: Any, x: Any) -> Any:
    """Gradient descent whose steps are halved until they descend enough."""

    def energy(q: Any) -> Any:
        return (q - x) ** 2 + 0.25 * q**4

    q = 0.0 * x + 2.0
    for _ in range(3):
        slope, step = 2.0 * (q - x) + q**3, 1.0
        while energy(q - step * slope) > energy(q) - 0.3 * step * slope * slope:
            step /= 2
        q = q - step * slope
    return energy(q) * q


def slope_of(m: Any, q: Any, x: Any) -> Any:
    if m is vx:
        return vx.grad(lambda q: vx.cosh(q) - q * vx.sin(x))(q)
    return m.sinh(q) - m.sin(x)


@program(0.8, 2.9, 0.81)
def gradient_in_a_loop(m: Any, x: Any) -> Any:
    """The minimum of an energy, along gradients that are taken inside the loop."""
    q = 0.0 * x
    while abs(g := slope_of(m, q, x)) > 1e-10:
        q = q - 0.8 * g
    return q * q + x


# exceptions --------------------------------------------------------------------------------------


@program(2.0, -2.0, 2.1)
def math_that_raises(m: Any, x: Any) -> Any:
    try:
        scale = math.sqrt(float(x))
    except ValueError:
        return x**2
    assert scale > 0
    return m.log(x) + x


class Found(Exception):
    """Something to leave nested loops with."""


@program(0.5, 1.4, 0.51)
def exception_as_exit(m: Any, x: Any) -> Any:
    y = x
    try:
        for i in range(1, 4):
            for j in range(1, 4):
                y = y * x + i * j
                if y > 8.0:
                    raise Found
    except Found:
        return y * 0.5
    return y


@program(0.5, 3.2, 0.51)
def division_guarded(m: Any, x: Any) -> Any:
    weights = {0: 2.0, 1: -1.0}
    try:
        return x**3 * weights[int(x)]
    except KeyError as error:
        return m.sin(x) * error.args[0]


# recursion ---------------------------------------------------------------------------------------

TREE = ((0.3, (1.2, -0.5)), (2.0, ((0.7, 0.1), -1.5)))


@program(0.6, -1.0, 0.61)
def tree_recursion(m: Any, x: Any) -> Any:
    """The larger branch counts once, the smaller one by half; what is small is cut."""

    def value(node: Any, depth: int) -> Any:
        if not isinstance(node, tuple):
            return m.sin(x * node + depth)
        left, right = (value(child, depth + 1) for child in node)
        if left > right:
            return left + 0.5 * right * x
        return right + 0.5 * left

    return value(TREE, 0)


CIRCLES = [((0.0, 3.0), 1.0), ((0.0, -3.0), 1.0), ((4.0, 0.0), 1.5)]


@program(1.4, 0.3, 1.41)
def mirrored_ray(m: Any, x: Any) -> Any:
    """The length of a ray between circles that mirror it, by recursion on the bounces."""

    def nearest(p: Any, d: Any) -> Any:
        hits = []
        for (cx, cy), r in CIRCLES:
            ox, oy = p[0] - cx, p[1] - cy
            b = ox * d[0] + oy * d[1]
            disc = b * b - (ox * ox + oy * oy - r * r)
            if disc > 0 and (t := -b - m.sqrt(disc)) > 1e-6:
                hits.append((t, (cx, cy), r))
        return min(hits, key=lambda hit: float(hit[0])) if hits else None

    def length(p: Any, d: Any, bounces: int) -> Any:
        hit = nearest(p, d)
        if hit is None or bounces == 0:
            return 0.1 * (p[0] * p[0] + p[1] * p[1])
        t, (cx, cy), r = hit
        q = (p[0] + t * d[0], p[1] + t * d[1])
        n = ((q[0] - cx) / r, (q[1] - cy) / r)
        along = 2.0 * (d[0] * n[0] + d[1] * n[1])
        return t + length(q, (d[0] - along * n[0], d[1] - along * n[1]), bounces - 1)

    zero = 0.0 * x
    return length((zero, zero), (m.cos(x), m.sin(x)), 2)
