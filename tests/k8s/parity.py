"""Whether the manifests and the program mean the same: variables, files, ports, paths, flags, and back."""

import json
import re
import subprocess

from rendering import ROOT, SERVERS, containers, environment, files, is_writable, mounts, name, of_kind
from rendering import pod, selects, settings, template

WORKLOADS = SERVERS + ("Job",)


def faults(objects, pawl):
    told = configuration(pawl, {})
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            for fault in variables(objects, workload, container, pawl):
                yield f"{name(workload)}: {fault}"
    for server in of_kind(objects, *SERVERS):
        for fault in [*ports(objects, server, told), *probes(server, told), *ending(objects, server, pawl)]:
            yield f"{name(server)}: {fault}"
    yield from monitors(objects, told)
    yield from handbook(objects)
    yield from version(objects, pawl)


def configuration(pawl, variables_given):
    """What the program says of an environment, or a fault as text."""
    done = subprocess.run([pawl, "config", "--json"], env=variables_given, capture_output=True, text=True)
    if done.returncode:
        return " ".join(done.stderr.split())
    return json.loads(done.stdout)


def variables(objects, workload, container, pawl):
    given = environment(objects, container)
    for variable in set(given):
        if not variable.startswith("PAWL_"):
            yield f"{variable} is not read"
    told = configuration(pawl, given)
    if isinstance(told, str):
        yield told
        return
    known = told["variables"]
    for variable, value in given.items():
        if variable in known and known[variable]["value"] != value:
            yield f"{variable} is {value} here, and {known[variable]['value']} to the program"
    yield from places(workload, container, known, settings(objects, container))
    flags = subprocess.run([pawl, *container.get("args", []), "--help"], env={}, capture_output=True)
    if flags.returncode or "command" in container:
        yield f"the program knows no {' '.join(container.get('args', []))}"
    if workload["kind"] in SERVERS and "--no-first-start" not in container.get("args", []):
        yield "each replica would found a tenant"


def places(workload, container, known, given):
    """Files and folders that the program is told of are there, and nothing else is mounted."""
    serves = workload["kind"] in SERVERS
    there = files(workload, container)
    writable = {m["mountPath"] for m, v in mounts(workload, container) if is_writable(v) and not m.get("readOnly")}
    wanted, folders = set(), set()
    for variable, one in known.items():
        # A command that does not serve reads only what it is given.
        if not one["value"] or not (serves or variable in given):
            continue
        if one["kind"] in ("file", "files"):
            wanted |= set(one["value"].split(":"))
        if one["kind"] == "folder":
            folders.add(one["value"])
        if one["kind"] == "address" and not re.match(r"(0\.0\.0\.0|\[::\]):\d+$", one["value"]):
            yield f"{variable} is {one['value']}: nobody outside the pod reaches it"
    for path in wanted - there:
        yield f"no secret puts a file at {path}"
    for path in there - wanted:
        yield f"nothing reads {path}"
    for folder in folders:
        if not any(folder.startswith(path + "/") for path in writable):
            yield f"{folder} is on no writable volume"
    for path in writable:
        if not any(folder.startswith(path + "/") for folder in folders):
            yield f"nothing writes to {path}"
    if serves and not folders:
        yield "no folder is named"


def ports(objects, server, told):
    wanted = listens(objects, server, told)
    found = {p["name"]: p["containerPort"] for c in containers(server) for p in c.get("ports", [])}
    if found != wanted:
        yield f"the container's ports are {found}, the program's {wanted}"
    labels = template(server)["metadata"]["labels"]
    exposed = set()
    for service in of_kind(objects, "Service"):
        if not selects(service["spec"].get("selector"), labels):
            yield f"{name(service)} selects nothing"
        targets = [resolved(port.get("targetPort", port["port"]), wanted) for port in service["spec"]["ports"]]
        if len(targets) != 1 or targets[0] is None:
            yield f"{name(service)} does not lead to one port of the program"
        exposed |= set(targets)
        if service["spec"].get("type", "ClusterIP") != "ClusterIP":
            yield f"{name(service)} is reached from outside the cluster"
    if exposed != set(wanted):
        yield "not every port has a service"
    admitted = set()
    for policy in of_kind(objects, "NetworkPolicy"):
        for rule in policy["spec"].get("ingress") or []:
            admitted |= {resolved(port.get("port"), wanted) for port in rule.get("ports", [])}
    if admitted != set(wanted):
        yield f"the network admits to {sorted(map(str, admitted))}, the program listens on {wanted}"


def listens(objects, server, told):
    """The program's ports, by the environment that this server gives it: the rest of `told` is the same."""
    given = environment(objects, containers(server)[0])
    addresses = {"api": "PAWL_LISTEN", "health": "PAWL_HEALTH_LISTEN"}
    if set(addresses) != set(told["ports"]):
        return told["ports"]
    variable = lambda one: given.get(one, told["variables"][one]["default"])
    return {key: int(variable(one).rsplit(":", 1)[1]) for key, one in addresses.items()}


def resolved(port, wanted):
    """The name of the program's port that a name or a number means."""
    return next((key for key, number in wanted.items() if port in (key, number)), None)


def probes(server, told):
    wanted = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    for container in containers(server):
        numbers = {p["name"]: p["containerPort"] for p in container.get("ports", [])}
        for kind, path in wanted.items():
            get = container.get(kind, {}).get("httpGet", {})
            if get.get("path") != path or path not in told["health_paths"]:
                yield f"the {kind} does not ask {path}"
            if get.get("port") not in ("health", numbers.get("health")):
                yield f"the {kind} is not on the health port"
        for hook in container.get("lifecycle", {}):
            yield f"the image has nothing that a {hook} hook could run"


def ending(objects, server, pawl):
    told = configuration(pawl, environment(objects, containers(server)[0]))
    if isinstance(told, str):
        return
    pause = told["variables"].get("PAWL_DRAIN_PAUSE_SECONDS", {"value": "0"})["value"]
    if pod(server).get("terminationGracePeriodSeconds", 30) < int(pause) + told["drain_seconds"] + 5:
        yield "the grace period is shorter than the program's drain"


def monitors(objects, told):
    """Prometheus' own kinds have no schema here, so they are held to what is used of them."""
    found = of_kind(objects, "ServiceMonitor")
    paths = {"/livez", "/readyz"}
    for monitor in found:
        spec = monitor["spec"]
        if monitor["apiVersion"] != "monitoring.coreos.com/v1" or set(spec) != {"selector", "endpoints"}:
            yield f"{name(monitor)} is not of the known form"
            continue
        services = [one for one in of_kind(objects, "Service")
                    if selects(spec["selector"].get("matchLabels"), one["metadata"].get("labels", {}))]
        known = {port["name"] for one in services for port in one["spec"]["ports"]}
        for endpoint in spec["endpoints"]:
            if not set(endpoint) <= {"port", "path", "interval"} or endpoint.get("port") not in known:
                yield f"{name(monitor)} scrapes no port of a service"
            paths.add(endpoint.get("path"))
    if found and paths != set(told["health_paths"]):
        yield f"probes and monitors ask {sorted(map(str, paths))}, the program answers {told['health_paths']}"
    for rule in of_kind(objects, "PrometheusRule"):
        groups = rule["spec"].get("groups", [])
        rules = [one for group in groups for one in group.get("rules", [])]
        if rule["apiVersion"] != "monitoring.coreos.com/v1" or not rules or not all(
            one.get("expr") and ("alert" in one) != ("record" in one) for one in rules
        ):
            yield f"{name(rule)} is not of the known form"


def handbook(objects):
    """Each secret and file that a pod waits for is made by a command of the handbook."""
    text = (ROOT / "docs/kubernetes.md").read_text()
    for workload in of_kind(objects, *WORKLOADS):
        for volume in pod(workload).get("volumes", []):
            secret, settings = volume.get("secret"), volume.get("configMap")
            if not (secret or settings):
                continue
            what = f"secret generic {secret['secretName']}" if secret else f"configmap {settings['name']}"
            commands = [line for line in text.splitlines() if f"create {what} " in line]
            for item in (secret or settings).get("items") or [{"key": "…"}]:
                if not any(f"--from-file={item['key']}=" in line for line in commands):
                    yield f"docs/kubernetes.md makes no {what} with {item['key']}"


def version(objects, pawl):
    said = subprocess.run([pawl, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            if container["image"] != f"registry.example/pawl:{said}":
                yield f"{name(workload)}: the image is {container['image']}, the program {said}"
