// A video's time: of the browser's player, or of a clock where the browser can't play the file.

const TOLERANCE = 0.004; // seconds between the server's time of a frame and the browser's

/** The frame shown at a time, in seconds: the last that has begun; null before the first. */
export function frameAt(frames, time) {
  let [low, high] = [0, frames.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle].time <= time + TOLERANCE) low = middle + 1;
    else high = middle;
  }
  return frames[low - 1] ?? null;
}

/** Opens a video in the browser's player; null where it can't play it. */
export async function openVideo(file) {
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true, preload: "auto", src: URL.createObjectURL(file) });
  const opened = await new Promise((resolve) => {
    video.addEventListener("loadeddata", () => resolve(video.videoWidth > 0), { once: true });
    video.addEventListener("error", () => resolve(false), { once: true });
  });
  if (opened) return new Player(video);
  URL.revokeObjectURL(video.src);
  return null;
}

/** A video in the browser's player. `ontime(seconds)` hears of every frame that is shown, `onstate()` of the rest. */
export class Player {
  constructor(video) {
    Object.assign(this, { video, ontime: () => {}, onstate: () => {} });
    for (const name of ["play", "pause", "ended"]) video.addEventListener(name, () => this.onstate());
    video.addEventListener("seeked", () => this.ontime(video.currentTime));
    this.#watch();
  }

  #watch() {
    const { video } = this;
    if (video.requestVideoFrameCallback) {
      const shown = (_, { mediaTime }) => {
        this.ontime(mediaTime);
        video.requestVideoFrameCallback(shown);
      };
      video.requestVideoFrameCallback(shown);
      return;
    }
    video.addEventListener("play", () => {
      const tick = () => {
        this.ontime(video.currentTime);
        if (this.playing) requestAnimationFrame(tick);
      };
      tick();
    });
  }

  get source() {
    return { image: this.video, width: this.video.videoWidth, height: this.video.videoHeight };
  }

  get playing() {
    return !this.video.paused && !this.video.ended;
  }

  get ended() {
    return this.video.ended;
  }

  get time() {
    return this.video.currentTime;
  }

  get duration() {
    return Number.isFinite(this.video.duration) ? this.video.duration : 0;
  }

  set rate(value) {
    this.video.playbackRate = value;
  }

  play() {
    return this.video.play().catch(() => {});
  }

  pause() {
    this.video.pause();
  }

  seek(seconds) {
    this.video.currentTime = seconds;
  }

  close() {
    this.video.pause();
    URL.revokeObjectURL(this.video.src);
    this.video.removeAttribute("src");
    this.video.load();
    Object.assign(this, { ontime: () => {}, onstate: () => {} });
  }
}

/** A clock over the frames alone, with the same members as `Player`. */
export class Clock {
  constructor(frames) {
    Object.assign(this, { frames, source: null, rate: 1, playing: false, ended: false, time: 0 });
    Object.assign(this, { ontime: () => {}, onstate: () => {} });
  }

  get duration() {
    const [last, before] = [this.frames.at(-1), this.frames.at(-2)];
    return last ? last.time + (before ? last.time - before.time : 0) : 0;
  }

  async play() {
    if (this.playing) return;
    if (this.ended) this.time = 0;
    Object.assign(this, { playing: true, ended: false });
    this.onstate();
    let before = performance.now();
    const tick = (now) => {
      if (!this.playing) return;
      this.time = Math.min(this.time + ((now - before) / 1000) * this.rate, this.duration);
      before = now;
      this.ontime(this.time);
      if (this.time < this.duration) requestAnimationFrame(tick);
      else this.#stop(true);
    };
    requestAnimationFrame(tick);
  }

  pause() {
    if (this.playing) this.#stop(false);
  }

  seek(seconds) {
    Object.assign(this, { time: Math.min(Math.max(seconds, 0), this.duration), ended: false });
    this.ontime(this.time);
  }

  close() {
    this.playing = false;
  }

  #stop(ended) {
    Object.assign(this, { playing: false, ended });
    this.onstate();
  }
}
