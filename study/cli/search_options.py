"""The search's command line."""

from pathlib import Path

from diffusion.data import DATASET_NAMES
from diffusion.score.choose_extractor import INCEPTION
from search_spaces import SPACES
from study.cli import parser as cli
from study.cli.places import folder, folder_or_url
from study.results.objectives import DEFAULT_OBJECTIVES, OBJECTIVES
from study.run.database_url import LIKE, VARIABLE

DEFAULT_SPACE, DEFAULT_DATASET = "quick", "mnist5k"
SPACE_OF_OTHERS = "images"  # Than grey images of 28 pixels, where none is asked for.
DEFAULT_RETRIES = 2


def build_parser(description: str) -> cli.Parser:
    """Describe the command line; what is not given stays None, so that a resume can tell."""
    parser = cli.Parser(prog="python -m study.search", description=description)
    add = parser.add_argument
    add(
        "--space",
        help=f"search space: {', '.join(SPACES)} (default {DEFAULT_SPACE}, or "
        f"{SPACE_OF_OTHERS} where the data are no grey images of 28 pixels), or a file "
        "my_space.py with suggest(trial, data) -> Recipe, which is run",
    )
    add(
        "--train-images",
        type=cli.positive_int,
        help="of every training (default: the space's); with --space compress of the snapshots "
        "(default: each backbone's longest)",
    )
    add(
        "--backbone",
        action="append",
        metavar="KEY",
        help="with --space compress: a backbone of --store, by its key or how that begins; again "
        "for more (default: all that were trained on the data)",
    )
    add(
        "--formulation",
        choices=("edm", "published"),
        help="how the system-... spaces are trained: our way (default), or as published with "
        "their whole budget",
    )
    add("--row", action="append", help="only this row of a system-... space; again for more")
    add(
        "--dataset", help=f"data: {', '.join(DATASET_NAMES)} (default {DEFAULT_DATASET}, embedded)"
    )
    add("--data-dir", type=Path, help="folder of downloaded data sets (default $PARETODIFF_DATA)")
    add("--download", action="store_true", help="fetch a missing data set into --data-dir")
    add(
        "--extractor",
        metavar=f"{INCEPTION}|FILE",
        help="features to score by: the FID's Inception network (pip install "
        "'paretodiff[inception]'), or a file of python -m study.train_extractor (default: built "
        "in, for digits; of images of another form a classifier, trained once into the cache)",
    )
    add("--inception-weights", type=Path, metavar="FILE", help="(default: downloaded once)")
    add("--inception-sha256", metavar="HEX", help="of other weights than the published ones")
    add(
        "--objective",
        action="append",
        help=f"again for more; minimised: {_names(maximize=False)}; maximised: "
        f"{_names(maximize=True)} "
        f"(default {' and '.join(DEFAULT_OBJECTIVES)})",
    )
    add(
        "--max",
        action="append",
        type=cli.limit,
        metavar="SCORE=VALUE",
        help="what a model of the front may have at most, like size_bytes=500k; again for more",
    )
    add("--trials", type=cli.positive_int, help="finished trials to reach (default: the space's)")
    add(
        "--time-budget",
        type=cli.seconds,
        help="start no trial that would not end in this time, like 30m or 2h; with --resume from "
        "now on (default: what the run has left)",
    )
    add(
        "--train-images-total",
        type=cli.whole_amount,
        help="start no trial once so many images were trained on, like 2M",
    )
    add(
        "--retries",
        type=cli.whole,
        help=f"how often a trial that breaks starts again (default {DEFAULT_RETRIES})",
    )
    add("--no-early-stopping", action="store_true", help="train every backbone to its end")
    add("--no-reuse", action="store_true", help="train anew for every trial (without --store)")
    add("--seed", type=cli.seed, help="of the proposals (default 0)")
    add("--cpus-per-trial", type=cli.cpus, help="a trial's cores and threads (default 1)")
    add("--gpus-per-trial", type=cli.gpus, help="fractions share a GPU (default 1 if there are)")
    add(
        "--concurrent-trials",
        type=cli.at_once,
        help="at once, or auto for what fits, also as a cluster grows (default auto)",
    )
    add(
        "--address",
        help="join this Ray cluster, like auto, or local for this machine alone (default: local, "
        "with --resume the run's)",
    )
    add("--insecure", action="store_true", help=cli.INSECURE_HELP)
    add(
        "--store",
        type=folder,
        help="folder of trained backbones, shared by runs (default: its own)",
    )
    add(
        "--out",
        type=folder_or_url,
        help="folder of runs (default runs), or a URL like s3://BUCKET/FOLDER that mirrors them",
    )
    add(
        "--work-dir",
        type=folder,
        help="with a URL: folder of the runs that are worked on (default: in the cache)",
    )
    add(
        "--storage",
        metavar="URL",
        help=f"keep the study in this database, {LIKE}, without a password (default: "
        f"${VARIABLE}, which may have one; else a journal in the run's folder)",
    )
    add("--name", help="name of the run (default: the space's, numbered)")
    add(
        "--open-report",
        action="store_true",
        help="show the report while the study runs, served on this machine alone (127.0.0.1)",
    )
    add("--no-verify", action="store_true", help="do not score the front again at the end")
    add(
        "--resume",
        type=folder_or_url,
        metavar="RUN",
        help="go on with this run's folder, or with what a URL has of it",
    )
    add(
        "--dry-run",
        action="store_true",
        help="print the resolved study and stop; a classifier that is missing is trained",
    )
    return parser


def _names(*, maximize: bool) -> str:
    return ", ".join(o.name for o in OBJECTIVES.values() if o.maximize == maximize)
