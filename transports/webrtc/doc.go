// Package webrtc is a transport whose callers come over WebRTC: browsers and apps,
// Pipecat's SmallWebRTC clients among them. One server holds many calls over one UDP
// port, each with a pipeline of its own:
//
//	server, err := webrtc.NewServer(webrtc.Config{}, func(call *webrtc.Call) (*pipeline.Pipeline, error) {
//		return pipeline.New(pipeline.Config{},
//			call.Input(),
//			novasonic.New(novasonic.Config{…}),
//			call.Output(),
//		), nil
//	})
//	…
//	http.Handle("/webrtc", server)
//
// # Signalling
//
// A peer posts its offer, and gets the answer with all candidates of the server, in
// the form that Pipecat's SmallWebRTC transport has given them:
//
//	POST   {"sdp": "v=0…", "type": "offer", "pc_id": null, "restart_pc": false, "requestData": …}
//	       {"sdp": "v=0…", "type": "answer", "pc_id": "…"}
//	PATCH  {"pc_id": "…", "candidates": [{"candidate": "candidate:…", "sdp_mid": "0", "sdp_mline_index": 0}]}
//
// Candidates may be in the offer or follow one by one (trickle). With its pc_id a
// peer negotiates anew in the same call: after a change of its network, or with
// restart_pc from a new connection. The call goes on meanwhile, with the agent held in
// mid-word ([frames.PausePlayout]) from when the loss is noticed, after 5 to 7 s; only one
// that has had no connection for [Config.Grace] is over.
//
// # What is heard
//
// The peer's audio is Opus. It goes on as soon as it is known what it is: without
// delay where nothing is lost, and with the loss made up for (from the copy that
// Opus packets have of the one before, or by concealment) after as long as packets
// were overtaken lately. Where the peer pauses, silence goes on in real time, and
// pauses are stretched or shortened to keep its clock with ours: see [ReceiverStats].
// Keys among the audio (telephone events, RFC 4733), as gateways to telephones send
// them, are [frames.DTMFInput].
//
// # What is said
//
// The output is a [playout.Output] at 48 kHz. Its audio leaves as Opus packets of
// 20 ms, the RTP timestamp being the position on the output's clock. While there is
// nothing to hear, nothing is sent but a sign of life. What the peer's own jitter
// buffer holds cannot be taken back when the agent is interrupted; it is reckoned to
// be [playout.Config.Lead] long, 60 ms by default.
//
// # Messages
//
// The data channel that the peer opens carries JSON. Its label says which: "chat" is
// that of Pipecat's clients (RTVI; client-ready is answered, the rest are messages of
// the application's), any other that of package websocket without the hello:
//
//	{"type": "message", "data": …}   anything of the application's, both ways
//	{"type": "dtmf", "digit": "5"}   a key, both ways
//	{"type": "interrupt"}            silences the agent
//	{"type": "bye"}                  ends the call
package webrtc
