"""The change of the key-encryption key that docs/kubernetes.md tells, played with the embedded overlay's files.

Each step is a secret's content, the manifests with or without the component, and a new process; the data stays.
"""

import tempfile

from container import Pod


def faults(plain, rotating, pawl):
    said = []
    with tempfile.TemporaryDirectory() as folder:
        there = Pod(pawl, folder)
        old, new = there.key("old"), there.key("new")

        there.lay_out(plain, {"kek": old})
        with there.served(said):
            said += refused(there, "bootstrap")
        there.lay_out(rotating, {"kek": old, "other": new})
        with there.served(said):
            pass
        there.lay_out(rotating, {"kek": new, "other": old})
        with there.served(said):
            said += wanted(there, "that only open", "seal", "status")
        there.lay_out(plain, {"kek": new})
        said += wanted(there, "no file at hand is the key", "seal", "status")
        said += wanted(there, "no key file at hand is it", *there.container["args"])

        there.lay_out(rotating, {"kek": new, "other": old})
        with there.served(said):
            said += refused(there, "seal", "reseal")
            said += refused(there, "seal", "status")
        there.lay_out(rotating, {"kek": old, "other": new})
        said += wanted(there, "seals no more", *there.container["args"])
        there.lay_out(plain, {"kek": new})
        with there.served(said):
            said += refused(there, "seal", "status")
    return [f"while the key changes: {fault}" for fault in said]


def refused(there, *command):
    done = there.pawl(*command)
    return [f"pawl {' '.join(command)}: {done.stdout}{done.stderr}"] if done.returncode else []


def wanted(there, words, *command):
    """A command that must fail, and say why."""
    done = there.pawl(*command)
    if done.returncode == 1 and words in done.stderr:
        return []
    return [f"pawl {' '.join(command)} did not say {words!r}: {done.returncode} {done.stdout}{done.stderr}"]
