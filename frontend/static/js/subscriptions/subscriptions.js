// What a person is told of: a section of the settings.

import { ask } from "../web/api.js";
import { canPush, subscribeToPush } from "../web/installable.js";
import { refresh } from "../web/live.js";
import { attempt, confirm } from "../web/notices.js";

const ALL = "/api/v1/subscriptions";
const of = (id) => `${ALL}/${id}`;

/** `showSecret(id, name, secret)` shows what is shown only once. */
export function watchSubscriptions(showSecret) {
  const form = document.getElementById("subscribe");
  if (!form) return;
  if (!canPush()) form.querySelector('option[value="push"]').disabled = true;
  form.elements.channel.addEventListener("change", () => askForAddress(form));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save(form, showSecret);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("#notifications-section button");
    if (button) act(form, button);
  });
}

async function act(form, button) {
  const { test, edit, setActive, to, unsubscribe, name } = button.dataset;
  if (test) sendTest(test, button);
  if (edit) beginEdit(form, button.dataset);
  if ("cancelEdit" in button.dataset) endEdit(form);
  if (setActive) change(() => ask(of(setActive), { method: "PATCH", body: { is_active: to === "on" } }));
  if (unsubscribe && (await confirm(`Remove ${name}?`, "It is told of nothing any more. What waits for it is dropped.", "Remove"))) {
    change(() => ask(of(unsubscribe), { method: "DELETE" }));
  }
}

async function change(work) {
  if (await attempt(work)) await attempt(() => refresh());
}

async function sendTest(id, button) {
  const note = document.getElementById("test-answer");
  button.disabled = true;
  note.hidden = false;
  note.className = "note";
  note.textContent = "Sending a test message…";
  await attempt(async () => {
    const { arrived, answer } = await ask(`${of(id)}/test`, { method: "POST" });
    note.classList.toggle("is-warning", !arrived);
    note.textContent = `${arrived ? "The test message arrived" : "The test message did not arrive"}: ${answer}.`;
  });
  if (note.textContent.endsWith("…")) note.hidden = true;
  button.disabled = false;
}

function save(form, showSecret) {
  const data = new FormData(form);
  const said = { name: data.get("name"), filter: data.get("filter"), events: data.getAll("events") };
  const edited = form.dataset.edited;
  change(async () => {
    if (edited) {
      await ask(of(edited), { method: "PATCH", body: said });
      endEdit(form);
      return;
    }
    const channel = data.get("channel");
    const body = { ...said, channel };
    if (channel === "push") body.push = await subscribeToPush((await ask(`${ALL}/push-key`)).key);
    else body.url = data.get("url").trim();
    const { secret } = await ask(ALL, { method: "POST", body });
    if (secret) showSecret("webhook-secret", said.name, secret);
    form.reset();
    askForAddress(form);
  });
}

function askForAddress(form) {
  form.querySelector("[data-address]").hidden = form.elements.channel.value === "push" || Boolean(form.dataset.edited);
}

function beginEdit(form, { edit, name, events, filter }) {
  form.dataset.edited = edit;
  form.elements.name.value = name;
  form.elements.filter.value = filter;
  for (const box of form.querySelectorAll('[name="events"]')) box.checked = events.split(" ").includes(box.value);
  showEditing(form, true);
  form.elements.name.focus();
}

function endEdit(form) {
  delete form.dataset.edited;
  form.reset();
  showEditing(form, false);
}

function showEditing(form, isEditing) {
  for (const part of form.querySelectorAll("[data-new]")) part.hidden = isEditing;
  form.querySelector("[data-submit]").textContent = isEditing ? "Save changes" : "Add subscription";
  form.querySelector("[data-cancel-edit]").hidden = !isEditing;
  askForAddress(form);
}
