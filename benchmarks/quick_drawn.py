"""The quick space's knobs without its hand-made design: a space file, for `--space`."""

from search_spaces.quick import suggest

__all__ = ["suggest"]
