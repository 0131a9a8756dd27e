"""Which run a search's command line means."""

from pathlib import Path

import pytest

from study.cli.run_choice import locate, settle
from study.cli.search_options import build_parser


def test_a_run_whose_journal_is_mirrored_has_no_database(tmp_path: Path) -> None:
    """A head that goes on from the mirror finds the journal there, and nothing else."""
    out, storage = f"file://{tmp_path}/store", f"sqlite:///{tmp_path}/studies.db"
    words = ["--out", out, "--work-dir", str(tmp_path / "runs"), "--storage", storage]
    given = build_parser("").parse_args(words)
    place, _ = locate(given)
    with pytest.raises(ValueError, match=r"--out is file://\S+; allowed: without a database"):
        settle(given, place)
    assert not (tmp_path / "runs").exists()
