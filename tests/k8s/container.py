"""The server of the embedded overlay as a process: its environment, flags and files as the kubelet lays them out.

As root it runs as the pod's user, with the key as a secret's file is there: root's, 0440, of the pod's group.
"""

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


def faults(objects, pawl, mode=0o440):
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        yield from served(objects, pawl, folder, mode)
    finally:
        shutil.rmtree(folder)


def served(objects, pawl, folder, mode):
    server = of_kind(objects, *SERVERS)[0]
    container = containers(server)[0]
    security = pod(server)["securityContext"]
    program, environ = lay_out(server, container, environment(objects, container), security, pawl, folder, mode)
    arguments = [*as_user(security), program, *container["args"]]
    process = subprocess.Popen(arguments, env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        addresses = read_addresses(process)
        if isinstance(addresses, str):
            yield f"the server does not start: {addresses}"
            return
        yield from answers(container, addresses)
        founded = subprocess.run([*as_user(security), program, "bootstrap"], env=environ, capture_output=True, text=True)
        if founded.returncode or "first-start-" not in founded.stdout:
            yield f"pawl bootstrap beside the server: {founded.stdout}{founded.stderr}"
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
    if process.returncode or out:
        yield f"the server ended with {process.returncode}: {out}{err}"


def as_user(security):
    if os.getuid():
        return []
    user, group = security["runAsUser"], security["runAsGroup"]
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--inh-caps=-all", "--"]


def lay_out(server, container, environ, security, pawl, folder, mode):
    """Makes the container's files under a folder; answers the program and the environment that names them."""
    os.chmod(folder, 0o755)
    program = folder / "pawl"
    shutil.copy(pawl, program)
    os.chmod(program, 0o755)
    subprocess.run([program, "keyfile", folder / "key"], check=True, env={})
    for path in files(server, container):
        place = folder / path.lstrip("/")
        # A secret's file is a link to a link, which the kubelet turns when the secret changes.
        data = place.parent / "..2026"
        data.mkdir(parents=True)
        shutil.copy(folder / "key", data / place.name)
        (place.parent / "..data").symlink_to("..2026")
        place.symlink_to(f"..data/{place.name}")
        as_secret(data / place.name, security, mode)
    for mount, volume in mounts(server, container):
        if is_writable(volume):
            place = folder / mount["mountPath"].lstrip("/")
            place.mkdir(parents=True)
            if not os.getuid():
                os.chown(place, 0, security["fsGroup"])
            os.chmod(place, 0o2775)
    (folder / "key").unlink()
    moved = {key: str(folder) + value if value.startswith("/") else value for key, value in environ.items()}
    # The ports of the pod may be taken on this machine.
    free = {key: value.rsplit(":", 1)[0] + ":0" for key, value in moved.items() if key.endswith("_LISTEN")}
    return str(program), {**moved, **free, "PAWL_DRAIN_PAUSE_SECONDS": "0"} if pauses(pawl) else {**moved, **free}


def pauses(pawl):
    done = subprocess.run([pawl, "config", "--json"], check=True, capture_output=True, env={})
    return "PAWL_DRAIN_PAUSE_SECONDS" in json.loads(done.stdout)["variables"]


def as_secret(path, security, mode):
    if os.getuid():
        os.chmod(path, mode & ~0o040)
        return
    os.chown(path, 0, security["fsGroup"])
    os.chmod(path, mode)


def read_addresses(process):
    said = []
    for line in process.stderr:
        said.append(line)
        if '"serving"' in line:
            told = json.loads(line)
            told = told.get("fields", told)
            return {name: told[key].replace("0.0.0.0", "127.0.0.1")
                    for name, key in (("api", "address"), ("health", "health"))}
    return "".join(said)


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
