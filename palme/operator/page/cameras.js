// The newest image of each camera, drawn once a frame, with its age. The run sends the next image of a camera
// once this page confirms the last one: a slow page gets fewer images, never older ones.

import { Clock } from "./clock.js";

const OLD = 0.5; // [s] age from which an image is marked as old
const head = new TextDecoder();

export class Cameras {
  constructor(clock, shown) {
    this.clock = clock;
    this.shown = shown; // (camera, n): confirms an image to the run
    this.views = new Map(); // name -> {canvas, label, button, bitmap, t, w, h}
    this.waiting = new Map(); // name -> image that the next frame draws
    this.main = null;
    this.failure = ""; // why there are no images
    this.frozen = ""; // how the images are marked once the run has ended
    this.canvas = document.getElementById("main");
    this.context = this.canvas.getContext("2d", { alpha: false, desynchronized: true });
    this.figure = document.getElementById("main-camera");
    setInterval(() => this.showAges(), 100);
  }

  names(names) {
    for (const name of names) if (!this.views.has(name)) this.add(name);
    for (const name of [...this.views.keys()]) if (!names.includes(name)) this.remove(name);
    if (!this.views.has(this.main)) this.choose(names[0] ?? null);
  }

  add(name) {
    const button = document.createElement("button");
    const canvas = document.createElement("canvas");
    const label = document.createElement("span");
    canvas.width = 240;
    canvas.height = 180;
    button.type = "button";
    button.append(canvas, label);
    button.addEventListener("click", () => this.choose(name));
    document.getElementById("strip").append(button);
    this.views.set(name, { canvas, label, button, bitmap: null, t: null, w: 640, h: 480 });
  }

  remove(name) {
    this.views.get(name).button.remove();
    this.views.delete(name);
  }

  choose(name) {
    this.main = name;
    for (const [other, view] of this.views) view.button.setAttribute("aria-pressed", String(other === name));
    document.getElementById("main-name").textContent = name ?? "no camera";
    document.getElementById("strip").hidden = this.views.size < 2;
    const view = this.views.get(name);
    if (view?.bitmap) this.drawMain(view);
    else this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.showAges();
  }

  nth(k) {
    const name = [...this.views.keys()][k];
    if (name !== undefined) this.choose(name);
  }

  async receive(buffer) {
    const length = new DataView(buffer).getUint16(0, true);
    const image = JSON.parse(head.decode(new Uint8Array(buffer, 2, length)));
    const jpeg = new Blob([new Uint8Array(buffer, 2 + length)], { type: "image/jpeg" });
    image.bitmap = await createImageBitmap(jpeg);
    if (!this.waiting.size) requestAnimationFrame(() => this.draw());
    this.waiting.set(image.camera, image);
  }

  draw() {
    const drawn = [...this.waiting.values()];
    this.waiting.clear();
    for (const { camera, bitmap, t, w, h } of drawn) {
      const view = this.views.get(camera);
      if (view) {
        view.bitmap?.close();
        Object.assign(view, { bitmap, t, w, h });
        if (camera === this.main) this.drawMain(view);
        this.drawSmall(view);
      }
    }
    setTimeout(() => drawn.forEach(({ camera, n }) => this.shown(camera, n))); // after the frame
  }

  drawSmall({ canvas, bitmap, w, h }) {
    if (this.views.size < 2) return; // it is hidden
    const height = Math.round((canvas.width * h) / w);
    if (canvas.height !== height) canvas.height = height;
    canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0, canvas.width, height);
  }

  drawMain({ bitmap }) {
    if (this.canvas.width !== bitmap.width) this.canvas.width = bitmap.width;
    if (this.canvas.height !== bitmap.height) this.canvas.height = bitmap.height;
    this.context.drawImage(bitmap, 0, 0);
  }

  showAges() {
    const now = this.clock.now();
    for (const [name, view] of this.views) {
      const age = view.t === null || now === null ? null : Math.max(0, now - view.t);
      const old = !(this.frozen && view.t !== null) && (age === null || age > OLD);
      const shown = view.t === null ? "no image yet" : this.frozen || Clock.format(age);
      view.label.textContent = old ? `${name} · ${shown}` : this.frozen ? `${name} · ended` : name;
      view.button.classList.toggle("is-old", old);
      if (name === this.main) this.showMainAge(old, view.t === null, shown);
    }
  }

  showMainAge(old, none, age) {
    const mark = document.getElementById("main-frozen");
    mark.textContent = this.frozen;
    mark.hidden = !this.frozen || none;
    document.getElementById("main-age").textContent = none || this.frozen ? "" : age;
    const banner = document.getElementById("main-old");
    banner.textContent = none ? this.failure || "no image yet" : `This image is ${age} old`;
    banner.hidden = !old;
    this.figure.classList.toggle("is-old", old);
    this.figure.classList.toggle("is-frozen", Boolean(this.frozen));
  }
}
