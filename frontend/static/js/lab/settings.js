// Settings: sessions, people, tokens, share links, notifications, storage.

import { watchSubscriptions } from "../subscriptions/subscriptions.js";
import { ask } from "../web/api.js";
import { copyText } from "../web/clipboard.js";
import { refresh } from "../web/live.js";
import { attempt, confirm, tell } from "../web/notices.js";
import { counted } from "../web/words.js";

const named = (kind, name) => `/api/v1/${kind}/${encodeURIComponent(name)}`;

async function change(work) {
  if (await attempt(work)) await attempt(() => refresh());
}

function showSecret(id, name, secret) {
  const note = document.getElementById(id);
  note.hidden = false;
  note.querySelector("[data-of]").textContent = name;
  note.querySelector("[data-secret]").textContent = secret;
  note.querySelector("[data-copy]").focus();
}

watchSubscriptions(showSecret);

const linkOf = (path) => `${location.origin}${path}`;

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!["add-person", "add-token"].includes(form.id)) return;
  event.preventDefault();
  const body = Object.fromEntries(new FormData(form));
  change(async () => {
    if (form.id === "add-person") showSecret("invitation", body.name, linkOf((await ask("/api/v1/people", { method: "POST", body })).path));
    if (form.id === "add-token") showSecret("secret", body.name, (await ask("/api/v1/tokens", { method: "POST", body })).secret);
    form.reset();
    if (form.id === "add-person") addToTokenForm(body);
  });
});

/** The new person can be given a token at once. */
function addToTokenForm({ name, role }) {
  document.getElementById("token-person").append(new Option(`${name} (${role})`, name));
}

document.addEventListener("change", (event) => {
  const { limit, of } = event.target.dataset;
  if (limit && event.target.reportValidity()) change(() => ask(named("people", of), { method: "PATCH", body: { [limit]: event.target.value === "" ? null : Number(event.target.value) } }));
  const name = event.target.dataset.roleOf;
  if (name) change(() => ask(named("people", name), { method: "PATCH", body: { role: event.target.value } }));
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { invite, remove, revoke, free } = button.dataset;
  if ("copy" in button.dataset) copy(button);
  if (invite) attempt(async () => showSecret("invitation", invite, linkOf((await ask(`${named("people", invite)}/invite`, { method: "POST" })).path)));
  if (remove && (await confirm(`Remove ${remove}?`, "Their tokens and sessions end immediately. Their runs and dashboards are kept.", "Remove"))) {
    change(() => ask(named("people", remove), { method: "DELETE" }));
  }
  if (revoke && (await confirm(`Revoke ${revoke}?`, "Anyone using it loses access immediately.", "Revoke"))) {
    change(() => ask(named("tokens", revoke), { method: "DELETE" }));
  }
  const { revokeShare, endSession, name } = button.dataset;
  if (endSession && (await confirm(`End the session of ${name}?`, "That browser must log in again.", "End session"))) {
    change(() => ask(named("sessions", endSession), { method: "DELETE" }));
  }
  if ("endOthers" in button.dataset && (await confirm("End all your other sessions?", "All other browsers must log in again.", "End all others"))) {
    change(() => ask("/api/v1/sessions", { method: "DELETE" }));
  }
  if (revokeShare && (await confirm(`Revoke this link to ${name}?`, "Anyone who has it loses access immediately.", "Revoke"))) {
    change(() => ask(`/api/v1/dashboards/${revokeShare}`, { method: "DELETE" }));
  }
  if (free) freeUp([free], button.dataset.name);
  if ("freeAll" in button.dataset) {
    const runs = [...document.querySelectorAll("[data-free]")].map((each) => each.dataset.free);
    freeUp(runs, counted(runs.length, "run"));
  }
});

async function freeUp(runs, name) {
  const text = "The newest and the best stay, and whatever an alias, a fork, an evaluation or a dashboard needs. The others are deleted. This cannot be undone.";
  if (!(await confirm(`Delete checkpoints of ${name} that nothing needs?`, text, "Delete checkpoints"))) return;
  change(async () => {
    await ask("/api/v1/storage/free", { method: "POST", body: { runs } });
    tell(`Deleted the checkpoints of ${name} that nothing needed.`);
  });
}

async function copy(button) {
  if (!(await copyText(button.parentElement.querySelector("[data-secret]").textContent))) return;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 2000);
}
