"""Workers are counted: when another one begins, which gets a trial, and which never does."""

import pytest

from study.cluster.crew import GATHER_SECONDS, MOST_BROKEN, MOST_DEATHS, REREAD_SECONDS, Crew
from study.cluster.place import Place
from study.cluster.standby import Ready

HERE, THERE = Place("a", "alpha", 1), Place("b", "beta", 2)
NO_GPU = "RuntimeError: no driver"


class World:
    """A cluster whose room and whose time are set."""

    def __init__(self, room: int, asked: int | None = None) -> None:
        self.room, self.now = room, 100.0
        self.crew = Crew(lambda: self.room, asked, lambda: self.now)
        self._num = 0

    def begin(self) -> list[str]:
        """Begin standbys for as long as some lack; return their ids."""
        begun = []
        while self.crew.lacks():
            begun.append(f"s{self._num}")
            self._num += 1
            self.crew.begin(begun[-1])
        return begun

    def arrive(self, standby: str, place: Place = HERE, unfit: str | None = None) -> str | None:
        return self.crew.note(standby, Ready(place, unfit))

    def work(self, num_trials: int) -> list[str]:
        """Start standbys, and give so many of them trials; return their ids."""
        standbys = self.begin()
        for standby in standbys:
            self.arrive(standby)
        for _ in range(num_trials):
            assert self.crew.may_take()
            self.crew.take()
        for standby in standbys[:num_trials]:
            assert self.crew.is_released(standby)
            self.crew.leave(standby, died=False)
        return standbys


@pytest.mark.parametrize(
    ("room", "asked", "begun"), [(3, None, 3), (3, 2, 2), (3, 5, 5), (0, None, 1)]
)
def test_as_many_stand_by_as_fit_or_as_were_asked_for(
    room: int, asked: int | None, begun: int
) -> None:
    assert len(World(room, asked).begin()) == begun


def test_no_trial_is_given_out_before_all_are_there() -> None:
    world = World(2)
    first, second = world.begin()
    assert not world.crew.may_take()
    world.arrive(first)
    assert not world.crew.may_take()
    world.arrive(second)
    assert world.crew.may_take()


def test_one_that_does_not_start_is_not_waited_for_any_longer_than_a_minute() -> None:
    world = World(2)
    first, _ = world.begin()
    world.now += 10 * GATHER_SECONDS
    assert not world.crew.may_take(), "none is there at all"
    world.arrive(first)
    world.now += GATHER_SECONDS - 1
    assert not world.crew.may_take()
    world.now += 1
    assert world.crew.may_take()
    world.crew.take()
    assert not world.crew.may_take()
    assert world.crew.missing() == 1


def test_a_worker_does_one_trial_after_the_other() -> None:
    world = World(1)
    world.work(1)
    assert not world.crew.may_take()
    for _ in range(3):
        world.crew.end_trial(HERE, lives=True, broke=False)
        assert world.crew.may_take()
        assert not world.crew.lacks()
        world.crew.take()
        assert not world.crew.may_take()


def test_one_without_another_trial_stands_by_again() -> None:
    world = World(1)
    world.work(1)
    world.crew.end_trial(HERE, lives=True, broke=False)
    world.crew.let_stand_by()
    assert not world.crew.may_take()
    assert len(world.begin()) == 1


def test_one_that_died_is_replaced() -> None:
    world = World(2)
    world.work(2)
    world.crew.end_trial(HERE, lives=False, broke=True)
    assert not world.crew.may_take()
    assert len(world.begin()) == 1
    world = World(2)
    for standby in world.begin():
        world.crew.leave(standby, died=True)
    assert len(world.begin()) == 2


@pytest.mark.parametrize(("asked", "begun"), [(None, 2), (1, 0)])
def test_the_crew_grows_with_the_cluster(asked: int | None, begun: int) -> None:
    world = World(1, asked)
    world.work(1)
    world.room = 3
    assert world.begin() == [], "it is looked at now and then"
    world.now += REREAD_SECONDS
    assert len(world.begin()) == begun


def test_a_worker_that_joined_gets_trials_as_soon_as_it_is_there() -> None:
    world = World(1)
    world.work(1)
    world.room, world.now = 3, world.now + REREAD_SECONDS
    first, _ = world.begin()
    world.arrive(first)
    assert world.crew.may_take()


def test_a_node_that_is_not_fit_gets_no_trials_and_is_held_and_said_once() -> None:
    world = World(3)
    good, *bad = world.begin()
    world.arrive(good, HERE)
    said = [world.arrive(standby, THERE, NO_GPU) for standby in bad]
    assert said == [f"node beta gets no trials: {NO_GPU}", None]
    world.crew.take()
    assert not world.crew.may_take()
    assert not any(world.crew.is_released(standby) for standby in bad)
    assert not world.crew.lacks(), "what it has is no room for others"
    assert world.crew.why_hopeless() is None


def test_as_many_as_were_asked_for_are_there_beside_those_that_are_not_fit() -> None:
    world = World(4, 2)
    good, bad = world.begin()
    world.arrive(good, HERE)
    world.arrive(bad, THERE, NO_GPU)
    assert len(world.begin()) == 1


def test_where_no_node_is_fit_the_study_has_no_hope() -> None:
    world = World(2)
    first, second = world.begin()
    world.arrive(first, THERE, NO_GPU)
    assert world.crew.why_hopeless() is None, "another one may be"
    world.arrive(second, THERE, NO_GPU)
    assert world.crew.why_hopeless() == f"no node is fit for a trial: beta: {NO_GPU}"


def test_where_all_die_before_they_begin_the_study_has_no_hope() -> None:
    world = World(1)
    for _ in range(MOST_DEATHS + 1):
        (standby,) = world.begin()
        assert world.crew.why_hopeless() is None
        world.crew.leave(standby, died=True)
    world.crew.leave(*world.begin(), died=True)
    assert "10 worker processes died before" in (world.crew.why_hopeless() or "")


@pytest.mark.parametrize("others_do", [True, False])
def test_a_node_that_breaks_one_trial_after_the_other_is_left_out_where_others_do_not(
    others_do: bool,
) -> None:
    world = World(4)
    world.work(3)
    if others_do:
        world.crew.end_trial(HERE, lives=True, broke=False)
    said = [world.crew.end_trial(THERE, lives=False, broke=True) for _ in range(MOST_BROKEN)]
    reason = f"{MOST_BROKEN} trials in a row broke there, none elsewhere"
    news = f"node beta gets no trials: {reason}" if others_do else None
    assert said == [*[None] * (MOST_BROKEN - 1), news]
    world.crew.let_stand_by()
    again = world.begin()
    assert world.crew.may_take(), "one stood by all the time"
    world.crew.take()
    world.arrive(again[0], THERE)
    assert world.crew.may_take() is not others_do


def test_a_trial_that_ends_well_clears_its_node() -> None:
    world = World(9)
    world.work(9)
    world.crew.end_trial(HERE, lives=True, broke=False)
    for lives in [False] * (MOST_BROKEN - 1) + [True] + [False] * (MOST_BROKEN - 1):
        assert world.crew.end_trial(THERE, lives=lives, broke=not lives) is None
