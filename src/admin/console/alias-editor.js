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

function fieldRow(known, remove, isNested) {
  const isConfig = known?.source === "config";
  const isKnown = isConfig || known?.source === "learned";
  const id = text("", known?.id, { required: true, maxlength: 256, readonly: isKnown, placeholder: "_widget_…" });
  const label = text("", known?.label ?? "", { maxlength: 1024, readonly: isKnown });
  const alias = text("", known?.alias ?? "", { maxlength: 256, readonly: isConfig && known.alias !== null });
  const type = typeSelect(known?.type);
  type.disabled = isKnown;
  const items = isNested ? null : fieldList(known?.items ?? [], true);
  const showItems = () => items && (items.hidden = type.value !== "subform");
  type.addEventListener("change", showItems);
  showItems();
  const cells = h("div.cells",
    field("Field id", id), field("Label", label), field("Type", type), field("Alias", alias),
    isKnown ? locked(isConfig ? "Configuration" : "Platform") : remove);
  parts.set(cells, { known, id, label, type, alias, items });
  return [cells, items];
}

const fieldList = (fields, isNested) => {
  const add = isNested ? "Add a field of the sub-form" : "Add a field";
  const list = rows(fields, (known, remove) => fieldRow(known, remove, isNested), add, "Remove");
  list.classList.add("fields");
  return list;
};

// What would only repeat the configuration or the platform is left out.
function read(list, path) {
  const fields = [];
  for (const { known, id, label, type, alias, items } of rowsOf(list)) {
    const at = `${path}[${fields.length}]`;
    Object.entries({ id, label, type, alias }).forEach(([member, control]) => (control.name = `${at}.${member}`));
    const one = { id: id.value.trim(), alias: alias.value.trim() || null, type: type.value || null, label: label.value.trim() || null };
    if (one.type === "subform" && items) one.items = read(items, `${at}.items`);
    const isOwn = !label.readOnly;
    if (!isOwn) {
      one.label = null;
      if (!one.items?.length) one.type = null;
    }
    if (isOwn || one.alias !== known.alias || one.items?.length) fields.push(one);
  }
  return fields;
}

function fault(control) {
  const value = control.value.trim();
  const list = control.closest(".fields");
  if (!value || !list) return "";
  const siblings = rowsOf(list);
  if (siblings.some(({ alias }) => alias === control) && !ALIAS.test(value)) {
    return "Lower-case letters, digits and _ only, and a letter first.";
  }
  const names = siblings.flatMap(({ id, alias }) => [id, alias]);
  const isTaken = names.includes(control) && names.some((other) => other !== control && other.value.trim() === value);
  return isTaken ? "Another field has this name already." : "";
}

export function aliasEditor(fields) {
  const node = fieldList(fields, false);
  return { node, read: () => read(node, "fields"), fault };
}
