"""The figures that a report can show."""

from study.display.report.metrics import METRICS
from study.results.objectives import OBJECTIVES


def test_every_objective_can_be_an_axis_and_says_whether_more_of_it_is_better() -> None:
    shown = {metric.name: metric.to_json() for metric in METRICS if metric.drawn}
    assert OBJECTIVES.keys() <= shown.keys()
    for name, objective in OBJECTIVES.items():
        assert shown[name]["aim"]
        assert shown[name]["maximize"] == objective.maximize


def test_no_figure_is_shown_twice() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
