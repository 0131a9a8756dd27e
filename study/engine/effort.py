"""What a trial has to do before it can draw, and how much of that a drawn one may take."""

import math
from dataclasses import dataclass
from enum import IntEnum


class Effort(IntEnum):
    """From the least to the most.

    Attributes:
        COMPRESSION: its weights are there, but for the rounding.
        COOL_DOWN: a cool-down is yet to be trained.
        TRAINING: its backbone is.
    """

    COMPRESSION = 0
    COOL_DOWN = 1
    TRAINING = 2


@dataclass(frozen=True)
class Allowance:
    """What a drawn trial may take.

    Attributes:
        most: that it may have to do.
        trials_meanwhile: that each other worker can begin while it trains; what outlasts them is
            left out, where there is anything else.
    """

    most: Effort = Effort.TRAINING
    trials_meanwhile: float = math.inf


ANYTHING = Allowance()
