"""All of Ray: nothing outside of this room imports it."""

import os

# Read when Ray is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")
# Tune asks for no more while so many wait to begin; of a searcher like ours for one at a time.
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "10000")
# Nothing is restored from what Tune keeps of a search, which takes time and memory for each trial.
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "1e9")
# Where Ray's own processes are gone, the driver ends after so long; the study can be resumed.
os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "20")
