"""URLs: what may be one, what is never shown, and what a folder behind one holds."""

from pathlib import Path
from typing import NoReturn

import fsspec
import pytest

from study.run import remote as remote_module
from study.run.remote import Remote, Unreachable, is_url


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:SECRET@bucket/runs",
        "sftp://user:SECRET@host/runs",
        "s3://SECRET@bucket",
        "abfs://box/runs?sig=SECRET",
        "s3://bucket/runs#SECRET",
        "https://a:SECRET@host/x?b=SECRET",
    ],
)
def test_a_url_with_a_secret_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="with credentials from the environment alone") as found:
        Remote.parse(url)
    assert "SECRET" not in str(found.value)


@pytest.mark.parametrize("url", ["memory://runs", "filecache::s3://bucket/runs", "s3://", "s3:/"])
def test_a_url_that_keeps_nothing_or_names_nothing_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="allowed: like s3://BUCKET/FOLDER"):
        Remote.parse(url)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("runs", False), ("/a/b", False), ("s3://b", True), ("file:///a", True), ("c:/a", False)],
)
def test_a_url_is_told_from_a_path(text: str, expected: bool) -> None:
    assert is_url(text) == expected


def test_slashes_at_the_end_of_a_url_mean_nothing(tmp_path: Path) -> None:
    assert Remote.parse("s3://bucket/runs//") == Remote("s3://bucket/runs")
    assert (Remote("s3://bucket/runs") / "a").name == "a"


def test_a_folder_keeps_what_is_written_and_lists_it(tmp_path: Path) -> None:
    remote = Remote.parse(f"file://{tmp_path}/store")
    assert (remote.names(), remote.sizes(), remote.read("a/b")) == ([], {}, None)
    remote.write("a/b", b"12")
    remote.write("c", b"")
    remote.write("a/b", b"123", new=False)
    assert remote.sizes() == {"a/b": 3, "c": 0}
    assert sorted(remote.names()) == ["a", "c"]
    assert remote.read("a/b") == b"123"
    with pytest.raises(FileExistsError):
        remote.write("a/b", b"", new=True)
    remote.remove("a/b")
    remote.remove("a/b")
    assert remote.read("a/b") is None


def test_a_write_that_fails_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(remote_module, "WAITS_SECONDS", (1.0, 2.0))
    monkeypatch.setattr(remote_module.time, "sleep", waited.append)
    (tmp_path / "store").write_text("no folder")
    with pytest.raises(Unreachable, match=r"^file://.*store: NotADirectoryError: "):
        Remote(f"file://{tmp_path}/store").write("a", b"")
    assert waited == [1.0, 2.0]


@pytest.mark.parametrize(
    ("url", "how"),
    [("s3://bucket", "pip install 'paretodiff[s3]'"), ("gs://bucket", "install gcsfs")],
)
def test_a_package_that_is_not_installed_is_named_with_its_command(
    url: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(url: str) -> NoReturn:
        raise ImportError("Please install gcsfs to access Google Storage")

    monkeypatch.setattr(fsspec, "url_to_fs", missing)
    with pytest.raises(ValueError, match="needs a package that is not installed") as found:
        Remote(url).names()
    assert str(found.value).endswith(how) or how in str(found.value)


def test_a_protocol_that_nothing_opens_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^nosuch://a cannot be opened: "):
        Remote.parse("nosuch://a").names()
