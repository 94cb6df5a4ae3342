import { get, getBlob, getText, path, query, send } from "./api.js";
import { h } from "./dom.js";
import { aliasEditor } from "./alias-editor.js";
import { choice, field, form as makeForm, select, text } from "./fields.js";
import { OPS, number, pretty } from "./format.js";
import { keepSection } from "./keep.js";
import { button, code, confirm, empty, link, page, region, save, say, section, setHeading, table } from "./ui.js";

const SOURCES = { config: "From the configuration", api: "Set here", both: "From the configuration and set here", learned: "From the platform" };
const COLUMNS = ["Field id|mid", "Alias|mid", "Label|wide", "Type", "JSON type", "Description|wide"];
const FORMATS = [["json", "JSON", "json"], ["csv", "CSV", "csv"], ["markdown", "Markdown", "md"]];

const formHref = (app, entry) => `#${path`/forms/${app}/${entry}`}`;

const formRow = ({ app_id: app, entry_id: entry, name, fields, aliases, source }) => [
  `${app}/${entry}`,
  [link(formHref(app, entry), name || "Unnamed form", "title"), h("p.sub.id", `${app} / ${entry}`)],
  number(fields),
  number(aliases),
  SOURCES[source],
];

const byName = (a, b) => (a.name ?? "").localeCompare(b.name ?? "");

const list = ({ items }) => [
  items.length
    ? table("Forms", ["Form|wide", "Fields|number", "Aliases|number", "Source"], items.toSorted(byName).map(formRow))
    : empty("No forms yet", "Describe one to give its fields aliases, and to get its comparison table and JSON examples."),
];

function describe() {
  const app = text("app_id", "", { required: true, maxlength: 256 });
  const entry = text("entry_id", "", { required: true, maxlength: 256 });
  const node = makeForm(".inline", () => "",
    field("App id", app), field("Form id (entry id)", entry),
    button("Describe", () => node.sending(() => (location.hash = formHref(app.value.trim(), entry.value.trim()))), { type: "submit" }));
  // Two ids are not worth a question before one leaves.
  node.oninput = null;
  return node;
}

export const forms = () =>
  page("Forms", {},
    region(() => get("/forms"), list),
    section("Describe a form", h("p", "Its ids are those in its API calls."), describe()));

const comparisonRow = ({ id, alias, label, type, json_type: json, description }) =>
  [id, h("code", id), alias && h("code", alias), label, type, json, description];

const comparison = (at, name) =>
  section("Field comparison table",
    h("div.actions", FORMATS.map(([format, label, ending]) =>
      button(`Download ${label}`, async () => {
        save(`${name}.${ending}`, await getBlob(`${at}/comparison${query({ format })}`));
      }, { kind: "small" }))),
    region(() => get(`${at}/comparison`), ({ items }) => [
      table("Field comparison table", COLUMNS, items.map(comparisonRow)),
    ], true));

function example(at, name) {
  const op = select("op", Object.entries(OPS), "", { onchange: () => shown.update() });
  const shown = region(async () => pretty(await getText(`${at}/example${query({ op: op.value })}`)), (json) => [
    code("JSON", json,
      button("Download", () => save(`${name}-${op.value}.json`, json), { kind: "small", "aria-label": "Download JSON example" })),
  ], true);
  return section("JSON example", field("Event", op), shown);
}

function editor(at, { name, source, aliases_in_api: speaks, fields, set }, changed) {
  const input = text("name", name, { maxlength: 256, readonly: name !== null && source === "config" });
  const inApi = choice("Aliases in the API", { name: "aliases_in_api", checked: Boolean(speaks) },
    "Callers of the platform's API may use the aliases, and get them in its answers.");
  const { node: rows, fault, read } = aliasEditor(fields, set?.fields ?? []);
  const put = button("Save", async () => {
    // What was not changed stays as it was set here, or is not set here at all.
    const own = (member, value, shown) => (value === shown ? set?.[member] ?? null : value);
    const body = {
      name: own("name", input.value.trim() || null, name),
      aliases_in_api: own("aliases_in_api", inApi.querySelector("input").checked, Boolean(speaks)),
      fields: read(),
    };
    const answer = await node.sending(() => send("PUT", at, body));
    if (!answer) return;
    say("The form is saved.");
    changed(answer.keep);
  }, { type: "submit", kind: "primary" });
  const reset = button("Reset", async () => {
    if (!(await confirm("Reset this form?", "What was set for it here is forgotten. This cannot be undone.", "Reset form"))) return;
    await send("DELETE", at);
    say("What was set here is forgotten.");
    changed(null);
  }, { kind: "danger" });
  const node = makeForm("", fault,
    field("Form name", input, "Pushed as formName."),
    inApi,
    rows,
    h("div.actions.end", (source === "api" || source === "both") && reset, put));
  return node;
}

// A form that is not known can be described.
async function load(at) {
  try {
    return await get(at);
  } catch (error) {
    if (error.status !== 404) throw error;
    return { name: null, source: null, fields: [] };
  }
}

export function form(app, entry) {
  const at = path`/forms/${app}/${entry}`;
  const kept = h("div.results", { role: "status" });
  const changed = (keep) => {
    kept.replaceChildren(keepSection(keep));
    node.replaceWith(node = show());
  };
  const show = () => region(() => load(at), (loaded) => [
    setHeading(view, loaded.name || "Unnamed form"),
    section("Fields and aliases",
      h("p", loaded.source
        ? "An alias is pushed in place of the field's id. It has lower-case letters, digits and _, and begins with a letter."
        : "This form is not known yet. Add its fields, and save."),
      editor(at, loaded, changed)),
    loaded.source && [comparison(at, `${app}-${entry}`), example(at, `${app}-${entry}`)],
  ], true);
  let node = show();
  const view = page("Form", { back: ["Forms", "#/forms"] }, h("p.sub.id", `${app} / ${entry}`), kept, node);
  return view;
}
