import base64, hashlib, hmac, time
from urllib.parse import parse_qs


def verify(secret: str, headers, body: bytes, tolerance: int = 300) -> str:
    """Checks the Standard Webhooks signature and returns the push's id, for de-duplication.

    `body` is the request's body as it arrived, `headers` a mapping that ignores case or has
    lowercase names, `tolerance` the age in seconds up to which a push is taken.
    """
    push_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > tolerance:
        raise ValueError("the push is too old")
    if secret.startswith("whsec_"):
        key = base64.b64decode(secret.removeprefix("whsec_"))
    else:
        key = secret.encode()
    signed = f"{push_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    # During a rotation there is one signature for each live secret.
    if not any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split()):
        raise ValueError("the signature is wrong")
    return push_id


def verify_jodoo(secret: str, query: str, headers, body: bytes) -> str:
    """Checks the platform's own signature; `query` is what follows the `?` of the URL."""
    nonce, timestamp = (parse_qs(query)[name][0] for name in ("nonce", "timestamp"))
    signed = b":".join([nonce.encode(), body, secret.encode(), timestamp.encode()])
    if not hmac.compare_digest(hashlib.sha1(signed).hexdigest(), headers["x-jdy-signature"]):
        raise ValueError("the signature is wrong")
    return headers["x-jdy-deliverid"]
