package frames

import (
	"fmt"

	"github.com/parley-go/parley/audio"
)

// DTMFInput is a key that the caller pressed.
type DTMFInput struct {
	System
	Digit byte // '0'–'9', '*', '#', 'A'–'D'

	// Where its tone is in the caller's audio, if it was heard there; Rate is 0
	// if the peer told of the key in another way.
	Track    string
	Rate     audio.SampleRate
	Position audio.Position // where it begins
	End      audio.Position // right behind it; 0 if the key is still down
}

func (f *DTMFInput) String() string { return fmt.Sprintf("DTMFInput(%c)", f.Digit) }

// DTMFOutput is a key for the transport to press, in order with the audio. It is an
// [Command]: that nobody can press it is reported.
type DTMFOutput struct {
	Data
	Digit byte // '0'–'9', '*', '#', 'A'–'D'
}

func (f *DTMFOutput) String() string { return fmt.Sprintf("DTMFOutput(%c)", f.Digit) }

// Unhandled tells of a pipeline that has nothing to press keys with.
func (f *DTMFOutput) Unhandled() string {
	return "DTMFOutput: the output presses no keys: put keypad.NewDialler before it, which plays their tones"
}

// TransportMessageInput is an application message from the peer.
type TransportMessageInput struct {
	System
	Message any
}

func (f *TransportMessageInput) String() string {
	return fmt.Sprintf("TransportMessageInput(%T)", f.Message)
}

// TransportMessage is an application message to the peer, in order with the
// audio: it is sent when the audio before it has been played.
type TransportMessage struct {
	Data
	Message any
}

func (f *TransportMessage) String() string { return fmt.Sprintf("TransportMessage(%T)", f.Message) }

// TransportMessageUrgent is an application message to the peer that overtakes.
type TransportMessageUrgent struct {
	System
	Message any
}

func (f *TransportMessageUrgent) String() string {
	return fmt.Sprintf("TransportMessageUrgent(%T)", f.Message)
}
