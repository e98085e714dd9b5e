package novasonic

import (
	"fmt"
	"slices"
	"strings"
)

// Models that the service offers, or has offered. Other model ids are passed
// to the service as they are, with no checks of voice or features.
const (
	// ModelV1 is the first Nova Sonic, of April 2025. AWS ended its life on
	// 14 September 2026; it is here for the emulator.
	ModelV1 = "amazon.nova-sonic-v1:0"

	// ModelV2 is Nova 2 Sonic, the default.
	ModelV2 = "amazon.nova-2-sonic-v1:0"

	// ModelV25 is Nova 2.5 Sonic.
	ModelV25 = "amazon.nova-2-5-sonic"
)

// A Voice is one of a model's voices.
type Voice struct {
	ID        string   // what Config.Voice takes: "matthew"
	Languages []string // BCP 47 tags of what it speaks natively; English is understood by all
	Polyglot  bool     // speaks all of the model's languages
}

// Voices returns the voices of a model in the order of the AWS user guide
// (Nova and Nova 2, "Language support"), or nil if the model is not known.
func Voices(model string) []Voice {
	switch model {
	case ModelV1:
		return []Voice{
			{ID: "tiffany", Languages: []string{"en-US"}}, {ID: "matthew", Languages: []string{"en-US"}},
			{ID: "amy", Languages: []string{"en-GB"}},
			{ID: "ambre", Languages: []string{"fr-FR"}}, {ID: "florian", Languages: []string{"fr-FR"}},
			{ID: "beatrice", Languages: []string{"it-IT"}}, {ID: "lorenzo", Languages: []string{"it-IT"}},
			{ID: "greta", Languages: []string{"de-DE"}}, {ID: "lennart", Languages: []string{"de-DE"}},
			{ID: "lupe", Languages: []string{"es-US"}}, {ID: "carlos", Languages: []string{"es-US"}},
		}
	case ModelV2, ModelV25:
		return []Voice{
			{ID: "tiffany", Languages: []string{"en-US"}, Polyglot: true}, {ID: "matthew", Languages: []string{"en-US"}, Polyglot: true},
			{ID: "amy", Languages: []string{"en-GB"}}, {ID: "olivia", Languages: []string{"en-AU"}},
			{ID: "kiara", Languages: []string{"en-IN", "hi-IN"}}, {ID: "arjun", Languages: []string{"en-IN", "hi-IN"}},
			{ID: "ambre", Languages: []string{"fr-FR"}}, {ID: "florian", Languages: []string{"fr-FR"}},
			{ID: "beatrice", Languages: []string{"it-IT"}}, {ID: "lorenzo", Languages: []string{"it-IT"}},
			{ID: "tina", Languages: []string{"de-DE"}}, {ID: "lennart", Languages: []string{"de-DE"}},
			{ID: "lupe", Languages: []string{"es-US"}}, {ID: "carlos", Languages: []string{"es-US"}},
			{ID: "carolina", Languages: []string{"pt-BR"}}, {ID: "leo", Languages: []string{"pt-BR"}},
		}
	}
	return nil
}

// checkVoice returns an error if model is known and has no such voice, or if
// the voice does not speak language (empty for any).
func checkVoice(model, id, language string) error {
	voices := Voices(model)
	if voices == nil {
		return nil
	}
	i := slices.IndexFunc(voices, func(v Voice) bool { return v.ID == id })
	if i < 0 {
		return fmt.Errorf("%s has no voice %q: choose one of %s", model, id, voiceList(voices, language))
	}
	if language == "" || voices[i].speaks(language, voices) {
		return nil
	}
	able := voiceList(voices, language)
	if able == "" {
		return fmt.Errorf("no voice of %s speaks %q: it knows %s", model, language, strings.Join(languages(voices), ", "))
	}
	return fmt.Errorf("voice %q of %s does not speak %s: choose one of %s", id, model, language, able)
}

func (v Voice) speaks(language string, all []Voice) bool {
	known := v.Languages
	if v.Polyglot {
		known = languages(all)
	}
	return slices.ContainsFunc(known, func(l string) bool { return matchesLanguage(l, language) })
}

// matchesLanguage compares a BCP 47 tag with a wish that may lack the region:
// "es" is met by "es-US".
func matchesLanguage(tag, wish string) bool {
	return strings.EqualFold(tag, wish) || len(tag) > len(wish) && tag[len(wish)] == '-' && strings.EqualFold(tag[:len(wish)], wish)
}

func voiceList(voices []Voice, language string) string {
	var ids []string
	for _, v := range voices {
		if language == "" || v.speaks(language, voices) {
			ids = append(ids, v.ID)
		}
	}
	return strings.Join(ids, ", ")
}

func languages(voices []Voice) []string {
	var all []string
	for _, v := range voices {
		for _, l := range v.Languages {
			if !slices.Contains(all, l) {
				all = append(all, l)
			}
		}
	}
	return all
}
