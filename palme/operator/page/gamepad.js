// A gamepad in the standard layout. Sticks are ignored until they were at rest once since this page has control.

const PERIOD = 16; // [ms]
const DEAD_ZONE = 0.15; // dead zone of a stick
const ACTS = { 1: "stop", 8: "stop", 9: "take", 3: "hand_back", 2: "pause" };

export function listenToGamepad({ hold, hasControl, stop, act, phase }) {
  let timer = null;
  let rested = false;
  let before = [];

  const stick = (value) => {
    const size = Math.abs(value);
    return size < DEAD_ZONE ? 0 : (Math.sign(value) * (size - DEAD_ZONE)) / (1 - DEAD_ZONE);
  };

  function poll() {
    const pad = navigator.getGamepads().find((one) => one?.connected);
    if (!pad || !document.hasFocus() || phase.ended) {
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
    const jog = { linear: [-ly, -lx, -ry], angular: [0, 0, -rx] };
    if (pad.buttons[7]?.value > 0.5) jog.gripper = 1;
    if (pad.buttons[6]?.value > 0.5) jog.gripper = 0;
    const moved = lx || ly || rx || ry || jog.gripper !== undefined;
    if (!hasControl()) rested = false;
    else if (!moved) rested = true;
    if (moved && rested) hold.press("gamepad", jog);
    else hold.release("gamepad");
  }

  const start = () => {
    if (timer === null) timer = setInterval(poll, PERIOD);
  };
  addEventListener("gamepadconnected", start);
  if (navigator.getGamepads?.().some((one) => one)) start();
  addEventListener("gamepaddisconnected", () => hold.release("gamepad"));
}
