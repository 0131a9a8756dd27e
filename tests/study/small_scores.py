"""Scores for tests, as a complete trial has them."""

from typing import Any


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
