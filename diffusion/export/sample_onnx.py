"""Draw images with the model.onnx beside this file: python sample_onnx.py [COUNT] [SEED].

It needs numpy and onnxruntime alone, and writes images.npy ([N, C, H, W] uint8) and grid.ppm.
DPM-Solver++(2M) (Lu et al. 2022, algorithm 2) over the noise levels that the file names.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime import InferenceSession, SessionOptions


def draw(session: InferenceSession, noise: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return [N, C, H, W] uint8 images of white noise and labels [N]."""
    facts = json.loads(session.get_modelmeta().custom_metadata_map["sampling"])
    x, last, last_step = noise * np.float32(facts["sigmas"][0]), None, 1.0
    for sigma, after in zip(facts["sigmas"][:-2], facts["sigmas"][1:-1], strict=True):
        clean, step = denoise(session, facts, x, sigma, labels), math.log(sigma / after)
        change = 0 if last is None else (clean - last) * np.float32(step / (2 * last_step))
        x = clean + change + (x - clean - change) * np.float32(after / sigma)
        last, last_step = clean, step
    clean = denoise(session, facts, x, facts["sigmas"][-2], labels)  # the last level is 0
    return np.rint(clean * facts["scale"] + facts["offset"]).clip(0, 255).astype(np.uint8)


def denoise(session: InferenceSession, facts: Any, x: Any, sigma: float, labels: Any) -> Any:
    """Return the images that noisy ones are taken for, guided as the recipe asks."""
    feed = {"noisy": x, "sigma": np.full(len(x), sigma, np.float32), "label": labels}
    known = session.run(None, feed)[0]
    within = facts["guidance_sigma_min"] <= sigma <= facts["guidance_sigma_max"]
    if facts["guidance"] == 1 or not within:
        return known
    hidden = session.run(None, {**feed, "label": np.full_like(labels, facts["num_classes"])})[0]
    return hidden + np.float32(facts["guidance"]) * (known - hidden)


def main(count: int = 64, seed: int = 0) -> None:
    """Draw images of every class in turn."""
    here = Path(__file__).parent
    options = SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # expand weights once
    session = InferenceSession(here / "model.onnx", options, ["CPUExecutionProvider"])
    facts = json.loads(session.get_modelmeta().custom_metadata_map["sampling"])
    noise = np.random.default_rng(seed).standard_normal((count, *facts["shape"]), np.float32)
    images = draw(session, noise, np.arange(count) % facts["num_classes"])
    np.save(here / "images.npy", images)
    wide = math.ceil(math.sqrt(count))
    sheet = np.zeros((-(-count // wide) * wide, *facts["shape"]), np.uint8)
    sheet[:count] = images
    rows = sheet.reshape(-1, wide, *facts["shape"]).transpose(0, 3, 1, 4, 2)
    height, width = rows.shape[0] * rows.shape[1], rows.shape[2] * rows.shape[3]
    kind = 5 if rows.shape[4] == 1 else 6  # of PPM: grey or colour
    (here / "grid.ppm").write_bytes(b"P%d %d %d 255\n" % (kind, width, height) + rows.tobytes())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
