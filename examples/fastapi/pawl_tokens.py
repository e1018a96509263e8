"""Pawl's tokens in FastAPI: `Depends(Pawl(issuer, audience, jwks_url))` answers the claims, or 401."""

import json
import threading
import time
import urllib.request

import jwt
from fastapi import HTTPException, Request

ACR = "urn:pawl:acr:totp"
TEXTS, NUMBERS = ("iss", "sub", "aud", "jti", "tid", "acr"), ("iat", "nbf", "exp", "auth_time", "epoch")
UNCHECKED = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}

class Pawl:
    def __init__(self, issuer, audience, jwks_url, max_age=None, clock=time.time):
        self.issuer, self.audience, self.jwks_url, self.max_age, self.clock = issuer, audience, jwks_url, max_age, clock
        self.lock, self.asked = threading.Lock(), float("-inf")
        self.held = {}, float("-inf")  # The keys, and when they were fetched.

    def __call__(self, request: Request):
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise self.challenge("insufficient_user_authentication")
        try:
            claims = self.check(token)
        except Exception:  # Whatever goes wrong, nobody comes in.
            raise self.challenge("invalid_token") from None
        if self.max_age is not None and self.clock() - claims["auth_time"] > self.max_age:
            raise self.challenge("insufficient_user_authentication")
        return claims

    def check(self, token):
        header = jwt.get_unverified_header(token)
        if set(header) != {"alg", "typ", "kid"} or header["typ"] != "at+jwt":
            raise ValueError("header")
        claims = jwt.decode(token, self.key(header["kid"]), algorithms=["ES256"], options=UNCHECKED)
        now, tenant = self.clock(), self.issuer.rpartition("/")[2]
        if not (
            all(type(claims[name]) is str for name in TEXTS)
            and all(type(claims[name]) is int for name in NUMBERS)
            and (claims["iss"], claims["aud"], claims["tid"]) == (self.issuer, self.audience, tenant)
            and max(claims["nbf"], claims["iat"]) <= now + 5 and claims["auth_time"] <= claims["iat"]
            and now < claims["exp"] <= claims["iat"] + 900
            and claims["acr"] == ACR and type(claims["amr"]) is list and "otp" in claims["amr"]
        ):
            raise ValueError("claims")
        return claims

    def known(self):  # Keys live 5 minutes.
        keys, fetched = self.held
        return keys if time.monotonic() - fetched <= 300 else {}

    def key(self, kid):
        if kid in (keys := self.known()):
            return keys[kid]
        with self.lock:  # An unknown key is asked for twice a minute at most; only who needs one waits here.
            if kid not in (keys := self.known()) and time.monotonic() - self.asked > 30:
                self.asked = time.monotonic()
                with urllib.request.urlopen(self.jwks_url, timeout=5) as answer:
                    keys = {key["kid"]: jwt.PyJWK(key, "ES256") for key in json.load(answer)["keys"]}
                self.held = keys, self.asked
            return keys[kid]

    def challenge(self, error):
        age = "" if self.max_age is None else f', max_age="{self.max_age}"'
        return HTTPException(401, headers={"WWW-Authenticate": f'Bearer error="{error}", acr_values="{ACR}"{age}'})
