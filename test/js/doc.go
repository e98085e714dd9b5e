// Package js holds no Go code but tests: AWS's SDK for JavaScript, an
// implementation of the protocol that has nothing in common with ours, talks to
// the emulator of Nova Sonic, and the WebVTT validator's parser reads the
// captions of package conversation; Pipecat's client calls package websocket, which
// calls a server of the ws package. They need Node.js, and `npm ci` in this folder.
package js
