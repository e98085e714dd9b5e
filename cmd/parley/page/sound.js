// The page's sound, on the audio thread: what the microphone hears goes out in
// pieces of 20 ms, what the agent says is played as it comes.

class Sound extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = []; // Float32Array, or the name of a mark
    this.at = 0; // in the first of them
    this.piece = new Int16Array(Math.round(sampleRate / 50));
    this.filled = 0;
    this.loudest = { mic: 0, bot: 0 };
    this.port.onmessage = ({ data }) => {
      if (data.clear) {
        this.queue = [];
        this.at = 0;
      } else if (data.samples) {
        const from = new Int16Array(data.samples);
        this.queue.push(Float32Array.from(from, (s) => s / 32768));
        // Where nothing is played for long, what comes is not kept for ever: 10 s.
        if (this.queue.length > 1000) {
          this.queue.splice(0, this.queue.length - 500);
          this.at = 0;
        }
      } else if (data.mark) {
        this.queue.push(data.mark);
      }
    };
  }

  process([input], [output]) {
    const heard = input[0];
    if (heard) {
      for (const sample of heard) {
        const s = Math.max(-1, Math.min(1, sample));
        this.loudest.mic = Math.max(this.loudest.mic, Math.abs(s));
        this.piece[this.filled++] = Math.round(s * 32767);
        if (this.filled === this.piece.length) {
          const samples = this.piece.slice().buffer;
          this.port.postMessage({ samples, ...this.loudest }, [samples]);
          this.filled = 0;
          this.loudest = { mic: 0, bot: 0 };
        }
      }
    }
    const channel = output[0];
    let n = 0;
    while (this.queue.length > 0) {
      const next = this.queue[0];
      if (typeof next === "string") {
        // Everything before it has been handed over.
        this.port.postMessage({ mark: next });
        this.queue.shift();
        continue;
      }
      if (n === channel.length) break;
      while (n < channel.length && this.at < next.length) {
        const s = next[this.at++];
        this.loudest.bot = Math.max(this.loudest.bot, Math.abs(s));
        channel[n++] = s;
      }
      if (this.at === next.length) {
        this.queue.shift();
        this.at = 0;
      }
    }
    for (const other of output.slice(1)) other.set(channel);
    return true;
  }
}

registerProcessor("sound", Sound);
