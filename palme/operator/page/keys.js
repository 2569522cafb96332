// The keyboard: Space and Escape always stop; a letter acts, or moves while held.

import { JOGS } from "./hold.js";
import { setSlow } from "./pads.js";

export function listenToKeys({ hold, stop, act, cameras, aim, help, phase }) {
  const moves = new Map();
  for (const pad of document.querySelectorAll(".pad[data-jog]")) moves.set(pad.dataset.code, JOGS[pad.dataset.jog]);
  const acts = new Map();
  for (const button of document.querySelectorAll(".action")) acts.set(button.dataset.code, button.dataset.do);
  const dialog = document.getElementById("keys");

  addEventListener("keydown", (event) => {
    const { code } = event;
    const typing = event.target.matches?.("input");
    if (code === "Escape" || (code === "Space" && !typing)) {
      event.preventDefault();
      if (!event.repeat) stop(code === "Space" ? "Space" : "Esc");
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey) {
      hold.releaseAll(); // some systems drop the keyup of a key while a modifier is down
      return;
    }
    if (typing) return;
    if (event.key === "?") {
      event.preventDefault();
      help();
    } else if (dialog.open) {
      return;
    } else if (code === "Enter" && phase.waits && document.activeElement === document.body) {
      if (!event.repeat) act("start");
    } else if (phase.runs && aim.keydown(event)) {
      event.preventDefault();
    } else if (moves.has(code)) {
      event.preventDefault();
      if (!event.repeat && !phase.ended) hold.press(`key ${code}`, moves.get(code));
    } else if (event.repeat) {
      return;
    } else if (acts.has(code)) {
      if (!phase.ended) act(acts.get(code));
    } else if (code.startsWith("Shift")) {
      setSlow(hold, true);
    } else if (event.key === "/") {
      event.preventDefault();
      if (phase.runs) document.getElementById("correction").focus();
    } else if (/^Digit[1-9]$/.test(code)) {
      cameras.nth(Number(code.slice(5)) - 1);
    }
  });

  addEventListener("keyup", (event) => {
    if (event.code === "Space" && !event.target.matches?.("input")) event.preventDefault(); // no click on the focused element
    if (event.code.startsWith("Shift")) setSlow(hold, false);
    hold.release(`key ${event.code}`);
    aim.keyup(event);
  });
}
