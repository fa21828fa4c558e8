// Runs before the first paint, so that what needs a script neither flashes nor moves.
document.documentElement.classList.add("has-script");

// Plotly takes a second to load: it starts as soon as what the server drew is on the screen, not before, and
// without waiting for our modules. charts/theme.js finds it.
const wanted = document.querySelector("link[rel=preload][href*=plotly]");
if (wanted) {
  new PerformanceObserver((entries, observer) => {
    if (!entries.getEntriesByName("first-contentful-paint").length) return;
    observer.disconnect();
    const script = document.createElement("script");
    script.id = "plotly";
    script.src = wanted.href;
    document.head.append(script);
  }).observe({ type: "paint", buffered: true });
}
