package audiofile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/parley-go/parley/internal/pathfault"
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
	if path == "" {
		return failed(op, `""`, errors.New("there is no path"), "name a file")
	}
	mend, what := pathfault.Explain(err, path, op != "open" && op != "read")
	return failed(op, path, what, "%s", mend)
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
