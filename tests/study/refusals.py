"""The type of the fixture `refused`, for tests that are given it."""

from collections.abc import Callable

Refused = Callable[[Callable[[], int]], str]
