// Package sonictest is an emulator of Amazon Nova Sonic for tests: a server
// that any AWS SDK talks to, unmodified, as it talks to Bedrock's
// InvokeModelWithBidirectionalStream.
package sonictest
