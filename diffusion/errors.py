"""The few error types of this package; each is a ValueError, so commands show one line."""


class DataUnavailable(ValueError):
    """A data set is missing, broken or of the wrong form; the message says what to run."""


class InvalidRecipe(ValueError):
    """A recipe with a field that is not allowed; the message names it, its value and what is."""


class InfeasibleRecipe(InvalidRecipe):
    """A recipe whose fields are valid one by one, but whose network cannot be built."""


class TrainingDiverged(ValueError):
    """The training loss became NaN, infinite or exploded; the message names the step."""


class PackageError(ValueError):
    """A model file that is not ours, damaged, or of another format version."""


class MetricUndefined(ValueError):
    """A score that has no value, because its inputs are too few or not finite."""
