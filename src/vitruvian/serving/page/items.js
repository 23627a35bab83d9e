// Pictures and videos that were given, and the queue that sends them to the server.

import * as api from "./api.js";

const AT_ONCE = { picture: 3, video: 1 };
const VIDEO_NAME = /\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|ts|mts|m2ts|3gp|flv|wmv|ogv)$/i;

let made = 0;

/** A picture or a video, and what is known of it. States: waiting, running, done, failed, cancelled. */
export class Item {
  constructor(file) {
    this.id = ++made;
    this.file = file;
    this.name = file.name || "pasted picture";
    this.kind = file.type.startsWith("video/") || VIDEO_NAME.test(this.name) ? "video" : "picture";
    this.reset();
  }

  reset() {
    Object.assign(this, { state: "waiting", frames: [], skeleton: null, header: null, generator: "vitruvian", error: "", note: "" });
    this.abort = new AbortController();
  }

  get settled() {
    return !["waiting", "running"].includes(this.state);
  }

  /** The part that is done, 0 to 1, or null where nobody knows. */
  get progress() {
    const total = this.header?.frames;
    return total ? Math.min(this.frames.length / total, 1) : null;
  }

  /** The most persons that a frame has. */
  get persons() {
    return this.frames.reduce((most, frame) => Math.max(most, frame.persons.length), 0);
  }
}

/**
 * Runs items, a few at once. `settings(kind)` gives the query of requests; `changed(item)` hears of every step;
 * `limits` are those that the server tells of.
 */
export class Queue {
  constructor(settings, changed) {
    Object.assign(this, { settings, changed, limits: {}, waiting: [], running: { picture: 0, video: 0 } });
  }

  add(item) {
    this.waiting.push(item);
    this.changed(item);
    this.#next();
  }

  /** Runs an item that is there again, with the settings of now. */
  again(item) {
    this.cancel(item);
    item.reset();
    this.add(item);
  }

  cancel(item) {
    item.abort.abort();
    this.waiting = this.waiting.filter((other) => other !== item);
    if (item.settled) return;
    item.state = "cancelled";
    this.changed(item);
  }

  #next() {
    for (const item of [...this.waiting]) {
      if (this.running[item.kind] >= AT_ONCE[item.kind]) continue;
      this.waiting.splice(this.waiting.indexOf(item), 1);
      this.#run(item);
    }
  }

  async #run(item) {
    const { abort } = item;
    // A later run of the same item has another controller: this one then has nothing more to say.
    const current = () => item.abort === abort;
    const control = {
      signal: abort.signal,
      waiting: () => current() && this.#note(item, "The server is busy: waiting for it."),
    };
    this.running[item.kind]++;
    item.state = "running";
    this.changed(item);
    try {
      await check(item, this.limits[`${item.kind}_bytes`] ?? Infinity);
      await (item.kind === "video" ? this.#video(item, control) : this.#picture(item, control));
      if (current()) item.state = abort.signal.aborted ? "cancelled" : "done";
    } catch (error) {
      if (current() && item.state === "running") {
        item.state = error.name === "AbortError" ? "cancelled" : "failed";
        item.error = error instanceof api.Problem ? error.message : `The page failed: ${error.message}`;
      }
    } finally {
      this.running[item.kind]--;
      if (current()) this.#note(item, "");
      this.#next();
    }
  }

  async #picture(item, control) {
    const { generator, skeleton, frames } = await api.poses(item.file, item.name, this.settings("picture"), control);
    Object.assign(item, { generator, skeleton, frames });
  }

  async #video(item, control) {
    for await (const record of api.video(item.file, item.name, this.settings("video"), control)) {
      if (control.signal.aborted) return;
      if (record.skeleton) Object.assign(item, { header: record, generator: record.generator, skeleton: record.skeleton });
      else item.frames.push(record);
      this.changed(item);
    }
  }

  #note(item, text) {
    item.note = text;
    this.changed(item);
  }
}

/** Raises Problem for what can't be sent: what the browser can't read, as folders, and what is too large. */
async function check({ file, name, kind }, most) {
  if (file.size > most) {
    throw new api.Problem(413, `${name} has ${mebibytes(file.size)} MiB; this server takes a ${kind} of at most ${mebibytes(most)} MiB.`);
  }
  await file.slice(0, 1).arrayBuffer().catch(() => {
    throw new api.Problem(0, `${name} can't be read: give files that are there, and no folders.`);
  });
}

const mebibytes = (bytes) => Number((bytes / 2 ** 20).toPrecision(3));
