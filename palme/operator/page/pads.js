// The hold-to-move buttons: by mouse, finger, or Enter; they also show held keys.

import { JOGS } from "./hold.js";

export function listenToPads(hold) {
  const pads = [...document.querySelectorAll(".pad[data-jog]")];
  for (const pad of pads) {
    const source = `pad ${pad.dataset.jog}`;
    const release = () => hold.release(source);
    pad.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault(); // no focus, no text selection, no long-press menu
      pad.setPointerCapture(event.pointerId);
      hold.press(source, JOGS[pad.dataset.jog]);
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) pad.addEventListener(end, release);
    pad.addEventListener("contextmenu", (event) => event.preventDefault());
    pad.addEventListener("keydown", (event) => {
      if (event.code === "Enter" && !event.repeat) hold.press(source, JOGS[pad.dataset.jog]);
    });
    pad.addEventListener("keyup", (event) => {
      if (event.code === "Enter") release();
    });
  }
  hold.changed = () => {
    for (const pad of pads) {
      const { jog, code } = pad.dataset;
      pad.classList.toggle("held", hold.held.has(`pad ${jog}`) || hold.held.has(`key ${code}`));
    }
  };
  const slow = document.getElementById("slow");
  slow.addEventListener("click", () => setSlow(hold, !hold.slow));
}

export function setSlow(hold, on) {
  hold.slow = on;
  document.getElementById("slow").setAttribute("aria-pressed", String(on));
}
