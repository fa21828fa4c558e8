// The service worker, with which the lab can be installed and is told of messages (backend/web/installable.py).

/** Register it, once the page has all it needs; browsers allow it over https and on this machine alone. */
export function registerServiceWorker() {
  if (!("serviceWorker" in navigator)) return;
  const register = () => navigator.serviceWorker.register("/service-worker.js").catch(() => {});
  if (document.readyState === "complete") register();
  else addEventListener("load", register, { once: true });
}

/** Whether this browser can be sent messages. */
export function canPush() {
  return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

/** Ask for permission and subscribe at the browser's push service; what the lab needs to send there. */
export async function subscribeToPush(key) {
  if ((await Notification.requestPermission()) !== "granted") {
    throw new Error("This browser does not allow notifications of this site. Allow them in its settings.");
  }
  const registration = await navigator.serviceWorker.ready;
  const earlier = await registration.pushManager.getSubscription();
  if (earlier) await earlier.unsubscribe(); // it may be of an earlier key
  const made = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytesOf(key) });
  const { endpoint, keys } = made.toJSON();
  return { endpoint, p256dh: keys.p256dh, auth: keys.auth };
}

function bytesOf(base64url) {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
