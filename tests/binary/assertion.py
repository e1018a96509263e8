"""A console with PyJWT: makes a key, or signs in with it.

    assertion.py make FOLDER ALG                writes FOLDER/key.pem and FOLDER/jwk.json
    assertion.py token FOLDER ALG BASE ID URL   prints what the token endpoint answers
    assertion.py projected FOLDER ALG ISSUER AUDIENCE ACCOUNT ID URL
                                                the same, with a token as a cluster makes it
"""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


def make(folder, alg):
    if alg == "ES256":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(pem)
    algorithm = jwt.get_algorithm_by_name(alg)
    jwk = json.loads(algorithm.to_jwk(key.public_key()))
    jwk.pop("key_ops", None)
    (folder / "jwk.json").write_text(json.dumps({**jwk, "alg": alg}))


def token(folder, alg, base, client, url):
    now = int(time.time())
    claims = {
        "iss": client, "sub": client, "aud": base + "/oauth/token",
        "iat": now, "exp": now + 60, "jti": str(uuid.uuid4()),
    }
    ask(url, jwt.encode(claims, (folder / "key.pem").read_text(), alg))


def projected(folder, alg, issuer, audience, account, client, url):
    now = int(time.time())
    namespace, name = account.split(":")[2:]
    claims = {
        "iss": issuer, "sub": account, "aud": [audience],
        "iat": now, "nbf": now, "exp": now + 600, "jti": str(uuid.uuid4()),
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name}},
    }
    header = {"kid": "cluster", "typ": None}
    ask(url, jwt.encode(claims, (folder / "key.pem").read_text(), alg, header), client_id=client)


def ask(url, assertion, **more):
    form = urllib.parse.urlencode({
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
        **more,
    })
    try:
        answer = urllib.request.urlopen(url, form.encode(), timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    print(answer.read().decode())


command, folder, *rest = sys.argv[1:]
{"make": make, "token": token, "projected": projected}[command](Path(folder), *rest)
