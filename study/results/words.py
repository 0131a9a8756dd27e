"""Recipes, sizes and durations as people read them."""

from diffusion.recipe import Recipe


def format_bytes(size: float) -> str:
    """Write a size with three significant digits: 950 B, 95.1 kB, 1.23 MB."""
    for unit in ("B", "kB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} MB"


def format_seconds(seconds: float) -> str:
    """Write a duration: 45 s, 3 min 05 s, 2 h 07 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def name_recipe(recipe: Recipe) -> str:
    """Name a recipe in a few words."""
    network, compression = recipe.network, recipe.compression
    words = [
        network.architecture,
        "-".join(map(str, network.widths)),
        f"groups {network.groups}",
        f"ema {recipe.ema.track}",
    ]
    if compression.prune_method != "none":
        region, ratio = compression.prune_region, compression.prune_ratio
        words.append(f"{compression.prune_method} {ratio:.0%} {region}")
    if compression.quantization != "none":
        words.append(compression.quantization)
    return ", ".join(words)
