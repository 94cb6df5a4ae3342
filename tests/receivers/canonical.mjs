// Judges canonical bytes, one JSON object a line on stdin: {text, written, exact}.
//
// `written` must be what JavaScript makes of it again, and hold the value of `text`. Where all of
// its numbers are exact, it must be the text itself with its members sorted.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, sorted(value[name])]));
}

let judged = 0;
let exact = 0;
for (const line of readFileSync(0, "utf8").trim().split("\n")) {
  const document = JSON.parse(line);
  const expected = JSON.stringify(sorted(JSON.parse(document.text)));
  if (document.exact) {
    assert.equal(document.written, expected, document.text);
    assert.equal(JSON.stringify(JSON.parse(document.written)), document.written);
    exact += 1;
  } else {
    assert.equal(JSON.stringify(JSON.parse(document.written)), expected, document.text);
  }
  judged += 1;
}
console.log(`${judged} documents judged, ${exact} of them byte for byte`);
