// The console: two sockets to the run, its status, and the controls.

import { Aim } from "./aim.js";
import { Cameras } from "./cameras.js";
import { Clock } from "./clock.js";
import { listenToGamepad } from "./gamepad.js";
import { Hold } from "./hold.js";
import { listenToKeys } from "./keys.js";
import { showLines } from "./lines.js";
import { listenToPads } from "./pads.js";
import { Phase } from "./phase.js";
import { showSentence } from "./sentence.js";
import { Socket } from "./socket.js";
import { health, setText, showStatus } from "./view.js";

const HEARTBEAT = 50; // [ms] the run disconnects the console in control after 300 ms of silence
const PING = 1000; // [ms]
const STOP_VALID = 10_000; // [ms] a stop that was not sent is sent after a reconnection
const REFUSAL_SHOWN = 6000; // [ms]

const $ = (id) => document.getElementById(id);
const clock = new Clock();
let status = null; // the newest one
let you = "";
let unsentStop = null;
let refusedUntil = 0;

const phase = new Phase({ start: () => act("start"), wait: () => act("wait") });

const hasControl = () =>
  phase.runs && status !== null && status.holder === you && control.isOpen && document.visibilityState === "visible";
const hold = new Hold({
  hasControl,
  send: (message, droppable) => control.send(message, droppable),
  refused: () => showMessage(phase.whyNot || "take over first (T), then hold to move", true),
});

const handlers = {
  status(message) {
    ({ status, you } = message);
    phase.update(status);
    if (!hasControl()) hold.releaseAll();
    showStatus(status, you, message.consoles);
    showLines(status.lines);
    phase.disable(); // the steps' buttons are new
    cameras.frozen = phase.ended ? `ended at ${status.end.clock}` : "";
    cameras.names(status.cameras);
    if (performance.now() > refusedUntil) showMessage(status.message, false);
    control.send({ do: "seen", n: message.n });
  },
  reply({ reply }) {
    if (!reply.done) showMessage(reply.message || "not done", true);
    else if (reply.do !== "jog" && reply.do !== "reach") refusedUntil = 0;
  },
  pong({ pong, t }) {
    clock.answered(pong, t);
    health($("round-trip"), Clock.format(clock.roundTrip), !(clock.roundTrip < 0.15));
  },
  sentence({ sentence }) {
    showSentence(sentence);
  },
};

const control = new Socket("/control", {
  received(data) {
    const message = JSON.parse(data);
    for (const [kind, handle] of Object.entries(handlers)) if (kind in message) handle(message);
  },
  changed(state, reason) {
    phase.connected(state);
    if (state === "open") {
      showAlert("");
      ping();
      if (unsentStop && performance.now() - unsentStop.at < STOP_VALID) stop(unsentStop.how);
      unsentStop = null;
      return;
    }
    status = null;
    hold.releaseAll();
    if (phase.ended) {
      showAlert(""); // nothing is lost: the status that was shown last is the end
      return;
    }
    setText($("mode"), "Disconnected");
    setText($("holder"), "");
    document.body.classList.remove("may-move");
    health($("round-trip"), "–", true);
    const why = reason ? ` (${reason})` : "";
    const retry = state === "lost" ? " Reconnecting." : "";
    showAlert(`No line to the run${why}: nothing on this page reaches the arm, not even a stop. Use the arm's own stop.${retry}`);
  },
});

const images = new Socket("/images", {
  received: (data) => cameras.receive(data),
  changed: (state, reason) => (cameras.failure = reason),
});
const cameras = new Cameras(clock, (camera, n) => images.send({ do: "shown", camera, n }));
const aim = new Aim(cameras, hold);

function stop(how) {
  hold.releaseAll();
  if (phase.ended) return;
  if (!control.send({ do: "stop", how })) unsentStop = { how, at: performance.now() };
}

function act(what) {
  hold.releaseAll();
  refusedUntil = 0;
  const possible = phase.runs || (phase.waits && ["start", "wait", "rearm"].includes(what));
  if (!possible || !control.send({ do: what })) showMessage(phase.whyNot || "not connected to the run", true);
}

function showMessage(content, refused) {
  if (refused) refusedUntil = performance.now() + REFUSAL_SHOWN;
  setText($("message"), content);
  $("message").classList.toggle("refused", refused);
}

function showAlert(content) {
  setText($("alert"), content);
  $("alert").hidden = !content;
}

function ping() {
  control.send({ do: "ping", at: performance.now() }, true);
}

function help() {
  const dialog = $("keys");
  if (dialog.open) dialog.close();
  else dialog.showModal();
  theme();
}

// Stores the theme if the browser permits; returns the stored one.
function stored(choice) {
  try {
    if (choice) localStorage.setItem("palme-theme", choice);
    return localStorage.getItem("palme-theme");
  } catch {
    return null;
  }
}

function theme(which) {
  if (which) document.documentElement.dataset.theme = which;
  const dark = getComputedStyle(document.documentElement).colorScheme !== "light";
  setText($("theme"), dark ? "use light colours" : "use dark colours");
  return dark;
}

listenToPads(hold);
listenToKeys({ hold, stop, act, cameras, aim, help, phase });
listenToGamepad({ hold, hasControl, stop, act, phase });
$("stop").addEventListener("pointerdown", (event) => event.button === 0 && stop("button"));
$("stop").addEventListener("click", (event) => event.detail === 0 && stop("button")); // by Enter: no pointer
for (const button of document.querySelectorAll(".action")) button.addEventListener("click", () => act(button.dataset.do));
$("correct").addEventListener("submit", (event) => {
  event.preventDefault();
  const content = $("correction").value.trim();
  if (content && phase.runs && control.send({ do: "correct", text: content })) $("correction").value = "";
  $("correction").blur();
});
$("help").addEventListener("click", help);
$("theme").addEventListener("click", () => {
  const next = theme() ? "light" : "dark";
  theme(next);
  stored(next);
});
theme(stored());
setInterval(ping, PING);
setInterval(() => hasControl() && control.send({ do: "heartbeat" }, true), HEARTBEAT);
