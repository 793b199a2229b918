// Runs before the page is drawn, so that a chosen theme does not flash.
document.documentElement.dataset.theme = localStorage.getItem("askmask-theme") ?? "auto";

// A script that cannot be loaded (a proxy refuses it, the server has gone) leaves a sentence, not an empty page.
window.addEventListener(
  "error",
  (event) => {
    if (!(event.target instanceof HTMLScriptElement)) return;
    const tell = () => {
      const element = document.createElement("div");
      element.className = "banner bad";
      element.textContent =
        "A part of this page could not be loaded, so nothing here works yet. Load the page again. If it stays so, " +
        "the server has stopped, or a proxy before it refuses files below /static: look at what askmask serve prints.";
      document.getElementById("banners")?.append(element);
    };
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", tell);
    else tell();
  },
  true,
);
