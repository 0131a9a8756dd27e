"""Workers are counted: when another one begins, which gets a trial, and which never does."""

import pytest

from study.cluster.crew import (
    GATHER_SECONDS,
    LONGEST_PAUSE_SECONDS,
    MOST_BROKEN,
    MOST_DEATHS,
    REREAD_SECONDS,
    Crew,
)
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

    def hand_out(self, standby: str) -> bool:
        """Let a standby leave its process to a trial, if it does; return whether it did."""
        self.crew.release()
        if not self.crew.is_released(standby):
            return False
        self.crew.leave(standby, died=False)
        assert self.crew.may_take()
        self.crew.take()
        return True

    def work(self, num_trials: int) -> list[str]:
        """Start standbys, and give so many of their processes trials; return their ids."""
        standbys = self.begin()
        for standby in standbys:
            self.arrive(standby)
        assert all(map(self.hand_out, standbys[:num_trials]))
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
    world.arrive(first)
    assert not world.hand_out(first)
    world.arrive(second)
    assert world.hand_out(first)


def test_more_than_fit_are_not_waited_for() -> None:
    world = World(1, asked=4)
    first, *_ = world.begin()
    world.arrive(first)
    assert world.hand_out(first)
    assert world.crew.missing() == 3


def test_one_that_does_not_start_is_not_waited_for_any_longer_than_a_minute() -> None:
    world = World(2)
    first, _ = world.begin()
    world.now += 10 * GATHER_SECONDS
    assert not world.hand_out(first), "none is there at all"
    world.arrive(first)
    world.now += GATHER_SECONDS - 1
    assert not world.hand_out(first)
    world.now += 1
    assert world.hand_out(first)
    assert world.crew.missing() == 1


def test_a_process_is_free_once_its_standby_left_it() -> None:
    world = World(1)
    (standby,) = world.begin()
    world.arrive(standby)
    world.crew.release()
    assert not world.crew.may_take()
    world.crew.leave(standby, died=False)
    assert world.crew.may_take()
    assert not world.crew.lacks()


def test_a_worker_does_one_trial_after_the_other() -> None:
    world = World(1)
    world.work(1)
    assert not world.crew.may_take()
    for _ in range(3):
        world.crew.end_trial(0, HERE, lives=True, broke=False)
        assert world.crew.may_take()
        assert not world.crew.lacks()
        world.crew.take()
        assert not world.crew.may_take()


def test_one_without_another_trial_stands_by_again() -> None:
    world = World(1)
    world.work(1)
    world.crew.end_trial(0, HERE, lives=True, broke=False)
    world.crew.drop_free()
    assert not world.crew.may_take()
    assert len(world.begin()) == 1


def test_one_that_died_is_replaced() -> None:
    world = World(2)
    world.work(2)
    world.crew.end_trial(0, HERE, lives=False, broke=True)
    assert not world.crew.may_take()
    assert len(world.begin()) == 1
    world = World(2)
    for standby in world.begin():
        world.crew.leave(standby, died=True)
    world.now += LONGEST_PAUSE_SECONDS
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
    assert world.hand_out(first)


def test_a_node_that_is_not_fit_gets_no_trials_and_is_held_and_said_once() -> None:
    world = World(3)
    good, *bad = world.begin()
    world.arrive(good, HERE)
    said = [world.arrive(standby, THERE, NO_GPU) for standby in bad]
    assert said == [f"node beta gets no trials: {NO_GPU}", None]
    assert world.hand_out(good)
    assert not any(map(world.hand_out, bad))
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
    assert world.crew.why_hopeless() == (
        f"no node that is there is fit for a trial: beta: {NO_GPU}"
    )


def test_where_all_die_before_they_begin_the_study_has_no_hope() -> None:
    world = World(1)
    for _ in range(MOST_DEATHS + 2):
        assert world.crew.why_hopeless() is None
        (standby,) = world.begin()
        world.crew.leave(standby, died=True)
        world.now += LONGEST_PAUSE_SECONDS
    assert "10 worker processes died before" in (world.crew.why_hopeless() or "")


def test_while_a_trial_runs_others_that_die_are_no_end_but_are_begun_ever_more_rarely() -> None:
    world = World(2)
    _, standby = world.work(1)
    world.crew.leave(standby, died=True)
    for deaths in range(1, 3 * MOST_DEATHS):
        (standby,) = world.begin()
        world.crew.leave(standby, died=True)
        world.now += deaths - 0.5
        assert not world.crew.lacks()
        world.now += 0.5
    assert world.crew.why_hopeless() is None


def test_standbys_that_die_with_their_nodes_are_no_end() -> None:
    world = World(40)
    standbys = world.begin()
    for standby in standbys:
        world.arrive(standby)
    for standby in standbys[:-1]:
        world.crew.leave(standby, died=True)
    assert world.crew.why_hopeless() is None
    assert len(world.begin()) == 39


@pytest.mark.parametrize("others_do", [True, False])
def test_a_node_that_breaks_one_trial_after_the_other_is_left_out_where_others_do_not(
    others_do: bool,
) -> None:
    world = World(4)
    world.work(4)
    world.crew.end_trial(9, HERE, lives=others_do, broke=False)  # its node is lost otherwise
    said = [world.crew.end_trial(n, THERE, lives=False, broke=True) for n in range(MOST_BROKEN)]
    news = f"node beta gets no trials: {MOST_BROKEN} trials in a row broke there"
    assert said == [*[None] * (MOST_BROKEN - 1), news if others_do else None]
    world.crew.drop_free()
    again = world.begin()[0]
    world.arrive(again, THERE)
    assert world.hand_out(again) is not others_do


def test_one_trial_that_breaks_again_and_again_is_not_its_node_s_fault() -> None:
    world = World(9)
    world.work(9)
    world.crew.end_trial(9, HERE, lives=True, broke=False)
    broken = [world.crew.end_trial(3, THERE, lives=False, broke=True) for _ in range(6)]
    assert broken == [None] * 6


def test_a_trial_that_ends_well_clears_its_node() -> None:
    world = World(9)
    world.work(9)
    world.crew.end_trial(9, HERE, lives=True, broke=False)
    ends = [False] * (MOST_BROKEN - 1) + [True] + [False] * (MOST_BROKEN - 1)
    for number, lives in enumerate(ends):
        assert world.crew.end_trial(number, THERE, lives=lives, broke=not lives) is None


def test_a_worker_of_a_node_that_is_not_fit_any_more_gets_no_other_trial() -> None:
    world = World(2)
    first, second = world.begin()
    world.arrive(first, THERE)
    world.arrive(second, HERE)
    assert world.hand_out(first)
    world.crew.begin("late")
    world.arrive("late", THERE, NO_GPU)
    world.crew.end_trial(0, THERE, lives=True, broke=False)
    assert not world.crew.may_take()


@pytest.mark.parametrize("unfit", [None, "no driver"])
def test_a_process_is_left_free_only_where_every_node_is_fit(unfit: str | None) -> None:
    crew = Crew(lambda: 5)
    for name in "abcde":
        crew.begin(name)
    for name in "abcd":
        crew.note(name, Ready(Place("first", "alpha", 1), None))
    crew.note("e", Ready(Place("second", "beta", 1), unfit))
    for _ in "abcd":
        crew.release()
    for name in "abcd":
        crew.leave(name, died=False)
        crew.take()
    assert crew.may_leave_free() == (unfit is None)
