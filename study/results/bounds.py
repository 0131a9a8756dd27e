"""The least and the most that numbers of a study may be, on a command line and in its settings."""

LEAST_SHARE, MOST_CPUS = 0.01, 4096  # of a core or a GPU, and of cores
TOO_MUCH = 2**63  # No count or time of use comes near it, and integers of 64 bits end there.
