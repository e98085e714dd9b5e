package noise

import (
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEverySampleCanBeToldFromItsNeighbours(t *testing.T) {
	a, b := Samples(1, 48000), Samples(2, 48000)
	for i := range a {
		if a[i] == 0 || i > 0 && a[i] == a[i-1] {
			t.Fatalf("sample %d is %d behind %d", i, a[i], a[max(0, i-1)])
		}
	}
	if !slices.Equal(a[:100], Samples(1, 100)) || slices.Equal(a, b) {
		t.Error("it is not the seed that decides")
	}
}
