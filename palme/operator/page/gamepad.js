// A gamepad in the standard layout. Sticks count only after they have been seen at rest since the arm is ours.

const LOOK = 16; // [ms]
const REST = 0.15; // a stick nearer to the middle than this is at rest
const ACTS = { 1: "stop", 8: "stop", 9: "take", 3: "hand_back", 2: "pause" };

export function listenToGamepad({ hold, may, stop, act }) {
  let timer = null;
  let rested = false;
  let before = [];

  const stick = (value) => {
    const size = Math.abs(value);
    return size < REST ? 0 : (Math.sign(value) * (size - REST)) / (1 - REST);
  };

  function look() {
    const pad = navigator.getGamepads().find((one) => one?.connected);
    if (!pad || !document.hasFocus()) {
      hold.release("gamepad");
      rested = false;
      return;
    }
    const down = pad.buttons.map((button) => button.pressed);
    for (const [k, what] of Object.entries(ACTS)) {
      if (down[k] && !before[k]) what === "stop" ? stop("gamepad") : act(what);
    }
    before = down;
    const [lx, ly, rx, ry] = [0, 1, 2, 3].map((k) => stick(pad.axes[k] ?? 0));
    const wish = { linear: [-ly, -lx, -ry], angular: [0, 0, -rx] };
    if (pad.buttons[7]?.value > 0.5) wish.gripper = 1;
    if (pad.buttons[6]?.value > 0.5) wish.gripper = 0;
    const moved = lx || ly || rx || ry || wish.gripper !== undefined;
    if (!may()) rested = false;
    else if (!moved) rested = true;
    if (moved && rested) hold.press("gamepad", wish);
    else hold.release("gamepad");
  }

  const watch = () => {
    if (timer === null) timer = setInterval(look, LOOK);
  };
  addEventListener("gamepadconnected", watch);
  if (navigator.getGamepads?.().some((one) => one)) watch();
  addEventListener("gamepaddisconnected", () => hold.release("gamepad"));
}
