"""A model as its user draws with it: classes by name, and samples that show themselves."""

import os
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor

from diffusion.class_names import CLASSES_NAME, class_names
from diffusion.compress.model_path import model_file
from diffusion.compress.package import PACKAGE_NAME, read_package
from diffusion.errors import about_path
from diffusion.model import DiffusionModel, Progress
from diffusion.recipe import Recipe, SamplingConfig
from study.display.notebook import point_html
from study.display.own_files import MAX_PICTURE_BYTES, read_own
from study.display.samples import COLOURS, Samples
from study.evaluation.asked_labels import Labels, asked_labels
from study.results.words import format_bytes, name_recipe

ALLOWED = "RUN/front/best, RUN/trials/NUMBER, or the path of a model.pdm"
SAMPLING_FIELDS = tuple(field.name for field in fields(SamplingConfig))


@dataclass(frozen=True, repr=False)
class Model:
    """A model that draws images.

    Attributes:
        network: the recipe and the weights that draw.
        class_names: by label; numbers where no names are known.
        path: of its file.
    """

    network: DiffusionModel
    class_names: tuple[str, ...]
    path: Path

    @classmethod
    def read(cls, path: Path | str, device: str = "cpu") -> "Model":
        """Read a model.

        Args:
            path: of a model file, a folder that holds one, or a name such as RUN/front/best.
            device: where it draws: cpu, cuda or cuda:N.

        Raises:
            ValueError: there is no such model or device, or what lies there is none of ours.
        """
        if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
            raise ValueError(f"device is {device!r}; allowed: cpu, cuda or cuda:N")
        if device != "cpu" and not torch.cuda.is_available():
            raise ValueError(f"device is {device!r}, but there is no GPU; allowed: cpu")
        file = model_file(path, PACKAGE_NAME)
        if not os.path.lexists(file):
            raise ValueError(about_path("model", path, f"is missing; allowed: {ALLOWED}"))
        model = read_package(file, device)
        names = class_names(model.recipe.data, file.with_name(CLASSES_NAME))
        return cls(model, names, file)

    @property
    def recipe(self) -> Recipe:
        """Everything that defines the model."""
        return self.network.recipe

    def with_sampling(self, **changes: int | float | str | None) -> "Model":
        """Return the same model that draws otherwise.

        Args:
            changes: fields of the recipe's sampling, such as sampler, steps, seed and guidance.
                None keeps the recipe's.

        Raises:
            ValueError: a field is unknown, or its value is not allowed.
        """
        if unknown := sorted(changes.keys() - SAMPLING_FIELDS):
            raise ValueError(
                f"sampling has no {unknown[0]!r}; allowed: {', '.join(SAMPLING_FIELDS)}"
            )
        return replace(self, network=self.network.with_sampling(**changes))

    def generate(
        self,
        n: int | None = None,
        labels: Labels = None,
        seed: int | None = None,
        on_progress: Progress = lambda images: None,
    ) -> Samples:
        """Draw images.

        Args:
            n: how many; None for as many as there are labels, or 64.
            labels: a class for all of them or one for each, by name ("cat") or by label (3);
                None for every class in turn.
            seed: of the noise; None for the recipe's.
            on_progress: told the images drawn so far.

        Raises:
            ValueError: there is no such class, or an image comes out NaN or infinite.
        """
        asked = self.asked(n, labels)
        images = self.network.with_sampling(seed=seed).generate(asked, on_progress=on_progress)
        return Samples(images, asked, self.class_names)

    def asked(self, n: int | None, labels: Labels) -> Tensor:
        """Return the labels, [n] int64, that `generate` would draw."""
        conditional = self.recipe.network.conditional
        return asked_labels(n, labels, self.class_names, conditional=conditional)

    def __repr__(self) -> str:
        return f"Model({name_recipe(self.recipe)})"

    def _repr_html_(self) -> str:
        data, sampling = self.recipe.data, self.recipe.sampling
        drawn = f"{sampling.steps} steps, guidance {sampling.guidance:g}"
        form = f"{data.image_size}x{data.image_size} pixels, {COLOURS[data.channels]}"
        facts = {
            "size": format_bytes(self.path.stat().st_size),
            "draws": f"{form}: {', '.join(self.class_names)}",
            "sampler": f"{sampling.sampler}, {drawn}",
        }
        picture = read_own(self.path.parent, self.path.with_name("samples.png"), MAX_PICTURE_BYTES)
        return point_html(name_recipe(self.recipe), facts, picture)
