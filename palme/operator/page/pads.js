// The buttons that are held: by mouse, finger, or Enter; they light up for the keys as well.

import { WISHES } from "./hold.js";

export function listenToPads(hold) {
  const pads = [...document.querySelectorAll(".pad[data-wish]")];
  for (const pad of pads) {
    const hand = `pad ${pad.dataset.wish}`;
    const let_go = () => hold.release(hand);
    pad.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault(); // no focus, no text selection, no long-press menu
      pad.setPointerCapture(event.pointerId);
      hold.press(hand, WISHES[pad.dataset.wish]);
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) pad.addEventListener(end, let_go);
    pad.addEventListener("contextmenu", (event) => event.preventDefault());
    pad.addEventListener("keydown", (event) => {
      if (event.code === "Enter" && !event.repeat) hold.press(hand, WISHES[pad.dataset.wish]);
    });
    pad.addEventListener("keyup", (event) => {
      if (event.code === "Enter") let_go();
    });
  }
  hold.changed = () => {
    for (const pad of pads) {
      const { wish, code } = pad.dataset;
      pad.classList.toggle("held", hold.held.has(`pad ${wish}`) || hold.held.has(`key ${code}`));
    }
  };
  const slow = document.getElementById("slow");
  slow.addEventListener("click", () => setSlow(hold, !hold.slow));
}

export function setSlow(hold, on) {
  hold.slow = on;
  document.getElementById("slow").setAttribute("aria-pressed", String(on));
}
