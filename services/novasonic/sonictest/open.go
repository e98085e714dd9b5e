package sonictest

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
	"github.com/parley-go/parley/services/novasonic/sonictest/internal/wire"
)

const eventStreamType = "application/vnd.amazon.eventstream"

// ServeHTTP answers a request. It is public only because net/http asks for it:
// without the server's own listener a request has no connection that faults
// could act on.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	conn, _ := r.Context().Value(connectionKey{}).(*connection)
	st := s.enter(conn, now)
	if st == nil {
		return
	}
	defer s.leave(st)
	st.run(w, r)
}

// opened is what is known of a request that was let in.
type opened struct {
	key       wire.Key
	seed      []byte // nil if messages are not signed
	model     protocol.Model
	behaviour Behaviour
	delay     time.Duration // of the response headers
}

// admit lets a request in, or says why not.
func (st *stream) admit(r *http.Request) (opened, *wire.Refusal) {
	s := st.server
	o := opened{behaviour: s.cfg.Behaviour}
	var refusal *wire.Refusal
	var late []*armed
	for _, f := range st.faults {
		switch {
		case !f.Do.kind.opening():
			late = append(late, f)
			continue
		case f.Do.kind == actRefuse && refusal == nil:
			refusal = &wire.Refusal{Status: f.Do.status, Name: f.Do.name, Message: f.Do.message}
		case f.Do.kind == actSlowOpen:
			if !st.sleep(r, f.Do.delay) {
				return o, &wire.Refusal{Status: http.StatusServiceUnavailable, Name: "ServiceUnavailableException", Message: "the client went away"}
			}
		case f.Do.kind == actSlowHeaders:
			o.delay += f.Do.delay
		case f.Do.kind == actBehave:
			f.Do.behaviour(&o.behaviour)
		}
	}
	st.faults = late
	if r.ProtoMajor < 2 {
		return o, &wire.Refusal{Status: http.StatusHTTPVersionNotSupported, Name: "ValidationException", Message: "HTTP/2 is needed for a bidirectional stream, and this is " + r.Proto + ". Is there a proxy in the way?"}
	}
	id, ok := operation(r)
	if !ok {
		return o, &wire.Refusal{Status: http.StatusNotFound, Name: "UnknownOperationException", Message: "This emulator knows only POST /model/{modelId}/invoke-with-bidirectional-stream."}
	}
	if refusal != nil {
		return o, refusal
	}
	if o.key, o.seed, refusal = st.authenticate(r, o.behaviour); refusal != nil {
		return o, refusal
	}
	if typ := r.Header.Get("Content-Type"); typ != "" || o.behaviour.ContentTypeRequired {
		if media, _, err := mime.ParseMediaType(typ); err != nil || media != eventStreamType {
			return o, &wire.Refusal{Status: http.StatusUnsupportedMediaType, Name: "ValidationException", Message: "Content-Type must be " + eventStreamType + "."}
		}
	}
	if o.model, ok = s.modelOf(id); !ok {
		return o, &wire.Refusal{Status: http.StatusBadRequest, Name: "ValidationException", Message: protocol.TextModelID}
	}
	st.rec.note(func(l *StreamLog) { l.Model, l.AccessKey = id, o.key.ID })
	return o, nil
}

// operation returns the model id of a request for the one operation there is.
func operation(r *http.Request) (model string, ok bool) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/model/")
	if !ok || r.Method != http.MethodPost {
		return "", false
	}
	return strings.CutSuffix(rest, "/invoke-with-bidirectional-stream")
}

func (s *Server) modelOf(id string) (protocol.Model, bool) {
	for _, served := range s.cfg.Models {
		if served == id {
			return protocol.ModelOf(id)
		}
	}
	return protocol.Model{}, false
}

func (st *stream) authenticate(r *http.Request, b Behaviour) (wire.Key, []byte, *wire.Refusal) {
	if b.AcceptBearer && strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		return wire.Key{ID: "bearer"}, nil, nil
	}
	return st.server.verifier().Request(r, time.Now())
}

// quotaRefusal is the answer to a stream too many.
func quotaRefusal(b Behaviour) *wire.Refusal {
	if b.QuotaException == "ServiceQuotaExceededException" {
		return &wire.Refusal{Status: http.StatusBadRequest, Name: b.QuotaException, Message: "Your request exceeds the service quota for your account."}
	}
	return &wire.Refusal{Status: http.StatusTooManyRequests, Name: "ThrottlingException", Message: "Too many concurrent requests, please wait before trying again."}
}

// refuse answers a request with an error.
func (st *stream) refuse(w http.ResponseWriter, r *http.Request, refusal *wire.Refusal) {
	if r.ProtoMajor < 2 {
		// Otherwise the HTTP/1 server waits for the end of the request's body
		// first, which never comes.
		http.NewResponseController(w).EnableFullDuplex() // fails only where there is no need for it
		w.Header().Set("Connection", "close")
	}
	st.introduce(w)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", refusal.Name)
	w.WriteHeader(refusal.Status)
	json.NewEncoder(w).Encode(map[string]string{"message": refusal.Message}) // the client may be gone
	kind := Refused
	if r.Context().Err() != nil {
		kind = Dropped // before it could be told
	}
	st.rec.note(func(l *StreamLog) {
		l.End = End{Kind: kind, At: st.age(), Status: refusal.Status, Exception: refusal.Name, Message: refusal.Message}
	})
}

// introduce says who answers: nobody is to take this for AWS.
func (st *stream) introduce(w http.ResponseWriter) {
	w.Header().Set("Server", "parley-emulator")
	w.Header().Set("X-Amzn-RequestId", st.requestID)
}
