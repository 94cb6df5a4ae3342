"""Judges pushes, one JSON object a line on stdin: {secret, url, headers, body in Base64}.

Each must be accepted by the library `standardwebhooks` and by verify.py, and refused by both when
one byte of it is another.
"""

import base64
import json
import sys

from standardwebhooks.webhooks import Webhook

from verify import verify, verify_jodoo


def refused(check, *arguments):
    try:
        check(*arguments)
    except Exception:
        return True
    return False


accepted = refusals = 0
for line in sys.stdin:
    push = json.loads(line)
    secret, headers, body = push["secret"], push["headers"], base64.b64decode(push["body"])
    query = push["url"].partition("?")[2]
    key = secret if secret.startswith("whsec_") else base64.b64encode(secret.encode()).decode()
    library = Webhook(key)

    assert library.verify(body, headers) == json.loads(body)
    assert verify(secret, headers, body) == headers["webhook-id"]
    assert verify_jodoo(secret, query, headers, body) == headers["x-jdy-deliverid"]
    accepted += 1

    forged = body.replace(b'"data"', b'"dat\xc3\xa4"', 1)
    old = headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 301)}
    for check, *arguments in [
        (library.verify, forged, headers),
        (verify, secret, headers, forged),
        (verify_jodoo, secret, query, headers, forged),
    ]:
        assert refused(check, *arguments), (check, line)
        refusals += 1
    assert refused(verify, secret, old, body), line

print(f"{accepted} pushes accepted, {refusals} forgeries refused")
