"""A study that runs shows its report to this machine, until it ends."""

import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from processes import running, wait_until
from report_runs import data_of

INJECTED = Path(__file__).with_name("injected.py")


def fetch(url: str, path: Path) -> int:
    """Fetch a report; return how many trials it has, 0 as long as there is none."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        path.write_bytes(answer.read())
    return len(data_of(path)["trials"]) if b'id="data"' in path.read_bytes() else 0


@pytest.mark.slow
def test_the_report_of_a_running_study_is_served_until_it_ends(tmp_path: Path) -> None:
    hold, printed = tmp_path / "shown.hold", tmp_path / "printed.txt"
    hold.write_text("2")
    options = ["--trials", "4", "--out", str(tmp_path), "--name", "shown", "--open-report"]
    command = [sys.executable, str(INJECTED), "staged", *options, "--no-verify"]
    with (
        printed.open("w") as out,
        running(command, stdout=out, stderr=subprocess.STDOUT, text=True) as process,
    ):
        wait_until(process, lambda: "http://" in printed.read_text())
        (url,) = re.findall(r"report   (http://127\.0\.0\.1:\d+/) ", printed.read_text())
        served = tmp_path / "served.html"
        wait_until(process, lambda: fetch(url, served) >= 2)
        assert data_of(served)["run"]["live"]
        hold.unlink()
        assert process.wait() == 0
    with pytest.raises(urllib.error.URLError):
        fetch(url, served)
    data = data_of(tmp_path / "shown" / "report.html")
    assert not data["run"]["live"]
    assert sum("seconds" in trial for trial in data["trials"]) == 4
