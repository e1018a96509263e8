"""Holds the Kubernetes manifests: to the schemas of three versions, to what they must be, to the program.

check.py KUBECTL PAWL [CHECKOV]
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

import container
import mutants
import parity
import policy
import rendering
import rotation
import workload

VERSIONS = ("1.25", "1.33", "1.37")
OVERLAYS = ("embedded", "ha")
# What stands beside an overlay, by the word that is put after its name.
BESIDE = {
    "": ("monitoring",),
    " alone": (),
    " rotation": ("rotation",),
    " tracing": ("tracing",),
    " all": ("monitoring", "rotation", "tracing"),
}
# Kinds of the Prometheus Operator, whose schemas Kubernetes does not have: `parity.monitors` looks at them.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}
# A digest is what the operator pins, once there is an image; and a version that is pinned needs no pull.
ACCEPTED = "CKV_K8S_43,CKV_K8S_15"


def schemas(objects):
    for one in objects:
        if one["kind"] in FOREIGN:
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{rendering.name(one)}: Kubernetes {version}: {error.message}"


def listed():
    """Whatever is in a component's folder is rendered, and each component is among those that are looked at."""
    for folder in sorted({path.parent for path in (rendering.ROOT / "k8s").glob("*/kustomization.yaml")}):
        known = yaml.safe_load((folder / "kustomization.yaml").read_text())
        named = [*known.get("resources", []), *(one["path"] for one in known.get("patches", []))]
        for path in sorted(folder.glob("*.yaml")):
            if path.name not in [*named, "kustomization.yaml"]:
                yield f"{path.name} is not listed in k8s/{folder.name}/kustomization.yaml"
        if folder.name not in ("base", "pod", *BESIDE[" all"]):
            yield f"nobody looks at k8s/{folder.name}"


def linted(checkov, objects):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "rendered.yaml"
        path.write_text(yaml.safe_dump_all(objects))
        flags = ["--framework", "kubernetes", "--skip-download", "--compact", "--quiet", "--skip-check", ACCEPTED]
        done = subprocess.run([checkov, "-f", path, *flags], stdout=subprocess.PIPE, text=True)
    return [done.stdout] if done.returncode else []


def main(kubectl, pawl, checkov=None):
    pawl = os.path.abspath(pawl)
    rendered = {overlay + word: rendering.render(kubectl, overlay, *components)
                for overlay in OVERLAYS for word, components in BESIDE.items()}

    def faults(objects, which):
        yield from schemas(objects)
        yield from policy.faults(objects, which.split()[0])
        yield from parity.faults(objects, pawl)

    said = [f"{which}: {fault}" for which, objects in rendered.items() for fault in faults(objects, which)]
    for overlay in OVERLAYS:
        objects = workload.rendered(kubectl, overlay)
        found = [*schemas(objects), *policy.faults(objects, overlay), *workload.faults(objects)]
        said += [f"{overlay} with the cluster's keys: {fault}" for fault in found]
    if checkov:
        said += [fault for overlay in OVERLAYS for fault in linted(checkov, rendered[f"{overlay} all"])]
    said += [*listed(), *container.faults(rendered["embedded"], pawl)]
    said += rotation.faults(rendered["embedded"], rendered["embedded rotation"], pawl)
    if not said:
        said += container.survivors(rendered["embedded"], pawl)
        survivors = list(mutants.survivors(rendered, faults))
        said += [f"not refused: {survivor}" for survivor in survivors]
        print(f"{sum(len(one[0]) for one in mutants.MUTANTS) - len(survivors)} wrong manifests refused")
    for fault in said:
        print(fault)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
