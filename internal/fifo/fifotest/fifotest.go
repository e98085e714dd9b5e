// Package fifotest makes named pipes for tests.
package fifotest

import (
	"path/filepath"
	"runtime"
	"testing"
)

// New makes a named pipe of that name in a folder of the test's own and returns its
// path. Elsewhere than on Linux it skips the test.
func New(t *testing.T, name string) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("named pipes are tested on Linux only")
	}
	path := filepath.Join(t.TempDir(), name)
	if err := mkfifo(path); err != nil {
		t.Fatal(err)
	}
	return path
}
