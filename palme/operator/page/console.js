// The console: two lines to the run, and what a person sees and does.

import { Aim } from "./aim.js";
import { Cameras } from "./cameras.js";
import { Clock } from "./clock.js";
import { listenToGamepad } from "./gamepad.js";
import { Hold } from "./hold.js";
import { listenToKeys } from "./keys.js";
import { Line } from "./line.js";
import { listenToPads } from "./pads.js";
import { showSentence } from "./sentence.js";
import { health, showStatus, text } from "./view.js";

const BEAT = 50; // [ms] the run takes the arm's holder for gone after 300 ms of silence
const PING = 1000; // [ms]
const STOP_KEPT = 10_000; // [ms] a stop that found no line is said when there is one again
const SHOWN = 6000; // [ms] a refusal stays

const $ = (id) => document.getElementById(id);
const clock = new Clock();
let desk = null; // the newest status
let you = "";
let unsaid = null; // a stop that found no line
let refusedUntil = 0;

const may = () => desk !== null && desk.holder === you && words.isOpen && document.visibilityState === "visible";
const hold = new Hold({
  may,
  send: (message, passing) => words.send(message, passing),
  refused: () => say(words.isOpen ? "take over first (T): then hold to move" : "no line to the run", true),
});

const heard = {
  status({ status, you: me, consoles, n }) {
    desk = status;
    you = me;
    if (!may()) hold.drop();
    showStatus(status, you, consoles);
    cameras.names(status.cameras);
    if (performance.now() > refusedUntil) say(status.message, false);
    words.send({ do: "seen", n });
  },
  told({ told }) {
    if (!told.done) say(told.message || "not done", true);
    else if (told.do !== "jog" && told.do !== "reach") refusedUntil = 0;
  },
  pong({ pong, t }) {
    clock.answered(pong, t);
    health($("trip"), Clock.words(clock.trip), !(clock.trip < 0.15));
  },
  sentence({ sentence }) {
    showSentence(sentence);
  },
};

const words = new Line("/control", {
  heard(data) {
    const message = JSON.parse(data);
    for (const [kind, act] of Object.entries(heard)) if (kind in message) act(message);
  },
  changed(state, reason) {
    document.body.dataset.link = state;
    if (state === "open") {
      trouble("");
      ping();
      if (unsaid && performance.now() - unsaid.at < STOP_KEPT) stop(unsaid.how);
      unsaid = null;
      return;
    }
    desk = null;
    hold.drop();
    text($("mode"), "No line");
    text($("holder"), "");
    document.body.classList.remove("may-move");
    health($("trip"), "–", true);
    const why = reason ? ` (${reason})` : "";
    trouble(`No line to the run${why}: nothing here reaches the arm, stop included. Use its own stop.${state === "lost" ? " Trying again." : ""}`);
  },
});

const pictures = new Line("/pictures", {
  heard: (data) => cameras.heard(data),
  changed: (state, reason) => (cameras.trouble = reason),
});
const cameras = new Cameras(clock, (camera, n) => pictures.send({ do: "shown", camera, n }));
const aim = new Aim(cameras, hold);

function stop(how) {
  hold.drop();
  if (!words.send({ do: "stop", how })) unsaid = { how, at: performance.now() };
}

function act(what) {
  hold.drop();
  refusedUntil = 0;
  if (!words.send({ do: what })) say("no line to the run", true);
}

function say(what, refused) {
  if (refused) refusedUntil = performance.now() + SHOWN;
  text($("message"), what);
  $("message").classList.toggle("no", refused);
}

function trouble(what) {
  text($("trouble"), what);
  $("trouble").hidden = !what;
}

function ping() {
  words.send({ do: "ping", at: performance.now() }, true);
}

function help() {
  const dialog = $("keys");
  if (dialog.open) dialog.close();
  else dialog.showModal();
  theme();
}

// The choice is kept where the browser keeps anything.
function kept(choice) {
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
  text($("theme"), dark ? "use light colours" : "use dark colours");
  return dark;
}

listenToPads(hold);
listenToKeys({ hold, stop, act, cameras, aim, help });
listenToGamepad({ hold, may, stop, act });
$("stop").addEventListener("pointerdown", (event) => event.button === 0 && stop("button"));
$("stop").addEventListener("click", (event) => event.detail === 0 && stop("button")); // by Enter: no pointer
for (const verb of document.querySelectorAll(".verb")) verb.addEventListener("click", () => act(verb.dataset.do));
$("correct").addEventListener("submit", (event) => {
  event.preventDefault();
  const said = $("words").value.trim();
  if (said && words.send({ do: "correct", text: said })) $("words").value = "";
  $("words").blur();
});
$("help").addEventListener("click", help);
$("theme").addEventListener("click", () => {
  const next = theme() ? "light" : "dark";
  theme(next);
  kept(next);
});
theme(kept());
setInterval(ping, PING);
setInterval(() => may() && words.send({ do: "beat" }, true), BEAT);
