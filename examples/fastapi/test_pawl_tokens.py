"""The published tokens through the middleware, over HTTP, with the key set from a real server."""

import http.server
import json
import pathlib
import sys
import threading

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from pawl_tokens import Pawl

vectors = json.loads(pathlib.Path(sys.argv[1]).read_text())


class Keys(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self):
        Keys.asked += 1
        body = json.dumps(vectors["jwks"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
threading.Thread(target=server.serve_forever, daemon=True).start()
place = f"http://127.0.0.1:{server.server_port}/jwks.json"
issuer, audience = vectors["issuer"], vectors["audience"]
app = FastAPI()


@app.get("/any")
def any_login(claims=Depends(Pawl(issuer, audience, place, clock=lambda: vectors["now"]))):
    return claims


@app.get("/fresh")
def fresh_login(claims=Depends(Pawl(issuer, audience, place, max_age=5, clock=lambda: vectors["now"]))):
    return claims


client = TestClient(app)


def ask(path, token):
    answer = client.get(path, headers={"Authorization": f"Bearer {token}"} if token else {})
    return answer.status_code, answer.headers.get("WWW-Authenticate", "")


for good in vectors["good"]:
    assert ask("/any", good["token"]) == (200, ""), good["name"]
    status, challenge = ask("/fresh", good["token"])
    assert status == 401 and 'error="insufficient_user_authentication"' in challenge, challenge
    assert 'acr_values="urn:pawl:acr:totp", max_age="5"' in challenge, challenge
for bad in vectors["bad"]:
    status, challenge = ask("/any", bad["token"])
    assert status == 401 and 'error="invalid_token"' in challenge, (bad["name"], status)
status, challenge = ask("/any", None)
assert status == 401 and 'error="insufficient_user_authentication"' in challenge
assert Keys.asked == 2, f"the key set was fetched {Keys.asked} times, not once for each middleware"
print(f"FastAPI: {len(vectors['good'])} passed, {len(vectors['bad'])} refused")
