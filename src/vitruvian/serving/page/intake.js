// Files that are chosen, dropped or pasted.

import { byId } from "./dom.js";

/** Calls `add(files)` for files from the choosers, a drop anywhere on the page, and the clipboard. */
export function takeFiles(add) {
  const input = byId("files");
  for (const button of document.querySelectorAll("[data-action=choose]")) {
    button.addEventListener("click", () => input.click());
  }
  input.addEventListener("change", () => {
    add([...input.files]);
    input.value = "";
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    add(files);
  });
  takeDrops(add);
}

function takeDrops(add) {
  const cover = byId("drop");
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  let inside = 0;
  const enter = (step) => (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    inside = Math.max(inside + step, 0);
    cover.hidden = !inside;
  };
  document.addEventListener("dragenter", enter(1));
  document.addEventListener("dragleave", enter(-1));
  document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    inside = 0;
    cover.hidden = true;
    add([...event.dataTransfer.files]);
  });
}
