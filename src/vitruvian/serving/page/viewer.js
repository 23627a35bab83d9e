// What is shown of an item: a picture, or a video's frame at the player's time with the skeletons of that time.

import { Clock, frameAt, openVideo } from "./playback.js";
import { Transport } from "./transport.js";

const PREVIEW = 500; // milliseconds between previews of a video that is being worked on

export class Viewer {
  /** `shown(source, frame)` hears of everything that is to be shown; either may be null. */
  constructor(shown) {
    Object.assign(this, { shown, item: null, player: null, source: null, unplayable: false, touched: false, previewed: 0 });
    this.transport = new Transport({ touched: () => (this.touched = true) });
  }

  /** Shows an item from its start. */
  async open(item) {
    this.close();
    const opening = Symbol();
    Object.assign(this, { item, opening });
    const current = () => this.opening === opening;
    if (item.kind === "video") await this.#openVideo(item, current);
    else {
      const source = await this.picture(item);
      if (!current()) return source?.image.close();
      this.unplayable = !source;
      this.source = source;
      this.#show(0);
    }
    if (current()) this.changed();
  }

  /** Shows nothing: a closed image can't be drawn any more. */
  close() {
    this.player?.close();
    this.transport.open(null, null);
    this.source?.image.close?.();
    Object.assign(this, { item: null, opening: null, player: null, source: null, unplayable: false, touched: false });
    this.shown(null, null);
  }

  /** Shows what has become known of the item. */
  changed() {
    const { item, player } = this;
    if (!item) return;
    if (item.kind === "picture") return this.#show(0);
    if (!player) return;
    this.transport.ribbon(item.settled);
    this.transport.update();
    const last = item.frames.at(-1);
    if (!last || this.touched) return;
    if (item.state === "running" && performance.now() - this.previewed > PREVIEW) {
      this.previewed = performance.now();
      player.seek(last.time);
    } else if (item.state === "done" && !player.playing) {
      this.touched = true;
      player.seek(0);
      if (!matchMedia("(prefers-reduced-motion: reduce)").matches) player.play();
    }
  }

  /** A picture of an item as a source, or null where the browser can't show it. */
  async picture(item) {
    if (item.kind === "video") return null;
    const image = await createImageBitmap(item.file).catch(() => null);
    return image && { image, width: image.width, height: image.height };
  }

  async #openVideo(item, current) {
    const player = (await openVideo(item.file)) ?? new Clock(item.frames);
    if (!current()) return player.close();
    Object.assign(this, { player, unplayable: player instanceof Clock });
    player.ontime = (time) => {
      this.#show(time);
      this.transport.update(time);
    };
    player.onstate = () => this.transport.update();
    this.transport.open(player, item);
    this.#show(0);
  }

  #show(time) {
    const source = this.player ? this.player.source : this.source;
    this.shown(source, this.item.kind === "video" ? frameAt(this.item.frames, time) : (this.item.frames[0] ?? null));
  }
}
