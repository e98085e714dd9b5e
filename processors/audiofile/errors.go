package audiofile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrEmpty is wrapped by the error of [Open] for a file without any audio.
var ErrEmpty = errors.New("it holds no audio")

// ErrExtension is wrapped by the errors of [Open] and [Create] for a path that
// ends in neither .wav nor .mp3.
var ErrExtension = errors.New("the extension is not known")

// Error is what is wrong with a file, in one line.
type Error struct {
	Op   string // "open", "read", "create", "write"
	Path string // as it was given
	Err  error
	Mend string // what to do about it; may be empty
}

// Error says what, where, and how to mend it.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Err)
	if e.Mend != "" {
		text += ": " + e.Mend
	}
	return text
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

func failed(op, path string, err error, mend string, args ...any) error {
	return &Error{Op: op, Path: path, Err: err, Mend: fmt.Sprintf(mend, args...)}
}

// system explains a failure of the operating system.
func system(op, path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err // the path is said once
	}
	switch {
	case path == "":
		return failed(op, `""`, errors.New("there is no path"), "name a file")
	case errors.Is(err, fs.ErrNotExist) && op == "create":
		return failed(op, path, err, "make the folder %s first", filepath.Dir(path))
	case errors.Is(err, fs.ErrNotExist):
		return failed(op, path, err, "check the path")
	case errors.Is(err, fs.ErrPermission) && op == "create":
		return failed(op, path, err, "choose a place where you may write")
	case errors.Is(err, fs.ErrPermission):
		return failed(op, path, err, "ask for the right to read it")
	case errors.Is(err, syscall.ENOSPC):
		return failed(op, path, err, "make room; what was written is kept")
	case errors.Is(err, syscall.EISDIR):
		return failed(op, path, errors.New("it is a folder"), "name a file in it")
	}
	return failed(op, path, err, "")
}

// extension returns the kind of file that a path's extension names; "" if it
// has none.
func extension(op, path, mend string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case "":
		return "", nil
	case ".wav", ".wave":
		return kindWAV, nil
	case ".mp3":
		return kindMP3, nil
	default:
		return "", failed(op, path, fmt.Errorf("%w: %s is neither .wav nor .mp3", ErrExtension, ext), "%s", mend)
	}
}

const (
	kindWAV = "WAV"
	kindMP3 = "MP3"
)

func isFolder(info os.FileInfo) bool { return info != nil && info.IsDir() }
