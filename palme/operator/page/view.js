// What stands on the desk, put where it is read. Nothing is touched that did not change.

import { Clock } from "./clock.js";

const MODES = { autonomous: "Autonomous", paused: "Paused", correcting: "By hand", stopped: "Stopped" };
const NEAR = 0.03; // of a joint's range, to its limit
const SLOW_ARM = 0.25; // [s] since the arm was heard
const $ = (id) => document.getElementById(id);

export function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

export function showStatus(status, you, consoles) {
  document.body.dataset.mode = status.mode;
  document.body.classList.toggle("may-move", status.holder === you);
  text($("mode"), MODES[status.mode] ?? status.mode);
  text($("holder"), holderWords(status.holder, you, consoles));
  text($("instruction"), status.instruction);
  text($("held-by"), `held back: ${status.held_by}`);
  $("held-by").hidden = !status.held_by;
  showVerbs(status, you);
  showSteps(status);
  showBars(status);
  health($("arm-age"), Clock.words(status.age), !(status.age < SLOW_ARM));
  const late = status.loop_ticks ? status.loop_late / status.loop_ticks : 0;
  health($("loop"), `${status.loop_late} of ${status.loop_ticks}`, late > 0.01);
}

export function health(element, words, bad) {
  text(element.querySelector("b"), words);
  element.classList.toggle("bad", bad);
}

function holderWords(holder, you, consoles) {
  if (holder === you) return `you hold the arm (${you})`;
  const who = { policy: "the policy moves the arm", "": "nobody moves the arm" }[holder] ?? `${holder} holds the arm`;
  return consoles > 1 || holder.startsWith("console") ? `${who}; you are ${you}` : who;
}

function showVerbs({ mode, holder }, you) {
  const mine = holder === you;
  const idle = {
    take: mine || mode === "stopped",
    hand_back: mode === "autonomous" || mode === "stopped",
    pause: mode === "paused" || mode === "stopped",
    rearm: mode !== "stopped",
  };
  const next = { autonomous: "take", correcting: mine ? "hand_back" : "", paused: "hand_back", stopped: "rearm" }[mode];
  for (const [id, is_idle] of Object.entries(idle)) {
    $(id).setAttribute("aria-disabled", String(is_idle)); // pressed all the same, the run says why not
    $(id).classList.toggle("next", id === next);
  }
}

function showSteps({ steps, sure }) {
  const list = $("steps");
  const key = JSON.stringify([steps, sure]);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...steps.map((step) => stepLine(step, sure)));
  list.scrollTop = list.scrollHeight;
}

function stepLine({ text: words, state, probability, reason }, sure) {
  const line = document.createElement("li");
  const now = state === "now";
  const judged = now ? (sure ?? probability) : probability;
  line.append(part("span", `state ${state}`, state), part("span", now ? "now-step" : "", words), sureness(judged, now));
  if (reason) line.append(part("small", "", reason));
  if (now) line.setAttribute("aria-current", "step");
  return line;
}

function sureness(probability, now) {
  const cell = part("span", "sure", "");
  if (typeof probability === "number") {
    const per_cent = `${Math.round(100 * probability)} %${now ? " sure" : ""}`;
    if (now) {
      const meter = document.createElement("meter");
      Object.assign(meter, { min: 0, max: 1, low: 0.5, high: 0.8, optimum: 1, value: probability });
      meter.title = "how sure the model is of this step";
      cell.append(meter);
    }
    cell.append(per_cent);
  }
  if (now) {
    const again = part("button", "plain again", "edit");
    again.type = "button";
    again.addEventListener("click", () => {
      $("words").value = again.closest("li").querySelector(".now-step").textContent;
      $("words").focus();
    });
    cell.append(again);
  }
  return cell;
}

function part(tag, kind, words) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.textContent = words;
  return element;
}

function showBars({ joints, gripper }) {
  const list = $("joints");
  if (list.children.length !== joints.length + 1) {
    list.replaceChildren(...[...joints.map((joint) => joint.name), "fingers"].map(bar));
  }
  joints.forEach((joint, k) => {
    const share = (joint.q - joint.q_min) / (joint.q_max - joint.q_min);
    setBar(list.children[k], share, Math.abs(joint.dq) / joint.dq_max, `${signed(joint.q)} rad`);
    list.children[k].title = `${joint.q_min.toFixed(2)} to ${joint.q_max.toFixed(2)} rad; ${signed(joint.dq)} of ${joint.dq_max.toFixed(2)} rad/s`;
    list.children[k].classList.toggle("near", !(share > NEAR && share < 1 - NEAR));
  });
  setBar(list.lastChild, gripper, 0, `${Math.round(100 * gripper)} %`);
}

function bar(name) {
  const line = document.createElement("li");
  const track = part("span", "track", "");
  track.append(part("i", "at", ""), part("i", "fast", ""));
  line.append(part("span", "of", name), track, part("span", "value", ""));
  return line;
}

function setBar(line, share, fast, words) {
  line.style.setProperty("--at", `${100 * Math.min(1, Math.max(0, share))}%`);
  line.style.setProperty("--fast", Math.min(1, fast));
  text(line.lastChild, words);
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}
