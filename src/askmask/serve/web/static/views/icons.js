/** Icons of the tools, drawn on a 24 x 24 grid. */

import { svg } from "../dom.js";

const PATHS = {
  brush: "M4 20c3.500 0 5-1.300 5-3.600A2.400 2.400 0 0 0 6.600 14C4.800 14 4.600 16 4 20zM9.500 14.500 19 5a1.800 1.800 0 0 1 2.500 2.500L12 17",
  eraser: "M9 20h11M5.500 15.500 14 7l5.500 5.500L12 20H9zM9.500 11.500 15 17",
  polygon: "M5 9 12 4l8 5-2.500 10H7z M5 9h.01M12 4h.01M20 9h.01M17.500 19h.01M7 19h.01",
  lasso: "M12 5c5 0 8 2.200 8 5s-3 5-8 5-8-2.200-8-5 3-5 8-5zM7 14.500c-1 1.500-.500 3.500 1 4.500",
  line: "M5 19 19 5",
  ellipse: "M12 6c5 0 8.500 2.600 8.500 6S17 18 12 18s-8.500-2.600-8.500-6S7 6 12 6z",
  cut: "M6 7.500a2 2 0 1 0 0-.01M6 16.500a2 2 0 1 0 0-.01M8 8.500 19 16M8 15.500 19 8",
  fill: "M5 12 12 5l7 7-7 7zM5 12h14M20 15c1.200 1.700 1.700 2.600 1.700 3.400a1.700 1.700 0 0 1-3.400 0c0-.8.500-1.700 1.700-3.400z",
  superpixel: "M4 4h16v16H4zM4 10l6-1 2-5M10 9l2 6-3 5M12 15l8-3",
  smart: "M5 19 14 10M14 4v3M20 10h-3M18 6l-2 2M10 6l1 1M18 14l-1-1M5 19l-1-1 9-9 1 1z",
  box: "M4 5h3M10 5h4M17 5h3v3M20 11v3M20 17v2h-3M14 19h-4M7 19H4v-3M4 13v-3M4 7V5M12 9c2.500 0 4 1.300 4 3s-1.500 3-4 3-4-1.300-4-3 1.500-3 4-3z",
  move: "M12 3v18M3 12h18M12 3 9.500 5.500M12 3l2.500 2.500M12 21l-2.500-2.500M12 21l2.500-2.500M3 12l2.500-2.500M3 12l2.500 2.500M21 12l-2.500-2.500M21 12l-2.500 2.500",
};

export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", "aria-hidden": "true", fill: "none", stroke: "currentColor", "stroke-width": 1.7, "stroke-linecap": "round", "stroke-linejoin": "round" },
    svg("path", { d: PATHS[name] }),
  );
}
