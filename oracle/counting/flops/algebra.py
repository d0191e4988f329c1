"""Fourier transforms, distances, and factorisations of matrices.

Factorisations by the counts of Golub and Van Loan, *Matrix Computations* (4th edition, 2013), with every term where
the sum is exact; of singular values and eigenvalues the leading terms, for how often they iterate depends on the data.
"""

from __future__ import annotations

from typing import Any

from oracle.counting.flops.registry import Dim, Work, register_flops
from oracle.errors import OracleError
from oracle.optable import Shape, prod


@register_flops("aten.linalg_cross")
def _cross(x: Shape, other: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return Work(0, 3 * prod(out))  # two products and a difference


# -- Fourier transforms ------------------------------------------------------------------------------------------


@register_flops("aten._fft_c2c")
def _fft(x: Shape, dims: Any, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return Work(0, _butterflies(x, dims))


@register_flops("aten._fft_r2c")
def _fft_of_reals(x: Shape, dims: Any, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    # The last dimension at half the price; then the others, on the half of the spectrum that is kept.
    *others, last = dims
    first = _butterflies(x, [last]) // 2
    return Work(0, first + (_butterflies(out, others) if others else 0))


@register_flops("aten._fft_c2r")
def _fft_to_reals(x: Shape, dims: Any, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    *others, last = dims
    return Work(0, (_butterflies(x, others) if others else 0) + _butterflies(out, [last]) // 2)


def _butterflies(shape: Shape, dims: Any) -> Dim:
    """Real operations of complex transforms over some dimensions: 5 n log2(n) each, as FFTW counts them.

    That is the radix-2 algorithm (a complex product and two sums per butterfly); lengths between powers of two count
    like the next one, whose logarithm is whole. See https://www.fftw.org/speed/method.html.
    """
    return sum(5 * prod(shape) * _log2(shape[dim]) for dim in dims)


def _log2(size: Dim) -> int:
    if type(size) is not int:
        raise OracleError("a Fourier transform of unknown length has no closed form")
    return (size - 1).bit_length()


# -- distances ---------------------------------------------------------------------------------------------------


@register_flops("aten._cdist_forward", "aten._cdist_backward", "aten.cdist_backward")
def _cdist(*args: Any, out: Shape, **kwargs: Any) -> Work:
    # Of each pair of rows and each of their entries: subtract, power, add.
    if len(args) > 4:  # grad, a, b, p, distances: a product by the gradient in the place of the power
        pairs, width = prod(args[0]), args[1][-1]
    else:
        pairs, width = prod(out), args[0][-1]
    return Work(0, 3 * pairs * width)


@register_flops("aten._euclidean_dist")
def _euclidean_dist(a: Shape, b: Shape, out: Shape) -> Work:
    # |a|^2 + |b|^2 - 2ab as one product over two columns more, which hold the norms and ones; clamp, root.
    macs = prod(out) * (a[-1] + 2)
    return Work(macs, 2 * macs + 3 * prod(a) + 2 * prod(b) + 2 * prod(out))


@register_flops("aten._pdist_forward", "aten._pdist_backward")
def _pdist(*args: Any, out: Shape, **kwargs: Any) -> Work:
    x = args[0] if len(args[0]) == 2 else args[1]
    return Work(0, 3 * (x[0] * (x[0] - 1) // 2) * x[1])


# -- factorisations ----------------------------------------------------------------------------------------------


@register_flops("aten.linalg_cholesky_ex", "aten.cholesky")
def _cholesky(a: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    n = a[-1]
    return Work(0, prod(a[:-2]) * (n * (n + 1) * (2 * n + 1) // 6))


@register_flops("aten.linalg_lu_factor_ex", "aten.linalg_lu", "aten._linalg_det", "aten._linalg_slogdet")
def _lu(a: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, prod(a[:-2]) * _eliminated(a[-1]))


@register_flops("aten.linalg_inv_ex")
def _inverse(a: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, prod(a[:-2]) * (_eliminated(a[-1]) + 2 * a[-1] ** 2 * a[-1]))


@register_flops("aten._linalg_solve_ex")
def _solve(a: Shape, b: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    columns = b[-1] if len(b) >= len(a) else 1
    return Work(0, prod(a[:-2]) * (_eliminated(a[-1]) + 2 * a[-1] ** 2 * columns))


@register_flops("aten.linalg_solve_triangular", "aten.triangular_solve")
def _solve_triangular(a: Shape, b: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    square, other = (a, b) if a[-1] == a[-2] else (b, a)
    return Work(0, prod(other) * square[-1])


@register_flops("aten.linalg_qr", "aten.geqrf", "aten.linalg_householder_product")
def _qr(a: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    m, n = max(a[-2:]), min(a[-2:])
    return Work(0, prod(a[:-2]) * (2 * n * n * (3 * m - n) // 3))


@register_flops("aten._linalg_svd")
def _svd(a: Shape, full: bool = False, compute_uv: bool = True, *rest: Any, out: Any, **kwargs: Any) -> Work:
    m, n = max(a[-2:]), min(a[-2:])  # by R-bidiagonalisation, with thin U and V or singular values alone
    return Work(0, prod(a[:-2]) * (6 * m * n * n + 20 * n**3 if compute_uv else 2 * m * n * n + 2 * n**3))


@register_flops("aten._linalg_eigh")
def _eigh(a: Shape, uplo: str = "L", compute_v: bool = True, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, prod(a[:-2]) * (9 * a[-1] ** 3 if compute_v else 4 * a[-1] ** 3 // 3))


@register_flops("aten.linalg_pinv")
def _pseudo_inverse(a: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    m, n = max(a[-2:]), min(a[-2:])  # a decomposition, a quotient of each column of V, and the product with U
    macs, vectors = prod(a[:-2]) * m * n * n, _svd(a, out=out).flops
    return Work(macs, vectors + prod(a[:-2]) * n * n + 2 * macs)


@register_flops("aten.linalg_eig")
def _eig(a: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, prod(a[:-2]) * 25 * a[-1] ** 3)  # the QR algorithm after a reduction to Hessenberg form


@register_flops("aten._linalg_eigvals")
def _eigvals(a: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, prod(a[:-2]) * 10 * a[-1] ** 3)


def _eliminated(n: Dim) -> Dim:
    """Operations of an LU factorisation: a quotient per entry below a pivot, a product and a sum per entry beyond."""
    return n * (n - 1) * (4 * n + 1) // 6
