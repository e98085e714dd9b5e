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
		{"one\ntwo\nthree four", 12, 18, "one\ntwo"},
		{"one\u00a0two\u3000three", 70, 100, "one\u00a0two"},
		{"one two\n", 100, 100, "one two"},
		{"สวัสดีครับ", 35, 100, "สวั"}, // not between a character and its vowel sign
	} {
		if got := spoken.Part(tc.text, tc.part, tc.whole); got != tc.want {
			t.Errorf("%d/%d of %q is %q, want %q", tc.part, tc.whole, tc.text, got, tc.want)
		}
	}
}

func TestAWordHasItsMarksAndNoApostrophe(t *testing.T) {
	for text, want := range map[string]string{
		"I don’t know":            "i dont know",
		"I don't KNOW.":           "i dont know",
		"rock ' roll, 'yes' he’d": "rock roll yes hed",
		"नमस्ते दुनिया":           "नमस्ते दुनिया",
		"cafe\u0301 au lait":      "cafe\u0301 au lait",
		"می\u200cخواهم بروم":      "میخواهم بروم",
		"3.5 hours; 10:30 - …":    "3 5 hours 10 30",
		"":                        "",
	} {
		words := spoken.Words(text)
		if got := strings.Join(words, " "); got != want {
			t.Errorf("the words of %q are %q, want %q", text, got, want)
		}
		// Where a word ends is the same for who counts them and for who splits.
		for i := range words {
			first, rest := spoken.Split(text, i)
			if got := strings.Join(append(spoken.Words(first), spoken.Words(rest)...), " "); got != want || len(spoken.Words(first)) != i {
				t.Errorf("behind %d words %q is split into %q and %q", i, text, first, rest)
			}
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
	if first, rest := spoken.Split("He said 'yes’", 2); first != "He said" || rest != "'yes’" {
		t.Errorf("split into %q and %q", first, rest)
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

func TestWordsAreCountedInScriptsWithAndWithoutSpaces(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, " , ": 0, "one": 1, "It's five o'clock!": 3, "¿qué hora es?": 3, "24/7": 2,
		"はい": 1, "今何時ですか": 3, "สวัสดี": 2, "iPhoneを": 2,
	} {
		if got := spoken.Count(text); got != want {
			t.Errorf("%q has %d words, want %d", text, got, want)
		}
	}
}
