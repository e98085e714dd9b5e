package novasonic_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEveryScenarioIsInTheTable(t *testing.T) {
	table, err := os.ReadFile(filepath.Join("..", "..", "docs", "scenarios.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	found := 0
	for _, name := range files {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func TestScenario(\w+)\(`).FindAllStringSubmatch(string(code), -1) {
			found++
			if !strings.Contains(string(table), "`"+m[1]+"`") {
				t.Errorf("docs/scenarios.md lacks %s", m[1])
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d scenarios were found", found)
	}
}
