"""The pass of services.trainer.learning in compiled code: single precision, one thread, no reordering of sums."""

# mypy: disable-error-code="no-untyped-call"

import numpy as np

from shared.model.compiling import compiled


@compiled
def epoch(
    order: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    starts: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    table: np.ndarray,
    intercepts: np.ndarray,
    squares: np.ndarray,
    intercept_squares: np.ndarray,
    rate: float,
    l2: float,
    free: bool,
) -> None:
    """Go over all rows once in the given order and change table, intercepts and the sums of squares in place."""
    heads = len(intercepts)
    logits = np.empty(heads, np.float32)
    error = np.empty(heads, np.float32)
    one = np.float32(1.0)
    for at in range(len(order)):
        row = order[at]
        begin, end = starts[row], starts[row + 1]
        logits[:] = intercepts
        for i in range(begin, end):
            bucket, value = indices[i], values[i]
            for head in range(heads):
                logits[head] += value * table[bucket, head]
        for head in range(heads):
            weight = weights[row, head]
            error[head] = weight * (one / (one + np.exp(-logits[head])) - labels[row, head])
        for i in range(begin, end):
            bucket, value = indices[i], values[i]
            for head in range(heads):
                if weights[row, head] != 0:
                    gradient = value * error[head] + l2 * table[bucket, head]
                    squares[bucket, head] += gradient * gradient
                    table[bucket, head] -= rate * gradient / np.sqrt(squares[bucket, head])
        if free:
            for head in range(heads):
                if weights[row, head] != 0:
                    intercept_squares[head] += error[head] * error[head]
                    intercepts[head] -= rate * error[head] / np.sqrt(intercept_squares[head])
