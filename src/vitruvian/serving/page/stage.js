// The picture with its skeletons on the screen, and the person under the pointer.

import { drawFrame } from "./drawing.js";
import { fitted, personAt } from "./geometry.js";

const REACH = 14; // CSS pixels around the pointer
const LEAST_LINE = 1.6; // CSS pixels
const RIM = 0.8; // CSS pixels
const TEXT = [10, 12]; // CSS pixels, on narrow and on wide stages
const NARROW = 500; // CSS pixels

export class Stage {
  /** `hovered(place, keypoint, x, y)` hears of the person under the pointer, or of null; `chosen(place)` of clicks. */
  constructor(canvas, style, { hovered, chosen }) {
    Object.assign(this, { canvas, style, source: null, frame: null, skeleton: null, focus: null });
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener("pointermove", (event) => this.#hover(event, hovered));
    canvas.addEventListener("pointerleave", () => hovered(null));
    canvas.addEventListener("click", (event) => chosen(this.#personAt(event)?.place ?? null));
  }

  /** Shows a frame on its source; either may be null. */
  show(source, frame, skeleton) {
    Object.assign(this, { source, frame, skeleton });
    this.draw();
  }

  setFocus(place) {
    if (place === this.focus) return;
    this.focus = place;
    this.draw();
  }

  draw() {
    const { canvas, source, frame } = this;
    const density = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * density), Math.round(canvas.clientHeight * density)];
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    const size = frame ?? source;
    if (!size) return;
    const { scale, left, top } = fitted(size.width, size.height, width, height);
    context.setTransform(scale, 0, 0, scale, left, top);
    context.save();
    try {
      context.beginPath();
      context.rect(0, 0, size.width, size.height);
      context.clip();
      if (!source) {
        context.fillStyle = "#15161a";
        context.fillRect(0, 0, size.width, size.height);
      }
      if (frame && this.skeleton) {
        const focus = this.focus !== null && this.focus < frame.persons.length ? this.focus : null;
        const pixel = density / scale;
        const look = { least: LEAST_LINE * pixel, rim: RIM * pixel, text: TEXT[Number(canvas.clientWidth > NARROW)] * pixel, focus };
        drawFrame(context, source, frame, this.skeleton, this.style, look);
      } else if (source) {
        context.drawImage(source.image, 0, 0, size.width, size.height);
      }
    } finally {
      context.restore();
    }
  }

  #hover(event, hovered) {
    const found = this.#personAt(event);
    this.canvas.classList.toggle("pointing", Boolean(found));
    if (found) hovered(found.place, found.keypoint, event.offsetX, event.offsetY);
    else hovered(null);
  }

  #personAt(event) {
    const { canvas, frame, skeleton } = this;
    if (!frame || !skeleton) return null;
    const { scale, left, top } = fitted(frame.width, frame.height, canvas.clientWidth, canvas.clientHeight);
    const at = [(event.offsetX - left) / scale, (event.offsetY - top) / scale];
    return personAt(frame, skeleton, this.style.keypointScore, at, REACH / scale);
  }
}

/** A frame drawn at its own size, for files: a canvas. */
export function drawnCanvas(source, frame, skeleton, style, canvas = document.createElement("canvas")) {
  if (canvas.width !== frame.width || canvas.height !== frame.height) {
    Object.assign(canvas, { width: frame.width, height: frame.height });
  }
  const context = canvas.getContext("2d");
  context.fillStyle = "#15161a";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const text = Math.max(11, Math.sqrt(frame.width * frame.height) / 55);
  drawFrame(context, source, frame, skeleton, style, { least: 1, rim: 1, text, focus: null });
  return canvas;
}
