import { h } from "./dom.js";
import { button } from "./ui.js";

// A control's `name` is its member of the request's body, such as `forms[0].entry_id`.

let serial = 0;
const newId = () => `f${++serial}`;
const errorPlace = (id) => h("p.error", { id: `${id}-error` });

export const text = (name, value, properties) =>
  h("input", { name, value, autocomplete: "off", spellcheck: "false", ...properties });

export const select = (name, options, chosen, properties) =>
  h("select", { name, ...properties }, options.map(([value, label]) => h("option", { value, selected: value === chosen }, label)));

export function field(label, control, hint, ...beside) {
  const id = (control.id ||= newId());
  control.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
  return h("div.field",
    h("label", { for: id }, label),
    h("div.beside", control, beside),
    h("p.hint", { id: `${id}-hint` }, hint),
    errorPlace(id));
}

export function group(name, legend, hint, ...content) {
  const id = newId();
  return h("fieldset", { id, name, "aria-describedby": `${id}-error` }, h("legend", legend), h("p.hint", hint), content, errorPlace(id));
}

export function choice(label, properties, hint) {
  const id = newId();
  return h("div.choice",
    h("input", { id, type: "checkbox", "aria-describedby": `${id}-hint`, ...properties }),
    h("div", h("label", { for: id }, label), h("p.hint", { id: `${id}-hint` }, hint)));
}

/** Rows that a person adds and removes; `make(value, remove)` gives the content of one. */
export function rows(values, make, add, remove) {
  const list = h("div.rows");
  const append = (value) => {
    const drop = button(remove, () => {
      // That a row goes is a change of the form, too.
      list.dispatchEvent(new Event("input", { bubbles: true }));
      row.remove();
      adder.focus();
    }, { kind: "quiet small" });
    const row = h("div.row", make(value, drop));
    list.append(row);
    return row;
  };
  const adder = button(add, () => append().querySelector("input").focus(), { kind: "small" });
  values.forEach(append);
  return h("div", list, adder);
}

const errorOf = (control) => document.getElementById(`${control.id}-error`);

export function setError(control, message) {
  control.ariaInvalid = message ? "true" : null;
  const place = errorOf(control);
  if (place) place.textContent = message;
}

// If a path has no control, that of which it is a part has.
function controlOf(form, path) {
  for (let part = path; part; part = part.replace(/(^|[.[])[^.[]*$/, "")) {
    const control = form.querySelector(`[name="${CSS.escape(part)}"]`);
    if (control) return control;
  }
}

function focusFirstWrong(form) {
  for (const details of form.querySelectorAll("details:has([aria-invalid])")) details.open = true;
  const wrong = form.querySelector("[aria-invalid]") ?? form.querySelector(".summary");
  (wrong.matches("fieldset") ? wrong.querySelector(":enabled:is(input, button)") : wrong).focus();
}

function validate(control, rule) {
  const { validity, title, validationMessage } = control;
  const message = rule(control) || (validity.patternMismatch && title) || validationMessage;
  setError(control, message);
  return !message;
}

/**
 * A form that says at each control what is wrong with it, and forgets nothing that was typed.
 * `rule(control)` may find more wrong than the browser does. `form.sending(request)` calls it if all is
 * well, and shows the errors that the gateway answers.
 */
export function form(kind, rule, ...content) {
  const summary = h("div.summary.note.bad", { role: "alert", tabindex: -1, hidden: true });
  const node = h(`form${kind}`, { novalidate: true, onsubmit: (event) => event.preventDefault() }, summary, content);
  node.onchange = ({ target }) => target.willValidate && validate(target, rule);
  node.oninput = ({ target }) => {
    node.isDirty = true;
    if (target.ariaInvalid) validate(target, rule);
  };

  function showProblem({ message, errors = [] }) {
    const others = errors.filter(({ field: path, detail }) => {
      const control = controlOf(node, path);
      if (control) setError(control, `${control.ariaInvalid ? `${errorOf(control).textContent} ` : ""}${detail}`);
      return !control;
    });
    summary.replaceChildren(h("p", message), h("ul", others.map(({ field: path, detail }) => h("li", `${path}: ${detail}`))));
    summary.hidden = false;
    focusFirstWrong(node);
  }

  node.sending = async (request) => {
    for (const control of node.querySelectorAll("[aria-invalid]")) setError(control, "");
    summary.hidden = true;
    const wrong = [...node.elements].filter((control) => control.willValidate && !validate(control, rule));
    if (wrong.length) return focusFirstWrong(node);
    try {
      return await request();
    } catch (error) {
      if (error.status === 401) throw error;
      showProblem(error);
    }
  };
  return node;
}
