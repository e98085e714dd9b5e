// Package js holds no Go code but tests, with peers that are not ours: AWS's SDK for
// JavaScript, which has nothing in common with our client, talks to the emulator of
// Nova Sonic; Pipecat's client calls the WebSocket and the WebRTC transport, the
// latter over Google's WebRTC; the WebSocket client calls a server of the ws package;
// Chromium holds conversations on the page of `parley serve`; and the WebVTT
// validator's parser reads the captions of package conversation. They need Node.js,
// `npm ci` in this folder, and Chromium.
package js
