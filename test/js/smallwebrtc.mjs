// Holds a call with Pipecat's own client and its SmallWebRTC transport, as they
// are, over Google's WebRTC (@roamhq/wrtc), and prints what happens as lines of JSON.
//
//	node smallwebrtc.mjs http://127.0.0.1:8080/webrtc question.pcm answer.pcm
//
// The question is raw PCM, 16 bits, 48 kHz, mono. It is said once the bot is ready;
// from then on what the bot says is written to the answer, in the same form. The call
// ends when the bot sends a server message.

import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import wrtc from "@roamhq/wrtc";

// The client expects a browser. What it takes of it on the way to the wire is
// provided; what it does with devices is in the media manager below.
Object.assign(globalThis, {
  RTCPeerConnection: class extends wrtc.RTCPeerConnection {
    constructor(configuration) {
      super(configuration);
      this.addEventListener("track", ({ track }) => track.kind === "audio" && listenTo(track));
    }
  },
  RTCSessionDescription: wrtc.RTCSessionDescription,
  RTCIceCandidate: wrtc.RTCIceCandidate,
  MediaStream: wrtc.MediaStream,
});
globalThis.window ??= globalThis;
globalThis.self ??= globalThis;
globalThis.document ??= { addEventListener() {}, removeEventListener() {}, createElement: () => ({}) };
globalThis.location ??= { href: "http://127.0.0.1/", hostname: "127.0.0.1" };

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
// Whatever else is logged must not get between the lines.
for (const level of ["log", "info", "debug", "warn", "error"]) {
  console[level] = (...args) => process.stderr.write(`${level} ${args.join(" ")}\n`);
}

const [url, question, answer] = process.argv.slice(2);
// As modules they import what Node does not find without a bundler.
const require = createRequire(import.meta.url);
const { PipecatClient } = require("@pipecat-ai/client-js");
const { SmallWebRTCTransport } = require("@pipecat-ai/small-webrtc-transport");

const rate = 48000;
const source = new wrtc.nonstandard.RTCAudioSource();
const heard = [];
let listens = false;

// listenTo keeps what the bot says. Here tracks are never unmuted, by which the client
// would tell of them.
function listenTo(track) {
  const sink = new wrtc.nonstandard.RTCAudioSink(track);
  sink.ondata = ({ samples, sampleRate, channelCount }) => {
    if (!listens) return;
    if (rate % sampleRate !== 0) throw new Error(`the sound has ${sampleRate} Hz`);
    // Before anything is said it has another rate, and after.
    for (let i = 0; i < samples.length; i += channelCount) heard.push(...Array(rate / sampleRate).fill(samples[i]));
  };
}

class Devices {
  track = source.createTrack();
  supportsScreenShare = false;
  isMicEnabled = true;
  isCamEnabled = false;
  isSharingScreen = false;
  setClientOptions() {}
  async initialize() {}
  async connect() {}
  async disconnect() {}
  tracks() {
    return { local: { audio: this.track } };
  }
  getAllMics = async () => [];
  getAllCams = async () => [];
  getAllSpeakers = async () => [];
}

let goodbye;
const over = new Promise((resolve) => (goodbye = resolve));
const client = new PipecatClient({
  transport: new SmallWebRTCTransport({ mediaManager: new Devices() }),
  enableMic: true,
  enableCam: false,
  callbacks: {
    onBotReady: (data) => print({ name: "ready", version: data.version }),
    onError: (message) => print({ name: "error", data: message.data }),
    onBotDisconnected: () => print({ name: "left" }),
    onServerMessage: (data) => {
      print({ name: "message", data });
      goodbye();
    },
  },
});

// say speaks in real time, in pieces of 10 ms; silence behind it.
async function say(speech) {
  const began = performance.now();
  for (let n = 0; ; n++) {
    const samples = new Int16Array(rate / 100);
    samples.set(speech.subarray(n * samples.length, (n + 1) * samples.length));
    source.onData({ samples, sampleRate: rate, bitsPerSample: 16, channelCount: 1, numberOfFrames: samples.length });
    const wait = began + 10 * (n + 1) - performance.now();
    await sleep(Math.max(wait, 0), undefined, { ref: false });
  }
}

const failed = sleep(30_000, "nothing came for too long", { ref: false });
const run = async () => {
  await client.connect({ webrtcRequestParams: { endpoint: url, requestData: { greeting: "hello" } } });
  client.sendClientMessage("greeting", { text: "good morning" });
  const bytes = readFileSync(question);
  listens = true;
  say(new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2));
  await over;
  await sleep(500);
  writeFileSync(answer, Buffer.from(Int16Array.from(heard).buffer));
  await client.disconnect();
};
const problem = await Promise.race([run(), failed]);
if (problem) print({ name: "failure", data: problem });
process.exit(problem ? 1 : 0);
