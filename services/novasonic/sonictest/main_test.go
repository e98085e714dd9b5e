package sonictest_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// AWS's SDK leaves one goroutine behind for each bidirectional stream;
		// one test uses it as it is.
		goleak.IgnoreTopFunction("github.com/aws/aws-sdk-go-v2/service/bedrockruntime.newAsyncEventStreamReader.func1"))
}
