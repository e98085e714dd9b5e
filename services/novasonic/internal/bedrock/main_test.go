package bedrock

import (
	"io"
	"log"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

var discardLog = log.New(io.Discard, "", 0)

// withoutGuards names, in the environment of a child process, the guards to
// leave out. See TestEveryGuardIsNeeded.
const withoutGuards = "BEDROCK_TEST_WITHOUT_GUARDS"

func guardsLeftOut() guards {
	n, _ := strconv.ParseUint(os.Getenv(withoutGuards), 10, 16)
	return guards(n)
}

func TestMain(m *testing.M) {
	if guardsLeftOut() != 0 {
		os.Exit(m.Run()) // leaks are what is to be shown
	}
	goleak.VerifyTestMain(m)
}
