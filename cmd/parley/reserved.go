package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// reserved is a file that is reserved before the call and written behind it.
type reserved struct {
	what  string // for people: "timeline"
	path  string
	file  *os.File
	fresh bool // it was not there before
}

// reserve makes sure that something can be written to a path that is none of some
// others. A file that is there stays as it is until then.
func reserve(what, path string, others ...string) (*reserved, error) {
	_, missing := os.Stat(path)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, pathError("create "+what, path, err, true)
	}
	d := &reserved{what: what, path: path, file: file, fresh: errors.Is(missing, fs.ErrNotExist)}
	for _, other := range others {
		if sameFile(path, other) {
			d.discard()
			return nil, fmt.Errorf("create %s %s: it is the same file as %s: choose another", what, path, other)
		}
	}
	return d, nil
}

// sameFile tells whether two paths lead to one file, by whatever links.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// discard leaves everything as it was.
func (d *reserved) discard() {
	d.file.Close() // nothing was written
	if d.fresh {
		os.Remove(d.path) // an empty file is left if that fails, and says so itself
	}
}

// write puts something in place of what the file held.
func (d *reserved) write(content []byte) error {
	info, err := d.file.Stat()
	if err == nil && info.Mode().IsRegular() { // a pipe or a device has nothing to empty
		err = d.file.Truncate(0)
	}
	if err == nil {
		_, err = d.file.Write(content)
	}
	if err = errors.Join(err, d.file.Close()); err != nil {
		return pathError("write "+d.what, d.path, err, true)
	}
	return nil
}
