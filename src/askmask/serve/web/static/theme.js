/** Light, dark, or as the system has it; `boot.js` sets it at first. */

const KEY = "askmask-theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" };
const NAMES = { auto: "as the system", light: "light", dark: "dark" };

export function theme() {
  return localStorage.getItem(KEY) ?? "auto";
}

function use(name) {
  document.documentElement.dataset.theme = name;
}

/** Make a button switch the theme. */
export function bindThemeButton(button) {
  const label = () => {
    button.setAttribute("aria-label", `Theme: ${NAMES[theme()]}. Change`);
    button.title = `Theme: ${NAMES[theme()]}`;
  };
  button.addEventListener("click", () => {
    localStorage.setItem(KEY, NEXT[theme()]);
    use(theme());
    label();
    window.dispatchEvent(new Event("themechange"));
  });
  label();
}
