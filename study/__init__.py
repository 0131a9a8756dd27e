"""The study engine: Ray Tune runs the trials, Optuna proposes them, a folder holds the run."""
