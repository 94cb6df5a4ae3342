import { h } from "./dom.js";
import { field, rows, select, text } from "./fields.js";
import { locked } from "./ui.js";

const ALIAS = /^[a-z][a-z0-9_]*$/;

const TYPES = [
  "text", "textarea", "richtext", "sn", "number", "datetime", "radiogroup", "checkboxgroup", "combo", "combocheck",
  "divider", "address", "location", "image", "upload", "signature", "subform", "query", "linkdata", "lookup",
  "user", "usergroup", "dept", "deptgroup", "phone", "aggregation",
];

const parts = new WeakMap();
const rowsOf = (list) => [...list.firstChild.children].map((row) => parts.get(row.firstChild));

function typeSelect(type) {
  const names = !type || TYPES.includes(type) ? TYPES : [type, ...TYPES];
  return select("", [["", "not known"], ...names.map((name) => [name, name])], type ?? "");
}

// `own` is what was set here of a field that is `known`; the rest the configuration or the platform says.
function fieldRow(known, own, remove, isNested) {
  const isConfig = known?.source === "config";
  const isKnown = isConfig || known?.source === "learned";
  const isOthers = isKnown || ["alias", "type", "label"].some((member) => known?.[member] && !own?.[member]);
  const isFixed = (member) => isOthers && !own?.[member];
  const id = text("", known?.id, { required: true, maxlength: 256, readonly: isOthers, placeholder: "_widget_…" });
  const label = text("", known?.label ?? "", { maxlength: 1024, readonly: isFixed("label") });
  const alias = text("", known?.alias ?? "", { maxlength: 256, readonly: isConfig && known.alias !== null });
  const type = typeSelect(known?.type);
  type.disabled = isFixed("type");
  const items = isNested ? null : fieldList(known?.items ?? [], own?.items ?? [], true);
  // What is hidden must not be asked for: then nothing could be saved, and nobody would see why.
  const nested = items && h("fieldset.nested", { "aria-label": "Fields of the sub-form" }, items);
  const showItems = () => nested && (nested.disabled = type.value !== "subform");
  type.addEventListener("change", showItems);
  showItems();
  const cells = h("div.cells",
    field("Field id", id), field("Label", label), field("Type", type), field("Alias", alias),
    isKnown ? locked(isConfig ? "Configuration" : "Platform") : remove);
  parts.set(cells, { known, own, isOthers, items, controls: { id, label, type, alias } });
  return [cells, nested];
}

const fieldList = (fields, set, isNested) => {
  const add = isNested ? "Add a field of the sub-form" : "Add a field";
  const list = rows(fields, (known, remove) => {
    const own = known && set.find(({ id }) => id === known.id);
    return fieldRow(known, own, remove, isNested);
  }, add, "Remove");
  list.classList.add("fields");
  return list;
};

// What others say is left out: it would stay here when it changes there.
function read(list, path) {
  const fields = [];
  for (const { known, own, isOthers, items, controls } of rowsOf(list)) {
    const at = `${path}[${fields.length}]`;
    const one = {};
    for (const [member, { value }] of Object.entries(controls)) one[member] = value.trim() || null;
    const isSubform = one.type === "subform";
    if (one.id === known?.id) {
      for (const member of ["alias", "type", "label"]) {
        if (one[member] === known[member]) one[member] = own?.[member] ?? null;
      }
    }
    const rows = isSubform && items ? read(items, `${at}.items`) : [];
    if (rows.length) Object.assign(one, { type: "subform", items: rows });
    if (isOthers && !one.alias && !one.type && !one.label) continue;
    fields.push(one);
    for (const [member, control] of Object.entries(controls)) control.name = `${at}.${member}`;
  }
  return fields;
}

function fault(control) {
  const value = control.value.trim();
  const list = control.closest(".fields");
  if (!value || !list) return "";
  const siblings = rowsOf(list);
  if (siblings.some(({ controls }) => controls.alias === control) && !ALIAS.test(value)) {
    return "Lower-case letters, digits and _ only, and a letter first.";
  }
  const names = siblings.flatMap(({ controls }) => [controls.id, controls.alias]);
  const isTaken = names.includes(control) && names.some((other) => other !== control && other.value.trim() === value);
  return isTaken ? "Another field has this name already." : "";
}

/** Edits fields, of which these were set here. */
export function aliasEditor(fields, set) {
  const node = fieldList(fields, set, false);
  function readAll() {
    // Those of rows that are not sent would take the errors of others.
    for (const control of node.querySelectorAll("[name]")) control.name = "";
    return read(node, "fields");
  }
  return { node, read: readAll, fault };
}
