"""The search's options, in groups; what is not given stays None, so that a resume can tell."""

from pathlib import Path

from diffusion.config import choices
from diffusion.dataset_names import DATASET_NAMES, MOST_PIXELS_RESIZED
from diffusion.recipe import Precision
from diffusion.score.extractor_choice import INCEPTION
from search_spaces import SPACES
from study.cli import parser as cli
from study.cli.paths import folder, folder_or_url
from study.results.objectives import DEFAULT_OBJECTIVES, OBJECTIVES
from study.run.database_url import VARIABLE

DEFAULT_SPACE, DEFAULT_DATASET = "quick", "mnist5k"
SPACE_OF_OTHERS = "images"  # Than grey images of 28 pixels, where none is asked for.
DEFAULT_RETRIES = 2
PRECISIONS = (cli.AUTO, *choices(Precision))


def build_parser(description: str) -> cli.Parser:
    """Describe the command line.

    Args:
        description: what the command does, and examples below that.
    """
    parser = cli.Parser(prog="python -m study.search", description=description)
    _add_aims(parser)
    _add_data(parser)
    _add_length(parser)
    _add_run(parser)
    _add_training(parser)
    _add_scoring(parser)
    _add_machine(parser)
    _add_places(parser)
    return parser


def _add_aims(parser: cli.Parser) -> None:
    add = parser.add_argument_group("what is searched, and for what").add_argument
    add(
        "--space",
        help=f"{', '.join(SPACES)}, or your own my_space.py, which is run (default "
        f"{DEFAULT_SPACE}; {SPACE_OF_OTHERS} for other data than grey images of 28 pixels)",
    )
    add("--train-images", type=cli.positive_int, metavar="N", help="length of every training")
    add(
        "--objective",
        action="append",
        metavar="SCORE",
        help=f"again for more (default {' and '.join(DEFAULT_OBJECTIVES)}); minimised: "
        f"{_names(maximize=False)}; maximised: {_names(maximize=True)}",
    )
    add(
        "--max",
        action="append",
        type=cli.limit,
        metavar="SCORE=VALUE",
        help="what a model of the front has at most, like size_bytes=500k; again for more",
    )
    add(
        "--min",
        action="append",
        type=cli.limit,
        metavar="SCORE=VALUE",
        help="what it has at least, like label_agreement=0.9; again for more",
    )


def _add_data(parser: cli.Parser) -> None:
    add = parser.add_argument_group("data").add_argument
    add("--dataset", help=f"{', '.join(DATASET_NAMES)} (default {DEFAULT_DATASET}, embedded)")
    add("--data-dir", type=Path, metavar="DIR", help=cli.DATA_DIR_HELP)
    add(
        "--image-size",
        type=cli.count(MOST_PIXELS_RESIZED),
        metavar="PIXELS",
        help=cli.IMAGE_SIZE_HELP,
    )
    add("--download", action="store_true", help="fetch a missing data set into --data-dir")


def _add_length(parser: cli.Parser) -> None:
    add = parser.add_argument_group("how long").add_argument
    add(
        "--trials",
        type=cli.positive_int,
        metavar="N",
        help="finished trials to reach (default: the space's)",
    )
    add(
        "--time-budget",
        type=cli.seconds,
        metavar="TIME",
        help="like 30m or 2h: start no trial that would not end in it; with --resume from now on",
    )
    add("--seed", type=cli.seed, metavar="N", help="of the proposals (default 0)")


def _add_run(parser: cli.Parser) -> None:
    add = parser.add_argument_group("the run").add_argument
    add("--name", help="(default: the space's, numbered)")
    add("--out", type=folder_or_url, metavar="DIR", help="folder or URL of runs (default runs)")
    add("--resume", type=folder_or_url, metavar="RUN", help="go on with a run's folder or URL")
    add("--store", type=folder, metavar="DIR", help="trained backbones that runs share")
    add("--no-verify", action="store_true", help="do not score the front again at the end")
    add("--dry-run", action="store_true", help="print the study as a TOML file, and stop")
    add("--config", type=Path, metavar="FILE", help="options from a TOML file; those here win")


def _add_training(parser: cli.Parser) -> None:
    add = parser.further_group("how it trains").add_argument
    add(
        "--train-images-total",
        type=cli.whole_amount,
        metavar="N",
        help="like 2M: start no trial once so many images were trained on",
    )
    add(
        "--precision",
        choices=PRECISIONS,
        help=f"of the networks' products, trained and drawn (default {cli.AUTO}: trained as the "
        "space says, drawn in bf16 where the hardware has it; system-... spaces: as published)",
    )
    add(
        "--no-compile",
        action="store_true",
        help="let torch compile no network for its training, not even where that is repaid",
    )
    add("--no-early-stopping", action="store_true", help="train every backbone to its end")
    add("--no-reuse", action="store_true", help="train anew for every trial (without --store)")
    add(
        "--retries",
        type=cli.whole,
        metavar="N",
        help=f"how often a trial that breaks starts again (default {DEFAULT_RETRIES})",
    )
    add(
        "--formulation",
        choices=("edm", "published"),
        help="of the system-... spaces: our way (default), or as published with the whole budget",
    )
    add("--row", action="append", help="only this row of a system-... space; again for more")
    add(
        "--backbone",
        action="append",
        metavar="KEY",
        help="with --space compress: one of --store, by how its key begins; again for more "
        "(default: all that were trained on the data)",
    )


def _add_scoring(parser: cli.Parser) -> None:
    add = parser.further_group("how it scores").add_argument
    add(
        "--extractor",
        metavar=f"{INCEPTION}|FILE",
        help="features to score by: those of published FIDs (pip install "
        "'paretodiff[inception]'), or a file of python -m study.train_extractor (default: built "
        "in for digits; for images of another form trained once into the cache)",
    )
    add("--inception-weights", type=Path, metavar="FILE", help="(default: downloaded once)")
    add("--inception-sha256", metavar="HEX", help="of other weights than the published ones")


def _add_machine(parser: cli.Parser) -> None:
    add = parser.further_group("what it runs on").add_argument
    add("--cpus-per-trial", type=cli.cpus, metavar="N", help="cores and threads (default 1)")
    add(
        "--gpus-per-trial",
        type=cli.gpus,
        metavar="N",
        help="fractions share a GPU (default, where there are any: 0.25 for a space of small "
        "networks, else 1)",
    )
    add(
        "--concurrent-trials",
        type=cli.at_once,
        metavar="N",
        help="trials at once, or auto for what fits, also as a cluster grows (default auto)",
    )
    add(
        "--address",
        help="join this Ray cluster, like auto, or local for this machine alone (default: local, "
        "with --resume the run's)",
    )
    add("--insecure", action="store_true", help=cli.INSECURE_HELP)


def _add_places(parser: cli.Parser) -> None:
    add = parser.further_group("where it is kept").add_argument
    add(
        "--work-dir",
        type=folder,
        metavar="DIR",
        help="where runs are worked on if --out is a URL like s3://BUCKET/FOLDER (default: in "
        "the cache)",
    )
    add(
        "--storage",
        metavar="URL",
        help="keep the study in this database, like postgresql+psycopg://USER@HOST/DATABASE or "
        f"sqlite:////PATH, without a password (default: ${VARIABLE}, which may have one, else "
        "the run's journal)",
    )
    add(
        "--open-report",
        action="store_true",
        help="show the report while the study runs, served on this machine alone (127.0.0.1)",
    )
    add(
        "--log",
        action="append",
        metavar="tensorboard|mlflow[:URI]|wandb",
        help="also log each trial to this tracker as a run of its own (pip install "
        "'paretodiff[tensorboard]' and so on); again for more; none with --resume for no more",
    )


def _names(*, maximize: bool) -> str:
    return ", ".join(o.name for o in OBJECTIVES.values() if o.maximize == maximize)
