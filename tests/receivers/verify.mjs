import { createHash, createHmac, timingSafeEqual } from "node:crypto";

const equal = (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

// Checks the Standard Webhooks signature and returns the push's id, for de-duplication.
// `headers` are req.headers, `body` is a Buffer of the body as it arrived (express.raw(), say),
// `tolerance` is the age in seconds up to which a push is taken.
export function verify(secret, headers, body, tolerance = 300) {
  const { "webhook-id": id, "webhook-timestamp": timestamp } = headers;
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= tolerance)) {
    throw new Error("the push is too old");
  }
  const key = secret.startsWith("whsec_")
    ? Buffer.from(secret.slice("whsec_".length), "base64")
    : Buffer.from(secret);
  const hmac = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body);
  const expected = `v1,${hmac.digest("base64")}`;
  // During a rotation there is one signature for each live secret.
  if (!headers["webhook-signature"].split(" ").some((one) => equal(one, expected))) {
    throw new Error("the signature is wrong");
  }
  return id;
}

// Checks the platform's own signature; `url` is req.url.
export function verifyJodoo(secret, url, headers, body) {
  const query = new URL(url, "http://localhost").searchParams;
  const sha1 = createHash("sha1").update(`${query.get("nonce")}:`).update(body);
  sha1.update(`:${secret}:${query.get("timestamp")}`);
  if (!equal(headers["x-jdy-signature"], sha1.digest("hex"))) {
    throw new Error("the signature is wrong");
  }
  return headers["x-jdy-deliverid"];
}
