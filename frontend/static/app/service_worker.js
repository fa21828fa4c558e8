// Shows a page that says so where the lab cannot be reached, and messages that the lab pushes. It keeps the files of
// SHELL and nothing else: no page and no answer of somebody who is logged in. OFFLINE, SHELL and ICON stand above;
// they change with every release, and with them the name of the cache.

const CACHE = `shell ${SHELL.join(" ")}`;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(CACHE);
      await cache.addAll(SHELL.map((path) => new Request(path, { credentials: "omit", cache: "reload" })));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const path = request.url.startsWith(`${self.location.origin}/`) ? request.url.slice(self.location.origin.length) : "";
  if (request.mode === "navigate" && request.method === "GET") event.respondWith(orShell(request, OFFLINE));
  else if (path !== OFFLINE && SHELL.includes(path)) event.respondWith(orShell(request, path));
});

/** What the server answers, whatever it is; without an answer, a file of the shell. */
async function orShell(request, path) {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await (await caches.open(CACHE)).match(path);
    if (!kept) throw error;
    return kept;
  }
}

self.addEventListener("push", (event) => {
  let message = {};
  try {
    message = event.data ? event.data.json() : {};
  } catch {
    // not from this lab: say at least that something came
  }
  const { title = "ETRM Lab", body = "", url = "/" } = message;
  event.waitUntil(self.registration.showNotification(title, { body, icon: ICON, data: { url } }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show(new URL(event.notification.data?.url ?? "/", self.location.origin)));
});

/** Show a page of the lab, in a window that is open if there is one; an address elsewhere is not opened. */
async function show(url) {
  const address = url.origin === self.location.origin ? url.href : `${self.location.origin}${url.pathname}${url.hash}`;
  for (const client of await self.clients.matchAll({ type: "window" })) {
    if (client.url === address) return client.focus();
  }
  return self.clients.openWindow(address);
}
