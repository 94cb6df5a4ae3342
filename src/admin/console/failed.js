import { get, path, post, query } from "./api.js";
import { h } from "./dom.js";
import { field } from "./fields.js";
import { ago, count, number, opName, pretty, size, when } from "./format.js";
import { outcomeOf, subjectOf } from "./history.js";
import { button, code, confirm, dialog, empty, facts, link, messages, page, refresh, region, say, table } from "./ui.js";
import { webhookHref, webhookSelect } from "./webhooks.js";

// One command names at most so many.
const LARGEST_SELECTION = 1000;
const PAGE = 50;
const LARGEST_PAGE = 100;
const COLUMNS = [
  "Select", "Failed|tight", "Webhook|name", "Event and record|mid", "Cause|wide", "Size|number", "Details|tight",
];

const pushes = ({ ids, webhook }) => (ids ? count(ids.length, "push", "pushes") : `all failed pushes of ${webhook}`);

function parts({ ids, webhook }) {
  if (!ids) return [{ webhook }];
  const times = Math.ceil(ids.length / LARGEST_SELECTION);
  return Array.from({ length: times }, (_, at) => ({ ids: ids.slice(at * LARGEST_SELECTION, (at + 1) * LARGEST_SELECTION) }));
}

async function command(verb, doing, done, selection) {
  const progress = h("p.message.loading", `${doing} ${pushes(selection)}…`);
  messages().append(progress);
  let sum = 0;
  try {
    for (const part of parts(selection)) {
      let answer = await post(`/failed/${verb}`, part);
      sum += answer.count;
      // One command is for 1,000 of them at most. What fails again meanwhile is not for this one.
      const most = answer.more ? sum + (await get("/status")).failed : sum;
      while (answer.more && sum <= most) {
        answer = await post(`/failed/${verb}`, part);
        sum += answer.count;
      }
    }
    say(`${count(sum, "push", "pushes")} ${done}.`);
  } finally {
    progress.remove();
    await refresh();
  }
}

const retry = (selection) => command("retry", "Retrying", "on the way again", selection);

async function abandon(selection) {
  const sure = await confirm(`Abandon ${pushes(selection)}?`, "They are never sent. This cannot be undone.", "Abandon");
  if (sure) await command("abandon", "Abandoning", "abandoned", selection);
  return sure;
}

async function showDetails(id) {
  const { push, body } = await get(path`/failed/${id}`);
  const only = { ids: [id] };
  dialog("Failed push", (close) => [
    facts({ ...subjectOf(push), Failed: when(push.failed), ...outcomeOf(push) }),
    code("Payload", pretty(body)),
    h("div.actions.end",
      button("Retry", () => retry(only).then(close)),
      button("Abandon", async () => (await abandon(only)) && close(), { kind: "danger" }),
      button("Close", () => close())),
  ]);
}

async function load(webhook, wanted) {
  const found = new Map();
  let cursor;
  do {
    const limit = Math.min(LARGEST_PAGE, wanted - found.size);
    const { items, next } = await get(`/failed${query({ webhook, limit, cursor })}`);
    for (const push of items) found.set(push.id, push);
    cursor = next;
  } while (cursor && found.size < wanted);
  return { items: [...found.values()], hasMore: Boolean(cursor) };
}

const nothing = () =>
  empty("No failed pushes", "A push that failed in all of its attempts comes here, to be retried or abandoned.");

export function failed({ webhook = "" }) {
  const selected = new Set();
  let wanted = PAGE;

  const choose = webhookSelect(webhook);
  choose.onchange = () => {
    webhook = choose.value;
    wanted = PAGE;
    selected.clear();
    history.replaceState(null, "", `#/failed${query({ webhook })}`);
    list.update();
  };

  function box(label, ids) {
    const chosen = ids.filter((id) => selected.has(id)).length;
    const onchange = ({ target }) => {
      for (const id of ids) selected[target.checked ? "add" : "delete"](id);
      list.redraw();
    };
    const input = h("input", { type: "checkbox", "aria-label": label, checked: chosen === ids.length, onchange });
    input.indeterminate = chosen > 0 && chosen < ids.length;
    return input;
  }

  const some = (label, run, kind) =>
    button(label, () => run({ ids: [...selected] }), { kind, disabled: !selected.size });
  const all = (label, run, kind) =>
    button(label, () => run({ webhook }), { kind, disabled: !webhook, "aria-describedby": "all-hint" });

  const row = (push) => [
    push.id,
    box(`Select ${push.id}`, [push.id]),
    ago(push.failed),
    link(webhookHref(push.webhook), push.webhook),
    [opName(push.op), h("p.sub.id", push.record_id)],
    [push.cause, h("p.sub", push.attempts ? count(push.attempts, "attempt") : "Not attempted")],
    size(push.bytes),
    button("View details", () => showDetails(push.id), { kind: "small", "aria-label": `View details of ${push.id}` }),
  ];

  const list = region(async () => {
    const loaded = await load(webhook, wanted);
    const ids = new Set(loaded.items.map(({ id }) => id));
    for (const id of selected) if (!ids.has(id)) selected.delete(id);
    return loaded;
  }, ({ items, hasMore }) => items.length === 0 ? [nothing()] : [
    h("div.actions", { "data-key": "commands" },
      h("label", box("Select all shown", items.map(({ id }) => id)),
        selected.size ? ` ${number(selected.size)} selected` : " Select all shown"),
      some("Retry selected", retry, "primary"),
      some("Abandon selected", abandon, "danger"),
      all("Retry all", retry),
      all("Abandon all", abandon, "danger"),
      h("p.hint", { id: "all-hint" }, webhook ? "" : "Choose a webhook to retry or abandon all of its pushes.")),
    table("Failed pushes", COLUMNS, items.map(row)),
    h("div.more", { "data-key": "more" },
      h("p", `${number(items.length)} shown`),
      hasMore && button("Load more", () => {
        wanted += PAGE;
        return list.update();
      })),
  ]);

  return page("Failed pushes", {}, h("div.filters", field("Webhook", choose)), list);
}
