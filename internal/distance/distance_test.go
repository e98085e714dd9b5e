package distance_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/internal/distance"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const d = 40 * time.Millisecond

// world is a connection with a distance in it.
type world struct {
	client, server net.Conn
	carriers       sync.WaitGroup
}

func between() *world {
	w := &world{}
	client, server := net.Pipe()
	w.client, w.server = client, distance.Between(server, d, w.carriers.Go)
	return w
}

func TestEverythingArrivesSoMuchLaterInBothDirections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := between()
		for _, c := range []struct {
			name     string
			from, to net.Conn
		}{{"to the server", w.client, w.server}, {"to the client", w.server, w.client}} {
			sent := bytes.Repeat([]byte("0123456789"), 10_000)
			began := time.Now()
			var writing sync.WaitGroup
			writing.Go(func() {
				if _, err := c.from.Write(sent); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("%s: the sender waited for %v", c.name, took)
				}
			})
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(c.to, got); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%s: it is not what was sent, or error %v", c.name, err)
			}
			if took := time.Since(began); took != d {
				t.Errorf("%s: it took %v, want %v", c.name, took, d)
			}
			writing.Wait()
		}
		w.client.Close()
		w.carriers.Wait()
	})
}

func TestWhoStopsReadingHoldsTheSenderUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := between()
		w.client.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := w.client.Write(make([]byte, 64<<20))
		if n > 5<<20 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes were taken that nobody reads, error %v", n, err)
		}
		w.client.Close()
		w.server.Close()
		w.carriers.Wait()
	})
}

func TestACloseIsKnownAtTheOtherEndBehindWhatWasSentBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, ends := range map[string]func(*world) (net.Conn, net.Conn){
			"the client's": func(w *world) (net.Conn, net.Conn) { return w.client, w.server },
			"the server's": func(w *world) (net.Conn, net.Conn) { return w.server, w.client },
		} {
			w := between()
			closes, learns := ends(w)
			began := time.Now()
			if _, err := closes.Write([]byte("bye")); err != nil {
				t.Fatal(err)
			}
			closes.Close()
			got, err := io.ReadAll(learns)
			if took := time.Since(began); string(got) != "bye" || err != nil || took != d {
				t.Errorf("%s: %q after %v, error %v", name, got, took, err)
			}
			if _, err := learns.Write([]byte("?")); err == nil {
				synctest.Wait()
				time.Sleep(d)
				if _, err = learns.Write([]byte("?")); err == nil {
					t.Errorf("%s: what nobody can read is taken", name)
				}
			}
			w.carriers.Wait() // both ends are closed for the carriers
		}
	})
}

func TestWhoSendsToAClosedEndLearnsOfItNoSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := between()
		if _, err := w.client.Write([]byte("on its way")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(d / 2)
		began := time.Now()
		w.server.Close() // what is on its way arrives before the client can know
		_, err := w.client.Read(make([]byte, 1))
		if took := time.Since(began); err == nil || took != d {
			t.Errorf("it is known after %v, error %v", took, err)
		}
		w.carriers.Wait()
	})
}

func TestAddressesAreThoseOfTheConnection(t *testing.T) {
	w := between()
	if w.server.LocalAddr().Network() != "pipe" || w.server.RemoteAddr().String() != "pipe" {
		t.Errorf("%v, %v", w.server.LocalAddr(), w.server.RemoteAddr())
	}
	w.server.Close()
	w.carriers.Wait()
}
