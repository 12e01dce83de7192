// Shows shadows as they change. Everything from the service is put in as text, never as markup.
"use strict";

const find = (id) => document.getElementById(id);
const PAGE = 500;
let shadows = [];
let next = null;
let chosen = null;
let seen = -1;
let changed = true;

function element(name, text) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Indents JSON text without reading it: numbers stay as they are written.
function indent(json) {
  let out = "", depth = 0, inText = false;
  const line = () => "\n" + "  ".repeat(depth);
  for (let at = 0; at < json.length; at++) {
    const c = json[at];
    if (inText) {
      out += c;
      if (c === "\\") out += json[++at];
      else if (c === '"') inText = false;
    } else if (c === '"') {
      inText = true;
      out += c;
    } else if (c === "{" || c === "[") {
      const empty = json[at + 1] === "}" || json[at + 1] === "]";
      if (empty) out += c + json[++at];
      else { depth++; out += c + line(); }
    } else if (c === "}" || c === "]") {
      depth--;
      out += line() + c;
    } else out += c === "," ? c + line() : c === ":" ? ": " : c;
  }
  return out;
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

const query = (shadow) =>
  `thing=${encodeURIComponent(shadow.thing)}&name=${encodeURIComponent(shadow.name || "")}`;

const same = (a, b) => a && b && a.thing === b.thing && a.name === b.name;

function showList() {
  const wanted = find("filter").value;
  const items = shadows
    .filter((shadow) => `${shadow.thing} ${shadow.name || ""}`.includes(wanted))
    .map((shadow) => {
      const button = element("button", shadow.name === null ? shadow.thing : `${shadow.thing} / ${shadow.name}`);
      button.type = "button";
      if (shadow.name !== null) button.className = "named";
      button.setAttribute("aria-current", same(shadow, chosen) ? "true" : "false");
      button.addEventListener("click", () => choose(shadow));
      const item = element("li");
      item.append(button);
      return item;
    });
  find("shadows").replaceChildren(...items);
  find("none").hidden = shadows.length > 0;
  find("more").hidden = next === null;
}

async function readList() {
  // As many as are shown already; the rest waits for the button.
  const size = Math.max(PAGE, shadows.length);
  const page = await ask(`/-/shadows?size=${size}`);
  shadows = page.shadows;
  next = page.next;
  showList();
}

async function readMore() {
  const page = await ask(`/-/shadows?size=${PAGE}&${query(next)}`);
  shadows = shadows.concat(page.shadows);
  next = page.next;
  showList();
}

function choose(shadow) {
  chosen = shadow;
  find("text").value = "";
  delete find("text").dataset.for;
  find("answer").textContent = "";
  location.hash = new URLSearchParams(shadow.name === null ? { thing: shadow.thing } : shadow);
  showList();
  readShadow().catch(fail);
}

async function readShadow() {
  if (!chosen) return;
  const asked = chosen;
  const view = await ask(`/-/shadow?${query(asked)}`);
  if (!same(asked, chosen)) return;
  find("choose").hidden = true;
  find("shadow").hidden = false;
  find("name").textContent = asked.name === null ? asked.thing : `${asked.thing} / ${asked.name}`;
  const there = view.version !== undefined;
  find("facts").textContent = there
    ? `version ${view.version}${asked.name === null ? ", classic shadow" : ""}`
    : "There is no such shadow.";
  for (const section of ["desired", "reported", "delta"]) {
    const text = view[section];
    find(section).textContent = text === undefined ? "" : indent(text);
  }
  const text = find("text");
  if (text.dataset.for === undefined && there) {
    text.value = indent(view.desired || "{}");
    text.dataset.for = "filled";
  }
}

async function update(event) {
  event.preventDefault();
  const say = (text, bad) => {
    find("answer").textContent = text;
    find("answer").className = bad ? "bad" : "";
  };
  const text = find("text").value;
  try {
    JSON.parse(text);
  } catch (error) {
    return say(`not JSON: ${error.message}`, true);
  }
  const name = chosen.name === null ? "" : `?name=${encodeURIComponent(chosen.name)}`;
  try {
    const answer = await fetch(`/things/${encodeURIComponent(chosen.thing)}/shadow${name}`, {
      method: "POST",
      body: `{"state":{"desired":${text}}}`,
    });
    const body = await answer.json();
    say(answer.ok ? `accepted as version ${body.version}` : `${answer.status} ${body.message}`, !answer.ok);
    await readShadow();
  } catch (error) {
    say(String(error), true);
  }
}

function showMessages(entries) {
  const list = find("messages");
  for (const entry of entries) {
    const item = element("li");
    const time = element("time", new Date(entry.time).toLocaleTimeString());
    time.dateTime = new Date(entry.time).toISOString();
    item.append(time, element("span", entry.text));
    if (entry.messages.length) {
      const more = element("details");
      more.append(element("summary", `${entry.messages.length} published`));
      for (const [topic, payload] of entry.messages) more.append(element("pre", `${topic}\n${payload}`));
      item.append(more);
    }
    list.prepend(item);
  }
  while (list.children.length > 100) list.lastChild.remove();
}

function fail(error) {
  find("status").textContent = `no connection: ${error.message}`;
  find("status").className = "bad";
  changed = true;
}

async function poll() {
  if (document.visibilityState === "hidden") return;
  try {
    const news = await ask(`/-/messages?after=${seen}`);
    // A service that was started anew counts anew.
    if (news.number < seen) changed = true;
    if (news.number !== seen) showMessages(news.entries);
    const mine = (entry) =>
      entry.changed && chosen && entry.thing === chosen.thing && entry.name === (chosen.name || "");
    // What is older than the last hundred requests is not told of.
    const missed = news.number - seen > news.entries.length;
    if (changed || missed || news.entries.some((entry) => entry.listed)) await readList();
    if (changed || missed || news.entries.some(mine)) await readShadow();
    seen = news.number;
    changed = false;
    find("status").textContent = "live";
    find("status").className = "";
  } catch (error) {
    fail(error);
  }
}

async function live() {
  await poll();
  setTimeout(live, 1000);
}

find("filter").addEventListener("input", showList);
find("more").addEventListener("click", () => readMore().catch(fail));
find("edit").addEventListener("submit", update);
const asked = new URLSearchParams(location.hash.slice(1));
if (asked.has("thing")) choose({ thing: asked.get("thing"), name: asked.get("name") });
live();
