"""Writes tokens.json: one good token and the bad ones, signed by a key that is published in it.

    python3 tests/vectors/make.py > tests/vectors/tokens.json

ECDSA draws a random number for each signature, so each run writes other bytes with the same meaning.
"""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = 1_800_000_000
BASE = "https://mfa.example"
TENANT = "ten_01010101010101010101010101010101"
OTHER_TENANT = "ten_02020202020202020202020202020202"
ISSUER = f"{BASE}/t/{TENANT}"


def encode(data):
    if not isinstance(data, bytes):
        data = json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return encode(value.to_bytes(32, "big"))


def key(seed):
    """A P-256 key from a published seed: a test key, and good for nothing else."""
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(seed).digest(), "big"), ec.SECP256R1())


def jwk(private):
    point = private.public_key().public_numbers()
    public = {"crv": "P-256", "kty": "EC", "x": number(point.x), "y": number(point.y)}
    thumbprint = json.dumps(public, separators=(",", ":"), sort_keys=True).encode()
    return public | {"kid": encode(hashlib.sha256(thumbprint).digest()), "alg": "ES256", "use": "sig"}


KEY, OTHER_KEY = key(b"pawl test vectors"), key(b"somebody else")
JWK, OTHER_JWK = jwk(KEY), jwk(OTHER_KEY)
HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": JWK["kid"]}
CLAIMS = {
    "iss": ISSUER,
    "sub": "usr_03030303030303030303030303030303",
    "aud": ISSUER,
    "client_id": "cli_04040404040404040404040404040404",
    "iat": NOW - 10,
    "nbf": NOW - 10,
    "exp": NOW + 290,
    "jti": "tok_05050505050505050505050505050505",
    "tid": TENANT,
    "acr": "urn:pawl:acr:totp",
    "amr": ["pwd", "otp", "mfa"],
    "auth_time": NOW - 10,
    "txn": "evt_06060606060606060606060606060606",
    "fid": "fac_07070707070707070707070707070707",
    "epoch": 3,
}


def changed(of, change):
    return {name: value for name, value in (of | change).items() if value is not None}


def raw_signature(private, text, curve_bytes=32, digest=hashes.SHA256()):
    r, s = decode_dss_signature(private.sign(text, ec.ECDSA(digest)))
    return r.to_bytes(curve_bytes, "big") + s.to_bytes(curve_bytes, "big")


def token(header=None, claims=None, private=KEY, signature=None):
    text = f"{encode(changed(HEADER, header or {}))}.{encode(changed(CLAIMS, claims or {}))}"
    made = raw_signature(private, text.encode()) if signature is None else signature(text.encode())
    return f"{text}.{encode(made)}"


def with_secret(secret):
    return lambda text: hmac.digest(secret, text, "sha256")


def der(text):
    return KEY.sign(text, ec.ECDSA(hashes.SHA256()))


def es384(text):
    longer = ec.derive_private_key(int.from_bytes(hashlib.sha384(b"longer").digest(), "big") >> 1, ec.SECP384R1())
    return raw_signature(longer, text, 48, hashes.SHA384())


def altered():
    header, claims, signature = token().split(".")
    other = encode(CLAIMS | {"sub": "usr_09090909090909090909090909090909"})
    return f"{header}.{other}.{signature}"


PEM = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
POINT = KEY.public_key().public_bytes(
    serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
)
GOOD = token()

# Name, the rule of docs/validating-tokens.md that it breaks, why it must be refused, and the token.
BAD = [
    ("alg-none", 1, "It says that it is not signed.", token({"alg": "none"}, signature=lambda _: b"")),
    ("alg-none-signed", 1, "It says `none` over a good signature.", token({"alg": "none"})),
    ("alg-hs256-pem", 1, "It is authenticated with the public key, as PEM, for a shared secret.",
     token({"alg": "HS256"}, signature=with_secret(PEM))),
    ("alg-hs256-point", 1, "The same, with the key's point.", token({"alg": "HS256"}, signature=with_secret(POINT))),
    ("alg-es384", 1, "Another algorithm than the one that is agreed.", token({"alg": "ES384"}, signature=es384)),
    ("alg-lower-case", 1, "Algorithms are compared byte for byte.", token({"alg": "es256"})),
    ("alg-missing", 1, "No algorithm.", token({"alg": None})),
    ("kid-unknown", 1, "Its key is in no key set.", token({"kid": OTHER_JWK["kid"]}, private=OTHER_KEY)),
    ("kid-missing", 1, "Pawl names its key always.", token({"kid": None})),
    ("jwk-inside", 1, "It brings its own key.",
     token({"kid": OTHER_JWK["kid"], "jwk": OTHER_JWK}, private=OTHER_KEY)),
    ("jku-inside", 1, "It says where its key is.",
     token({"kid": OTHER_JWK["kid"], "jku": "https://attacker.example/jwks.json"}, private=OTHER_KEY)),
    ("crit-unknown", 1, "It demands an extension that nobody here knows (RFC 7515 4.1.11).",
     token({"crit": ["exp-policy"], "exp-policy": "strict"})),
    ("typ-missing", 2, "Some other kind of token.", token({"typ": None})),
    ("typ-jwt", 2, "An ID token, or anything.", token({"typ": "JWT"})),
    ("typ-event", 2, "A security event token of the same issuer.", token({"typ": "secevent+jwt"})),
    ("signature-altered", 3, "Its subject was exchanged after it was signed.", altered()),
    ("signature-of-another", 3, "It names the right key and is signed with another.", token(private=OTHER_KEY)),
    ("signature-empty", 3, "The signature was cut off.", token(signature=lambda _: b"")),
    ("signature-short", 3, "The signature was cut.", token(signature=lambda text: raw_signature(KEY, text)[:63])),
    ("signature-zero", 3, "r and s are zero (CVE-2022-21449).", token(signature=lambda _: bytes(64))),
    ("signature-der", 3, "ASN.1 instead of r and s (RFC 7518 3.4).", token(signature=der)),
    ("handle", 3, "A challenge's handle is no token.", "mch_" + "A" * 43),
    ("iss-other-tenant", 4, "Another tenant's issuer.", token(claims={"iss": f"{BASE}/t/{OTHER_TENANT}"})),
    ("iss-slash", 4, "The issuer with a slash more.", token(claims={"iss": ISSUER + "/"})),
    ("iss-list", 4, "The issuer in a list.", token(claims={"iss": [ISSUER]})),
    ("iss-missing", 4, "No issuer.", token(claims={"iss": None})),
    ("tid-other-tenant", 4, "The tenant is another than the issuer's.", token(claims={"tid": OTHER_TENANT})),
    ("aud-other", 5, "It is for another console.", token(claims={"aud": "reports"})),
    ("aud-longer", 5, "The audience goes on.", token(claims={"aud": ISSUER + ".attacker.example"})),
    ("aud-list", 5, "The audience among others: Pawl's is one string.", token(claims={"aud": [ISSUER, "reports"]})),
    ("aud-missing", 5, "For nobody.", token(claims={"aud": None})),
    ("exp-passed", 6, "Its time is over.",
     token(claims={"exp": NOW - 60, "iat": NOW - 360, "nbf": NOW - 360, "auth_time": NOW - 360})),
    ("exp-missing", 6, "It never ends.", token(claims={"exp": None})),
    ("exp-text", 6, "Its end is a text.", token(claims={"exp": str(NOW + 290)})),
    ("exp-far", 6, "It lives a day; Pawl's live 15 minutes at most.", token(claims={"exp": NOW + 86_400})),
    ("nbf-ahead", 6, "Its time has not come.", token(claims={"nbf": NOW + 60})),
    ("iat-ahead", 6, "It was made in the future.", token(claims={"iat": NOW + 60, "auth_time": NOW - 10})),
    ("iat-missing", 6, "Nobody can tell how long it lives.", token(claims={"iat": None})),
    ("auth-time-ahead", 6, "The login comes after the token.", token(claims={"auth_time": NOW + 60})),
    ("acr-missing", 7, "It does not say what was verified.", token(claims={"acr": None})),
    ("acr-other", 7, "It says that a password was enough.", token(claims={"acr": "urn:pawl:acr:password"})),
    ("amr-without-otp", 7, "It says that no code was verified.", token(claims={"amr": ["pwd"]})),
    ("amr-text", 7, "`otp` in a text, where a list must be.", token(claims={"amr": "otp"})),
    ("sub-missing", 8, "About nobody.", token(claims={"sub": None})),
    ("sub-list", 8, "About several.", token(claims={"sub": ["usr_03030303030303030303030303030303"]})),
    ("epoch-missing", 8, "It cannot be compared with the user's epoch.", token(claims={"epoch": None})),
    ("epoch-text", 8, "Its epoch is a text.", token(claims={"epoch": "3"})),
]

PRIVATE = JWK | {"d": number(KEY.private_numbers().private_value)}
print(json.dumps({
    "about": "docs/validating-tokens.md says what this is. The private key is published: trust nothing that it signed.",
    "private_key": PRIVATE,
    "jwks": {"keys": [JWK]},
    "now": NOW,
    "issuer": ISSUER,
    "audience": ISSUER,
    "tenant": TENANT,
    "good": [{"name": "good", "token": GOOD}],
    "bad": [{"name": name, "rule": rule, "reason": reason, "token": text} for name, rule, reason, text in BAD],
}, indent=1))
