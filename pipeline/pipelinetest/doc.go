// Package pipelinetest helps to test processors.
//
// [Check] runs a processor of any kind through the rules that
// [pipeline.Processor] has to keep:
//
//	func TestProcessorKeepsTheRules(t *testing.T) {
//		pipelinetest.Check(t, func() pipeline.Processor { return vad.New(vad.Config{}) })
//	}
//
// A [Harness] drives processors frame by frame, in the virtual time of
// [testing/synctest]:
//
//	func TestGainDoublesTheAgentsVoice(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			h := pipelinetest.New(t, gain.New(2))
//			h.Send(&frames.AudioOutput{Audio: frames.Audio{Samples: []int16{1, 2}}})
//			got := pipelinetest.Next[*frames.AudioOutput](h)
//			...
//		})
//	}
//
// [Leaks] lists the goroutines that a test has left behind in its bubble.
package pipelinetest
