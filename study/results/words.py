"""Recipes, sizes and durations as people read them."""

from collections.abc import Sequence

from diffusion.recipe import NetworkConfig, Recipe, SamplingConfig
from diffusion.variant_config import ANY_SIGMA
from search_spaces.stored import StoredBackbone


def format_figure(value: float | None, form: str) -> str:
    """Write a score by a format like .2f; a dash where a trial has none."""
    return "-" if value is None else format(value, form)


def format_bytes(size: float) -> str:
    """Write a size with three significant digits: 950 B, 95.1 kB, 1.23 MB, 1.3 GB."""
    return _three_digits(size, (" B", " kB", " MB", " GB"))


def format_count(count: float) -> str:
    """Write a count with three significant digits: 950, 95.1 k, 1.23 M, 45.6 G."""
    return _three_digits(count, ("", " k", " M", " G"))


def counted(count: int, noun: str) -> str:
    """Write how many things there are: 1 model, 7 models, 1,000 images."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def summed_up(faults: Sequence[str]) -> list[str]:
    """Return the first of trials' faults, each a sentence, with how many there are like it."""
    more = [f"So it is with {counted(len(faults) - 1, 'trial')} more."] if len(faults) > 1 else []
    return [" ".join([*faults[:1], *more])] if faults else []


def format_seconds(seconds: float) -> str:
    """Write a duration: 45 s, 3 min 05 s, 2 h 07 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def name_recipe(recipe: Recipe) -> str:
    """Name a recipe in a few words: network, groups, EMA track, and what compresses it.

    What is not done to it is not named.
    """
    compression = recipe.compression
    words = [*_name_network(recipe.network), f"ema {recipe.ema.track}"]
    if compression.prune_method != "none":
        region, ratio = compression.prune_region, compression.prune_ratio
        words.append(f"{compression.prune_method} {ratio:.0%} {region}")
    if compression.quantization != "none":
        words.append(name_quantization(compression.quantization, compression.quantization_step))
    if compression.finetune_images:
        words.append(name_cool_down(compression.finetune_images, compression.finetune_teacher))
    return ", ".join(words)


def name_backbone(backbone: StoredBackbone) -> str:
    """Name a stored backbone: network, groups, and how long it was trained."""
    images = f"{backbone.training.train_images:,} images"
    return ", ".join([*_name_network(backbone.network), images])


def name_quantization(quantization: str, step: float) -> str:
    """Name a quantization with its step, where it has one: weights8, uniform 1.2."""
    return f"{quantization} {step:.3g}" if step else quantization


def name_cool_down(images: int, has_teacher: bool) -> str:
    """Name a cool-down by its images, above 0: +32k, +32k distilled."""
    count = format_count(images).replace(" ", "")
    return f"+{count} distilled" if has_teacher else f"+{count}"


def name_sampling(sampling: SamplingConfig) -> str:
    """Name how images are drawn: dpm_solver_pp_2m, 8 steps (karras), guidance 2.5 to sigma 20.

    Guidance is named where it is any, and the noise levels that it is kept to.
    """
    words = f"{sampling.sampler}, {sampling.steps} steps ({sampling.schedule})"
    if sampling.guidance == 1:
        return words
    words += f", guidance {sampling.guidance:g}"
    if sampling.guidance_sigma_min > 0:
        words += f" from sigma {sampling.guidance_sigma_min:g}"
    if sampling.guidance_sigma_max < ANY_SIGMA:
        words += f" to sigma {sampling.guidance_sigma_max:g}"
    return words


def name_precision(trained: str | None, drawn: str | None) -> str:
    """Name what precisions were chosen, of training and of drawing; none says nothing."""
    if trained is not None:
        return f", in {trained}"
    return "" if drawn is None else f", drawing in {drawn}"


def _name_network(network: NetworkConfig) -> list[str]:
    widths = "-".join(map(str, network.widths))
    return [network.architecture, widths, f"groups {network.groups}"]


def _three_digits(value: float, units: tuple[str, ...]) -> str:
    """Write a value in the unit that suits it; each is a thousand of the one before it."""
    *smaller, largest = units
    for unit in smaller:
        if value < 999.5:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g}{largest}"
