package pipelinetest

import (
	"regexp"
	"runtime"
	"strings"
)

var bubblePattern = regexp.MustCompile(`^goroutine \d+ \[.*synctest bubble (\d+)\]:`)

// Leaks returns the stacks of all goroutines in the caller's bubble of
// testing/synctest but the caller's own and the bubble's. Unlike a count of all
// goroutines it is exact when tests run in parallel. Outside of a bubble it
// returns nil.
func Leaks() []string {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	stacks := strings.Split(string(buf), "\n\n")
	own := bubblePattern.FindStringSubmatch(stacks[0]) // the caller's comes first
	if own == nil {
		return nil
	}
	var leaks []string
	for _, stack := range stacks[1:] {
		bubble := bubblePattern.FindStringSubmatch(stack)
		ofTheTest := strings.Contains(stack, "internal/synctest.Run(") || strings.Contains(stack, "testing/synctest.testingSynctestTest(")
		if bubble != nil && bubble[1] == own[1] && !ofTheTest {
			leaks = append(leaks, stack)
		}
	}
	return leaks
}
