// Light, dark, or as the device says.

const KEY = "busbar.theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" };
const WORD = { auto: "As the device", light: "Light", dark: "Dark" };

function kept() {
  try {
    return localStorage.getItem(KEY) ?? "auto";
  } catch {
    return "auto";
  }
}

/** Puts the kept theme in force and lets a button change it; `onChange` after every change. */
export function useTheme(button, onChange) {
  const apply = (theme) => {
    const known = theme in NEXT ? theme : "auto";
    if (known === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = known;
    button.dataset.theme = known;
    button.setAttribute("aria-label", `Colours: ${WORD[known]}. Change to: ${WORD[NEXT[known]]}`);
    button.title = `Colours: ${WORD[known]}`;
    return known;
  };
  apply(kept());
  button.addEventListener("click", () => {
    const theme = apply(NEXT[button.dataset.theme]);
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // It then holds until the page is closed.
    }
    onChange();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
}
