"""What a search is asked to log to is settled before it starts, and kept by a resume."""

import importlib.util
from dataclasses import replace

import pytest
from small_run import SETTINGS

from study.cli.loggers_choice import logger_settings


def test_a_resume_goes_on_logging_under_the_same_id() -> None:
    assert logger_settings(None) == {"loggers": (), "tracking_id": None}
    begun = logger_settings(["tensorboard", "mlflow:http://host"])
    assert begun["loggers"] == ("tensorboard", "mlflow:http://host")
    known = replace(SETTINGS, **begun)
    assert logger_settings(None, known) == begun
    assert logger_settings(["tensorboard"], known) == {**begun, "loggers": ("tensorboard",)}
    assert logger_settings(["none"], known) == {**begun, "loggers": ()}
    assert logger_settings(["tensorboard"], SETTINGS)["tracking_id"] is not None


@pytest.mark.parametrize("kind", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_package_is_said_with_what_to_install(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=f"--log is '{kind}', but the package {kind} is not") as e:
        logger_settings([kind])
    assert f"pip install 'paretodiff[{kind}]'" in str(e.value)
    with pytest.raises(ValueError, match="is not installed"):
        logger_settings(None, replace(SETTINGS, loggers=(kind,)))


def test_none_goes_alone() -> None:
    with pytest.raises(ValueError, match="--log is 'none'; allowed: "):
        logger_settings(["none", "wandb"])
