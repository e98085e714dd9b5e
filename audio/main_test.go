package audio

import (
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// needTool returns the path of a program that judges what this package does.
// Where it is not installed the test is skipped, unless PARLEY_REQUIRE_TOOLS
// says that it has to be.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is not installed, and PARLEY_REQUIRE_TOOLS=1 forbids to do without: %v", name, err)
		}
		t.Skipf("%s is not installed: what it would say about these samples is not checked", name)
	}
	return path
}
