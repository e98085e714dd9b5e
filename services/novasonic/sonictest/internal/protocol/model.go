package protocol

import "slices"

// Model is what one of the models understands.
type Model struct {
	ID     string
	Voices []string

	// TurnDetection tells that sessionStart may have a
	// turnDetectionConfiguration.
	TurnDetection bool

	// SpeechStyle tells that there are SYSTEM_SPEECH blocks.
	SpeechStyle bool

	// InteractiveText tells that the user's turn may be written.
	InteractiveText bool

	// UserSpeech tells that userSpeechStart and userSpeechEnd are sent.
	UserSpeech bool

	// OneResult tells that a second result for a toolUseId is refused.
	OneResult bool
}

// The ids of the models.
const (
	V1  = "amazon.nova-sonic-v1:0"
	V2  = "amazon.nova-2-sonic-v1:0"
	V25 = "amazon.nova-2-5-sonic"
)

// ModelOf returns the model with this id.
func ModelOf(id string) (Model, bool) {
	// The alias is not documented, but AWS's own tests of its SDKs use it.
	v1 := []string{"tiffany", "matthew", "amy", "ambre", "florian", "beatrice", "lorenzo", "greta", "lennart", "lupe", "carlos", "en_us_matthew"}
	v2 := []string{"tiffany", "matthew", "amy", "olivia", "kiara", "arjun", "ambre", "florian", "beatrice", "lorenzo", "tina", "lennart", "lupe", "carlos", "carolina", "leo", "en_us_matthew"}
	switch id {
	case V1:
		return Model{ID: id, Voices: v1}, true
	case V2, V25:
		return Model{ID: id, Voices: v2, TurnDetection: true, SpeechStyle: true, InteractiveText: true,
			UserSpeech: true, OneResult: id == V25}, true
	}
	return Model{}, false
}

func (m Model) hasVoice(id string) bool { return slices.Contains(m.Voices, id) }
