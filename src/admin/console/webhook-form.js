import { get, path, post, send } from "./api.js";
import { h } from "./dom.js";
import { choice, field, form, group, rows, select, text } from "./fields.js";
import { MORE } from "./format.js";
import { button, copyButton, link, page, refresh, region } from "./ui.js";
import { showSaved, testResult, webhookHref } from "./webhooks.js";

const DEFAULTS = {
  enabled: true,
  url: "",
  forms: "all",
  events: ["data_create"],
  batch: false,
  changes: false,
  remove_with_record: false,
  signing: ["standard", "jodoo"],
  timeout: "2s",
  retry: ["1s", "5s", "30s", "2m", "10m"],
  max_in_flight: 32,
  disable_after: 100,
  disable_count: "in_a_row",
  while_disabled: "park",
  headers: {},
};

const EVENTS = [
  ["data_create", "When data is created", "Required."],
  ["data_update", "When data is updated", "Optional."],
  ["data_remove", "When data is deleted", "Optional."],
  ["data_recover", "When data is recovered", "Optional."],
  ["form_update", "When the form structure changes", "Optional. Seen when fields are listed through the API, or asked for by the gateway."],
];

const HINTS = {
  batch: "One push for each record, where it can be said which were changed. The platform itself pushes none.",
  changes: "Compared with the record as the gateway saw it last, if it did.",
  remove_with_record: "As the gateway saw it last, if it did.",
};

function urlFault(value) {
  if (!URL.canParse(value)) return "Enter a whole URL, such as https://example.com/hooks.";
  const { protocol, username, password, hash } = new URL(value);
  if (!/^https?:$/.test(protocol)) return "It must begin with http:// or https://.";
  return username || password || hash ? "It must have no user name, no password and no fragment (#)." : "";
}

// The gateway sends nothing that it keeps of a webhook to another origin, nor by another cluster.
const originOf = (url, cluster = "") => URL.canParse(url) && `${new URL(url).origin.replace(/\.(?=:\d+$|$)/, "")} ${cluster}`;

const isMoved = (settings, { url, cluster }) =>
  Boolean(settings.url) && originOf(settings.url, settings.cluster) !== originOf(url.value.trim(), cluster.value.trim());

/** What is wrong with a control of the form of this webhook, which is `undefined` for a new one. */
const faultOf = (webhook) => (control) => {
  if (control.name === "url") return urlFault(control.value);
  if (control.value || !webhook || !isMoved(webhook.settings, control.form.elements)) return "";
  const keeps = "It was given for the address before, and is not sent to another. Enter it anew, or ";
  if (control.name === "secret") return webhook.has_secret ? `${keeps}remove the secret.` : "";
  const row = control.closest('[name="headers"] .row');
  const [name, value] = row?.querySelectorAll("input") ?? [];
  return control === value && name.value.trim() in webhook.settings.headers ? `${keeps}remove the header.` : "";
};

const SIGNATURES = [
  ["standard", "standard", "Standard Webhooks, HMAC-SHA256: webhook-signature"],
  ["jodoo", "jodoo", "The platform's own, SHA-1: X-JDY-Signature"],
];

const COUNTS = [["in_a_row", "In a row: a success begins anew"], ["total", "In total: only a restart begins anew"]];
const FATES = [["park", "Events go to the failed cache"], ["drop", "Events are lost"]];

const choices = (name, options, chosen) =>
  options.map(([value, label, hint]) =>
    choice(label, { name, value, checked: chosen.includes(value), disabled: value === "data_create" }, hint));

function secretField(has) {
  const input = text("secret", "", { placeholder: has ? "unchanged" : "", maxlength: 1024 });
  const generate = button("Generate secret", async () => {
    input.value = (await post("/secret")).secret;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const hint = has
    ? "Empty: it stays. To change it without a break, use “New secret” on the webhook's page."
    : "Signs the pushes. Copy it for the receiver now, as it is not shown again. Empty: pushes are not signed.";
  return [
    field("Secret", input, hint, generate, copyButton("the secret", () => input.value)),
    has && choice("Remove the secret", {
      name: "no_secret", onchange: ({ target }) => (input.disabled = target.checked),
    }, "Pushes are not signed any more."),
  ];
}

const keyOf = ({ app_id: app, entry_id: entry }) => `${app}/${entry}`;

// Known forms have check boxes, any others can be named by their ids.
function formsGroup(chosen, known) {
  const isAll = chosen === "all";
  const chosenKeys = new Set(isAll ? [] : chosen.map(keyOf));
  const knownKeys = new Set(known.map(keyOf));
  const others = isAll ? [] : chosen.filter((key) => !knownKeys.has(keyOf(key)));
  const list = h("fieldset.nested", { "aria-label": "These forms", disabled: isAll },
    known.map(({ name, app_id, entry_id }) => {
      const key = { app_id, entry_id };
      return choice(name || "Unnamed form", {
        name: "known_form", value: JSON.stringify(key), checked: chosenKeys.has(keyOf(key)),
      }, `${app_id} / ${entry_id}`);
    }),
    rows(others, ({ app_id: app, entry_id: entry } = {}, remove) => [
      field("App id", text("", app, { required: true })),
      field("Form id (entry id)", text("", entry, { required: true })),
      remove,
    ], "Add another form", "Remove form"));
  const option = (label, value) =>
    choice(label, {
      type: "radio", name: "which", value, checked: isAll === (value === "all"),
      onchange: () => (list.disabled = value === "all"),
    });
  return group("forms", "Forms", "Whose changes are pushed.", option("All forms", "all"), option("Only these forms", "these"), list);
}

const headersGroup = (names) =>
  group("headers", "Further request headers", "They go with each push.",
    rows(names, (name = "", remove) => [
      field("Header", text("", name, { required: true })),
      field("Value", text("", "", { placeholder: name && "unchanged" })),
      remove,
    ], "Add a header", "Remove header"));

const integer = (name, value, max) => text(name, value, { type: "number", required: true, min: 1, max });

const advanced = (settings) => h("details", h("summary", "Advanced"),
  choice("Push to this webhook", { name: "enabled", checked: settings.enabled }),
  group("signing", "Signatures", "A receiver needs to check one of them.",
    choices("signing", SIGNATURES, settings.signing)),
  headersGroup(Object.keys(settings.headers)),
  h("div.pair",
    field("Timeout", text("timeout", settings.timeout, { required: true }), "For the whole answer, 1ms to 60s."),
    field("Retry delays", text("retry", settings.retry.join(", ")),
      "Before each retry, 1ms to 24h, at most 20, with commas between. Empty: no retries."),
    field("In flight at most", integer("max_in_flight", settings.max_in_flight, 10_000),
      "Attempts under way at once, for each worker of the gateway."),
    field("Disable after", integer("disable_after", settings.disable_after, 1_000_000),
      "So many failed pushes disable the webhook."),
    field("How failures count", select("disable_count", COUNTS, settings.disable_count)),
    field("While it is disabled", select("while_disabled", FATES, settings.while_disabled)),
    field("Cluster", text("cluster", settings.cluster), "Reach it by this cluster of Envoy, one of those that the admin's filter allows. Empty: by formhook_egress.")));

// Their names are given when they are read, as they have the place of their row.
const inputsOf = (node, group) => [...node.querySelectorAll(`[name="${group}"] .row`)].map((row) => row.querySelectorAll("input"));

function readForms(node, data) {
  if (data.get("which") === "all") return "all";
  const forms = data.getAll("known_form").map((key) => JSON.parse(key));
  for (const [app, entry] of inputsOf(node, "forms")) {
    app.name = `forms[${forms.length}].app_id`;
    entry.name = `forms[${forms.length}].entry_id`;
    forms.push({ app_id: app.value.trim(), entry_id: entry.value.trim() });
  }
  return forms;
}

function readHeaders(node, kept) {
  const headers = {};
  for (const [name, value] of inputsOf(node, "headers")) {
    const key = name.value.trim();
    name.name = `headers.${key}`;
    headers[key] = value.value || !(key in kept) ? value.value : null;
  }
  return headers;
}

/** The request's body, as JSON leaves out what is undefined. */
function read(node, settings) {
  const data = new FormData(node);
  const get = (name) => data.get(name)?.trim();
  return {
    id: get("id"),
    url: get("url"),
    enabled: data.has("enabled"),
    forms: readForms(node, data),
    events: ["data_create", ...data.getAll("events")],
    ...Object.fromEntries(Object.keys(MORE).map((name) => [name, data.has(name)])),
    signing: data.getAll("signing"),
    timeout: get("timeout"),
    retry: get("retry").split(",").map((delay) => delay.trim()).filter(Boolean),
    max_in_flight: Number(get("max_in_flight")),
    disable_after: Number(get("disable_after")),
    disable_count: get("disable_count"),
    while_disabled: get("while_disabled"),
    headers: readHeaders(node, settings.headers),
    cluster: get("cluster") || undefined,
    secret: data.has("no_secret") ? null : get("secret") || undefined,
    previous_secret: data.has("no_secret") || isMoved(settings, node.elements) ? null : undefined,
  };
}

function webhookForm(webhook, known) {
  const settings = webhook?.settings ?? DEFAULTS;
  const result = h("div.results", { role: "status" });
  const sending = (request) => {
    const body = read(node, settings);
    return node.sending(() => request(body));
  };

  const test = button("Test connection", async () => {
    result.replaceChildren(h("p.loading", "Waiting for the answer…"));
    const answer = await sending((body) => post("/test", body)).finally(() => result.replaceChildren());
    if (answer) result.replaceChildren(testResult(answer));
  });

  const save = button("Save", async () => {
    const answer = await sending((body) => (webhook ? send("PUT", path`/webhooks/${webhook.id}`, body) : post("/webhooks", body)));
    if (!answer) return;
    node.isDirty = false;
    showSaved(answer);
    await refresh();
  }, { type: "submit", kind: "primary" });

  const node = form(".card", faultOf(webhook),
    field("Id", text("id", webhook?.id, {
      required: true, maxlength: 64, pattern: "[A-Za-z0-9_\\-]+", title: "Letters, digits, _ and - only.", readonly: Boolean(webhook),
    }), webhook ? "It cannot be changed." : "Its name here, in logs and in metrics."),
    field("Server address (URL)", text("url", settings.url, { inputmode: "url", required: true, maxlength: 2048 }),
      "The data is pushed to it by HTTP POST.", test),
    result,
    secretField(webhook?.has_secret),
    group("events", "Push events", "Data is pushed only when an event occurs that you selected.",
      choices("events", EVENTS, settings.events)),
    group("more", "Push also", "What the platform's own webhook does not have.",
      Object.entries(MORE).map(([name, label]) => choice(label, { name, checked: settings[name] }, HINTS[name]))),
    formsGroup(settings.forms, known),
    advanced(settings),
    h("div.actions.end", link(webhook ? webhookHref(webhook.id) : "#/webhooks", "Cancel", "button"), save));
  return node;
}

export const newWebhook = () =>
  page("New webhook", { back: ["Webhooks", "#/webhooks"] },
    region(() => get("/forms"), ({ items }) => [webhookForm(null, items)], true));

export const editWebhook = (id) =>
  page(`Edit ${id}`, { back: [`Webhook ${id}`, webhookHref(id)] },
    region(() => Promise.all([get(path`/webhooks/${id}`), get("/forms")]), ([webhook, { items }]) => [webhookForm(webhook, items)], true));
