"""The latency: what is called, and how the seconds of the calls become one number."""

import time

import pytest

from diffusion.score.latency import measure_latency_ms


class Clock:
    """A clock that only `generate` moves, by the seconds given for each call."""

    def __init__(self, seconds):
        self.now, self.seconds, self.calls = 100.0, list(seconds), []

    def read(self):
        return self.now

    def generate(self, num_images):
        self.now += self.seconds[len(self.calls)]
        self.calls.append(num_images)


def measure(monkeypatch, seconds, **settings):
    clock = Clock(seconds)
    monkeypatch.setattr(time, "perf_counter", clock.read)
    return measure_latency_ms(clock.generate, **settings), clock.calls


@pytest.mark.parametrize(
    ("seconds", "num_images", "expected"),
    [
        ([9.0, 2.0], 1, 2000.0),
        ([9.0, 2.0], 4, 500.0),
        ([0.0, 1.0, 1.0, 7.0], 10, 100.0),
        ([50.0, 3.0, 1.0, 2.0], 20, 100.0),
        ([50.0, 1.0, 2.0, 3.0, 90.0], 100, 25.0),
        ([1.0, 0.0, 0.0], 5, 0.0),
    ],
)
def test_median_of_the_calls_after_the_first(monkeypatch, seconds, num_images, expected):
    repeats = len(seconds) - 1
    found, calls = measure(monkeypatch, seconds, num_images=num_images, repeats=repeats)
    assert found == pytest.approx(expected)
    assert calls == [num_images] * (repeats + 1)


def test_by_default_five_calls_of_twenty_images_are_timed(monkeypatch):
    found, calls = measure(monkeypatch, [8, 1, 5, 2, 4, 3])
    assert found == pytest.approx(1000 * 3 / 20)
    assert calls == [20] * 6


def test_errors_of_the_generator_are_passed_on():
    def broken(num_images):
        raise RuntimeError(f"no memory for {num_images}")

    with pytest.raises(RuntimeError, match="no memory for 20"):
        measure_latency_ms(broken)


@pytest.mark.parametrize("settings", [{"num_images": 0}, {"repeats": 0}, {"repeats": -1}])
def test_counts_below_one_are_refused_before_anything_is_generated(monkeypatch, settings):
    clock = Clock([])
    values = {"num_images": 20, "repeats": 5, **settings}
    message = "num_images is {num_images} and repeats {repeats}; allowed: at least 1"
    with pytest.raises(ValueError, match=message.format(**values)):
        measure_latency_ms(clock.generate, **settings)
    assert clock.calls == []
