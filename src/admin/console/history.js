import { get, path, query } from "./api.js";
import { h } from "./dom.js";
import { field, select, text } from "./fields.js";
import { OPS, count, duration, fromUtc, number, opName, pretty, toUtc, when } from "./format.js";
import { badge, button, code, copyButton, empty, facts, link, page, region, section, table } from "./ui.js";
import { formLink, webhookHref, webhookSelect } from "./webhooks.js";

const PAGE = 50;
const COLUMNS = [
  "Time|name", "Webhook|name", "Event and record|mid", "Result|wide", "HTTP status", "Duration|tight", "Details|tight",
];
// How many records the gateway looks at for one answer.
const SEARCHED = 10_000;
// So many answers go on by themselves; then the person decides.
const SEARCHES = 5;

let lastAddress = "#/history";

async function search(filters, { items, next, searched }) {
  const wanted = items.length + PAGE;
  for (let searches = 0; searches < SEARCHES && items.length < wanted && next !== null; searches += 1) {
    const limit = wanted - items.length;
    const answer = await get(`/history${query({ ...filters, limit, cursor: next })}`);
    if (answer.next && answer.items.length < limit) searched += SEARCHED;
    items = [...items, ...answer.items];
    next = answer.next;
  }
  return { items, next, searched };
}

const NOTHING = { items: [], next: undefined, searched: 0 };

const row = (push) => [
  push.ref,
  when(push.ended),
  push.webhook ? link(webhookHref(push.webhook), push.webhook) : "—",
  [opName(push.op), h("p.sub.id", push.record_id)],
  [badge(push.outcome), h("p.sub", push.cause)],
  push.status ?? "—",
  push.attempts ? [duration(push.duration_ms), h("p.sub", count(push.attempts, "attempt"))] : "—",
  link(`#${path`/history/${push.ref}`}`, "View details", "", { "aria-label": `View details of ${push.id}` }),
];

function filterForm(filters, apply) {
  const own = (name) => text(name, filters[name]);
  const time = (name) => h("input", { type: "datetime-local", name, value: fromUtc(filters[name]) });
  const node = h("form.filters", {
    "aria-label": "Filters",
    onchange: () => apply(read()),
    onsubmit: (event) => {
      event.preventDefault();
      apply(read());
    },
  },
    field("Webhook", webhookSelect(filters.webhook)),
    field("Result", select("result", [["", "All"], ["success", "Success"], ["failure", "Failure"]], filters.result)),
    field("Event", select("op", [["", "All"], ...Object.entries(OPS), ["data_test", opName("data_test")]], filters.op)),
    field("App id", own("app_id")),
    field("Form id (entry id)", own("entry_id")),
    field("Record id", own("record_id")),
    field("From", time("from")),
    field("To", time("to")),
    h("div.actions",
      h("button", "Search"),
      button("Clear filters", () => {
        for (const control of node.elements) control.value = "";
        apply(read());
      }, { kind: "quiet" })));
  function read() {
    const { from, to, ...rest } = Object.fromEntries(new FormData(node));
    return { ...rest, from: toUtc(from), to: toUtc(to) };
  }
  return node;
}

const nothing = (isFiltered) =>
  isFiltered
    ? empty("Nothing found", "No push in the history fits these filters.")
    : empty("No pushes yet", "Each push leaves a record here when it comes to its end, with its result and its cause.");

export function history(filters) {
  // The first page follows what happens; what is beyond it or took a long search stays as it is.
  let older = null;
  lastAddress = location.hash;

  function reload() {
    older = null;
    return list.update();
  }

  async function more(found) {
    const used = filters;
    const grown = await search(used, found);
    if (used === filters && (found !== NOTHING || grown.searched)) older = grown;
    return grown;
  }

  const list = region(() => older ?? more(NOTHING), (found) => {
    const { items, next, searched } = found;
    return [
      items.length > 0
        ? table("Push history", COLUMNS, items.map(row))
        : !next && nothing(Object.values(filters).some(Boolean)),
      h("div.more", { "data-key": "more" },
        h("p", `${number(items.length)} shown${searched ? `, ${number(searched)} records searched` : ""}`),
        next && button("Load more", async () => {
          await more(found);
          await list.update();
        }),
        older && button("Show the newest", reload)),
    ];
  });

  const node = filterForm(filters, (changed) => {
    filters = changed;
    lastAddress = `#/history${query(filters)}`;
    window.history.replaceState(null, "", lastAddress);
    reload();
  });
  return page("Push history", {}, node, list);
}

const copied = (text, what) => text && [h("code", text), " ", copyButton(what, text)];

export const subjectOf = (push) => ({
  Webhook: push.webhook && link(webhookHref(push.webhook), push.webhook),
  Address: push.url && h("span.id", push.url),
  Event: `${opName(push.op)} (${push.op})`,
  "Push id": copied(push.id, "the push id"),
  "Record id": copied(push.record_id, "the record id"),
  Form: push.app_id && formLink(push),
  "Change seen": when(push.accepted),
});

export const outcomeOf = ({ cause, status, attempts }) => ({ Cause: cause, "HTTP status": status, Attempts: attempts });

const details = (push) => [
  h("div.columns",
    section("Push", facts(subjectOf(push))),
    section("Result", facts({
      Result: badge(push.outcome),
      ...outcomeOf(push),
      Duration: duration(push.duration_ms),
      Ended: when(push.ended),
    }))),
  push.headers.length > 0 && code("Request headers", push.headers.map(({ name, value }) => `${name}: ${value}`).join("\n")),
  push.body && code("Payload", pretty(push.body)),
  push.answer && code("Answer", pretty(push.answer)),
];

export const push = (ref) =>
  page("Push details", { back: ["Push history", lastAddress] }, region(() => get(path`/history/${ref}`), details, true));
