"""The published alpha_bar of the variance-preserving process, in plain numbers, for tests."""

import math


def linear_alpha_bars():
    betas = [1e-4 + i * (0.02 - 1e-4) / 999 for i in range(1_000)]
    return [math.prod(1 - beta for beta in betas[: i + 1]) for i in range(1_000)]


def cosine_alpha_bars():
    def curve(step):
        return math.cos((step / 1_000 + 0.008) / 1.008 * math.pi / 2) ** 2

    # Only the last beta is above the limit of 0.999.
    free = [curve(i + 1) / curve(0) for i in range(999)]
    return [*free, 0.001 * free[-1]]


ALPHA_BARS = {"linear": linear_alpha_bars(), "cosine": cosine_alpha_bars()}
