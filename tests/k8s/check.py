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

VERSIONS = ("1.25", "1.33", "1.37")
OVERLAYS = ("embedded", "ha")
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
    """Whatever is under k8s/monitoring is rendered."""
    folder = rendering.ROOT / "k8s/monitoring"
    known = yaml.safe_load((folder / "kustomization.yaml").read_text())
    for path in sorted(folder.glob("*.yaml")):
        if path.name not in [*known["resources"], "kustomization.yaml"]:
            yield f"{path.name} is not listed in k8s/monitoring/kustomization.yaml"


def linted(checkov, objects):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "rendered.yaml"
        path.write_text(yaml.safe_dump_all(objects))
        flags = ["--framework", "kubernetes", "--skip-download", "--compact", "--quiet", "--skip-check", ACCEPTED]
        done = subprocess.run([checkov, "-f", path, *flags], stdout=subprocess.PIPE, text=True)
    return [done.stdout] if done.returncode else []


def main(kubectl, pawl, checkov=None):
    pawl = os.path.abspath(pawl)
    plain = {overlay: rendering.render(kubectl, overlay) for overlay in OVERLAYS}
    rendered = {overlay: rendering.render(kubectl, overlay, "monitoring") for overlay in OVERLAYS}

    def faults(objects, overlay):
        yield from schemas(objects)
        yield from policy.faults(objects, overlay)
        yield from parity.faults(objects, pawl)

    said = [f"{overlay}: {fault}" for overlay in OVERLAYS for fault in faults(rendered[overlay], overlay)]
    said += [f"{overlay}, unwatched: {fault}" for overlay in OVERLAYS for fault in faults(plain[overlay], overlay)]
    if checkov:
        said += [fault for overlay in OVERLAYS for fault in linted(checkov, rendered[overlay])]
    said += [*listed(), *container.faults(rendered["embedded"], pawl)]
    if not said:
        refused = list(container.faults(rendered["embedded"], pawl, mode=0o444))
        if not any("others may read" in fault for fault in refused):
            said.append(f"a key file that everybody reads was taken: {refused}")
        survivors = list(mutants.survivors(rendered, faults))
        said += [f"not refused: {survivor}" for survivor in survivors]
        print(f"{sum(len(one[0]) for one in mutants.MUTANTS) - len(survivors)} wrong manifests refused")
    for fault in said:
        print(fault)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
