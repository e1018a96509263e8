"""The kustomization that docs/kubernetes.md gives for consoles in the same cluster, over each overlay."""

import re

import yaml

import rendering

SECTION = r"## Consoles in the same cluster\n(.*?)\n## "


def rendered(kubectl, overlay):
    handbook = (rendering.ROOT / "docs" / "kubernetes.md").read_text()
    [section] = re.findall(SECTION, handbook, re.S)
    [given] = [text for text in re.findall(r"```yaml\n(.*?)```", section, re.S) if "configMapGenerator" in text]
    return rendering.render(kubectl, overlay, more=yaml.safe_load(given))


def faults(objects):
    """The file that the program is told of lies in the folder of a configuration map."""
    for server in rendering.of_kind(objects, *rendering.SERVERS):
        for container in rendering.containers(server):
            told = rendering.settings(objects, container).get("PAWL_WORKLOAD_JWKS_FILE", "")
            mounted = [m for m, volume in rendering.mounts(server, container) if "configMap" in volume]
            whole = [m["mountPath"] for m in mounted if "subPath" not in m]
            if told.rpartition("/")[0] not in whole:
                yield f"{rendering.name(server)}: nothing brings {told or 'the keys of the cluster'}"
