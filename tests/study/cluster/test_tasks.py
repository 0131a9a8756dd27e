"""Tasks beside trials, in real workers: what comes back of each."""

import json
import subprocess
import sys

import pytest

# Runs tasks that succeed, raise or die, then some that are late; prints what came back.
TASKS = """
import json, os, signal
from study.cluster.resources import Resources
from study.cluster.session import ray_session
from study.cluster.tasks import run_tasks

def work(item):
    if item == 1:
        raise KeyError("one")
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item

with ray_session(None):
    resources = Resources(1, 0, 2)
    found = {
        item: type(result).__name__ if isinstance(result, Exception) else result
        for item, result in run_tasks(work, [3, 1, 2, 4], resources)
    }
    late = list(run_tasks(work, [5], resources, lambda: True))
print(json.dumps([found, late]))
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_each_task_gives_its_result_or_its_error_and_none_starts_late() -> None:
    out = subprocess.run([sys.executable, "-c", TASKS], stdout=subprocess.PIPE, check=True)
    found, late = json.loads(out.stdout.splitlines()[-1])
    assert found == {"3": 9, "1": "KeyError", "2": "WorkerCrashedError", "4": 16}
    assert late == []
