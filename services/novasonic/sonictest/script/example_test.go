package script_test

import (
	"errors"
	"fmt"
	"testing/fstest"

	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/script"
)

func ExampleLoad() {
	files := fstest.MapFS{"shop.yaml": {Data: []byte(`
version: 1
replies:
  - when: {contains: one two}       # DTMF digits are words, too
    say: ["You are connected."]
fallback:
  say: ["Please dial one two."]
`)}}
	s, err := script.Load(files, "shop.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := sonictest.NewServer(sonictest.Config{Brain: s.Brain(), Library: s.Library()})
	defer server.Close()
	fmt.Println("ready")
	// Output: ready
}

func ExampleError() {
	files := fstest.MapFS{"shop.yaml": {Data: []byte("version: 1\nreplies:\n  - wehn: {exact: hello}\n    say: [hi]\n")}}
	_, err := script.Load(files, "shop.yaml")
	if e := (*script.Error)(nil); errors.As(err, &e) {
		fmt.Println("line", e.Line, "of", e.File)
	}
	fmt.Println(err)
	// Output:
	// line 3 of shop.yaml
	// shop.yaml:3:5: unknown field "wehn": did you mean "when"?
}
