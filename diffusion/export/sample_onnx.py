"""Draw images with the model.onnx beside this file: python sample_onnx.py [COUNT] [SEED].

It needs numpy and onnxruntime alone, draws of every class in turn, and writes images.npy
([N, C, H, W] uint8) and grid.ppm. DPM-Solver++(2M) (Lu et al. 2022, algorithm 2) over the noise
levels that the file names, in 30 lines of code.
"""

import json
import sys
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession, SessionOptions

count, seed = [*map(int, sys.argv[1:]), *(64, 0)[len(sys.argv) - 1 :]]
here, options = Path(__file__).parent, SessionOptions()
options.add_session_config_entry("session.disable_quant_qdq", "1")  # expand weights once
session = InferenceSession(here / "model.onnx", options, ["CPUExecutionProvider"])
plan = json.loads(session.get_modelmeta().custom_metadata_map["sampling"])
sigmas, shape = plan["sigmas"][:-1], plan["shape"]  # the last level is 0: images as they are
labels = np.arange(count) % plan["num_classes"]

x = sigmas[0] * np.random.default_rng(seed).standard_normal((count, *shape), np.float32)
last, before = 0, np.inf  # so that the first step is one of first order
for sigma, after in zip(sigmas, [*sigmas[1:], 1], strict=True):
    feed = {"noisy": x, "sigma": np.full(count, sigma, np.float32), "label": labels}
    clean = session.run(None, feed)[0]  # the images that noisy ones are taken for
    if plan["guidance"] != 1 and plan["guidance_sigma_min"] <= sigma <= plan["guidance_sigma_max"]:
        hidden = session.run(None, {**feed, "label": np.full_like(labels, plan["num_classes"])})[0]
        clean = hidden + plan["guidance"] * (clean - hidden)
    change = (clean - last) * np.float32(np.log(sigma / after) / np.log(before / sigma) / 2)
    x = clean + change + (x - clean - change) * (after / sigma)
    last, before = clean, sigma

images = np.rint(clean * plan["scale"] + plan["offset"]).clip(0, 255).astype(np.uint8)
np.save(here / "images.npy", images)
wide = int(np.ceil(np.sqrt(count)))
blank = np.zeros((-count % wide, *shape), np.uint8)
rows = np.concatenate([images, blank]).reshape(-1, wide, *shape).transpose(0, 3, 1, 4, 2)
header = b"P%d %d %d 255\n" % (5 if shape[0] == 1 else 6, wide * shape[2], len(rows) * shape[1])
(here / "grid.ppm").write_bytes(header + rows.tobytes())
