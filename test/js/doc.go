// Package js holds no Go code but a test: AWS's SDK for JavaScript, an
// implementation of the protocol that has nothing in common with ours, talks to
// the emulator of Nova Sonic. It needs Node.js, and `npm ci` in this folder.
package js
