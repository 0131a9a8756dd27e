"""A run's report, served to this machine while its study runs."""

import functools
import http
import logging
import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from diffusion.errors import one_line
from study.run.files import open_own
from study.run.folder import REPORT_NAME

logger = logging.getLogger(__name__)
HOST = "127.0.0.1"
PATHS = ("/", f"/{REPORT_NAME}")
WAITING = (
    b'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2">'
    b"<title>report</title><p>The report is about to be written.</p></html>\n"
)
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


@contextmanager
def open_report(run_dir: Path, tell: Callable[[str], None]) -> Iterator[str]:
    """Serve a run's report until the end, and open it in a browser where there is one.

    Args:
        run_dir: of the run.
        tell: is told where it is served.

    Yields:
        Its URL.
    """
    with serving(run_dir / REPORT_NAME) as url:
        tell(f"report   {url} (on this machine, until the study ends)")
        if _has_screen():
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        yield url


@contextmanager
def serving(path: Path) -> Iterator[str]:
    """Serve one file on a free port of 127.0.0.1, and nothing else; yields its URL.

    Args:
        path: of the file, read anew for each request; it may come to be later.
    """
    server = _Server(path)
    serve = functools.partial(server.serve_forever, poll_interval=0.1)
    thread = threading.Thread(target=serve, name="report server", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    """Answers for one file."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path) -> None:
        super().__init__((HOST, 0), _Handler)
        self.path = path

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that went away in the middle of an answer; log all else."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            logger.warning("the report was not served: %s: %s", type(error).__name__, error)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD with the file."""

    server: _Server

    def do_GET(self) -> None:
        """Answer with the file's content."""
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        """Answer with what tells whether the file has changed."""
        self._answer(with_content=False)

    def log_message(self, format: str, *args: object) -> None:
        """Print no line for a request: the terminal is the live table's."""

    def _answer(self, *, with_content: bool) -> None:
        # A page of another name that leads here is not to read the report.
        allowed = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        if self.headers.get("Host") not in allowed or self.path not in PATHS:
            self.send_error(http.HTTPStatus.NOT_FOUND)
            return
        try:
            with open_own(self.server.path) as file:
                found = os.fstat(file.fileno())
                content, tag = file.read(), f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
        except FileNotFoundError:
            content, tag = WAITING, '"waiting"'
        except (OSError, ValueError) as error:
            self.send_error(http.HTTPStatus.INTERNAL_SERVER_ERROR, explain=one_line(str(error)))
            return
        self.send_response(http.HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("ETag", tag)
        self.send_header("Server-Timing", f"file;desc={tag}")  # so that a page knows its own
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if with_content:
            self.wfile.write(content)


def _has_screen() -> bool:
    """Whether a browser would open in a window; one for terminals would take the live table's."""
    return sys.platform in ("darwin", "win32") or any(name in os.environ for name in SCREENS)
