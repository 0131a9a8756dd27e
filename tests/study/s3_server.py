"""An S3 server on this machine, and what tests do with its only bucket."""

import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from study.run.remote import Remote

BUCKET = "bucket"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "NEVER-SHOWN",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True)
class S3:
    """A server that is running.

    Attributes:
        endpoint: its address.
    """

    endpoint: str

    def make_bucket(self) -> None:
        boto3 = pytest.importorskip("boto3")
        boto3.client("s3", endpoint_url=self.endpoint).create_bucket(Bucket=BUCKET)

    def drop_all(self) -> None:
        """Lose the bucket with all that is in it."""
        self._post("reset", b"")

    def ask_for_permission(self, asks: bool) -> None:
        """Let nobody in whom the server does not know, or everybody."""
        self._post("reset-auth", b"0" if asks else b"inf")

    def _post(self, what: str, content: bytes) -> None:
        kind = {"Content-Type": "text/plain"}  # else it would be read as a form
        url = f"{self.endpoint}/moto-api/{what}"
        with urllib.request.urlopen(urllib.request.Request(url, content, kind)):
            pass


@contextmanager
def serving() -> Iterator[S3]:
    """Run a server, to which this process and its children are led."""
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    thread = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    thread.start()
    try:
        host, port = thread.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL=endpoint)
        yield S3(endpoint)
    finally:
        for name in (*CREDENTIALS, "AWS_ENDPOINT_URL"):
            os.environ.pop(name, None)
        thread.stop()


def copied(remote: Remote, folder: Path) -> Path:
    """Copy all objects below a URL into a folder, as any tool does."""
    for name in remote.sizes():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(remote.read(name) or b"")
    return folder
