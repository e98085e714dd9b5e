module github.com/parley-go/parley/test/silerovadgo

go 1.26.0

require github.com/streamer45/silero-vad-go v0.2.1
