/**
 * Types of what travels between the parts of the page, for the type checker; no code.
 *
 * Names and members follow the API (`/api/v1`), which describes itself at `/api/v1/openapi.json`.
 *
 * @typedef {{row: number, col: number}} At  position, (row, col)
 * @typedef {{top: number, left: number, bottom: number, right: number}} Box  half-open
 * @typedef {{scale: number, row: number, col: number}} Viewport
 * @typedef {{index: number, name: string, color: string}} ClassOf  a class of the project
 * @typedef {{round: number, rank: number}} Place  an asked region by its numbers
 *
 * @typedef {object} Piece  what can be shown of a region and around it
 * @property {number} row
 * @property {number} col
 * @property {number} height
 * @property {number} width
 * @property {boolean} scores
 * @property {boolean} prediction
 * @property {number | null} low
 * @property {number | null} high
 * @property {number | null} confidence
 * @property {number | null} close
 *
 * @typedef {object} Answer
 * @property {number} number
 * @property {number} round
 * @property {number} rank
 * @property {number} image
 * @property {"labels" | "unsure" | "artefact"} kind
 * @property {string} author
 * @property {string} tool
 * @property {string} answered_at
 * @property {number | null} seconds
 * @property {number | null} base
 * @property {boolean} conflict
 * @property {number[] | null} [runs]
 *
 * @typedef {object} Item  an asked region
 * @property {number} round
 * @property {number} rank
 * @property {number} image
 * @property {string} image_id
 * @property {number} row
 * @property {number} col
 * @property {number} height
 * @property {number} width
 * @property {number} score
 * @property {string} acquisition
 * @property {string | null} model
 * @property {"open" | "labels" | "unsure" | "artefact" | "withdrawn"} state
 * @property {{name: string, mine: boolean} | null} lease
 * @property {Answer | null} answer
 * @property {boolean} conflict
 * @property {Piece | null} piece
 * @property {{from: "answer" | "prediction" | "none", runs: number[]}} [prefill]
 *
 * @typedef {object} ImageFacts  an image and how it is cut into tiles
 * @property {number} number
 * @property {number} width
 * @property {number} height
 * @property {number} tile
 * @property {number} levels
 * @property {SlideFacts | null} [slide]
 *
 * @typedef {object} SlideFacts  the slide that an image is a part of, in pixels of its first level
 * @property {number} number
 * @property {number} row
 * @property {number} col
 * @property {number} scale
 * @property {number} width
 * @property {number} height
 * @property {number} tile
 * @property {number} levels
 *
 * @typedef {object} Scene  what the viewer shows
 * @property {ImageFacts} image
 * @property {Box} region
 * @property {import("./editor/raster.js").Raster} raster
 * @property {ClassOf[]} classes
 * @property {Piece | null} piece
 * @property {Box[]} neighbours
 *
 * @typedef {{isHeld: boolean, letGo: () => void}} Hold  lock of a region against other tabs
 * @typedef {import("./main.js").App} App
 */

export {};
