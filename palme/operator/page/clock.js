// The run's clock seen from here: the offset of the quickest answer of the last ten.

const KEPT = 10;

export class Clock {
  constructor() {
    this.answers = [];
    this.trip = null; // [s] there and back, newest
  }

  // `at`: performance.now() [ms] when it was asked; `t`: the run's clock [s] when it answered.
  answered(at, t) {
    const now = performance.now();
    this.trip = (now - at) / 1000;
    this.answers.push({ trip: this.trip, offset: t - (at + now) / 2000 });
    if (this.answers.length > KEPT) this.answers.shift();
    this.offset = this.answers.reduce((best, one) => (one.trip < best.trip ? one : best)).offset;
  }

  // [s] by the run's clock, or null before the first answer.
  now() {
    return this.answers.length ? performance.now() / 1000 + this.offset : null;
  }

  // The words for an age in [s].
  static words(age) {
    if (age === null || !Number.isFinite(age)) return "–";
    if (age < 1) return `${Math.max(0, Math.round(1000 * age))} ms`;
    return age < 60 ? `${age.toFixed(1)} s` : `${Math.round(age / 60)} min`;
  }
}
