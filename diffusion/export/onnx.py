"""A denoiser as an ONNX file of opset 21, with what a sampler needs to know beside it.

Inputs are `noisy`, `sigma` and `label`, the output is `clean`, as `diffusion.export.program` says.
The metadata field `sampling` is a JSON object: the falling `sigmas`, `guidance` and the noise
levels between which it acts, `num_classes` (the hidden label), `shape` of an image, and `scale`
and `offset` that make pixels of 0 to 255 of what comes out.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor

from diffusion.compress.quantize import StoredTensor
from diffusion.denoiser import Denoiser
from diffusion.export.program import (
    INPUTS,
    OUTPUT,
    Program,
    check_program,
    export_denoiser,
    float32_denoiser,
)
from diffusion.model import DiffusionModel
from diffusion.schedules import noise_levels

OPSET = 21  # The first with 4-bit numbers.
SAMPLER = "sample_onnx.py"
MOST_BYTES = 2**31 - 1  # of a file of protobuf
PACKAGES = "onnx", "onnxscript", "onnxruntime"
HINT = "install it with: pip install 'paretodiff[onnx]'"


def onnx_program(model: DiffusionModel, stored: Mapping[str, StoredTensor]) -> bytes:
    """Return the content of an ONNX file, checked against the model in onnxruntime.

    Args:
        model: as read from its package.
        stored: its tensors as the package holds them: those that are low-bit stay so.

    Raises:
        ValueError: onnx, onnxscript or onnxruntime is missing, the file would be too large, or
            it differs from the model.
    """
    check_installed()
    from diffusion.export.low_bit import store_low_bit

    denoiser = float32_denoiser(model)
    with _quiet():
        exported = torch.onnx.export(
            export_denoiser(denoiser),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            verbose=False,
        )
    assert exported is not None  # it is where nothing else is asked for
    proto = exported.model_proto
    store_low_bit(proto, stored)
    _strip(proto)
    proto.metadata_props.add(key="sampling", value=json.dumps(sampling_facts(model, denoiser)))
    if proto.ByteSize() > MOST_BYTES:
        raise ValueError(f"the ONNX file has {proto.ByteSize():,} bytes; allowed: {MOST_BYTES:,}")
    content: bytes = proto.SerializeToString()
    check_program(denoiser, in_onnxruntime(content), "the ONNX file")
    return content


def sampler_script() -> bytes:
    """Return the sampler that is shipped beside an ONNX file."""
    return files("diffusion.export").joinpath(SAMPLER).read_bytes()


def sampling_facts(model: DiffusionModel, denoiser: Denoiser) -> dict[str, Any]:
    """Return what a sampler needs to know of a model, ready for JSON."""
    data, sampling = model.recipe.data, model.recipe.sampling
    black, white = denoiser.from_signed_range(torch.tensor([-1.0, 1.0])).tolist()
    return {
        "sigmas": noise_levels(sampling, denoiser),
        "guidance": sampling.guidance,
        "guidance_sigma_min": sampling.guidance_sigma_min,
        "guidance_sigma_max": sampling.guidance_sigma_max,
        "num_classes": data.num_classes,
        "shape": [data.channels, data.image_size, data.image_size],
        "scale": 255 / (white - black),
        "offset": -255 * black / (white - black),
    }


def check_installed() -> None:
    """Raise ValueError where what writes or runs ONNX files is missing, with how to get it."""
    if why := why_not_installed():
        raise ValueError(f"--format is onnx, but {why}")


def why_not_installed() -> str | None:
    """Say what is missing that writes or runs ONNX files, and how to get it; None for nothing."""
    for name in PACKAGES:
        try:
            __import__(name)
        except ImportError:
            return f"{name} is missing; {HINT}"
    return None


def in_onnxruntime(content: bytes, threads: int = 0) -> Program:
    """Return an ONNX file's program, run by onnxruntime, which takes and returns tensors.

    Args:
        content: of the file.
        threads: to compute with; 0 for all cores.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # expand weights once
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])

    def run(*inputs: Tensor) -> Tensor:
        values = {name: value.numpy() for name, value in zip(INPUTS, inputs, strict=True)}
        return torch.from_numpy(session.run([OUTPUT], values)[0])

    return run


def _strip(proto: Any) -> None:
    """Remove what no runtime reads: where in the code each operator comes from, and shapes."""
    proto.graph.ClearField("value_info")
    for part in (*proto.graph.node, *proto.graph.initializer, *proto.graph.input, proto.graph):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for node in proto.graph.node:
        node.ClearField("name")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own notes off the screen."""
    noisy = logging.getLogger("torch.onnx"), logging.getLogger("onnxscript")
    levels = [logger.level for logger in noisy]
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)
