"""Search spaces by name: which recipes a study may try."""

from search_spaces import mnist, quick
from search_spaces.space import SearchSpace

SPACES = {space.name: space for space in (quick.SPACE, mnist.SPACE)}


def load_space(name: str) -> SearchSpace:
    """Return a search space.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in SPACES:
        raise ValueError(f"space is {name!r}; allowed: {', '.join(SPACES)}")
    return SPACES[name]
