// Hold to move: all held keys, buttons and sticks make one jog, sent every 40 ms; releasing them sends a stop.

const PERIOD = 40; // [ms]
const SLOW = 0.3; // share of the speed

export const JOGS = {
  "x+": { linear: [1, 0, 0] },
  "x-": { linear: [-1, 0, 0] },
  "y+": { linear: [0, 1, 0] },
  "y-": { linear: [0, -1, 0] },
  "z+": { linear: [0, 0, 1] },
  "z-": { linear: [0, 0, -1] },
  "rx+": { angular: [1, 0, 0] },
  "rx-": { angular: [-1, 0, 0] },
  "ry+": { angular: [0, 1, 0] },
  "ry-": { angular: [0, -1, 0] },
  "rz+": { angular: [0, 0, 1] },
  "rz-": { angular: [0, 0, -1] },
  open: { gripper: 1 },
  close: { gripper: 0 },
};
const STILL = { do: "jog", linear: [0, 0, 0], angular: [0, 0, 0], gripper: null };

export class Hold {
  // hasControl(): whether this page has control; send(message, droppable); refused(): it has not.
  constructor({ hasControl, send, refused }) {
    Object.assign(this, { hasControl, send, refused });
    this.held = new Map(); // source ("key KeyW", "pad z+", "gamepad", "image") -> jog or reach
    this.slow = false;
    this.timer = null;
    const releaseAll = () => this.releaseAll();
    addEventListener("blur", releaseAll);
    addEventListener("pagehide", releaseAll);
    document.addEventListener("visibilitychange", releaseAll);
  }

  // Start a motion of a source, or replace it.
  press(source, motion) {
    if (!this.hasControl()) {
      this.refused();
      return;
    }
    this.held.set(source, motion);
    if (this.timer === null) {
      this.timer = setInterval(() => this.sendMotion(), PERIOD);
      this.sendMotion();
    }
  }

  release(source) {
    if (!this.held.delete(source)) return;
    if (!this.held.size) this.stop();
    else this.sendMotion();
  }

  releaseAll() {
    if (!this.held.size) return;
    this.held.clear();
    this.stop();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.send(STILL);
    this.changed?.();
  }

  sendMotion() {
    if (!this.hasControl()) {
      this.releaseAll();
      return;
    }
    this.changed?.();
    this.send(this.message(), true);
  }

  message() {
    const motions = [...this.held.values()];
    const reach = motions.find((motion) => motion.reach);
    if (reach && motions.length === 1) return { do: "reach", ...reach.reach };
    const share = this.slow ? SLOW : 1;
    const sum = (kind) => [0, 1, 2].map((axis) => {
      const total = motions.reduce((total_so_far, motion) => total_so_far + (motion[kind]?.[axis] ?? 0), 0);
      return share * Math.min(1, Math.max(-1, total));
    });
    const fingers = motions.filter((motion) => motion.gripper !== undefined);
    const gripper = fingers.length ? fingers[fingers.length - 1].gripper : null;
    return { do: "jog", linear: sum("linear"), angular: sum("angular"), gripper };
  }
}
