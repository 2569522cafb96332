// Estimates the run's clock: the offset measured by the fastest of the last ten pings.

const KEPT = 10;

export class Clock {
  constructor() {
    this.answers = [];
    this.roundTrip = null; // round roundTrip of the last ping [s]
  }

  // `at`: performance.now() [ms] of the ping; `t`: the run's clock [s] of the answer.
  answered(at, t) {
    const now = performance.now();
    this.roundTrip = (now - at) / 1000;
    this.answers.push({ roundTrip: this.roundTrip, offset: t - (at + now) / 2000 });
    if (this.answers.length > KEPT) this.answers.shift();
    this.offset = this.answers.reduce((best, one) => (one.roundTrip < best.roundTrip ? one : best)).offset;
  }

  // The run's clock [s], or null before the first answer.
  now() {
    return this.answers.length ? performance.now() / 1000 + this.offset : null;
  }

  // Text for an age in [s].
  static format(age) {
    if (age === null || !Number.isFinite(age)) return "–";
    if (age < 1) return `${Math.max(0, Math.round(1000 * age))} ms`;
    return age < 60 ? `${age.toFixed(1)} s` : `${Math.round(age / 60)} min`;
  }
}
