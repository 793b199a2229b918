/** What was found in images and masks, in words and pictures. */

import { count, h } from "../dom.js";

/** Files, classes and objects, in a few lines. @param {any} found result of a check */
export function foundWords(found) {
  if (found.images_found === undefined) return null;
  const lines = [
    `${found.images_found} images; ${found.images_found - found.images_without_mask} have a mask.`,
    ...found.images.map((group) => `${group.files} images are ${group.words}, ${sizes(group)}.`),
    ...found.masks.map((group) => `${group.files} masks are ${group.words}, with values ${group.lowest} to ${group.highest}.`),
  ];
  const total = found.classes.reduce((sum, { pixels }) => sum + pixels, 0);
  if (found.kind && total > 0) {
    const shares = found.classes.map(({ name, pixels }) => `${name} ${((100 * pixels) / total).toFixed(1)} %`);
    lines.push(`Read as ${found.kind}: ${shares.join(", ")}.`);
    if (found.unlabelled_pixels) lines.push(`${count(found.unlabelled_pixels)} pixels have no label.`);
    if (found.objects) lines.push(`${count(found.objects)} objects, half of them of ${count(Math.round(found.middle_object))} pixels or less.`);
  }
  return h("ul", { class: "found" }, lines.map((line) => h("li", {}, line)));
}

const sizes = ({ smallest, largest }) => (smallest.join() === largest.join() ? smallest.join(" × ") : `${smallest.join(" × ")} to ${largest.join(" × ")}`);

/** Small pictures: each image, and beside it the image with its mask. */
export function pictures(list) {
  return h("div", { class: "pictures" },
    list.map(({ address, lines }) => h("figure", {}, h("img", { src: address, alt: `${lines[0]}, and its mask` }), h("figcaption", {}, lines.map((line) => h("div", {}, line))))),
  );
}
