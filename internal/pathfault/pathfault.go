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

// Explain returns what to do about a path that is refused, "" if that is not
// known, and what is wrong with it, in words that do not repeat the path. write
// tells whether a file was to be made or written there, and not read.
func Explain(err error, path string, write bool) (mend string, what error) {
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
	file, target := fileInTheWay(path), targetOf(path)
	switch {
	case is(syscall.EISDIR):
		return "name a file in it", errors.New("it is a folder")
	case is(syscall.ENOTDIR, fs.ErrNotExist) && file != "":
		return file + " is a file, not a folder: check the path", what
	case is(fs.ErrNotExist) && write && target != "":
		return "it is a link to " + target + ": make the folder " + filepath.Dir(target) + " first", what
	case is(fs.ErrNotExist) && write && isFolder(filepath.Dir(path)):
		return "no file can be made in " + filepath.Dir(path) + ": choose another place", what
	case is(fs.ErrNotExist) && write:
		return "make the folder " + filepath.Dir(path) + " first", what
	case is(fs.ErrPermission, syscall.EROFS) && write:
		return "choose a place where you may write", what
	case is(fs.ErrPermission):
		return "ask for the right to read it", what
	case is(syscall.EFBIG):
		return "raise the limit (ulimit -f), or choose a place that takes larger files; what was written is kept", what
	case is(syscall.ENOSPC):
		return "make room; what was written is kept", what
	case is(fs.ErrNotExist, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP):
		return "check the path", what
	}
	return "", what
}

// targetOf returns where a link leads to; "" if it is none.
func targetOf(path string) string {
	to, err := os.Readlink(path)
	if err != nil {
		return ""
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(filepath.Dir(path), to)
	}
	return to
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
