/** Files that are dropped or picked: sent in parts, each small, and in order. */

import { post, urlOf } from "../api.js";

const PART_BYTES = 4 * 2 ** 20;

/**
 * Every file of a drop with its path in it, folders followed; hidden files are left out.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<{name: string, file: File}[]>}
 */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.name.startsWith(".")) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ name: entry.fullPath.replace(/^\//, ""), file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const inner of some) await walk(inner, found);
  }
}

/** Files of an input, with their paths if a folder was picked. @param {FileList} list */
export const filesOfInput = (list) => [...list].map((file) => ({ name: file.webkitRelativePath || file.name, file }));

/**
 * Send files; resolves with the id of the upload.
 *
 * @param {{name: string, file: File}[]} files
 * @param {(done: number, total: number) => void} onPart
 */
export async function upload(files, onPart) {
  const { upload: id } = await post("/uploads");
  const total = files.reduce((sum, { file }) => sum + file.size, 0);
  let sent = 0;
  for (const { name, file } of files) {
    let offset = 0;
    do {
      const part = file.slice(offset, offset + PART_BYTES);
      await send(id, name, offset, part);
      offset += part.size;
      sent += part.size;
      onPart(sent, total);
    } while (offset < file.size);
  }
  return id;
}

async function send(id, name, offset, part) {
  const path = `/uploads/${id}/files?${new URLSearchParams({ name, offset: String(offset) })}`;
  const response = await fetch(urlOf(path), { method: "PUT", body: part, credentials: "same-origin" });
  if (response.ok) return;
  const body = await response.json().catch(() => ({}));
  throw new Error(body.error?.message ?? `The server answered ${response.status} to ${name}.`);
}
