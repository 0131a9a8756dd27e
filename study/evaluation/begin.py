"""Where a trial's training began, which counts what it trained over all its attempts."""

from pathlib import Path

from diffusion.config import checked
from study.run.files import read_json, write_json

TRAINING = "training.json"
COOL_DOWN = "cool_down.json"


class Begin:
    """After how many images a trial's first attempt began to train, as its folder keeps it."""

    def __init__(self, path: Path) -> None:
        """Read the file, which need not be there."""
        self._path = path
        self._images = _read(path)

    def count(self, images_seen: int) -> int:
        """Return the images that the trial trained on; the first count settles the begin."""
        if self._images is None:
            self._images = images_seen
            write_json(self._path, {"begin_images": images_seen})
        return max(images_seen - self._images, 0)

    def count_at_end(self, images: int) -> int:
        """Return how many of a training's images are the trial's: none where it never began."""
        return 0 if self._images is None else max(images - self._images, 0)


def _read(path: Path) -> int | None:
    try:
        begin = checked("begin_images", read_json(path)["begin_images"], int)
    except (FileNotFoundError, ValueError, LookupError, TypeError):  # a crash may have torn it
        return None
    return max(int(begin), 0)
