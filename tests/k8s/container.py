"""The server of the embedded overlay as a process: its environment, flags and files as the kubelet lays them out.

As root it runs as the pod's user, with the key as a secret's file is there: root's, 0440, of the pod's group.
"""

import contextlib
import copy
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request

from rendering import SERVERS, containers, environment, files, is_writable, mounts, of_kind, pod

IS_ROOT = os.getuid() == 0
# Without root a file cannot be another's: then the key is the process' own, and the group's part is not tried.
MEANT = 0o440 if IS_ROOT else 0o400
WRONG_MODES = (0o444, 0o460, 0o640) if IS_ROOT else (0o404, 0o440, 0o640)
FOREIGN_GROUP = 65533


class Pod:
    """A pod's files under a folder, and its user."""

    def __init__(self, pawl, folder):
        self.folder = pathlib.Path(folder)
        os.chmod(folder, 0o755)
        self.program = self.folder / "pawl"
        shutil.copy(pawl, self.program)
        os.chmod(self.program, 0o755)

    def key(self, name):
        """A new key-encryption key."""
        path = self.folder / name
        subprocess.run([self.program, "keyfile", path], check=True, env={})
        return path

    def lay_out(self, objects, secret, mode=MEANT):
        """Makes the files anew, those of secrets from the paths in `secret`, and the volumes that are not there."""
        self.server = of_kind(objects, *SERVERS)[0]
        self.container = containers(self.server)[0]
        self.security = pod(self.server)["securityContext"]
        paths = [self.folder / path.lstrip("/") for path in files(self.server, self.container)]
        for place in {path.parent for path in paths}:
            shutil.rmtree(place, ignore_errors=True)
            # A secret's file is a link to a link, which the kubelet turns when the secret changes.
            (place / "..2026").mkdir(parents=True)
            (place / "..data").symlink_to("..2026")
        for path in paths:
            data = path.parent / "..2026" / path.name
            shutil.copy(secret[path.name], data)
            path.symlink_to(f"..data/{path.name}")
            self.as_secret(data, mode)
            self.is_laid_out(path, mode)
        for mount, volume in mounts(self.server, self.container):
            place = self.folder / mount["mountPath"].lstrip("/")
            if is_writable(volume) and not place.exists():
                place.mkdir(parents=True)
                if IS_ROOT:
                    os.chown(place, 0, self.security["fsGroup"])
                os.chmod(place, 0o2775)
        self.environment = self.moved(environment(objects, self.container))

    def moved(self, environ):
        """The environment, with paths under the folder, ports that are free, and no pause for load balancers."""
        moved = {key: str(self.folder) + value if value.startswith("/") else value for key, value in environ.items()}
        free = {key: value.rsplit(":", 1)[0] + ":0" for key, value in moved.items() if key.endswith("_LISTEN")}
        return {**moved, **free, "PAWL_DRAIN_PAUSE_SECONDS": "0"}

    def as_secret(self, path, mode):
        if IS_ROOT:
            os.chown(path, 0, self.security["fsGroup"])
        os.chmod(path, mode)

    def is_laid_out(self, path, mode):
        """What the pod's user finds is what was to be tried, or the rest proves nothing."""
        seen = self.run("stat", "--dereference", "--format=%u:%g %a", path).stdout.strip()
        holder = f"0:{self.security['fsGroup']}" if IS_ROOT else f"{os.getuid()}:{os.getgid()}"
        assert seen == f"{holder} {mode:o}", f"{path} is {seen}"
        readable = self.run("cat", path).returncode == 0
        assert readable, f"the pod's user cannot read {path} at all"

    def user(self):
        if not IS_ROOT:
            return []
        user, group, volumes = (self.security[key] for key in ("runAsUser", "runAsGroup", "fsGroup"))
        return ["setpriv", f"--reuid={user}", f"--regid={group}", f"--groups={volumes}", "--inh-caps=-all", "--"]

    def run(self, *command, **given):
        return subprocess.run([*self.user(), *command], capture_output=True, text=True, **given)

    def pawl(self, *arguments):
        """A command beside the server, as `kubectl exec` runs it."""
        return self.run(self.program, *arguments, env=self.environment)

    @contextlib.contextmanager
    def served(self, said):
        """The server while it runs: its addresses. What is wrong with it is added to what was said."""
        arguments = [*self.user(), self.program, *self.container["args"]]
        process = subprocess.Popen(
            arguments, env=self.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        addresses, log = read_addresses(process)
        try:
            if not addresses:
                said.append(f"the server does not start: {log}")
            yield addresses
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate()
        if addresses and (process.returncode or out):
            said.append(f"the server ended with {process.returncode}: {out}{err}")


def faults(objects, pawl, mode=MEANT):
    said = []
    with tempfile.TemporaryDirectory() as folder:
        there = Pod(pawl, folder)
        there.lay_out(objects, {"kek": there.key("key")}, mode)
        with there.served(said) as addresses:
            if addresses:
                said += answers(there.container, addresses)
                founded = there.pawl("bootstrap")
                if founded.returncode or "first-start-" not in founded.stdout:
                    said.append(f"pawl bootstrap beside the server: {founded.stdout}{founded.stderr}")
    return said


def survivors(objects, pawl):
    """The key files that must be refused, and were not."""
    foreign = copy.deepcopy(objects)
    pod(of_kind(foreign, *SERVERS)[0])["securityContext"].update(fsGroup=FOREIGN_GROUP)
    wrong = [(f"{mode:o}", objects, mode) for mode in WRONG_MODES]
    if IS_ROOT:
        wrong.append(("of another group that the process is in too", foreign, MEANT))
    else:
        print("not root: that the pod's user reads root's key file by its group alone was not tried")
    for what, given, mode in wrong:
        said = faults(given, pawl, mode)
        if not any("others may read" in fault for fault in said):
            yield f"a key file {what} was taken: {said}"


def read_addresses(process):
    """Where a server that starts listens, or nothing; and its log so far."""
    said = []
    for line in process.stderr:
        said.append(line)
        if '"serving"' in line:
            told = json.loads(line)
            told = told.get("fields", told)
            return {name: told[key].replace("0.0.0.0", "127.0.0.1")
                    for name, key in (("api", "address"), ("health", "health"))}, "".join(said)
    return {}, "".join(said)


def answers(container, addresses):
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        get = container[kind]["httpGet"]
        if asked(addresses["health"], get["path"]) != 200:
            yield f"the {kind} gets no 200 from the program"
        if asked(addresses["api"], get["path"]) != 404:
            yield f"the API answers {get['path']}"


def asked(address, path):
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
