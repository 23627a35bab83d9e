// The controls of a video's playback, and the ribbon that shows who is seen when.

import { byId, clock, setText } from "./dom.js";
import { NOBODY, PERSONS, css } from "./palette.js";

const LEAST_REDRAW = 250; // milliseconds between drawings of the ribbon

export class Transport {
  /** `touched()` hears when the user takes the controls. */
  constructor({ touched }) {
    Object.assign(this, { player: null, item: null, root: byId("transport"), seek: byId("seek"), drawn: 0, touched });
    byId("play").addEventListener("click", () => this.toggle());
    this.seek.addEventListener("input", () => {
      touched();
      this.player?.pause();
      this.player?.seek(Number(this.seek.value));
    });
    byId("rate").addEventListener("change", (event) => this.player && (this.player.rate = Number(event.target.value)));
    document.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.ribbon(true)).observe(byId("ribbon"));
  }

  /** Takes a player and its item, or null for none. */
  open(player, item) {
    Object.assign(this, { player, item });
    this.root.hidden = !player;
    if (!player) return;
    player.rate = Number(byId("rate").value);
    this.update();
    this.ribbon(true);
  }

  toggle() {
    if (!this.player) return;
    this.touched();
    if (this.player.playing) this.player.pause();
    else this.player.play();
  }

  /** Shows the player's time and state. */
  update(time = this.player?.time ?? 0) {
    const { player } = this;
    if (!player) return;
    const { playing } = player;
    this.root.classList.toggle("playing", playing);
    const label = playing ? "Pause" : "Play";
    if (byId("play").getAttribute("aria-label") !== label) byId("play").setAttribute("aria-label", label);
    const rate = this.item.header?.frame_rate;
    Object.assign(this.seek, { max: String(player.duration), step: String(rate ? Math.max(1 / rate, 0.001) : 0.04) });
    this.seek.value = String(time);
    this.seek.setAttribute("aria-valuetext", `${clock(time)} of ${clock(player.duration)}`);
    setText(byId("time"), `${clock(time)} / ${clock(player.duration)}`);
  }

  /** Draws a line for each track, or how many persons there are, over the time. */
  ribbon(now = false) {
    const { player, item } = this;
    const at = performance.now();
    if (!player || (!now && at - this.drawn < LEAST_REDRAW)) return;
    this.drawn = at;
    const canvas = byId("ribbon");
    const density = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * density), Math.round(canvas.clientHeight * density)];
    if (!width) return;
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    const duration = player.duration || 1;
    const lines = rows(item.frames);
    const thick = Math.min(height / Math.max(lines.size, 3), 4 * density);
    const step = item.frames.length > 1 ? item.frames[1].time - item.frames[0].time : duration;
    for (const frame of item.frames) {
      frame.persons.forEach((person, place) => {
        const row = lines.get(person.track_id ?? `place ${place}`);
        context.fillStyle = css(person.track_id ? PERSONS[(person.track_id - 1) % PERSONS.length] : NOBODY);
        const left = (frame.time / duration) * width;
        context.fillRect(left, row * thick, Math.max((step / duration) * width, 1) + 0.5, Math.max(thick - density, 1));
      });
    }
  }

  #key(event) {
    const inControl = event.target.closest?.("button, input, select, textarea, dialog, [role=row]");
    if (!this.player || inControl || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = Number(this.seek.step);
    if (event.key === " ") this.toggle();
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      this.touched();
      this.player.pause();
      this.player.seek(Math.max(this.player.time + (event.key === "ArrowLeft" ? -step : step), 0));
    } else return;
    event.preventDefault();
  }
}

/** The row of each track, in the order of first sight; persons without a number have one a place. */
function rows(frames) {
  const found = new Map();
  for (const frame of frames) {
    frame.persons.forEach((person, place) => {
      const key = person.track_id ?? `place ${place}`;
      if (!found.has(key)) found.set(key, found.size);
    });
  }
  return found;
}
