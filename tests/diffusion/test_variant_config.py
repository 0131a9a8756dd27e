"""Average, compression and sampling of a recipe: the values that they refuse."""

from dataclasses import replace

import pytest

from diffusion.errors import InvalidRecipe
from diffusion.variant_config import CompressionConfig, EmaConfig, SamplingConfig

PARTS = {
    "ema": EmaConfig(),
    "compression": CompressionConfig(prune_method="l1", prune_ratio=0.5),
    "sampling": SamplingConfig(guidance=1.0),
}


@pytest.mark.parametrize(
    ("part", "name", "value", "allowed"),
    [
        ("ema", "track", "longest", "none, short, mid, long, exponential"),
        ("ema", "track", None, "none, short, mid, long, exponential"),
        ("compression", "prune_method", "l2", "none, random, l1"),
        ("compression", "prune_ratio", 1.0, "from 0 to below 1"),
        ("compression", "prune_ratio", -0.1, "from 0 to below 1"),
        ("compression", "prune_ratio", float("nan"), "a finite number"),
        ("compression", "prune_ratio", False, "a finite number"),
        ("compression", "prune_region", "edges", "all, middle, extremes"),
        ("compression", "prune_scope", "all", "layer, global"),
        ("compression", "prune_profile", "linear", "flat, central"),
        ("compression", "filter_ratio", 1.0, "from 0 to below 1"),
        ("compression", "filter_ratio", -0.1, "from 0 to below 1"),
        ("compression", "filter_ratio", float("inf"), "a finite number"),
        ("compression", "finetune_images", -1, "0 or more"),
        ("compression", "finetune_images", 1e4, "a whole number"),
        ("compression", "finetune_learning_rate", 0.0, "above 0, at most 100"),
        ("compression", "finetune_learning_rate", float("nan"), "a finite number"),
        ("compression", "finetune_batch_size", 0, "from 1 to 65536"),
        ("compression", "finetune_teacher", 1, "true or false"),
        ("compression", "quantization_step", 0.5, "0 with quantization 'none'"),
        ("compression", "quantization_step", -1.0, "0 with quantization 'none'"),
        ("compression", "quantization_step", float("nan"), "a finite number"),
        ("compression", "prune_seed", -1, "from 0 to 2^63 - 1"),
        ("compression", "quantization", "int8", "none, linear8, linear4, weights8"),
        ("sampling", "sampler", "rk45", "dpm_solver_pp_2m, heun, ddim, probability_flow_ode, "),
        ("sampling", "sampler", "euler", "ancestral, euler_maruyama, predictor_corrector"),
        ("sampling", "steps", 1, "at least 2"),
        ("sampling", "steps", 16.5, "a whole number"),
        ("sampling", "guidance", -0.5, "0 or more"),
        ("sampling", "guidance", float("nan"), "a finite number"),
        ("sampling", "guidance_sigma_min", -1.0, "from 0 to 1000"),
        ("sampling", "guidance_sigma_min", float("nan"), "a finite number"),
        ("sampling", "guidance_sigma_max", 1_001.0, "from guidance_sigma_min to 1000"),
        ("sampling", "guidance_sigma_max", -0.1, "from guidance_sigma_min to 1000"),
        ("sampling", "schedule", "linear", "karras, uniform, quadratic"),
        ("sampling", "eta", -0.1, "from 0 to 1"),
        ("sampling", "eta", 1.1, "from 0 to 1"),
        ("sampling", "corrector_snr", 0.0, "above 0"),
        ("sampling", "corrector_snr", float("inf"), "a finite number"),
        ("sampling", "tolerance", 0.0, "from 1e-08 to below 1"),
        ("sampling", "tolerance", 1.0, "from 1e-08 to below 1"),
        ("sampling", "seed", 2**63, "from 0 to 2^63 - 1"),
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
        ("compression", "finetune_learning_rate", 100.0, 101.0, "at most 100"),
        ("sampling", "steps", 10_000, 10**10, "at most 10000"),
        ("sampling", "guidance", 100.0, 1e308, "at most 100"),
        ("sampling", "corrector_snr", 10.0, 1e308, "at most 10"),
        ("sampling", "tolerance", 1e-8, 1e-9, "from 1e-08 to below 1"),
        ("sampling", "tolerance", 1e-8, 1e308, "from 1e-08 to below 1"),
    ],
)
def test_fields_have_bounds(part, name, last, beyond, allowed):
    assert getattr(replace(PARTS[part], **{name: last}), name) == last
    with pytest.raises(InvalidRecipe, match=f"{part}.{name} is .*; allowed: .*{allowed}$"):
        replace(PARTS[part], **{name: beyond})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prune_ratio": 0.5}, "prune_ratio is 0.5 with prune_method 'none'; allowed: 0 with"),
        ({"prune_method": "l1"}, "prune_ratio is 0.0 with prune_method 'l1'; allowed: 0 with"),
        (
            {"prune_region": "middle"},
            "prune_region is 'middle'; allowed: all with prune_method 'none",
        ),
        ({"prune_scope": "global"}, "prune_scope is 'global'; allowed: layer with prune_method"),
        (
            {"prune_method": "channels_l1", "prune_ratio": 0.5, "prune_region": "middle"},
            "prune_region is 'middle'; allowed: all with prune_method 'channels_l1'",
        ),
        (
            {"prune_method": "channels_loss", "prune_ratio": 0.5, "filter_ratio": 0.5},
            "filter_ratio is 0.5; allowed: 0 with prune_method 'channels_loss'",
        ),
        ({"prune_method": "channels_loss"}, "prune_ratio is 0.0 with prune_method 'channels_loss"),
        ({"prune_profile": "central"}, "prune_profile is 'central'; allowed: flat, but for prun"),
        (
            {
                "prune_method": "l1",
                "prune_ratio": 0.5,
                "prune_scope": "global",
                "prune_profile": "central",
            },
            "prune_profile is 'central'; allowed: flat, but for pruning weights by layer",
        ),
    ],
)
def test_pruning_fields_must_agree(fields, message):
    with pytest.raises(InvalidRecipe, match=f"compression.{message}"):
        CompressionConfig(**fields)


@pytest.mark.parametrize("step", [0.0, -1.0, 16.1])
def test_uniform_values_have_a_distance(step):
    with pytest.raises(InvalidRecipe, match=r"quantization_step is .*; allowed: above 0, at most"):
        CompressionConfig(quantization="uniform", quantization_step=step)
