// The lines that persons typed, each with its state: in the order of typing, the newest in view.

const kept = new Map(); // by number: a status has the newest lines only

const $ = (id) => document.getElementById(id);

export function showLines(lines) {
  const list = $("lines");
  const key = JSON.stringify(lines);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  if (lines[0]?.number === 1) kept.clear();
  for (const one of lines) kept.set(one.number, one);
  list.replaceChildren(...[...kept.values()].map(line));
  $("typed").hidden = !kept.size;
  list.scrollTop = list.scrollHeight;
}

function line({ typed_t: typed, who, words, state, note }) {
  const element = document.createElement("li");
  element.className = state;
  element.append(part("time", clock(typed)), part("b", `“${words}”`), part("span", state, "state"));
  element.append(part("small", [who, note].filter(Boolean).join(" · ")));
  return element;
}

function part(tag, content, kind) {
  const element = document.createElement(tag);
  element.textContent = content;
  if (kind) element.className = kind;
  return element;
}

// Time since the run began.
function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
