// Whoever orders something here says who they are; the browser remembers it.

const KEY = "busbar.person";

/** The name given last on this device; empty before. */
export function personName() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** Keeps it for the next time. */
export function rememberPerson(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // Private windows may not keep anything; it is asked again then.
  }
}
