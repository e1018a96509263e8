"""What the manifests must be, whatever the program is: each fault is a line."""

import ipaddress
import re
from urllib.parse import urlsplit

from rendering import SERVERS, WORKLOADS, containers, environment, files, mounts, name, named, of_kind
from rendering import pod, selects, template

VOLUMES = {"secret", "configMap", "emptyDir", "persistentVolumeClaim"}
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "fsGroup": 65532,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|KEY|CREDENTIAL")
PASSWORD_IN_URL = re.compile(r"://[^/@]*:[^/@]*@")
# The widest block of addresses by the version of IP: a whole private network, and what a provider gets.
WIDEST = {4: 8, 6: 32}


def faults(objects, overlay):
    yield from namespace(objects)
    if of_kind(objects, "Secret"):
        yield "a Secret is rendered: its values would be in the repository"
    for workload in of_kind(objects, *WORKLOADS):
        if workload["kind"] not in SERVERS + ("Job",):
            yield f"{name(workload)}: nobody decided what this kind must be"
            continue
        for fault in [*restricted(workload), *account(objects, workload), *secrets(objects, workload)]:
            yield f"{name(workload)}: {fault}"
    yield from network(objects)
    yield from {"embedded": embedded, "ha": available}[overlay](objects)


def namespace(objects):
    spaces = of_kind(objects, "Namespace")
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    if len(spaces) != 1 or not selects(levels, spaces[0]["metadata"].get("labels", {})):
        yield "the namespace does not enforce the restricted pod security standard"
    for one in objects:
        if one["kind"] != "Namespace" and one["metadata"].get("namespace") != "pawl":
            yield f"{name(one)} is not in the namespace"


def restricted(workload):
    spec = pod(workload)
    for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        if spec.get(key):
            yield f"{key} is set"
    if spec.get("securityContext") != POD_SECURITY:
        yield "the pod's securityContext is not the restricted one"
    if spec.get("enableServiceLinks") is not False:
        yield "service links would set PAWL_… variables that Pawl does not know"
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES or len(kinds) != 1:
            yield f"the volume {volume['name']} is of a kind that is not allowed"
    for container in containers(workload):
        if container.get("securityContext") != CONTAINER_SECURITY:
            yield "a container's securityContext is not the restricted one"
        if any("hostPort" in port or "hostIP" in port for port in container.get("ports", [])):
            yield "a port of the host is taken"
        resources = container.get("resources", {})
        for what in ("requests", "limits"):
            if not {"cpu", "memory"} <= set(resources.get(what, {})):
                yield f"a container's {what} are missing"
        if not re.fullmatch(r"[^:@]+(:(?!latest$)[\w.-]+)?(@sha256:[0-9a-f]{64})?", container["image"]) or not (
            re.search("[:@]", container["image"])
        ):
            yield f"the image {container['image']} has no version"


def account(objects, workload):
    spec = pod(workload)
    there = named(objects, "ServiceAccount", spec.get("serviceAccountName"))
    if there is None or there.get("automountServiceAccountToken") is not False:
        yield "there is no service account of its own without a token"
    if spec.get("automountServiceAccountToken") is not False:
        yield "the service account's token is mounted"


def secrets(objects, workload):
    for container in containers(workload):
        if any(set(source) != {"configMapRef"} for source in container.get("envFrom", [])):
            yield "the environment comes from something else than a ConfigMap"
        if any("valueFrom" in one for one in container.get("env", [])):
            yield "a variable comes from somewhere else"
        for variable, value in environment(objects, container).items():
            if SECRET_NAME.search(variable) and not variable.endswith(("_FILE", "_FILES")):
                yield f"{variable} looks like a secret in the environment"
            if PASSWORD_IN_URL.search(value):
                yield f"{variable} holds a password"
        for mount, volume in mounts(workload, container):
            if not volume:
                yield f"the volume {mount['name']} is missing"
            if ("secret" in volume or "configMap" in volume) and not mount.get("readOnly"):
                yield f"{mount['mountPath']} is not mounted read-only"
            if "subPath" in mount or "subPathExpr" in mount:
                yield f"{mount['mountPath']} would not follow a changed secret"
    for volume in pod(workload).get("volumes", []):
        if "secret" in volume and volume["secret"].get("defaultMode") != 0o400:
            yield f"the files of {volume['name']} are not of mode 0400"
        if any(item.get("mode", 0o400) != 0o400 for item in volume.get("secret", {}).get("items", [])):
            yield f"a file of {volume['name']} is not of mode 0400"


def network(objects):
    policies = of_kind(objects, "NetworkPolicy")
    both = ["Egress", "Ingress"]
    if not any(sorted(p["spec"].get("policyTypes", [])) == both and p["spec"]["podSelector"] == {}
               and not p["spec"].get("ingress") and not p["spec"].get("egress") for p in policies):
        yield "nothing is denied by default"
    ways = [(name(p), way, rule) for p in policies for way in ("ingress", "egress")
            for rule in p["spec"].get(way) or []]
    for policy, way, rule in ways:
        peers = rule.get("from" if way == "ingress" else "to") or [{}]
        ports = rule.get("ports") or [{}]
        if not all(is_narrow(peer, way) for peer in peers):
            yield f"{policy}: {way} from or to anybody"
        if any("endPort" in port for port in ports) or not all("port" in port for port in ports):
            yield f"{policy}: {way} by any port"
    yield from egress(objects, policies)


def egress(objects, policies):
    """The network lets out to what the settings name, and to nothing else."""
    wanted = set().union(*(reached(objects, one) for one in of_kind(objects, *WORKLOADS)))
    for policy in policies:
        ports = leads(policy)
        if ports and not wanted:
            yield f"{name(policy)}: the installation needs to reach nothing"
        elif not ports <= wanted:
            yield f"{name(policy)}: egress to something else than what the settings name"
    for workload in of_kind(objects, *WORKLOADS):
        labels = template(workload)["metadata"]["labels"]
        there = set().union(*(leads(p) for p in policies
                              if selects(p["spec"]["podSelector"].get("matchLabels"), labels)))
        for port in reached(objects, workload) - there:
            yield f"{name(workload)}: no policy lets it reach port {port}, which its settings want"


def leads(policy):
    return {port.get("port") for rule in policy["spec"].get("egress") or [] for port in rule.get("ports") or [{}]}


def reached(objects, workload):
    """The ports that a workload's settings have it reach; a Job traces nothing."""
    found = set()
    for container in containers(workload):
        given = environment(objects, container)
        database, collector = given.get("PAWL_DATABASE_URL"), given.get("PAWL_OTLP_ENDPOINT")
        if database:
            found.add(urlsplit(database).port or 5432)
        if collector and workload["kind"] in SERVERS:
            found.add(urlsplit(collector).port or {"http": 80, "https": 443}[urlsplit(collector).scheme])
    return found | {53} if found else found


def is_narrow(peer, way):
    block = peer.get("ipBlock", {}).get("cidr", "")
    if way == "egress" and block:
        try:
            addresses = ipaddress.ip_network(block)
        except ValueError:
            return False
        return addresses.prefixlen >= WIDEST[addresses.version]
    labels = [peer.get(key, {}).get("matchLabels") for key in ("namespaceSelector", "podSelector")]
    return all(labels)


def embedded(objects):
    servers = of_kind(objects, *SERVERS)
    if [one["kind"] for one in servers] != ["StatefulSet"] or servers[0]["spec"].get("replicas") != 1:
        yield "SQLite is served by exactly one replica of a StatefulSet"
    if of_kind(objects, "HorizontalPodAutoscaler"):
        yield "SQLite does not scale"
    if any(environment(objects, one).get("PAWL_DATABASE_URL") for server in servers for one in containers(server)):
        yield "the database is elsewhere than on the volume"
    if any("volumeClaimTemplates" in one["spec"] for one in servers):
        yield "a second replica would get a database of its own"
    claims = of_kind(objects, "PersistentVolumeClaim")
    if [one["spec"].get("accessModes") for one in claims] != [["ReadWriteOnce"]]:
        yield "there is not one volume, ReadWriteOnce"
    named_claims = {v["persistentVolumeClaim"]["claimName"] for one in servers
                    for v in pod(one)["volumes"] if "persistentVolumeClaim" in v}
    if named_claims != {one["metadata"]["name"] for one in claims}:
        yield "the server does not use the volume"


def available(objects):
    servers, jobs = of_kind(objects, *SERVERS), of_kind(objects, "Job")
    if [one["kind"] for one in servers] != ["Deployment"] or len(jobs) != 1:
        yield "there is not one Deployment and one Job"
        return
    server, job = servers[0], jobs[0]
    labels = template(server)["metadata"]["labels"]
    spec = server["spec"]
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    if spec.get("replicas") != 3 or spec.get("strategy") != rolling:
        yield "there are not three replicas that are replaced one by one"
    spread = {one["topologyKey"] for one in pod(server).get("topologySpreadConstraints", [])
              if selects(one["labelSelector"]["matchLabels"], labels)}
    if not {"kubernetes.io/hostname", "topology.kubernetes.io/zone"} <= spread:
        yield "replicas are not spread over nodes and zones"
    budgets = [one["spec"] for one in of_kind(objects, "PodDisruptionBudget")]
    if [b.get("maxUnavailable") for b in budgets if selects(b["selector"]["matchLabels"], labels)] != [1]:
        yield "no disruption budget keeps two replicas"
    yield from migration(objects, server, job)


def migration(objects, server, job):
    said = [environment(objects, containers(one)[0]) for one in (server, job)]
    role = [re.match(r"postgres://([a-z0-9_]+)@", one.get("PAWL_DATABASE_URL", "")) for one in said]
    if not all(role) or role[0][1] == role[1][1]:
        yield "the Job and the servers must each have a role of their own"
    elif said[1].get("PAWL_DATABASE_SERVING_ROLE") != role[0][1]:
        yield "the Job does not let the servers' role serve"
    held = [{v["secret"]["secretName"] for v in pod(one)["volumes"] if "secret" in v} for one in (server, job)]
    if held[0] & held[1] or len(held[0]) != 2 or len(held[1]) != 1:
        yield "keys, the servers' password and the owner's are not three secrets"
    if any("kek" in path for path in files(job, containers(job)[0])):
        yield "the Job needs no key"
    if pod(job).get("serviceAccountName") == pod(server).get("serviceAccountName"):
        yield "the Job and the servers share an account"
    if any(selects(one["spec"].get("selector"), template(job)["metadata"]["labels"])
           for one in of_kind(objects, "Service")):
        yield "a service sends requests to the Job"
