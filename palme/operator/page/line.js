// A socket that opens itself again, and says why it closed.

const WAIT = [300, 600, 1200, 2000]; // [ms] between two tries

export class Line {
  // changed(state, reason): "opening", "open", "lost" or "refused"; heard(data): string or ArrayBuffer.
  constructor(path, { heard, changed }) {
    this.path = path;
    this.heard = heard;
    this.changed = changed;
    this.tries = 0;
    this.open();
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.path}${location.search}`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.tries = 0;
      this.changed("open", "");
    };
    socket.onmessage = (event) => this.heard(event.data);
    socket.onclose = (event) => this.closed(event);
    this.socket = socket;
  }

  async closed(event) {
    this.changed("lost", event.reason);
    const refused = event.code === 1006 && (await turnedAway());
    if (refused) {
      this.changed("refused", "this address has the token of another run: open the address that the run printed");
      return;
    }
    const wait = WAIT[Math.min(this.tries, WAIT.length - 1)];
    this.tries += 1;
    setTimeout(() => this.open(), wait);
  }

  // Whether it was handed to the browser. `passing`: not worth sending late, when a slow line piles up.
  send(message, passing = false) {
    if (!this.isOpen || (passing && this.socket.bufferedAmount > 2048)) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }
}

async function turnedAway() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    return answer.status === 401;
  } catch {
    return false;
  }
}
