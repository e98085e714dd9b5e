// Package pathfault says what to do about a path that the operating system
// refuses.
package pathfault

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Explain returns what is wrong with a path, which its message does not repeat,
// and what to do about it; "" if that is not known. write tells whether a file
// was to be made or written there, and not read.
func Explain(err error, path string, write bool) (what error, mend string) {
	what = err
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		what = p.Err
	}
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	file := fileInTheWay(path)
	switch {
	case is(syscall.EISDIR):
		return errors.New("it is a folder"), "name a file in it"
	case is(syscall.ENOTDIR, fs.ErrNotExist) && file != "":
		return what, file + " is a file, not a folder: check the path"
	case is(fs.ErrNotExist) && write && isFolder(filepath.Dir(path)):
		return what, "no file can be made in " + filepath.Dir(path) + ": choose another place"
	case is(fs.ErrNotExist) && write:
		return what, "make the folder " + filepath.Dir(path) + " first"
	case is(fs.ErrPermission, syscall.EROFS) && write:
		return what, "choose a place where you may write"
	case is(fs.ErrPermission):
		return what, "ask for the right to read it"
	case is(syscall.ENOSPC):
		return what, "make room; what was written is kept"
	case is(fs.ErrNotExist, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP):
		return what, "check the path"
	}
	return what, ""
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// fileInTheWay returns the part of a path that should be a folder and is a file;
// "" if there is none.
func fileInTheWay(path string) string {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil {
			if info.IsDir() {
				return ""
			}
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}
