import { events, get, token } from "./api.js";
import { patch } from "./dom.js";
import { failed } from "./failed.js";
import { setError } from "./fields.js";
import { number, setClock } from "./format.js";
import { form, forms } from "./forms.js";
import { history as pushHistory, push } from "./history.js";
import { banner } from "./keep.js";
import { button, closeDialogs, empty, keepFresh, link, page, refresh, setHeading, stopRefreshing } from "./ui.js";
import { editWebhook, newWebhook } from "./webhook-form.js";
import { webhook, webhooks } from "./webhooks.js";

// `*` is any segment; the first that fits counts.
const ROUTES = {
  "webhooks": webhooks,
  "webhooks/new": newWebhook,
  "webhooks/*": webhook,
  "webhooks/*/edit": editWebhook,
  "failed": failed,
  "history": pushHistory,
  "history/*": push,
  "forms": forms,
  "forms/*/*": form,
};

const $ = (id) => document.getElementById(id);

let shownHash = null;

function decode(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function route(hash) {
  const [address, query] = hash.slice(2).split("?");
  const segments = address.split("/");
  for (const [pattern, view] of Object.entries(ROUTES)) {
    const parts = pattern.split("/");
    if (parts.length === segments.length && parts.every((part, at) => part === segments[at] || (part === "*" && segments[at]))) {
      const values = segments.filter((_, at) => parts[at] === "*").map(decode);
      return view(...values, Object.fromEntries(new URLSearchParams(query)));
    }
  }
  return page("Not found", {}, empty("There is no such page", "The address may be mistyped.", link("#/webhooks", "To the webhooks")));
}

async function showStatus() {
  try {
    const { now, pending, failed, note, durable } = await get("/status");
    setClock(now);
    $("glance").textContent = `${number(pending)} pending · ${number(failed)} failed`;
    $("failed-count").textContent = failed ? number(failed) : "";
    patch($("banner"), note && !durable ? [banner(note)] : []);
  } catch (error) {
    $("glance").textContent = error.message;
  }
}

const heading = () => $("main").querySelector("h1");
const isDirty = () => [...document.forms].some((form) => form.isDirty);

function setTitle() {
  setHeading($("main"), heading().textContent);
  const here = location.hash.split(/[/?]/)[1];
  for (const anchor of document.querySelectorAll("nav a")) anchor.ariaCurrent = anchor.hash === `#/${here}` ? "page" : null;
}

function show() {
  if (signInByLink() || $("console").hidden) return;
  if (isDirty() && !confirm("Leave without saving?")) return history.pushState(null, "", shownHash);
  closeDialogs();
  const isFirst = shownHash === null;
  shownHash = location.hash;
  stopRefreshing();
  $("main").replaceChildren(route(shownHash));
  keepFresh(showStatus);
  setTitle();
  if (isFirst) return;
  scrollTo(0, 0);
  heading().focus();
}

function askForToken(reason) {
  token.forget();
  closeDialogs();
  $("console").hidden = true;
  $("sign-in").hidden = false;
  $("reason").textContent = reason;
  document.title = "Sign in · Formhook";
  $("token").focus();
}

/** What was there before is still there, with all that was typed. */
function signedIn() {
  $("token").value = "";
  $("sign-in").hidden = true;
  $("console").hidden = false;
  if (!location.hash) history.replaceState(null, "", "#/webhooks");
  if (shownHash !== location.hash) return show();
  setTitle();
  refresh();
}

async function signIn() {
  const input = $("token");
  token.set(input.value.trim());
  try {
    await get("/status");
    signedIn();
  } catch (error) {
    token.forget();
    setError(input, error.status === 401 ? "This token is wrong." : error.message);
    input.focus();
  }
}

/** `#token=...` signs in, and does not stay in the address. */
function signInByLink() {
  const given = /^#token=(.+)/.exec(location.hash)?.[1];
  if (!given) return false;
  token.set(decode(given));
  history.replaceState(null, "", "#/webhooks");
  shownHash = null;
  signedIn();
  return true;
}

function signOut() {
  if (isDirty() && !confirm("Sign out without saving?")) return;
  stopRefreshing();
  shownHash = null;
  $("main").replaceChildren();
  $("messages").replaceChildren();
  askForToken("");
}

events.onUnauthorized = () => {
  if ($("sign-in").hidden) askForToken("The gateway does not take the token any more. Sign in, and go on where you were.");
};
const signInForm = document.querySelector("#sign-in form");
signInForm.onsubmit = (event) => event.preventDefault();
signInForm.append(button("Sign in", signIn, { type: "submit", kind: "primary" }));
$("sign-out").onclick = signOut;
$("skip").onclick = (event) => {
  event.preventDefault();
  heading().focus();
};
addEventListener("hashchange", show);
addEventListener("beforeunload", (event) => isDirty() && event.preventDefault());
if (!signInByLink()) {
  if (token.get()) signedIn();
  else askForToken("");
}
