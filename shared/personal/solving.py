"""Small symmetric systems solved in steps that every machine takes alike.

Invariant: only single additions, products, quotients and roots in a written order, which IEEE 754 fixes to the bit;
LAPACK's order depends on the processor, and a personal model's bytes must not.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def triangle(matrix: Floats) -> Floats:
    """Return the lower Cholesky factor of a positive definite matrix (d, d). Raises ValueError if it is not one."""
    left, factor = matrix.copy(), np.zeros_like(matrix)
    for k in range(len(matrix)):
        pivot = left[k, k]
        if not pivot > 0.0:
            raise ValueError("the matrix is not positive definite")
        factor[k:, k] = left[k:, k] / np.sqrt(pivot)
        below = factor[k + 1 :, k]
        left[k + 1 :, k + 1 :] -= below[:, None] * below[None, :]
    return factor


def inverse(matrix: Floats) -> Floats:
    """Return the inverse of a positive definite matrix (d, d), symmetric to the bit. Raises ValueError for others."""
    factor = triangle(matrix)
    size = len(matrix)
    rest, undone = np.eye(size), np.empty_like(matrix)
    for k in range(size):
        undone[k] = rest[k] / factor[k, k]
        rest[k + 1 :] -= factor[k + 1 :, k, None] * undone[k]
    made = np.zeros_like(matrix)
    for row in undone:
        made += row[:, None] * row[None, :]
    return made


def applied(matrix: Floats, vector: Floats) -> Floats:
    """Return a symmetric matrix (d, d) times a vector (d,), added up row by row."""
    product: Floats = np.add.reduce(matrix * vector[:, None], axis=0)
    return product


def packed(matrix: Floats) -> Floats:
    """Return the lower triangle of a symmetric matrix, row by row: d(d+1)/2 numbers."""
    return matrix[np.tril_indices(len(matrix))]


def unpacked(numbers: Floats) -> Floats:
    """Return the symmetric matrix of a packed triangle. Raises ValueError for a length that is no triangle."""
    size = int((np.sqrt(8 * len(numbers) + 1) - 1) / 2)
    if size * (size + 1) // 2 != len(numbers):
        raise ValueError("not a packed triangle")
    made = np.zeros((size, size))
    rows, columns = np.tril_indices(size)
    made[rows, columns] = numbers
    made[columns, rows] = numbers
    return made
