"use strict";
// The chat grows by a stream of HTML that the server has made; everything else is plain links and forms.

const at = (id) => document.getElementById(id);

for (const link of document.querySelectorAll("header nav a")) {
  const place = link.getAttribute("href");
  if (place === "/" ? location.pathname === "/" : location.pathname.startsWith(place)) link.setAttribute("aria-current", "page");
}

function atEnd() {
  return window.innerHeight + window.scrollY > document.body.scrollHeight - 120;
}

function toEnd() {
  window.scrollTo({ top: document.body.scrollHeight });
}

function keepingPlace(change) {
  const follow = atEnd();
  change();
  if (follow) toEnd();
}

function show(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const message = holder.content.firstElementChild;
  const known = at(message.id);
  keepingPlace(() => (known ? known.replaceWith(message) : at("messages").append(message)));
}

function trouble(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = !text;
}

async function send(form, submitter) {
  const fields = new URLSearchParams(new FormData(form, submitter));
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields, headers: { "X-Requested-With": "page" } });
    trouble(answer.ok ? "" : await answer.text());
    return answer.ok;
  } catch {
    trouble("Stoa can't be reached. Nothing was lost: your text is still here.");
    return false;
  }
}

function live(place) {
  const news = new EventSource(place);
  news.addEventListener("message-shown", (event) => show(event.data));
  news.addEventListener("questions", (event) => keepingPlace(() => (at("questions").innerHTML = event.data)));
  news.addEventListener("draft", (event) => {
    keepingPlace(() => (at("draft").innerHTML = event.data));
    at("draft").hidden = at("stop").hidden = !event.data;
  });
  let lost = false;
  news.addEventListener("error", () => (lost = true));
  news.addEventListener("open", () => lost && location.reload());
}

if (at("say")) {
  const text = at("text");
  live(at("messages").dataset.live);
  toEnd();
  requestAnimationFrame(() => requestAnimationFrame(toEnd)); // messages come into view with their real height only then
  at("say").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await send(event.target)) text.value = "";
    text.focus();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    at("say").requestSubmit();
  });
  at("questions").addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.target, event.submitter);
  });
  at("stop").addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.target);
  });
}
