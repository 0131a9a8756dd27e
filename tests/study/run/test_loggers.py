"""Names of trackers are checked, and an address holds no password."""

import pytest

from study.run.loggers import (
    check_loggers,
    check_tracking_id,
    logger_address,
    logger_kind,
    new_tracking_id,
)


@pytest.mark.parametrize(
    ("name", "kind", "address"),
    [
        ("tensorboard", "tensorboard", None),
        ("mlflow", "mlflow", None),
        ("mlflow:http://host:5000", "mlflow", "http://host:5000"),
        ("mlflow:sqlite:///a b.db", "mlflow", "sqlite:///a b.db"),
        ("mlflow:http://[", "mlflow", "http://["),
        ("wandb", "wandb", None),
    ],
)
def test_a_name_is_a_kind_and_maybe_an_address(name: str, kind: str, address: str | None) -> None:
    assert check_loggers([name]) == (name,)
    assert (logger_kind(name), logger_address(name)) == (kind, address)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (
            ["mlfow"],
            r"--log is 'mlfow' \(did you mean 'mlflow'\?\); allowed: tensorboard, mlflow, ",
        ),
        (["wandb:me"], "--log is 'wandb:me'; allowed: "),
        (["mlflow:"], "--log is 'mlflow:'; allowed: "),
        ([""], "--log is ''; allowed: "),
        (["wandb", "tensorboard", "wandb"], "--log is 'wandb' again; allowed: each once"),
        (["mlflow", "mlflow:x"], "--log is 'mlflow' again; allowed: each once"),
        (["mlflow:http://me:secret@host"], "--log has an address with a password; allowed: "),
        ([3], r"loggers is \(3,\); allowed: "),
        ("wandb", "loggers is 'wandb'; allowed: "),
    ],
)
def test_what_is_no_name_is_said(names: object, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        check_loggers(names)
    assert "secret" not in str(error.value)


def test_an_id_is_like_no_other() -> None:
    assert check_tracking_id(new_tracking_id()) != new_tracking_id()
    assert check_tracking_id(None) is None
    for wrong in ("' or 1", "0" * 15, 3):
        with pytest.raises(ValueError, match="tracking_id is "):
            check_tracking_id(wrong)
