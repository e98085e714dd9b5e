package sonictest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

func TestAChildIsLedToTheServerWhateverItsParentHasSet(t *testing.T) {
	srv := sonictest.NewServer(sonictest.Config{})
	if err := srv.StartTLS("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	parent := []string{"PATH=/bin", "AWS_PROFILE=work", "AWS_BEARER_TOKEN_BEDROCK=", "AWS_REGION=moon", "HTTPS_PROXY=http://proxy:1", "NO_PROXY=example.com"}
	got := map[string]string{} // the last one counts
	for _, v := range srv.ChildEnviron(parent) {
		name, value, _ := strings.Cut(v, "=")
		got[name] = value
	}
	for name, want := range map[string]string{
		"PATH": "/bin", "HTTPS_PROXY": "http://proxy:1", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": srv.URL(),
		"NO_PROXY": "example.com,127.0.0.1", "no_proxy": "127.0.0.1", "AWS_CA_BUNDLE": srv.CAFile(),
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for _, name := range sonictest.Unwanted() {
		if _, ok := got[name]; ok {
			t.Errorf("%s is set", name)
		}
	}
	if !slices.Contains(parent, "AWS_PROFILE=work") {
		t.Error("the parent's environment was changed")
	}
}
