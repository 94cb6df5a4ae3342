// Judges pushes, one JSON object a line on stdin: {secret, url, headers, body in Base64}.
//
// Each must be accepted by the library `standardwebhooks` and by verify.mjs, and refused by both
// when one byte of it is another. The body must be what JavaScript makes of it again.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { verify, verifyJodoo } from "./verify.mjs";

const { Webhook } = createRequire(import.meta.url)("standardwebhooks");

let accepted = 0;
let refusals = 0;
for (const line of readFileSync(0, "utf8").trim().split("\n")) {
  const { secret, url, headers, body: encoded } = JSON.parse(line);
  const body = Buffer.from(encoded, "base64");
  const key = secret.startsWith("whsec_") ? secret : Buffer.from(secret).toString("base64");
  const library = new Webhook(key);

  assert.deepEqual(library.verify(body, headers), JSON.parse(body));
  assert.equal(verify(secret, headers, body), headers["webhook-id"]);
  assert.equal(verifyJodoo(secret, url, headers, body), headers["x-jdy-deliverid"]);
  assert.equal(JSON.stringify(JSON.parse(body)), body.toString());
  accepted += 1;

  const forged = Buffer.from(body.toString().replace('"data"', '"datä"'));
  const old = { ...headers, "webhook-timestamp": String(headers["webhook-timestamp"] - 301) };
  for (const check of [
    () => library.verify(forged, headers),
    () => verify(secret, headers, forged),
    () => verifyJodoo(secret, url, headers, forged),
  ]) {
    assert.throws(check);
    refusals += 1;
  }
  assert.throws(() => verify(secret, old, body));
}
console.log(`${accepted} pushes accepted, ${refusals} forgeries refused`);
