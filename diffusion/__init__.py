"""Small diffusion models: data, networks, training, sampling, compression and scoring.

This package knows nothing of studies: it never imports ray, optuna, study or search_spaces.
"""
