// The buttons that save results.

import { byId } from "./dom.js";
import { asCsv, asJson, asNdjson, renamed, save } from "./downloads.js";
import { record } from "./recording.js";
import { drawnCanvas } from "./stage.js";

export class Exports {
  /** `items()` gives all items. */
  constructor(style, items) {
    Object.assign(this, { style, items, item: null, view: null, recording: null });
    byId("save-json").addEventListener("click", () => this.#data(asJson, "application/json", ".json"));
    byId("save-csv").addEventListener("click", () => this.#data(asCsv, "text/csv", ".csv"));
    byId("save-ndjson").addEventListener("click", () => save(asNdjson(this.item), "application/x-ndjson", renamed(this.item.name, ".ndjson")));
    byId("save-drawn").addEventListener("click", () => this.#drawn());
    byId("save-video").addEventListener("click", () => this.#video());
    byId("recording-cancel").addEventListener("click", () => this.recording?.abort());
  }

  /** The item that buttons are about, or null. */
  update(item) {
    this.item = item;
    const ready = Boolean(item?.settled && item.frames.length && item.skeleton);
    for (const name of ["json", "csv", "ndjson", "video"]) byId(`save-${name}`).disabled = !ready;
    byId("save-video").disabled ||= Boolean(this.recording);
    byId("save-ndjson").hidden = byId("save-video").hidden = item?.kind !== "video";
    byId("all-row").hidden = item?.kind !== "picture" || this.#pictures().length < 2;
  }

  /** What the stage shows, which is saved as a picture. */
  showing(source, frame, skeleton) {
    this.view = frame && skeleton ? { source, frame, skeleton } : null;
    byId("save-drawn").disabled = !this.view;
  }

  #pictures() {
    return this.items().filter((item) => item.kind === "picture" && item.state === "done" && item.skeleton);
  }

  #data(format, type, ending) {
    const all = !byId("all-row").hidden && byId("all").checked;
    const content = all ? format(this.#pictures()) : format([this.item]);
    save(content, type, all ? `poses${ending}` : renamed(this.item.name, ending));
  }

  #drawn() {
    const { source, frame, skeleton } = this.view;
    const name = renamed(this.item?.name ?? "camera", this.item?.kind === "video" ? `.${frame.index}.poses.png` : ".poses.png");
    drawnCanvas(source, frame, skeleton, this.style).toBlob((blob) => {
      if (blob) save(blob, "image/png", name);
      this.#note(blob ? "" : "The picture was not saved: it is too large for this browser.");
    }, "image/png");
  }

  async #video() {
    const { item } = this;
    this.recording = new AbortController();
    const progress = byId("recording-progress");
    progress.value = 0;
    byId("recording").hidden = false;
    this.#note("The video is played once and recorded, without sound. Keep this tab in front.");
    this.update(this.item);
    try {
      const control = { signal: this.recording.signal, progress: (part) => (progress.value = part) };
      const made = await record(item, this.style, control);
      if (made) save(made.blob, made.blob.type, renamed(item.name, made.ending));
      this.#note("");
    } catch (error) {
      this.#note(`The video was not saved: ${error.message}`);
    }
    this.recording = null;
    byId("recording").hidden = true;
    this.update(this.item);
  }

  #note(text) {
    byId("download-note").textContent = text;
    byId("download-note").hidden = !text;
  }
}
