"""Linear algebra on the last two dimensions; what stands in front of them is a batch.

Names and signatures are those of NumPy and SciPy. Nothing raises inside of a compiled program: what
has no result (the factor of an indefinite matrix, the inverse of a singular one) is NaN.
"""

from verax.dsl.lang.diagonals import diagonal, trace
from verax.dsl.lang.linear import cross, matmul, outer, tensordot, vecdot
from verax.dsl.lang.manipulation import matrix_transpose
from verax.dsl.lang.norms import matrix_norm, norm, vector_norm
from verax.dsl.linalg.determinants import det, slogdet
from verax.dsl.linalg.expm import expm
from verax.dsl.linalg.factorizations import cholesky, householder_product, lu, lu_factor, qr
from verax.dsl.linalg.products import block_diag, matrix_power, multi_dot
from verax.dsl.linalg.rank import cond, lstsq, matrix_rank, pinv
from verax.dsl.linalg.roots import polar, solve_sylvester, sqrtm
from verax.dsl.linalg.solving import (
    cho_factor,
    cho_solve,
    inv,
    lu_solve,
    solve,
    solve_triangular,
    tridiagonal_solve,
)
from verax.dsl.linalg.spectral import (
    eig,
    eigh,
    eigvals,
    eigvalsh,
    hessenberg,
    schur,
    svd,
    svdvals,
    tridiagonal,
)

__all__ = [
    "block_diag",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "hessenberg",
    "householder_product",
    "inv",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "polar",
    "qr",
    "schur",
    "slogdet",
    "solve",
    "solve_sylvester",
    "solve_triangular",
    "sqrtm",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "tridiagonal",
    "tridiagonal_solve",
    "vecdot",
    "vector_norm",
]
