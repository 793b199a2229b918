/** Who works here: a name on this machine, a token from elsewhere. */

import { ApiError, call, get, post } from "./api.js";
import { dialogOf, h, show } from "./dom.js";

/** Where this tab keeps the key of the address that `askmask serve` printed. */
const KEY = "askmask-key";

/**
 * Session of the person, asking for a name or token if there is none yet.
 *
 * @param {string} [first] the view that an address with a key or token opens
 */
export async function logIn(first = "#/label") {
  const given = new URLSearchParams(location.hash.slice(1));
  const token = given.get("token");
  const key = given.get("key");
  if (key) {
    sessionStorage.setItem(KEY, key); // survives a reload before the name is given
    history.replaceState(null, "", `${location.pathname}${first}`);
  }
  if (token) {
    history.replaceState(null, "", `${location.pathname}${first}`); // kept out of the history
    try {
      return await post("/session", { token });
    } catch (error) {
      return askPerson(true, error.message);
    }
  }
  try {
    return await get("/session");
  } catch (error) {
    if (error.status !== 401) throw error;
    return askPerson(error.body.token_required === true);
  }
}

/** Ask in a dialog until the server accepts; resolves with the session. */
export function askPerson(needsToken, problem = "") {
  const dialog = dialogOf("login");
  const field = needsToken
    ? { name: "token", label: "Token", type: "password", hint: "Whoever runs the server makes one with `askmask token`." }
    : { name: "name", label: "Your name", type: "text", hint: "It is kept with your answers. No password: this page is on your own machine." };
  return new Promise((resolve) => {
    const input = h("input", { id: "login-field", type: field.type, required: true, maxlength: 256, autocomplete: needsToken ? "off" : "name" });
    const error = h("p", { class: "error", role: "alert" }, problem);
    const submit = async (event) => {
      event.preventDefault();
      try {
        const key = needsToken ? null : sessionStorage.getItem(KEY);
        const session = await post("/session", { [field.name]: input.value.trim(), ...(key ? { key } : {}) });
        dialog.close();
        resolve(session);
      } catch (failure) {
        error.textContent = failure instanceof ApiError ? failure.message : String(failure);
      }
    };
    show(
      dialog,
      h("form", { onsubmit: submit },
        h("h2", { id: "login-title" }, "Who is labelling?"),
        h("label", {}, field.label, input),
        h("p", { class: "muted" }, field.hint),
        error,
        h("button", { type: "submit", class: "primary" }, "Begin"),
      ),
    );
    dialog.oncancel = (event) => event.preventDefault();
    if (!dialog.open) dialog.showModal();
    input.focus();
  });
}

export const logOut = () => call("DELETE", "/session");
