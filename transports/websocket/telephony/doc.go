// Package telephony lets callers come from the telephone: it has the languages of
// the media streams of Twilio, Telnyx, Plivo, Exotel, Vonage and Genesys Cloud, as
// serializers of package websocket.
//
//	server, err := websocket.NewServer(websocket.Config{
//		Serializer:   telephony.Twilio(telephony.TwilioConfig{AuthToken: token}),
//		Authenticate: telephony.VerifyTwilio(token, "wss://bot.example.com/twilio"),
//	}, func(call *websocket.Call) (*pipeline.Pipeline, error) {
//		line := call.Serializer().(*telephony.TwilioCall)
//		log.Print("a call from ", line.Parameters["from"])
//		return pipeline.New(pipeline.Config{}, call.Input(), service, call.Output()), nil
//	})
//
// Keys that the caller presses are [frames.DTMFInput]. An interruption makes the
// provider discard what it has not played, and its marks tell what the caller has
// heard, however much is on its way. When the pipeline ends, the call is hung up
// through the provider's REST API, where it has one and the key for it is given;
// the requests of a peer that has not been authenticated should not be trusted
// with that.
//
// Numbers are read whether the provider writes them as numbers or as strings, and
// events that are not known are ignored: both change without notice.
package telephony
