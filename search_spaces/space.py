"""What a search space is: how to draw a recipe, what to try first, and how much to spend."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from diffusion.config import choices
from diffusion.recipe import DataConfig, Precision, Recipe
from search_spaces.stored import StoredBackbone

if TYPE_CHECKING:
    import optuna

Value = bool | int | float | str
RowFormulation = Literal["edm", "published"]
# Knobs with the first prefix shape the training, those with the second what is drawn from a
# model; all others make a model of what was trained.
BACKBONE_PREFIX, SAMPLING_PREFIX = "backbone.", "sampling."
ROW_KNOB = "row"
# Of named rows: 50 epochs of MNIST's 60,000 images, as published, and our own default.
PUBLISHED_TRAIN_IMAGES, EDM_TRAIN_IMAGES = 3_000_000, 300_000
ROWS_FID_NUM_IMAGES = 1_000


@dataclass(frozen=True)
class SpaceOptions:
    """What a user may change of a space.

    Attributes:
        train_images: of every training, or of the snapshots that are compressed; None leaves it
            to the space.
        formulation: of named rows: `edm` trains the published networks our way, `published` as
            their authors did.
        rows: names of the rows to run; none stands for all.
        backbones: that are compressed, where a space trains none.
        precision: of training and drawing; None leaves it to the space.
        drawing_precision: of drawing alone, where the space names none; None for that of the
            training.
    """

    train_images: int | None = None
    formulation: RowFormulation = "edm"
    rows: tuple[str, ...] = ()
    backbones: tuple[StoredBackbone, ...] = ()
    precision: Precision | None = None
    drawing_precision: Precision | None = None

    def __post_init__(self) -> None:
        if self.train_images is not None and self.train_images < 1:
            raise ValueError(f"train_images is {self.train_images}; allowed: 1 or more")
        if self.formulation not in choices(RowFormulation):
            allowed = " or ".join(choices(RowFormulation))
            raise ValueError(f"formulation is {self.formulation!r}; allowed: {allowed}")
        keys = [backbone.key for backbone in self.backbones]
        if len(set(keys)) < len(keys):
            raise ValueError(f"backbones are {', '.join(keys)}; allowed: each once")

    @property
    def rows_train_images(self) -> int:
        """The length of a named row's training."""
        published = self.formulation == "published"
        default = PUBLISHED_TRAIN_IMAGES if published else EDM_TRAIN_IMAGES
        return self.train_images or default


@dataclass(frozen=True)
class Row:
    """A recipe with a name, from a published table.

    Attributes:
        changes: recipe fields, like `network.groups`, that differ from the table's base.
        published: what its authors measured, by the names of our scores.
        alias: another name that they use for it.
        published_changes: more changes, made only where it is trained as published.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    alias: str | None = None
    published_changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def knobs(self) -> dict[str, Value]:
        """The knob values that draw it."""
        return {ROW_KNOB: self.name}

    @property
    def names(self) -> tuple[str, ...]:
        """The names that find it, as `plain_name` writes them."""
        return tuple(plain_name(name) for name in (self.name, self.alias) if name is not None)


@dataclass(frozen=True)
class SearchSpace:
    """A named search space.

    Attributes:
        name: as given to `--space`.
        suggest: draws a recipe for the data from an Optuna trial, one `suggest_*` call a knob.
        covering: knob values to try first; where it is empty, the engine makes some of the knobs.
        covering_first: so many of them are tried before anything is drawn, and further ones, of
            backbones that were not tried, in turns with drawn trials, as many as the share of
            reuse asks for; None for all.
        trials: how many trials a study has by default.
        reuse_share: of all trials; a new backbone is proposed only while at least this share
            reuses one. Of what is drawn that holds until costs of training and scoring are known.
        fid_num_images: images that a trial is scored with.
        rows: of a fixed list of recipes, in which there is nothing else to draw.
        published_note: what the rows' published figures are worth beside ours.
        edition: counts the changes of its knobs, and of what they mean; runs of another edition
            cannot be gone on with.
    """

    name: str
    suggest: Callable[[optuna.Trial, DataConfig], Recipe]
    covering: Sequence[Mapping[str, Value]]
    trials: int
    reuse_share: float
    fid_num_images: int
    covering_first: int | None = None
    rows: tuple[Row, ...] = ()
    published_note: str = ""
    edition: int = 1

    def recipe(self, knobs: Mapping[str, Value], data: DataConfig) -> Recipe:
        """Return the recipe of some knob values, for example of a design."""
        from optuna.trial import FixedTrial  # only here, so that names of spaces are had at once

        trial: Any = FixedTrial(dict(knobs))
        return self.suggest(trial, data)

    def row(self, name: str) -> Row:
        """Return a named row.

        Raises:
            ValueError: there is none of that name.
        """
        for row in self.rows:
            if plain_name(name) in row.names:
                return row
        known = ", ".join(repr(row.name) for row in self.rows) or "none, the space has no rows"
        raise ValueError(f"row is {name!r} in space {self.name!r}; allowed: {known}")

    def with_options(self, options: SpaceOptions) -> SearchSpace:
        """Return a space without named rows with other training lengths."""
        refuse_row_options(self.name, options)
        if options.train_images is None:
            return self

        def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
            recipe = self.suggest(trial, data)
            return recipe.with_changes({"training.train_images": options.train_images})

        return replace(self, suggest=suggest)


def refuse_row_options(name: str, options: SpaceOptions) -> None:
    """Refuse what goes with named rows alone.

    Raises:
        ValueError: the options have some of it.
    """
    if options.formulation != "edm" or options.rows:
        raise ValueError(
            f"space {name!r} has no named rows; --formulation and --row go with a space that has"
        )


def fixed_list(
    name: str,
    rows: Sequence[Row],
    base: Callable[[DataConfig, SpaceOptions], Recipe],
    options: SpaceOptions,
    fid_num_images: int,
    published_note: str = "",
) -> SearchSpace:
    """Make a space of named rows, each tried once.

    Args:
        name: as given to `--space`.
        rows: in the order in which they are tried.
        base: returns the recipe that the rows change.
        options: which rows, how long and how they are trained.
        fid_num_images: images that a trial is scored with.
        published_note: what the rows' published figures are worth beside ours.

    Raises:
        ValueError: the options name a row that is not there.
    """

    def suggest(trial: optuna.Trial, data: DataConfig) -> Recipe:
        row = space.row(str(trial.suggest_categorical(ROW_KNOB, [row.name for row in chosen])))
        changes = dict(row.changes)
        if options.formulation == "published":
            changes |= row.published_changes
        return base(data, options).with_changes(changes)

    space = SearchSpace(
        name=name,
        suggest=suggest,
        covering=(),
        trials=0,
        reuse_share=1.0,
        fid_num_images=fid_num_images,
        rows=tuple(rows),
        published_note=published_note,
    )
    wanted = [space.row(row_name) for row_name in options.rows]
    chosen = [row for row in rows if row in wanted] or rows
    covering = tuple(row.knobs for row in chosen)
    return replace(space, covering=covering, trials=len(chosen))


def plain_name(name: str) -> str:
    """Return a row's name as it is compared: small letters and digits, single hyphens between."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
