// A WebSocket that reconnects, and reports why it closed.

const WAIT = [300, 600, 1200, 2000]; // [ms] before each attempt to reconnect

export class Socket {
  // changed(state, reason): "opening", "open", "lost" or "refused"; received(data): string or ArrayBuffer.
  constructor(path, { received, changed }) {
    this.path = path;
    this.received = received;
    this.changed = changed;
    this.attempts = 0;
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
      this.attempts = 0;
      this.changed("open", "");
    };
    socket.onmessage = (event) => this.received(event.data);
    socket.onclose = (event) => this.closed(event);
    this.socket = socket;
  }

  async closed(event) {
    this.changed("lost", event.reason);
    const refused = event.code === 1006 && (await isUnauthorized());
    if (refused) {
      this.changed("refused", "this address has another run's token; open the address that the run prints");
      return;
    }
    const wait = WAIT[Math.min(this.attempts, WAIT.length - 1)];
    this.attempts += 1;
    setTimeout(() => this.open(), wait);
  }

  // Returns whether the browser accepted the message. `droppable`: skip it while earlier ones are queued.
  send(message, droppable = false) {
    if (!this.isOpen || (droppable && this.socket.bufferedAmount > 2048)) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }
}

async function isUnauthorized() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    return answer.status === 401;
  } catch {
    return false;
  }
}
