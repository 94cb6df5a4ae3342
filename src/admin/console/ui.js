import { h, patch } from "./dom.js";
import { token } from "./api.js";
import { BADGES, local } from "./format.js";

const REFRESH_EVERY = 5000;
const MESSAGE_LASTS = 8000;

export const messages = () => document.getElementById("messages");

/** Says something to the person, by eye and by ear. */
export function say(text, tone = "good") {
  const message = h(`p.message.${tone}`, text,
    h("button.quiet", { type: "button", "aria-label": "Dismiss", onclick: () => message.remove() }, "×"));
  messages().append(message);
  if (tone === "good") setTimeout(() => message.remove(), MESSAGE_LASTS);
}

/** A button that is busy until `run(itself)` is done, and says what went wrong. Among its siblings its label is its key. */
export function button(label, run, { kind = "", ...properties } = {}) {
  const onclick = async ({ currentTarget: self }) => {
    if (self.ariaBusy) return;
    self.ariaBusy = "true";
    try {
      await run(self);
    } catch (error) {
      say(error.message, "bad");
    }
    self.ariaBusy = null;
  };
  return h("button", { type: "button", class: kind, "data-key": label, ...properties, onclick }, label);
}

export const link = (href, label, kind, properties) => h("a", { href, class: kind, ...properties }, label);

export const copyButton = (what, text) =>
  button("Copy", async (self) => {
    if (!navigator.clipboard) throw new Error("The browser copies only over HTTPS or on localhost. Select the text instead.");
    await navigator.clipboard.writeText(text.call ? text() : text);
    self.textContent = "Copied";
    setTimeout(() => (self.textContent = "Copy"), 2000);
  }, { kind: "small", "aria-label": `Copy ${what}` });

export function save(name, content) {
  const href = URL.createObjectURL(new Blob([content]));
  h("a", { href, download: name.replace(/[^\p{L}\p{N}._-]+/gu, "_") }).click();
  URL.revokeObjectURL(href);
}

/** A text to read and copy. It takes the focus, so that the keyboard can scroll it. */
export const code = (label, text, ...actions) =>
  h("div.code",
    h("div.actions", h("strong", label), copyButton(label, text), actions),
    h("pre", { tabindex: 0, role: "group", "aria-label": label }, text));

export function badge(name) {
  const [label, tone] = BADGES[name] ?? [name, "off"];
  return h(`span.badge.${tone}`, label);
}

export const chips = (items) => h("ul.chips", items.map((item) => h("li", item)));

export const locked = (label) => h("span.locked", { title: "It can only be changed in the gateway's configuration." }, label);

/**
 * A table; where there is no room it becomes a list of cards, hence the roles. `columns` are headings,
 * each with its class after `|`; `rows` are `[key, ...cells]`.
 */
export function table(label, columns, rows) {
  const heads = columns.map((column) => column.split("|"));
  const row = ([key, ...cells]) => h("tr", { role: "row", "data-key": key }, cells.map((cell, index) => {
    const [head, kind] = heads[index];
    return h("td", { role: "cell", class: kind, "data-label": head }, h("div", cell));
  }));
  return h("table", { role: "table", "aria-label": label },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map(([head, kind]) => h("th", { role: "columnheader", class: kind }, head)))),
    h("tbody", { role: "rowgroup" }, rows.map(row)));
}

/** Those with no value are left out. */
export const facts = (values) =>
  h("dl", Object.entries(values).filter(([, value]) => value || value === 0).map(([name, value]) =>
    h("div", h("dt", name), h("dd", value))));

export const empty = (lead, text, ...actions) => h("div.state", h("p.lead", lead), h("p", text), actions);

export function section(title, ...content) {
  const id = title.toLowerCase().replaceAll(" ", "-");
  return h("section.card", { "aria-labelledby": id }, h("h2", { id }, title), content);
}

export const page = (title, { back, actions }, ...content) =>
  h("div",
    back && link(back[1], back[0], "back"),
    h("div.heading", h("h1", { tabindex: -1 }, title), actions),
    content);

export function setHeading(view, title) {
  view.querySelector("h1").textContent = title;
  document.title = `${title} · Formhook`;
}

/** Shows a dialog until it is closed; `content` gets the function that closes it with a result. */
export const dialog = (title, content) =>
  new Promise((resolve) => {
    const close = (result) => {
      resolve(result);
      node.close();
    };
    const onclose = () => {
      resolve();
      const below = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
      if (node.contains(messages())) below.append(messages());
      node.remove();
    };
    const node = h("dialog", { "aria-label": title, onclose }, h("h2", title), content(close));
    document.body.append(node);
    node.showModal();
    // What is behind a dialog cannot be reached, and is not read out.
    node.append(messages());
  });

export const closeDialogs = () => document.querySelectorAll("dialog").forEach((node) => node.close());

export const confirm = (title, text, action) =>
  dialog(title, (close) => [
    h("p", text),
    h("div.actions.end", button("Cancel", () => close(), { autofocus: true }), button(action, () => close(true), { kind: "danger" })),
  ]);

const regions = new Set();

/** Loads anew all that is kept fresh; without a token that would only be wrong ones. */
export const refresh = () => Promise.all(token.get() ? [...regions].map((load) => load()) : []);
export const stopRefreshing = () => regions.clear();

export function keepFresh(load) {
  regions.add(load);
  load();
}

async function tick() {
  if (!document.hidden) await refresh();
  setTimeout(tick, REFRESH_EVERY);
}
setTimeout(tick, REFRESH_EVERY);
document.addEventListener("visibilitychange", () => document.hidden || refresh());

/** An element that shows `render(await load())`, a list of nodes, and is kept fresh unless it `isStill`. */
export function region(load, render, isStill) {
  const node = h("div.region", h("p.state.loading", "Loading…"));
  let shown = null;
  let at;
  let latest = 0;
  const show = (before) => patch(node, [before, render(shown)].flat(Infinity).filter(Boolean));
  const stale = (error) => h("p.note.warn", { "data-key": "stale" }, `${error.message} What you see is from ${local(at)}.`);
  const failure = (error) => h("div.state", { role: "alert" },
    h("p.lead", "This could not be loaded"), h("p", error.message), button("Try again", node.update));
  node.update = async () => {
    const mine = ++latest;
    try {
      const loaded = await load();
      if (mine !== latest) return;
      shown = loaded;
      at = Date.now();
      show();
    } catch (error) {
      if (mine !== latest) return;
      if (shown && error.status !== 404) return show(stale(error));
      shown = null;
      patch(node, [failure(error)]);
    }
  };
  // For what depends on more than what was loaded, such as a selection.
  node.redraw = () => shown && show();
  if (isStill) node.update();
  else keepFresh(node.update);
  return node;
}
