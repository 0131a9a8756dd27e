"""Print what a recipe's model is, before a second of training, as JSON.

python -m study.describe system-a-ncsn/rand-30-middle
python -m study.describe "system-a-ddpm/2 groups" --set network.groups=4 --set data.image_size=56
python -m study.describe quick/0                        what a study of the digits begins with
python -m study.describe RUN/front/best --set compression.quantization=linear4
"""

import json
from pathlib import Path
from typing import Any

from diffusion.errors import one_line
from diffusion.recipe import DataConfig, Recipe
from search_spaces import SPACES, load_space
from search_spaces.space import SpaceOptions
from study.cli import parser as cli
from study.run.files import read_json, write_text

# What named rows are made for; --set data.image_size=32 and the like change it.
DEFAULT_DATA = DataConfig("mnist", image_size=28, channels=1, num_classes=10, fingerprint="")


def find_recipe(name: str, options: SpaceOptions) -> Recipe:
    """Return the recipe that SPACE/ROW, a JSON file or a model names.

    Raises:
        ValueError: there is none.
    """
    if name.endswith(".json"):
        return _read_recipe(Path(name))
    space_name, slash, row = name.partition("/")
    if space_name not in SPACES and (recipe := _model_recipe(name)) is not None:
        return recipe
    if not slash:
        raise ValueError(
            f"recipe is {name!r}; allowed: SPACE/ROW, a file ending in .json, or a model such as "
            "RUN/front/best"
        )
    space = load_space(space_name, options)
    if space.rows:
        return space.recipe(space.row(row).knobs, DEFAULT_DATA)
    from study.engine.design import design

    rows = space.covering or design(space, DEFAULT_DATA, 0, space.trials, screens=True)
    if not row.isdecimal() or int(row) >= len(rows):
        raise ValueError(
            f"row is {row!r}; allowed for space {space_name!r}: 0 to {len(rows) - 1}, of the "
            "design of a study of 28x28 digits with seed 0"
        )
    return space.recipe(rows[int(row)], DEFAULT_DATA)


def _model_recipe(name: str) -> Recipe | None:
    """Return the recipe of a model; None where a name leads to no file."""
    from diffusion.compress.model_path import model_file
    from diffusion.compress.package import PACKAGE_NAME, read_package

    file = model_file(name, PACKAGE_NAME)
    return read_package(file).recipe if file.is_file() else None


def build_parser() -> cli.Parser:
    """Describe the command line."""
    parser = cli.Parser(prog="python -m study.describe", description=__doc__)
    add = parser.add_argument
    add("recipe", help="SPACE/ROW, a recipe's JSON file, or a model such as RUN/front/best")
    add(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="another value of a field, like network.groups=4; again for more",
    )
    add(
        "--formulation",
        choices=("edm", "published"),
        help="how the rows of the system-... spaces are trained (default edm)",
    )
    add("--recipe-out", type=Path, metavar="FILE", help="also write the resolved recipe there")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    given = build_parser().parse_args(arguments)
    if given.formulation is not None and given.recipe.partition("/")[0] not in SPACES:
        raise ValueError(
            f"--formulation is {given.formulation} with {given.recipe}; allowed: with the rows of "
            "a space, or --set training.formulation=..."
        )
    import optuna

    from study.evaluation.cost import untrained_cost

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    recipe = find_recipe(given.recipe, SpaceOptions(formulation=given.formulation or "edm"))
    recipe = recipe.with_changes(dict(_parse_change(text) for text in given.set))
    cost = untrained_cost(recipe)
    if given.recipe_out is not None:
        write_text(given.recipe_out, json.dumps(recipe.to_dict(), indent=2) + "\n")
    print(json.dumps(cost, indent=2))
    return 0


def _read_recipe(path: Path) -> Recipe:
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        raise ValueError(one_line(f"recipe {path} cannot be read: {error}")) from error
    return Recipe.from_dict(values)


def _parse_change(text: str) -> tuple[str, Any]:
    """Read FIELD=VALUE; a value that is no JSON is a text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set is {text!r}; allowed: FIELD=VALUE, like network.groups=4")
    try:
        return name, json.loads(value)
    except (json.JSONDecodeError, RecursionError):
        return name, value


if __name__ == "__main__":
    cli.run_command(main)
