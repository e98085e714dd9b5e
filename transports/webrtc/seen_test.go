package webrtc

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/pion/stun/v4"
	"github.com/pion/transport/v4/vnet"
)

func TestStunServersSeeThePortOfAllCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{ICEServers: []ICEServer{{URLs: []string{"stun:10.0.0.9:3478", "stun:10.0.0.99"}}}}, silence)
		conn, err := w.host("10.0.0.9").ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 3478})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		asked := 0
		go func() {
			buf := make([]byte, 1500)
			for {
				n, from, err := conn.ReadFrom(buf)
				if err != nil {
					return
				}
				asked++
				m := &stun.Message{Raw: buf[:n]}
				if err := m.Decode(); err != nil {
					t.Error(err)
					return
				}
				a, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(203, 0, 113, 9), Port: 7777})
				if err != nil {
					t.Error(err)
					return
				}
				conn.WriteTo(a.Raw, from)
			}
		}()
		var mu sync.Mutex
		from := map[string]bool{}
		w.router.AddChunkFilter(func(c vnet.Chunk) bool {
			mu.Lock()
			defer mu.Unlock()
			if a := c.SourceAddr().String(); strings.HasPrefix(a, "10.0.0.1:") {
				from[a] = true
			}
			return true
		})
		c := w.dial("10.0.0.2", "parley")
		status, text := c.offer(nil)
		if want := " 203.0.113.9 7777 typ srflx "; status != http.StatusOK || strings.Count(text, want) != 1 {
			t.Errorf("%d, without %q: %s", status, want, text)
		}
		<-c.opened
		w.dial("10.0.0.3", "parley").connect()
		synctest.Wait()
		if asked != 1 {
			t.Errorf("the server was asked %d times for two calls", asked)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(from) != 1 || !from["10.0.0.1:5000"] {
			t.Errorf("packets came from %v", from)
		}
	})
}
