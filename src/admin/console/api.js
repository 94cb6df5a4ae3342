const BASE = "/api/v1";
const TOKEN = "formhook.token";

export const token = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (value) => sessionStorage.setItem(TOKEN, value),
  forget: () => sessionStorage.removeItem(TOKEN),
};

export const events = { onUnauthorized: () => {} };

/** Each value is one segment. */
export const path = (strings, ...values) => String.raw(strings, ...values.map(encodeURIComponent));

export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

const problem = (status, message, errors = []) => Object.assign(new Error(message), { status, errors });

async function problemOf(answer) {
  const { status } = answer;
  const text = await answer.text();
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    said = { detail: text.slice(0, 200) };
  }
  return problem(status, said.detail || said.title || `HTTP ${status}`, said.errors);
}

async function request(method, url, body) {
  // What is pasted may have what nobody sees. The browser sends no such header, and says no reason.
  if (!/^[!-~]*$/.test(token.get())) throw problem(0, "The token has characters that cannot be in one. Copy it anew.");
  const headers = { authorization: `Bearer ${token.get()}` };
  if (body) headers["content-type"] = "application/json";
  // A test lasts as long as the webhook's timeout, up to a minute.
  const signal = AbortSignal.timeout(method === "GET" ? 20_000 : 90_000);
  let answer;
  try {
    answer = await fetch(BASE + url, { method, headers, signal, body: body && JSON.stringify(body) });
  } catch {
    throw problem(0, "The gateway does not answer.");
  }
  if (answer.ok) return answer;
  if (answer.status === 401) events.onUnauthorized();
  throw await problemOf(answer);
}

export async function send(method, url, body) {
  const answer = await request(method, url, body);
  return answer.status === 204 ? null : answer.json();
}

export const get = (url) => send("GET", url);
export const post = (url, body) => send("POST", url, body);
export const getBlob = async (url) => (await request("GET", url)).blob();
export const getText = async (url) => (await request("GET", url)).text();
