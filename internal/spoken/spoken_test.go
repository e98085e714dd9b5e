package spoken_test

import (
	"strings"
	"testing"

	"github.com/parley-go/parley/internal/spoken"
)

func TestThePartThatWasHeardIsOfWholeWords(t *testing.T) {
	const service = "A full service is ninety pounds."
	for _, tc := range []struct {
		text        string
		part, whole int64
		want        string
	}{
		{service, 0, 100, ""},
		{service, 3, 100, ""},
		{service, 20, 100, "A full"},
		{service, 25, 100, "A full"},
		{service, 99, 100, "A full service is ninety"},
		{service, 100, 100, service},
		{service, 200, 100, service},
		{service, 50, 0, ""},
		{"我们星期六十点开门。", 50, 100, "我们星期六"},
		{"Größe: das ä", 95, 100, "Größe: das"},
		{"OK 我们星期六十点开门。", 60, 100, "OK 我们星期六"},
	} {
		if got := spoken.Part(tc.text, tc.part, tc.whole); got != tc.want {
			t.Errorf("%d/%d of %q is %q, want %q", tc.part, tc.whole, tc.text, got, tc.want)
		}
	}
}

func TestATextIsSplitBehindItsWords(t *testing.T) {
	const text = `"Well," I said, "it's (nearly) ten."`
	n := len(spoken.Words(text))
	if n != 6 {
		t.Fatalf("it has the words %q", spoken.Words(text))
	}
	for i := range n + 2 {
		first, rest := spoken.Split(text, i)
		if got := spoken.Words(first); len(got) != min(i, n) {
			t.Errorf("the first %d words are %q", i, first)
		}
		if joined := strings.TrimSpace(first + " " + rest); strings.ReplaceAll(joined, " ", "") != strings.ReplaceAll(text, " ", "") {
			t.Errorf("split behind %d words it is %q", i, joined)
		}
	}
	if first, rest := spoken.Split(text, 4); first != `"Well," I said, "it's` || rest != `(nearly) ten."` {
		t.Errorf("split into %q and %q", first, rest)
	}
}

func TestACallIsToldWithItsResultOrWithoutOne(t *testing.T) {
	if got := spoken.Call("get", []byte(`{"a":1}`), nil); got != `[I called get with {"a":1}; there is no result yet.]` {
		t.Error(got)
	}
	long := spoken.Call("get", []byte(`{}`), []byte(strings.Repeat("é", 5000)))
	if len(long) > 4200 || !strings.HasSuffix(long, " ….]") || strings.ToValidUTF8(long, "?") != long {
		t.Errorf("a long result is told in %d bytes, with %q at the end", len(long), long[len(long)-10:])
	}
}
