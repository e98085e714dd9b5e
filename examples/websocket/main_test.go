package main

import (
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// It is on real sockets and in real time, as for whoever tries it.
func TestTheParrotRepeatsTheMelody(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole call in real time")
	}
	defer http.DefaultClient.CloseIdleConnections()
	parrot, err := serve("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer parrot.close()
	heard, err := call(t.Context(), parrot.address, "")
	if err != nil {
		t.Fatal(err)
	}
	// What the filters add on the way there and back.
	if extra := heard - melodyLength; extra < 0 || extra > 100*time.Millisecond {
		t.Errorf("%v were heard of %v", heard, melodyLength)
	}
}
