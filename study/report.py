"""Write a run's front and report anew from what is stored, and a picture of it for papers.

python -m study.report runs/quick-001
python -m study.report runs/quick-001 --plot front.pdf               also .svg or .png
python -m study.report runs/quick-001 --plot front.svg --x macs --y fid --only-front
python -m study.report runs/quick-001 --plot front.png --published system-b-mini
"""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion.files import check_out, whole_path, write_bytes
from study.cli import parser as cli
from study.cli.paths import folder
from study.results.objectives import OBJECTIVES

if TYPE_CHECKING:
    from study.results.rows import FrontRow
    from study.run.run import Run
    from study.verification.salvage import Salvage

AXES = (*OBJECTIVES, "gzip_state_dict_bytes", "ssim", "label_balance", "train_seconds")
SUFFIXES = (".png", ".svg", ".pdf")
ONLY_WITH_PLOT = ("x", "y", "published", "only_front")


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.report", description=__doc__)
    add = parser.add_argument
    add(
        "run",
        type=folder,
        help="a run's folder; of one at work only --plot and --page are written",
    )
    add("--plot", type=Path, metavar="FILE", help="also draw the front, as .png, .svg or .pdf")
    add("--x", choices=AXES, metavar="SCORE", help="along the plot (default size_bytes)")
    add("--y", choices=AXES, metavar="SCORE", help="up the plot (default fid)")
    add(
        "--published",
        action="append",
        metavar="SPACE",
        help="show what a published system's authors measured, like system-a-ncsn; again for more",
    )
    add("--only-front", action="store_true", help="leave other trials out of the plot")
    add("--page", type=Path, metavar="FILE", help="also write the report there, as .html")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    given = build_parser().parse_args(arguments)
    _check(given)
    # What is slow to import comes after --help.
    import optuna
    from rich.console import Console

    from study.display.console import print_unsound
    from study.results.front import why_no_front
    from study.run.folder import is_in_use
    from study.verification.salvage import salvaged

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of studies in memory
    writes_page = given.plot is None or given.page is not None
    salvage = salvaged(_read(whole_path(given.run), given.page, writes_page=writes_page))
    run = salvage.run
    at_work = is_in_use(run.folder, run.settings.database)
    if at_work and given.plot is None and given.page is None:
        raise ValueError(
            f"run {run.folder} is at work, and writes its front and report itself; allowed: "
            "--plot FILE and --page FILE, which lie elsewhere"
        )
    rows = run.rows()
    if given.page is not None:
        _write_page(salvage, rows, given.page)
    if given.plot is not None:
        _write_plot(run, rows, given)
    if not at_work:
        _rewrite(run)
    if salvage.fault:
        print(f"warning: {salvage.fault}")
    print_unsound(Console(markup=False, emoji=False), run)
    if not rows:
        print(why_no_front(run.records))
    return 0


def _read(folder: Path, page: Path | None, *, writes_page: bool) -> "Run":
    """Read a run; of one that cannot be read the report says so, if one is to be written.

    Raises:
        ValueError: it cannot be read.
    """
    from study.display.fault_page import write_fault
    from study.run.folder import check_begun
    from study.run.run import Run

    try:
        run = Run.read(folder)
        check_begun(folder, run.settings.database)
    except ValueError as error:
        if not writes_page:
            raise
        written = write_fault(folder, str(error), page)
        if written is None:
            raise
        raise ValueError(f"{error}; its report says so: {written}") from error
    return run


def _rewrite(run: "Run") -> None:
    """Write a run's front and report anew, as they are now that nobody else may write them."""
    from study.run.folder import REPORT_NAME, exclusive
    from study.run.run import Run
    from study.verification.ending import write_run
    from study.verification.salvage import salvaged

    report = run.folder / REPORT_NAME
    with exclusive(run.folder, run.settings.database):
        salvage = salvaged(Run.read(run.folder))
        if salvage.fault:
            _write_page(salvage, salvage.run.rows(), report)
            return
        write_run(salvage.run)
    print(f"front and report: {run.folder / 'front'}, {report}")


def _check(given: Namespace) -> None:
    """Refuse what cannot be drawn, or written, before a run is read."""
    without = [name for name in ONLY_WITH_PLOT if getattr(given, name)]
    if given.plot is None and without:
        option = without[0].replace("_", "-")
        raise ValueError(f"--{option} is given; allowed: with --plot FILE")
    if (given.x or "size_bytes") == (given.y or "fid"):
        raise ValueError(f"--x and --y are both {given.y or 'fid'}; allowed: two scores")
    for option, path, suffixes in (
        ("--plot", given.plot, SUFFIXES),
        ("--page", given.page, (".html",)),
    ):
        if path is not None:
            check_out(path, suffixes, option)


def _write_page(salvage: "Salvage", rows: "list[FrontRow]", path: Path) -> None:
    from study.display.page import write_report

    write_report(salvage.run, rows, path, fault=salvage.fault)
    print(f"report: {path}")


def _write_plot(run: "Run", rows: "list[FrontRow]", given: Namespace) -> None:
    from study.display.plot import View, plot_front
    from study.display.series import published_series
    from study.results.front import why_no_front

    if not rows:
        raise ValueError(f"--plot is {given.plot}, but {why_no_front(run.records)}")
    asked = given.x or given.y
    view = View(
        axes=(given.x or "size_bytes", given.y or "fid") if asked else None,
        published=tuple(published_series(s, n) for n, s in enumerate(given.published or ())),
        only_front=given.only_front,
    )
    write_bytes(given.plot, plot_front(run, rows, view, given.plot.suffix))
    print(f"plot: {given.plot}")


if __name__ == "__main__":
    cli.run_command(main)
