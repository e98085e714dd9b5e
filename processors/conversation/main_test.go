package conversation_test

import (
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// needTool returns the path of a program, or skips the test.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is not installed, and PARLEY_REQUIRE_TOOLS is set", name)
		}
		t.Skipf("%s is not installed: the second opinion on this file is not asked for", name)
	}
	return path
}
