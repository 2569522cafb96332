// Shows the run's status; changes only elements whose content changed.

import { Clock } from "./clock.js";

const MODES = { autonomous: "Autonomous", paused: "Paused", correcting: "By hand", stopped: "Stopped" };
const PHASES = { waiting: "Waiting to begin", ended: "Ended" };
const NEAR = 0.03; // share of a joint's range from its limit
const OLD_STATE = 0.25; // [s] age of the arm's state
const $ = (id) => document.getElementById(id);

export function setText(element, content) {
  if (element.textContent !== content) element.textContent = content;
}

export function showStatus(status, you, consoles) {
  document.body.dataset.mode = status.mode;
  document.body.classList.toggle("may-move", status.phase === "running" && status.holder === you);
  setText($("mode"), PHASES[status.phase] ?? MODES[status.mode] ?? status.mode);
  setText($("holder"), status.phase === "running" ? holderText(status.holder, you, consoles) : "");
  setText($("instruction"), status.instruction);
  setText($("limit"), `limited by ${status.limited_by}`);
  $("limit").hidden = !status.limited_by || status.phase !== "running";
  showActions(status, you);
  showSteps(status);
  showBars(status);
  if (status.phase === "ended") return; // what was measured last stays
  health($("arm-age"), Clock.format(status.state_age), !(status.state_age < OLD_STATE));
  const late = status.ticks ? status.missed_ticks / status.ticks : 0;
  health($("loop"), `${status.missed_ticks} of ${status.ticks}`, late > 0.01);
}

export function health(element, content, bad) {
  setText(element.querySelector("b"), content);
  element.classList.toggle("bad", bad);
}

function holderText(holder, you, consoles) {
  if (holder === you) return `you have control (${you})`;
  const who = { policy: "the policy has control", "": "nobody has control" }[holder] ?? `${holder} has control`;
  return consoles > 1 || holder.startsWith("console") ? `${who}; you are ${you}` : who;
}

function showActions({ mode, holder }, you) {
  const ours = holder === you;
  const idle = {
    take: ours || mode === "stopped",
    hand_back: mode === "autonomous" || mode === "stopped",
    pause: mode === "paused" || mode === "stopped",
    rearm: mode !== "stopped",
  };
  const next = { autonomous: "take", correcting: ours ? "hand_back" : "", paused: "hand_back", stopped: "rearm" }[mode];
  for (const [id, is_idle] of Object.entries(idle)) {
    $(id).setAttribute("aria-disabled", String(is_idle)); // still clickable: the run replies why not
    $(id).classList.toggle("next", id === next);
  }
}

function showSteps({ steps, probability }) {
  const list = $("steps");
  const key = JSON.stringify([steps, probability]);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...steps.map((step) => stepLine(step, probability)));
  list.scrollTop = list.scrollHeight;
}

function stepLine({ text: content, state, probability, reason }, present) {
  const line = document.createElement("li");
  const now = state === "now";
  const judged = now ? (present ?? probability) : probability;
  line.append(part("span", `state ${state}`, state), part("span", now ? "present" : "", content), probabilityCell(judged, state));
  if (reason) line.append(part("small", "", reason));
  if (now) line.setAttribute("aria-current", "step");
  return line;
}

function probabilityCell(probability, state) {
  const now = state === "now";
  const cell = part("span", "probability", "");
  if (typeof probability === "number") {
    const percent = `${Math.round(100 * probability)} %`;
    if (now) {
      const meter = document.createElement("meter");
      Object.assign(meter, { min: 0, max: 1, low: 0.5, high: 0.8, optimum: 1, value: probability });
      meter.title = "the model's probability of this step";
      cell.append(meter);
    }
    const of = ["done", "failed", "corrected"].includes(state) ? "success" : "step";
    cell.append(`${of} probability ${percent}`);
  }
  if (now) {
    const edit = part("button", "plain edit", "edit");
    edit.type = "button";
    edit.addEventListener("click", () => {
      $("correction").value = edit.closest("li").querySelector(".present").textContent;
      $("correction").focus();
    });
    cell.append(edit);
  }
  return cell;
}

function part(tag, kind, content) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.textContent = content;
  return element;
}

function showBars({ joints, gripper }) {
  const list = $("joints");
  if (list.children.length !== joints.length + 1) {
    list.replaceChildren(...[...joints.map((joint) => joint.name), "gripper"].map(bar));
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
  track.append(part("i", "at", ""), part("i", "speed", ""));
  line.append(part("span", "of", name), track, part("span", "value", ""));
  return line;
}

function setBar(line, share, speed, content) {
  line.style.setProperty("--at", `${100 * Math.min(1, Math.max(0, share))}%`);
  line.style.setProperty("--speed", Math.min(1, speed));
  setText(line.lastChild, content);
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}
