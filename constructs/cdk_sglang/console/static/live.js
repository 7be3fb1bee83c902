// The live stream of the fleet: one connection while the page is visible, reopened when it breaks.

import { Refused, stream } from "./api.js";

const AGAIN_MS = [1000, 2000, 5000, 10000];

export class Live {
  // `seen` gets each event, `state` a sentence whenever the connection begins or ends, `refused` an error of the key.
  constructor({ seen, state, refused }) {
    Object.assign(this, { seen, state, refused });
    this.tries = 0;
    this.watch = () => (document.hidden ? this.pause() : this.start());
    document.addEventListener("visibilitychange", this.watch);
    this.start();
  }

  start() {
    if (this.ended || this.abort || document.hidden) return;
    this.abort = new AbortController();
    this.run(this.abort.signal);
  }

  pause() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = null;
  }

  close() {
    this.ended = true;
    document.removeEventListener("visibilitychange", this.watch);
    this.pause();
  }

  async run(signal) {
    let why = "the stream has ended";
    try {
      for await (const event of stream("data/live", signal)) {
        this.tries = 0;
        this.state(true, "live");
        this.seen(event.name, JSON.parse(event.data));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused) {
        this.close();
        this.refused(error);
        return;
      }
      why = error.message;
    }
    if (signal.aborted) return;
    this.abort = null;
    this.state(false, `not live: ${why}`);
    this.timer = setTimeout(() => this.start(), AGAIN_MS[Math.min(this.tries++, AGAIN_MS.length - 1)]);
  }
}
