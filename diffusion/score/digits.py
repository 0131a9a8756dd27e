"""The digit classifier whose 84 features score generated digits.

Its layers follow LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document
recognition", figure 2), with ReLU and max-pooling. `train_digits.py` made the shipped weights;
`weights/digits.md` is their card.
"""

import hashlib
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

DIGITS_PATH = Path(__file__).parent / "weights" / "digits.safetensors"
DIGITS_SHA256 = "9c1c25d6b50deed5b5d7ca46b0fe92c362d31f3ebcb396542e13aacaea6afb40"


class DigitClassifier(nn.Module):
    """LeNet-5 on 28x28 grey images: 84 features, then 10 logits."""

    num_features = 84

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.hidden1 = nn.Linear(16 * 5 * 5, 120)
        self.hidden2 = nn.Linear(120, self.num_features)
        self.output = nn.Linear(self.num_features, 10)

    def features(self, images: Tensor) -> Tensor:
        """Compute the activations of the last hidden layer.

        Args:
            images: [N, 1, 28, 28] uint8.

        Returns:
            [N, 84] in the weights' precision, none negative.

        Raises:
            ValueError: the images have another shape or type.
        """
        _check_images(images)
        # In [0, 1] the zeros that pad the first layer are background.
        x = images.to(self.output.weight.dtype).div_(255.0)
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.hidden1(x.flatten(start_dim=1)))
        features: Tensor = F.relu(self.hidden2(x))
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of the ten digits, [N, 10], of [N, 1, 28, 28] uint8 images."""
        logits: Tensor = self.output(self.features(images))
        return logits


def load_digit_classifier() -> DigitClassifier:
    """Load the shipped classifier: on the CPU, in eval mode, without gradients.

    Raises:
        ValueError: the shipped weights are missing, or are not the ones this code was made for.
    """
    try:
        content = DIGITS_PATH.read_bytes()
    except OSError as error:
        raise ValueError(f"{DIGITS_PATH} cannot be read; reinstall the package") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != DIGITS_SHA256:
        raise ValueError(
            f"{DIGITS_PATH} has SHA-256 {digest}; allowed: {DIGITS_SHA256}; reinstall the package"
        )
    classifier = DigitClassifier()
    classifier.load_state_dict(safetensors.torch.load(content))
    return classifier.eval().requires_grad_(False)


def _check_images(images: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1:] != (1, 28, 28):
        raise ValueError(
            f"images are {list(images.shape)} {images.dtype}; allowed: [N, 1, 28, 28] torch.uint8"
        )
