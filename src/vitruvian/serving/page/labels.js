// Texts on a picture, placed where they cover no other.

import { css, ink } from "./palette.js";

export class Labels {
  /** Labels for a context that draws in pixels of a picture of this size; `size` is the height of the font in them. */
  constructor(context, width, height, size) {
    Object.assign(this, { context, width, height, size });
    this.taken = [];
    context.font = `600 ${size}px Inter, system-ui, sans-serif`;
    context.textBaseline = "middle";
  }

  get lineHeight() {
    return this.size * 1.4;
  }

  /** Writes above a point, but inside of the picture, whatever is there. */
  write(text, x, y, colour) {
    const [width, height] = this.#extent(text);
    const left = Math.min(Math.max(x, 0), Math.max(this.width - width, 0));
    const top = Math.min(Math.max(y - height, 0), Math.max(this.height - height, 0));
    this.#put(text, left, top, width, height, colour);
  }

  /** Writes beside a point, right, left, above or below; nothing where it would cover a text or leave the picture. */
  writeWhereFree(text, x, y, gap, colour) {
    const [width, height] = this.#extent(text);
    const corners = [
      [x + gap, y - height / 2], [x - gap - width, y - height / 2],
      [x - width / 2, y - gap - height], [x - width / 2, y + gap],
    ];
    const free = corners.find(([left, top]) => this.#free(left, top, width, height));
    if (free) this.#put(text, ...free, width, height, colour);
  }

  #extent(text) {
    return [this.context.measureText(text).width + this.size * 0.7, this.lineHeight];
  }

  #free(left, top, width, height) {
    if (left < 0 || top < 0 || left + width > this.width || top + height > this.height) return false;
    return !this.taken.some(([x, y, w, h]) => x < left + width && x + w > left && y < top + height && y + h > top);
  }

  #put(text, left, top, width, height, colour) {
    this.taken.push([left, top, width, height]);
    this.context.fillStyle = css(colour);
    this.context.beginPath();
    this.context.roundRect(left, top, width, height, this.size * 0.25);
    this.context.fill();
    this.context.fillStyle = ink(colour);
    this.context.fillText(text, left + this.size * 0.35, top + height / 2 + this.size * 0.05);
  }
}
