// What is known about an image, beside the pointer; and a click on it looks closely at it.
(() => {
  const tip = () => document.getElementById("images-tip");
  const show = (event) => {
    const tile = event.target.closest ? event.target.closest("[data-tip]") : null;
    const box = tip();
    if (!box) return;
    box.hidden = !tile;
    if (!tile) return;
    box.textContent = tile.dataset.tip;
    const place = tile.getBoundingClientRect();
    const left = Math.min(place.left, window.innerWidth - box.offsetWidth - 8);
    const below = place.bottom + 6;
    const fits = below + box.offsetHeight < window.innerHeight;
    box.style.left = `${Math.max(8, left)}px`;
    box.style.top = `${fits ? below : Math.max(8, place.top - box.offsetHeight - 6)}px`;
  };
  document.addEventListener("mouseover", show);
  document.addEventListener("focusin", show);
  document.addEventListener("scroll", () => { if (tip()) tip().hidden = true; }, true);
  document.addEventListener("click", (event) => {
    const tile = event.target.closest ? event.target.closest("[data-image]") : null;
    if (tile) window.dash_clientside.set_props("images-image", { data: Number(tile.dataset.image) });
  });
})();
