import { h } from "./dom.js";

export const OPS = { data_create: "Created", data_update: "Updated", data_remove: "Deleted", data_recover: "Recovered", form_update: "Form changed" };
export const MORE = {
  batch: "Changes of many records by one call",
  changes: "What an update changed",
  remove_with_record: "What a deleted record was",
};
export const opName = (op) => OPS[op] ?? (op === "data_test" ? "Connection test" : op);

export const BADGES = {
  active: ["Active", "good"],
  failing: ["Failing", "warn"],
  blocked: ["Blocked", "bad"],
  disabled: ["Disabled", "bad"],
  off: ["Off", "off"],
  success: ["Success", "good"],
  failure: ["Failure", "bad"],
  not_attempted: ["Not attempted", "warn"],
  abandoned: ["Abandoned", "off"],
  not_captured: ["Not captured", "warn"],
  dropped: ["Dropped", "bad"],
};

export const number = (value) => value.toLocaleString("en");
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;
export const size = (bytes) => (bytes < 1024 ? `${bytes} B` : `${number(Math.round(bytes / 102.4) / 10)} KiB`);

export function duration(ms) {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${number(Math.floor(ms / 60_000))} min ${Math.floor(ms / 1000) % 60} s`;
}

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat("en", { style: "short" });
const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];

let clockAhead = 0;

/** Takes the gateway's clock for what is said relative to now. */
export const setClock = (now) => (clockAhead = Date.parse(now) - Date.now());

const time = (iso, text) => h("time", { datetime: iso, title: iso }, text);

export const local = (moment) => absolute.format(new Date(moment));
export const when = (iso) => time(iso, local(iso));

export function ago(iso) {
  const seconds = Math.max(1, (Date.now() + clockAhead - Date.parse(iso)) / 1000);
  const [unit, length] = UNITS.find(([, length]) => seconds >= length);
  return time(iso, relative.format(-Math.floor(seconds / length), unit));
}

// A `datetime-local` input has no zone.
export const toUtc = (input) => input && new Date(input).toISOString();

export function fromUtc(iso) {
  const date = new Date(iso);
  return isNaN(date) ? "" : new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

const TOKENS = /"(?:[^"\\]|\\.)*"?|[{[]\s*[}\]]|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * JSON with line breaks. It is not parsed, as it may be cut off in the middle, and a number that a
 * double cannot hold keeps its digits.
 */
export function pretty(json) {
  if (!/^\s*[{[]/.test(json)) return json;
  let line = "\n";
  return json.match(TOKENS).map((token) => {
    if (/^[{[]$/.test(token)) return token + (line += "  ");
    if (/^[}\]]$/.test(token)) return (line = line.slice(0, -2)) + token;
    return token === "," ? token + line : token === ":" ? ": " : token;
  }).join("");
}
