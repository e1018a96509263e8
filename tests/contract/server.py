"""A server of the quick start in an empty folder, on SQLite or on a PostgreSQL server that is thrown away."""

import base64
import hashlib
import hmac
import json
import os
import re
import struct
import subprocess
import time
import urllib.request

ROLE = "pawl_contract"
SCHEMA = "contract"
# A new schema, and a role that serves and owns nothing.
PREPARE = f"""
DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA};
DO $$ BEGIN
IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN CREATE ROLE {ROLE} LOGIN; END IF;
END $$"""


def code(secret):
    """What the authenticator shows (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


class Server:
    def __init__(self, pawl, folder, postgres=None, listen="127.0.0.1:0"):
        self.pawl, self.folder = pawl, folder
        folder.mkdir(mode=0o700)
        self.environment = {
            "PATH": os.environ["PATH"],
            "PAWL_DATA_DIR": str(folder),
            "PAWL_LISTEN": listen,
            "PAWL_HEALTH_LISTEN": "127.0.0.1:0",
            "PAWL_DRAIN_PAUSE_SECONDS": "0",
            # Faster, and with more users, than any caller is meant to be.
            "PAWL_NEW_USERS_PER_DAY": "1000000",
            "PAWL_OFFBOARDINGS_PER_DAY": "1000000",
            "PAWL_CALLS_PER_SECOND": "100000",
            "PAWL_UNKNOWN_CALLS_PER_SECOND": "100000",
        }
        if postgres:
            self.on_postgres(postgres)
        self.log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            [pawl], env=self.environment, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def on_postgres(self, url):
        subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", PREPARE, url], check=True,
                       env=os.environ | {"PGOPTIONS": "-c client_min_messages=warning"})
        self.run("keyfile", str(self.folder / "kek"))
        self.environment |= {"PAWL_DATABASE_SCHEMA": SCHEMA, "PAWL_DATABASE_URL": url}
        self.run("migrate", PAWL_DATABASE_SERVING_ROLE=ROLE)
        self.environment["PAWL_DATABASE_URL"] = url.replace("://postgres@", f"://{ROLE}@", 1)

    def run(self, *arguments, **more):
        subprocess.run([self.pawl, *arguments], env=self.environment | more, check=True, stdout=subprocess.DEVNULL)

    def __enter__(self):
        said = self.process.stdout.readline()
        if "first-start" not in said:
            raise RuntimeError(f"Pawl did not start: {self.logged()}")
        first = next(self.folder.glob("first-start-*.txt")).read_text()
        self.key = re.search(r"^client key: *(\S+)$", first, re.M).group(1)
        self.issuer = re.search(r"^issuer: *(\S+)$", first, re.M).group(1)
        self.secret = re.search(r"^authenticator:.*[?&]secret=([A-Z2-7]+)", first, re.M).group(1)
        self.url = "http://" + re.search(r'"address":"([^"]+)"', self.logged()).group(1)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def logged(self):
        return (self.folder / "log").read_text()

    def call(self, path, credential, body=None):
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {credential}"})
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or "null")

    def evaluate(self, user, *audiences):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return self.call("/v1/evaluations", self.key, {
            "external_id": user, "display_name": user, "audiences": audiences,
            "primary_login": {"method": "password", "at": now}})

    def administrator(self):
        """The first administrator enrolls; the token is good for five minutes."""
        handle = self.evaluate("admin", "console", self.issuer)["enrollment"]["handle"]
        answer = self.call("/v1/enrollments/confirm", self.key, {"enrollment": handle, "code": code(self.secret)})
        return next(one["access_token"] for one in answer["tokens"] if one["audience"] == self.issuer)

    def people(self):
        """Somebody to ask about, and something to decide."""
        user = self.evaluate("ada", "console")["user_id"]
        reason = "my phone is at home today"
        self.call("/v1/petitions", self.key, {"user_id": user, "kind": "reset", "reason": reason})
