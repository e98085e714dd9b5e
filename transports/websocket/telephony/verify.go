package telephony

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
)

// VerifyTwilio returns what [websocket.Config.Authenticate] wants to let nobody in
// but Twilio: the request is signed with the account's auth token. url is that of
// the <Stream> as it stands in the TwiML, which a proxy may have changed on the way
// here.
//
// Source: Twilio's documentation, "Webhooks security": X-Twilio-Signature is the
// base64 of the HMAC-SHA1 of the URL.
func VerifyTwilio(authToken, url string) func(*http.Request) error {
	mac := hmac.New(sha1.New, []byte(authToken))
	mac.Write([]byte(url))
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return func(r *http.Request) error {
		switch got := r.Header.Get("X-Twilio-Signature"); {
		case authToken == "":
			return errors.New("there is no auth token to verify the signature with")
		case got == "":
			return errors.New("the request has no X-Twilio-Signature")
		case subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1:
			return errors.New("the X-Twilio-Signature is not that of " + url + ": check the auth token, and that the URL is the one in the TwiML")
		}
		return nil
	}
}
