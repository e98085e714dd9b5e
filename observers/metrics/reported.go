package metrics

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-go/parley/frames"
)

// known says how metrics are shown that say more in their name than what they
// measure. A part of a name in braces becomes a label.
var known = []struct {
	name   string // as processors report it
	unit   string
	metric string // empty: as it is named without this
	help   string // empty: it is not shown
}{
	{"parley.novasonic.usage.{direction}.{modality}", "{token}", "parley_novasonic_tokens_total", "Tokens that Nova Sonic counted, by direction (input, output) and modality (speech, text)."},
	{"parley.novasonic.swap.step.{step}", "{step}", "parley_novasonic_swap_steps_total", "Steps of moves from one stream to the next, by the reason to move: begun, retried, ready, cut, drained, and closed, gone or abandoned at the end."},
	{"parley.novasonic.swap.{reason}", "{swap}", "", ""}, // the steps that end a move say as much
	{"parley.novasonic.swap.prepare", "s", "", "How long it took in seconds to open the next stream, retries included."},
	{"parley.novasonic.swap.wait", "s", "", "How long a stream that was ready waited in seconds for a good moment to take over."},
	{"parley.novasonic.swap.cut", "s", "", "How long it took in seconds to hand over to the next stream."},
	{"parley.novasonic.swap.deaf", "s", "", "How long no stream listened during a move in seconds; what was said then was replayed."},
	{"parley.novasonic.swap.replayed", "s", "", "How much audio from before the move the next stream heard, in seconds."},
	{"parley.novasonic.swap.overlapped", "s", "", "How much of the audio that the next stream heard again the old one had received, in seconds."},
	{"parley.novasonic.swap.lost", "s", "", "How much unanswered audio of the caller was no longer kept at a move, in seconds."},
	{"parley.novasonic.swap.drain", "s", "", "How long after a move the old stream still spoke, in seconds."},
	{"parley.novasonic.swap.output_gap", "s", "", "Silence inside the agent's speech that a move has caused, in seconds."},
	{"parley.novasonic.swap.history", "By", "", "How much history the next stream was told, in bytes."},
}

// units are those of UCUM that Prometheus has a base unit for.
var units = map[string]struct {
	suffix  string
	scale   float64
	buckets []float64
}{
	"s":   {"_seconds", 1, spanBuckets},
	"ms":  {"_seconds", 1e-3, spanBuckets},
	"us":  {"_seconds", 1e-6, spanBuckets},
	"ns":  {"_seconds", 1e-9, spanBuckets},
	"min": {"_seconds", 60, spanBuckets},
	"h":   {"_seconds", 3600, spanBuckets},
	"By":  {"_bytes", 1, byteBuckets},
	"kBy": {"_bytes", 1e3, byteBuckets},
	"MBy": {"_bytes", 1e6, byteBuckets},
}

// reported names what a processor has measured.
type reported struct{ name, unit string }

// family is how it is shown.
type family struct {
	*series
	extra []string // values of the last labels, from its name
	scale float64  // of its unit
}

// series are those of one metric.
type series struct {
	kind     string
	keys     []string // of the attributes that are labels, behind transport and processor
	variants *names

	counter  *prometheus.CounterVec // one of these; neither if it is not shown
	observed prometheus.ObserverVec
}

// report counts in what a processor has measured. It reports false if that cannot
// be kept.
func (m *Metrics) report(transport, processor string, v frames.Metric) bool {
	f := m.family(v)
	if f == nil {
		return false
	}
	value := v.Value * f.scale
	if math.IsNaN(value) || math.IsInf(value, 0) || value < 0 && f.counter != nil {
		return false
	}
	labels := make([]string, 2, 2+len(f.keys)+len(f.extra))
	labels[0], labels[1] = transport, processor
	for _, key := range f.keys {
		labels = append(labels, attribute(v, key))
	}
	if !f.variants.admit(strings.Join(labels, "\x00")) {
		for i := range labels[1:] {
			labels[1+i] = other
		}
	}
	labels = append(labels, f.extra...)
	switch {
	case f.counter != nil:
		f.counter.WithLabelValues(labels...).Add(value)
	case f.observed != nil:
		f.observed.WithLabelValues(labels...).Observe(value)
	}
	return true
}

// attribute returns the value of an attribute, as it may be a label's.
func attribute(v frames.Metric, key string) string {
	for _, a := range v.Attributes {
		if a.Key == key && usable(a.Value) && !strings.Contains(a.Value, "\x00") {
			return a.Value
		} else if a.Key == key {
			return other
		}
	}
	return ""
}

// family finds the series for what was measured, or makes them. It returns nil if
// there can be none.
func (m *Metrics) family(v frames.Metric) *family {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := reported{v.Name, v.Unit}
	f, ok := m.families[key]
	if ok || len(m.families) >= maxFamilies || v.Name == "" || !usable(v.Name) || !usable(v.Unit) {
		return f
	}
	f = m.newFamily(v)
	m.families[reported{strings.Clone(v.Name), strings.Clone(v.Unit)}] = f
	return f
}

func (m *Metrics) newFamily(v frames.Metric) *family {
	f := &family{scale: 1}
	name, help := "", ""
	var labels []string
	for _, k := range known {
		found, values, ok := match(k.name, v.Name)
		if !ok || k.unit != v.Unit {
			continue
		}
		if k.help == "" {
			f.series = &series{variants: newNames(0)}
			return f
		}
		name, help, labels, f.extra = k.metric, k.help, found, values
		break
	}
	base := strings.ToLower(identifier(v.Name))
	help = cmp.Or(help, "What processors measure as "+v.Name+", in "+cmp.Or(v.Unit, "1")+".")
	suffix, kind, buckets := "", "summary", []float64(nil)
	if u, ok := units[v.Unit]; ok {
		suffix, kind, buckets, f.scale = u.suffix, "histogram", u.buckets, u.scale
		help = strings.Replace(help, ", in "+v.Unit+".", ", in "+u.suffix[1:]+".", 1)
	} else if strings.HasPrefix(v.Unit, "{") && strings.HasSuffix(v.Unit, "}") {
		suffix, kind = "_total", "counter"
	} else if v.Unit == "" || v.Unit == "1" {
		suffix = "_ratio"
	} else {
		suffix = "_" + strings.ToLower(identifier(v.Unit))
	}
	name = cmp.Or(name, strings.TrimSuffix(base, suffix)+suffix)
	f.series = m.newSeries(name, help, kind, buckets, v.Attributes, labels)
	if f.series == nil {
		return nil
	}
	return f
}

// newSeries makes and registers series with these attributes and labels, unless
// there are some that fit. It returns nil if somebody else has the name.
func (m *Metrics) newSeries(name, help, kind string, buckets []float64, attributes []frames.Attribute, labels []string) *series {
	if s, ok := m.series[name]; ok {
		if s == nil || s.kind != kind {
			return nil
		}
		return s
	}
	m.series[name] = nil
	s := &series{kind: kind, variants: newNames(maxVariants)}
	all := []string{"transport", "processor"}
	for _, a := range attributes {
		label := identifier(a.Key)
		if len(s.keys) == maxAttributes || a.Key == "" || !usable(a.Key) || strings.HasPrefix(label, "__") || label == "le" || label == "quantile" ||
			slices.Contains(all, label) || slices.Contains(labels, label) {
			continue
		}
		s.keys, all = append(s.keys, a.Key), append(all, label)
	}
	all = append(all, labels...)
	var c prometheus.Collector
	switch kind {
	case "counter":
		s.counter = prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, all)
		c = s.counter
	case "histogram":
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, all)
		s.observed, c = h, h
	default:
		q := prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: name, Help: help}, all)
		s.observed, c = q, q
	}
	if m.registerer.Register(c) != nil {
		return nil
	}
	m.series[name] = s
	return s
}

// match reports whether name fits a pattern, and returns the labels in its braces
// and what stands in their place.
func match(pattern, name string) (labels, values []string, ok bool) {
	wants, parts := strings.Split(pattern, "."), strings.Split(name, ".")
	if len(wants) != len(parts) {
		return nil, nil, false
	}
	for i, want := range wants {
		if label, is := strings.CutPrefix(want, "{"); is {
			labels, values = append(labels, strings.TrimSuffix(label, "}")), append(values, parts[i])
		} else if want != parts[i] {
			return nil, nil, false
		}
	}
	return labels, values, true
}
