// The row of files that were given: small pictures, what becomes of them, and buttons that remove them.

import { byId, count, make, setText } from "./dom.js";
import { fitted } from "./geometry.js";
import { drawnCanvas } from "./stage.js";

const [WIDTH, HEIGHT] = [200, 136];
const SVG = "http://www.w3.org/2000/svg";

export class Strip {
  constructor({ chosen, removed }) {
    Object.assign(this, { list: byId("strip"), entries: new Map(), notify: { chosen, removed } });
  }

  add(item) {
    const canvas = make("canvas", { width: WIDTH, height: HEIGHT, "aria-hidden": "true" });
    const state = make("span", { className: "state" });
    const thumb = make("button", { type: "button", className: "thumb", title: item.name }, canvas, make("span", {}, item.name), state);
    const remove = make("button", { type: "button", className: "button remove icon-button", "aria-label": `Remove ${item.name}` }, glyph("cross"));
    const entry = make("li", {}, thumb, remove);
    thumb.addEventListener("click", () => this.notify.chosen(item));
    remove.addEventListener("click", () => this.notify.removed(item));
    this.entries.set(item, { entry, thumb, canvas, state });
    this.list.append(entry);
    const context = canvas.getContext("2d");
    Object.assign(context, { fillStyle: "#8a8478", font: "600 30px Inter, system-ui, sans-serif", textAlign: "center", textBaseline: "middle" });
    context.fillText((item.name.match(/\.([^.]{1,5})$/)?.[1] ?? "").toUpperCase(), WIDTH / 2, HEIGHT / 2);
  }

  remove(item) {
    this.entries.get(item)?.entry.remove();
    this.entries.delete(item);
  }

  update(item) {
    const parts = this.entries.get(item);
    if (!parts) return;
    setText(parts.state, stateText(item));
    parts.entry.classList.toggle("failed", item.state === "failed");
  }

  setCurrent(current) {
    for (const [item, { thumb, entry }] of this.entries) {
      thumb.setAttribute("aria-current", String(item === current));
      if (item === current) entry.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  /** Draws an item's small picture: its source, with its first frame where there is one. */
  picture(item, source, style) {
    const parts = this.entries.get(item);
    if (!parts || !(source || item.frames.length)) return;
    const frame = item.kind === "picture" ? item.frames[0] : null;
    const whole = frame && item.skeleton ? drawnCanvas(source, frame, item.skeleton, { ...style, scores: false, names: false, angles: false, boxes: false }) : source?.image;
    const size = frame ?? source;
    if (!whole || !size) return;
    const context = parts.canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.clearRect(0, 0, WIDTH, HEIGHT);
    const { scale, left, top } = fitted(size.width, size.height, WIDTH, HEIGHT);
    context.drawImage(whole, left, top, size.width * scale, size.height * scale);
  }
}

/** What an item's state is, in a few words. */
export function stateText(item) {
  if (item.note) return item.note;
  if (item.state === "waiting") return "waiting";
  if (item.state === "failed") return "failed";
  if (item.state === "running") {
    if (item.kind === "picture" || !item.header) return "sending";
    const total = item.header.frames;
    return total ? `frame ${item.frames.length} of ${Math.max(total, item.frames.length)}` : `frame ${item.frames.length}`;
  }
  const found = count(item.persons, "person", "persons");
  const what = item.kind === "video" ? `${count(item.frames.length, "frame")}, at most ${found}` : found;
  return item.state === "cancelled" ? `cancelled${item.frames.length ? `, ${what}` : ""}` : what;
}

function glyph(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "glyph");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `glyphs.svg#${name}`);
  svg.append(use);
  return svg;
}
