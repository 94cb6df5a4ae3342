import { get, path, post, query, send } from "./api.js";
import { h } from "./dom.js";
import { select } from "./fields.js";
import { MORE, ago, count, duration, number, opName } from "./format.js";
import { keepSection } from "./keep.js";
import { badge, button, chips, code, confirm, empty, facts, link, locked, page, refresh, region, say, section, table } from "./ui.js";

/** One may be called `new`, as the page that makes a new one is. */
export const webhookHref = (id, rest = "") => `#/webhooks/${id === "new" ? "%6Eew" : encodeURIComponent(id)}${rest}`;

export const formLink = ({ app_id: app, entry_id: entry }) => link(`#${path`/forms/${app}/${entry}`}`, `${app} / ${entry}`);

/** `chosen` may be a webhook that was deleted. */
export function webhookSelect(chosen) {
  const node = select("webhook", [["", "All webhooks"], ...(chosen ? [[chosen, chosen]] : [])], chosen);
  get("/webhooks").then(({ items }) => {
    for (const { id } of items) if (id !== chosen) node.append(h("option", id));
  }, () => {});
  return node;
}

const newLink = (kind) => link("#/webhooks/new", "New webhook", `button ${kind}`);
const sourceOf = ({ source }) => (source === "api" ? "Set here" : locked("From the configuration"));

const failuresOf = ({ id, settings: { disable_after: max }, state: { failures } }) =>
  h("span.failures",
    h("meter", { max, value: failures, low: max / 2, high: max * 0.9, optimum: 0, "aria-label": `Failures of ${id}` }),
    `${number(failures)} of ${number(max)}`);

const disabled = ({ id, state: { status, cause, disabled_since: since } }) =>
  status === "disabled" && [
    h("p.sub", cause, since && [" (", ago(since), ")"]),
    button("Restart", async () => {
      await post(path`/webhooks/${id}/restart`);
      say(`${id} is enabled again, and its failures count from zero.`);
      await refresh();
    }, { kind: "small", "aria-label": `Restart ${id}` }),
  ];

/** What is wrong with a webhook, and what can be done. */
const trouble = (webhook) => {
  const { status, cause, blocked_since: since } = webhook.state;
  return status === "blocked" ? h("p.sub", cause, since && [" (", ago(since), ")"]) : disabled(webhook);
};

const failedLink = (id, label, properties) => link(`#/failed${query({ webhook: id })}`, label, "", properties);

const row = (webhook) => {
  const { id, settings, state } = webhook;
  return [
    id,
    [link(webhookHref(id), id, "title"), h("p.sub.id", settings.url)],
    [badge(state.status), trouble(webhook)],
    chips(settings.events.map(opName)),
    failuresOf(webhook),
    number(state.pending),
    state.failed && failedLink(id, number(state.failed), { "aria-label": `${state.failed} failed pushes of ${id}` }),
    sourceOf(webhook),
  ];
};

const COLUMNS = [
  "Webhook|wide", "Status", "Push events|mid", "Failures|tight", "Pending|number", "Failed|number", "Source",
];

const list = ({ items }) => [
  items.length
    ? table("Webhooks", COLUMNS, items.map(row))
    : empty("No webhooks yet",
      "A webhook pushes the data that is changed through the form platform's API to your server.", newLink("")),
];

export const webhooks = () => page("Webhooks", { actions: newLink("primary") }, region(() => get("/webhooks"), list));

export const testResult = ({ delivered, id, status, cause, duration_ms: ms, answer }) =>
  h(`div.note.${delivered ? "good" : "bad"}`,
    h("p.lead", delivered ? `Delivered in ${duration(ms)}` : `Not delivered: ${cause}`),
    facts({ "HTTP status": status, Duration: duration(ms), "Push id": h("code", id) }),
    answer && code("Answer", answer));

const secretOf = ({ has_secret: has, has_previous_secret: rotates }) =>
  !has ? "None: pushes are not signed" : rotates ? "Set, and being rotated: the old one signs, too, until “End rotation”" : "Set";

function settingsOf(webhook) {
  const { settings } = webhook;
  const headers = Object.keys(settings.headers);
  const more = Object.entries(MORE).filter(([name]) => settings[name]).map(([, label]) => label);
  return facts({
    "Server address": h("span.id", settings.url),
    "Push events": chips(settings.events.map(opName)),
    "Pushed also": more.length && chips(more),
    Forms: settings.forms === "all" ? "All" : h("ul", settings.forms.map((form) => h("li", formLink(form)))),
    Secret: secretOf(webhook),
    Signatures: settings.signing.join(", "),
    "Further headers": headers.length ? chips(headers) : "None",
    Timeout: settings.timeout,
    "Retry delays": settings.retry.join(", ") || "None",
    "In flight at most": `${number(settings.max_in_flight)} for each worker`,
    "Disabled after": `${count(settings.disable_after, "failed push", "failed pushes")} ${settings.disable_count === "total" ? "in total" : "in a row"}`,
    "While disabled": settings.while_disabled === "drop" ? "Events are lost" : "Events go to the failed cache",
    Cluster: settings.cluster,
    Source: sourceOf(webhook),
  });
}

const stateOf = (webhook) => [
  facts({
    Status: [badge(webhook.state.status), trouble(webhook)],
    Failures: failuresOf(webhook),
    Pending: number(webhook.state.pending),
    Failed: number(webhook.state.failed),
  }),
  h("p.actions",
    link(`#/history${query({ webhook: webhook.id })}`, "Push history"),
    failedLink(webhook.id, "Failed pushes")),
];

let saved = "";

/** Goes to a webhook that was just saved, and says there how to keep it. */
export function showSaved({ webhook: { id }, keep }) {
  say(`${id} is saved.`);
  saved = keepSection(keep);
  location.hash = webhookHref(id);
}

export function webhook(id) {
  const at = path`/webhooks/${id}`;
  const results = h("div.results", { role: "status" }, saved);
  saved = "";

  async function test() {
    results.replaceChildren(h("p.loading", "Waiting for the answer…"));
    try {
      results.replaceChildren(testResult(await post(`${at}/test`)));
    } catch (error) {
      results.replaceChildren();
      throw error;
    }
  }

  async function rotate() {
    const { secret, keep } = await post(`${at}/rotate-secret`);
    results.replaceChildren(
      section("New secret",
        h("p", "It is shown this once. Give it to the receiver, then choose “End rotation”. Until then webhook-signature has ",
          "a signature by each secret, and X-JDY-Signature, which has room for one, takes them in turns."), code("Secret", secret)),
      keepSection(keep));
    await refresh();
  }

  async function endRotation() {
    const sure = await confirm("End the rotation?",
      "A receiver that still checks with the old secret will refuse pushes.", "End the rotation");
    if (!sure) return;
    const { keep } = await send("DELETE", `${at}/previous-secret`);
    say("Only the new secret signs now.");
    results.replaceChildren(keepSection(keep));
    await refresh();
  }

  async function remove() {
    const sure = await confirm(`Delete ${id}?`,
      "This cannot be undone. Pushes on their way to it go to the failed cache.", "Delete webhook");
    if (!sure) return;
    await send("DELETE", at);
    say(`${id} is deleted.`);
    location.hash = "#/webhooks";
  }

  const render = (webhook) => [
    h("div.actions",
      button("Test connection", test),
      webhook.source === "api" && [
        link(webhookHref(id, "/edit"), "Edit", "button"),
        webhook.has_secret && !webhook.has_previous_secret && button("New secret", rotate),
        webhook.has_previous_secret && button("End rotation", endRotation),
        button("Delete", remove, { kind: "danger" }),
      ]),
    webhook.source === "config" && h("p.note",
      "It comes from the gateway's configuration and can only be changed there, under ", h("code", "webhooks"), "."),
    h("div.columns", section("Settings", settingsOf(webhook)), section("State", stateOf(webhook))),
  ];
  return page(`Webhook ${id}`, { back: ["Webhooks", "#/webhooks"] }, results, region(() => get(at), render));
}
