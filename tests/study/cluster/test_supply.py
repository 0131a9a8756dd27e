"""Data and extractor reach workers through Ray's object store, of which a node has one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from written_data import write_folder

STUDY_TESTS = Path(__file__).parent.parent

# A cluster of a head and another node. The data is read by the driver and gone when workers of
# both nodes ask for it, through Ray's tasks as a verification's do.
CLUSTER = """
import json, shutil, sys
from dataclasses import replace
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from small_run import SETTINGS
from study.cluster.resources import Resources
from study.cluster.session import ray_session
from study.cluster.supply import supplied
from study.cluster.tasks import run_tasks
from study.evaluation.context import RunContext

folder = Path(sys.argv[1]) / "images"
settings = replace(SETTINGS, dataset=f"folder:{folder}")
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
context = RunContext.of(folder.parent / "run", settings)
fingerprint = context.load()[0].config().fingerprint

def look(number):
    references = context.references()
    images = references.dataset.train_images
    again = context.load()[0].train_images
    return (
        ray.get_runtime_context().get_node_id(),
        references.dataset.config().fingerprint == fingerprint,
        references.extractor.sha256 == settings.extractor_sha256,
        images.data_ptr() == again.data_ptr(),
    )

with ray_session(cluster.address, insecure=True):
    context = supplied(context)
    shutil.rmtree(folder)
    found = [outcome for _, outcome in run_tasks(look, range(8), Resources(1, 0, 2))]
cluster.shutdown()
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_of_every_node_have_the_data_that_only_the_driver_read(tmp_path: Path) -> None:
    write_folder(tmp_path / "images", count=60, size=(28, 28))
    done = subprocess.run(
        [sys.executable, "-c", CLUSTER, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(STUDY_TESTS), *sys.path])},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len({node for node, *_ in found}) == 2
    # The last: two readings have the same memory, which is the store's and no copy.
    assert [checks for _, *checks in found] == [[True, True, True]] * 8
