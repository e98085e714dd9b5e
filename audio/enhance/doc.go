// Package enhance makes microphones and telephone lines sound better to whoever
// has to understand what they bring: filters for audio that is on its way.
//
//	samples ─▶ HighPass ─▶ (noise suppression of your own) ─▶ AGC ─▶ samples
//	           hum, rumble                                    level, limiter
//
// A [Filter] changes the samples of one stream, in place. A [Stage] makes one for
// a format, so that the same configuration serves every call and every track. In
// a pipeline, filter.Enhance of package processors/filter applies them:
//
//	filter.Enhance(filter.Input, enhance.HighPass{}, enhance.AGC{})
//
// and outside of one, a [Chain] does:
//
//	chain, err := enhance.NewChain(audio.Mono(audio.Rate16k), enhance.HighPass{}, enhance.AGC{})
//	…
//	chain.Filter(samples)
//
// # Latency
//
// A filter gives as many samples as it gets. One that must look ahead, as a
// limiter, or work on blocks, as most noise suppression, delays: what it gives is
// what it got [Filter.Latency] samples ago, at first silence. Whoever keeps
// positions subtracts that, and filters as many zeros at the end to get the rest.
// filter.Enhance does both: every sample it sends is where its position says.
//
// # A filter of one's own
//
//	type denoiser struct{ model *rnnoise.State }
//
//	func (d *denoiser) Filter(samples []float32) { … }
//	func (d *denoiser) Latency() int            { return 480 }
//	func (d *denoiser) Reset()                  { d.model.ForgetSamples() }
//
//	stage := enhance.StageFunc(func(f audio.Format) (enhance.Filter, error) {
//		if f != audio.Mono(audio.Rate48k) {
//			return nil, fmt.Errorf("suppress noise: %v is not 48 kHz mono; resample first", f)
//		}
//		return &denoiser{rnnoise.New()}, nil
//	})
//
// Samples are float32 between the stages, with full scale ±1, so that nothing is
// rounded in between and nothing clips before the end.
package enhance
