// Runs before the first paint, so that what needs a script neither flashes nor moves.
document.documentElement.classList.add("has-script");
