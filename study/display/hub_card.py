"""The card of a model as a model hub reads it: Markdown below a front matter of YAML.

The front matter is that of Hugging Face's model cards: licence, data set, tags, and a
`model-index` of the metrics, each with its conditions.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from diffusion.data import FOLDER
from diffusion.model import GENERATE_BATCH_SIZE
from study.display.cards import card_values
from study.display.point_files import PointFiles
from study.display.render import render_markdown
from study.results.objectives import Scores
from study.results.rows import drawn_images
from study.results.words import name_sampling

# What the hub calls the data sets that have a name of their own.
DATASETS = {"mnist5k": "mnist", "mnist": "mnist", "fashion-mnist": "fashion_mnist"}
DATASETS |= {"cifar10": "cifar10"}
Files = Mapping[str, tuple[int, str]]
TASK = {"type": "unconditional-image-generation", "name": "Image generation"}
# Scores by the split that they compare with, and their names.
METRICS = {
    "train": {
        "fid": "FID",
        "kid": "KID",
        "precision": "precision",
        "recall": "recall",
        "label_agreement": "label agreement",
        "size_bytes": "model file in bytes",
        "latency_ms": "milliseconds an image",
        "onnx_latency_ms": "milliseconds an image in onnxruntime",
    },
    "held out": {"fid_held_out": "FID"},
}
EXTRACTOR = ("extractor", "extractor_sha256")
ON_A_MACHINE = ("device", "threads")


def check_license(text: str | None) -> str:
    """Return a licence's identifier.

    Raises:
        ValueError: there is none, or it is no identifier.
    """
    if text is None or not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", text):
        shown = "missing" if text is None else repr(text)
        raise ValueError(
            f"--license is {shown}; allowed: an identifier in small letters, such as apache-2.0, "
            "mit, cc-by-4.0 or other, chosen by who publishes the model"
        )
    return text


def hub_card(point: PointFiles, title: str, license_id: str, files: Files) -> str:
    """Return a model's card.

    Args:
        point: the model and its figures.
        title: of the card, and the model's name in its index.
        license_id: as `check_license` returns it.
        files: length in bytes of each of its files, and what it is, by name.
    """
    recipe = point.model.recipe
    text = render_markdown(
        "hub_card.md.j2",
        title=title,
        data=data_name(recipe.data.name),
        recipe=recipe,
        files=files,
        **card_values(point.row, recipe.sampling, point.warnings),
    )
    matter = yaml.safe_dump(_front_matter(point, title, license_id, files), sort_keys=False)
    return f"---\n{matter}---\n\n{text}"


def data_name(name: str) -> str:
    """Return a data set's name without the folders that it lies in here."""
    return Path(name.removeprefix(FOLDER)).name if name.startswith(FOLDER) else name


def _front_matter(point: PointFiles, title: str, license_id: str, files: Files) -> dict[str, Any]:
    recipe = point.model.recipe
    compression = recipe.compression
    tags = ["paretodiff", "diffusion", "image-generation", "small-model"]
    tags += [recipe.network.architecture]
    tags += ["pruned"] if compression.prune_method != "none" else []
    tags += ["quantized"] if compression.quantization != "none" else []
    tags += ["onnx"] if "model.onnx" in files else []
    known = DATASETS.get(recipe.data.name)
    results = [_result(point, split) for split in METRICS]
    return {
        "license": license_id,
        "library_name": "paretodiff",
        "pipeline_tag": TASK["type"],
        **({"datasets": [known]} if known else {}),
        "tags": tags,
        "model-index": [{"name": title, "results": [r for r in results if r["metrics"]]}],
    }


def _result(point: PointFiles, split: str) -> dict[str, Any]:
    name = point.model.recipe.data.name
    metrics = [
        _metric(point, score, words)
        for score, words in METRICS[split].items()
        if point.row.get(score) is not None
    ]
    dataset = {"type": DATASETS.get(name, "imagefolder"), "name": data_name(name), "split": split}
    return {"task": dict(TASK), "dataset": dataset, "metrics": metrics}


def _metric(point: PointFiles, score: str, words: str) -> dict[str, Any]:
    """Return a score with its conditions: of how many images, by which features, drawn how."""
    row, scores = point.row, point.scores
    metric = {"type": score.removesuffix("_held_out"), "name": words, "value": row[score]}
    if score == "size_bytes":
        return metric
    drawn = {"sampling": name_sampling(point.model.recipe.sampling)}
    if score in ("latency_ms", "onnx_latency_ms"):
        return {
            **metric,
            "args": {**drawn, "batch_size": GENERATE_BATCH_SIZE, **_known(scores, ON_A_MACHINE)},
        }
    references = "reference_held_out_sha256" if score == "fid_held_out" else "reference_sha256"
    conditions = {"images": drawn_images(row), **drawn, **_known(scores, EXTRACTOR)}
    conditions |= _known(scores, (references,))
    if score == "fid":
        conditions |= {"low_95": row["fid_low"], "high_95": row["fid_high"]}
    return {**metric, "args": conditions}


def _known(scores: Scores, names: Sequence[str]) -> Scores:
    return {name: scores[name] for name in names if scores.get(name) is not None}
