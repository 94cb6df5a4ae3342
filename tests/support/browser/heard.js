// All that is heard on the page, in its order: role, name, whether it has the focus, and the element itself.
// While a modal dialog is open, what is behind it is not heard.
// ARIA has no role for some controls, which are heard as these.
const control = (element) =>
  element.matches("input:not([type=hidden])") ? "textbox" : element.matches("summary") ? "button" : null;
const silent = new Set(["generic", "presentation", "none"]);
axe.setup();
try {
  const { aria, dom, text } = axe.commons;
  const top = [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body;
  return [top, ...top.querySelectorAll("*")].flatMap((element) => {
    const node = axe.utils.getNodeFromTree(element);
    const role = node && (aria.getRole(node) ?? control(element));
    if (!role || silent.has(role) || !dom.isVisibleToScreenReaders(node)) return [];
    const name = text.accessibleTextVirtual(node).replace(/\s+/g, " ").trim();
    return [[role, name, element === document.activeElement, element]];
  });
} finally {
  axe.teardown();
}
