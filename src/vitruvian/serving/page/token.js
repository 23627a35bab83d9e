// The dialogue that asks for the server's bearer token.

import { byId } from "./dom.js";

/** Asks for a token; `refused` says that one was given and not taken. Gives the text, or null for none. */
export function askToken(refused) {
  const dialogue = byId("token");
  const input = byId("token-value");
  byId("token-refused").hidden = !refused;
  input.value = "";
  dialogue.returnValue = "";
  dialogue.showModal();
  input.focus();
  return new Promise((resolve) => {
    dialogue.addEventListener("close", () => {
      const given = dialogue.returnValue === "use" ? input.value.trim() : "";
      input.value = "";
      resolve(given || null);
    }, { once: true });
  });
}
