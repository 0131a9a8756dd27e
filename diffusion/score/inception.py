"""The Inception network of the FID, as torch-fidelity builds it: 2,048 features of any images.

The FID of Heusel et al. 2017 (arXiv:1706.08500) compares the last pooling layer of Inception v3
(Szegedy et al. 2016, arXiv:1512.00567), with the weights that TensorFlow published in 2015.
torch-fidelity holds their conversion; it is the extra `inception` of this package.
"""

import hashlib
import http.client
import importlib
import io
import logging
import pickle
import textwrap
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffusion.cache import cache_dir
from diffusion.device import device_of
from diffusion.errors import MetricUndefined
from diffusion.files import read_bounded, write_bytes
from diffusion.score.batched import in_batches

logger = logging.getLogger(__name__)

PUBLISHED_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
BATCH_SIZE = 50  # Of 299x299 pixels, whatever the size of the images.
DOWNLOAD_TIMEOUT_SECONDS = 60.0  # Without any byte.
MAX_FILE_BYTES = 2**29  # Of the weights; the published ones have 95 million.
LONGEST_REASON = 200  # Characters; torch lists every weight that does not fit.
# What torch.load raises on a file that is cut off, of another kind, or more than tensors.
UNREADABLE = (
    *(OSError, EOFError, LookupError, TypeError, ValueError, RuntimeError, AttributeError),
    pickle.UnpicklingError,
)


class InceptionExtractor:
    """The 2,048 features of the FID, for grey or colour images of any size.

    The network resizes the images itself, as TensorFlow 1 did. Grey images are repeated to RGB.

    Args:
        weights: the file of the weights; None for torch-fidelity's own, downloaded once into the
            cache.
        sha256: the SHA-256 that the file must have, if it is on purpose not the published one.

    Raises:
        MetricUndefined: torch-fidelity is not installed.
        ValueError: the weights cannot be read or downloaded, or are not what they should be.
    """

    name = "inception"
    dimension = 2048
    layer = "2048"
    preprocessing = "RGB, resized to 299 as TensorFlow 1 does, (bytes - 128) / 128, float32"

    def __init__(self, weights: Path | None = None, sha256: str | None = None) -> None:
        self.sha256 = sha256 or PUBLISHED_SHA256
        torch_fidelity = _import_torch_fidelity()
        if weights is None:
            weights = _obtain_published(torch_fidelity.URL_INCEPTION_V3, self.sha256)
        state = _read_state(weights, self.sha256)
        self._network = _build_network(torch_fidelity, state, self.layer, weights)

    def move_to(self, device: torch.device | str) -> None:
        """Run on a device from now on."""
        self._network.to(device)

    def features(self, images: Tensor) -> np.ndarray:
        """Extract [N, 2048] float64 features of [N, C, H, W] uint8 images, C being 1 or 3.

        Raises:
            ValueError: the images have another shape or type.
        """
        _check_images(images)
        colour, device = images.expand(-1, 3, -1, -1), device_of(self._network)
        found = in_batches(lambda batch: self._network(batch)[0], colour, BATCH_SIZE, device)
        return found.double().numpy()

    def guess_labels(self, images: Tensor) -> None:
        """Return None: the network's classes are those of ImageNet, not of the data."""


def _import_torch_fidelity() -> ModuleType:
    try:
        return importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    except ImportError as error:
        raise MetricUndefined(
            "the inception extractor needs torch-fidelity: pip install 'paretodiff[inception]'"
        ) from error


def _obtain_published(url: str, sha256: str) -> Path:
    """Return the published weights' file in the cache, downloaded if it is not there."""
    _check_hash(url, PUBLISHED_SHA256, sha256)
    path = cache_dir() / url.rsplit("/", 1)[-1]
    if not path.exists():
        _download(url, path, sha256)
    return path


def _download(url: str, path: Path, sha256: str) -> None:
    logger.warning("downloading %s to %s", url, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_SECONDS) as response:
            content = response.read()
        _check_hash(url, hashlib.sha256(content).hexdigest(), sha256)
        write_bytes(path, content)
    except (OSError, http.client.HTTPException) as error:
        raise ValueError(
            f"{url} cannot be downloaded to {path}: {_reason(error)}; fetch it elsewhere and "
            "give it with --inception-weights FILE"
        ) from error


def _read_state(path: Path, sha256: str) -> dict[str, Tensor]:
    """Read checked weights, as tensors alone: no code in the file ever runs."""
    try:
        content = read_bounded(path, MAX_FILE_BYTES)
    except (OSError, ValueError) as error:
        raise ValueError(f"weights {path} cannot be read: {_reason(error)}") from error
    _check_hash(path, hashlib.sha256(content).hexdigest(), sha256)
    try:
        state: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise ValueError(
            f"weights {path} are not a state dict of tensors: {_reason(error)}"
        ) from error
    if not isinstance(state, dict) or not all(map(torch.is_tensor, state.values())):
        raise ValueError(f"weights {path} are not a state dict of tensors, but other data")
    return state


def _build_network(
    torch_fidelity: ModuleType, state: dict[str, Tensor], layer: str, path: Path
) -> nn.Module:
    # torch-fidelity unpickles what it is given: give it what we have just written ourselves.
    checked = io.BytesIO()
    torch.save(state, checked)
    checked.seek(0)
    try:
        with torch.random.fork_rng(devices=[]):
            network: nn.Module = torch_fidelity.FeatureExtractorInceptionV3(
                "inception-v3-compat", [layer], feature_extractor_weights_path=checked
            )
    except RuntimeError as error:
        raise ValueError(
            f"weights {path} do not fit torch-fidelity's Inception: {_reason(error)}"
        ) from error
    return network


def _check_hash(source: Path | str, found: str, allowed: str) -> None:
    if found != allowed:
        hint = "the published one; for others on purpose, give theirs with --inception-sha256"
        raise ValueError(
            f"weights {source} have SHA-256 {found}; allowed: {allowed}"
            + (f" ({hint})" if allowed == PUBLISHED_SHA256 else "")
        )


def _check_images(images: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"images are {list(images.shape)} {images.dtype}; allowed: [N, 1 or 3, H, W] "
            "torch.uint8"
        )


def _reason(error: BaseException) -> str:
    return textwrap.shorten(str(error) or type(error).__name__, LONGEST_REASON)
