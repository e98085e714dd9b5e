package main

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/parley-go/parley/observers/metrics"
	"github.com/parley-go/parley/services/novasonic"
)

// gauges are what Prometheus is told: of the calls, and of what serves them.
type gauges struct {
	*metrics.Metrics
	registry *prometheus.Registry
}

// newGauges has the calls of this program's agents measured.
func newGauges(client *novasonic.Client) (gauges, error) {
	g := gauges{registry: prometheus.NewRegistry()}
	var err error
	if g.Metrics, err = metrics.New(metrics.Config{Registerer: g.registry, Functions: demoTools().Names()}); err != nil {
		return g, err
	}
	g.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	g.tell("parley_novasonic_streams_max", "How many streams may be open at once.", nil, func() int { return client.Streams().MaxStreams })
	g.tell("parley_novasonic_streams_open", "Streams that are open.", nil, func() int { return client.Streams().Open })
	for why, waiting := range map[string]func(novasonic.ClientStats) int{
		"first": func(s novasonic.ClientStats) int { return s.WaitingFirst },
		"next":  func(s novasonic.ClientStats) int { return s.WaitingNext },
		"deaf":  func(s novasonic.ClientStats) int { return s.WaitingDeaf },
	} {
		g.tell("parley_novasonic_streams_waiting", "Conversations that wait for a stream: for their first, for the next, or deaf because theirs died.",
			prometheus.Labels{"for": why}, func() int { return waiting(client.Streams()) })
	}
	return g, nil
}

// tell shows a value that is asked for.
func (g gauges) tell(name, help string, labels prometheus.Labels, value func() int) {
	g.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels},
		func() float64 { return float64(value()) }))
}

// connections shows how many connections a server has.
func (g gauges) connections(transport string, server callServer) {
	g.tell("parley_connections", "Connections of callers, those included whose call has not begun or is being closed.",
		prometheus.Labels{"transport": transport}, server.Calls)
}

// tellMetrics answers Prometheus. Whoever asks must know the token; if there is none,
// be on this machine.
func (s *shop) tellMetrics() http.Handler {
	answer := promhttp.HandlerFor(s.gauges.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.authenticate(r); err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		if s.command.Token == "" && !(isLocal(r.RemoteAddr) && isLocal(r.Host)) {
			http.Error(w, "the metrics are for this machine only: ask localhost, or set --token", http.StatusForbidden)
			return
		}
		answer.ServeHTTP(w, r)
	})
}
