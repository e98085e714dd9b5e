// Package keypad deals with the keys of a telephone: it hears those that the
// caller presses, gathers them, and presses some for the agent.
//
//	AudioInput ──▶ Detector ──▶ DTMFInput ──▶ Keys ──▶ Text("DTMF: 1234#")
//	                  └───────▶ AudioInput, with or without the tones
//
//	DTMFOutput ──▶ Dialler ──▶ AudioOutput: the tone
//
//	pipeline.Run(ctx,
//		line.Input(),
//		keypad.NewDetector(keypad.DetectorConfig{Remove: true}),
//		keypad.NewKeys(keypad.KeysConfig{}),
//		service,
//		keypad.NewDialler(keypad.DiallerConfig{}),
//		line.Output(),
//	)
//
// Which of them a pipeline needs depends on its transport. One that tells of keys
// itself, as telephone providers' WebSockets do, sends [frames.DTMFInput], and
// needs no [Detector]; one that can press keys takes [frames.DTMFOutput], and
// needs no [Dialler]. A key that neither is there for is reported, once in a call
// (pipeline.ErrUnhandled). A service that gathers keys itself, as package novasonic
// does, needs no [Keys].
//
// The tones are those of package audio/dtmf, which says what is heard as a key
// and what is not.
package keypad
