// Holds a conversation in Chromium, on the page that `parley serve` has, and prints
// what the page shows as one line of JSON.
//
//	node page.mjs chromium http://127.0.0.1:8080/ webrtc caller.wav 20 heard.pcm page.png
//
// In the middle of it the network is gone for a moment. The recording is the microphone. What the browser gets of the agent's voice is
// written as raw PCM, 16 bits, 48 kHz, mono.

import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import puppeteer from "puppeteer-core";

const [chromium, server, transport, recording, seconds, heard, screenshot] = process.argv.slice(2);

// network is what is between the browser and the server.
const lines = new Set();
const { hostname, port } = new URL(server);
const network = createServer((near) => {
  const far = connect(port, hostname);
  for (const [from, to] of [[near, far], [far, near]]) {
    lines.add(from);
    from.on("error", () => {});
    from.on("close", () => {
      lines.delete(from);
      to.destroy();
    });
    from.pipe(to);
  }
});
await new Promise((resolve) => network.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${network.address().port}/`;

const browser = await puppeteer.launch({
  executablePath: chromium,
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    `--use-file-for-fake-audio-capture=${recording}%noloop`,
    "--autoplay-policy=no-user-gesture-required",
  ],
});
const page = await browser.newPage();
await page.setViewport({ width: 900, height: 900 });
const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));
page.on("requestfailed", (request) => problems.push(`${request.url()}: ${request.failure()?.errorText}`));

// The microphone is a recording: what makes a voice of a room, and what takes out what
// the loudspeaker plays, would spoil it. And what arrives is kept.
await page.evaluateOnNewDocument(() => {
  const devices = navigator.mediaDevices;
  const getUserMedia = devices.getUserMedia.bind(devices);
  devices.getUserMedia = () => getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });

  const pieces = []; // Int16Array
  let rate = 48000;
  window.kept = () => {
    const bytes = new Uint8Array(pieces.reduce((n, p) => n + p.byteLength, 0));
    pieces.reduce((at, p) => (bytes.set(new Uint8Array(p.buffer), at), at + p.byteLength), 0);
    let text = "";
    for (let at = 0; at < bytes.length; at += 30000) text += String.fromCharCode(...bytes.subarray(at, at + 30000));
    return { rate, bytes: btoa(text) };
  };

  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...args) {
      super(...args);
      window.peer = this;
      this.addEventListener("track", async ({ track }) => {
        const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) return;
          rate = value.sampleRate;
          const samples = new Float32Array(value.numberOfFrames);
          value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
          pieces.push(Int16Array.from(samples, (s) => Math.max(-32768, Math.min(32767, Math.round(s * 32768)))));
          value.close();
        }
      });
    }
  };
  const Socket = window.WebSocket;
  window.sockets = 0;
  window.WebSocket = class extends Socket {
    constructor(...args) {
      super(...args);
      window.sockets++;
      this.addEventListener("message", ({ data }) => data instanceof ArrayBuffer && pieces.push(new Int16Array(data.slice(0))));
    }
    send(data) {
      if (typeof data === "string" && JSON.parse(data).type === "hello") rate = JSON.parse(data).output.rate;
      super.send(data);
    }
  };
});

await page.goto(url);
await page.select("#transport", transport);
await page.click("#talk");
await sleep(500 * Number(seconds));
lines.forEach((line) => line.destroy());
// Of WebRTC's network the page only believes it, and looks for another.
const before = await page.evaluate(() => {
  const { peer } = window;
  if (!peer) return "";
  Object.defineProperty(peer, "connectionState", { value: "failed", configurable: true });
  peer.dispatchEvent(new Event("connectionstatechange"));
  setTimeout(() => delete peer.connectionState, 2500);
  return peer.localDescription.sdp.match(/a=ice-ufrag:(.*)/)[1];
});
await sleep(500 * Number(seconds));
const shown = await page.evaluate(() => {
  const text = (id) => document.getElementById(id).textContent;
  return {
    service: text("service"),
    way: text("way"),
    latency: parseInt(text("latency")),
    median: parseInt(text("median")),
    stream: Number(text("stream")),
    moves: Number(text("moves")),
    button: text("talk"),
    problem: document.getElementById("problem").hidden ? "" : text("problem"),
    lines: [...document.querySelectorAll("#transcript li")].map((line) => ({
      who: line.querySelector(".who").textContent,
      text: line.querySelector(".text").textContent,
    })),
  };
});
await page.screenshot({ path: screenshot });
const { rate, bytes } = await page.evaluate(() => window.kept());
writeFileSync(heard, Buffer.from(bytes, "base64"));
const after = await page.evaluate(() => window.peer?.localDescription.sdp.match(/a=ice-ufrag:(.*)/)[1] ?? "");
const sockets = await page.evaluate(() => window.sockets);
await page.click("#talk"); // hangs up
await sleep(500);
shown.after = await page.evaluate(() => document.getElementById("talk").textContent);
await browser.close();
lines.forEach((line) => line.destroy());
network.close();
console.log(JSON.stringify({ ...shown, rate, problems, restarted: before !== after, sockets }));
