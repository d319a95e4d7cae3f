/* Light or dark: as the system says, until the button is pressed; the browser remembers it. */
(function () {
  "use strict";
  const root = document.documentElement, dark = window.matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => {
    try {
      return window.localStorage.getItem("explorer-appearance");
    } catch {
      return null;
    }
  };
  const chosen = remembered();
  if (chosen) root.dataset.appearance = chosen;
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#explorer-appearance")) return;
    const now = root.dataset.appearance || (dark.matches ? "dark" : "light");
    root.dataset.appearance = now === "dark" ? "light" : "dark";
    try {
      window.localStorage.setItem("explorer-appearance", root.dataset.appearance);
    } catch {
      /* then it is forgotten */
    }
  });
})();
