// Package wire is what is below the JSON of an
// InvokeModelWithBidirectionalStream: the event stream's messages, and
// Signature Version 4 for the request and for every message.
//
//	request ──▶ Verifier.Request ──▶ Signed{key, seed}
//	body    ──▶ Reader (CRC, signature, envelope) ──▶ JSON event
//	JSON event ──▶ AppendEvent, AppendException … ──▶ response
//
// Messages are decoded and chunk signatures computed by the AWS SDK's own
// code, with limits on what a message may hold.
package wire
