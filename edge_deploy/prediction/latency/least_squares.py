"""Least squares that never go below zero, plain and robust."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Huber's constant: 95% as efficient as least squares where the errors are normal.
_HUBER = 1.345
_REWEIGHTINGS = 5
_LEAST_SCATTER = 0.01
_TOLERANCE = 1e-10

Array = NDArray[np.float64]


def non_negative_least_squares(
    matrix: Array, target: Array, guess: NDArray[np.bool_] | None = None
) -> Array:
    """The x >= 0 that makes |matrix @ x - target| smallest (Lawson and Hanson, 1974).

    `guess`: which elements are probably above 0; it saves time where it is right.
    """
    lengths = np.sqrt((matrix * matrix).sum(axis=0))
    lengths[lengths == 0] = 1.0
    scaled = matrix / lengths
    gram, moment = scaled.T @ scaled, scaled.T @ target
    if guess is not None:
        trial = _on(gram, moment, guess)
        rest = moment - gram @ trial
        if (trial[guess] > 0).all() and not (rest[~guess] > _TOLERANCE).any():
            return np.asarray(trial / lengths)
    return np.asarray(_from_normal_equations(gram, moment) / lengths)


def _from_normal_equations(gram: Array, moment: Array) -> Array:
    """Lawson and Hanson on columns of length 1."""
    count = len(moment)
    active = np.zeros(count, bool)
    solution = np.zeros(count)
    gradient = moment
    for _ in range(3 * count):
        candidates = np.where(active, -np.inf, gradient)
        best = int(np.argmax(candidates))
        if not candidates[best] > _TOLERANCE:
            break
        active[best] = True
        trial = _on(gram, moment, active)
        while active.any() and not (trial[active] > 0).all():
            wrong = active & (trial <= 0)
            step = float(np.min(solution[wrong] / (solution[wrong] - trial[wrong])))
            solution = solution + step * (trial - solution)
            active &= solution > 1e-14
            solution[~active] = 0.0
            trial = _on(gram, moment, active)
        solution = trial
        gradient = moment - gram @ solution
    return solution


def _on(gram: Array, moment: Array, active: NDArray[np.bool_]) -> Array:
    """The least-squares solution with the active columns only."""
    solution = np.zeros(len(moment))
    if active.any():
        part = gram[active][:, active]
        # A touch on the diagonal: two columns may be one and the same.
        part.flat[:: len(part) + 1] += 1e-12
        solution[active] = np.linalg.solve(part, moment[active])
    return solution


def robust_coefficients(
    relative: Array, extra: Array | None = None, extra_target: Array | None = None
) -> Array:
    """Coefficients that bring relative @ x near 1; a point far off counts less (Huber)."""
    weights = np.ones(len(relative))
    solution = np.zeros(relative.shape[1])
    for round_ in range(_REWEIGHTINGS + 1):
        matrix, target = relative * weights[:, None], weights
        if extra is not None and extra_target is not None:
            matrix, target = np.vstack([matrix, extra]), np.concatenate([target, extra_target])
        guess = solution > 0 if round_ else np.ones(relative.shape[1], bool)
        solution = non_negative_least_squares(matrix, target, guess)
        sizes = np.abs(relative @ solution - 1)
        scatter = max(1.4826 * float(np.median(sizes)), _LEAST_SCATTER)
        weights = np.sqrt(np.minimum(1, _HUBER * scatter / np.maximum(sizes, 1e-12)))
    return solution
