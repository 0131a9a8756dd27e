"""What a trial has to do before it can draw."""

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
