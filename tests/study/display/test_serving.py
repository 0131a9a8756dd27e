"""The served report: one file, to this machine alone."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from study.display import serving as module
from study.display.serving import HOST, open_report, serving


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A file that is served, and the port."""
    path = tmp_path / "report.html"
    with serving(path) as url:
        port = urlsplit(url).port
        assert url == f"http://127.0.0.1:{port}/"
        assert port is not None
        yield path, port


def ask(
    port: int, path: str = "/", method: str = "GET", host: str | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    connection.request(method, path, headers={"Host": host or f"{HOST}:{port}"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_the_file_is_served_as_it_is_now(served: tuple[Path, int]) -> None:
    path, port = served
    tags = []
    for text in (b"one", b"three"):
        path.write_bytes(text)
        answer, content = ask(port)
        assert (answer.status, content) == (200, text)
        assert answer.headers["Cache-Control"] == "no-store"
        tags.append(answer.headers["ETag"])
        assert ask(port, method="HEAD")[0].headers["ETag"] == tags[-1]
        assert ask(port, method="HEAD")[1] == b""
        assert ask(port, "/report.html")[1] == text
    assert tags[0] != tags[1]


@pytest.mark.parametrize("path", ["/run.json", "/../run.json", "/%2e%2e/run.json", "/x"])
def test_nothing_else_is_served(path: str, served: tuple[Path, int]) -> None:
    (served[0].parent / "run.json").write_text("secret")
    answer, content = ask(served[1], path)
    assert answer.status == 404
    assert b"secret" not in content


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_taken(method: str, served: tuple[Path, int]) -> None:
    assert ask(served[1], method=method)[0].status == 501


def test_a_page_of_another_name_is_refused(served: tuple[Path, int]) -> None:
    served[0].write_text("mine")
    answer, content = ask(served[1], host=f"evil.example:{served[1]}")
    assert answer.status == 404
    assert b"mine" not in content
    assert ask(served[1], host=f"localhost:{served[1]}")[1] == b"mine"


def test_before_it_is_written_a_page_waits_for_it(served: tuple[Path, int]) -> None:
    answer, content = ask(served[1])
    assert (answer.status, answer.headers["ETag"]) == (200, '"waiting"')
    assert b'http-equiv="refresh"' in content


def test_a_link_is_not_followed(served: tuple[Path, int], tmp_path: Path) -> None:
    (tmp_path / "other").write_text("secret")
    served[0].symlink_to(tmp_path / "other")
    assert b"secret" not in ask(served[1])[1]


@pytest.mark.parametrize("has_screen", [True, False])
def test_a_browser_is_opened_where_there_is_a_screen(
    has_screen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    opened: list[str] = []
    for name in module.SCREENS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("webbrowser.open", opened.append)
    if has_screen:
        monkeypatch.setenv("DISPLAY", ":0")
    with open_report(tmp_path, said.append) as url:
        pass
    assert said == [f"report   {url} (on this machine, until the study ends)"]
    assert opened == ([url] if has_screen else [])
