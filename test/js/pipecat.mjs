// Holds a call with Pipecat's own client and its WebSocket transport, as they
// are, and prints what happens as lines of JSON.
//
//	node pipecat.mjs ws://127.0.0.1:8080/call question.pcm answer.pcm
//
// The question is raw PCM, 16 bits, 16 kHz, mono. It is said once the bot is
// ready; what the bot says is written to the answer, at 24 kHz. The call ends
// when the bot sends a server message.

import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";

// The client expects a browser. What it takes of it on the way to the wire is
// provided; what it does with devices is in the media manager below.
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols);
    this.binaryType = "blob";
  }
};
globalThis.window ??= globalThis;
globalThis.self ??= globalThis;
globalThis.document ??= { addEventListener() {}, removeEventListener() {}, createElement: () => ({}) };
globalThis.AudioWorkletProcessor ??= class {};
globalThis.MediaStream ??= class {};
globalThis.location ??= { href: "http://127.0.0.1/", hostname: "127.0.0.1" };

const print = (line) => console.log(JSON.stringify(line));
// Whatever else is logged must not get between the lines.
for (const level of ["log", "info", "debug", "warn", "error"]) {
  const to = level === "log" ? null : console.error.bind(console, level);
  if (to) console[level] = to;
}

const [url, question, answer] = process.argv.slice(2);
const { PipecatClient } = await import("@pipecat-ai/client-js");
const { WebSocketTransport } = await import("@pipecat-ai/websocket-transport");

class Microphone {
  heard = [];
  setUserAudioCallback(say) {
    this.say = say;
  }
  setClientOptions() {}
  async initialize() {}
  async connect() {}
  async disconnect() {}
  bufferBotAudio(samples) {
    this.heard.push(Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength));
  }
  getAllMics = async () => [];
  getAllCams = async () => [];
  getAllSpeakers = async () => [];
  updateMic() {}
  updateCam() {}
  updateSpeaker() {}
  enableMic() {}
  get isMicEnabled() {
    return true;
  }
  get selectedMic() {
    return {};
  }
  get selectedSpeaker() {
    return {};
  }
  tracks() {
    return { local: {} };
  }
}

const microphone = new Microphone();
let goodbye;
const over = new Promise((resolve) => (goodbye = resolve));
const client = new PipecatClient({
  transport: new WebSocketTransport({ mediaManager: microphone }),
  enableMic: true,
  enableCam: false,
  callbacks: {
    onBotReady: (data) => print({ name: "ready", version: data.version }),
    onError: (message) => print({ name: "error", data: message.data }),
    onServerMessage: (data) => {
      print({ name: "message", data });
      goodbye();
    },
  },
});

const failed = sleep(20_000, "nothing came for too long", { ref: false });
const run = async () => {
  await client.connect({ wsUrl: url });
  client.sendClientMessage("greeting", { text: "good morning" });
  const speech = readFileSync(question);
  for (let at = 0; at < speech.length; at += 640) {
    microphone.say(speech.subarray(at, at + 640));
    await sleep(20);
  }
  await over;
  await client.disconnect();
  writeFileSync(answer, Buffer.concat(microphone.heard));
};
const problem = await Promise.race([run(), failed]);
if (problem) print({ name: "failure", data: problem });
process.exit(problem ? 1 : 0);
