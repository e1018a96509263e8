"""Client libraries that nobody here wrote get a token from a Pawl with `private_key_jwt`: Authlib in this process,
openid-client and oauth4webapi in Node's.

    check.py FOLDER_WITH_NODE_MODULES PAWL
"""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "contract"))
from server import Server  # noqa: E402

DISCOVERY = ["/.well-known/oauth-authorization-server/t/{tenant}", "/t/{tenant}/.well-known/openid-configuration"]


def metadata(server):
    """What Authlib's users read: it discovers nothing itself."""
    tenant = server.issuer.rsplit("/", 1)[1]
    paths = [path.format(tenant=tenant) for path in DISCOVERY]
    documents = []
    for path in paths:
        with urllib.request.urlopen(server.url + path) as answer:
            documents.append(json.load(answer))
    assert all(document == documents[0] for document in documents), documents
    assert documents[0]["issuer"] == server.issuer
    return documents[0]


def fetched(endpoint, client, key, **claims):
    method = PrivateKeyJWT(endpoint, claims=claims, alg="ES256")
    session = OAuth2Session(client, key, token_endpoint_auth_method=method)
    return session.fetch_token(endpoint, grant_type="client_credentials")


def refused(endpoint, client, key, description, **claims):
    try:
        fetched(endpoint, client, key, **claims)
    except OAuthError as error:
        assert error.error == "invalid_client", error
        assert re.match(description, error.description), error.description
        print(f"Authlib: invalid_client: {error.description}")
    else:
        raise AssertionError(f"a token, without {description}")


def with_authlib(server, client, key, other):
    endpoint = metadata(server)["token_endpoint"]
    five_minutes = int(time.time()) + 300
    token = fetched(endpoint, client, key, exp=five_minutes)
    assert token["access_token"].startswith("pawl_at_") and token["expires_in"] == 300, token
    # Authlib's own default is an hour, and the answer says what is wrong with it.
    refused(endpoint, client, key, "the assertion may live 300 seconds at the most")
    refused(endpoint, client, other, "no live key of a client of this id made this signature")
    refused(endpoint, client, key, "exp is in the past", exp=int(time.time()) - 60)
    print("Authlib: discovery, token and refusals")


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def main(node, pawl):
    folder = tempfile.TemporaryDirectory()
    # The base URL follows the address: discovery finds this server.
    with folder as name, Server(pawl, pathlib.Path(name) / "data", listen=free_address()) as server:
        key, other = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
        public = server.folder / "public.json"
        public.write_text(json.dumps(key.as_dict(private=False) | {"alg": "ES256"}))
        client = "cli_" + server.key.split("_")[1]
        server.run("client", "add-key", client, str(public))
        with_authlib(server, client, key, other)
        told = {"ISSUER": server.issuer, "CLIENT": client}
        keys = {name: json.dumps(one.as_dict(private=True)) for name, one in (("KEY", key), ("OTHER_KEY", other))}
        script = shutil.copy(HERE / "check.mjs", node)
        subprocess.run(["node", script], env=os.environ | told | keys, check=True)


main(*sys.argv[1:])
