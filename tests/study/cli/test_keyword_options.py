"""Keywords are the command's options: the same names, the same values, the same refusals."""

import typing
from pathlib import Path

import pytest

from study.cli.keyword_options import NO_KEYWORDS, SearchOptions, given_by
from study.cli.parser import Parser
from study.cli.search_options import build_parser


@pytest.fixture
def parser() -> Parser:
    return build_parser("")


def test_every_option_of_the_search_is_a_keyword_with_a_type(parser: Parser) -> None:
    options = set(vars(parser.parse_args([]))) - NO_KEYWORDS
    assert set(typing.get_type_hints(SearchOptions)) == options


def test_without_keywords_it_is_the_command_without_options(parser: Parser) -> None:
    assert given_by(parser, {}) == parser.parse_args([])
    assert given_by(parser, {"trials": None}) == parser.parse_args([])


@pytest.mark.parametrize(
    ("keyword", "words"),
    [
        ({"trials": 12}, ["--trials", "12"]),
        (
            {"max": {"size_bytes": 5e5, "fid": "20"}},
            ["--max", "size_bytes=500k", "--max", "fid=20"],
        ),
        ({"max": {"kid": 1e-05}}, ["--max", "kid=0.00001"]),
        ({"objective": ["fid", "macs"]}, ["--objective", "fid", "--objective", "macs"]),
        ({"objective": "fid"}, ["--objective", "fid"]),
        ({"row": ("base", "L1 30")}, ["--row", "base", "--row", "L1 30"]),
        ({"time_budget": 1800}, ["--time-budget", "30m"]),
        ({"time_budget": "2h"}, ["--time-budget", "2h"]),
        ({"train_images_total": 2e6}, ["--train-images-total", "2M"]),
        ({"no_reuse": True, "download": False}, ["--no-reuse"]),
        ({"cpus_per_trial": 0.5}, ["--cpus-per-trial", "0.5"]),
        ({"concurrent_trials": "auto"}, ["--concurrent-trials", "auto"]),
        ({"store": Path("some/folder")}, ["--store", "some/folder"]),
        ({"formulation": "edm", "seed": 0}, ["--formulation", "edm", "--seed", "0"]),
    ],
)
def test_a_keyword_is_its_option(
    keyword: dict[str, object], words: list[str], parser: Parser
) -> None:
    assert given_by(parser, keyword) == parser.parse_args(words)


@pytest.mark.parametrize(
    ("keyword", "message"),
    [
        ({"trails": 1}, "option is 'trails'; allowed: space, "),
        ({"dry_run": True}, "option is 'dry_run'"),
        ({"trials": 0}, "trials is '0'; allowed: a whole number, 1 or more"),
        ({"trials": 1.5}, "trials is '1.5'; allowed"),
        ({"trials": True}, "trials is True; allowed: a text or a number"),
        ({"trials": [3]}, r"trials is \[3\]; allowed: a text or a number"),
        ({"no_reuse": 1}, "no_reuse is 1; allowed: True or False"),
        ({"formulation": "ours"}, "formulation is 'ours'; allowed: edm, published"),
        ({"max": {"fid": -1}}, "max is '-1'; allowed: above 0"),
        ({"max": ["fid"]}, "max is 'fid'; allowed: like size_bytes=500k"),
        ({"time_budget": "soon"}, "time_budget is 'soon'; allowed: above 0"),
        ({"gpus_per_trial": float("nan")}, "gpus_per_trial is 'nan'"),
    ],
)
def test_a_wrong_keyword_is_refused_by_its_name(
    keyword: dict[str, object], message: str, parser: Parser
) -> None:
    with pytest.raises(ValueError, match=message):
        given_by(parser, keyword)
