"""Which proposals are run: those that are new, can be built and are not refused."""

from collections.abc import Callable

from diffusion.errors import InfeasibleRecipe
from diffusion.networks import build_network
from diffusion.recipe import NetworkConfig, Recipe
from study.engine.feasibility import stand_in

# In one look for a proposal: each may build a network and pack it, which takes up to a quarter of
# a second, in which the driver serves nobody else.
MOST_MEASURED = 4
Refusal = Callable[[Recipe], str | None]


class Admission:
    """Says which recipes are not to be run, and how much work it was to find out."""

    def __init__(self, refusal: Refusal | None = None) -> None:
        """Begin with no known recipe.

        Args:
            refusal: says why a new recipe that can be built is not to be run, or None.
        """
        self._refusal = refusal
        self._known: dict[str, int] = {}
        self._faults: dict[NetworkConfig, str | None] = {}
        self._measured: set[Recipe] = set()
        self._num_left = MOST_MEASURED

    @property
    def is_spent(self) -> bool:
        """Whether as much was measured as may be in one look for a proposal."""
        return self._num_left <= 0

    def begin(self) -> None:
        """Begin another look for a proposal."""
        self._num_left = MOST_MEASURED

    def admit(self, recipe: Recipe, number: int) -> None:
        """Note that a recipe is run, as the trial of that number."""
        self._known[recipe.key] = number

    def why_not(self, recipe: Recipe) -> str | None:
        """Return why a recipe is not to be run, or None."""
        if recipe.key in self._known:
            return f"the same recipe as trial {self._known[recipe.key]}"
        self._count(recipe)
        if fault := self._fault(recipe):
            return fault
        return None if self._refusal is None else self._refusal(recipe)

    def _count(self, recipe: Recipe) -> None:
        """Count what has to be measured; what is like another that was, costs nothing."""
        measured = stand_in(recipe)
        if measured not in self._measured:
            self._measured.add(measured)
            self._num_left -= 1

    def _fault(self, recipe: Recipe) -> str | None:
        """Say why a network cannot be built, or None; each is built once."""
        network = recipe.network
        if network not in self._faults:
            try:
                build_network(network, recipe.data)
                self._faults[network] = None
            except InfeasibleRecipe as error:
                self._faults[network] = str(error)
        return self._faults[network]
