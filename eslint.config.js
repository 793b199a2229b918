/** Lint rules for the page's scripts and their tests. Formatting is not checked here. */

import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["node_modules/", ".venv/", "artifacts/", "docs/", "data/", "runs/", "demo/", "dist/", "shared/"] },
  js.configs.recommended,
  {
    files: ["src/askmask/serve/web/static/**/*.js"],
    languageOptions: { sourceType: "module", globals: { ...globals.browser } },
  },
  {
    files: ["src/askmask/serve/web/static/boot.js"],
    languageOptions: { sourceType: "script" },
  },
  {
    files: ["src/askmask/serve/web/static/editor/superpixel-worker.js"],
    languageOptions: { globals: { ...globals.worker } },
  },
  { files: ["tests/js/**/*.js", "eslint.config.js"], languageOptions: { globals: { ...globals.node } } },
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-alert": "error",
      "no-console": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-param-reassign": "error",
      "no-promise-executor-return": "off", // `new Promise((resolve) => setTimeout(resolve))` reads well
      "no-shadow": "error",
      "no-unused-expressions": ["error", { allowTernary: true }],
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", ignoreRestSiblings: true }],
      "no-use-before-define": ["error", { functions: false, classes: false, variables: false }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "require-atomic-updates": "off", // a warning for every `this.x = await …`; opening.js has its own rule
      "max-lines": ["error", 400],
      "max-depth": ["error", 3],
      "max-params": ["error", 6],
      "max-lines-per-function": ["error", { max: 50, skipComments: true, skipBlankLines: true }],
    },
  },
];
