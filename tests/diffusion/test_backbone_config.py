"""Data, network and training of a recipe: the values that they refuse."""

import re
from dataclasses import replace

import pytest

from diffusion.backbone_config import DataConfig, NetworkConfig, TrainingConfig
from diffusion.errors import InvalidRecipe

PARTS = {
    "data": DataConfig("mnist5k", 28, 1, 10, "0123456789abcdef"),
    "network": NetworkConfig(architecture="mini_ddpm", widths=(8, 16, 32, 64)),
    "training": TrainingConfig(train_images=1_000, ema_decay=0.995),
}


@pytest.mark.parametrize(
    ("part", "name", "value", "allowed"),
    [
        ("data", "name", 5, "a text"),
        ("data", "image_size", 0, "from 1 to 1024 pixels"),
        ("data", "image_size", 28.0, "a whole number"),
        ("data", "image_size", "28", "a whole number"),
        ("data", "image_size", True, "a whole number"),
        ("data", "channels", 2, "1 (grey) or 3 (colour)"),
        ("data", "num_classes", 0, "from 1 to 10000"),
        ("data", "num_classes", None, "a whole number"),
        ("data", "fingerprint", None, "a text"),
        ("data", "pixel_mean", -1.5, "from -1 to 1"),
        ("data", "pixel_std", 0.0, "above 0, at most 1"),
        ("network", "architecture", "unet", "ncsn, ddpm, mini_ddpm"),
        ("network", "architecture", ["ncsn"], "ncsn, ddpm, mini_ddpm"),
        ("network", "widths", (), "one or more positive channel counts"),
        ("network", "widths", (8, 0), "one or more positive channel counts"),
        ("network", "widths", (8, -8), "one or more positive channel counts"),
        ("network", "widths", "8-16", "a list"),
        ("network", "widths", 8, "a list"),
        ("network", "widths", (8, 16.0), "a whole number"),
        ("network", "groups", 0, 'at least 1, or "max"'),
        ("network", "groups", -2, 'at least 1, or "max"'),
        ("network", "groups", 2.0, "max"),
        ("network", "groups", True, "max"),
        ("network", "groups", "min", "max"),
        ("network", "grouped_layers", "middle", "all, bottleneck"),
        ("network", "grouped_layers", "bottleneck", "all for mini_ddpm"),
        ("network", "patch_size", 3, "1, 2 or 4"),
        ("network", "embedding_scale", 0.0, "above 0, at most 10000"),
        ("network", "embedding_scale", float("inf"), "a finite number"),
        ("network", "conditional", 1, "true or false"),
        ("training", "train_images", 0, "at least 1"),
        ("training", "train_images", 1e6, "a whole number"),
        ("training", "formulation", "ddpm", "edm, score_matching, noise_prediction"),
        ("training", "optimizer", "sgd", "adam, adamw, adam8bit, adamw8bit"),
        ("training", "learning_rate", 0.0, "above 0, at most 100"),
        ("training", "learning_rate", -1e-3, "above 0"),
        ("training", "learning_rate", float("nan"), "a finite number"),
        ("training", "learning_rate", float("inf"), "a finite number"),
        ("network", "conditioning_width", -1, "from 0 to 4096"),
        ("training", "adam_beta2", 1.0, "from 0 to below 1"),
        ("training", "learning_rate", "2e-3", "a finite number"),
        ("training", "warmup_images", -1, "0 or more"),
        ("training", "batch_size", 0, "from 1 to 65536"),
        ("training", "precision", "fp16", "float32, bf16"),
        ("training", "log_sigma_mean", float("-inf"), "a finite number"),
        ("training", "log_sigma_std", 0.0, "above 0, at most 20"),
        ("training", "label_dropout", -0.1, "from 0 to 1"),
        ("training", "label_dropout", 1.1, "from 0 to 1"),
        ("training", "label_dropout", "shrinking", "a finite number"),
        ("training", "label_dropout_end_images", -1, "0 or more"),
        ("training", "label_dropout_end_images", 1e6, "a whole number"),
        ("training", "beta_schedule", "quadratic", "linear, cosine"),
        ("training", "ema_decay", 1.0, "from 0 to below 1"),
        ("training", "ema_decay", -0.1, "from 0 to below 1"),
        ("training", "ema_decay", float("nan"), "a finite number"),
        ("training", "ema_copy_steps", -1, "0 or more"),
        ("training", "ema_copy_steps", None, "a whole number"),
        ("training", "quantization", "linear4", "linear4_frozen, linear4_straight_through"),
        ("training", "seed", -1, "from 0 to 2^63 - 1"),
        ("training", "seed", 2**63, "from 0 to 2^63 - 1"),
    ],
)
def test_bad_field_is_refused_by_name_value_and_what_is_allowed(part, name, value, allowed):
    with pytest.raises(InvalidRecipe, match="allowed") as error:
        replace(PARTS[part], **{name: value})
    message = str(error.value)
    assert message.startswith(f"{part}.{name} is {value!r}; ")
    assert allowed in message.partition("; ")[2]


@pytest.mark.parametrize(
    ("part", "name", "last", "beyond", "allowed"),
    [
        ("data", "image_size", 1_024, 1_025, "1024 pixels"),
        ("data", "image_size", 1, 10**6, "1024 pixels"),
        ("data", "num_classes", 10_000, 10**9, "10000"),
        ("network", "widths", (4_096,) * 8, (8,) * 9, "at most 8 of at most 4096"),
        ("network", "widths", (1, 4_096), (1, 4_097), "at most 8 of at most 4096"),
        ("network", "groups", 4_096, 4_097, "at most 4096"),
        ("network", "embedding_scale", 1e4, 1e308, "at most 10000"),
        ("training", "batch_size", 65_536, 65_537, "65536"),
        ("training", "learning_rate", 100.0, 1e308, "at most 100"),
        ("training", "log_sigma_mean", 20.0, 20.5, "from -20 to 20"),
        ("training", "log_sigma_mean", -20.0, -1e308, "from -20 to 20"),
        ("training", "log_sigma_std", 20.0, 1e308, "at most 20"),
    ],
)
def test_fields_have_bounds(part, name, last, beyond, allowed):
    assert getattr(replace(PARTS[part], **{name: last}), name) == last
    with pytest.raises(InvalidRecipe, match=f"{part}.{name} is .*; allowed: .*{allowed}$"):
        replace(PARTS[part], **{name: beyond})


def test_float_field_refuses_an_integer_that_no_float_holds():
    with pytest.raises(InvalidRecipe, match=r"training\.learning_rate is 1000.*; allowed"):
        replace(PARTS["training"], learning_rate=10**400)


@pytest.mark.parametrize(
    ("architecture", "widths", "fields", "message"),
    [
        ("ncsn", (8, 16, 32), {}, "widths is (8, 16, 32); allowed: four channel counts for ncsn"),
        ("ncsn", (8,) * 5, {}, "widths is (8, 8, 8, 8, 8); allowed: four channel counts for ncsn"),
        ("ddpm", (8, 16), {}, "widths is (8, 16); allowed: the base width alone for ddpm"),
        ("ncsn", (8,) * 4, {"patch_size": 2}, "patch_size is 2; allowed: 1 for ncsn"),
        ("ddpm", (8,), {"patch_size": 2}, "patch_size is 2; allowed: 1 for ddpm"),
        (
            "ncsn",
            (8,) * 4,
            {"grouped_layers": "bottleneck"},
            "grouped_layers is 'bottleneck'; allowed: all for ncsn",
        ),
    ],
)
def test_architecture_refuses_what_only_others_take(architecture, widths, fields, message):
    with pytest.raises(InvalidRecipe, match=re.escape(f"network.{message}")):
        NetworkConfig(architecture, widths, **fields)
