// Whether the run waits to be begun, runs, or has ended; disables what does not work now.

const $ = (id) => document.getElementById(id);

export class Phase {
  // start(), wait(): the buttons of a waiting run.
  constructor({ start, wait }) {
    this.phase = "";
    this.end = null;
    this.connection = "opening";
    $("start").addEventListener("click", start);
    $("wait").addEventListener("click", wait);
    this.disable();
  }

  // Whether the arm can be acted on.
  get runs() {
    return this.phase === "running" && this.connection === "open";
  }

  get waits() {
    return this.phase === "waiting" && this.connection === "open";
  }

  get ended() {
    return this.phase === "ended";
  }

  // Why nothing can be done now.
  get whyNot() {
    if (this.ended) return `the run has ended: ${this.end.title.toLowerCase()}`;
    if (this.connection !== "open") return "not connected to the run";
    return this.phase === "waiting" ? "the run has not begun; press Start" : "";
  }

  connected(state) {
    this.connection = state;
    document.body.dataset.connection = state;
    this.show();
  }

  update(status) {
    this.phase = status.phase;
    this.end = status.end;
    this.beginsIn = status.begins_in;
    this.stopped = status.mode === "stopped";
    document.body.dataset.phase = status.phase;
    this.show();
  }

  show() {
    const banner = $("phase");
    banner.hidden = !(this.ended || this.waits);
    banner.className = `phase ${this.ended ? this.end.kind : "waiting"}`;
    $("starts").hidden = !this.waits;
    if (this.ended) {
      const closed = this.connection === "open" ? "" : " Its program has closed; this page keeps the last status.";
      write("phase-title", this.end.title);
      write("phase-reason", sentence(this.end.reason));
      write("phase-note", `Ended at ${this.end.clock}.${closed}`);
    } else if (this.waits) {
      write("phase-title", "Waiting to begin");
      write("phase-reason", this.stopped ? "The arm is stopped: rearm it, then start." : "Nothing moves before the run begins.");
      const counts = typeof this.beginsIn === "number";
      write("phase-note", counts ? `It begins by itself in ${Math.ceil(this.beginsIn)} s.` : "It begins when Start is pressed.");
      $("wait").hidden = !counts;
      $("start").disabled = this.stopped;
    }
    this.disable();
  }

  disable() {
    const { runs, waits } = this;
    for (const pad of document.querySelectorAll(".pad, #correction, #correct button, .edit")) pad.disabled = !runs;
    for (const action of document.querySelectorAll(".action")) action.disabled = !(runs || (waits && this.stopped && action.id === "rearm"));
    // Without a connection a stop is still noted, and sent if the connection returns: it only looks disabled.
    const stop = $("stop");
    stop.disabled = this.ended;
    stop.setAttribute("aria-disabled", String(!(runs || waits)));
    $("main").setAttribute("aria-disabled", String(!runs));
  }
}

function write(id, content) {
  const element = $(id);
  if (element.textContent !== content) element.textContent = content;
}

function sentence(reason) {
  const text = reason.trim().replace(/\.$/, "");
  return text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "";
}
