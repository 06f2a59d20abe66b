"""More rows: products, linear algebra, Fourier, layers, random numbers, transformations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import verax as vx
from tests.functions.cases_symbolic import Row, Undecided, each

PRODUCTS = [
    *each("matmul dot", "N M", "M K"),
    Row("matmul", ("K N M", "M 3")),
    *each("matvec", "K N M", "M"),
    *each("vecmat", "N", "K N M"),
    *each("inner", "N M", "K M"),
    *each("outer", "N", "M"),
    *each("vdot vecdot", "N", "N"),
    *each("tensordot", "N M K", "M K 3"),
    *each("cross", "N 3", "N 3"),
    Row("einsum", ("N M", "M K"), lambda x, y: vx.einsum("n m, m k -> k n", x, y)),
    Row("einsum", ("K N M", "M N"), lambda x, y: vx.einsum("... n m, m n -> ...", x, y)),
    Row("convolve", ("N", "3")),
    Row("convolve", ("N", "3"), lambda x, y: vx.convolve(x, y, "same")),
    Row("convolve", ("N", "3"), lambda x, y: vx.convolve(x, y, "valid")),
    Undecided("convolve", ("N", "M"), lambda x, y: vx.convolve(x, y, "valid")),
    Row("convolve", ("N", "M")),
    Row("convolve", ("3", "N"), lambda x, y: vx.convolve(x, y, "valid")),
    Row("correlate", ("N+2", "N")),
    Undecided("convolve", ("N", "M"), lambda x, y: vx.convolve(x, y, "same")),
    Row("correlate", ("N", "M"), lambda x, y: vx.correlate(x, y, "full")),
    Row("correlate", ("N", "3")),
    Row("conv", ("N C 8 W", "O C 3 3"), lambda x, w: vx.conv(x, w, (1, 1), "SAME")),
    Row("conv", ("N C H W", "O C 3 3"), lambda x, w: vx.conv(x, w, (1, 1), "VALID")),
    Row("conv", ("N C 2*H 2*W", "O C 3 3"), lambda x, w: vx.conv(x, w, (2, 2), "SAME")),
    Row("conv", ("N C H+K W+K", "O C K K"), lambda x, w: vx.conv(x, w, (1, 1), "VALID")),
    Undecided("conv", ("N C H W", "O C K K"), lambda x, w: vx.conv(x, w, (1, 1), "SAME")),
    Undecided(
        "conv_transpose", ("N H W C", "K K C O"), lambda x, w: vx.conv_transpose(x, w, 2, "SAME")
    ),
    Undecided("conv", ("N C H W", "O C 3 3"), lambda x, w: vx.conv(x, w, (2, 2), "SAME")),
    Row(
        "conv_general_dilated",
        ("N C H W", "O C 3 3"),
        lambda x, w: vx.conv_general_dilated(x, w, (1, 1), "VALID", rhs_dilation=(2, 2)),
    ),
    Row("conv_transpose", ("N H W C", "3 3 C O"), lambda x, w: vx.conv_transpose(x, w, 2, "SAME")),
    Row("reduce_window", ("N M",), lambda x: vx.reduce_window(x, 0.0, "add", (2, 2))),
    Undecided("reduce_window", ("N M",), lambda x: vx.reduce_window(x, 0.0, "add", (2, 2), 2)),
    Row("reduce_window", ("2*N 2*M",), lambda x: vx.reduce_window(x, 0.0, "add", (2, 2), 2)),
]

LINALG = [
    *each(
        "linalg.cho_factor linalg.cholesky linalg.cond linalg.det linalg.diagonal linalg.eig"
        " linalg.eigh linalg.eigvals linalg.eigvalsh linalg.expm linalg.hessenberg linalg.inv"
        " linalg.lu linalg.lu_factor linalg.matrix_norm linalg.matrix_transpose linalg.norm"
        " linalg.polar linalg.qr linalg.schur linalg.slogdet linalg.sqrtm linalg.svd"
        " linalg.svdvals linalg.trace linalg.tridiagonal linalg.vector_norm",
        "N N",
    ),
    *each(
        "linalg.cholesky linalg.det linalg.eigh linalg.inv linalg.lu linalg.qr linalg.slogdet",
        "K N N",
    ),
    *each("linalg.svd linalg.qr linalg.lu linalg.polar linalg.svdvals linalg.cond", "N+2 N"),
    *each("linalg.polar", "N M"),
    *each("linalg.lu linalg.qr", "N N+2"),
    *[Undecided(f"linalg.{name}", ("N M",)) for name in ["cond", "lu", "qr", "svd", "svdvals"]],
    *each("linalg.matrix_norm linalg.vector_norm linalg.norm", "N M"),
    Row("linalg.matrix_norm", ("N M",), lambda x: vx.linalg.matrix_norm(x, ord=1)),
    Undecided("linalg.matrix_norm", ("N M",), lambda x: vx.linalg.matrix_norm(x, ord="nuc")),
    *[
        Undecided(f"linalg.{name}", ("N N", *more))
        for name, more in (("pinv", ()), ("matrix_rank", ()), ("lstsq", ("N",)))
    ],
    Row("linalg.pinv", ("N M",), lambda x: vx.linalg.pinv(x, 1e-6)),
    Row("linalg.matrix_rank", ("N N",), lambda x: vx.linalg.matrix_rank(x, 1e-6)),
    Row("linalg.lstsq", ("N+2 N", "N+2"), lambda a, b: vx.linalg.lstsq(a, b, 1e-6)),
    Row("linalg.block_diag", ("N M", "K 2")),
    Row("linalg.cho_solve", ("N N", "N K"), lambda c, b: vx.linalg.cho_solve((c, False), b)),
    Row(
        "linalg.lu_solve", ("N N", "N"), lambda a, b: vx.linalg.lu_solve(vx.linalg.lu_factor(a), b)
    ),
    *each("linalg.solve linalg.solve_triangular", "N N", "N K"),
    *each("linalg.solve", "K N N", "N"),
    Row("linalg.solve_sylvester", ("N N", "M M", "N M")),
    Row("linalg.tridiagonal_solve", ("N", "N", "N", "N K")),
    Row("linalg.householder_product", ("N+2 N", "N")),
    *each("linalg.matmul", "N M", "M K"),
    Row("linalg.matrix_power", ("N N",), lambda x: vx.linalg.matrix_power(x, 3)),
    Row("linalg.multi_dot", ("N M", "M K", "K 2"), lambda *xs: vx.linalg.multi_dot(xs)),
    *each("linalg.outer", "N", "M"),
    *each("linalg.cross", "N 3", "N 3"),
    *each("linalg.tensordot", "N M K", "M K 3"),
    *each("linalg.vecdot", "N M", "M"),
]

FOURIER = [
    *each("fft.fft fft.ifft fft.fft2 fft.ifft2 fft.fftn fft.ifftn", "c:N M"),
    *each("fft.fftshift fft.ifftshift", "N M"),
    *each("fft.rfft fft.rfft2 fft.rfftn fft.ihfft", "N 2*M"),
    *[Undecided(f"fft.{name}", ("N M",)) for name in ["rfft", "rfft2", "rfftn", "ihfft"]],
    *each("fft.irfft fft.irfft2 fft.irfftn fft.hfft", "c:N M+1"),
    Row("fft.rfft", ("N M",), lambda x: vx.fft.rfft(x, axis=0, n=8)),
    Row("fft.fftfreq", ("N",), lambda x: vx.fft.fftfreq(x.shape[0])),
    Row("fft.rfftfreq", ("2*N",), lambda x: vx.fft.rfftfreq(x.shape[0])),
    Undecided("fft.rfftfreq", ("N",), lambda x: vx.fft.rfftfreq(x.shape[0])),
]


def attention(x: Any, q: Any, k: Any, v: Any, out: Any) -> Any:
    return vx.nn.MultiHeadAttention(q, k, v, out)(x, vx.nn.causal_mask(x.shape[-2]))


HEADS = ("D H 2*S", "D H 2*S", "D H 2*S", "H 2*S D")


def conv(x: Any, w: Any, b: Any, *, strides: int = 1, padding: str = "SAME") -> Any:
    return vx.nn.Conv(w, b, x.shape[-1], (strides,) * 2, padding, (1, 1))(x)


LAYERS = [
    Row("nn.Linear", ("N D", "D E", "E"), lambda x, w, b: vx.nn.Linear(w, b)(x)),
    Row(
        "nn.Linear",
        ("N D", "key", "E"),
        lambda x, k, y: vx.nn.Linear.init(x.shape[-1], y.shape[0], key=k)(x),
    ),
    Row("nn.MLP", ("N D", "key"), lambda x, k: vx.nn.MLP.init(x.shape[-1], 64, key=k)(x)),
    Row("nn.LayerNorm", ("N D",), lambda x: vx.nn.LayerNorm.init(x.shape[-1])(x)),
    Row("nn.RMSNorm", ("N D",), lambda x: vx.nn.RMSNorm.init(x.shape[-1])(x)),
    Row("nn.Embedding", ("i:N T", "V D"), lambda i, table: vx.nn.Embedding(table)(i)),
    Row("nn.Embedding", ("N D", "V D"), lambda x, table: vx.nn.Embedding(table).attend(x)),
    Row(
        "nn.Embedding",
        ("i:N", "key", "V"),
        lambda i, k, y: vx.nn.Embedding.init(y.shape[0], 8, key=k)(i),
    ),
    Row("nn.MultiHeadAttention", ("N T D", *HEADS), attention),
    Undecided("nn.MultiHeadAttention", ("N T D", "D H S", "D H S", "D H S", "H S D"), attention),
    Row(
        "nn.MultiHeadAttention",
        ("T D", "key"),
        lambda x, k: vx.nn.MultiHeadAttention.init(64, 4, key=k)(x @ vx.ones((x.shape[1], 64))),
    ),
    Row("nn.Conv", ("N H W C", "3 3 C O", "O"), conv),
    Row("nn.Conv", ("N 2*H 2*W C", "3 3 C O", "O"), lambda *xs: conv(*xs, strides=2)),
    Undecided("nn.Conv", ("N H W C", "3 3 C O", "O"), lambda *xs: conv(*xs, strides=2)),
    Row(
        "nn.ConvTranspose",
        ("N H W C", "4 4 C O", "O"),
        lambda x, w, b: vx.nn.ConvTranspose(w, b, (2, 2), "SAME", (1, 1))(x),
    ),
    *[
        Row(f"nn.{k}_pool", ("N H W C",), lambda x, k=k: getattr(vx.nn, f"{k}_pool")(x, (2, 2)))
        for k in ("avg", "max", "min")
    ],
    Row("nn.max_pool", ("N 2*H 2*W C",), lambda x: vx.nn.max_pool(x, (2, 2), 2)),
    Undecided("nn.max_pool", ("N H W C",), lambda x: vx.nn.max_pool(x, (2, 2), 2)),
    Row(
        "nn.avg_pool",
        ("N H C",),
        lambda x: vx.nn.avg_pool(x, (3,), 1, "SAME", count_include_pad=False),
    ),
    Row("nn.causal_mask", ("T",), lambda x: vx.nn.causal_mask(x.shape[0])),
    Row("nn.cross_entropy", ("N V", "i:N")),
    Row("nn.dropout", ("N D", "key"), lambda x, k: vx.nn.dropout(x, 0.1, key=k)),
    Row("nn.rotary", ("N T H 2*S",)),
    Undecided("nn.rotary", ("N T H S",)),
]


def _shaped(name: str, *args: Any) -> Callable[..., Any]:
    return lambda k, x: getattr(vx.random, name)(k, x.shape, *args)


RANDOM = [
    *[
        Row(f"random.{name}", ("key", "N D"), _shaped(name))
        for name in ["bits", "exponential", "gumbel", "normal", "split", "uniform"]
    ],
    Row("random.normal", ("key", "N"), lambda k, x: vx.random.normal(k, x.shape[0], vx.bfloat16)),
    Row("random.normal", ("key", "N D"), _shaped("normal", vx.complex64)),
    Row("random.bits", ("key", "N D"), _shaped("bits", vx.uint64)),
    Row(
        "random.uniform",
        ("key", "N D", "D"),
        lambda k, x, y: vx.random.uniform(k, x.shape, minval=y),
    ),
    Row("random.truncated_normal", ("key", "N D", "D")),
    Row("random.bernoulli", ("key", "N D")),
    Row("random.bernoulli", ("key", "N D"), lambda k, x: vx.random.bernoulli(k, 0.5, x.shape)),
    Row("random.categorical", ("key", "N D")),
    Row(
        "random.categorical",
        ("key", "N D", "K"),
        lambda k, x, y: vx.random.categorical(k, x, shape=(y.shape[0], x.shape[0])),
    ),
    Row("random.randint", ("key", "N D"), _shaped("randint", 0, 10)),
    Row("random.randint", ("key", "N"), lambda k, x: vx.random.randint(k, (3,), 0, x.shape[0])),
    *[Row("random.permutation", ("key", dims)) for dims in ("N", "N D")],
    Row("random.permutation", ("key", "N"), lambda k, x: vx.random.permutation(k, x.shape[0])),
    Row("random.permutation", ("key", "N 6"), lambda k, x: vx.random.permutation(k, x, axis=1)),
    Row("random.choice", ("key", "N D", "K"), lambda k, x, y: vx.random.choice(k, x, y.shape)),
    Row(
        "random.choice", ("key", "N", "K"), lambda k, x, y: vx.random.choice(k, x.shape[0], y.shape)
    ),
    Row("random.choice", ("key", "N", "N"), lambda k, x, p: vx.random.choice(k, x, (5,), p=p)),
    Row("random.choice", ("key", "N"), lambda k, x: vx.random.choice(k, x, (5,), False)),
    Row("random.fold_in", ("key", "i:")),
    Row("random.fold_in", ("key", "N"), lambda k, x: vx.random.fold_in(k, x.shape[0])),
    Row("random.key", ("i:",)),
    Row("random.key", ("N",), lambda x: vx.random.key(x.shape[0])),
    Row("random.key_data", ("key",)),
    Row("random.wrap_key_data", ("u:N 2",)),
    Row(
        "random.split",
        ("key", "N"),
        lambda k, x: vx.vmap(vx.random.normal)(vx.random.split(k, x.shape[0])),
    ),
]


def step(t: Any) -> Callable[..., Any]:
    def updated(p: Any, g: Any) -> Any:
        return t.update(g, t.init(p), p)

    return updated


OPTIM = [
    *[
        Row(f"optim.{name}", ("N D", "N D"), step(t))
        for name, t in (
            ("adam", vx.optim.adam(1e-3)),
            ("adamw", vx.optim.adamw(1e-3)),
            ("add_decayed_weights", vx.optim.add_decayed_weights(0.1)),
            ("chain", vx.optim.chain(vx.optim.clip_by_global_norm(1.0), vx.optim.sgd(0.1))),
            ("clip_by_global_norm", vx.optim.clip_by_global_norm(1.0)),
            ("scale_by_adam", vx.optim.scale_by_adam()),
            ("scale_by_schedule", vx.optim.scale_by_schedule(vx.optim.constant(0.1))),
            ("sgd", vx.optim.sgd(vx.optim.linear(0.1, 0.0, 10), 0.9)),
            ("trace", vx.optim.trace(0.9, nesterov=True)),
        )
    ],
    *each("optim.apply_updates", "N D", "N D"),
    *each("optim.global_norm", "N D"),
]


def loss(w: Any, x: Any) -> Any:
    return vx.mean(vx.tanh(x @ w) ** 2)


def twice(x: Any) -> Any:
    return x * 2


def sum_times(x: Any, y: Any) -> Any:
    return vx.sum(x) * y


def mixed(x: Any) -> Any:
    """A bit of everything that knows its size: slices, joins, sorts, cumulations, products."""
    y = vx.concat([x[1:], x[:1]])
    return vx.sum(vx.cumulative_sum(y) * vx.sort(x) * vx.arange(x.shape[0])) + (x @ y) / x.size


def solved(b: Any) -> Any:
    return vx.custom_linear_solve(lambda v: 2.0 * v, b, lambda matvec, c: c / 2.0, symmetric=True)


def newton(f: Any, x: Any) -> Any:
    return vx.fori_loop(0, 5, lambda i, y: y - f(y), x)


@vx.custom_jvp
def cubed(x: Any) -> Any:
    return x**3


cubed.defjvp(lambda xs, ts: (cubed(*xs), 3 * xs[0] ** 2 * ts[0]))


@vx.custom_vjp
def squared(x: Any) -> Any:
    return x**2


squared.defvjp(lambda x: (x**2, x), lambda x, g: (2 * x * g,))


@vx.custom_derivative
def measured(x: Any) -> Any:
    return vx.sum(x * x), lambda t: 2 * vx.sum(x * t)


def slope(f: Callable[..., Any], argnums: Any = 0, **how: Any) -> Callable[..., Any]:
    return vx.grad(f, argnums, **how)


def over(axis: str, f: Callable[..., Any]) -> Callable[..., Any]:
    """f under vmap with a name for the axis."""
    return vx.vmap(f, axis_name=axis)


TRANSFORMS = [
    Row("grad", ("D E", "N D"), slope(loss)),
    Row("grad", ("N",), slope(mixed)),
    Row("grad", ("N N",), slope(lambda x: vx.linalg.det(x) + vx.trace(vx.linalg.inv(x)))),
    Row("grad", ("N H W C", "3 3 C O", "O"), slope(lambda *xs: conv(*xs).sum(), (0, 1, 2))),
    Row("grad", ("N T D", *HEADS), slope(lambda *xs: attention(*xs).sum(), (0, 1, 2, 3))),
    Row("grad", ("N D", "key"), slope(lambda x, k: vx.nn.dropout(x, 0.5, key=k).sum())),
    Row("custom_jvp", ("N D",), slope(lambda x: cubed(x).sum())),
    Row("custom_vjp", ("N D",), slope(lambda x: squared(x).sum())),
    Row("custom_derivative", ("N D",), slope(measured)),
    Row("grad", ("N D",), slope(lambda x: vx.sin(x).sum(), memory=1 << 40)),
    Undecided("grad", ("N D",), slope(lambda x: (vx.sin(x) ** 2).sum(), memory=1)),
    Row("shard", ("2*N D",), lambda x: vx.shard(x, vx.Mesh(data=2), vx.P("data"))),
    Row("value_and_grad", ("D E", "N D"), vx.value_and_grad(loss)),
    Row("jvp", ("N", "N"), lambda x, t: vx.jvp(mixed, (x,), (t,))),
    Row("jet", ("N", "N"), lambda x, t: vx.jet(lambda x: vx.sum(vx.exp(x)), (x,), ((t, t),))),
    Row("vjp", ("N D",), lambda x: vx.vjp(vx.softmax, x)[1](x)),
    Row("linearize", ("N D",), lambda x: vx.linearize(vx.softmax, x)[1](x)),
    Row("linear_transpose", ("N D",), lambda x: vx.linear_transpose(lambda y: 2 * y, x)(x)),
    Row(
        "linear_call",
        ("N", "N"),
        lambda r, x: vx.linear_call(lambda r, x: r * x, lambda r, x: r * x, r, x),
    ),
    Row("jacfwd", ("N",), vx.jacfwd(twice)),
    Row("jacrev", ("N",), vx.jacrev(twice)),
    Row("hessian", ("N",), vx.hessian(mixed)),
    Row("jacrev", ("N", "M"), vx.jacrev(sum_times)),
    Row("vmap", ("N D",), vx.vmap(mixed)),
    Row(
        "vmap",
        ("N D", "key"),
        lambda x, k: vx.vmap(lambda k, r: vx.random.normal(k, r.shape))(
            vx.random.split(k, x.shape[0]), x
        ),
    ),
    Row("vmap", ("N K D", "D"), vx.vmap(vx.vmap(vx.vecdot, (0, None)), (0, None), 1)),
    Row("vmap", ("N D",), vx.vmap(slope(mixed))),
    Row("jit", ("N D",), vx.jit(vx.softmax)),
    Row("checkpoint", ("D E", "N D"), slope(vx.checkpoint(loss))),
    Row("checkpoint_name", ("N",), lambda x: vx.checkpoint_name(x, "x")),
    Row("cond", ("b:", "N D"), lambda c, x: vx.cond(c, vx.exp, lambda x: -x, x)),
    Row("cond", ("b:N", "N D"), vx.vmap(lambda c, x: vx.cond(c, mixed, vx.sum, x))),
    Row("switch", ("i:", "N D"), lambda i, x: vx.switch(i, [vx.exp, vx.sin, vx.cos], x)),
    Row("scan", ("D", "N D"), lambda c, xs: vx.scan(lambda c, x: (c + x, c * x), c, xs)),
    Row(
        "scan",
        ("D", "N D"),
        slope(lambda c, xs: vx.scan(lambda c, x: (c * x, None), c, xs)[0].sum(), (0, 1)),
    ),
    Row("scan", ("D", "N"), lambda c, x: vx.scan(lambda c, _: (c * 2, c), c, None, x.shape[0])),
    Row(
        "scan", ("D", "N D"), lambda c, xs: vx.scan(lambda c, x: (c + x, None), c, xs, reverse=True)
    ),
    Row("scan", ("D", "N D"), lambda c, xs: vx.scan(lambda c, x: (c + x, None), c, xs, unroll=2)),
    Row("fori_loop", ("N",), lambda x: vx.fori_loop(0, x.shape[0], lambda i, y: y + i, x)),
    Row("while_loop", ("N",), lambda x: vx.while_loop(lambda y: y.sum() < 9, lambda y: y * 2, x)),
    Row("map", ("N D",), lambda x: vx.map(vx.sum, x)),
    Row("map", ("6*N+1 D",), lambda x: vx.map(vx.sum, x, batch_size=3)),
    Row("map", ("6*N D",), lambda x: vx.map(vx.sum, x, batch_size=3)),
    Undecided("map", ("N D",), lambda x: vx.map(vx.sum, x, batch_size=3)),
    Undecided("associative_scan", ("N D",), lambda x: vx.associative_scan(vx.add, x)),
    Row("associative_scan", ("N 5",), lambda x: vx.associative_scan(vx.add, x, axis=1)),
    Row("custom_linear_solve", ("N",), solved),
    Row("custom_linear_solve", ("N",), slope(lambda b: solved(b).sum())),
    Row(
        "custom_root",
        ("N",),
        lambda x: vx.custom_root(lambda y: y - 1.0, x, newton, lambda g, y: y / g(vx.ones_like(y))),
    ),
    Row("all_gather", ("N D",), over("i", lambda x: vx.all_gather(x, "i"))),
    *[
        Row(name, ("N D",), over("i", lambda x, name=name: getattr(vx, name)(x, "i")))
        for name in ("pmax", "pmean", "pmin", "psum")
    ],
    Undecided("ppermute", ("N",), over("i", lambda x: vx.ppermute(x, "i", [(0, 1)]))),
    Undecided("pshuffle", ("N",), over("i", lambda x: vx.pshuffle(x, "i", [1, 0]))),
    Row("psum_scatter", ("N N",), over("i", lambda x: vx.psum_scatter(x, "i"))),
    Row("all_to_all", ("N N",), over("i", lambda x: vx.all_to_all(x, "i", 0, 0))),
    Row("axis_index", ("N",), over("i", lambda x: x + vx.axis_index("i"))),
    Row("axis_size", ("N",), over("i", lambda x: x / vx.axis_size("i"))),
]
