// Holding a point of the main picture: the tool moves over what is seen there. By mouse, finger, or arrows and Enter.

const STEP = 0.02; // of the picture's width, a press of an arrow

export class Aim {
  constructor(cameras, hold) {
    this.cameras = cameras;
    this.hold = hold;
    this.canvas = cameras.canvas;
    this.ring = document.getElementById("aim");
    this.at = { x: 0.5, y: 0.5 }; // share of the picture
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.follow(event);
      this.press();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!hold.held.has("picture") || !canvas.hasPointerCapture(event.pointerId)) return;
      this.follow(event);
      this.press();
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(end, () => this.let_go());
    canvas.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the focus stays away: arrows go on turning the tool
      document.activeElement?.blur();
    });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("focus", () => this.show(canvas.matches(":focus-visible")));
    canvas.addEventListener("blur", () => {
      this.let_go();
      this.show(false);
    });
  }

  // Where the picture lies within its canvas, which may be wider.
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
    this.hold.press("picture", { reach });
    this.show(true);
    this.ring.classList.toggle("held", this.hold.held.has("picture"));
  }

  let_go() {
    this.hold.release("picture");
    this.ring.classList.remove("held");
    this.show(this.canvas.matches(":focus-visible"));
  }

  show(on) {
    this.ring.hidden = !on;
    if (on) this.move(this.at.x, this.at.y);
  }

  // Keys while the picture has the focus.
  takes(event) {
    if (document.activeElement !== this.canvas) return false;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.code];
    if (way) {
      this.move(this.at.x + STEP * way[0], this.at.y + STEP * way[1]);
      this.show(true);
      if (this.hold.held.has("picture")) this.press();
      return true;
    }
    if (event.code !== "Enter") return false;
    if (!event.repeat) this.press();
    return true;
  }

  lets(event) {
    if (event.code === "Enter" && this.hold.held.has("picture")) this.let_go();
  }
}
