// Package metrics counts and measures calls for Prometheus.
//
//	measured, err := metrics.New(metrics.Config{}) // once in a process
//	…
//	call := pipeline.New(pipeline.Config{
//		Observers: []pipeline.Observer{measured.Call("webrtc")}, // one for each call
//	}, …)
//	…
//	http.Handle("/metrics", promhttp.Handler())
//
// It looks on, as a [pipeline.Observer], so it needs no place in the pipeline and
// cannot slow the call.
//
//	processors ──▶ frames ──▶ Call ──▶ counters, histograms ──▶ Prometheus
//	               (events)   one      shared by all calls
//	                          a run    of the process
//
// # What there is
//
// All have the label transport, which is what [Metrics.Call] was given.
//
//	parley_calls_running                            calls whose pipeline runs
//	parley_calls_begun_total
//	parley_calls_ended_total{outcome}               completed, hung_up, cancelled, failed
//	parley_call_duration_seconds                    histogram
//	parley_turns_total                              of the caller
//	parley_answer_latency_seconds                   histogram; from the caller's last sound to the first of the answer
//	parley_speech_seconds_total{who}                caller, agent
//	parley_interruptions_total{reason}              barge-in, user turn, the caller hung up, …
//	parley_playout_gap_seconds                      histogram; holes in the agent's speech
//	parley_frames_shed_total{processor}             late audio, dropped in front of a processor that is too slow
//	parley_errors_total{processor,class,fatal}      class as in frames.ErrorClass, or stuck
//	parley_function_call_duration_seconds{function,outcome}  histogram; ok, failed
//	parley_novasonic_tokens_total{processor,direction,modality}
//	parley_novasonic_swap_steps_total{processor,reason,step} moves between streams, and how far they came
//	parley_novasonic_swap_…_seconds{processor,reason}        histograms: prepare, wait, cut, deaf, replayed,
//	                                                overlapped, lost, drain, output_gap
//	parley_novasonic_swap_history_bytes{processor,reason}
//	parley_events_lost_total                        what no observer was told of, for want of time
//	parley_measurements_dropped_total               what could not be kept: see below
//
// and whatever else processors report by [frames.Metrics], by its unit:
//
//	"mood.think", "s"       mood_think_seconds{processor}, a histogram ("ms" and such, too)
//	"mood.prompt", "By"     mood_prompt_bytes{processor}, a histogram
//	"mood.words", "{word}"  mood_words_total{processor}, a counter
//	"mood.score", "1"       mood_score_ratio{processor}, a summary: _sum and _count
//
// with the attributes of its first measurement as labels.
//
// # Time
//
// How soon an answer comes, and how long somebody speaks, is reckoned by positions
// on the clocks of the caller's audio and of the output, which begin together (see
// package playout): it is what is heard, endpointing and buffers included, and not
// when a frame came by. Where a turn has no position, because the caller typed or
// nobody can tell, it has no latency.
//
// # Bounds
//
// Names come from outside: a model calls functions that there are not. A label has
// only so many values; what comes later, and what is too long or no UTF-8, is
// counted as "other". So is every function that is not in [Config.Functions], if
// that is set. The number of series does not grow with calls.
//
// A measurement that is no number, or makes no sense (a negative count, an answer
// before its question), or has a name too many, or one that another collector has,
// is dropped and counted.
package metrics
