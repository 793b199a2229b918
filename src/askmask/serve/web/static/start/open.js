/** Going to a project. */

import { post } from "../api.js";

/** Serve a project and go to its page. */
export async function openProject(id) {
  const { address } = await post(`/projects/${id}/open`, {}, { timeoutSeconds: 60 });
  location.assign(new URL(address, document.baseURI.split("#")[0]));
}
