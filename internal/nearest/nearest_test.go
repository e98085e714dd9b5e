package nearest_test

import (
	"testing"

	"github.com/parley-go/parley/internal/nearest"
)

func TestANameIsGuessedThatIsNearEnough(t *testing.T) {
	names := []string{"kill", "stall", "reset", "to"}
	for name, want := range map[string]string{
		"kil": "kill", "KILL": "kill", "stal": "stall", "rseet": "reset", "ot": "", "t": "to", "flood": "", "": "",
	} {
		if got := nearest.To(name, names); got != want {
			t.Errorf("%q is taken for %q, want %q", name, got, want)
		}
	}
}
