/**
 * Makes an element: `h("p.hint", { id: "a" }, "text", child)`. Functions become properties (`onclick`);
 * `false`, `null` and `undefined` are left out, of the children too. Text is only ever text.
 */
export function h(selector, ...children) {
  const [tag, ...classes] = selector.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  const properties = children[0]?.constructor === Object ? children.shift() : {};
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") node[name] = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value != null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return node;
}

const keyOf = (node) => node.dataset?.key;

function patchNode(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  // A command of it is under way.
  if (old.ariaBusy) {
    old.onclick = fresh.onclick;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const property of ["onclick", "onchange", "checked", "indeterminate"]) old[property] = fresh[property];
  patch(old, fresh.childNodes);
}

/**
 * Makes the children of `parent` like `fresh`, and touches only what differs, so that focus, selection
 * and scroll stay. A child with a `data-key` keeps its element wherever it moves.
 */
export function patch(parent, fresh) {
  const wanted = [...fresh];
  const keys = new Set(wanted.map(keyOf));
  const keyed = new Map();
  for (const child of [...parent.childNodes]) {
    if (keyOf(child) === undefined) continue;
    if (keys.has(keyOf(child))) keyed.set(keyOf(child), child);
    else child.remove();
  }
  let at = parent.firstChild;
  for (const child of wanted) {
    const old = keyOf(child) === undefined ? at : keyed.get(keyOf(child));
    if (old && old.nodeName === child.nodeName && keyOf(old) === keyOf(child)) {
      if (old === at) at = at.nextSibling;
      else parent.insertBefore(old, at);
      patchNode(old, child);
    } else {
      parent.insertBefore(child, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}
