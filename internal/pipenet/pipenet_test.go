package pipenet

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatIsDialledIsAccepted(t *testing.T) {
	l := New()
	accepted := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	near, err := l.DialContext(t.Context(), "tcp", "anywhere:1")
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far := <-accepted
	go func() {
		io.WriteString(far, "hello")
		far.Close()
	}()
	if got, err := io.ReadAll(near); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestNobodyWaitsForAClosedListener(t *testing.T) {
	l := New()
	accepting := make(chan error)
	go func() {
		_, err := l.Accept()
		accepting <- err
	}()
	l.Close()
	l.Close()
	if err := <-accepting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept returned %v", err)
	}
	if _, err := l.Dial(t.Context()); err == nil {
		t.Error("a closed listener was reached")
	}
}

func TestADialThatNobodyAcceptsEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New().Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
