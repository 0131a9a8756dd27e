"""docs/cluster/kuberay.yaml is what KubeRay and Ray's autoscaler take; its token is elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from cluster_checks import ROOT, Config, image_mistakes, pinned_ray, unexplained
from kuberay_checks import TOKEN_VARIABLE, Resources, container, groups, mistakes, mounts
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)

from diffusion.data import DATA_DIR_VARIABLE

FILE = "docs/cluster/kuberay.yaml"


@pytest.fixture
def resources() -> Resources:
    documents = list(yaml.safe_load_all((ROOT / FILE).read_text()))
    by_kind = {document["kind"]: document for document in documents}
    assert len(by_kind) == len(documents), "a kind is there twice"
    return by_kind


def test_nothing_is_wrong(resources: Resources) -> None:
    assert list(mistakes(resources)) == []


def test_rays_autoscaler_makes_of_it_what_is_meant(resources: Resources) -> None:
    cluster = resources["RayCluster"]
    cluster["metadata"]["namespace"] = "default"  # as the operator hands it on
    config = _derive_autoscaling_config_from_ray_cr(cluster)
    head, workers = (config["available_node_types"][name] for name in ("headgroup", "gpu"))
    assert (head["resources"]["CPU"], head["resources"].get("GPU")) == (0, None)
    assert (workers["resources"]["CPU"], workers["resources"]["GPU"]) == (4, 1)
    assert (workers["min_workers"], workers["max_workers"]) == (1, 8)
    assert config["idle_timeout_minutes"] == 10


def test_only_the_clusters_pods_reach_its_pods(resources: Resources) -> None:
    policy = resources["NetworkPolicy"]["spec"]
    ours = {"matchLabels": {"ray.io/cluster": resources["RayCluster"]["metadata"]["name"]}}
    assert policy["podSelector"] == ours
    assert policy["ingress"] == [{"from": [{"podSelector": ours}]}]
    assert policy["policyTypes"] == ["Ingress"]


def test_data_lies_where_every_pod_sees_it(resources: Resources) -> None:
    for group in groups(resources["RayCluster"]["spec"]):
        environment = {entry["name"]: entry.get("value") for entry in container(group)["env"]}
        (shared,) = mounts(group, "paretodiff-shared")
        assert environment[DATA_DIR_VARIABLE] == f"{shared}/data"


def test_the_image_is_built_on_the_pinned_ray() -> None:
    text = (ROOT / "docs/cluster/Dockerfile").read_text()
    (base,) = re.findall(r"^FROM (\S+)$", text, re.MULTILINE)
    assert list(image_mistakes(base, "rayproject/ray")) == []
    assert 'pip install --no-cache-dir -c constraints.txt -e . "ray[default]"' in text


def test_every_value_to_fill_in_is_explained() -> None:
    assert unexplained(FILE, "docs/cluster/kubernetes.md") == []


def _head(resources: Resources) -> Config:
    return resources["RayCluster"]["spec"]["headGroupSpec"]


def _workers(resources: Resources) -> Config:
    return resources["RayCluster"]["spec"]["workerGroupSpecs"][0]


def _set_token(resources: Resources, **entry: Any) -> None:
    (token,) = (e for e in container(_workers(resources))["env"] if e["name"] == TOKEN_VARIABLE)
    token.pop("valueFrom")
    token.update(entry)


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (lambda r: r.update(Service={"spec": {"type": "NodePort"}}), "a Service has no place"),
        (lambda r: r.update(Secret={"stringData": {"auth_token": "x"}}), "a Secret has no place"),
        (lambda r: r.pop("NetworkPolicy"), "there is no NetworkPolicy"),
        (lambda r: r["RayCluster"].update(apiVersion="ray.io/v1alpha1"), "is of ray.io/v1alpha1"),
        (lambda r: r["RayCluster"]["spec"].update(rayVersion="2.9.3"), "rayVersion is 2.9.3"),
        (lambda r: r["RayCluster"]["spec"].pop("enableInTreeAutoscaling"), "come or go"),
        (
            lambda r: r["RayCluster"]["spec"]["authOptions"].update(mode="disabled"),
            "the operator gives no token",
        ),
        (lambda r: _head(r).update(serviceType="LoadBalancer"), "of type LoadBalancer"),
        (lambda r: _head(r).update(serviceType="NodePort"), "of type NodePort"),
        (lambda r: _head(r).update(enableIngress=True), "unknown key enableIngress"),
        (lambda r: _head(r)["rayStartParams"].pop("num-cpus"), "trials would run on the head"),
        (lambda r: _head(r)["rayStartParams"].pop("dashboard-host"), "is not kept to the head"),
        (lambda r: _workers(r).update(minReplica=1), "minReplica in RayCluster.spec.workerGroup"),
        (
            lambda r: _workers(r)["template"]["spec"].update(volume=[]),
            "unknown key volume in RayCluster.spec.workerGroupSpecs.template.spec",
        ),
        (lambda r: container(_workers(r)).update(image="a/paretodiff:latest"), "not name its Ray"),
        (
            lambda r: container(_head(r)).update(image="a/paretodiff:2.9.3-py311-gpu"),
            "image holds Ray 2.9.3",
        ),
        (
            lambda r: container(_head(r)).update(image=f"a/paretodiff:{pinned_ray()}-py311-gpu"),
            "is not named by its digest",
        ),
        (lambda r: container(_head(r))["env"].pop(0), "ray-head lacks RAY_AUTH_MODE=token"),
        (lambda r: _set_token(r, value="x"), "the token of ray-worker is in the file"),
        (lambda r: _set_token(r), "ray-worker takes its token from elsewhere"),
        (
            lambda r: r["PersistentVolumeClaim"]["spec"].update(accessModes=["ReadWriteOnce"]),
            "not for many pods",
        ),
        (lambda r: container(_workers(r)).pop("volumeMounts"), "does not see the shared folder"),
        (
            lambda r: container(_workers(r)).update(
                volumeMounts=[{"name": "shared", "mountPath": "/mnt/other"}]
            ),
            "the shared folder is at ['/mnt/other', '/mnt/shared']",
        ),
    ],
)
def test_a_broken_copy_is_refused(
    resources: Resources, break_it: Callable[[Resources], object], complaint: str
) -> None:
    break_it(resources)
    assert any(complaint in mistake for mistake in mistakes(resources))
