"""Time to generate an image: the one definition of `latency_ms`.

It is the median time of whole batches of 100 images, by which they are divided, after a first
batch that is not counted: that one pays for what later ones reuse (memory, code chosen for the
shapes). The median leaves out the batches that other work on the machine slowed down.
"""

import statistics
import time
from collections.abc import Callable

from diffusion.model import GENERATE_BATCH_SIZE, Progress

ONNX_LATENCY = "onnx_latency_ms"  # the score of diffusion.score.onnx_latency
NUM_BATCHES = 3  # That are timed, after the one that is not.
TIMED_IMAGES = (1 + NUM_BATCHES) * GENERATE_BATCH_SIZE
Clock = Callable[[], float]
# generate(num_images, on_progress): draws in batches of GENERATE_BATCH_SIZE, and tells after each
# how many images are drawn so far, as `DiffusionModel.generate` does.
Generate = Callable[[int, Progress], object]


def measure_latency_ms(
    generate: Generate, num_batches: int = NUM_BATCHES, clock: Clock = time.perf_counter
) -> float:
    """Return the milliseconds an image takes, of images that are drawn for this alone.

    Args:
        generate: draws the images; it has finished when it returns.
        num_batches: how many batches are timed, at least 1, after the one that is not.
        clock: tells the seconds that have passed since some moment.

    Raises:
        ValueError: `num_batches` is below 1.
    """
    if num_batches < 1:
        raise ValueError(f"num_batches is {num_batches}; allowed: at least 1")
    batch_clock = BatchClock(clock=clock)
    generate((1 + num_batches) * GENERATE_BATCH_SIZE, batch_clock)
    return batch_clock.latency_ms(generate)


class BatchClock:
    """Times the batches of images that are drawn anyway; it is their `on_progress`.

    Args:
        on_progress: told the images drawn so far, too; the time that it takes is not counted.
        clock: tells the seconds that have passed since some moment.
    """

    def __init__(
        self, on_progress: Progress = lambda images: None, clock: Clock = time.perf_counter
    ) -> None:
        self._on_progress, self._clock = on_progress, clock
        self._seconds: list[float] = []  # of whole batches, the first left out
        self._begin: float | None = None
        self._images = 0

    def __call__(self, images: int) -> None:
        """Note that a batch is done, with so many images drawn so far."""
        if self._begin is not None and images - self._images == GENERATE_BATCH_SIZE:
            self._seconds.append(self._clock() - self._begin)
        self._on_progress(images)
        self._images, self._begin = images, self._clock()

    def latency_ms(self, generate: Generate) -> float:
        """Return the milliseconds an image took.

        Where no whole batch followed the first one, one more is drawn by `generate` and timed,
        rather than the first counted with what it paid for.
        """
        seconds = self._seconds or [self._seconds_of_one_more(generate)]
        return 1000 * statistics.median(seconds) / GENERATE_BATCH_SIZE

    def _seconds_of_one_more(self, generate: Generate) -> float:
        begin = self._clock()
        generate(GENERATE_BATCH_SIZE, lambda images: None)
        return self._clock() - begin
