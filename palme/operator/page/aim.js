// Moves the tool over a point of the main image while the point is held: by mouse, finger, or arrows and Enter.

const STEP = 0.02; // share of the image's width, a press of an arrow

export class Aim {
  constructor(cameras, hold) {
    this.cameras = cameras;
    this.hold = hold;
    this.canvas = cameras.canvas;
    this.ring = document.getElementById("aim");
    this.at = { x: 0.5, y: 0.5 }; // share of the image
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.follow(event);
      this.press();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!hold.held.has("image") || !canvas.hasPointerCapture(event.pointerId)) return;
      this.follow(event);
      this.press();
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(end, () => this.release());
    canvas.addEventListener("mousedown", (event) => {
      event.preventDefault(); // keeps the focus away, so that arrows turn the tool
      document.activeElement?.blur();
    });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("focus", () => this.show(canvas.matches(":focus-visible")));
    canvas.addEventListener("blur", () => {
      this.release();
      this.show(false);
    });
  }

  // The image's rectangle within its canvas, which may be wider.
  box() {
    const { width, height } = this.canvas;
    const { clientWidth: w, clientHeight: h } = this.canvas;
    const scale = Math.min(w / width, h / height);
    return { left: (w - scale * width) / 2, top: (h - scale * height) / 2, width: scale * width, height: scale * height };
  }

  follow(event) {
    const around = this.canvas.getBoundingClientRect();
    const box = this.box();
    this.move((event.clientX - around.left - box.left) / box.width, (event.clientY - around.top - box.top) / box.height);
  }

  move(x, y) {
    this.at = { x: Math.min(1, Math.max(0, x)), y: Math.min(1, Math.max(0, y)) };
    const box = this.box();
    this.ring.style.left = `${box.left + this.at.x * box.width}px`;
    this.ring.style.top = `${box.top + this.at.y * box.height}px`;
  }

  press() {
    const view = this.cameras.views.get(this.cameras.main);
    if (!view?.bitmap) return;
    const reach = { camera: this.cameras.main, u: this.at.x * (view.w - 1), v: this.at.y * (view.h - 1) };
    this.hold.press("image", { reach });
    this.show(true);
    this.ring.classList.toggle("held", this.hold.held.has("image"));
  }

  release() {
    this.hold.release("image");
    this.ring.classList.remove("held");
    this.show(this.canvas.matches(":focus-visible"));
  }

  show(on) {
    this.ring.hidden = !on;
    if (on) this.move(this.at.x, this.at.y);
  }

  // Handles a key while the image has the focus; returns whether it did.
  keydown(event) {
    if (document.activeElement !== this.canvas) return false;
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.code];
    if (direction) {
      this.move(this.at.x + STEP * direction[0], this.at.y + STEP * direction[1]);
      this.show(true);
      if (this.hold.held.has("image")) this.press();
      return true;
    }
    if (event.code !== "Enter") return false;
    if (!event.repeat) this.press();
    return true;
  }

  keyup(event) {
    if (event.code === "Enter" && this.hold.held.has("image")) this.release();
  }
}
