"""Confidence intervals for accuracy."""

from __future__ import annotations

import math

# The normal quantile that leaves 2.5% in each tail.
Z95 = 1.959963984540054


def wilson_interval(successes: float, samples: int) -> tuple[float, float]:
    """95% interval of a proportion (Wilson), as fractions; it holds the proportion itself."""
    share = successes / samples
    centre = share + Z95 * Z95 / (2 * samples)
    spread = Z95 * math.sqrt(share * (1 - share) / samples + Z95 * Z95 / (4 * samples * samples))
    scale = 1 + Z95 * Z95 / samples
    # At 0 and 1 an end is the share but for its rounding.
    return max(0.0, min(share, (centre - spread) / scale)), min(
        1.0, max(share, (centre + spread) / scale)
    )


def paired_difference_ci95(lost: int, won: int, total: int) -> tuple[float, float]:
    """The 95% interval of (lost - won) / total for two models on the same samples.

    `lost`: samples that only the first model has right, `won`: only the second. Tango's score
    interval (Stat. Med. 17:891, 1998), which inverts the score test of the paired difference; it
    also holds for few samples and where nothing changed, unlike the Wald interval.
    """
    if total <= 0:
        return -1.0, 1.0
    estimate = (lost - won) / total

    def score(delta: float) -> float:
        # The most likely share of `won` samples if the difference were `delta`.
        linear = -lost - won + (2 * total - lost + won) * delta
        constant = -won * delta * (1 - delta)
        root = math.sqrt(max(0.0, linear * linear - 8 * total * constant))
        share = (root - linear) / (4 * total)
        variance = total * (2 * share + delta * (1 - delta))
        distance = lost - won - total * delta
        if variance <= 0:
            return math.copysign(math.inf, distance) if distance else 0.0
        return distance / math.sqrt(variance)

    def solve(target: float, low: float, high: float) -> float:
        for _ in range(80):  # the score falls as delta grows
            middle = (low + high) / 2
            if score(middle) > target:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    return solve(Z95, -1.0, estimate), solve(-Z95, estimate, 1.0)
