package pathfault_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-go/parley/internal/pathfault"
)

func TestEachFaultHasAWayToMendIt(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file.wav")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.wav")
	if err := os.Symlink(filepath.Join("no", "x.wav"), link); err != nil {
		t.Skipf("links cannot be made here: %v", err)
	}
	for _, c := range []struct {
		path  string
		write bool
		mend  string
	}{
		{filepath.Join(dir, "no", "x.wav"), true, "make the folder " + filepath.Join(dir, "no") + " first"},
		{filepath.Join(dir, "no", "x.wav"), false, "check the path"},
		{filepath.Join(file, "x.wav"), true, file + " is a file, not a folder"},
		{filepath.Join(file, "x.wav"), false, file + " is a file, not a folder"},
		{filepath.Join(file, "y", "x.wav"), true, file + " is a file, not a folder"},
		{dir, true, "name a file in it"},
		{link, true, "it is a link to " + filepath.Join(dir, "no", "x.wav") + ": make the folder " + filepath.Join(dir, "no") + " first"},
		{filepath.Join(dir, strings.Repeat("x", 5000)), true, "check the path"},
		{"/proc/out.wav", true, "no file can be made in /proc"},
	} {
		if strings.HasPrefix(c.path, "/proc") {
			if _, err := os.Stat("/proc/self"); err != nil {
				continue // not on this system
			}
		}
		var err error
		var f *os.File
		if c.write {
			f, err = os.OpenFile(c.path, os.O_RDWR|os.O_CREATE, 0o666)
		} else {
			f, err = os.Open(c.path)
		}
		if err == nil {
			f.Close()
			t.Fatalf("%s can be opened", c.path)
		}
		mend, what := pathfault.Explain(err, c.path, c.write)
		if !strings.Contains(mend, c.mend) || strings.Contains(what.Error(), c.path) {
			t.Errorf("%.80s: %v: %s; want %q", c.path, what, mend, c.mend)
		}
	}
}

func TestAFileThatGrowsTooLargeNamesTheLimit(t *testing.T) {
	mend, what := pathfault.Explain(&os.PathError{Op: "write", Path: "x.wav", Err: syscall.EFBIG}, "x.wav", true)
	if !strings.Contains(mend, "ulimit -f") || !strings.Contains(mend, "what was written is kept") || what != syscall.EFBIG {
		t.Errorf("%v: %s", what, mend)
	}
}
