"""Time to generate an image."""

import statistics
import time
from collections.abc import Callable


def measure_latency_ms(
    generate: Callable[[int], object], *, num_images: int = 20, repeats: int = 5
) -> float:
    """Return the median milliseconds an image, after one call that is not counted.

    The first call pays for what later ones reuse (memory, code chosen for the shapes). The
    median leaves out the repeats that other work on the machine slowed down.

    Args:
        generate: draws that many images, and has finished when it returns.
        num_images: in a call, at least 1.
        repeats: calls that are timed, at least 1.

    Raises:
        ValueError: a number is below 1.
    """
    if num_images < 1 or repeats < 1:
        raise ValueError(
            f"num_images is {num_images} and repeats {repeats}; allowed: at least 1 of each"
        )
    generate(num_images)
    seconds = statistics.median(_seconds(generate, num_images) for _ in range(repeats))
    return 1000 * seconds / num_images


def _seconds(generate: Callable[[int], object], num_images: int) -> float:
    start = time.perf_counter()
    generate(num_images)
    return time.perf_counter() - start
