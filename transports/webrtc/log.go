package webrtc

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// loggers lets pion's packages write to a log: what they warn of, for debugging. Most
// of it is of peers that have gone.
type loggers struct{ log *slog.Logger }

func (l loggers) NewLogger(scope string) logging.LeveledLogger {
	return &logger{l.log.With("scope", scope)}
}

type logger struct{ log *slog.Logger }

func (*logger) Trace(string)          {}
func (*logger) Tracef(string, ...any) {}
func (*logger) Debug(string)          {}
func (*logger) Debugf(string, ...any) {}
func (*logger) Info(string)           {}
func (*logger) Infof(string, ...any)  {}

func (l *logger) Warn(msg string)                   { l.log.Debug(msg) }
func (l *logger) Warnf(format string, args ...any)  { l.write(format, args...) }
func (l *logger) Error(msg string)                  { l.log.Debug(msg) }
func (l *logger) Errorf(format string, args ...any) { l.write(format, args...) }

func (l *logger) write(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug(fmt.Sprintf(format, args...))
	}
}
