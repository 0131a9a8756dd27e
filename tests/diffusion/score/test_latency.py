"""The latency: which batches are timed, and how their seconds become one number."""

import pytest

from diffusion.score.latency import BatchClock, measure_latency_ms


class Machine:
    """Draws batches of 100 images; only what it does moves its clock, by the seconds given."""

    def __init__(self, *seconds):
        self.now, self.seconds, self.drawn = 100.0, list(seconds), []

    def clock(self):
        return self.now

    def generate(self, num_images, on_progress):
        """Draw images, telling after each batch how many there are."""
        for done in range(0, num_images, 100):
            self.now += self.seconds.pop(0)
            on_progress(min(done + 100, num_images))
        self.drawn.append(num_images)


def latency_of(num_images, *seconds):
    """Return the latency of a drawing, and what its machine drew."""
    machine = Machine(*seconds)
    batches = BatchClock(clock=machine.clock)
    machine.generate(num_images, batches)
    found = batches.latency_ms(machine.generate)
    assert machine.seconds == [], "as many batches are drawn as expected"
    return found, machine.drawn


@pytest.mark.parametrize(
    ("num_images", "seconds", "expected"),
    [
        (200, [9.0, 2.0], 20.0),
        (400, [50.0, 3.0, 1.0, 2.0], 20.0),
        (500, [0.0, 1.0, 2.0, 3.0, 90.0], 25.0),
        (250, [9.0, 2.0, 0.1], 20.0),
        (300, [1.0, 0.0, 0.0], 0.0),
    ],
    ids=["two", "the slow one", "the middle of four", "the last one is a part", "no time"],
)
def test_latency_is_the_median_of_the_whole_batches_after_the_first(num_images, seconds, expected):
    found, drawn = latency_of(num_images, *seconds)
    assert found == pytest.approx(expected)
    assert drawn == [num_images], "it costs no image"


@pytest.mark.parametrize(
    ("num_images", "seconds"),
    [(100, [9.0]), (20, [9.0]), (150, [9.0, 0.1])],
    ids=["one", "a part of one", "one and a part"],
)
def test_where_no_whole_batch_follows_the_first_one_more_is_drawn(num_images, seconds):
    found, drawn = latency_of(num_images, *seconds, 3.0)
    assert found == pytest.approx(30.0)
    assert drawn == [num_images, 100]


def test_a_search_and_a_verification_find_the_same_latency():
    seconds = [7.0, 2.0, 1.0, 4.0]
    machine = Machine(*seconds)
    assert (
        measure_latency_ms(machine.generate, clock=machine.clock) == latency_of(400, *seconds)[0]
    )
    assert machine.drawn == [400]


def test_as_many_batches_are_timed_as_asked_for():
    machine = Machine(9.0, 1.0, 3.0)
    assert measure_latency_ms(machine.generate, 2, machine.clock) == pytest.approx(20.0)
    assert machine.drawn == [300]


def test_progress_is_passed_on_and_the_time_it_takes_is_not_counted():
    machine, told = Machine(9.0, 1.0, 1.0), []

    def on_progress(images):
        machine.now += 60.0
        told.append(images)

    batches = BatchClock(on_progress, machine.clock)
    machine.generate(300, batches)
    assert batches.latency_ms(machine.generate) == pytest.approx(10.0)
    assert told == [100, 200, 300]


def test_progress_is_not_told_of_the_batch_that_is_drawn_for_the_time_alone():
    machine, told = Machine(9.0, 1.0), []
    batches = BatchClock(told.append, machine.clock)
    machine.generate(20, batches)
    batches.latency_ms(machine.generate)
    assert told == [20]


def test_errors_of_the_generator_are_passed_on():
    def broken(num_images, on_progress):
        raise RuntimeError(f"no memory for {num_images}")

    with pytest.raises(RuntimeError, match="no memory for 400"):
        measure_latency_ms(broken)


@pytest.mark.parametrize("num_batches", [0, -1])
def test_counts_below_one_are_refused_before_anything_is_generated(num_batches):
    machine = Machine()
    message = f"num_batches is {num_batches}; allowed: at least 1"
    with pytest.raises(ValueError, match=message):
        measure_latency_ms(machine.generate, num_batches)
    assert machine.drawn == []
