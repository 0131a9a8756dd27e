"""What a search of stored backbones has to be given, and what does not go with it."""

from pathlib import Path

import pytest

from search_spaces.space import SpaceOptions
from study.cli.compressing import check_compressing
from study.cli.search_options import build_parser


def check(space: str, *arguments: str, options: SpaceOptions | None = None) -> bool:
    given = build_parser("").parse_args(arguments)
    return check_compressing(given, space, options or SpaceOptions())


def test_only_the_compress_space_compresses(tmp_path: Path) -> None:
    assert check("compress", "--store", str(tmp_path))
    assert not check("quick")


@pytest.mark.parametrize(
    ("space", "arguments", "line"),
    [
        ("compress", (), "allowed: with --store DIR"),
        ("compress", ("--store", "x", "--no-reuse"), "--no-reuse trains anew"),
        ("quick", ("--backbone", "ab"), "--backbone is 'ab' with space 'quick'"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    space: str, arguments: tuple[str, ...], line: str
) -> None:
    with pytest.raises(ValueError, match=line):
        check(space, *arguments)


def test_named_rows_do_not_go_with_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no named rows"):
        check("compress", "--store", str(tmp_path), options=SpaceOptions(rows=("base",)))
