"""Checks of docs/cluster/kuberay.yaml: its keys, its token, and what its pods share."""

from __future__ import annotations

from collections.abc import Iterator

from cluster_checks import Config, image_mistakes, leaves, pinned_ray, shape_mistakes

TOKEN_VARIABLE = "RAY_AUTH_TOKEN"
ENVIRONMENT = leaves("name", "value") | {
    "valueFrom": {"secretKeyRef": leaves("name", "key")},
}
CONTAINER = {
    **leaves("name", "image"),
    "env": [ENVIRONMENT],
    "resources": {
        kind: leaves("cpu", "memory", "nvidia.com/gpu") for kind in ("requests", "limits")
    },
    "volumeMounts": [leaves("name", "mountPath")],
}
POD = {
    "automountServiceAccountToken": None,
    "securityContext": leaves("fsGroup", "fsGroupChangePolicy"),
    "tolerations": [leaves("key", "operator", "effect")],
    "containers": [CONTAINER],
    "volumes": [{"name": None, "persistentVolumeClaim": leaves("claimName")}],
}
HEAD = {
    "serviceType": None,
    "rayStartParams": leaves("num-cpus", "dashboard-host"),
    "template": {"spec": POD},
}
WORKERS = {
    **leaves("groupName", "replicas", "minReplicas", "maxReplicas"),
    "rayStartParams": {},
    "template": {"spec": POD},
}
SPECS = {
    "PersistentVolumeClaim": {
        **leaves("accessModes", "storageClassName"),
        "resources": {"requests": leaves("storage")},
    },
    "NetworkPolicy": {
        "podSelector": {"matchLabels": leaves("ray.io/cluster")},
        "policyTypes": None,
        "ingress": [{"from": [{"podSelector": {"matchLabels": leaves("ray.io/cluster")}}]}],
    },
    # Of ray-operator/apis/ray/v1/raycluster_types.go, what this file has a use for.
    "RayCluster": {
        **leaves("rayVersion", "enableInTreeAutoscaling"),
        "authOptions": leaves("mode", "secretName"),
        "autoscalerOptions": leaves("version", "idleTimeoutSeconds"),
        "headGroupSpec": HEAD,
        "workerGroupSpecs": [WORKERS],
    },
}
VERSIONS = {
    "PersistentVolumeClaim": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "RayCluster": "ray.io/v1",
}
Resources = dict[str, Config]


def mistakes(resources: Resources) -> Iterator[str]:
    """Yield a line for each mistake in the file's resources, given by their kinds."""
    for kind, resource in resources.items():
        if kind not in SPECS:
            yield f"a {kind} has no place here"
            continue
        if resource["apiVersion"] != VERSIONS[kind]:
            yield f"{kind} is of {resource['apiVersion']}"
        shape = {**leaves("apiVersion", "kind"), "metadata": leaves("name"), "spec": SPECS[kind]}
        yield from shape_mistakes(resource, shape, kind)
    for kind in SPECS.keys() - resources.keys():
        yield f"there is no {kind}"
    cluster = resources["RayCluster"]["spec"]
    yield from _cluster_mistakes(cluster)
    for group in groups(cluster):
        yield from _container_mistakes(group, cluster)
    yield from _sharing_mistakes(resources)


def groups(cluster: Config) -> list[Config]:
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def container(group: Config) -> Config:
    return group["template"]["spec"]["containers"][0]


def _cluster_mistakes(cluster: Config) -> Iterator[str]:
    if cluster.get("rayVersion") != pinned_ray():
        yield f"rayVersion is {cluster.get('rayVersion')}, constraints.txt pins {pinned_ray()}"
    if cluster.get("authOptions", {}).get("mode") != "token":
        yield "the operator gives no token to the autoscaler"
    if cluster.get("enableInTreeAutoscaling") is not True:
        yield "no worker would come or go"
    head = cluster["headGroupSpec"]
    if head["rayStartParams"].get("num-cpus") != "0":
        yield "trials would run on the head"
    if head["rayStartParams"].get("dashboard-host") != "127.0.0.1":
        yield "the dashboard is not kept to the head"
    if head.get("serviceType") != "ClusterIP":
        yield f"the head's service is of type {head.get('serviceType')}"


def _container_mistakes(group: Config, cluster: Config) -> Iterator[str]:
    ray = container(group)
    yield from image_mistakes(ray["image"], r"[\w.:/-]+/paretodiff")
    environment = {entry["name"]: entry for entry in ray["env"]}
    for name, value in (("RAY_AUTH_MODE", "token"), ("RAY_USAGE_STATS_ENABLED", "0")):
        if environment.get(name, {}).get("value") != value:
            yield f"{ray['name']} lacks {name}={value}"
    token = environment.get(TOKEN_VARIABLE, {})
    secret = {"name": cluster.get("authOptions", {}).get("secretName"), "key": "auth_token"}
    if "value" in token:
        yield f"the token of {ray['name']} is in the file"
    if token.get("valueFrom", {}).get("secretKeyRef") != secret:
        yield f"{ray['name']} takes its token from elsewhere than the operator"


def _sharing_mistakes(resources: Resources) -> Iterator[str]:
    claim = resources["PersistentVolumeClaim"]
    if claim["spec"].get("accessModes") != ["ReadWriteMany"]:
        yield "the shared folder is not for many pods to write to"
    all_groups = groups(resources["RayCluster"]["spec"])
    places = {mount for group in all_groups for mount in mounts(group, claim["metadata"]["name"])}
    if not all(list(mounts(group, claim["metadata"]["name"])) for group in all_groups):
        yield "a pod does not see the shared folder"
    if len(places) > 1:
        yield f"the shared folder is at {sorted(places)}"


def mounts(group: Config, claim: str) -> Iterator[str]:
    """Yield where a group's pods have a claim's folder."""
    named = {
        volume["name"]
        for volume in group["template"]["spec"].get("volumes", [])
        if volume["persistentVolumeClaim"]["claimName"] == claim
    }
    for mount in container(group).get("volumeMounts", []):
        if mount["name"] in named:
            yield mount["mountPath"]
