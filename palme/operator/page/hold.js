// Hold to move. What is held, by whichever hand, makes one jog, said every 40 ms; let go means stop, now.

const EVERY = 40; // [ms]
const SLOW = 0.3; // share of the speed

export const WISHES = {
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
  // may(): whether the arm is ours; send(message, passing); refused(): a person tries to move what is not theirs.
  constructor({ may, send, refused }) {
    Object.assign(this, { may, send, refused });
    this.held = new Map(); // who holds ("key KeyW", "pad z+", "gamepad", "picture") -> wish
    this.slow = false;
    this.timer = null;
    const drop = () => this.drop();
    addEventListener("blur", drop);
    addEventListener("pagehide", drop);
    document.addEventListener("visibilitychange", drop);
  }

  // Hold, or hold something else with the same hand.
  press(hand, wish) {
    if (!this.may()) {
      this.refused();
      return;
    }
    this.held.set(hand, wish);
    if (this.timer === null) {
      this.timer = setInterval(() => this.say(), EVERY);
      this.say();
    }
  }

  release(hand) {
    if (!this.held.delete(hand)) return;
    if (!this.held.size) this.rest();
    else this.say();
  }

  drop() {
    if (!this.held.size) return;
    this.held.clear();
    this.rest();
  }

  rest() {
    clearInterval(this.timer);
    this.timer = null;
    this.send(STILL);
    this.changed?.();
  }

  say() {
    if (!this.may()) {
      this.drop();
      return;
    }
    this.changed?.();
    this.send(this.message(), true);
  }

  message() {
    const wishes = [...this.held.values()];
    const reach = wishes.find((wish) => wish.reach);
    if (reach && wishes.length === 1) return { do: "reach", ...reach.reach };
    const share = this.slow ? SLOW : 1;
    const sum = (kind) => [0, 1, 2].map((axis) => {
      const total = wishes.reduce((so_far, wish) => so_far + (wish[kind]?.[axis] ?? 0), 0);
      return share * Math.min(1, Math.max(-1, total));
    });
    const fingers = wishes.filter((wish) => wish.gripper !== undefined);
    const gripper = fingers.length ? fingers[fingers.length - 1].gripper : null;
    return { do: "jog", linear: sum("linear"), angular: sum("angular"), gripper };
  }
}
