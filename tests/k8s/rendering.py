"""The manifests as `kubectl kustomize` renders them, and how to find one's way in them."""

import os
import pathlib
import re
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVERS = ("Deployment", "StatefulSet")
WORKLOADS = SERVERS + ("Job", "DaemonSet", "ReplicaSet", "CronJob", "Pod")


def render(kubectl, overlay, *components, more=None):
    """The objects of an overlay, with components beside it as docs/kubernetes.md has an operator do it."""
    with tempfile.TemporaryDirectory() as folder:
        folder = os.path.realpath(folder)
        inside = lambda path: os.path.relpath(ROOT / "k8s" / path, folder)
        kustomization = {
            "resources": [inside(f"overlays/{overlay}")],
            "components": [inside(path) for path in components],
            **(more or {}),
        }
        (pathlib.Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        done = subprocess.run([kubectl, "kustomize", folder], check=True, stdout=subprocess.PIPE)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def of_kind(objects, *kinds):
    return [one for one in objects if one["kind"] in kinds]


def name(one):
    return f"{one['kind']} {one['metadata']['name']}"


def named(objects, kind, wanted):
    return next((one for one in of_kind(objects, kind) if one["metadata"]["name"] == wanted), None)


def template(workload):
    return workload["spec"]["template"]


def pod(workload):
    return template(workload)["spec"]


def containers(workload):
    spec = pod(workload)
    return [c for key in ("initContainers", "containers", "ephemeralContainers") for c in spec.get(key, [])]


def environment(objects, container):
    """What the container finds in its environment: the image's too."""
    image = (ROOT / "Dockerfile").read_text()
    found = {one: value.strip('"') for one, value in re.findall(r"^(?:ENV)? +(PAWL_\w+)=(\S*)", image, re.M)}
    return {**found, **settings(objects, container)}


def settings(objects, container):
    """What the manifests set, by configuration maps or by themselves."""
    found = {}
    for source in container.get("envFrom", []):
        there = named(objects, "ConfigMap", source.get("configMapRef", {}).get("name"))
        found.update(there["data"] if there else {})
    found.update({one["name"]: one.get("value", "") for one in container.get("env", [])})
    return found


def mounts(workload, container):
    """Each mount with its volume."""
    volumes = {volume["name"]: volume for volume in pod(workload).get("volumes", [])}
    return [(mount, volumes.get(mount["name"], {})) for mount in container.get("volumeMounts", [])]


def is_writable(volume):
    return "emptyDir" in volume or "persistentVolumeClaim" in volume


def files(workload, container):
    """The paths of the files that secrets and configuration maps put into the container."""
    found = set()
    for mount, volume in mounts(workload, container):
        source = volume.get("secret") or volume.get("configMap") or {}
        found |= {f"{mount['mountPath']}/{item['path']}" for item in source.get("items", [])}
    return found


def selects(selector, labels):
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
