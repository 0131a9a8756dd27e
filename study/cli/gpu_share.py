"""How much of a GPU a trial takes by default: a small network leaves most of one idle."""

from diffusion.errors import InfeasibleRecipe
from diffusion.recipe import DataConfig, NetworkConfig
from search_spaces.space import SearchSpace
from study.engine.design_draws import candidates, network_cost

# Up to so many a step is thousands of short kernels, whose launches a GPU waits for.
SMALL_PARAMETERS = 5_000_000
SMALL_SHARE = 0.25
DRAWS = 20  # of a space's recipes, by which its networks are judged


def gpu_share(space: SearchSpace, data: DataConfig) -> float:
    """Return the share of a GPU that a trial of a space takes where the user left it open."""
    drawn = {candidate.recipe.network for candidate in candidates(space, data, range(DRAWS))}
    largest = max((_parameters(network, data) for network in drawn), default=0)
    return SMALL_SHARE if 0 < largest <= SMALL_PARAMETERS else 1.0


def _parameters(network: NetworkConfig, data: DataConfig) -> int:
    try:
        return network_cost(network, data).parameters
    except InfeasibleRecipe:  # no trial builds it
        return 0
