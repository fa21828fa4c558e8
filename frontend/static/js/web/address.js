// What a page shows stands in its address, so that a reload, the back button and a pasted address show the same.

/** What the address says under a name; null where it says nothing. */
export const given = (name) => new URLSearchParams(location.search).get(name);

/** Let the address say what is shown, without a new step for the back button; null takes a name out. */
export function say(values) {
  const address = new URL(location);
  for (const [name, value] of Object.entries(values)) {
    if (value === null) address.searchParams.delete(name);
    else address.searchParams.set(name, value);
  }
  history.replaceState(history.state, "", address);
}
