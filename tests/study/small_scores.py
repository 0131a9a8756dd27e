"""Scores for tests, as a complete trial has them, and a row of a front."""

from typing import Any

ROW: dict[str, Any] = {
    "rank": 1,
    "trial": 17,
    "architecture": "ncsn",
    "widths": "32-64-128-256",
    "groups": 4,
    "ema": "short",
    "prune_method": "random",
    "prune_region": "extremes",
    "prune_ratio": 0.3,
    "quantization": "weights8",
    "quantization_step": 0.0,
    "finetune_images": 0,
    "finetune_teacher": False,
    "size_bytes": 123_456,
    "fid": 20.04,
    "fid_low": 18.0,
    "fid_high": 22.0,
    "fid_held_out": 23.0,
    "fid_noise": 600.0,
    "fid_floor": 4.0,
    "fid_num_images": 500,
    "num_images_floor": 500,
    "label_agreement": 0.954,
    "package_path": "front/01-17/model.pdm",
    "verified_seeds": None,
    "front_probability": None,
    "trainings": None,
}


def fake_scores(fid: float, size_bytes: int, **others: Any) -> dict[str, Any]:
    """Return a trial's scores that are consistent, and not measured."""
    return {
        "fid": fid,
        "fid_low": fid - 1,
        "fid_high": fid + 1,
        "fid_held_out": fid + 0.5,
        "fid_noise": 600.0,
        "fid_floor": 4.0,
        "fid_num_images": 500,
        "num_images_floor": 500,
        "label_agreement": 0.9,
        "size_bytes": size_bytes,
        "gzip_state_dict_bytes": size_bytes + 1,
        "parameters": 10,
        "nonzero_parameters": 9,
        "macs": 100,
        "latency_ms": 1.5,
        "train_images": 64,
        "train_seconds": 2.0,
        **others,
    }
