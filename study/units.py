"""Sizes and durations as people read them."""


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
