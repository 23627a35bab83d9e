// A camera whose frames go to the server over a socket; each answer is shown on the frame that it is about.

import { Problem, asProblem, models, stream } from "./api.js";

const LARGEST = 960; // pixels of a frame's longer side
const QUALITY = 0.8;
const AHEAD = 2; // frames on their way
const PATIENCE = 30_000; // milliseconds until frames without an answer are given up

export class Camera {
  /** `result(source, frame, skeleton)` hears of every answer, `ended(problem or null)` of the end. */
  constructor({ result, ended }) {
    Object.assign(this, { result, ended, waiting: new Map(), sent: 0, answers: [], skeleton: null, over: false });
    this.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  }

  /** Frames answered per second, of the last second. */
  get rate() {
    const now = performance.now();
    this.answers = this.answers.filter((time) => now - time < 1000);
    return this.answers.length;
  }

  async start(query) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Problem(0, "The browser gives no camera to this page: open it over https or at localhost.");
    }
    try {
      this.media = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "user" } });
    } catch (error) {
      throw new Problem(0, refusal(error));
    }
    // What refuses a socket says no reason to the browser: a request finds out first.
    await models();
    if (this.over) return this.#release();
    this.media.getVideoTracks()[0].addEventListener("ended", () => this.stop(new Problem(0, "The camera was disconnected.")));
    this.video.srcObject = this.media;
    await this.video.play();
    this.socket = stream(query);
    this.socket.addEventListener("open", () => this.#pump());
    this.socket.addEventListener("message", (event) => this.#answer(event));
    this.socket.addEventListener("close", (event) => this.#closed(event));
  }

  stop(problem = null) {
    if (this.over) return;
    this.over = true;
    this.socket?.close();
    this.#release();
    this.ended(problem);
  }

  #release() {
    this.media?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
  }

  #closed({ code, reason }) {
    const plain = { 1006: "The connection to the server broke, or it takes no more cameras.", 1008: "The server refused the camera." };
    this.stop(new Problem(0, reason || plain[code] || "The server ended the connection."));
  }

  async #pump() {
    while (!this.over && this.socket.readyState === WebSocket.OPEN) {
      const now = performance.now();
      for (const [number, { time }] of this.waiting) if (now - time > PATIENCE) this.waiting.delete(number);
      if (this.waiting.size < AHEAD && this.video.videoWidth) await this.#send();
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  }

  async #send() {
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(LARGEST / Math.max(videoWidth, videoHeight), 1);
    const [width, height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
    const image = new OffscreenCanvas(width, height);
    image.getContext("2d").drawImage(this.video, 0, 0, width, height);
    const jpeg = await image.convertToBlob({ type: "image/jpeg", quality: QUALITY });
    if (this.over || this.socket.readyState !== WebSocket.OPEN) return;
    this.waiting.set(this.sent++, { image, width, height, time: performance.now() });
    this.socket.send(jpeg);
  }

  #answer({ data }) {
    const answer = JSON.parse(data);
    this.skeleton = answer.skeleton ?? this.skeleton;
    const { sequence, error, version: _, generator: __, skeleton: ___, ...frame } = answer;
    // A frame that the server has no time for is no reason to end.
    if (error && !(sequence >= 0 && [503, 504].includes(error.status))) return this.stop(asProblem(500, error));
    const about = this.waiting.get(sequence);
    // Frames before an answered one were dropped by the server: they will have no answer.
    for (const number of this.waiting.keys()) if (number <= sequence) this.waiting.delete(number);
    if (error || !about || this.over || !this.skeleton) return;
    this.answers.push(performance.now());
    this.delay = performance.now() - about.time;
    this.result(about, frame, this.skeleton);
  }
}

function refusal(error) {
  if (error.name === "NotAllowedError") return "The camera was not allowed: allow it in the browser's settings of this page.";
  if (error.name === "NotFoundError") return "There is no camera.";
  return `The camera can't be opened: ${error.message || error.name}`;
}
