package bedrock

import (
	"errors"
	"io"
	"testing"
)

func TestStreamCarriesEventsBothWays(t *testing.T) {
	p, s := open(t, echo)
	for _, e := range []string{`{"event":{"sessionStart":{}}}`, `{"event":{"promptStart":{}}}`} {
		exchange(t, s, e)
	}
	select {
	case <-s.Accepted():
	default:
		t.Error("the service answered, but Accepted is open")
	}
	if err := s.CloseSend(); err != nil {
		t.Error(err)
	}
	if err := ending(t, s); !errors.Is(err, io.EOF) {
		t.Errorf("after both sides ended: %v, want EOF", err)
	}
	if err := p.faults(); err != nil {
		t.Error(err)
	}
}
