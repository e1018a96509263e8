"""The checks checked: each change below makes the manifests wrong, and must be refused with these words."""

import copy

from rendering import SERVERS, containers, named, of_kind, pod


def server(objects):
    return of_kind(objects, *SERVERS)[0]


def first(objects):
    return containers(server(objects))[0]


def job(objects):
    return of_kind(objects, "Job")[0]


def variable(container, name):
    return next(one for one in container["env"] if one["name"] == name)


def volume(workload, name):
    return next(one for one in pod(workload)["volumes"] if one["name"] == name)


def policy(objects, name):
    return named(objects, "NetworkPolicy", name)["spec"]


def settings(objects, start):
    found = of_kind(objects, "ConfigMap")
    return next(one["data"] for one in found if one["metadata"]["name"].rsplit("-", 1)[0] == start)


def drop(holder, key):
    del holder[key]


def let_out(objects, cidr):
    policy(objects, "database")["egress"][0]["to"][0]["ipBlock"].update(cidr=cidr)


BOTH, EMBEDDED, HA = ("embedded", "ha"), ("embedded",), ("ha",)
ROTATION, TRACING = ("embedded rotation", "ha rotation"), ("embedded tracing", "ha tracing")

MUTANTS = [
    (BOTH, "runAsNonRot", lambda o: pod(server(o))["securityContext"].update(runAsNonRot=True), "runAsNonRot"),
    (BOTH, "root", lambda o: pod(server(o))["securityContext"].update(runAsUser=0), "securityContext"),
    (BOTH, "no seccomp", lambda o: drop(pod(server(o))["securityContext"], "seccompProfile"), "securityContext"),
    (BOTH, "a capability", lambda o: first(o)["securityContext"]["capabilities"].update(add=["NET_RAW"]),
     "securityContext"),
    (BOTH, "writable root", lambda o: first(o)["securityContext"].update(readOnlyRootFilesystem=False),
     "securityContext"),
    (BOTH, "an init container as it comes", lambda o: pod(server(o)).update(
        initContainers=[{"name": "x", "image": "registry.example/pawl:0.1.0"}]), "securityContext"),
    (BOTH, "host network", lambda o: pod(server(o)).update(hostNetwork=True), "hostNetwork"),
    (BOTH, "host path", lambda o: pod(server(o))["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
     "not allowed"),
    (BOTH, "a token", lambda o: pod(server(o)).update(automountServiceAccountToken=True), "token is mounted"),
    (BOTH, "the default account", lambda o: drop(pod(server(o)), "serviceAccountName"), "service account"),
    (BOTH, "service links", lambda o: drop(pod(server(o)), "enableServiceLinks"), "service links"),
    (BOTH, "no limits", lambda o: drop(first(o)["resources"], "limits"), "limits are missing"),
    (BOTH, "no version", lambda o: first(o).update(image="registry.example/pawl"), "no version"),
    (BOTH, "another version", lambda o: first(o).update(image="registry.example/pawl:0.0.9"), "the image is"),
    (BOTH, "baseline", lambda o: of_kind(o, "Namespace")[0]["metadata"]["labels"].update(
        {"pod-security.kubernetes.io/enforce": "baseline"}), "restricted pod security standard"),
    (BOTH, "a rendered secret", lambda o: o.append({"apiVersion": "v1", "kind": "Secret", "metadata": {
        "name": "x", "namespace": "pawl"}}), "a Secret is rendered"),
    (BOTH, "a secret in env", lambda o: first(o)["env"].append({"name": "PAWL_LOG", "valueFrom": {
        "secretKeyRef": {"name": "pawl-keys", "key": "kek"}}}), "comes from somewhere else"),
    (BOTH, "secrets as env", lambda o: first(o)["envFrom"].append({"secretRef": {"name": "pawl-keys"}}),
     "something else than a ConfigMap"),
    (BOTH, "a secret's mode", lambda o: volume(server(o), "keys")["secret"].update(defaultMode=0o444), "0400"),
    (BOTH, "a wrong port", lambda o: first(o)["ports"][0].update(containerPort=8082), "container's ports"),
    (BOTH, "another listener", lambda o: variable(first(o), "PAWL_LISTEN").update(value="0.0.0.0:9090"),
     "container's ports"),
    (BOTH, "loopback", lambda o: variable(first(o), "PAWL_LISTEN").update(value="127.0.0.1:8080"),
     "nobody outside"),
    (BOTH, "a service of the wrong port", lambda o: named(o, "Service", "pawl")["spec"]["ports"][0].update(
        targetPort=9090), "does not lead"),
    (BOTH, "health published with the API", lambda o: named(o, "Service", "pawl")["spec"]["ports"].append(
        {"name": "health", "port": 8081, "targetPort": "health"}), "does not lead"),
    (BOTH, "a load balancer", lambda o: named(o, "Service", "pawl")["spec"].update(type="LoadBalancer"),
     "outside the cluster"),
    (BOTH, "an unknown variable", lambda o: first(o)["env"].append({"name": "PAWL_LISTNE", "value": "x"}),
     "PAWL_LISTNE"),
    (BOTH, "a fault", lambda o: settings(o, "pawl").update(PAWL_BASE_URL="http://mfa.example"), "wants https"),
    (BOTH, "a variable of no use", lambda o: first(o)["env"].append({"name": "RUST_LOG", "value": "debug"}),
     "is not read"),
    (BOTH, "another key file", lambda o: variable(first(o), "PAWL_KEY_FILE").update(value="/etc/pawl/kek"),
     "no secret puts a file"),
    (BOTH, "no key file", lambda o: first(o)["env"].remove(variable(first(o), "PAWL_KEY_FILE")),
     "no secret puts a file"),
    (BOTH, "an unread file", lambda o: volume(server(o), "keys")["secret"]["items"].append(
        {"key": "x", "path": "x"}), "nothing reads"),
    (BOTH, "an unmade secret", lambda o: volume(server(o), "keys")["secret"].update(secretName="pawl-key"),
     "makes no secret"),
    (BOTH, "data on the root", lambda o: variable(first(o), "PAWL_DATA_DIR").update(value="/data"),
     "no writable volume"),
    (BOTH, "no readiness", lambda o: drop(first(o), "readinessProbe"), "readinessProbe"),
    (BOTH, "liveness by the database", lambda o: first(o)["livenessProbe"]["httpGet"].update(path="/readyz"),
     "livenessProbe"),
    (BOTH, "probes on the API", lambda o: first(o)["startupProbe"]["httpGet"].update(port="api"), "startupProbe"),
    (BOTH, "no time to drain", lambda o: pod(server(o)).update(terminationGracePeriodSeconds=20), "drain"),
    (BOTH, "a first start of each", lambda o: first(o).update(args=["serve"]), "found a tenant"),
    (BOTH, "an unknown flag", lambda o: first(o)["args"].append("--no-such"), "knows no"),
    (BOTH, "no default deny", lambda o: policy(o, "deny").update(policyTypes=["Ingress"]), "denied by default"),
    (BOTH, "everybody calls", lambda o: drop(policy(o, "api")["ingress"][0], "from"), "anybody"),
    (BOTH, "every namespace calls", lambda o: policy(o, "api")["ingress"][0]["from"][0].update(
        namespaceSelector={}), "anybody"),
    (BOTH, "an unnamed port", lambda o: drop(policy(o, "api")["ingress"][0], "ports"), "any port"),
    (BOTH, "a kind of workload nobody knows", lambda o: o.append({**copy.deepcopy(server(o)),
        "kind": "DaemonSet"}), "nobody decided"),
    (BOTH, "another path of metrics", lambda o: of_kind(o, "ServiceMonitor")[0]["spec"]["endpoints"][0].update(
        path="/metric"), "probes and monitors ask"),
    (BOTH, "metrics of no port", lambda o: of_kind(o, "ServiceMonitor")[0]["spec"]["endpoints"][0].update(
        port="metrics"), "scrapes no port"),
    (BOTH, "metrics of no service", lambda o: of_kind(o, "ServiceMonitor")[0]["spec"]["selector"].update(
        matchLabels={"app.kubernetes.io/name": "paul"}), "scrapes no port"),
    (EMBEDDED, "two replicas", lambda o: server(o)["spec"].update(replicas=2), "exactly one replica"),
    (EMBEDDED, "replicas by default", lambda o: drop(server(o)["spec"], "replicas"), "exactly one replica"),
    (EMBEDDED, "a shared volume", lambda o: of_kind(o, "PersistentVolumeClaim")[0]["spec"].update(
        accessModes=["ReadWriteMany"]), "ReadWriteOnce"),
    (EMBEDDED, "a database each", lambda o: server(o)["spec"].update(volumeClaimTemplates=[]), "of its own"),
    (EMBEDDED, "a database elsewhere", lambda o: settings(o, "pawl").update(
        PAWL_DATABASE_URL="postgres://pawl@db.example/pawl"), "elsewhere"),
    (EMBEDDED, "egress", lambda o: policy(o, "deny").update(egress=[{}]), "reach nothing"),
    (HA, "two replicas only", lambda o: server(o)["spec"].update(replicas=2), "three replicas"),
    (HA, "a gap", lambda o: server(o)["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable=1), "one by one"),
    (HA, "no budget", lambda o: o.remove(of_kind(o, "PodDisruptionBudget")[0]), "disruption budget"),
    (HA, "no spread", lambda o: drop(pod(server(o)), "topologySpreadConstraints"), "not spread"),
    (HA, "no migration", lambda o: o.remove(job(o)), "one Job"),
    (HA, "the owner serves", lambda o: settings(o, "pawl").update(
        PAWL_DATABASE_URL="postgres://pawl_owner@db.example/pawl"), "role of their own"),
    (HA, "the owner's secret serves", lambda o: volume(server(o), "database")["secret"].update(
        secretName="pawl-database-owner"), "three secrets"),
    (HA, "one account", lambda o: pod(job(o)).update(serviceAccountName="pawl"), "share an account"),
    (HA, "a password in the URL", lambda o: settings(o, "pawl").update(
        PAWL_DATABASE_URL="postgres://pawl:x@db.example/pawl"), "holds a password"),
    *((HA, f"PostgreSQL in {cidr}", lambda o, cidr=cidr: let_out(o, cidr), "anybody") for cidr in (
        "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/7", "::/0", "2000::/3", "db.example")),
    (HA, "no way to PostgreSQL", lambda o: o.remove(named(o, "NetworkPolicy", "database")), "reach port 5432"),
    (HA, "no way to names", lambda o: o.remove(named(o, "NetworkPolicy", "names")), "reach port 53"),
    (HA, "another port of PostgreSQL", lambda o: settings(o, "pawl").update(
        PAWL_DATABASE_URL="postgres://pawl@db.example:6432/pawl"), "reach port 6432"),
    (HA, "egress elsewhere", lambda o: policy(o, "database")["egress"][0]["ports"][0].update(port=443),
     "something else"),
    (HA, "a Job without a base URL", lambda o: containers(job(o))[0]["envFrom"].pop(0), "PAWL_BASE_URL"),
    (HA, "requests to the Job", lambda o: [drop(s["spec"]["selector"], "app.kubernetes.io/component")
                                           for s in of_kind(o, "Service")], "to the Job"),
    (ROTATION, "one key only", lambda o: volume(server(o), "keys")["secret"]["items"].pop(),
     "no secret puts a file"),
    (ROTATION, "a key that is not told of", lambda o: first(o)["env"].remove(
        variable(first(o), "PAWL_OTHER_KEY_FILES")), "nothing reads"),
    (ROTATION, "another key that others read", lambda o: volume(server(o), "keys")["secret"]["items"][1].update(
        mode=0o444), "0400"),
    (ROTATION, "an unmade key", lambda o: volume(server(o), "keys")["secret"]["items"][1].update(key="kek-2"),
     "makes no secret"),
    (TRACING, "a collector anywhere", lambda o: drop(policy(o, "traces")["egress"][0], "to"), "anybody"),
    (TRACING, "a collector in half of the internet", lambda o: policy(o, "traces")["egress"][0].update(
        to=[{"ipBlock": {"cidr": "128.0.0.0/1"}}]), "anybody"),
    (TRACING, "a collector in every namespace", lambda o: policy(o, "traces")["egress"][0]["to"][0].update(
        namespaceSelector={}), "anybody"),
    (TRACING, "no way to the collector", lambda o: o.remove(named(o, "NetworkPolicy", "traces")),
     "reach port 4318"),
    (TRACING, "a way for other pods", lambda o: policy(o, "traces").update(
        podSelector={"matchLabels": {"app.kubernetes.io/name": "paul"}}), "reach port 4318"),
    (TRACING, "another port", lambda o: policy(o, "traces")["egress"][0]["ports"][0].update(port=4317),
     "what the settings name"),
    (TRACING, "a way without a collector", lambda o: drop(settings(o, "pawl"), "PAWL_OTLP_ENDPOINT"),
     "traces: "),
    (TRACING, "https without an authority", lambda o: settings(o, "pawl").update(
        PAWL_OTLP_ENDPOINT="https://opentelemetry-collector.observability:4318"), "PAWL_OTLP_CA_FILE"),
]


def survivors(rendered, faults):
    """The changes that were not refused, each with what was said instead."""
    for overlays, what, change, words in MUTANTS:
        for overlay in overlays:
            changed = copy.deepcopy(rendered[overlay])
            change(changed)
            said = list(faults(changed, overlay))
            if not any(words in fault for fault in said):
                yield f"{overlay}: {what}: wanted {words!r}, got {said}"
