package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/parley-go/parley/services/novasonic"
)

type voicesCommand struct {
	Model string `type:"name" default:"${default_model}" help:"Model id. Default: ${default}."`
}

// knownModel refuses a model whose voices nobody knows.
func knownModel(model string) error {
	if novasonic.Voices(model) == nil {
		return usageError{fmt.Errorf("--model %s: it is not known: try %s, %s or %s", model, novasonic.ModelV2, novasonic.ModelV25, novasonic.ModelV1)}
	}
	return nil
}

func (c *voicesCommand) Run(con console) error {
	if err := knownModel(c.Model); err != nil {
		return err
	}
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	for _, v := range novasonic.Voices(c.Model) {
		note := ""
		if v.Polyglot {
			note = "and all others"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", v.ID, strings.Join(v.Languages, ", "), note)
	}
	return w.Flush()
}
